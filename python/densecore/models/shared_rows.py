"""The steps of an epoch when several ranks share its batches: which rows are whose.

There are three ways in which ranks have rows. All of them may have all rows: then a batch is what
it is for one process, and each rank takes whole leaves of it. Each may have rows of its own: then a
batch has rows of every rank, in proportion. Or each has batches of its own, which together are the
batch of a step.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from .._base.dtypes import Array, Network
from .._base.lazy import imports
from .._data.batches import Arrays, Source
from .._data.dataset import Batch, Data, weights_of
from ..data.files import Piece
from ..data.shards import Shards, joined
from ..distributed.comm import tree_sum
from ..distributed.group import Group
from ..distributed.shares import Share, dealt, given, leaves
from .compiled import Compiled

#: Bytes of an array that are looked at, to find out whether ranks have the same.
_LOOKED_AT = 1 << 24
#: The error of weights that are 0 on all ranks.
ONLY_ZEROS = "sample_weight: found only zeros, wanted at least one positive weight"


class Step:
    """One batch, and a rank's part of it.

    Attributes
    ----------
    rows : int
        Of the whole batch.
    weights : list of float
        What its sum of losses is divided by, of several outputs for each.
    share : Share
    batch : Batch
        The rank's rows.
    targets : callable
        Gives (y, weight) of the whole batch.
    """

    def __init__(
        self,
        rows: int,
        weights: list[float],
        share: Share,
        batch: Batch,
        targets: Callable[[], tuple[Array, Array | None]],
    ) -> None:
        self.rows, self.weights, self.share, self.batch = rows, weights, share, batch
        self.targets = targets


class SharedRows(Protocol):
    """Steps of one epoch after another.

    Attributes
    ----------
    steps : int or None
        Of an epoch; None when that is not known before.
    rows : int or None
        Of all ranks in an epoch, likewise.
    batch_size : int or None
        Of all ranks; None for batches that come as they are.
    """

    steps: int | None
    rows: int | None
    batch_size: int | None

    def epoch(self, number: int, seed: int) -> Iterator[Step]:
        """The steps of an epoch, the same number on all ranks."""
        ...


class AllRows:
    """Every rank can read all rows, and reads its leaves of each batch."""

    def __init__(
        self, source: Arrays, network: Network, group: Group, chunks: int | None, steps: int | None
    ) -> None:
        self._source, self._network, self._group, self._chunks = source, network, group, chunks
        source.limit(steps, len(source.data.x))
        self.steps: int | None = source.steps
        self.rows: int | None = len(source.data.x)
        self.batch_size: int | None = source.batch_size

    def epoch(self, number: int, seed: int) -> Iterator[Step]:
        data, group = self._source.data, self._group
        for which in self._source.order_of(number, seed):
            rows = _length(which, len(data.x))
            count = leaves(self._network.leaves_of(rows), group.size, self._chunks, False)
            share = dealt(rows, count, group.rank, group.size)
            weights = self._network.batch_weights(weights_of(data.weight, which), rows)
            own = _part(which, share.begin, share.end)
            yield Step(rows, weights, share, data.batch(own), _targets_of(data, which))


class OwnRows:
    """Each rank has rows of its own; a batch has some of every rank, in proportion.

    The order of the rows is that of ranks: those of rank 0 come first in each batch.
    """

    def __init__(
        self, source: Arrays, network: Network, group: Group, chunks: int | None, steps: int | None
    ) -> None:
        self._source, self._network, self._group, self._chunks = source, network, group, chunks
        data = source.data
        if group.total(0.0 if data.weight is None else 1.0) > 0 and data.weight is None:
            source.data = Data(data.x, data.y, np.ones(len(data.x), network.parameters.dtype))
        self._counts = group.vector(float(len(source.data.x)))[:, 0].astype(np.int64)
        self._total = int(self._counts.sum())
        source.limit(steps, self._total)
        self.steps: int | None = source.steps
        self.rows: int | None = self._total
        self.batch_size: int | None = source.batch_size

    def epoch(self, number: int, seed: int) -> Iterator[Step]:
        source, network, group = self._source, self._network, self._group
        data = source.data
        there = -(-self._total // source.batch_size)
        number, batches = source.pass_of(number, there, self.steps or there)
        order = source.whole_order(number, seed)
        ends = np.minimum(np.arange(1, there + 1) * source.batch_size, self._total)
        # (batches + 1, ranks): how many of its rows a rank has given by the end of each.
        given_by = self._counts * np.append(0, ends)[:, None] // max(self._total, 1)
        own = given_by[:, group.rank]
        if data.weight is None:
            sums = [network.batch_weights(None, int(n)) for n in np.diff(given_by, axis=0).sum(1)]
        else:
            ordered = data.weight if order is None else weights_of(data.weight, order)
            found = np.array([
                network.batch_weights(
                    np.ascontiguousarray(weights_of(ordered, slice(int(a), int(b)))), int(b - a)
                )
                for a, b in pairwise(own)
            ])  # fmt: skip
            group.comm.allreduce_(found)
            sums = found.tolist()
        for step in batches:
            counts = given_by[step + 1] - given_by[step]
            rows = int(counts.sum())
            begin, count = int(counts[: group.rank].sum()), int(counts[group.rank])
            cut = leaves(network.leaves_of(rows), group.size, self._chunks, True)
            share = given(begin, count, rows, cut)
            which: Any = slice(int(own[step]), int(own[step + 1]))
            if order is not None:
                which = order[which]
            batch = data.batch(which)
            yield Step(rows, sums[step], share, batch, gathered(group, batch, counts))


class OwnBatches:
    """Each rank has batches of its own; those of a step together are its batch."""

    def __init__(self, source: Source, network: Network, group: Group, chunks: int | None) -> None:
        self._source, self._network, self._group, self._chunks = source, network, group, chunks
        self.steps: int | None = None
        self.rows: int | None = None
        self.batch_size: int | None = None

    def epoch(self, number: int, seed: int) -> Iterator[Step]:
        group = self._group
        batches = self._source.epoch(number, seed)
        empty: Batch | None = None
        while True:
            batch, error = None, None
            try:
                batch = next(batches, None)
            except BaseException as raised:
                error = raised
            group.raise_any(error)
            if batch is not None:
                empty = Batch(batch.x[:0], batch.y[:0], None)
            if group.total(0.0 if batch is None else 1.0) == 0:
                return
            if batch is None:
                batch = empty or self._nothing()
            yield step_of(batch, self._network, group, self._chunks)

    def _nothing(self) -> Batch:
        dtype = self._network.parameters.dtype
        return Batch(np.empty((0, self._network.inputs), dtype), np.empty(0, np.int32), None)


class ShardRows:
    """Rows in files: each rank reads the lanes that are its own."""

    def __init__(
        self, model: Compiled, shards: Shards, group: Group, batch_size: int, shuffle: bool,
        class_weight: Mapping[int, float] | None,
    ) -> None:  # fmt: skip
        if group.size > shards.lanes:
            raise ValueError(
                f"lanes: found {shards.lanes} for {group.size} ranks, wanted at least one for each"
            )
        self._model, self._shards, self._group = model, shards, group
        self._size, self._shuffle, self._class_weight = batch_size, shuffle, class_weight
        first = shards.first()
        self._nothing = Piece(first.x[:0], first.y[:0], None)
        self.batch_size: int | None = batch_size
        self.rows: int | None = shards.rows
        self.steps: int | None = -(-shards.rows // batch_size)

    def epoch(self, number: int, seed: int) -> Iterator[Step]:
        shards, group, model = self._shards, self._group, self._model
        assert self.steps is not None
        dtype = model.parameters.dtype
        lanes = shards.lanes_of(number, seed, self._shuffle, dtype)
        totals = np.array([lane.rows for lane in lanes])
        ends = np.minimum(np.arange(self.steps + 1) * self._size, shards.rows)
        counts = np.diff(totals * ends[:, None] // shards.rows, axis=0)  # (steps, lanes)
        first, last = (len(lanes) * rank // group.size for rank in (group.rank, group.rank + 1))
        with ThreadPoolExecutor(1, "densecore-shards") as thread:
            try:
                for lane in lanes[first:last]:
                    lane.begin(thread)
                for of_step in counts:
                    cuts = [int(cut) for cut in np.cumsum(np.append(0, of_step))]
                    own = cuts[first : last + 1]
                    parts = []
                    for place in range(first, last):
                        parts += lanes[place].take(int(of_step[place]))
                    yield self._step(parts, Share(own[0], own[-1], own, first), cuts[-1])
            finally:
                thread.shutdown(cancel_futures=True)

    def _step(self, parts: list[Piece], share: Share, rows: int) -> Step:
        model, group = self._model, self._group
        if parts:
            rows_given = self._shards.as_given(joined(parts))
            batch = model._data(*rows_given, self._class_weight, True).batch()
        else:
            x, y, _ = self._shards.as_given(self._nothing)
            batch = rows_of(model, x, y).batch()
        weights = model._network.batch_weights(None, rows)
        if batch.weight is not None or (self._class_weight and group.size > 1):
            weights = self._weights(batch, share)

        def targets() -> tuple[Array, Array | None]:
            every = group.vector(float(share.end - share.begin))[:, 0].astype(np.int64)
            return gathered(group, batch, every)()

        return Step(rows, weights, share, batch, targets)

    def _weights(self, batch: Batch, share: Share) -> list[float]:
        """The divisor of the batch's loss: of each lane by itself, then their tree."""
        network = self._model._network
        sums = np.zeros((self._shards.lanes, len(network.batch_weights(None, 0))))
        for leaf, (begin, end) in enumerate(pairwise(share.cuts), share.leaf):
            if end > begin:
                own = weights_of(batch.weight, slice(begin - share.begin, end - share.begin))
                sums[leaf] = network.batch_weights(own, end - begin)
        self._group.comm.allreduce_(sums)
        return [float(value) for value in tree_sum(list(sums))]


def step_of(batch: Batch, network: Network, group: Group, chunks: int | None) -> Step:
    """The step whose batch is that of all ranks, rank 0's rows first.

    Raises
    ------
    Exception
        On all ranks, when a rank's weights are refused.
    """
    own = len(batch.x)

    weights = group.together(lambda: network.batch_weights(batch.weight if own else None, own))
    counting = own > 0 and (batch.weight is None or batch.weight.any())
    found = group.vector(float(own), float(counting), *weights)
    counts = found[:, 0].astype(np.int64)
    rows = int(counts.sum())
    if rows > 0 and not found[:, 1].any():
        raise ValueError(ONLY_ZEROS)
    begin = int(counts[: group.rank].sum())
    cut = leaves(network.leaves_of(rows), group.size, chunks, True)
    share = given(begin, own, rows, cut)
    # Added up in the ranks' order, the same on all.
    weights = [float(weight) for weight in found[:, 2:].sum(axis=0)]
    return Step(rows, weights, share, batch, gathered(group, batch, counts))


def rows_of(
    model: Compiled,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
) -> Data:
    """A rank's data as the core wants them, as of `Compiled._data`; there may be no rows."""
    first = x
    while isinstance(first, Mapping | list | tuple) and len(first) > 0:  # of several inputs
        first = next(iter(first.values())) if isinstance(first, Mapping) else first[0]
    if y is None or getattr(first, "shape", (1,))[:1] != (0,):
        return model._data(x, y, sample_weight, class_weight, some=True)
    model._build_for(x)
    loss, dtype = model._compiled_loss(), model.parameters.dtype
    columns = loss.target_columns(model._outputs)
    nothing = np.empty(0, np.int32) if loss.sparse else np.empty((0, columns), dtype)
    return Data(np.empty((0, model._inputs), dtype), nothing, None)


def same_everywhere(data: Data, group: Group) -> bool:
    """Whether all ranks have the same rows, by a digest of what they have."""
    if group.size == 1:
        return True
    digest = _digest(data)
    found = group.vector(float(len(data.x)), *digest)
    return bool((found == found[0]).all())


def _digest(data: Data) -> list[float]:
    """Numbers that follow from the rows; of large arrays from a part of them."""
    with imports:
        import hashlib

    rows = len(data.x)
    state = hashlib.blake2b(digest_size=12)
    width = max(1, data.x.shape[1] * 8)
    count = min(rows, max(64, _LOOKED_AT // width))
    which = np.unique(np.linspace(0, max(rows - 1, 0), count).astype(np.int64))
    for array in data.batch() if count == rows else data.batch(which):
        if array is not None:
            state.update(str(array.shape).encode())
            state.update(np.ascontiguousarray(array).data)
    words = np.frombuffer(state.digest(), "<u4")
    return [float(word) for word in words]


def _length(which: Any, rows: int) -> int:
    if isinstance(which, slice):
        begin, end, _ = which.indices(rows)
        return end - begin
    return len(which)


def _part(which: Any, begin: int, end: int) -> Any:
    if isinstance(which, slice):
        return slice(which.start + begin, which.start + end)
    return which[begin:end]


def _targets_of(data: Data, which: Any) -> Callable[[], tuple[Array, Array | None]]:
    return lambda: (data.y[which], weights_of(data.weight, which))


def gathered(group: Group, batch: Batch, counts: Array) -> Callable[[], tuple[Array, Array | None]]:
    """Targets and weights of all ranks' rows."""

    def gather() -> tuple[Array, Array | None]:
        ends = np.cumsum(counts)
        end = int(ends[group.rank])
        begin = end - int(counts[group.rank])
        y = batch.y if batch.y.ndim == 2 else batch.y[:, None]
        weight = batch.weight
        arrays = 0 if weight is None else 1 if weight.ndim == 1 else len(weight)
        most = group.vector(float(y.shape[1] if len(y) else 0), float(arrays)).max(axis=0)
        columns, arrays = (int(count) for count in most)
        table = np.full((int(ends[-1]), columns + arrays), -0.0)
        if end > begin:
            table[begin:end, :columns] = y
            if (
                arrays
            ):  # those of a rank without weights, or with one for all outputs, hold for each
                table[begin:end, columns:].T[...] = 1.0 if weight is None else weight
        group.comm.allreduce_(table)
        labels = batch.y.ndim == 1
        found = table[:, 0].astype(batch.y.dtype) if labels else table[:, :columns]
        whole = np.ascontiguousarray(found, batch.y.dtype)
        if arrays == 0:
            return whole, None
        weights = table[:, columns] if arrays == 1 else table[:, columns:].T
        return whole, np.ascontiguousarray(weights, batch.x.dtype)

    return gather

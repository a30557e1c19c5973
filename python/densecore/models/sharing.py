"""A model that several ranks train together: what they agree on, and the parts of a step."""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .._base import core
from .._base.dtypes import Array
from .._base.lazy import imports
from .._data.dataset import Batch
from ..distributed.group import Group, group_of
from ..distributed.shares import Share
from ..layers.whole_function import WholeFunction
from ..losses.function import CallableLoss
from ..losses.registry import stored_config
from .compiled import Compiled

#: Steps between two comparisons of the parameters.
STEPS_BETWEEN_CHECKS = 100


class Layout(NamedTuple):
    """How the rows of a batch lie on the ranks: cuts and first leaf of this one's, the rows and the
    weights of all.

    The cuts say how many rows this rank has.
    """

    cuts: list[int]
    leaf: int
    rows: int
    weights: list[float]


class Sharing:
    """The ranks that train a model, after they have found that it is the same on all of them.

    Parameters
    ----------
    model : Compiled
        Built; it gets the parameters, the optimizer's state and the counters of rank 0.
    group : Group
    settings : mapping, optional
        What else must be the same on all ranks, by name.

    Raises
    ------
    ValueError
        On all ranks: which rank differs, and how.
    """

    def __init__(
        self, model: Compiled, group: Group, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.group = group
        group.together(lambda: _check(model))
        group.agree({**_description(model), **(settings or {})})
        _take_seed(model, group)
        _take_isa(model, group)
        self.model = model
        network = self.network = model._network
        self.reduced = network.reduced
        self.slots = self.reduced[-4:]
        #: Columns of the rows that ranks exchange for tables of embeddings instead of tables.
        self.tables = network.table_columns
        self._place = slice(0, 0)  # of this rank's rows, and of how many, in the last gradient
        self._rows = 0
        # Whether ranks meet within the passes, and what they have still to add up there.
        self.coupled = network.couples_rows()
        self._left: list[int] | None = None
        dtype = self.reduced.dtype
        for count in (*network.sums_of_pass(), network.summed_count + len(self.slots)):
            group.settle(count, dtype)
        self.take_state()

    @property
    def plain(self) -> bool:
        """Whether a step is one sum over the ranks, whose slots have its loss, and no more."""
        model = self.model
        others = self.tables or self.coupled or model._loans or model._constrained
        others = others or not model._compiled_loss().in_core
        return len(model.metrics_names) == 1 and not others and self.network.sums_of_part == 1

    def serves(self, comm: Any) -> bool:
        """Whether it is about these ranks, and about the network that the model has."""
        return self.group.given is comm and self.model._network_or_none is self.network

    def take_state(self) -> None:
        """Parameters, optimizer state, counters and learning rate of rank 0, on every rank."""
        if self.group.size == 1:
            return
        network = self.network
        counters = np.array([network.steps, network.epochs, network.open_passes], np.float64)
        self.group.comm.bcast_(counters)
        network.steps, network.epochs, network.open_passes = (int(count) for count in counters)
        for array in (*self.model.weights, *network.optimizer_states().values()):
            flat = np.ascontiguousarray(array)
            self.group.comm.bcast_(flat)
            array[...] = flat

    def take_settings(self) -> None:
        """The optimizer's numbers of rank 0, such as its learning rate, on every rank."""
        if self.group.size == 1:
            return
        optimizer = self.model._compiled_optimizer()
        numbers = {
            name: value
            for name, value in optimizer.get_config().items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        found = self.group.vector(*numbers.values())[0]
        for (name, value), wanted in zip(numbers.items(), found, strict=True):
            if value != wanted and not (value != value and wanted != wanted):
                setattr(optimizer, name, type(value)(wanted))

    def gradient(
        self,
        batch: Batch,
        share: Share,
        rows: int,
        weights: list[float],
        outputs: Array | None = None,
    ) -> list[float]:
        """The gradient of a rank's share of a batch; returns the sums of its rows' losses."""
        self._place, self._rows = slice(share.begin, share.end), rows
        loss = self.model._compiled_loss()
        if isinstance(loss, CallableLoss):
            with imports:
                from . import shared_function

            return shared_function.gradient(self.network, loss, batch, share, rows, outputs)
        if not self.coupled:
            return self.network.part_gradient(
                *batch, share.cuts, share.leaf, rows, weights, outputs
            )
        self._left = self.network.sums_of_pass()
        return self.network.part_gradient(
            *batch, share.cuts, share.leaf, rows, weights, outputs, self._add_up
        )

    def expect(self, layout: Layout) -> None:
        """Prepare a step of a custom loop on rows that lie as those of the last one.

        The core makes it, with one sum over the ranks and no more.
        """
        reduced = self.group.prepared(self.reduced)
        self.network.expect(self.group, reduced, *layout, STEPS_BETWEEN_CHECKS)

    def _add_up(self, values: Array) -> None:
        assert self._left is not None
        self._left.pop(0)
        self.group.sum_(values)

    def add_up(self, sums: list[float]) -> list[float]:
        """The losses of the ranks' parts, added up."""
        found = np.array(sums)
        self.group.settle(found.size, found.dtype)
        self.group.sum_(found)
        return [float(value) for value in found]

    def reduce(self, error: BaseException | None, stop: bool) -> bool:
        """Add up the gradients of all ranks; whether a rank wants to stop.

        Raises
        ------
        Exception
            On all ranks, when one of them comes with an error.
        """
        network, group, slots = self.network, self.group, self.slots
        if self.coupled:
            # The others wait within their passes; theirs will count for nothing.
            for count in network.sums_of_pass() if self._left is None else self._left:
                group.sum_(np.full(count, -0.0, self.reduced.dtype))
            self._left = None
        if error is not None:
            network.neutral_gradient()
            slots[2] = 1
        if stop:
            slots[3] = 1
        if self.tables:
            dense = self.reduced[: network.summed_count]
            both = np.concatenate([dense, slots])
            group.sum_(both)
            dense[...], slots[...] = both[: len(dense)], both[len(dense) :]
        else:
            group.sum_(self.reduced)
        if slots[2] > 0:
            group.raise_known(error)
        if slots[3] > 0:
            return True
        if self.tables:
            self._exchange_tables()
        return False

    def _exchange_tables(self) -> None:
        """Give every rank the rows of all for tables' gradients, to add up as one process does."""
        rows = np.full((self._rows, self.tables), -0.0, self.reduced.dtype)
        self.network.take_table_rows(rows[self._place])
        self.group.comm.allreduce_(rows)
        self.network.add_table_rows(rows)

    def check_drift(self) -> None:
        """Compare the parameters of all ranks.

        Raises
        ------
        RuntimeError
            On all ranks: which of them have other parameters than the others.
        """
        if self.group.size == 1:
            return
        found = self.group.vector(float(zlib.crc32(self.network.parameters.data)))[:, 0]
        values, counts = np.unique(found, return_counts=True)
        if len(values) > 1:
            usual = values[counts.argmax()]
            other = ", ".join(str(rank) for rank in np.flatnonzero(found != usual))
            raise RuntimeError(
                f"comm: after step {self.network.steps} the parameters of rank {other} differ from "
                f"those of rank {int(np.flatnonzero(found == usual)[0])}: wanted the same bits on "
                "all; something has changed them on some ranks only, or a machine computes wrongly"
            )


def sharing(model: Compiled, comm: Any, x: Any, call: str) -> Sharing:
    """The ranks of `comm` for a custom loop; they agree in the first call with it."""
    known: Sharing | None = model.__dict__.get("_sharing")
    new = known is None or not known.serves(comm)
    if known is None or new:
        group = group_of(comm, call)
    else:
        group = known.group
        group.enter(call)
    group.together(lambda: _build(model, x))
    # Whether the ranks meet for the first time must be the same on all, too.
    group.begin(f"{call}, with a {'new' if new else 'known'} model")
    if known is None or new:
        known = model.__dict__["_sharing"] = Sharing(model, group)
    return known


def _build(model: Compiled, x: Any) -> None:
    model._compiled_loss()
    model._build_for(x)


def _check(model: Compiled) -> None:
    model._refuse_own_penalties("comm")
    for function in model._plan().functions.values():
        if isinstance(function, WholeFunction) and not function.takes_rows_alone():
            raise ValueError(
                "comm: found a function of symbols whose result for a row follows from other rows, "
                "wanted functions of each row: a rank has some of a batch"
            )
    loss = model._compiled_loss()
    if not loss.in_core:
        with imports:
            from . import shared_function

        shared_function.check(model, loss)


def _description(model: Compiled) -> dict[str, Any]:
    """The settings that have to be the same on all ranks, as JSON can hold them."""
    plan = model._plan()
    optimizer = model._compiled_optimizer()
    names = [f"layer {number}" for number in range(len(plan.specs))]
    return {
        "densecore": core.__version__,
        "dtype": model.dtype,
        "inputs": model._inputs,
        "layers": len(plan.specs),
        **{name: _plain(spec) for name, spec in zip(names, plan.specs, strict=True)},
        "trained": [block[:2] for block in model._network.trained()],
        "preprocessing": _preprocessing(model),
        "constraints": [
            _plain({"class": type(constraint).__name__, **constraint.get_config()})
            for _, _, constraint in model._constrained
        ],
        "loss": _plain(stored_config(model._compiled_loss())),
        "optimizer": _plain(optimizer.get_config()),
        "metrics": model.metrics_names,
        "seed": model.seed if _seed_given(model) else None,
    }


def _preprocessing(model: Compiled) -> list[Any]:
    """Layers that see arrays before the core does, with their vocabularies."""
    before = getattr(model, "_preparation", None)
    return [] if before is None else [_plain(node.layer.saved()) for node in before.nodes]


def _plain(value: Any) -> Any:
    """A configuration as JSON can hold it; of functions and the like the name."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if key != "name"}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__qualname__", type(value).__qualname__)


def _seed_given(model: Compiled) -> bool:
    return bool(getattr(model, "_seed_given", True))  # of a pickle there is no telling


def _take_seed(model: Compiled, group: Group) -> None:
    """Models that were given no seed take that of rank 0."""
    if _seed_given(model) or group.size == 1:
        return
    # A seed of 48 bits is one float64.
    seed = int(group.vector(float(model.seed))[0, 0])
    if seed != model.seed:
        model.seed = seed
        steps, epochs = model._network.steps, model._network.epochs
        model._network_changed()
        model._network.steps, model._network.epochs = steps, epochs


def _take_isa(model: Compiled, group: Group) -> None:
    """The kernels of the lowest instruction set of all ranks, so that the bits are the same."""
    levels = core.available_isa_levels()
    found = [name.decode() for name in group.gather(model._network.isa.encode())]
    if len(set(found)) == 1:
        return
    everywhere = set(levels)
    for known in group.gather(",".join(levels).encode()):
        everywhere &= set(known.decode().split(","))
    order = core.compiled_isa_levels()  # the widest vectors first
    wanted = max(found, key=order.index) if set(found) <= set(order) else "scalar"
    if wanted not in everywhere:
        wanted = "scalar"
    if model._network.isa != wanted:
        arrays = [array.copy() for array in model.weights]
        states = {name: array.copy() for name, array in model._network.optimizer_states().items()}
        steps, epochs = model._network.steps, model._network.epochs
        model._make_network(wanted)
        for to, array in zip(model.weights, arrays, strict=True):
            to[...] = array
        model._network_changed()
        for name, array in model._network.optimizer_states().items():
            array[...] = states[name]
        model._network.steps, model._network.epochs = steps, epochs

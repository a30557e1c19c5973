"""Where the batches of an epoch come from: arrays, objects with an index, anything iterable."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import numpy as np

from .._base import checks, core
from .._base.warn import warn
from .dataset import Batch, Data

# (x, y, sample_weight) of a batch, however given, as the core wants it.
Convert = Callable[[Any, Any, Any], Data]


class Source(Protocol):
    """Batches of one epoch after another.

    Attributes
    ----------
    steps : int or None
        Batches of an epoch, when that is known before.
    rows : int or None
    exhausted : bool
        Whether there will be no more epochs.
    """

    steps: int | None
    rows: int | None
    exhausted: bool

    def epoch(self, number: int, seed: int) -> Iterator[Batch]:
        """The batches of an epoch; number and seed fix their order."""
        ...


class Passes:
    """Data of known length: an epoch of fewer steps goes on where the one before it has ended.

    The data starts again, in another order when it is shuffled, after its last batch, which ends
    its epoch, as in Keras: otherwise batches behind the first `steps` would never be seen.
    """

    exhausted = False
    #: The number of the first epoch; set before that.
    began = 0

    def pass_of(self, number: int, there: int, steps: int) -> tuple[int, range]:
        """The pass over the data that an epoch belongs to, counted as epochs, and its batches."""
        passes, part = divmod(number - self.began, -(-there // steps))
        return self.began + passes, range(part * steps, min((part + 1) * steps, there))


class Arrays(Passes):
    """Batches of rows of arrays; with `shuffle` in the order that the core would take them."""

    def __init__(self, data: Data, batch_size: int, shuffle: bool, steps: int | None) -> None:
        self.data = data
        self.rows: int | None = len(data.x)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.order: Any = None  # written anew before each epoch, if not drawn from the seed
        self.steps: int | None = None
        self.limit(steps, len(data.x))

    def limit(self, steps: int | None, rows: int) -> None:
        """Let an epoch have so many steps, where there are batches of `rows` rows for them."""
        there = -(-rows // self.batch_size)
        self.whole = steps is None or steps == there
        if steps is not None and steps > there:
            warn(
                f"the data has {there} batches of {self.batch_size} rows, fewer than the {steps} "
                "steps asked for: an epoch ends with its data",
            )
            self.whole = True
        self.steps = there if self.whole else steps

    def whole_order(self, number: int, seed: int) -> Any:
        """The order of an epoch's rows, or None when it is that of the arrays."""
        if self.order is None and self.shuffle:
            return core.permutation(len(self.data.x), seed, number)
        return self.order

    def order_of(self, number: int, seed: int) -> Iterator[Any]:
        """Which rows the batches of an epoch have: a slice each, or numbers of rows."""
        rows, size = len(self.data.x), self.batch_size
        there = -(-rows // size)
        steps = self.steps or there
        number, batches = self.pass_of(number, there, steps)
        order = self.whole_order(number, seed)
        if self.order is not None:  # the epoch's own
            batches = range(steps)
        for batch in batches:
            part = slice(batch * size, min((batch + 1) * size, rows))
            yield part if order is None else order[part]

    def epoch(self, number: int, seed: int) -> Iterator[Batch]:
        for which in self.order_of(number, seed):
            yield self.data.batch(which)


class Indexed(Passes):
    """Batches of an object with ``len`` and an index, such as keras.utils.PyDataset or a list."""

    rows: int | None = None

    def __init__(self, batches: Any, convert: Convert, shuffle: bool, steps: int | None) -> None:
        self._batches = batches
        self._convert = convert
        self._shuffle = shuffle
        there = len(batches)
        if there == 0:
            raise ValueError("x: found no batches, wanted at least one")
        if steps is not None and steps > there:
            warn(
                f"the data has {there} batches, fewer than the {steps} steps asked for: an epoch "
                "ends with its data",
            )
        self.steps: int | None = there if steps is None else min(steps, there)

    def first(self) -> Any:
        """The inputs of the first batch, for their number."""
        return parts_of(self._batches[0])[0]

    def epoch(self, number: int, seed: int) -> Iterator[Batch]:
        there = len(self._batches)
        number, batches = self.pass_of(number, there, self.steps or there)
        order = core.permutation(there, seed, number) if self._shuffle else np.arange(there)
        for step, index in enumerate(order[batches.start : batches.stop]):
            yield _converted(self._convert, self._batches[int(index)], step)
        ended = getattr(self._batches, "on_epoch_end", None)
        if callable(ended):
            ended()


class Stream:
    """Batches of an iterable, from its beginning in each epoch; of an iterator, where it stands.

    With a number of steps an epoch goes on where the one before it has ended, and ends with the
    data (see `Passes`); then the data starts again. An epoch whose number is not above the last
    one's is another look at the same data: an evaluation starts at its beginning each time.
    """

    rows: int | None = None

    def __init__(self, batches: Any, convert: Convert, steps: int | None) -> None:
        self._batches = batches
        self._iterator: Iterator[Any] = iter(batches)
        self._once = self._iterator is batches
        self._last: int | None = None
        self._fresh = True
        self._convert = convert
        self._peeked: list[Any] = []
        self.steps: int | None = steps
        if steps is None and hasattr(batches, "__len__"):
            self.steps = len(batches)
        self._wanted = steps
        self.exhausted = False

    def first(self) -> Any:
        """The inputs of the first batch, for their number."""
        self._peeked = list(islice(self._iterator, 1))
        if not self._peeked:
            raise ValueError("x: found no batches, wanted at least one")
        return parts_of(self._peeked[0])[0]

    def epoch(self, number: int, seed: int) -> Iterator[Batch]:
        again = self._last is not None and (self._wanted is None or number <= self._last)
        self._last = number
        if again:
            self._restart()
        from_start = self._fresh
        count = 0
        while self._wanted is None or count < self._wanted:
            item = self._next()
            if item is _END and not from_start and count == 0:  # the epoch before had the last one
                self._restart()
                from_start = self._fresh
                item = self._next()
            if item is _END:
                break
            yield _converted(self._convert, item, count)
            count += 1
        if self._wanted is not None and count == self._wanted:
            return
        self.exhausted = self._once
        if self._wanted is not None and count > 0 and (from_start or self._once):
            warn(
                f"the data ran out after {count} of {self._wanted} steps"
                + (": training ends here" if self._once else ""),
            )
        self._restart()

    def _next(self) -> Any:
        self._fresh = False
        return self._peeked.pop() if self._peeked else next(self._iterator, _END)

    def _restart(self) -> None:
        if not self._once:
            self._iterator = iter(self._batches)
            self._fresh = True


_END = object()


def are_batches(x: Any) -> bool:
    """Whether x gives batches (x, y[, sample_weight]) instead of being the inputs themselves."""
    if isinstance(x, np.ndarray | Mapping) or hasattr(x, "__array__") or hasattr(x, "shape"):
        return False
    if isinstance(x, list | tuple):  # rows of numbers otherwise
        if len(x) == 0 or not isinstance(x[0], tuple) or len(x[0]) == 0:
            return False
        first = x[0][0]
        return isinstance(first, Mapping | list | tuple) or np.ndim(first) > 0
    return hasattr(x, "__iter__") or (hasattr(x, "__len__") and hasattr(x, "__getitem__"))


def source_of(batches: Any, convert: Convert, shuffle: bool, steps: int | None) -> Indexed | Stream:
    """The source for an object that `are_batches` accepts."""
    if hasattr(batches, "__len__") and hasattr(batches, "__getitem__"):
        return Indexed(batches, convert, shuffle, steps)
    return Stream(batches, convert, steps)


def parts_of(item: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of what a source gave as a batch."""
    if not isinstance(item, tuple | list) or not 1 <= len(item) <= 3:
        found = f"{len(item)} parts" if isinstance(item, tuple | list) else type(item).__name__
        raise ValueError(f"x: found a batch of {found}, wanted (x, y) or (x, y, sample_weight)")
    x, y, weight = [*item, None, None][:3]
    return x, y, weight


def _converted(convert: Convert, item: Any, step: int) -> Batch:
    x, y, weight = parts_of(item)
    try:
        return convert(x, y, weight).batch()
    except (TypeError, ValueError) as error:
        raise checks.prefixed(f"batch {step}", error) from None

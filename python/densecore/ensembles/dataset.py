"""Data of an ensemble: arrays that all members share, arrays of their own, or rows by number."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import checks
from .._base.dtypes import Array
from .._base.lazy import imports
from .._data.dataset import Data, prepare, weights_of
from .._data.row_sources import as_rows, take

Indices = list[NDArray[np.int64]]


class MembersData:
    """Data as the core takes them: lists of one array for all members, or one each.

    Attributes
    ----------
    x, y : list of ndarray
    weight : list of ndarray or None
    rows : list of ndarray or None
        The rows of each member, by their numbers.
    """

    def __init__(
        self, x: list[Any], y: list[Array], weight: list[Array] | None, rows: Indices | None
    ) -> None:
        self.x, self.y, self.weight, self.rows = x, y, weight, rows

    def core(self) -> tuple[list[Any], list[Array], list[Array] | None, Indices | None]:
        """The tuple that the core takes."""
        return self.x, self.y, self.weight, self.rows

    def rows_of(self, member: int) -> int:
        """How many rows a member's arrays have."""
        return len(self.x[member if len(self.x) > 1 else 0])

    def with_rows(self, rows: Indices | None) -> "MembersData":
        """The same arrays, and other rows of them."""
        return MembersData(self.x, self.y, self.weight, rows)

    def with_weight(self, weight: list[Array] | None) -> "MembersData":
        """The same rows, and other weights of them."""
        return MembersData(self.x, self.y, weight, self.rows)

    def split(self, share: float) -> tuple["MembersData", "MembersData"]:
        """The first rows of each member, and the last `share` of them."""
        if self.rows is not None:
            cuts = [_cut(len(rows), share) for rows in self.rows]
            pairs = list(zip(self.rows, cuts, strict=True))
            first, last = [rows[:cut] for rows, cut in pairs], [rows[cut:] for rows, cut in pairs]
            return self.with_rows(first), self.with_rows(last)

        def parts(arrays: list[Any], begins: bool, of_weights: bool = False) -> list[Any]:
            found = []
            for array in arrays:
                cut = _cut(array.shape[-1] if of_weights else len(array), share)
                rows = slice(cut) if begins else slice(cut, None)
                found.append(weights_of(array, rows) if of_weights else array[rows])
            return found

        first_part, last_part = (
            MembersData(
                parts(self.x, begins),
                parts(self.y, begins),
                None if self.weight is None else parts(self.weight, begins, True),
                None,
            )
            for begins in (True, False)
        )
        return first_part, last_part


def _cut(rows: int, share: float) -> int:
    cut = int(rows * (1 - share))
    if cut in (0, rows):
        raise ValueError(
            f"validation_split: found {rows} rows, too few to split off a share of {share}"
        )
    return cut


def is_each(value: Any, dimensions: int) -> bool:
    """Whether `value` is an array for each member: a list of arrays, or one of a dimension more.

    `dimensions` are those of one array.
    """
    if isinstance(value, list | tuple):
        return bool(value) and all(hasattr(part, "shape") for part in value)
    return hasattr(value, "shape") and len(value.shape) == dimensions + 1


def _parts(name: str, value: Any, members: int, dimensions: int) -> list[Any]:
    if value is None or not is_each(value, dimensions):
        return [value]
    parts = list(value)
    if len(parts) != members:
        raise ValueError(
            f"{name}: found {len(parts)} arrays, wanted one for each of {members} members, or one "
            "for all"
        )
    return parts


def read(
    members: int,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    *,
    dtype: np.dtype[Any],
    inputs: int,
    outputs: int,
    sparse: bool,
) -> MembersData:
    """Check and convert; shared arrays are converted once.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the member if it has its own data, what was found and what is wanted.
    """
    if not getattr(x, "shape", ()) and not isinstance(x, list | tuple):
        raise TypeError(f"x: found {checks.shown(x)}, wanted an array (rows, features)")
    xs = _parts("x", x, members, 2)
    y_dimensions = 2
    vectors = (sparse or outputs == 1) and getattr(y, "shape", ()) == (members, len(xs[0]))
    if vectors and y.shape[1] != 1:  # instead of (rows,) or (rows, 1)
        y_dimensions = 1
    ys = _parts("y", y, members, y_dimensions)
    weights = _parts("sample_weight", sample_weight, members, 1)
    count = max(len(xs), len(ys), len(weights))
    if count > 1 and len(xs) == 1:
        xs = [take(as_rows("x", xs[0], dtype, (inputs,)), slice(None))]
    found: list[Data] = []
    for i in range(count):
        own_x, own_y, own_weight = (
            parts[i if len(parts) > 1 else 0] for parts in (xs, ys, weights)
        )
        try:
            data = prepare(
                as_rows("x", own_x, dtype, (inputs,)),
                own_y,
                own_weight,
                class_weight,
                dtype=dtype,
                outputs=outputs,
                sparse=sparse,
            )
        except (TypeError, ValueError) as error:
            if count == 1:
                raise
            raise checks.prefixed(f"member {i}", error) from None
        found.append(data)
    weighted = found[0].weight is not None
    return MembersData(
        [take(data.x, slice(None)) for data in (found if len(xs) > 1 else found[:1])],
        [data.y for data in (found if len(ys) > 1 else found[:1])],
        [data.weight for data in found if data.weight is not None] if weighted else None,
        None,
    )


def read_rows(name: str, indices: Any, members: int, data: MembersData) -> Indices:
    """Numbers of rows for each member.

    Raises
    ------
    TypeError, ValueError
        They are not whole numbers, not as many lists as members, empty, or out of range.
    """
    one_each = isinstance(indices, list | tuple) or getattr(indices, "ndim", 0) > 0
    if not one_each:
        raise TypeError(f"{name}: found {checks.shown(indices)}, wanted an array for each member")
    if len(indices) != members:
        raise ValueError(
            f"{name}: found {len(indices)} arrays of row numbers, wanted one for each of "
            f"{members} members"
        )
    found: Indices = []
    for i, given in enumerate(indices):
        numbers = np.asarray(given)
        if numbers.dtype == bool:
            numbers = np.flatnonzero(numbers)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise TypeError(
                f"{name}: found {numbers.dtype} of shape {numbers.shape} for member {i}, wanted "
                "row numbers (rows,)"
            )
        rows = len(data.x[i if len(data.x) > 1 else 0])
        if numbers.size == 0:
            raise ValueError(f"{name}: found no rows for member {i}, wanted at least one")
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high >= rows:
            wrong = low if low < 0 else high
            raise ValueError(f"{name}: found row {wrong} for member {i}, wanted 0 to {rows - 1}")
        found.append(np.ascontiguousarray(numbers, np.int64))
    return found


def chosen_rows(
    seeds: Sequence[int], indices: Any, bootstrap: bool, data: MembersData
) -> Indices | None:
    """The rows that each member is trained on, as given or drawn with replacement; None: all."""
    if indices is not None and bootstrap:
        raise ValueError("bootstrap: found it together with indices, wanted one of them")
    if indices is not None:
        return read_rows("indices", indices, len(seeds), data)
    if not bootstrap:
        return None
    counts = [data.rows_of(i) for i in range(len(seeds))]
    with imports:  # NumPy imports it now
        generator = np.random.default_rng
    return [
        generator(seed).integers(count, size=count)
        for seed, count in zip(seeds, counts, strict=True)
    ]


def with_validation(
    data: MembersData,
    plain: MembersData,
    members: int,
    share: float,
    given: Any,
    indices: Any,
    convert: Callable[[Any, Any, Any], MembersData],
) -> tuple[MembersData, MembersData | None]:
    """The training data and the validation data, from the arguments of `Ensemble.fit`.

    `plain` are the same rows without the factors of classes, which those held out do not have.
    `convert` makes data of arrays (x, y, weights or None).
    """
    if sum((given is not None, indices is not None, bool(share))) > 1:
        raise ValueError(
            "validation: found several of validation_data, validation_indices and "
            "validation_split, wanted at most one"
        )
    if share:
        return data.split(share)[0], plain.split(share)[1]
    if indices is not None:
        return data, plain.with_rows(read_rows("validation_indices", indices, members, data))
    if given is None:
        return data, None
    if isinstance(given, str):
        return data, plain.with_rows(_rest(given, data))
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(
            f"validation_data: found {checks.shown(given)}, wanted (x, y), (x, y, sample_weight) "
            "or 'rest'"
        )
    x, y, weight = [*given, None][:3]
    try:
        return data, convert(x, y, weight)
    except (TypeError, ValueError) as error:
        raise checks.prefixed("validation_data", error) from None


def _rest(given: str, data: MembersData) -> Indices:
    """The rows that a member is not trained on."""
    if given != "rest":
        raise ValueError(
            f"validation_data: found {given!r}, wanted (x, y), (x, y, sample_weight) or 'rest'"
        )
    if data.rows is None:
        raise ValueError("validation_data: found 'rest' without indices or bootstrap")
    rest = []
    for i, taken in enumerate(data.rows):
        left = np.ones(data.rows_of(i), bool)
        left[taken] = False
        rest.append(np.flatnonzero(left))
        if rest[-1].size == 0:
            raise ValueError(
                f"validation_data: found 'rest', but member {i} is trained on all rows"
            )
    return rest

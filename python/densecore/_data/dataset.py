"""Training data as the core wants it: arrays of the model's dtype, or rows by batch."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._base import checks
from .._base.dtypes import Array
from .arrays import as_labels, as_targets, as_weights
from .row_sources import Rows, part, take


class Data(NamedTuple):
    """x (rows, inputs), y (rows, outputs) or class numbers (rows,), weights (rows,) or None; of
    several outputs y side by side, weights also (outputs, rows)."""

    x: Rows
    y: Array
    weight: Array | None

    def split(self, share: float) -> tuple["Data", "Data"]:
        """The first rows and the last `share` of them, as views."""
        rows = len(self.x)
        cut = int(rows * (1 - share))
        if cut == 0 or cut == rows:
            raise ValueError(
                f"validation_split: found {rows} rows, too few to split off a share of {share}"
            )

        def rows_of(begin: int, end: int) -> Data:
            weight = weights_of(self.weight, slice(begin, end))
            return Data(part(self.x, begin, end), self.y[begin:end], weight)

        weight = self.weight
        if weight is not None and not (weight[..., :cut].any() and weight[..., cut:].any()):
            raise ValueError(
                "validation_split: found only zeros among the weights of one part, wanted at least "
                "one positive weight in each"
            )
        return rows_of(0, cut), rows_of(cut, rows)

    def batch(self, which: Any = slice(None)) -> "Batch":
        """Some of the rows as a step takes them: those of sparse matrices are made dense."""
        weight = weights_of(self.weight, which)
        return Batch(take(self.x, which), self.y[which], weight)


def weights_of(weight: Array | None, which: Any) -> Array | None:
    """The weights of some rows: of (rows,), or of (outputs, rows)."""
    if weight is None or weight.ndim == 1:
        return None if weight is None else weight[which]
    return np.ascontiguousarray(weight[:, which])


class Batch(NamedTuple):
    """The data of one step: x (rows, inputs) as an array, y and weights as of `Data`."""

    x: Array
    y: Array
    weight: Array | None


def prepare(
    x: Rows,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
    *,
    dtype: np.dtype[Any],
    outputs: int,
    sparse: bool,
    some: bool = False,
    finite: bool = True,
) -> Data:
    """Check and convert targets and weights for rows that `as_rows` has converted.

    With `some` there are other rows besides, so that the weights of these may all be 0.

    Nothing is copied that can be used where it lies. Weights must be finite, and targets unless
    `finite` is False; x is not
    searched for NaN: that would read all of it once more, perhaps from a file that is larger than
    the memory.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what was found and what is wanted.
    """
    rows = len(x)
    if rows == 0:
        raise ValueError("x: found no rows, wanted at least one")
    if y is None:
        raise ValueError("y: found None, wanted the targets")
    if isinstance(y, list | tuple) and len(y) == 1 and np.shape(y[0])[:1] == (rows,) != (1,):
        y = y[0]  # a list with the targets of the one output
    y_array: Array
    if sparse:
        y_array = as_labels(y, rows, outputs)
    else:
        y_array = as_targets(y, dtype, rows, outputs, finite=finite)
    weight = None if sample_weight is None else as_weights(sample_weight, dtype, rows, some)
    if class_weight is not None:
        factors = _class_factors(y_array, class_weight)
        weight = as_weights(factors if weight is None else factors * weight, dtype, rows, some)
    return Data(x, y_array, weight)


def _class_factors(y: Array, class_weight: Mapping[int, float]) -> NDArray[np.float64]:
    """The factor of each row's class; a single output is a class of 0 or 1."""
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f"class_weight: found {type(class_weight).__name__}, wanted a dictionary from class "
            "numbers to factors"
        )
    known = {_class_number(label): factor for label, factor in class_weight.items()}
    if y.ndim == 1:
        labels = y
    elif y.shape[1] > 1:
        labels = y.argmax(axis=1)
    else:
        labels = (y[:, 0] > 0.5).astype(np.int32)
    table = np.zeros(int(labels.max()) + 1)
    for label in np.unique(labels):
        factor = known.get(int(label), 1.0)  # as in Keras
        found = checks.real(factor)
        if found is None or not 0 <= found <= sys.float_info.max:
            raise (TypeError if found is None else ValueError)(
                f"class_weight: found {checks.shown(factor)} for class {label}, wanted a finite "
                "number >= 0"
            )
        table[label] = found
    return table[labels]


def _class_number(label: Any) -> int:
    """The class that a key of `class_weight` names: "0" would be another one than 0."""
    number = checks.real(int(label) if isinstance(label, bool | np.bool_) else label)
    if number is None or not 0 <= number < np.inf or number != int(number):
        raise (TypeError if number is None else ValueError)(
            f"class_weight: found the class {checks.shown(label)}, wanted class numbers (0, 1, ...)"
        )
    return int(number)

"""The one conversion of user input: anything array-like to what the core uses without a copy.

Convenience calls (``fit``, ``predict``, ``evaluate``) come through here and copy at most once, only
when dtype, byte order, alignment or layout demand it. Hot-path calls do not: the core refuses what
it cannot use where it lies.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _numeric(name: str, value: Any) -> Array:
    """`value` as an array of numbers, of whatever dtype it has."""
    try:
        array = np.asarray(value)
        if array.dtype == object:  # for instance a data frame with mixed column types
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: found values that are not numbers ({error})") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: found dtype {array.dtype}, wanted real numbers")
    return array


def _as_dtype(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    """The array as `dtype`, C-contiguous, aligned and of native byte order."""
    with np.errstate(over="raise"):
        try:
            return np.require(array, dtype, ["C", "A"])
        except FloatingPointError:
            largest = np.nanmax(np.abs(np.where(np.isinf(array), 0, array)))
            raise ValueError(
                f"{name}: found {largest:g}, which overflows {dtype}; wanted values up to "
                f"{np.finfo(dtype).max:.7g} (or a model with dtype='float64')"
            ) from None


def as_matrix(name: str, value: Any, dtype: np.dtype[Any], columns: int | None) -> Array:
    """`value` as a matrix (rows, columns) of `dtype`; `columns` None accepts any number."""
    array = _numeric(name, value)
    if array.ndim != 2 or (columns is not None and array.shape[1] != columns):
        wanted = "any" if columns is None else columns
        raise ValueError(f"{name}: found shape {array.shape}, wanted (rows, {wanted})")
    return _as_dtype(name, array, dtype)


def as_targets(value: Any, dtype: np.dtype[Any], rows: int, outputs: int, name: str = "y") -> Array:
    """Targets as a matrix (rows, outputs); a vector is accepted for a single output."""
    array = _numeric(name, value)
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(-1, 1)
    if array.shape != (rows, outputs):
        raise ValueError(f"{name}: found shape {array.shape}, wanted {(rows, outputs)}")
    return _as_dtype(name, array, dtype)


def as_labels(value: Any, rows: int, classes: int, name: str = "y") -> NDArray[np.int32]:
    """Class numbers as a vector (rows,) of int32, each in 0 .. classes-1."""
    array = _numeric(name, value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.reshape(-1)
    if array.shape != (rows,):
        raise ValueError(f"{name}: found shape {array.shape}, wanted {(rows,)} (class numbers)")
    wanted = f"wanted class numbers 0 to {classes - 1}, one per output"
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            row = int(np.argmin(whole))
            raise ValueError(f"{name}: found {array[row]} in row {row}, {wanted}")
    outside = (array < 0) | (array >= classes)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(f"{name}: found class {array[row]} in row {row}, {wanted}")
    return np.ascontiguousarray(array, np.int32)


def as_weights(value: Any, dtype: np.dtype[Any], rows: int, allow_zeros: bool = False) -> Array:
    """Sample weights as a vector (rows,): finite, not negative, not all zero."""
    array = _numeric("sample_weight", value)
    if array.shape != (rows,):
        raise ValueError(f"sample_weight: found shape {array.shape}, wanted {(rows,)}")
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"sample_weight: found {array[row]} in row {row}, wanted finite numbers >= 0"
        )
    if rows > 0 and not allow_zeros and not array.any():
        raise ValueError("sample_weight: found only zeros, wanted at least one positive weight")
    return _as_dtype("sample_weight", array, dtype)

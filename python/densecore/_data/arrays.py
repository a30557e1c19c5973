"""The one conversion of user input: anything array-like to what the core uses without a copy.

Convenience calls (``fit``, ``predict``, ``evaluate``) come through here and copy at most once, only
when dtype, byte order, alignment or layout demand it. Hot-path calls do not: the core refuses what
it cannot use where it lies.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import core
from .._base.dtypes import Array, real_dtype
from .interop import of_objects, to_numpy


def _numeric(name: str, value: Any) -> Array:
    """`value` as an array of numbers, of whatever dtype it has."""
    if type(value) is np.ndarray and value.dtype.kind in "fiu":
        return value
    try:
        array = np.asarray(to_numpy(name, value))
        if array.dtype == object:  # for instance a list with numbers of several types
            array = of_objects(array)
    except (TypeError, ValueError, OverflowError) as error:
        if str(error).startswith(f"{name}: "):
            raise
        raise TypeError(f"{name}: found values that are not numbers ({error})") from None
    if array.dtype.kind not in "biuf":
        found = f"dtype {array.dtype}"
        if array.dtype.kind in "UST" and array.size:
            found = f"text ({array.flat[0]!s:.20})"
        raise TypeError(f"{name}: found {found}, wanted real numbers")
    return array


def as_array(name: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """`value` as an array of `dtype`, of whatever shape it has."""
    return as_dtype(name, _numeric(name, value), dtype)


def as_dtype(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    """The array as `dtype`, C-contiguous, aligned and of native byte order."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    with np.errstate(over="raise"):
        try:
            return np.require(array, dtype, ["C", "A"])
        except FloatingPointError:
            largest = np.nanmax(np.abs(np.where(np.isinf(array), 0, array)))
            raise ValueError(
                f"{name}: found {largest:g}, which overflows {dtype}; wanted values up to "
                f"{np.finfo(dtype).max:.7g} (or a model with dtype='float64')"
            ) from None


def flattened(name: str, array: Array, row: tuple[int, ...] | None) -> Array:
    """A matrix (rows, elements of a row), without a copy if possible.

    `row` is the shape of a row; None accepts vectors of any length. Rows of several dimensions may
    be given as vectors, and vectors of one element as numbers.
    """
    shape = array.shape
    if array.ndim == 1 and (row is None or math.prod(row) == 1):
        return array.reshape(-1, 1)
    if row is None:
        if array.ndim != 2:
            raise ValueError(f"{name}: found shape {shape}, wanted (rows, features)")
        return array
    elements = math.prod(row)
    if array.ndim > 2 and len(row) > 1 and math.prod(shape[1:]) == elements:
        array = array.reshape(len(array), elements)
    if array.ndim != 2 or array.shape[1] != elements:
        wanted = ", ".join(map(str, row))
        raise ValueError(f"{name}: found shape {shape}, wanted (rows, {wanted})")
    return array


def single(value: Any) -> Any:
    """The array in a list of one array, as Keras's models of one input take it; else `value`."""
    if isinstance(value, list | tuple) and len(value) == 1 and len(np.shape(value[0])) > 1:
        return value[0] if hasattr(value[0], "shape") else value
    return value


def as_matrix(
    name: str, value: Any, dtype: np.dtype[Any], row: tuple[int, ...] | None = None
) -> Array:
    """`value` as a matrix (rows, elements of a row) of `dtype`; see `flattened`."""
    return as_dtype(name, flattened(name, _numeric(name, value), row), dtype)


def is_mapped(value: Any) -> bool:
    """Whether an array lies in a file."""
    while isinstance(value, np.ndarray):
        if isinstance(value, np.memmap):
            return True
        value = value.base
    return False


def _check_finite(name: str, array: Array) -> None:
    """Refuses NaN and infinity in targets. A memory map may be larger than the memory, and is not
    read for it.
    """
    if array.dtype.kind != "f" or is_mapped(array):
        return
    if array.dtype in (np.float32, np.float64) and array.flags.c_contiguous and array.flags.aligned:
        finite = core.all_finite(array)  # as fast as the memory is read
    else:
        finite = bool(np.isfinite(array).all())
    if finite:
        return
    bad = ~np.isfinite(array)
    if bad.any():
        row = int(np.argmax(bad.reshape(len(array), -1).any(axis=1)))
        found = array[row][bad[row]].flat[0] if array.ndim > 1 else array[row]
        raise ValueError(f"{name}: found {found} in row {row}, wanted finite numbers")


def as_targets(
    value: Any,
    dtype: np.dtype[Any],
    rows: int,
    outputs: int,
    name: str = "y",
    finite: bool = True,
) -> Array:
    """Targets as a matrix (rows, outputs); a vector is accepted for a single output. Unless they
    need be `finite`, a loss of one's own may know what NaN says."""
    array = _numeric(name, value)
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(-1, 1)
    if array.ndim > 2 and math.prod(array.shape[1:]) == outputs:
        array = array.reshape(len(array), outputs)
    if array.shape != (rows, outputs):
        raise ValueError(f"{name}: found shape {array.shape}, wanted {(rows, outputs)}")
    if finite:
        _check_finite(name, array)
    return as_dtype(name, array, dtype)


def as_labels(value: Any, rows: int, classes: int, name: str = "y") -> NDArray[np.int32]:
    """Class numbers as a vector (rows,) of int32, each in 0 .. classes-1."""
    try:
        array = _numeric(name, value)
    except TypeError as error:
        if "found text" not in str(error):
            raise
        raise TypeError(
            f"{error} (numpy.unique({name}, return_inverse=True)[1] numbers the classes)"
        ) from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.reshape(-1)
    if array.shape != (rows,):
        raise ValueError(f"{name}: found shape {array.shape}, wanted {(rows,)} (class numbers)")
    numbers = _as_core_number(array)
    found = core.class_numbers(name, numbers, classes)
    return numbers if numbers.dtype == found.dtype else found


def _as_core_number(array: Array) -> Array:
    """The array in one of the types that the core checks, without a copy if it has one."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" or (kind == "u" and size == 8):
        name = real_dtype(array.dtype)
    else:
        name = "int32" if kind == "i" and size == 4 else "int64"
    return np.require(array, np.dtype(name), ["C", "A"])


def as_weights(value: Any, dtype: np.dtype[Any], rows: int, allow_zeros: bool = False) -> Array:
    """Sample weights as a vector (rows,): finite, not negative, not all zero."""
    array = _numeric("sample_weight", value)
    if array.shape == (rows, 1):  # as Keras takes it
        array = array.reshape(rows)
    if array.shape != (rows,):
        raise ValueError(f"sample_weight: found shape {array.shape}, wanted {(rows,)}")
    core.check_weights(np.require(array, real_dtype(array.dtype), ["C", "A"]))
    converted = as_dtype("sample_weight", array, dtype)
    if rows > 0 and not converted.any():
        if array.any():
            raise ValueError(
                f"sample_weight: found at most {array.max():.2g}, which {dtype} takes for 0, "
                "wanted larger ones (a mean loss does not depend on a common factor)"
            )
        if not allow_zeros:
            raise ValueError("sample_weight: found only zeros, wanted at least one positive weight")
    return converted


def as_vectors(array: Any) -> Any:
    """An array whose rows have several dimensions as the core takes it: the same memory."""
    if not isinstance(array, np.ndarray) or array.ndim <= 2:
        return array
    seen = array.reshape(len(array), -1)
    if array.size and not np.shares_memory(seen, array):
        raise ValueError(
            f"found an array of shape {array.shape} that is not contiguous, wanted one that can be "
            "used where it lies (numpy.ascontiguousarray makes one)"
        )
    return seen

"""x as the core takes it: a matrix where it lies, or a source of rows that are made by batch."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import DTYPES, Array, CoreRows
from .arrays import as_dtype, as_matrix, flattened, is_mapped
from .interop import is_sparse

Rows = Array | CoreRows


def as_rows(
    name: str, value: Any, dtype: np.dtype[Any], row: tuple[int, ...] | None = None
) -> Rows:
    """`value` as rows of `dtype`, as `as_matrix` converts it.

    A memory map is used where it lies when it has the dtype and is C-contiguous; else its rows are
    converted when a batch needs them, as it may be larger than the memory. The rows of a sparse
    matrix are made dense by batch, too.
    """
    if is_sparse(value):
        return _sparse(name, value, dtype, row)
    if not is_mapped(value) or value.dtype.kind not in "biuf" or not value.dtype.isnative:
        return as_matrix(name, value, dtype, row)
    array = flattened(name, np.asarray(value), row)
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    if array.dtype.itemsize > 8:  # the core has no long double
        return as_matrix(name, array, dtype, row)
    return DTYPES[dtype.name].Rows.strided(array)


def part(rows: Rows, begin: int, end: int) -> Rows:
    """Some of the rows, without a copy."""
    return rows[begin:end] if isinstance(rows, np.ndarray) else rows.slice(begin, end)


def take(rows: Rows, which: slice | NDArray[np.int64]) -> Array:
    """Some of the rows as an array: a range without a copy if there is one, others copied."""
    if isinstance(rows, np.ndarray):
        found: Array = rows[which]
        return found
    if isinstance(which, slice):
        begin, end, _ = which.indices(len(rows))
        return rows.read(begin, end)
    return rows.take(which)


def _sparse(name: str, value: Any, dtype: np.dtype[Any], row: tuple[int, ...] | None) -> Rows:
    shape = tuple(value.shape)
    columns = None if row is None else math.prod(row)
    if len(shape) != 2 or (columns is not None and shape[1] != columns):
        wanted = "any" if columns is None else columns
        raise ValueError(f"{name}: found shape {shape}, wanted (rows, {wanted})")
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name}: found dtype {value.dtype}, wanted real numbers")
    matrix = value.tocsr()
    if matrix.dtype != dtype and not matrix.has_canonical_format:
        # An element that is stored in parts is their sum before it is rounded, not after.
        matrix = matrix.copy()
        matrix.sum_duplicates()
    index = np.int64 if np.int64 in (matrix.indices.dtype, matrix.indptr.dtype) else np.int32
    return DTYPES[dtype.name].Rows.csr(
        as_dtype(name, matrix.data, dtype),
        np.require(matrix.indices, index, ["C", "A"]),
        np.require(matrix.indptr, index, ["C", "A"]),
        shape[1],
    )

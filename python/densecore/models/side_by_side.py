"""Several inputs or outputs as one matrix, side by side, and apart again."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .._data.arrays import as_matrix
from ..layers.lowering import Row, elements


def joined(
    names: Sequence[str], parts: Sequence[Any], dtype: np.dtype[Any], rows: Sequence[Row]
) -> Array:
    """Arrays (rows, ...) side by side, as vectors, in one matrix.

    Raises
    ------
    ValueError, TypeError
        An array of another shape, or of another number of rows than the first one.
    """
    matrices = [
        as_matrix(f"input {name}", part, dtype, row)
        for name, part, row in zip(names, parts, rows, strict=True)
    ]
    for name, matrix in zip(names, matrices, strict=True):
        if len(matrix) != len(matrices[0]):
            raise ValueError(
                f"input {name}: found {len(matrix)} rows, wanted {len(matrices[0])}, as of "
                f"{names[0]}"
            )
    result = np.empty((len(matrices[0]), sum(map(elements, rows))), dtype)
    return np.concatenate(matrices, axis=1, out=result)


def side_by_side(rows: list[Row]) -> Row:
    """The shape of a row that holds several, which are vectors then."""
    return rows[0] if len(rows) == 1 else (sum(map(elements, rows)),)


def apart(matrix: Array, rows: list[Row]) -> list[Array]:
    """Parts of a matrix that lie side by side, each in the shape of its rows."""
    parts, begin = [], 0
    for row in rows:
        part = matrix[:, begin : begin + elements(row)]
        parts.append(part if len(row) == 1 else part.reshape(len(part), *row))
        begin += elements(row)
    return parts


def places_of(structure: Any, rows: list[Row]) -> list[slice]:
    """The columns of each vector, of a list of several; otherwise none."""
    if structure != [0] * len(rows) or len(rows) == 1 or any(len(row) != 1 for row in rows):
        return []
    ends = np.cumsum([row[0] for row in rows]).tolist()
    return [slice(end - row[0], end) for end, row in zip(ends, rows, strict=True)]


def fit_places(parts: Any, places: list[slice], dtype: np.dtype[Any]) -> bool:
    """Whether parts are a list of matrices of a dtype, as wide as the places and of equal rows."""
    if not places or type(parts) not in (list, tuple) or len(parts) != len(places):
        return False
    rows = len(parts[0]) if type(parts[0]) is np.ndarray and parts[0].ndim else 0
    for part, place in zip(parts, places, strict=True):
        if type(part) is not np.ndarray or part.dtype != dtype:
            return False
        if part.shape != (rows, place.stop - place.start):
            return False
    return True


def gradients_joined(
    names: Sequence[str], parts: Sequence[Any], widths: Sequence[int], dtype: np.dtype[Any]
) -> Array:
    """Gradients by outputs (rows, ...) side by side; zeros in the place of None.

    Raises
    ------
    ValueError
        One of another shape than its output.
    """
    rows = next((len(part) for part in parts if part is not None), 0)
    result = np.zeros((rows, sum(widths)), dtype)
    begin = 0
    for name, part, width in zip(names, parts, widths, strict=True):
        if part is not None:
            found = np.asarray(part).reshape(len(part), -1)
            if found.shape != (rows, width):
                raise ValueError(
                    f"grad_output of {name}: found shape {np.shape(part)}, wanted {(rows, width)}"
                )
            result[:, begin : begin + width] = found
        begin += width
    return result

"""x of a model with several inputs, as one matrix."""

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

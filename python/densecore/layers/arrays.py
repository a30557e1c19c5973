"""A layer's weights as arrays: their shapes, and how they are set."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.subnormals import flush_subnormals
from .._data.arrays import as_dtype
from .._data.interop import refuse_masked

Shapes = dict[str, tuple[int, ...]]


def total(shapes: Shapes) -> int:
    """The number of elements of all arrays."""
    return sum(math.prod(shape) for shape in shapes.values())


def given_ones(**constraints: Any) -> dict[str, Any]:
    """The constraints that are not None, by the names of the arrays."""
    return {name: constraint for name, constraint in constraints.items() if constraint is not None}


def of_shape(
    row: tuple[int, ...],
    parameters: dict[str, Array],
    gradients: dict[str, Array],
    states: dict[str, Array],
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """The core's views of a layer with a parameter for each number of a row, in the row's shape."""
    first, second = (
        {name: array.reshape(row) for name, array in arrays.items()}
        for arrays in (parameters, gradients)
    )
    return first, second, states


def place(array: Array) -> int:
    """Where an array's numbers lie: views of the same ones are the same weight."""
    address: int = array.__array_interface__["data"][0]
    return address


def assign(targets: list[Array], values: Any) -> None:
    """Copy arrays into views of equal shapes, all or none.

    Raises
    ------
    ValueError, TypeError
        Another number of arrays, another shape, or something that is not real numbers.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping):
        raise TypeError(f"weights: found {checks.shown(values)}, wanted a list of arrays")
    values = list(values)
    if len(values) != len(targets):
        raise ValueError(f"weights: found {len(values)} arrays, wanted {len(targets)}")
    arrays = []
    for number, (target, value) in enumerate(zip(targets, values, strict=True)):
        refuse_masked(f"weights[{number}]", value)
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"weights[{number}]: found dtype {array.dtype}, wanted real numbers")
        if array.shape != target.shape:
            raise ValueError(f"weights[{number}]: found shape {array.shape}, wanted {target.shape}")
        array = as_dtype(f"weights[{number}]", array, target.dtype)
        # Views of other weights, as of a model whose layers are swapped: each must be read before
        # any is written.
        own = any(np.may_share_memory(array, other) for other in targets)
        arrays.append(array.copy() if own else array)
    for target, array in zip(targets, arrays, strict=True):
        target[...] = array
        flush_subnormals(target)

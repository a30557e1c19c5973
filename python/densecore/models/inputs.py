"""x of a model with several inputs: lists, tuples and dictionaries of arrays, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .._data.arrays import as_matrix, single
from .._data.structures import leaves
from ..layers.lowering import Row, elements


def matched(what: str, given: Any, structure: Any, names: Sequence[str]) -> list[Any]:
    """The parts of x (or of y) in the order of a model's inputs (or outputs).

    Parameters
    ----------
    what : str
        For messages.
    given
        In the structure that the model was made with; or a flat list or tuple; or a dictionary by
        name; of a single input its array alone.
    structure
        With a leaf for each part.
    names : sequence of str
        Of the parts.

    Raises
    ------
    ValueError
        Another number of parts, or a dictionary with a missing or unknown name.
    TypeError
        One array where several are wanted.
    """
    wanted = f"wanted {', '.join(names)}"
    if isinstance(given, Mapping):
        if isinstance(structure, Mapping) and set(given) == set(structure):
            return [
                part
                for key, inner in structure.items()
                for part in matched(f"{what}[{key!r}]", given[key], inner, _named(inner, key))
            ]
        missing = [name for name in names if name not in given]
        unknown = [str(key) for key in given if key not in names]
        if missing or unknown:
            found = f"no {missing[0]!r}" if missing else f"the name {unknown[0]!r}"
            raise ValueError(f"{what}: found {found} in a dictionary, {wanted}")
        return [given[name] for name in names]
    if len(names) == 1:
        return [single(given)]
    if not isinstance(given, list | tuple):
        shape = getattr(given, "shape", None)
        found = type(given).__name__ if shape is None else f"one array of shape {tuple(shape)}"
        raise TypeError(f"{what}: found {found}, wanted {len(names)} arrays: {', '.join(names)}")
    if isinstance(structure, list) and len(given) == len(structure) < len(names):
        parts: list[Any] = []
        for number, (part, inner) in enumerate(zip(given, structure, strict=True)):
            count = len(leaves(inner))
            begin = len(parts)
            parts += matched(f"{what}[{number}]", part, inner, names[begin : begin + count])
        return parts
    if len(given) != len(names):
        raise ValueError(f"{what}: found {len(given)} parts, {wanted}")
    return list(given)


def _named(structure: Any, key: Any) -> list[str]:
    """Names for what lies under a key."""
    count = len(leaves(structure))
    return [str(key)] if count == 1 else [f"{key}[{number}]" for number in range(count)]


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

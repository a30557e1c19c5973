"""The parts of structured data, in the order of a model's inputs or outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

from .arrays import single
from .structures import leaves


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
        one = isinstance(given, list | tuple) and len(given) == 1 and hasattr(given[0], "shape")
        return [given[0] if one and given[0].ndim > 0 else single(given)]
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
    """Names for the parts below a key."""
    count = len(leaves(structure))
    return [str(key)] if count == 1 else [f"{key}[{number}]" for number in range(count)]

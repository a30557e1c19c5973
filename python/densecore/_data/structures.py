"""Nested lists, tuples and dictionaries: the inputs and outputs of models that have several."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def leaves(structure: Any) -> list[Any]:
    """A structure's leaves, in order; dictionaries in the order of their entries."""
    return list(_leaves(structure))


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, Mapping):
        for part in structure.values():
            yield from _leaves(part)
    elif isinstance(structure, list | tuple):
        for part in structure:
            yield from _leaves(part)
    else:
        yield structure


def mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same structure with other leaves; tuples become lists, as in JSON."""
    if isinstance(structure, Mapping):
        return {key: mapped(function, part) for key, part in structure.items()}
    if isinstance(structure, list | tuple):
        return [mapped(function, part) for part in structure]
    return function(structure)


def packed(structure: Any, values: list[Any]) -> Any:
    """A structure with these leaves in place of its own."""
    rest = iter(values)
    return mapped(lambda _: next(rest), structure)

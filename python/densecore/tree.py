"""Keras's ``tree``: functions of nested lists, tuples and dictionaries."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

from ._base import unsupported

#: What a function returns for `map_structure` to keep None in a place.
MAP_TO_NONE = object()


def is_nested(structure: Any) -> bool:
    """Whether it is a list, a tuple or a dictionary."""
    return isinstance(structure, list | tuple | dict)


def _parts(structure: Any) -> list[tuple[Any, Any]]:
    """The keys and parts of one level; plain dictionaries in the order of their keys, as Keras."""
    if isinstance(structure, dict):
        ordered = isinstance(structure, OrderedDict)
        keys = list(structure) if ordered else sorted(structure, key=_order)
        return [(key, structure[key]) for key in keys]
    return list(enumerate(structure))


def _order(key: Any) -> Any:
    return (0, key, "") if isinstance(key, int | float) else (1, 0, str(key))


def _like(structure: Any, parts: dict[Any, Any]) -> Any:
    """A level of the same kind with other parts."""
    if isinstance(structure, dict):
        found = structure.copy() if isinstance(structure, defaultdict) else type(structure)()
        for key in structure:
            found[key] = parts[key]
        return found
    values = [parts[place] for place in range(len(structure))]
    fields = hasattr(structure, "_fields")  # a named tuple
    return type(structure)(*values) if fields else type(structure)(values)


def flatten(structure: Any) -> list[Any]:
    """The leaves in their order.

    Parameters
    ----------
    structure : object
        Anything that is no list, tuple or dictionary is a leaf.
    """
    return [leaf for _, leaf in flatten_with_path(structure)]


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves with the keys that lead to them."""
    if not is_nested(structure):
        return [((), structure)]
    return [
        ((key, *path), leaf)
        for key, part in _parts(structure)
        for path, leaf in flatten_with_path(part)
    ]


def map_structure(func: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """The same structure with func(leaf, ...) in place of each leaf.

    Parameters
    ----------
    func : callable
    *structures
        Of one layout; the function gets a leaf of each.
    none_is_leaf : bool, default True
        Whether None is a leaf; else it stays where it is.

    Raises
    ------
    ValueError
        No structure, or another layout.
    """
    _check(func, structures)
    first, *others = structures
    for other in others:
        assert_same_structure(first, other)

    def call(*leaves: Any) -> Any:
        return None if leaves[0] is None and not none_is_leaf else func(*leaves)

    return map_structure_up_to(first, call, *structures)


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """The same with what stands in the places of the leaves of a shallower structure.

    Parameters
    ----------
    shallow_structure : object
    func : callable
    *structures
        At least as deep.
    """
    _check(func, structures)
    if not is_nested(shallow_structure):
        return func(*structures)
    levels = []
    for structure in structures:
        if not is_nested(structure) or len(structure) != len(shallow_structure):
            raise ValueError(f"found {structure!r}, wanted the layout of {shallow_structure!r}")
        levels.append(dict(_parts(structure)))
    parts = {
        key: map_structure_up_to(part, func, *(level[key] for level in levels))
        for key, part in _parts(shallow_structure)
    }
    return _like(shallow_structure, parts)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """The same where tuples and lists of numbers, such as shapes, are leaves."""
    if isinstance(structure, list | tuple) and all(
        part is None or isinstance(part, int) for part in structure
    ):
        return func(tuple(structure))
    if not is_nested(structure):
        raise ValueError(f"found {structure!r}, wanted shapes, or a structure of them")
    parts = {key: map_shape_structure(func, part) for key, part in _parts(structure)}
    return _like(structure, parts)


def _check(func: Any, structures: tuple[Any, ...]) -> None:
    if not callable(func):
        raise TypeError(f"func: found {type(func).__name__}, wanted a function")
    if not structures:
        raise ValueError("found no structure, wanted at least one")


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Go through all parts; what the function returns for one, unless None, takes its place.

    Parameters
    ----------
    func : callable
        Called with leaves and levels; `MAP_TO_NONE` puts None there.
    structure : object
    top_down : bool, default True
        Whether a level comes before its parts.
    """
    found = func(structure) if top_down else None
    if found is None:
        found = structure
        if is_nested(structure):
            parts = {key: traverse(func, part, top_down) for key, part in _parts(structure)}
            found = _like(structure, parts)
        if not top_down:
            new = func(found)
            found = found if new is None else new
    return None if found is MAP_TO_NONE else found


def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Raise ValueError unless two structures have one layout."""
    if is_nested(a) != is_nested(b) or (
        is_nested(a)
        and (
            isinstance(a, dict) != isinstance(b, dict)
            or (not isinstance(a, dict) and type(a) is not type(b))
            or [key for key, _ in _parts(a)] != [key for key, _ in _parts(b)]
        )
    ):
        raise ValueError(f"found {b!r}, wanted the structure of {a!r}")
    if is_nested(a):
        for (_, one), (_, two) in zip(_parts(a), _parts(b), strict=True):
            assert_same_structure(one, two)


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise ValueError unless the same keys lead to the leaves of both."""
    paths = [{path for path, _ in flatten_with_path(structure)} for structure in (a, b)]
    if paths[0] != paths[1]:
        raise ValueError(f"found {b!r}, wanted the paths of {a!r}")


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """A structure with these leaves in place of its own.

    Raises
    ------
    ValueError
        Another number of leaves.
    """
    if not is_nested(flat_sequence):
        raise TypeError(f"flat_sequence: found {flat_sequence!r}, wanted a list")
    leaves, count = list(flat_sequence), len(flatten(structure))
    if len(leaves) != count:
        raise ValueError(f"flat_sequence: found {len(leaves)} leaves, wanted {count}")
    rest = iter(leaves)

    def filled(part: Any) -> Any:
        if not is_nested(part):
            return next(rest)
        return _like(part, {key: filled(inner) for key, inner in _parts(part)})

    return filled(structure)


def lists_to_tuples(structure: Any) -> Any:
    """The same with tuples in place of lists."""
    if not is_nested(structure):
        return structure
    parts = {key: lists_to_tuples(part) for key, part in _parts(structure)}
    found = _like(structure, parts)
    return tuple(found) if isinstance(found, list) else found


__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

"""The error for an unknown name, which lists the known ones."""

from collections.abc import Iterable
from typing import NoReturn

from . import checks
from .lazy import imports


def unknown(what: str, name: object, known: Iterable[str]) -> NoReturn:
    """Raise the error for a name that is not known: it lists those that are.

    Raises
    ------
    TypeError
        `name` is not a string.
    ValueError
        It is one, but not in `known`.
    """
    with imports:
        import difflib  # only an error pays for its import

    names = list(known)
    if not isinstance(name, str):
        raise TypeError(
            f"{what}: found {checks.shown(name)}, wanted one of the names {', '.join(names)}"
        )
    close = difflib.get_close_matches(name[:100], names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    raise ValueError(f"unknown {what} {checks.shown(name)}{hint}; known: {', '.join(names)}")

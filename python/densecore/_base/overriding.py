"""Methods that a user's class defines in place of those of a class of this package."""

from collections.abc import Iterable

_PACKAGE = f"{__name__.partition('.')[0]}."


def overridden(cls: type, names: Iterable[str]) -> list[str]:
    """The names that the class, or a mix-in before the package's classes, defines itself.

    Parameters
    ----------
    cls : type
    names : iterable of str

    Returns
    -------
    list of str
        In the order of `names`; empty for the package's own classes.
    """
    before: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.startswith(_PACKAGE):
            break
        before |= vars(base).keys()
    return [name for name in names if name in before]

"""The one set of checks of single values: numbers, counts, switches, seeds, texts.

Each takes the argument's name, which the error repeats, and returns the value as Python's own type.
NumPy's scalars and arrays without dimensions are numbers, too. A bool is no number: where one
arrives, two arguments have been mixed up. TypeError is for a value of another type, ValueError for
one that is out of its range; both name the value found and the values wanted.
"""

import math
import os
from typing import Any

import numpy as np

from .lazy import imports

MAX_COUNT = 2**63 - 1  # as the core counts rows, steps and epochs
# Rows of a batch, so that the number of any row plus a batch is a count, too.
MAX_BATCH = 2**62
MAX_WIDTH = 2**24  # units of a layer, as the core


def shown(value: Any) -> str:
    """A value as an error shows it: with its type, unless it is a number, a string or None."""
    if value is None or isinstance(value, bool | np.bool_ | int | float | np.number):
        return _brief(value)
    kind = type(value).__name__
    try:
        text = repr(value)
    except Exception:  # a class of the caller's, or a collection of huge integers
        return kind
    if isinstance(value, str):
        return text if len(text) <= 60 else f"a string of {len(value)} characters"
    return f"{kind} {text}" if len(text) <= 40 and "\n" not in text else kind


def _brief(value: Any) -> str:
    try:
        text = str(value)
    except ValueError:  # Python shows no integer of more than 4300 digits
        return f"an integer of {value.bit_length()} bits"
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"


def one_line(text: str, limit: int = 400) -> str:
    """A text that quotes a file, fit to be printed: of one line, and not longer than a few."""
    found = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:limit])
    return found if len(text) <= limit else f"{found}… ({len(text)} characters)"


def prefixed(prefix: str, error: Exception) -> ValueError | TypeError:
    """The same error with the argument's place before its text.

    Not of the error's own type, whose constructor may take other arguments.
    """
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{prefix}: {error}")


def real(value: Any) -> int | float | None:
    """The real number that a value is, as Python's own; None for anything else."""
    if type(value) is float or type(value) is int:  # as most are
        return value
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int):  # IntEnum and the like
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, np.ndarray | np.generic) or (
        getattr(value, "ndim", None) == 0 and hasattr(value, "__array__")
    ):
        array = np.asarray(value)
        if array.ndim or array.dtype.kind not in "iuf":
            return None
        return int(array) if array.dtype.kind in "iu" else float(array)
    with imports:
        from numbers import Real  # fractions and decimals, which are rare

    if isinstance(value, Real) or type(value).__name__ == "Decimal":
        try:
            return float(value)
        except (ValueError, OverflowError):  # a signalling NaN, a fraction of huge integers
            return math.nan
    return None


def _power(limit: int) -> str:
    """2^63 - 1 instead of its 19 digits."""
    exponent = (limit + 1).bit_length() - 1
    return f"2^{exponent} - 1" if limit + 1 == 2**exponent and exponent > 16 else str(limit)


def number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> float:
    """A finite number as a float.

    Parameters
    ----------
    name : str
        The argument's name, for the error.
    value : float
        Or a scalar or an array without dimensions, of NumPy or another library.
    above, least, below, most : float, optional
        Limits: > above, >= least, < below, <= most.

    Raises
    ------
    TypeError
        It is not a real number.
    ValueError
        It is not finite, or out of the range.
    """
    found = real(value)
    if found is not None:
        try:
            found = float(found)
        except OverflowError:  # an integer of hundreds of digits
            found = math.inf
        if (
            math.isfinite(found)
            and (above is None or found > above)
            and (least is None or found >= least)
            and (below is None or found < below)
            and (most is None or found <= most)
        ):
            return found
    limits = [
        f"{sign} {limit:g}"
        for sign, limit in ((">", above), (">=", least), ("<", below), ("<=", most))
        if limit is not None
    ]
    closed = (below is not None or most is not None) and (above is not None or least is not None)
    wanted = f"a{'' if closed else ' finite'} number {' and '.join(limits)}".rstrip()
    if found is None:
        raise TypeError(f"{name}: found {shown(value)}, wanted {wanted}")
    raise ValueError(f"{name}: found {_brief(value)}, wanted {wanted}")


def integer(name: str, value: Any, least: int = 0, most: int = MAX_COUNT, wanted: str = "") -> int:
    """An integer from `least` to `most`.

    Parameters
    ----------
    name : str
        The argument's name, for the error.
    value : int
        Or a scalar or an array without dimensions, of NumPy or another library.
    least, most : int, default 0 and 2^63 - 1
        Limits.
    wanted : str, optional
        The text of the error instead of the limits.

    Raises
    ------
    TypeError
        It is not an integer: 2.0 is none.
    ValueError
        It is out of the range.
    """
    if type(value) is int and least <= value <= most:  # as nearly always
        return value
    found = real(value)
    if isinstance(found, int) and least <= found <= most:
        return found
    open_ended = most >= 2**31 - 1 and found is not None and found < least
    limits = f">= {least}" if open_ended else f"from {least} to {_power(most)}"
    wanted = wanted or f"an integer {limits}"
    if isinstance(found, int):
        raise ValueError(f"{name}: found {_brief(value)}, wanted {wanted}")
    raise TypeError(f"{name}: found {shown(value)}, wanted {wanted}")


def optional(name: str, value: Any, least: int = 1, most: int = MAX_COUNT) -> int | None:
    """As `integer`, but None stays None."""
    return None if value is None else integer(name, value, least, most)


def batch_size(value: Any) -> int:
    """The rows of a step: an integer > 0, or 32 for None; not more than the core adds up."""
    return min(optional("batch_size", value) or 32, MAX_BATCH)


def width(name: str, value: Any) -> int:
    """How many units or features a layer has."""
    return integer(name, value, 1, MAX_WIDTH)


def seed(value: Any, name: str = "seed") -> int:
    """A seed as the core takes it: an integer from 0 to 2^64 - 1."""
    return integer(name, value, 0, 2**64 - 1)


def flag(name: str, value: Any) -> bool:
    """A switch: True or False, also NumPy's, or the integers 1 and 0.

    Raises
    ------
    TypeError
        It is anything else.
    """
    if isinstance(value, bool | np.bool_) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind == "b"
    ):
        return bool(value)
    found = real(value)
    if isinstance(found, int) and found in (0, 1):
        return bool(found)
    raise TypeError(f"{name}: found {shown(value)}, wanted True or False")


def path(name: str, value: Any) -> str:
    """A path as a string.

    Raises
    ------
    TypeError
        It is neither a string nor an ``os.PathLike`` of one.
    ValueError
        It holds a character that no path has.
    """
    found = value
    if not isinstance(value, str) and hasattr(value, "__fspath__"):
        found = os.fspath(value)
    if not isinstance(found, str):
        raise TypeError(f"{name}: found {shown(value)}, wanted a string or an os.PathLike of one")
    try:
        possible = b"\0" not in os.fsencode(found)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ValueError(f"{name}: found {found!r}, wanted a path: no file has such a name")
    return str(found)


def one_of(name: str, value: Any, words: tuple[Any, ...]) -> Any:
    """One of some words.

    Raises
    ------
    ValueError
        It is anything else.
    """
    if isinstance(value, str) and value in words:
        return str(value)
    shown_words = [repr(word) for word in words]
    before = ", ".join(shown_words[:-1])
    wanted = f"{before} or {shown_words[-1]}" if before else shown_words[-1]
    raise ValueError(f"{name}: found {shown(value)}, wanted {wanted}")


def listed(name: str, value: Any, wanted: str = "a list") -> list[Any]:
    """The elements of a list, a tuple or an array of one dimension.

    Parameters
    ----------
    name : str
        The argument's name, for the error.
    value : list, tuple or ndarray (count,)
    wanted : str, default "a list"
        For the error.

    Raises
    ------
    TypeError
        It is none of these.
    """
    if isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1:
        return list(value)
    raise TypeError(f"{name}: found {shown(value)}, wanted {wanted}")


def elements(name: str, value: Any, wanted: str) -> list[Any]:
    """The elements of anything that can be gone through, but a text.

    Parameters
    ----------
    name : str
        The argument's name, for the error.
    value : iterable
    wanted : str
        For the error.

    Raises
    ------
    TypeError
        It cannot be gone through.
    """
    if not isinstance(value, str | bytes):
        try:
            return list(value)
        except TypeError:
            pass
    raise TypeError(f"{name}: found {shown(value)}, wanted {wanted}")


def text(name: str, value: Any) -> str:
    """A string.

    Raises
    ------
    TypeError
        It is anything else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}: found {shown(value)}, wanted a string")
    return str(value)

"""Reading what a model file says of its table, which is untrusted."""

import math
import reprlib
from collections import Counter
from collections.abc import Iterable
from typing import Any


def finite(value: Any) -> float:
    """A finite number; ValueError for anything else."""
    try:
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass  # an integer that no float can hold
    raise ValueError(f"found {reprlib.repr(value)}, wanted a finite number")


def positive(value: Any) -> float:
    """A finite number > 0; ValueError for anything else."""
    number = finite(value)
    if number <= 0:
        raise ValueError(f"found scale {number}, wanted > 0")
    return number


def flag(value: Any) -> bool:
    """True or false; ValueError for anything else."""
    if not isinstance(value, bool):
        raise ValueError(f"found {reprlib.repr(value)}, wanted true or false")
    return value


def text(value: Any) -> str:
    """A string; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"found {reprlib.repr(value)}, wanted text")
    return value


def texts(values: Any) -> list[str]:
    """A list of different strings, not empty; ValueError for anything else."""
    if not isinstance(values, list) or not values:
        raise ValueError(f"found {reprlib.repr(values)}, wanted a list of texts")
    texts = [text(value) for value in values]
    refuse_repeated(texts)
    return texts


def refuse_repeated(names: list[str]) -> None:
    """Raise ValueError for a name that occurs twice."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"the name {reprlib.repr(repeated[0])} occurs twice")


def of_kind(what: str, entry: Any, classes: Iterable[Any], reader: str = "from_dict") -> Any:
    """The object that `to_dict` of one of the classes wrote, read by the class of its kind."""
    known = list(classes)
    for cls in known:
        if entry["kind"] == cls.kind:
            return getattr(cls, reader)(entry)
    raise ValueError(
        f"unknown kind of {what} {reprlib.repr(entry['kind'])}; known: "
        f"{', '.join(cls.kind for cls in known)}"
    )

"""The values of a column that must be known: as numbers, or refused with their place."""

import numpy as np
from numpy.typing import NDArray

from .reader import Column, TableError

Array = NDArray[np.float64]

_CATEGORY_MISSING = "wanted a category, such as 'unknown': --missing mean is for numbers only"
TARGET_MISSING = "a target must be known"


def numbers(column: Column, fill: float | None, allow_missing: bool, target: bool = False) -> Array:
    """A column as finite numbers (rows,); a missing value becomes `fill`, or NaN when allowed.

    `target` only changes what a message advises.

    Raises
    ------
    TableError
        At the first text, infinity, or missing value that is not allowed.
    """
    values, missing = column.numbers(), column.missing()
    text = np.isnan(values) & ~missing
    if text.any():
        row = int(np.argmax(text))
        advice = "--task classification" if target else f"--categorical {quoted(column.name)}"
        raise TableError(
            f"{column.where(row)}: found '{column.values[row]}', wanted a number ({advice}, when "
            f"training, takes the column as {'classes' if target else 'categories'})"
        )
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise TableError(f"{column.where(row)}: found {column.values[row]}, wanted a finite number")
    if missing.any():
        if fill is not None:
            values[missing] = fill
        elif not allow_missing:
            refuse_missing(
                column,
                TARGET_MISSING if target else "--missing mean fills numbers in when training",
            )
    return values


def refuse_overflow(column: Column, dtype: str) -> None:
    """Raise TableError at the first number that `dtype` cannot hold."""
    values = column.numbers()
    large = (np.abs(values) > np.finfo(dtype).max) & np.isfinite(values)  # infinity: as `numbers`
    if large.any():
        row = int(np.argmax(large))
        hint = "; --dtype float64 takes larger numbers" if dtype == "float32" else ""
        raise TableError(
            f"{column.where(row)}: found {column.values[row]}, which overflows {dtype}{hint}"
        )


def is_numeric(column: Column) -> bool:
    """Whether at least one value is a number (true and false are)."""
    return bool((~np.isnan(column.numbers())).any())


def refuse_missing(column: Column, hint: str = _CATEGORY_MISSING) -> None:
    """Raise TableError at the first value that is missing."""
    missing = column.missing()
    if missing.any():
        row = int(np.argmax(missing))
        count = int(missing.sum())
        more = f" ({count} in the column)" if count > 1 else ""
        raise TableError(f"{column.where(row)}: the value is missing{more}; {hint}")


def quoted(name: str) -> str:
    """A column's name as a shell wants it in most cases."""
    return f"'{name}'" if not name.replace("_", "").isalnum() else name

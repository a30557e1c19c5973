"""Errors of tables, each in one line, and words that several messages share."""

from collections.abc import Sequence


class TableError(ValueError):
    """A table that cannot be used: one line that names file, row and column."""


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Names for a message: all of them, or the first ones and how many more."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, … ({len(names) - limit} more)"


def counted(number: int, what: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

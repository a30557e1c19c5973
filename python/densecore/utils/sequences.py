"""Lists of different lengths as rows of one matrix."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array


def pad_sequences(
    sequences: Iterable[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Lists as rows of one length.

    Parameters
    ----------
    sequences : iterable of lists
    maxlen : int, optional
        By default the length of the longest one.
    dtype : str, default "int32"
    padding, truncating : {"pre", "post"}, default "pre"
        Where shorter ones are filled up, and longer ones cut.
    value : number, default 0.0
        What they are filled up with.

    Returns
    -------
    ndarray (rows, maxlen, ...)

    Raises
    ------
    ValueError, TypeError
        Something that is no list, or parts of different shapes.
    """
    given = checks.elements("sequences", sequences, "a list of lists")
    rows = [np.asarray(checks.listed("sequences", row)) for row in given]
    length = max((len(row) for row in rows), default=0) if maxlen is None else maxlen
    length = checks.integer("maxlen", length, 0)
    for name, where in (("padding", padding), ("truncating", truncating)):
        if where not in ("pre", "post"):
            raise ValueError(f"{name}: found {where!r}, wanted 'pre' or 'post'")
    inner = next((row.shape[1:] for row in rows if len(row)), ())
    found = np.full((len(rows), length, *inner), value, dtype)
    for number, row in enumerate(rows):
        if len(row) and row.shape[1:] != inner:
            raise ValueError(
                f"sequences[{number}]: found elements of shape {row.shape[1:]}, wanted {inner}"
            )
        kept = row[max(len(row) - length, 0) :] if truncating == "pre" else row[:length]
        if len(kept) and length:
            first = length - len(kept) if padding == "pre" else 0
            found[number, first : first + len(kept)] = kept
    return found

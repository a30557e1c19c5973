"""Columns of data frames and arrays: of pandas, of polars, or of a dict of arrays."""

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Column, Lines, from_moments, from_numbers, from_texts


def of_arrow(data: Any) -> Any:
    """An Arrow table or record batch as a mapping of columns; anything else as it is."""
    if not (hasattr(data, "column_names") and hasattr(data, "num_rows")):
        return data
    found = {}
    for name, column in zip(data.column_names, data.columns, strict=True):
        if name in found:
            raise ValueError(f"table: found two columns {name!r}, wanted each once")
        if hasattr(column.type, "index_type"):
            column = column.cast(column.type.value_type)
        found[name] = column.to_numpy(zero_copy_only=False)
    return found


def columns_of_frame(frame: Any, path: str, lines: Lines, parse: bool) -> list[Column]:
    """The columns of a data frame.

    `parse`: whether texts may spell numbers and dates, as in a spreadsheet. In a frame that has
    types, a text is a text (but dates are found).
    """
    names = list(frame.columns) if hasattr(frame, "columns") else list(frame)
    columns = []
    for position, name in enumerate(names):
        series = _series(frame, name, position)
        shown = "" if name is None else str(name).strip()
        columns.append(_column(shown, path, lines, series, parse))
    return columns


def _series(frame: Any, name: Any, position: int) -> Any:
    if hasattr(frame, "iloc"):
        return frame.iloc[:, position]  # pandas may have a name twice
    return frame[name]


def _column(name: str, path: str, lines: Lines, series: Any, parse: bool) -> Column:
    values, missing = _array(series)
    kind = values.dtype.kind
    if kind in "iuf":
        numbers = values.astype(np.float64)
        if missing is not None:
            numbers[missing] = np.nan
        if kind in "iu" and values.size and not _fits(values):
            return from_texts(name, path, lines, [str(v) for v in values], True)
        return from_numbers(name, path, lines, numbers)
    if kind == "M":
        seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
        seconds[np.isnat(values)] = np.nan
        return from_moments(name, path, lines, seconds)
    if kind == "m":
        numbers = values.astype("timedelta64[us]").astype(np.int64) / 1e6
        numbers[np.isnat(values)] = np.nan
        return from_numbers(name, path, lines, numbers)
    if kind == "c":
        raise ValueError(f"column '{name}': Complex data not supported, wanted real numbers")
    if missing is None and values.dtype == object:
        missing = np.array([_is_missing(value) for value in values], bool)
    if values.dtype == object and missing is not None:
        known = values[~missing]
        if known.size and all(
            isinstance(v, Real | Decimal) and not isinstance(v, bool | np.bool_) for v in known
        ):
            numbers = np.full(len(values), np.nan)
            numbers[~missing] = known.astype(np.float64)
            return from_numbers(name, path, lines, numbers)
        for value in known[:1]:
            if isinstance(value, dict | list | set | tuple | np.ndarray):
                raise TypeError(
                    f"column '{name}': argument must be a string or a number, found "
                    f"{type(value).__name__}"
                )
        # pandas's reader makes such columns of one that spells numbers: some of its chunks are
        # numbers, others texts.
        parse = parse or (_some(known, Real) and _some(known, str))
    texts = [str(value) for value in values]
    if missing is not None:
        texts = ["" if gone else t for gone, t in zip(missing, texts, strict=True)]
    return from_texts(name, path, lines, texts, parse)


def _some(values: NDArray[Any], kind: type) -> bool:
    return any(isinstance(v, kind) and not isinstance(v, bool | np.bool_) for v in values)


def _fits(values: NDArray[Any]) -> bool:
    """Whether whole numbers are exact as float64."""
    return int(values.min()) >= -(2**53) and int(values.max()) <= 2**53


def different_values(frame: Any, name: str) -> NDArray[Any] | None:
    """The values of a frame's column that are not missing, each once, in order; None when they have
    no order or the frame no such column."""
    names = list(getattr(frame, "columns", frame))
    if name not in names:
        return None
    values, missing = _array(_series(frame, name, names.index(name)))
    known = values.tolist() if missing is None else values[~missing].tolist()
    try:
        return np.unique(np.array([value for value in known if not _is_missing(value)]))
    except TypeError:
        return None


def _array(series: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """A series as an array, and where it is missing when the array does not say so."""
    if isinstance(series, np.ndarray):
        return series, None
    if hasattr(series, "isna"):  # pandas
        missing = np.asarray(series.isna(), bool)
        dtype = series.dtype
        if hasattr(dtype, "subtype") and hasattr(series, "sparse"):
            series = series.sparse.to_dense()
            dtype = series.dtype
        if type(dtype).__name__ == "PeriodDtype":
            series = series.dt.to_timestamp()
            dtype = series.dtype
        if getattr(dtype, "tz", None) is not None:
            series = series.dt.tz_convert(None)
        if isinstance(getattr(series, "dtype", None), np.dtype):
            return series.to_numpy(), missing if series.dtype.kind not in "fM" else None
        if getattr(dtype, "kind", "O") in "iuf" and missing.any():
            return series.to_numpy(dtype=np.float64, na_value=np.nan), None
        if getattr(dtype, "kind", "O") in "iuf":
            return series.to_numpy(dtype=np.dtype(dtype.kind + str(dtype.itemsize))), None
        if hasattr(series, "dt") and getattr(dtype, "kind", "O") == "M":
            return series.to_numpy(dtype="datetime64[us]"), None
        return series.to_numpy(dtype=object), missing
    if hasattr(series, "is_null"):  # polars
        missing = np.asarray(series.is_null(), bool)
        values = np.asarray(series.to_numpy())
        if values.dtype.kind in "fM":
            return values, None
        return values, missing
    return np.asarray(series), None


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False

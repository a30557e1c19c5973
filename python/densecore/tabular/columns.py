"""Columns of a table: numbers, texts, or moments, and how their texts are told apart.

A column is one of three kinds. *Numbers* are float64 with NaN where a value is missing. *Texts* are
codes (rows,) of the different texts, -1 where a cell is empty. *Moments* are dates or times, in
seconds since 1970 (or since midnight), NaN where missing. Each cell of a file is parsed once; what
is rarely asked for (a text of a number) is read again from the file's bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import core
from .._base.dtypes import Array, Doubles
from .errors import TableError
from .readings import (
    PLAIN,
    SPELLINGS,
    Reading,
    compact_dates,
    described,
    with_percent,
    with_phrases,
    with_units,
)
from .words import boolean

Codes = NDArray[np.int32]
Lines = Sequence[int] | NDArray[np.int64]

# A column whose known cells are numbers but for this share is a column of numbers, in which the
# other texts are missing values ("unknown", "> 100").
STRAY_SHARE = 0.05
MIN_DISTINCT_WITH_STRAYS = 10


@dataclass
class Contents:
    """The kind of a column's contents; `style` says how its numbers or dates are spelled."""

    kind: str  # "numbers", "texts" or "moments"
    values: Doubles | None = None  # of numbers and moments
    codes: Codes | None = None  # of texts
    levels: list[str] | None = None
    style: str = ""
    strays: int = 0  # texts among numbers, which count as missing
    reading: Reading | None = None  # how texts spell the numbers; None: they were never texts
    parts: int = 0  # of moments: 1 dates, 2 times, 3 both
    order: str = ""  # of dates as texts: "day" or "month" first; "": their year is


def _texts_of_numbers(values: Doubles) -> tuple[Codes, list[str]]:
    """Codes (rows,) of numbers, -1 for NaN, and their shortest texts; whole ones have no point."""
    different, places = np.unique(values, return_inverse=True)
    codes = places.reshape(-1).astype(np.int32)
    codes[np.isnan(values)] = -1
    return codes, [number_text(value) for value in different.tolist()]


class Column:
    """One column of a table; reads what it is asked for when it is asked.

    Parameters
    ----------
    name : str
    path : str
        Of the file, or a word for where the table comes from; for messages.
    lines : sequence of int
        The line of the file that each row begins on.
    contents : function () -> Contents
    texts : function () -> (codes, levels)
        The cells as texts, whatever they mean.

    Attributes
    ----------
    exact : bool
        Whether texts that differ by capital letters only are different ones for certain.
    """

    exact = False

    def __init__(
        self,
        name: str,
        path: str,
        lines: Lines,
        contents: Callable[[], Contents],
        texts: Callable[[], tuple[Codes, list[str]]],
    ) -> None:
        self.name = name
        self.path = path
        self._lines = lines
        self._make_contents = contents
        self._make_texts = texts
        self._contents: Contents | None = None
        self._texts: tuple[Codes, list[str]] | None = None

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def lines(self) -> Lines:
        """The line of the file that each row begins on."""
        return self._lines

    @property
    def contents(self) -> Contents:
        """The cells as numbers, moments or texts; found out once, when first asked for."""
        if self._contents is None:
            self._contents = self._make_contents()
            if self._contents.codes is not None:
                self._texts = (self._contents.codes, self._contents.levels or [])
        return self._contents

    @property
    def kind(self) -> str:
        """The kind of the cells, see `Contents`."""
        return self.contents.kind

    def texts(self) -> tuple[Codes, list[str]]:
        """Codes (rows,) of the cells' texts, -1 for an empty cell, and the different texts."""
        if self._texts is None:
            self._texts = self._make_texts()
        return self._texts

    def release(self) -> None:
        """Let go of the file's text: what the column holds is known from here on by its values.

        The text of a number is then its shortest one.
        """
        values = self.contents.values
        if values is None or self._texts is not None:
            known = self.texts()
            self._make_texts = lambda: known
        else:
            self._make_texts = lambda: _texts_of_numbers(values)
        self._make_contents = lambda: self.contents

    def text(self, row: int) -> str:
        """The text of a cell."""
        codes, levels = self.texts()
        return "" if codes[row] < 0 else levels[codes[row]]

    def numbers(self) -> Doubles:
        """The values (rows,) as numbers; NaN where there is none, or where it is a text.

        Words that say true and false are 1 and 0; a moment is its seconds.
        """
        contents = self.contents
        if contents.values is not None:
            return contents.values
        codes, levels = self.texts()
        of_level = np.full(len(levels) + 1, np.nan)
        for i, level in enumerate(levels):
            truth = boolean(level)
            of_level[i] = truth if truth is not None else _number(level)
        return of_level[codes]

    def numbers_as(self, reading: Reading | None) -> Doubles:
        """The values (rows,) as numbers in a spelling, unless another reads more of them."""
        contents, own = self.contents, self.numbers()
        typed = contents.kind != "texts" and contents.reading is None
        if reading is None or typed or contents.reading == reading:
            return own
        codes, levels = self.texts()
        values: Doubles = np.append(reading.numbers(levels), np.nan)[codes]
        return values if np.isnan(values).sum() <= np.isnan(own).sum() else own

    def moments_as(self, order: str) -> Doubles:
        """Seconds (rows,) of dates with the day or the month first, or of numbers that are dates
        (``compact``), unless another order reads more of them."""
        contents = self.contents
        if order == "compact" and contents.kind == "numbers":
            return compact_dates(self.numbers())
        own = self.numbers() if contents.kind == "moments" else np.full(len(self), np.nan)
        if order not in ("day", "month") or (contents.kind != "texts" and not contents.order):
            return own
        codes, levels = self.texts()
        seconds = core.parse_moments(levels, order == "day")[0]
        values: Doubles = np.append(seconds, np.nan)[codes]
        return values if np.isnan(values).sum() <= np.isnan(own).sum() else own

    def missing(self) -> NDArray[np.bool_]:
        """Where there is no value (rows,): of texts, where the cell is empty."""
        contents = self.contents
        if contents.values is not None:
            return np.isnan(contents.values)
        assert contents.codes is not None
        return contents.codes < 0

    def where(self, row: int) -> str:
        """File, line and column of a value, for the start of a message."""
        return f"{self.path}: row {self._lines[row]}, column '{self.name}'"

    def first_text(self) -> int | None:
        """The first row whose text is neither a number nor a marker of a missing value."""
        codes, levels = self.texts()
        if self.kind == "moments":
            assert self.contents.values is not None
            values = np.full(len(levels), np.nan)
            values[codes[codes >= 0]] = self.contents.values[codes >= 0]
        else:
            values = (self.contents.reading or PLAIN).numbers(levels)
        bad = np.array([np.isnan(v) and not core.is_missing_marker(t)
                        for t, v in zip(levels, values, strict=True)] + [False])  # fmt: skip
        rows = np.flatnonzero(bad[codes])
        return int(rows[0]) if rows.size else None


def _number(text: str) -> float:
    value = core.parse_number(text)
    return np.nan if value is None else float(value)


# From a file's cells ----------------------------------------------------------------------------


def read_contents(text: Any, index: int, decimal_first: bool) -> Contents:
    """The contents of a column of a `DelimitedText`.

    `decimal_first`: whether ``1,234`` is rather 1.234 than 1234, as in files that separate their
    columns by something else.
    """
    values, numbers, _, markers, texts, _ = text.numbers(
        index, most_texts=int(STRAY_SHARE * text.rows)
    )
    if texts == 0 and (numbers or not markers):
        return Contents("numbers", values, reading=PLAIN)
    if texts:
        spellings = (
            sorted(SPELLINGS, key=lambda s: not s.signs and s.decimal != ",")
            if decimal_first
            else SPELLINGS
        )
        for one in spellings:
            read, count, _, _, others, _ = text.numbers(
                index, one.decimal, one.thousands, one.signs
            )
            if others == 0 and count:
                if one.signs:
                    codes, levels = text.codes(index)
                    shares = with_percent(levels, one.numbers(levels))
                    if shares is not None:
                        return _spelled(codes, levels, shares)
                return Contents("numbers", read, style=described(one), reading=one)
        codes, levels = text.codes(index)
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        made = of_texts(codes, levels)
        spelled = with_units(levels, counts, STRAY_SHARE)
        if spelled is None and made.kind == "texts":
            spelled = with_phrases(levels, counts, STRAY_SHARE)
        if spelled is not None:
            return _spelled(codes, levels, spelled)
        known = numbers + texts
        if texts <= STRAY_SHARE * known and _distinct(values) >= MIN_DISTINCT_WITH_STRAYS:
            return Contents("numbers", values, strays=texts, reading=PLAIN)
        return made
    return of_texts(*text.codes(index))


def _spelled(codes: Codes, levels: list[str], spelled: tuple[Reading, Doubles]) -> Contents:
    reading, of_level = spelled
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    return Contents("numbers", np.append(of_level, np.nan)[codes], style=described(reading),
                    reading=reading, strays=_strays(levels, counts, of_level))  # fmt: skip


def _strays(levels: list[str], counts: Array, values: Doubles) -> int:
    """The rows of different texts that are neither numbers nor markers of missing ones."""
    found: int = sum(
        int(count)
        for level, count, value in zip(levels, counts, values, strict=True)
        if np.isnan(value) and not core.is_missing_marker(level)
    )
    return found


def points_as_thousands(text: Any, index: int, plain: Doubles) -> Contents | None:
    """A column that read as plain numbers, in a file of decimal commas: ``1.234`` is 1234.

    None when it is not so spelled, or when it makes no difference.
    """
    read, count, _, _, others, _ = text.numbers(index, ",", ".")
    if others or not count or np.array_equal(read, plain, equal_nan=True):
        return None
    reading = Reading(",", ".")
    return Contents("numbers", read, style=described(reading), reading=reading)


def of_texts(codes: Codes, levels: list[str]) -> Contents:
    """A column of texts, which are moments if all of them are, but for markers of missing values
    and a few others."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    moments = _moments(levels, counts)
    if moments is None:
        return Contents("texts", codes=codes, levels=levels)
    seconds, parts, style, order = moments
    values = np.append(seconds, np.nan)[codes]
    return Contents("moments", values, style=style, parts=parts, order=order,
                    strays=_strays(levels, counts, seconds))  # fmt: skip


def _distinct(values: Doubles) -> int:
    known = values[~np.isnan(values)]
    return int(np.unique(known).size)


def _moments(levels: list[str], counts: NDArray[np.intp]) -> tuple[Doubles, int, str, str] | None:
    """The seconds, parts, style and order of texts that are dates or times but for markers; rows
    of others (`counts` of each text) are few."""
    known = [i for i, level in enumerate(levels) if not core.is_missing_marker(level)]
    texts = [levels[i] for i in known]
    # Whole columns of texts are most often told by their first ones.
    if not texts or max(_as_moments(texts[:20])) < 0.5:
        return None
    rows = counts[known]
    read_month, read_day = _as_moments(texts, rows)
    most = max(read_month, read_day)
    many = len(texts) >= MIN_DISTINCT_WITH_STRAYS
    if most < 1 and (most < 1 - STRAY_SHARE or not many):
        return None
    ambiguous = read_month == read_day
    # Points separate days from months in Europe, and dashes in files of databases.
    by_day = read_day > read_month or (ambiguous and "/" not in texts[0])
    seconds, parts = core.parse_moments(levels, by_day)
    differ = ambiguous and not np.array_equal(
        seconds, core.parse_moments(levels, not by_day)[0], equal_nan=True
    )
    order = "day" if by_day else "month"
    style = f"dates read {order} first" if differ else ""
    if ambiguous and not differ:  # the year or a month's name says what is what
        order = ""
    return seconds, int(np.bitwise_or.reduce(parts)), style, order


def _as_moments(texts: list[str], rows: NDArray[np.intp] | None = None) -> tuple[float, float]:
    """The share of the rows that are moments with the month first, and with the day first."""
    month, day = (
        float(np.average(~np.isnan(core.parse_moments(texts, by_day)[0]), weights=rows))
        for by_day in (False, True)
    )
    return month, day


# From values in memory --------------------------------------------------------------------------


def from_numbers(name: str, path: str, lines: Lines, values: Doubles) -> Column:
    """A column of numbers (rows,), NaN where missing."""
    return Column(
        name, path, lines, lambda: Contents("numbers", values), lambda: _texts_of_numbers(values)
    )


def number_text(value: float) -> str:
    """A number as text: whole ones without a point."""
    value = float(value)
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return repr(value)


def from_moments(name: str, path: str, lines: Lines, seconds: Doubles) -> Column:
    """A column of dates with times, in seconds since 1970; NaN where missing."""
    has_time = bool((seconds[~np.isnan(seconds)] % 86400 != 0).any())
    made = Contents("moments", seconds, parts=3 if has_time else 1)
    plain = from_numbers(name, path, lines, seconds)
    return Column(name, path, lines, lambda: made, plain.texts)


def from_texts(
    name: str, path: str, lines: Lines, values: Sequence[str | None], parse: bool
) -> Column:
    """A column of texts, None where missing; `parse`: whether they may spell numbers."""
    cells = ["" if value is None else str(value).strip() for value in values]
    text = core.DelimitedText.of_texts(cells)

    def contents() -> Contents:
        return read_contents(text, 0, False) if parse else of_texts(*text.codes(0))

    return Column(name, path, lines, contents, lambda: text.codes(0))


def refuse_text(column: Column, advice: str) -> None:
    """Raise TableError at the first text of a column that is to be numbers."""
    row = column.first_text()
    if row is not None:
        raise TableError(
            f"{column.where(row)}: found '{column.text(row)}', wanted a number ({advice})"
        )

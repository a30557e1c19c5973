"""How the texts of a column spell numbers: marks, signs of currencies, and units.

A model remembers the spelling of its training table and reads new rows in it: of a single row that
says ``1.234`` or ``3k``, nothing tells what it means.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base import core
from .._base.dtypes import Array, Doubles
from .json_fields import flag, positive, text
from .quantities import FAMILIES, Phrase, are_ranges, phrase, values


@dataclass(frozen=True)
class Reading:
    """A spelling of numbers.

    Attributes
    ----------
    decimal, thousands : str
        The marks; no mark between thousands is "".
    signs : bool
        Whether signs of currencies or of percent may stand beside the digits.
    units : tuple of (str, float)
        What stands around the digits, and what it multiplies them with; () for nothing.
    phrases : bool
        Whether texts are read as `quantities.phrase` does.
    """

    decimal: str = "."
    thousands: str = ""
    signs: bool = False
    units: tuple[tuple[str, float], ...] = ()
    phrases: bool = False

    def numbers(self, texts: Sequence[str]) -> Doubles:
        """The numbers that texts are (texts,); NaN for those that are none."""
        if self.phrases:
            return self._of_phrases([_phrase(cell) for cell in texts])
        if not self.units:
            values: Doubles = core.DelimitedText.of_texts(list(texts)).numbers(
                0, self.decimal, self.thousands, self.signs, most_texts=len(texts)
            )[0]
            return values
        factors = dict(self.units)
        bare, factor = [], np.full(len(texts), np.nan)
        for i, cell in enumerate(texts):
            taken = _apart(cell)
            bare.append("" if taken is None else taken[0])
            if taken is not None:
                factor[i] = factors.get(_common(taken[1]), np.nan)
        read: Doubles = Reading(self.decimal, self.thousands, True).numbers(bare) * factor
        return read

    def _of_phrases(self, found: Sequence[Phrase | None]) -> Doubles:
        factors = dict(self.units)
        of_unit = [
            factors.get(_common(one.unit), np.nan)
            if one is not None and one.kind in ("plain", "range")
            else 1.0
            for one in found
        ]
        return values(found, of_unit, Reading(self.decimal, self.thousands).numbers)

    def to_dict(self) -> dict[str, Any]:
        return {
            "decimal": self.decimal,
            "thousands": self.thousands,
            "signs": self.signs,
            "units": dict(self.units),
        } | ({"phrases": True} if self.phrases else {})

    @classmethod
    def from_dict(cls, entry: Any) -> "Reading":
        """Read and check what `to_dict` wrote."""
        decimal, thousands = text(entry["decimal"]), text(entry["thousands"])
        if decimal not in (".", ",") or thousands not in ("", ".", ",", " ", "'"):
            raise ValueError(f"unknown marks of numbers {decimal!r} and {thousands!r}")
        units = tuple((text(unit), positive(value)) for unit, value in entry["units"].items())
        phrases = flag(entry.get("phrases", False))
        return cls(decimal, thousands, flag(entry["signs"]), units, phrases)


PLAIN = Reading()
# In the order in which they are tried.
SPELLINGS = [
    Reading(".", ","),
    Reading(",", ""),
    Reading(",", "."),
    Reading(".", " "),
    Reading(",", " "),
    Reading(".", "'"),
    Reading(".", ",", True),
    Reading(",", ".", True),
]
_NAMES = {
    ",": "decimal commas",
    ",.": "decimal commas, points between thousands",
    ".,": "commas between thousands",
    ". ": "blanks between thousands",
    ", ": "decimal commas, blanks between thousands",
    ".'": "apostrophes between thousands",
}


_IN = {"time": "seconds", "length": "inches", "mass": "ounces"}


def described(reading: Reading) -> str:
    """A report's words for a spelling; empty for plain numbers."""
    units = [unit for unit, _ in reading.units if unit]
    if reading.phrases:
        if len(units) == 1:
            return f"texts read as numbers with the unit '{units[0]}'"
        inside = next((name for name, family in FAMILIES.items() if set(units) <= set(family)), "")
        return "texts read as numbers" + (f" ({_IN[inside]})" if units and inside else "")
    if len(units) == 1 and all(factor == 1 for _, factor in reading.units):
        return f"numbers with the unit '{units[0]}'"
    if units:
        shown = ", ".join(f"'{unit}' is {factor:g}" for unit, factor in reading.units if unit)
        return f"numbers with units ({shown})"
    if reading.units:
        return "numbers with brackets or underlines"
    if reading.signs:
        return "with units"
    return _NAMES.get(reading.decimal + reading.thousands, "")


# Units ------------------------------------------------------------------------------------------

_CURRENCIES = (
    "EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|AUD|CAD|NZD|PLN|CZK|HUF|RON|RUB|UAH|TRY|BRL|MXN|ZAR|"
    "KRW|HKD|SGD|Rs\\.?|kr\\.?|[A-Z]{0,2}[$€£¥₹₽₩₺₪฿₫₴]"
)
# A number with a currency before it, or something short behind it that begins with no digit:
# "1,234 USD", "(€ 5.00)", "-12 °C", "80 km/h", "3.5k". In brackets, it is negative.
_CELL = re.compile(
    rf"(?P<open>\(\s*)?(?P<sign>[-+−]\s*)?(?:(?P<before>{_CURRENCIES})\s*)?(?P<inner>[-+−]\s*)?"
    r"(?P<number>(?:\d[\d.,'\s_]*?|[.,]\d+)(?:[eE][-+]?\d+)?)"
    r"(?:\s*(?P<after>[^\d\s().,:;'+\-−/|_][^\s():;|]{0,11}(?:\s[^\d\s():;|]{1,4})?))?"
    r"(?P<close>\s*\))?\Z"
)
# What several units in one column may be, as multiples of each other.
_FAMILIES: list[dict[str, float]] = [
    {"": 1, "k": 1e3, "thousand": 1e3, "tsd": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "mil": 1e6,
     "million": 1e6, "b": 1e9, "bn": 1e9, "mrd": 1e9, "billion": 1e9, "trillion": 1e12},
    {"mm": 1e-3, "cm": 1e-2, "dm": 0.1, "m": 1, "km": 1e3},
    {"mg": 1e-6, "g": 1e-3, "kg": 1, "t": 1e3},
    {"ml": 1e-3, "cl": 1e-2, "l": 1},
    {"m": 60, "ms": 1e-3, "s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600,
     "hr": 3600, "hour": 3600, "d": 86400, "day": 86400, "week": 604800},
    {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
]  # fmt: skip
# Fewer different numbers with a unit are rather categories: 36 months or 60 months.
_FEWEST = 10
_MARKS = [(".", ","), (",", "."), (".", ""), (",", ""), (".", " "), (",", " ")]
_FIRST = 20


def _apart(cell: str) -> tuple[str, str] | None:
    """The number of a cell, without what stands around it, and that; None when there is none."""
    found = _CELL.match(cell)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    signs = [sign.strip() for sign in (found["sign"], found["inner"]) if sign]
    negative = sum(sign != "+" for sign in signs) + bool(found["open"])
    unit = " ".join(part for part in (found["before"], found["after"]) if part)
    number = re.sub(r"(?<=\d)_(?=\d{3}(?!\d))", "", found["number"].strip())
    return ("-" if negative % 2 else "") + number, unit


_PERCENT = {"percent", "pct", "per cent", "prozent", "pourcent"}


def _common(unit: str) -> str:
    """The same for all spellings of a unit: years are year, and KG is kg."""
    made = unit.casefold().rstrip(".")
    if made in _PERCENT:
        return "%"
    return made[:-1] if len(made) > 2 and made.endswith("s") and not made.endswith("ss") else made


def with_units(
    levels: Sequence[str], counts: Array, most_others: float
) -> tuple[Reading, Doubles] | None:
    """The spelling of different texts that are numbers with units, and the numbers.

    Parameters
    ----------
    counts : ndarray (levels,)
        The rows of each text.
    most_others : float
        The share of the rows that may be something else.
    """
    known = [i for i, level in enumerate(levels) if not core.is_missing_marker(level)]
    first = [_apart(levels[i]) is not None for i in known[:_FIRST]]
    if len(known) < _FEWEST or sum(first) < len(first) / 2:
        return None
    found = {i: _apart(levels[i]) for i in known}
    rows: dict[str, int] = {}
    for i, taken in found.items():
        if taken is not None:
            unit = _common(taken[1])
            rows[unit] = rows.get(unit, 0) + int(counts[i])
    spelled = any(taken and (taken[1] or _marked(levels[i])) for i, taken in found.items())
    total = int(counts[known].sum())
    if any(_DIRECTION.fullmatch(unit) for unit in rows):
        return None  # south and west are less than nothing: a phrase
    factors = _factors(rows, total, most_others) if spelled else {}
    if not factors:
        return None
    for decimal, thousands in _MARKS:
        reading = Reading(decimal, thousands, True, tuple(factors.items()))
        values = reading.numbers(levels)
        unread = int(counts[[i for i in known if np.isnan(values[i])]].sum())
        if unread <= most_others * total:
            enough = np.unique(values[~np.isnan(values)]).size >= _FEWEST
            return (reading, values) if enough else None
    return None


# 48.85 N, 20.1° W.
_DIRECTION = re.compile(r"°?\s*[nsew]")


def with_percent(levels: Sequence[str], read: Doubles) -> tuple[Reading, Doubles] | None:
    """Texts of which some are percent and others shares of 1 (45 % and 0.45), as shares; None when
    they are not both.

    Parameters
    ----------
    read : ndarray (levels,)
        The numbers without their signs.
    """
    percent = np.array([_PERCENT_SIGN.search(level) is not None for level in levels], bool)
    known = ~np.isnan(read)
    if not (percent & known).any() or not (~percent & known).any():
        return None
    if np.abs(read[~percent & known]).max() > 1 or np.median(np.abs(read[percent & known])) <= 1:
        return None
    for decimal, thousands in _MARKS:
        reading = Reading(decimal, thousands, True, (("", 1.0), ("%", 0.01)))
        found = reading.numbers(levels)
        if (np.isnan(found) == np.isnan(read)).all():
            return reading, found
    return None


_PERCENT_SIGN = re.compile(r"%\s*\Z")


def with_phrases(
    levels: Sequence[str], counts: Array, most_others: float
) -> tuple[Reading, Doubles] | None:
    """The spelling of different texts that are numbers as people write them, and the numbers; see
    `with_units` for the parameters."""
    known = [i for i, level in enumerate(levels) if not core.is_missing_marker(level)]
    first = [_phrase(levels[i]) is not None for i in known[:_FIRST]]
    if len(known) < _FEWEST or sum(first) < len(first) / 2:
        return None
    found = {i: _phrase(levels[i]) for i in known}
    total = int(counts[known].sum())
    rows: dict[str, int] = {}
    for i, one in found.items():
        if one is not None:
            unit = _common(one.unit) if one.kind in ("plain", "range") else ""
            rows[unit] = rows.get(unit, 0) + int(counts[i])
    kinds = {one.kind for one in found.values() if one is not None}
    families = kinds & set(FAMILIES)
    plain = kinds <= {"plain"} and all(one is None or one.exact for one in found.values())
    if plain or len(families) > 1 or total - sum(rows.values()) > most_others * total:
        return None
    if families:
        units = FAMILIES[families.pop()]
        factors = {_common(unit): factor for unit, factor in units.items()}
    else:
        factors = {"": 1.0} | _factors(rows, total, most_others)
    texts: list[Phrase | None] = [found.get(i) for i in range(len(levels))]
    for decimal, thousands in _MARKS:
        reading = Reading(decimal, thousands, False, tuple(factors.items()), True)
        if not are_ranges(texts, Reading(decimal, thousands).numbers):
            return None
        read = reading._of_phrases(texts)
        unread = int(counts[[i for i in known if np.isnan(read[i])]].sum())
        if unread <= most_others * total:
            enough = np.unique(read[~np.isnan(read)]).size >= _FEWEST
            return (reading, read) if enough else None
    return None


def _phrase(cell: str) -> Phrase | None:
    # Most cells are plain numbers, and need no long look.
    return Phrase("plain", (cell,), (1.0,)) if core.parse_number(cell) is not None else phrase(cell)


def _marked(level: str) -> bool:
    """Whether a text is a number only without something in it: brackets or underlines."""
    return "(" in level or "_" in level


def _factors(rows: dict[str, int], total: int, most_others: float) -> dict[str, float]:
    """The factor of each unit; empty when they are not units of one kind."""
    if not rows:
        return {}
    # A single unit, which may be left out in some rows.
    common = max(rows, key=lambda unit: (bool(unit), rows[unit], unit))
    alone = {unit: count for unit, count in rows.items() if unit in ("", common)}
    for family in _FAMILIES:
        inside = [unit for unit in rows if unit in family]
        if set(inside) <= {"", "m", "b"}:  # 1.7 m and 1.8 are no millions
            continue
        if len(inside) > 1 and total - sum(rows[u] for u in inside) <= most_others * total:
            return {unit: family[unit] for unit in sorted(family) if unit in rows}
    if total - sum(alone.values()) <= most_others * total:
        return dict.fromkeys(sorted(alone), 1.0)
    return {}


# Days -------------------------------------------------------------------------------------------

_FIRST_YEAR, _LAST_YEAR = 1900, 2100


def compact_dates(values: Doubles) -> Doubles:
    """Seconds of numbers that spell dates (20210131); NaN for others."""
    known = np.isfinite(values) & (values >= _FIRST_YEAR * 1e4) & (values < _LAST_YEAR * 1e4)
    known &= values == np.floor(values)
    whole = np.where(known, values, _FIRST_YEAR * 1e4 + 101).astype(np.int64)
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    known &= (month >= 1) & (month <= 12) & (day >= 1)
    months = (year - 1970) * 12 + np.clip(month, 1, 12) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]")
    known &= day <= (after - first).astype(np.int64)
    seconds: Doubles = ((first.astype(np.int64) + day - 1) * 86400.0).astype(np.float64)
    seconds[~known] = np.nan
    return seconds

"""Numbers that people write as phrases: ``<0.5``, ``10-20``, ``1h 20m``, ``48°51'N``, ``5'11"``.

A phrase is a few terms, each a number and what it is multiplied with, and how they become one
number: their sum, their mean (ranges), or the first over the second (fractions). A limit counts as
the number itself: of ``<0.5`` nothing more is known, and it stands below all that were measured.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._base.dtypes import Doubles

# From texts of plain numbers to numbers, NaN for what is none.
Numbers = Callable[[Sequence[str]], Doubles]

_NUMBER = r"(?:\d+(?:[.,]\d+)*(?:e[-+]?\d+)?|[.,]\d+)"
_SIGNED = rf"[-+]?\s?{_NUMBER}"
# What stands before or behind a number that is not quite so.
_BEFORE = re.compile(
    r"(?:<=?|>=?|[≤≥~≈=±]|(?:ca|approx|max|min)\b\.?|(?:circa|about|approximately|around|under|over|"
    r"below|above|less than|more than|greater than|at least|at most|up to|from|only|etwa|rund|bis|"
    r"über|unter|mindestens|höchstens|env\.?|environ|menos de|más de)\b)\s*"
)
_BEHIND = re.compile(
    rf"\s*(?:±\s*{_NUMBER}.*|\+/-\s*{_NUMBER}.*|\(\s*±?\s*{_NUMBER}\s*\)|[+*†‡]+|and (?:over|above|"
    r"older|more|up|under|below)|or (?:more|less|older|over|above|under|below)|plus|est\.?|"
    r"approx\.?|und (?:mehr|älter))$"
)
_UNIT = r"[^\d\s().,:;'+\-/|_<>=~{}\[\]\"]{1,12}"
_CURRENCY = r"[a-z]{0,2}[$€£¥₹₽₩₺₪฿₫₴]|eur|usd|gbp|chf|jpy|inr|rs\.?"


def _one(name: str, number: str) -> str:
    return (
        rf"(?P<before{name}>{_CURRENCY})?\s*(?P<number{name}>{number})\s*(?P<after{name}>{_UNIT})?"
    )


_PLAIN = re.compile(_one("", _SIGNED))
_RANGE = re.compile(
    _one("1", _NUMBER)
    + r"\s*(?:-|\.\.+|\bto\b|\bbis\b|\bund\b|\band\b|\buntil\b|à)\s*"
    + _one("2", _NUMBER)
)
_INDIAN = re.compile(r"[-+]?\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")  # 12,34,567
_TRAILING = re.compile(rf"({_NUMBER})\s?-")
_FRACTION = re.compile(r"(?:(?P<whole>\d+)\s+|(?P<sign>-))?(?P<over>\d+)/(?P<under>\d+)")
_SCORE = re.compile(rf"(?P<over>{_NUMBER})\s*(?:/|out of|of|von|sur)\s*(?P<under>\d+)")
_SECONDS: dict[str, float] = {
    "ms": 1e-3, "msec": 1e-3, "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "sek": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "minuten": 60, "'": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "std": 3600, "stunde": 3600,
    "stunden": 3600, "heure": 3600, "heures": 3600,
    "d": 86400, "day": 86400, "days": 86400, "tag": 86400, "tage": 86400, "jour": 86400,
    "jours": 86400, "w": 604800, "wk": 604800, "wks": 604800, "week": 604800, "weeks": 604800,
    "mo": 2629746, "mos": 2629746, "mon": 2629746, "month": 2629746, "months": 2629746,
    "mth": 2629746, "mths": 2629746, "y": 31556952, "yr": 31556952, "yrs": 31556952,
    "year": 31556952, "years": 31556952, "jahr": 31556952, "jahre": 31556952,
}  # fmt: skip
_LENGTHS: dict[str, float] = {"'": 12, "ft": 12, "feet": 12, "foot": 12, '"': 1, "''": 1,
                              "in": 1, "inch": 1, "inches": 1}  # fmt: skip
_MASSES: dict[str, float] = {"st": 224, "stone": 224, "lb": 16, "lbs": 16, "pound": 16,
                             "pounds": 16, "oz": 1, "ounce": 1, "ounces": 1}  # fmt: skip
# Units of which several stand in one text, in descending order; a family is in one unit.
FAMILIES = {"time": _SECONDS, "length": _LENGTHS, "mass": _MASSES}
# Each begins with a digit: a comma between them would else belong to either, and long texts be
# tried in as many ways as there are commas.
_AMOUNT = r"\d+(?:[.,]\d+)?"
_COMPOUND = {
    name: re.compile(
        rf"(?:{_AMOUNT}\s*(?:{'|'.join(sorted(map(re.escape, units), key=len, reverse=True))})"
        rf"\.?(?![a-z])[\s,]*(?:and\s+|und\s+|et\s+)?){{1,7}}"
    )
    for name, units in FAMILIES.items()
}
_TERM = re.compile(rf"({_AMOUNT})\s*([a-z]+|'{{1,2}}|\")")
_CLOCK = re.compile(r"(\d{1,3})\s?h\s?(\d{2})")  # 7h30
_ISO = re.compile(
    r"(-)?p(?:([\d.]+)y)?(?:([\d.]+)m)?(?:([\d.]+)w)?(?:([\d.]+)d)?"
    r"(?:t(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?)?"
)
_ISO_SECONDS = (31556952, 2629746, 604800, 86400, 3600, 60, 1)
_ANGLE = re.compile(
    rf"(?P<first>[nsew])?\s*(?P<sign>-)?(?P<degrees>{_NUMBER})\s*°?\s*"
    rf"(?:(?P<minutes>{_NUMBER})\s*')?\s*(?:(?P<seconds>{_NUMBER})\s*(?:\"|''))?\s*"
    r"(?P<last>[nsew])?"
)
_SAME = str.maketrans({
    "−": "-", "–": "-", "—": "-", "″": '"', "”": '"', "“": '"', "′": "'", "’": "'", "‘": "'",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ", "º": "°", "·": ".",
})  # fmt: skip
_VULGAR = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8", "⅜": "3/8",
           "⅝": "5/8", "⅞": "7/8"}  # fmt: skip


# The points of the compass stand beside a sign for degrees, or are capital letters beside a
# fraction: 5 s are seconds, E45 is a road.
_DIRECTED = re.compile(
    r"^\s*[NSEW]\s*-?\d+\.\d|\.\d+\s*[NSEW]\s*$|[°º'\"″”′’]\s*[NSEWnsew]\s*$|"
    r"^\s*[NSEWnsew]\s*-?[\d.]+\s*[°º]"
)


@dataclass(frozen=True)
class Phrase:
    """A text as terms: numbers as they are spelled, what multiplies each, and their relation.

    `kind`: plain, range, fraction, or the family of several units; `unit`: of plain ones and
    ranges, what stands around the digits.
    """

    kind: str
    numbers: tuple[str, ...]
    factors: tuple[float, ...]
    unit: str = ""
    exact: bool = True  # whether it is a number and a unit, and no more


def phrase(text: str) -> Phrase | None:
    """The number that a text states, None when it is no phrase of a number."""
    cell = text.strip().casefold().translate(_SAME)
    for sign, spelled in _VULGAR.items():
        cell = cell.replace(sign, " " + spelled).strip()
    if not cell or len(cell) > 60 or not any(c.isdigit() for c in cell):
        return None
    if _DIRECTED.search(text):
        return _angle(cell, True)
    found = _parsed(cell)
    if found is not None:
        return replace(found, exact=False) if "·" in text else found
    shorter = _BEFORE.match(cell)
    rest = cell[shorter.end() :] if shorter else cell
    rest = _BEHIND.sub("", rest).strip()
    if rest == cell or not rest:
        return None
    found = _parsed(rest)
    return found and replace(found, exact=False)


def _parsed(cell: str) -> Phrase | None:
    for form in (_plain, _compound, _angle, _fraction, _range):
        found = form(cell)
        if found is not None:
            return found
    return None


def _plain(cell: str) -> Phrase | None:
    found = _PLAIN.fullmatch(cell)
    if found is not None:
        unit = " ".join(u for u in (found["before"], found["after"]) if u)
        number = found["number"].replace(" ", "")
        if _INDIAN.fullmatch(number):
            return Phrase("plain", (number.replace(",", ""),), (1.0,), unit, False)
        return Phrase("plain", (number,), (1.0,), unit)
    trailing = _TRAILING.fullmatch(cell)  # of SAP
    return Phrase("trailing", (trailing[1],), (-1.0,)) if trailing else None


def _compound(cell: str) -> Phrase | None:
    clock = _CLOCK.fullmatch(cell)
    if clock:
        return Phrase("time", (clock[1], clock[2]), (3600.0, 60.0))
    if cell[0] == "p" or cell.startswith("-p"):
        iso = _ISO.fullmatch(cell)
        if iso is None:
            return None
        given = [(n, f) for n, f in zip(iso.groups()[1:], _ISO_SECONDS, strict=True) if n]
        sign = -1.0 if iso[1] else 1.0
        return Phrase("time", tuple(n for n, _ in given),
                      tuple(sign * f for _, f in given)) if given else None  # fmt: skip
    sign = -1.0 if cell[0] == "-" else 1.0
    body = cell[1:].strip() if cell[0] in "+-" else cell
    if re.fullmatch(r"\d+'\s?\d+", body):
        body += '"'  # 5'11
    for name, form in _COMPOUND.items():
        if form.fullmatch(body):
            units = FAMILIES[name]
            terms = [(number, units[unit]) for number, unit in _TERM.findall(body)]
            factors = [factor for _, factor in terms]
            if all(a > b for a, b in itertools.pairwise(factors)):
                return Phrase(name, tuple(n for n, _ in terms), tuple(sign * f for f in factors))
    return None


def _angle(cell: str, directed: bool = False) -> Phrase | None:
    found = _ANGLE.fullmatch(cell)
    if found is None or (found["first"] and found["last"]):
        return None
    direction = found["first"] or found["last"]
    if direction and not directed:
        return None
    if not direction and not ((found["minutes"] or found["seconds"]) and "°" in cell):
        return None
    sign = -1.0 if (direction in ("s", "w")) != bool(found["sign"]) else 1.0
    parts = [(found[name], f) for name, f in (("degrees", 1.0), ("minutes", 1 / 60),
                                              ("seconds", 1 / 3600)) if found[name]]  # fmt: skip
    return Phrase("angle", tuple(n for n, _ in parts), tuple(sign * f for _, f in parts))


# Of what people write fractions; other pairs, such as 120/80, are two numbers.
_DENOMINATORS = {"2", "3", "4", "5", "6", "8", "10", "16", "20", "32", "64", "100"}


def _fraction(cell: str) -> Phrase | None:
    found = _FRACTION.fullmatch(cell)
    if found is not None and found["under"] in _DENOMINATORS:
        under = float(found["under"]) * (-1 if found["sign"] else 1)
        whole = (found["whole"],) if found["whole"] else ()
        return Phrase("fraction", (*whole, found["over"]), (*(1.0 for _ in whole), 1 / under))
    score = _SCORE.fullmatch(cell)
    if score is not None and score["under"] in _DENOMINATORS:
        return Phrase("fraction", (score["over"],), (1 / float(score["under"]),))
    return None


def _range(cell: str) -> Phrase | None:
    found = _RANGE.fullmatch(cell)
    if found is None:
        return None
    units = [" ".join(u for u in (found[f"before{i}"], found[f"after{i}"]) if u) for i in "12"]
    if units[0] and units[0] != units[1]:
        # $40k - 50k; anything else is no range of one unit.
        if (
            (found["before1"] or "")
            and not found["before2"]
            and (found["after1"] or "") == (found["after2"] or "")
        ):
            units[1] = units[0]
        else:
            return None
    return Phrase("range", (found["number1"], found["number2"]), (0.5, 0.5), units[1])


# Ends of a range are no further apart than that, most often: 555-1234 is a telephone's number.
_WIDEST = 3.0


def example(phrases: Sequence[Phrase | None]) -> int:
    """The first phrase that is more than a number and a unit."""
    return next(
        i for i, one in enumerate(phrases) if one and (one.kind != "plain" or not one.exact)
    )


def are_ranges(phrases: Sequence[Phrase | None], read: Numbers) -> bool:
    """Whether the ranges among phrases are some, or pairs of numbers of another kind."""
    found = [one for one in phrases if one is not None and one.kind == "range"]
    if not found:
        return True
    low = read([one.numbers[0] for one in found])
    high = read([one.numbers[1] for one in found])
    known = (low > 0) & ~np.isnan(high)
    return not known.any() or bool(np.median(high[known] / low[known]) <= _WIDEST)


def values(
    phrases: Sequence[Phrase | None], unit_factors: Sequence[float], read: Numbers
) -> Doubles:
    """The numbers (phrases,) that phrases are, NaN for None and for what `read` does not know.

    Parameters
    ----------
    unit_factors : sequence of float
        What each phrase's unit multiplies with; NaN for a unit that is not known. Phrases of
        several units have their own.
    """
    texts = [number for one in phrases if one is not None for number in one.numbers]
    numbers = read(texts) if texts else np.zeros(0)
    out = np.full(len(phrases), np.nan)
    at = 0
    for i, one in enumerate(phrases):
        if one is None:
            continue
        terms = numbers[at : at + len(one.numbers)]
        at += len(one.numbers)
        if one.kind == "range" and terms[0] > terms[1]:
            continue  # 3-1 is a result, 12345-6789 a number of a house
        out[i] = float((terms * one.factors).sum()) * unit_factors[i]
    return out

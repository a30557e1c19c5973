"""Columns that are made of another one's texts: ``size[2]`` is the second number of ``10x20x30``,
``meta.kind`` an entry of JSON objects.

A name says all that is needed to make the column again, so that a model finds it in any table.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array, Doubles
from .columns import Column, from_numbers, from_texts

# Of the rows, so many hold as many numbers between the same words as the others.
_LIKE = 0.95
_MOST_PARTS = 8
# Fewer different texts are categories, and numbers of fewer values say no more than these.
_FEWEST_TEXTS = 20
_FEWEST_VALUES = 10
_FIRST = 20
_MOST_ENTRIES = 200
_DEEPEST = 8

_PART = re.compile(r"(.+)\[([1-9]\d?)\]", re.DOTALL)
_FOUR = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})")  # 192.168.0.1
# A minus stands at the start or behind something that no number ends with.
_NUMBER = re.compile(r"(?:(?<![\w.)\]])[-−])?\d+(?:\.\d+)?")


def _numbers_in(text: str) -> list[str]:
    found = _FOUR.fullmatch(text)
    return list(found.groups()) if found else _NUMBER.findall(text)


def _between(text: str) -> str:
    """The text between the numbers."""
    return "." if _FOUR.fullmatch(text) else _NUMBER.sub("0", text).casefold()


def _like(levels: list[str], counts: Array) -> int:
    """How many numbers the texts hold, if nearly all hold as many between the same words; else
    0."""
    if not levels or len({_between(level) for level in levels[:_FIRST]}) > 3:
        return 0
    number = np.array([len(_numbers_in(level)) for level in levels])
    forms: dict[str, int] = {}
    for level, count in zip(levels, counts, strict=True):
        form = _between(level)
        forms[form] = forms.get(form, 0) + int(count)
    total = int(counts.sum())
    common = sorted(forms.values())[::-1][:3]
    usual = int(np.bincount(number, weights=counts).argmax())
    alike = int(counts[number == usual].sum())
    # One number behind a word is an identifier, most often.
    if not 2 <= usual <= _MOST_PARTS or min(alike, sum(common)) < _LIKE * total:
        return 0
    return usual


def derived_columns(column: Column, rows: NDArray[np.intp]) -> list[Column]:
    """The columns that a column of texts is cut into, by some rows of it; none, most often."""
    codes, levels = column.texts()
    known = codes[rows]
    counts = np.bincount(known[known >= 0], minlength=len(levels))
    there = np.flatnonzero(counts)
    texts = [levels[i] for i in there]
    if texts and texts[0].startswith("{"):
        objects = [_object(text) for text in texts]
        if sum(one is not None for one in objects) < _LIKE * len(objects):
            return []
        keys: dict[str, None] = {}
        for one in objects:
            keys.update(dict.fromkeys(key for key, _ in _entries(one or {})))
        found = [derived(column, "." + key) for key in list(keys)[:_MOST_ENTRIES]]
        return [entry for entry in found if entry is not None]
    if len(texts) <= _FEWEST_TEXTS:
        return []
    parts = _like(texts, counts[there])
    made = [_part(column, number) for number in range(1, parts + 1)]
    values = [np.unique(part.numbers()[rows]).size for part in made]
    return made if max(values, default=0) >= _FEWEST_VALUES else []


def derived(column: Column, rest: str) -> Column | None:
    """The column that is `column` with something behind its name, None when it is none."""
    part = _PART.fullmatch(column.name + rest)
    if part is not None and part[1] == column.name:
        return _part(column, int(part[2]))
    if not rest.startswith("."):
        return None
    codes, levels = column.texts()
    if not any(level.startswith("{") for level in levels[:_FIRST]):
        return None
    of_level = [dict(_entries(_object(level) or {})).get(rest[1:], "") for level in levels] + [""]
    return from_texts(column.name + rest, column.path, column.lines, [of_level[i] for i in codes],
                      True)  # fmt: skip


def _part(column: Column, number: int) -> Column:
    codes, levels = column.texts()
    of_level: Doubles = np.full(len(levels) + 1, np.nan)
    for i, level in enumerate(levels):
        found = _numbers_in(level)
        if len(found) >= number:
            of_level[i] = float(found[number - 1].replace("−", "-"))
    return from_numbers(f"{column.name}[{number}]", column.path, column.lines, of_level[codes])


def _object(text: str) -> dict[str, Any] | None:
    try:
        made = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return made if isinstance(made, dict) else None


def _entries(made: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The entries of an object and of those in it, as names and texts."""
    for name, value in flat(made):
        if value is None or isinstance(value, str):
            yield name, value or ""
        else:
            yield name, json.dumps(value)


def flat(made: dict[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The entries of an object, and of objects in it as ``outer.inner``; lists as their text."""
    for key, value in made.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from flat(value, f"{before}{key}.", depth + 1)
        elif isinstance(value, dict | list):
            yield before + key, json.dumps(value, ensure_ascii=False)
        else:
            yield before + key, value

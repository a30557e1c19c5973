"""Which columns are of use, what kind of input each becomes, and why others are left out."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .._base.lazy import imports
from .columns import Column
from .derived import parts_of
from .errors import TableError, counted, listed
from .features import (
    MAX_CATEGORIES,
    MIN_CATEGORY_ROWS,
    CategoricalFeature,
    Feature,
    NumericFeature,
    category_counts,
)
from .moments import MomentFeature
from .quantities import example, phrase
from .reader import Table
from .readings import compact_dates
from .words import BOOLEAN_WORDS, booleans_and_digits, category_key, spelled_alike

# A target of whole numbers is taken as classes up to this many different ones.
MAX_INTEGER_CLASSES = 20
# Texts are of no use when fewer rows than this share have one of the commonest.
MIN_COVERAGE = 0.1

ROW_NUMBERS = "row numbers"
IDENTIFIER = "an identifier: another number in every row"

_IDENTIFIER = re.compile(
    r"(?:^|[\s_.\-])(?:id|ids|uuid|guid|key|index|idx|rowid|row|rownames?|rownumber|recordid|nr)$"
    r"|^(?:unnamed: ?\d+|X(?:\.\d)?)$|[a-z](?:ID|Id)$|^(?:no|number|obs|record)$",
)


@dataclass
class Selection:
    """The inputs of a model, and what was left out: column → reason."""

    features: list[Feature]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def select(
    table: Table,
    rows: NDArray[np.intp],
    targets: Sequence[str],
    ignore: Collection[str] = (),
    categorical: Collection[str] = (),
    max_categories: int = MAX_CATEGORIES,
) -> Selection:
    """Choose the columns that a model of `targets` is given, and learn their preparation.

    Parameters
    ----------
    rows : ndarray of int
        Numbers of the rows to learn from.
    categorical : names, default ()
        Columns that are categories even if they hold numbers.

    Raises
    ------
    TableError
        No column is of use.
    """
    chosen = Selection([])
    seen: dict[bytes, str] = {}
    if all(name in targets or name in ignore for name in table.names):
        raise TableError(f"{table.path}: found no column besides the target, wanted at least one")
    for position, column in enumerate(table):
        name = column.name
        if name in targets:
            continue
        if name in ignore:
            chosen.left_out[name] = "ignored"
            continue
        as_categories = name in categorical or column.kind == "texts"
        reason = _of_no_use(column, rows, as_categories, name in categorical, position)
        if reason is None:
            key = _fingerprint(column, rows)
            if key in seen:
                reason = f"the same as '{seen[key]}'"
            else:
                seen[key] = name
        parts = parts_of(column, rows) if column.kind == "texts" and name not in categorical else []
        if parts and _add_parts(chosen, column, parts, rows, ignore, seen):
            if reason is not None or len(column.texts()[1]) > max_categories:
                continue
        elif reason is not None:
            chosen.left_out[name] = reason
            continue
        chosen.features.append(_fit(column, rows, as_categories, max_categories))
        chosen.notes += _notes_of(column)
    for name, reason in list(chosen.left_out.items()):
        # Better than nothing: it may be a time.
        if not chosen.features and reason in (ROW_NUMBERS, IDENTIFIER):
            del chosen.left_out[name]
            chosen.features.append(_fit(table.column(name), rows, False, max_categories))
    if not chosen.features:
        raise TableError(
            f"{table.path}: found no usable column besides the target ("
            + listed([f"'{name}': {why}" for name, why in chosen.left_out.items()], 5)
            + "), wanted at least one"
        )
    return chosen


def _add_parts(
    chosen: Selection,
    column: Column,
    parts: list[Column],
    rows: NDArray[np.intp],
    ignore: Collection[str],
    seen: dict[bytes, str],
) -> bool:
    """Add the numbers, or the entries, that the texts of a column hold; whether any is of use."""
    added = []
    for part in parts:
        if part.name in ignore:
            chosen.left_out[part.name] = "ignored"
            continue
        texts = part.kind == "texts"
        values = part.numbers()[rows]
        if not texts and (values == np.floor(values)).all() and np.unique(values).size == len(rows):
            continue  # it numbers the rows
        key = _fingerprint(part, rows)
        if _of_no_use(part, rows, texts, False, 1) is None and key not in seen:
            seen[key] = part.name
            chosen.features.append(_fit(part, rows, texts, MAX_CATEGORIES))
            added.append(f"'{part.name}'")
    if added:
        chosen.notes.append(f"column '{column.name}': its texts hold {listed(added)}")
    return bool(added)


def _fit(
    column: Column, rows: NDArray[np.intp], as_categories: bool, max_categories: int
) -> Feature:
    if as_categories:
        return CategoricalFeature.fit(column, rows, max_categories)
    if column.kind == "moments" or _compact_dates(column, rows):
        return MomentFeature.fit(column, rows)
    return NumericFeature.fit(column, rows)


# Cells that were merged over rows leave so few of them with a text, at most.
_MOST_BLOCKS = 0.25
# So many different numbers that all spell days (20210131) are no accident.
_FEWEST_DATES = 10


def _compact_dates(column: Column, rows: NDArray[np.intp]) -> bool:
    values = column.numbers()[rows]
    known = values[np.isfinite(values)]
    if not known.size or known.min() < 19_000_000 or known.max() > 21_000_000:
        return False
    different = np.unique(known)
    return different.size >= _FEWEST_DATES and not np.isnan(compact_dates(different)).any()


def _notes_of(column: Column) -> list[str]:
    contents = column.contents
    notes = []
    if contents.strays:
        row = column.first_text()
        kind = "dates" if contents.kind == "moments" else "numbers"
        example = f", such as '{column.text(row)}'" if row is not None else ""
        notes.append(
            f"column '{column.name}' is {kind} but for {counted(contents.strays, 'text')}"
            f"{example}, taken as missing"
        )
    if contents.kind == "texts" and not column.exact:
        keys = {category_key(level): 1 for level in column.texts()[1]}
        alike = [f"'{one}' and '{other}'" for one, other in sorted(spelled_alike(keys).items())]
        if alike:
            notes.append(
                f"column '{column.name}': texts that differ by capital letters only are one "
                f"category, such as {alike[0]}"
            )
    if contents.kind == "texts":
        codes, levels = column.texts()
        known = codes >= 0
        if 1 < known.sum() == len(levels) <= _MOST_BLOCKS * len(codes) and known[0]:
            notes.append(
                f"column '{column.name}': {len(levels)} of {len(codes)} rows have a text, each "
                "another: if they stand for the rows below them, too (merged cells), fill them in"
            )
    if contents.style:
        notes.append(f"column '{column.name}': {contents.style}{_example_of(column)}")
    return notes


def _example_of(column: Column) -> str:
    """A text that is no plain number, and what it is taken for."""
    reading = column.contents.reading
    if reading is None or not reading.phrases:
        return ""
    levels = column.texts()[1]
    at = example([phrase(level) for level in levels])
    return f", such as '{levels[at]}' as {reading.numbers(levels[at : at + 1])[0]:g}"


def _of_no_use(
    column: Column,
    rows: NDArray[np.intp],
    as_categories: bool,
    asked_for: bool,
    position: int,
) -> str | None:
    """Why a column is left out, None when it is not."""
    nameless = not column.name or column.name.startswith("Unnamed: ")
    if as_categories:
        keys, counts, missing = category_counts(column, rows)
        if not keys:
            return "no value at all"
        if len(keys) == 1 and missing == 0:
            return f"constant ('{keys[0]}')"
        known = sum(counts)
        if asked_for:
            return None
        if nameless and position == 0 and len(keys) == known:
            return "names of rows"
        covered = sum(sorted(c for c in counts if c >= MIN_CATEGORY_ROWS)[::-1][:MAX_CATEGORIES])
        if len(keys) > 10 and covered < MIN_COVERAGE * known:
            return f"texts of their own in nearly every row ({len(keys)} in {known} rows)"
        return None
    values = column.numbers()[rows]
    known_values = values[np.isfinite(values)]
    if known_values.size == 0:
        return "no value at all"
    low, high = float(known_values.min()), float(known_values.max())
    if low == high or high - low <= 1e-12 * max(abs(low), abs(high)):
        if known_values.size == values.size:
            return f"constant ({column.text(int(rows[0]))})"
        return None
    if column.kind == "moments" or known_values.size < values.size:
        return None
    whole = bool((known_values == np.floor(known_values)).all())
    if not whole:
        return None
    differences = np.diff(column.numbers())
    if nameless and position == 0 and (differences == 1).all():
        return ROW_NUMBERS
    if _IDENTIFIER.search(column.name) or _IDENTIFIER.search(column.name.lower()) or nameless:
        if (differences == 1).all():
            return ROW_NUMBERS
        if np.unique(known_values).size == known_values.size and known_values.size > 20:
            return IDENTIFIER
    return None


def _fingerprint(column: Column, rows: NDArray[np.intp]) -> bytes:
    """Bytes that two columns share only when they hold the same."""
    with imports:
        import hashlib

    if column.kind == "texts":
        codes, levels = column.texts()
        # Codes are given in the order in which texts occur: the same for the same partition.
        digest = hashlib.blake2b(np.ascontiguousarray(codes[rows]).data, digest_size=16)
        digest.update("\0".join(levels).encode())
        return b"t" + digest.digest()
    values = np.ascontiguousarray(column.numbers()[rows]) + 0.0
    return b"n" + hashlib.blake2b(values.data, digest_size=16).digest()


def is_classification(columns: Sequence[Column], task: str | None) -> bool:
    """Whether targets are classes, by what is asked for or by their values.

    Texts and booleans are classes, and so are few different whole numbers.

    Raises
    ------
    ValueError
        Classification of several targets is asked for.
    """
    if len(columns) > 1:
        if task == "classification":
            raise ValueError("--task classification: found several targets, wanted one")
        return False
    if task is not None:
        return task == "classification"
    column = columns[0]
    if column.kind == "texts":
        # Numbers with a wrong text among them are told as such, rather than taken as classes.
        numbers = column.numbers()
        known = int((~column.missing()).sum())
        return int((~np.isnan(numbers)).sum()) < 0.5 * known or _booleans(column)
    if column.kind == "moments" or column.contents.strays:
        return False
    values = column.numbers()
    values = values[~np.isnan(values)]
    if (values != np.floor(values)).any():
        return False
    different = np.unique(values).size
    return different <= MAX_INTEGER_CLASSES and 5 * different <= values.size


def _booleans(column: Column) -> bool:
    levels = column.texts()[1]
    return {level.lower() for level in levels} <= BOOLEAN_WORDS or booleans_and_digits(levels)

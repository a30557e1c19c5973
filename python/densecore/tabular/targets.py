"""Targets as networks learn them: classes, or numbers in units of their deviation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array, Doubles
from .algebra import expm1, log1p
from .columns import Column, refuse_text
from .errors import TableError, counted
from .json_fields import finite, flag, positive, text, texts
from .words import boolean, booleans_and_digits, category_key, spelled_alike


@dataclass
class ClassTarget:
    """A target of class names: class number i of the network is `classes[i]`."""

    kind: ClassVar[str] = "classes"

    name: str
    classes: list[str]

    @property
    def outputs(self) -> int:
        """The number of classes, each of which is an output of the network."""
        return len(self.classes)

    @classmethod
    def fit(cls, column: Column) -> "ClassTarget":
        """Learn which classes there are. Rows without a class do not count.

        Raises
        ------
        TableError
            There is one class only, or nearly one for each row.
        """
        codes, levels = column.texts()
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        # 2 and 2.0 are one class; the shorter spelling names it.
        names: dict[str, str] = {}
        of_key: dict[str, int] = {}
        for level, count in sorted(
            (pair for pair in zip(levels, counts.tolist(), strict=True) if pair[1]),
            key=lambda pair: (len(pair[0]), pair[0]),
        ):
            key = category_key(level)
            names.setdefault(key, level)
            of_key[key] = of_key.get(key, 0) + count
        if not column.exact:
            for key in spelled_alike(of_key):
                del names[key]
            if booleans_and_digits(names):  # 1 is true: the word names it
                for truth in (0.0, 1.0):
                    same = [key for key in names if _truth(key) == truth]
                    same.sort(key=lambda key: (key in "01", -of_key[key], key))
                    for key in same[1:]:
                        del names[key]
        # Numbers in the order of numbers, 2 before 10; what says false before what says true.
        classes = sorted(names.values(), key=_sort_key)
        if len(classes) == 2 and all(boolean(name) is not None for name in classes):
            classes.sort(key=lambda name: boolean(name) or 0.0)
        if len(classes) < 2:
            found = f"one class only, '{classes[0]}'" if classes else "no value at all"
            raise TableError(
                f"{column.path}: the target '{column.name}' has {found}; wanted at least two "
                "classes"
            )
        rows = int(counts.sum())
        if len(classes) > max(2, rows / 2):
            raise TableError(
                f"{column.path}: the target '{column.name}' has {len(classes)} classes in "
                f"{counted(rows, 'row')}, wanted several rows of each: choose another target, or "
                "--task regression for numbers"
            )
        return cls(column.name, classes)

    def labels(self, column: Column) -> NDArray[np.int32]:
        """Class numbers (rows,); -1 for a row without a class, or of another one."""
        codes, levels = column.texts()
        place = {category_key(name): i for i, name in enumerate(self.classes)}
        folded = _unless_repeated((key.casefold(), i) for key, i in place.items())
        truths = _unless_repeated(
            (_truth(key), i) for key, i in place.items() if _truth(key) is not None
        )

        def found(level: str) -> int:
            key = category_key(level)
            at = place.get(key, folded.get(key.casefold()))
            if at is None and len(truths) == len(place) == 2:
                at = truths.get(_truth(key))
            return -1 if at is None else at

        return np.array([*(found(level) for level in levels), -1], np.int32)[codes]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "classes": self.classes}

    @classmethod
    def from_dict(cls, entry: Any) -> "ClassTarget":
        """Read and check what `to_dict` wrote."""
        return cls(text(entry["name"]), texts(entry["classes"]))


# How many rows the belief is worth that answers are right as they are.
_ROWS_OF_ONE = 20
_NO_SPREAD = 1e-9


@dataclass
class NumericTarget:
    """Targets of numbers, standardised for training; `restore` gives their own units back.

    With `log`, the network learns log(y + shift) instead of y, and a prediction is multiplied with
    `factor`, since the mean of logarithms is not the logarithm of the mean. `low` and `high` are
    the range of the training rows, perhaps widened, which no prediction leaves.
    """

    kind: ClassVar[str] = "numbers"

    names: list[str]
    means: list[float]
    scales: list[float]
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    log: bool = False
    factor: float = 1.0

    @property
    def outputs(self) -> int:
        """The number of targets, each of which is an output of the network."""
        return len(self.names)

    @classmethod
    def fit(cls, columns: Sequence[Column], rows: NDArray[np.intp], log: bool) -> "NumericTarget":
        """Learn means and scales from the rows whose numbers are in `rows`.

        Raises
        ------
        TableError
            A value is a text, infinite, or too large; or all are the same.
        """
        values = cls.values(columns)[rows]
        means, scales = [], []
        for j, column in enumerate(columns):
            y = log1p(values[:, j]) if log else values[:, j]
            with np.errstate(over="ignore", invalid="ignore"):
                mean, deviation = float(y.mean()), float(y.std())
            if not np.isfinite(mean) or not np.isfinite(deviation):
                row = int(rows[np.nanargmax(np.abs(y))])
                raise TableError(
                    f"{column.where(row)}: found {column.text(row)}, too large to be scaled"
                )
            constant = y.min() == y.max() or deviation <= 1e-12 * abs(mean)
            means.append(mean)
            scales.append(1.0 if constant else deviation)
        return cls(
            [column.name for column in columns],
            means,
            scales,
            values.min(axis=0).tolist(),
            values.max(axis=0).tolist(),
            log,
        )

    def limit(self, values: Doubles, beyond: float) -> None:
        """Keep predictions in the range of values (rows, outputs) and beyond it by a share of its
        length; what is never negative stays so."""
        low, high = values.min(axis=0), values.max(axis=0)
        more = beyond * (high - low)
        self.low = np.where(low >= 0, np.maximum(low - more, 0), low - more).tolist()
        self.high = np.where(high <= 0, np.minimum(high + more, 0), high + more).tolist()

    def stretched(
        self, answers: Doubles, truth: Doubles, weight: Doubles | None
    ) -> "NumericTarget":
        """The same with other means and scales, for which answers (rows, outputs) of networks that
        have not seen the rows are neither too far from their mean nor too near to it: least
        squares, of which a few rows say little. `truth` is in the scale of `self`."""
        made = replace(self, means=list(self.means), scales=list(self.scales))
        rows = len(truth)
        w = np.ones(rows) if weight is None else weight
        for j, (known, found) in enumerate(zip(truth.T, answers.T, strict=True)):
            mean, center = np.average(known, weights=w), np.average(found, weights=w)
            spread = np.average((found - center) ** 2, weights=w)
            if spread < _NO_SPREAD:
                continue
            slope = np.average((found - center) * (known - mean), weights=w) / spread
            factor = (rows * np.clip(slope, 0.5, 1.5) + _ROWS_OF_ONE) / (rows + _ROWS_OF_ONE)
            made.means[j] += self.scales[j] * float(mean - factor * center)
            made.scales[j] *= float(factor)
        return made

    @staticmethod
    def values(columns: Sequence[Column]) -> Doubles:
        """The targets in their own units (rows, outputs); NaN where missing.

        Raises
        ------
        TableError
            A value is a text or infinite.
        """
        made = []
        for column in columns:
            if column.kind == "texts" or column.contents.strays:
                refuse_text(column, "--task classification, when training, takes the column as "
                            "classes")  # fmt: skip
            values = column.numbers()
            infinite = np.isinf(values)
            if infinite.any():
                row = int(np.argmax(infinite))
                raise TableError(
                    f"{column.where(row)}: found {column.text(row)}, wanted a finite number"
                )
            made.append(values)
        return np.column_stack(made)

    def scale(self, values: Doubles) -> Doubles:
        """From the targets' own units (rows, outputs) to what the network learns."""
        inner = log1p(values) if self.log else values
        scaled: Doubles = (inner - np.array(self.means)) / np.array(self.scales)
        return scaled

    def restore(self, scaled: Array) -> Doubles:
        """From the network's outputs (rows, outputs) to the targets' own units."""
        inner: Doubles = scaled.astype(np.float64) * np.array(self.scales) + np.array(self.means)
        if self.log:
            with np.errstate(over="ignore"):
                inner = expm1(inner) * self.factor
        return np.clip(inner, self.low, self.high) if self.low else inner

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "names": self.names,
            "means": self.means,
            "scales": self.scales,
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "factor": self.factor,
        }

    @classmethod
    def from_dict(cls, entry: Any) -> "NumericTarget":
        """Read and check what `to_dict` wrote; version 0.1.0 knew no range and no logarithm."""
        names = texts(entry["names"])
        means = [finite(value) for value in entry["means"]]
        scales = [positive(value) for value in entry["scales"]]
        low = [finite(value) for value in entry.get("low", [])]
        high = [finite(value) for value in entry.get("high", [])]
        if not len(names) == len(means) == len(scales) or len(low) not in (0, len(names)):
            raise ValueError("names, means and scales differ in length")
        if len(low) != len(high) or any(a > b for a, b in zip(low, high, strict=True)):
            raise ValueError("low and high are no range")
        return cls(
            names,
            means,
            scales,
            low,
            high,
            flag(entry.get("log", False)),
            positive(entry.get("factor", 1.0)),
        )


Target = ClassTarget | NumericTarget


def _truth(key: str) -> float | None:
    """1 for what says true, 0 for what says false, digits included; else None."""
    return float(key) if key in ("0", "1") else boolean(key)


def _unless_repeated(pairs: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    """A dict of the pairs whose key occurs once."""
    found: dict[Any, int] = {}
    repeated = set()
    for key, value in pairs:
        if key in found:
            repeated.add(key)
        found[key] = value
    return {key: value for key, value in found.items() if key not in repeated}


def _sort_key(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)

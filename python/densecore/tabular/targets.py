"""What a network learns to predict: classes, or numbers in units of their deviation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import TARGET_MISSING, Array, numbers, refuse_missing
from .features import NumericFeature
from .json_fields import finite, positive, text, texts
from .reader import Column, TableError


@dataclass
class ClassTarget:
    """A target of class names: class number i of the network is `classes[i]`."""

    kind = "classes"

    name: str
    classes: list[str]

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @classmethod
    def fit(cls, column: Column) -> "ClassTarget":
        """Learn which classes there are.

        Raises
        ------
        TableError
            A value is missing, or there is one class only.
        """
        refuse_missing(column, TARGET_MISSING)
        keys = cls._keys(column)
        # 1 and 1.0 are one class; the shorter spelling names it.
        names: dict[str | float, str] = {}
        for value, key in sorted(set(zip(column.values, keys, strict=True)), key=_shorter_first):
            names.setdefault(key, value)
        # Numbers in the order of numbers: 2 before 10.
        classes = sorted(names.values(), key=_sort_key)
        if len(classes) < 2:
            raise TableError(
                f"{column.table.path}: the target '{column.name}' has one class only, "
                f"'{classes[0]}'; wanted at least two"
            )
        return cls(column.name, classes)

    def labels(self, column: Column) -> NDArray[np.int32]:
        """Class numbers (rows,)."""
        keys = self._keys(column)
        place = {
            key: self.classes.index(value)
            for value, key in zip(column.values, keys, strict=True)
            if value in self.classes
        }
        return np.array([place[key] for key in keys], np.int32)

    @staticmethod
    def _keys(column: Column) -> list[str | float]:
        """What tells classes apart: the numbers when all are, else the texts."""
        values = column.numbers()
        return list(column.values) if np.isnan(values).any() else values.tolist()

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "classes": self.classes}

    @classmethod
    def from_dict(cls, entry: Any) -> "ClassTarget":
        """Read and check what `to_dict` wrote."""
        return cls(text(entry["name"]), texts(entry["classes"]))


@dataclass
class NumericTarget:
    """Targets of numbers, standardised for training; `restore` gives their own units back."""

    kind = "numbers"

    names: list[str]
    means: list[float]
    scales: list[float]

    @property
    def outputs(self) -> int:
        return len(self.names)

    @classmethod
    def fit(cls, columns: Sequence[Column], training: NDArray[np.intp]) -> "NumericTarget":
        """Learn means and scales from the rows whose numbers are in `training` (rows,).

        Raises
        ------
        TableError
            A value is missing, no number, or too large.
        """
        for column in columns:
            numbers(column, None, False, target=True)  # refuses with what helps a target
        scaled = [NumericFeature.fit(column, training, False) for column in columns]
        return cls([s.name for s in scaled], [s.mean for s in scaled], [s.scale for s in scaled])

    @staticmethod
    def values(columns: Sequence[Column]) -> Array:
        """The targets in their own units (rows, outputs)."""
        return np.column_stack([numbers(column, None, False) for column in columns])

    def scale(self, values: Array) -> Array:
        """From the targets' own units (rows, outputs) to what the network learns."""
        scaled: Array = (values - np.array(self.means)) / np.array(self.scales)
        return scaled

    def restore(self, scaled: NDArray[Any]) -> Array:
        """From the network's outputs (rows, outputs) to the targets' own units."""
        values: Array = scaled.astype(np.float64) * np.array(self.scales) + np.array(self.means)
        return values

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "names": self.names,
            "means": self.means,
            "scales": self.scales,
        }

    @classmethod
    def from_dict(cls, entry: Any) -> "NumericTarget":
        """Read and check what `to_dict` wrote."""
        names = texts(entry["names"])
        means = [finite(value) for value in entry["means"]]
        scales = [positive(value) for value in entry["scales"]]
        if not len(names) == len(means) == len(scales):
            raise ValueError("names, means and scales differ in length")
        return cls(names, means, scales)


Target = ClassTarget | NumericTarget


def _shorter_first(pair: tuple[str, str | float]) -> tuple[int, str]:
    return (len(pair[0]), pair[0])


def _sort_key(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)

"""The columns that a network is given: numbers, standardised, and categories, as indicators."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Array, is_numeric, numbers, quoted, refuse_missing
from .json_fields import finite, positive, text, texts
from .reader import Column, TableError, listed

MAX_CATEGORIES = 100


@dataclass
class NumericFeature:
    """A column of numbers, standardised: (value - mean) / scale.

    A constant column has scale 1. `fill` is what a missing value becomes, None: it is refused.
    """

    kind = "numeric"

    name: str
    mean: float
    scale: float
    fill: float | None

    width = 1

    @classmethod
    def fit(
        cls, column: Column, training: NDArray[np.intp], fill_missing: bool
    ) -> "NumericFeature":
        """Learn mean and scale from the rows whose numbers are in `training` (rows,).

        Raises
        ------
        TableError
            A value is no number, missing without `fill_missing`, or too large.
        """
        values = numbers(column, None, fill_missing)
        known = values[training][~np.isnan(values[training])]
        if known.size == 0:
            raise TableError(
                f"{column.table.path}: column '{column.name}' has no value in the training part"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = float(known.mean()), float(known.std())
        # Rounding alone gives a constant another mean, and a deviation that is not exactly 0.
        if known.min() == known.max():
            mean, deviation = float(known[0]), 0.0
        if not np.isfinite(mean) or not np.isfinite(deviation):
            row = int(np.nanargmax(np.abs(values)))
            raise TableError(
                f"{column.where(row)}: found {column.values[row]}, too large to be scaled"
            )
        constant = deviation <= 1e-12 * abs(mean)
        fill = mean if fill_missing else None
        return cls(column.name, mean, 1.0 if constant else deviation, fill)

    def transform(self, column: Column) -> Array:
        """(value - mean) / scale as a matrix (rows, 1)."""
        values = numbers(column, self.fill, False)
        # Bent, 1e15 is 3 to the last bit already; infinity would be NaN.
        with np.errstate(over="ignore"):
            scaled = np.clip((values - self.mean) / self.scale, -1e15, 1e15)
        return scaled.reshape(-1, 1)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "mean": self.mean,
            "scale": self.scale,
            "fill": self.fill,
        }

    @classmethod
    def from_dict(cls, entry: Any) -> "NumericFeature":
        """Read and check what `to_dict` wrote."""
        fill = None if entry["fill"] is None else finite(entry["fill"])
        return cls(text(entry["name"]), finite(entry["mean"]), positive(entry["scale"]), fill)


@dataclass
class CategoricalFeature:
    """A column of names: one input per category, 1 for the row's and 0 for the others."""

    kind = "categorical"

    name: str
    categories: list[str]

    @property
    def width(self) -> int:
        return len(self.categories)

    @classmethod
    def fit(cls, column: Column) -> "CategoricalFeature":
        """Learn which categories there are.

        Raises
        ------
        TableError
            A value is missing, or there are more than `MAX_CATEGORIES` categories.
        """
        refuse_missing(column)
        categories = sorted(set(column.values))
        if len(categories) > MAX_CATEGORIES:
            raise TableError(
                f"{column.table.path}: column '{column.name}' has {len(categories)} different "
                f"texts, more than the {MAX_CATEGORIES} that are taken as categories; leave it out "
                f"with --ignore {quoted(column.name)}"
            )
        return cls(column.name, categories)

    def transform(self, column: Column) -> Array:
        """The indicators as a matrix (rows, categories).

        Raises
        ------
        TableError
            A value is missing, or is not one of the categories.
        """
        refuse_missing(column)
        place = {category: i for i, category in enumerate(self.categories)}
        out = np.zeros((len(column.values), len(self.categories)))
        for row, value in enumerate(column.values):
            if value not in place:
                raise TableError(
                    f"{column.where(row)}: found '{value}', which the training data did not have; "
                    f"known: {listed(self.categories)}"
                )
            out[row, place[value]] = 1
        return out

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "categories": self.categories}

    @classmethod
    def from_dict(cls, entry: Any) -> "CategoricalFeature":
        """Read and check what `to_dict` wrote."""
        return cls(text(entry["name"]), texts(entry["categories"]))


Feature = NumericFeature | CategoricalFeature


def fit_feature(
    column: Column, training: NDArray[np.intp], fill_missing: bool, categorical: bool
) -> Feature:
    """The feature that a column becomes: numbers, or categories when it has no number at all.

    Parameters
    ----------
    column : Column
    training : ndarray (rows,) of int
        Numbers of the rows to learn from.
    fill_missing : bool
        Whether a missing number becomes the mean; else it is refused.
    categorical : bool
        Whether numbers are categories, too.

    Raises
    ------
    TableError
        A value that cannot be used; the message says where.
    """
    if categorical or not (is_numeric(column) or column.missing().all()):
        return CategoricalFeature.fit(column)
    return NumericFeature.fit(column, training, fill_missing)

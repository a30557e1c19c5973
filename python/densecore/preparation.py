"""From a table's columns to a network's arrays, and from its outputs back.

What is learnt from the training part (means, deviations, categories, classes) is kept in objects
that become JSON with the model: `Preparation.to_dict` and `Preparation.from_dict`.
"""

import math
import reprlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tables import Column, Table, TableError, listed

VERSION = 1
MAX_CATEGORIES = 100

Array = NDArray[np.float64]


@dataclass
class NumericFeature:
    """A column of numbers, standardised: (value - mean) / scale.

    A constant column has scale 1. `fill` is what a missing value becomes, None: it is refused.
    """

    name: str
    mean: float
    scale: float
    fill: float | None

    width = 1

    @classmethod
    def fit(
        cls, column: Column, training: NDArray[np.intp], fill_missing: bool
    ) -> "NumericFeature":
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
            "kind": "numeric",
            "name": self.name,
            "mean": self.mean,
            "scale": self.scale,
            "fill": self.fill,
        }


@dataclass
class CategoricalFeature:
    """A column of names: one input per category, 1 for the row's and 0 for the others."""

    name: str
    categories: list[str]

    @property
    def width(self) -> int:
        return len(self.categories)

    @classmethod
    def fit(cls, column: Column) -> "CategoricalFeature":
        _refuse_missing(column)
        categories = sorted(set(column.values))
        if len(categories) > MAX_CATEGORIES:
            raise TableError(
                f"{column.table.path}: column '{column.name}' has {len(categories)} different "
                f"texts, more than the {MAX_CATEGORIES} that are taken as categories; leave it out "
                f"with --ignore {_quoted(column.name)}"
            )
        return cls(column.name, categories)

    def transform(self, column: Column) -> Array:
        """The indicators as a matrix (rows, categories)."""
        _refuse_missing(column)
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
        return {"kind": "categorical", "name": self.name, "categories": self.categories}


Feature = NumericFeature | CategoricalFeature


@dataclass
class ClassTarget:
    """A target of class names: class number i of the network is `classes[i]`."""

    name: str
    classes: list[str]

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @classmethod
    def fit(cls, column: Column) -> "ClassTarget":
        _refuse_missing(column, _TARGET_MISSING)
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
        return {"kind": "classes", "name": self.name, "classes": self.classes}


@dataclass
class NumericTarget:
    """Targets of numbers, standardised for training; `restore` gives their own units back."""

    names: list[str]
    means: list[float]
    scales: list[float]

    @property
    def outputs(self) -> int:
        return len(self.names)

    @classmethod
    def fit(cls, columns: Sequence[Column], training: NDArray[np.intp]) -> "NumericTarget":
        for column in columns:
            numbers(column, None, False, target=True)  # refuses with what helps a target
        scaled = [NumericFeature.fit(column, training, False) for column in columns]
        return cls([s.name for s in scaled], [s.mean for s in scaled], [s.scale for s in scaled])

    @staticmethod
    def values(columns: Sequence[Column]) -> Array:
        """The targets in their own units (rows, outputs)."""
        return np.column_stack([numbers(column, None, False) for column in columns])

    def scale(self, values: Array) -> Array:
        scaled: Array = (values - np.array(self.means)) / np.array(self.scales)
        return scaled

    def restore(self, scaled: NDArray[Any]) -> Array:
        values: Array = scaled.astype(np.float64) * np.array(self.scales) + np.array(self.means)
        return values

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "numbers",
            "names": self.names,
            "means": self.means,
            "scales": self.scales,
        }


Target = ClassTarget | NumericTarget


# Standardised numbers are bent smoothly towards ±3, to s / sqrt(1 + (s / 3)²): a pixel that is
# almost always 0 is otherwise an input of 20 where it is not (Holzmüller, Grinsztajn & Steinwart,
# Better by default, NeurIPS 2024).
BEND = 3.0


@dataclass
class Preparation:
    """All that a prediction needs to know of the table that the model was trained on.

    `bend`: whether standardised numbers are bent towards ±3; not for a model that is to be linear.
    """

    features: list[Feature]
    target: Target
    bend: bool = True

    @property
    def inputs(self) -> int:
        return sum(feature.width for feature in self.features)

    def transform(self, table: Table, dtype: str) -> NDArray[Any]:
        """The network's inputs (rows, inputs); columns are found by name, in any order.

        Raises
        ------
        TableError
            A column is missing, or a value cannot be used; the message says where.
        """
        absent = [f.name for f in self.features if f.name not in table.names]
        if absent:
            raise TableError(
                f"{table.path}: no column {listed([repr(name) for name in absent])}, which the "
                f"model needs; found: {listed(table.names)}"
            )
        for feature in self.features:
            if isinstance(feature, NumericFeature):
                refuse_overflow(table.column(feature.name), dtype)
        return np.ascontiguousarray(self._inputs(table, self.bend), dtype)

    def linear_inputs(self, table: Table) -> Array:
        """What a linear model would be given: standardised, not bent (rows, inputs)."""
        return self._inputs(table, False)

    def _inputs(self, table: Table, bend: bool) -> Array:
        blocks = []
        for feature in self.features:
            block = feature.transform(table.column(feature.name))
            if bend and isinstance(feature, NumericFeature):
                block = block / np.hypot(1, block / BEND)
            blocks.append(block)
        return np.hstack(blocks)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "version": VERSION,
            "features": [feature.to_dict() for feature in self.features],
            "target": self.target.to_dict(),
            "bend": self.bend,
        }

    @classmethod
    def from_dict(cls, data: Any, inputs: int, outputs: int) -> "Preparation":
        """Read and check what `to_dict` wrote, against the network's inputs and outputs.

        Raises
        ------
        ValueError
            It is damaged, does not fit the network, or comes from a newer version.
        """
        try:
            version = data["version"]
            if type(version) is not int or version < 1:
                raise ValueError(f"found version {reprlib.repr(version)}, wanted a number")
            if version > VERSION:
                raise ValueError("it comes from a newer densecore: upgrade")
            features = [_read_feature(entry) for entry in data["features"]]
            _refuse_repeated([feature.name for feature in features])
            if type(data["bend"]) is not bool:
                raise ValueError(f"found bend {reprlib.repr(data['bend'])}, wanted true or false")
            preparation = cls(features, _read_target(data["target"]), data["bend"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"damaged entry ({error})") from None
        if preparation.inputs != inputs or preparation.target.outputs != outputs:
            raise ValueError(
                f"found {preparation.inputs} inputs and {preparation.target.outputs} outputs, "
                f"wanted {inputs} and {outputs} as the network"
            )
        return preparation


def numbers(column: Column, fill: float | None, allow_missing: bool, target: bool = False) -> Array:
    """A column as finite numbers; a missing value becomes `fill`, or NaN when allowed.

    `target` only changes what a message advises.

    Raises
    ------
    TableError
        At the first text, infinity, or missing value that is not allowed.
    """
    values, missing = column.numbers(), column.missing()
    text = np.isnan(values) & ~missing
    if text.any():
        row = int(np.argmax(text))
        advice = "--task classification" if target else f"--categorical {_quoted(column.name)}"
        raise TableError(
            f"{column.where(row)}: found '{column.values[row]}', wanted a number ({advice}, when "
            f"training, takes the column as {'classes' if target else 'categories'})"
        )
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise TableError(f"{column.where(row)}: found {column.values[row]}, wanted a finite number")
    if missing.any():
        if fill is not None:
            values[missing] = fill
        elif not allow_missing:
            _refuse_missing(
                column,
                _TARGET_MISSING if target else "--missing mean fills numbers in when training",
            )
    return values


_CATEGORY_MISSING = "wanted a category, such as 'unknown': --missing mean is for numbers only"
_TARGET_MISSING = "a target must be known"


def refuse_overflow(column: Column, dtype: str) -> None:
    """Raise TableError at the first number that `dtype` cannot hold."""
    values = column.numbers()
    large = (np.abs(values) > np.finfo(dtype).max) & np.isfinite(values)  # infinity: as `numbers`
    if large.any():
        row = int(np.argmax(large))
        hint = "; --dtype float64 takes larger numbers" if dtype == "float32" else ""
        raise TableError(
            f"{column.where(row)}: found {column.values[row]}, which overflows {dtype}{hint}"
        )


def is_numeric(column: Column) -> bool:
    """Whether at least one value is a number (true and false are)."""
    return bool((~np.isnan(column.numbers())).any())


def fit_feature(
    column: Column, training: NDArray[np.intp], fill_missing: bool, categorical: bool
) -> Feature:
    """The feature that a column becomes: numbers, or categories when it has no number at all."""
    if categorical or not (is_numeric(column) or column.missing().all()):
        return CategoricalFeature.fit(column)
    return NumericFeature.fit(column, training, fill_missing)


def _refuse_missing(column: Column, hint: str = _CATEGORY_MISSING) -> None:
    missing = column.missing()
    if missing.any():
        row = int(np.argmax(missing))
        count = int(missing.sum())
        more = f" ({count} in the column)" if count > 1 else ""
        raise TableError(f"{column.where(row)}: the value is missing{more}; {hint}")


def _shorter_first(pair: tuple[str, str | float]) -> tuple[int, str]:
    return (len(pair[0]), pair[0])


def _sort_key(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def _quoted(name: str) -> str:
    return f"'{name}'" if not name.replace("_", "").isalnum() else name


# Reading what a file says, which is untrusted --------------------------------------------------


def _finite(value: Any) -> float:
    try:
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass  # an integer that no float can hold
    raise ValueError(f"found {reprlib.repr(value)}, wanted a finite number")


def _positive(value: Any) -> float:
    number = _finite(value)
    if number <= 0:
        raise ValueError(f"found scale {number}, wanted > 0")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"found {reprlib.repr(value)}, wanted text")
    return value


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"found {reprlib.repr(values)}, wanted a list of texts")
    texts = [_text(value) for value in values]
    _refuse_repeated(texts)
    return texts


def _refuse_repeated(names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"the name {reprlib.repr(repeated[0])} occurs twice")


def _read_feature(entry: Any) -> Feature:
    name = _text(entry["name"])
    if entry["kind"] == "categorical":
        return CategoricalFeature(name, _texts(entry["categories"]))
    if entry["kind"] == "numeric":
        fill = None if entry["fill"] is None else _finite(entry["fill"])
        return NumericFeature(name, _finite(entry["mean"]), _positive(entry["scale"]), fill)
    raise ValueError(
        f"unknown kind of feature {reprlib.repr(entry['kind'])}; known: categorical, numeric"
    )


def _read_target(entry: Any) -> Target:
    if entry["kind"] == "classes":
        return ClassTarget(_text(entry["name"]), _texts(entry["classes"]))
    if entry["kind"] == "numbers":
        names = _texts(entry["names"])
        means = [_finite(value) for value in entry["means"]]
        scales = [_positive(value) for value in entry["scales"]]
        if not len(names) == len(means) == len(scales):
            raise ValueError("names, means and scales differ in length")
        return NumericTarget(names, means, scales)
    raise ValueError(
        f"unknown kind of target {reprlib.repr(entry['kind'])}; known: classes, numbers"
    )

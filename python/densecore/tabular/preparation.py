"""From a table's columns to a network's arrays, and from its outputs back.

What is learnt from the training rows (centers, scales, categories, classes) is kept in objects that
become JSON with the model: `Preparation.to_dict` and `Preparation.from_dict`.
"""

import reprlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array
from .errors import TableError, listed
from .features import (
    MAX_CATEGORIES,
    CategoricalFeature,
    Feature,
    NumericFeature,
    feature_from_dict,
)
from .json_fields import flag, of_kind, refuse_repeated
from .moments import MomentFeature
from .reader import Table
from .scaling import BEND
from .surprises import Surprises
from .targets import ClassTarget, NumericTarget, Target

__all__ = [
    "BEND",
    "MAX_CATEGORIES",
    "VERSION",
    "CategoricalFeature",
    "ClassTarget",
    "Feature",
    "MomentFeature",
    "NumericFeature",
    "NumericTarget",
    "Preparation",
    "Surprises",
    "Target",
]

# Version 1 is that of densecore 0.1.0; in it and in version 2 the inputs stand feature by feature.
VERSION = 3


@dataclass
class Preparation:
    """All that a prediction needs to know of the table that the model was trained on.

    `bend`: whether scaled numbers are bent towards ±3; not for a model that is to be linear.
    `by_kind`: first come the columns of numbers, which a layer may embed, then all else but their
    bins and lines, then the bins, which a network may leave out, and at last the lines, which are
    for linear models; otherwise feature by feature.
    """

    features: list[Feature]
    target: Target
    bend: bool = True
    by_kind: bool = True

    @property
    def numbers(self) -> int:
        """How many of the first inputs are columns of numbers."""
        if not self.by_kind:
            return 0
        return sum(isinstance(feature, NumericFeature) for feature in self.features)

    @property
    def bins(self) -> int:
        """How many inputs are bins: the last ones before the lines."""
        if not self.by_kind:
            return 0
        return sum(feature.bins for feature in self.features if isinstance(feature, NumericFeature))

    @property
    def lines(self) -> int:
        """How many of the last inputs are lines."""
        if not self.by_kind:
            return 0
        return sum(feature.line for feature in self.features if isinstance(feature, NumericFeature))

    def places(self) -> list[NDArray[np.intp]]:
        """For each feature: the columns of its inputs."""
        number, at, line_at = 0, self.numbers, self.inputs - self.lines
        bin_at = line_at - self.bins
        found = []
        for feature in self.features:
            if not self.by_kind or not isinstance(feature, NumericFeature):
                found.append(np.arange(at, at + feature.width))
                at += feature.width
                continue
            bins, more, lines = feature.bins, int(feature.indicator), int(feature.line)
            found.append(
                np.concatenate([
                    [number], np.arange(bin_at, bin_at + bins), np.arange(at, at + more),
                    np.arange(line_at, line_at + lines),
                ]).astype(np.intp)
            )  # fmt: skip
            number, bin_at, at, line_at = number + 1, bin_at + bins, at + more, line_at + lines
        return found

    @property
    def inputs(self) -> int:
        """The number of inputs of the network."""
        return sum(feature.width for feature in self.features)

    @property
    def network_inputs(self) -> int:
        """All but the lines, which are for linear models."""
        return self.inputs - self.lines

    def cut_numbers(self, table: Table, rows: NDArray[np.intp], bins: int) -> None:
        """Give the columns of numbers inputs for their bins, cut at the quantiles of some rows."""
        for feature in self.features:
            if isinstance(feature, NumericFeature):
                feature.cut(table.column(feature.name), rows, bins)

    def unbent(self) -> "Preparation":
        """The same for a linear model: numbers scaled only, without bins."""
        features = [
            replace(feature, edges=[]) if isinstance(feature, NumericFeature) else feature
            for feature in self.features
        ]
        return Preparation(features, self.target, False, self.by_kind)

    def transform(self, table: Table, dtype: str, seen: Surprises | None = None) -> Array:
        """The network's inputs (rows, inputs); columns are found by name, in any order.

        What the training data had not (unseen categories, missing values, missing columns) gets
        the inputs that the model has for it, and is counted in `seen`.

        Raises
        ------
        TableError
            A column is missing that was never missing a value in training.
        """
        seen = Surprises() if seen is None else seen
        absent = [f for f in self.features if f.name not in table]
        unknown = [f.name for f in absent if not f.knows_missing]
        if unknown or (absent and len(absent) == len(self.features)):
            names = unknown or [f.name for f in absent]
            raise TableError(
                f"{table.path}: no column {listed([repr(name) for name in names])}, which the "
                f"model needs; found: {listed(table.names)}"
            )
        x = np.empty((len(table), self.inputs), dtype)
        for feature, place in zip(self.features, self.places(), strict=True):
            apart = place[-1] - place[0] + 1 != len(place)
            if apart:
                out = np.empty((len(table), feature.width), dtype)
            else:
                out = x[:, place[0] : place[-1] + 1]
            if feature.name in table:
                feature.transform(table.column(feature.name), out, self.bend, seen)
            else:
                seen.add(feature.name, "rows without the column, taken as missing", len(table), [])
                feature.transform_missing(out)
            if apart:
                x[:, place] = out
        return x

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "version": VERSION,
            "features": [feature.to_dict() for feature in self.features],
            "target": self.target.to_dict(),
            "bend": self.bend,
        }

    @classmethod
    def from_dict(
        cls, data: Any, inputs: int, outputs: int, *, lines: bool = True
    ) -> "Preparation":
        """Read and check what `to_dict` wrote, against the network's inputs and outputs; `lines`:
        whether the lines are among these inputs.

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
            features = [feature_from_dict(entry, version) for entry in data["features"]]
            target = of_kind("target", data["target"], (ClassTarget, NumericTarget))
            bend = flag(data["bend"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"damaged entry ({reprlib.repr(error)})") from None
        refuse_repeated([feature.name for feature in features])
        found = cls(features, target, bend, version >= 3)
        count = found.inputs if lines else found.network_inputs
        if (count, target.outputs) != (inputs, outputs):
            raise ValueError(
                f"found {count} inputs and {target.outputs} outputs, wanted {inputs} and "
                f"{outputs} as the network"
            )
        return found

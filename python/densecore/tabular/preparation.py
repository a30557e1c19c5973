"""From a table's columns to a network's arrays, and from its outputs back.

What is learnt from the training part (means, deviations, categories, classes) is kept in objects
that become JSON with the model: `Preparation.to_dict` and `Preparation.from_dict`.
"""

import reprlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Array, is_numeric, numbers, refuse_overflow
from .features import MAX_CATEGORIES, CategoricalFeature, Feature, NumericFeature, fit_feature
from .json_fields import of_kind, refuse_repeated
from .reader import Table, TableError, listed
from .targets import ClassTarget, NumericTarget, Target

__all__ = [
    "BEND",
    "MAX_CATEGORIES",
    "VERSION",
    "Array",
    "CategoricalFeature",
    "ClassTarget",
    "Feature",
    "NumericFeature",
    "NumericTarget",
    "Preparation",
    "Target",
    "fit_feature",
    "is_numeric",
    "numbers",
    "refuse_overflow",
]

VERSION = 1

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
            kinds = (CategoricalFeature, NumericFeature)
            features = [of_kind("feature", entry, kinds) for entry in data["features"]]
            refuse_repeated([feature.name for feature in features])
            if type(data["bend"]) is not bool:
                raise ValueError(f"found bend {reprlib.repr(data['bend'])}, wanted true or false")
            target = of_kind("target", data["target"], (ClassTarget, NumericTarget))
            preparation = cls(features, target, data["bend"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"damaged entry ({error})") from None
        if preparation.inputs != inputs or preparation.target.outputs != outputs:
            raise ValueError(
                f"found {preparation.inputs} inputs and {preparation.target.outputs} outputs, "
                f"wanted {inputs} and {outputs} as the network"
            )
        return preparation

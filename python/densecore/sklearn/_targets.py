"""The base class of targets: encoded for the core, and decoded from the outputs.

A `Target` is made from the first data and holds all that a classifier and a regressor differ in;
the rest of the package asks it, and never which of the two it works for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .._base.dtypes import Array
from ._objective import Objective

# Made for the outputs (1, units) of a bound row: reads the answer out of them.
Reader = Callable[[], Any]


class Target(ABC):
    """The targets of one estimator."""

    objective: Objective

    @abstractmethod
    def encode(self, y: Array, name: str = "y") -> Array:
        """y, as ``score`` takes it, as the core's targets; errors call it by `name`."""

    @abstractmethod
    def score(self, y: Array, outputs: Array, weights: Array | None) -> float:
        """As ``score`` of the estimator, for the network's outputs; NaN if these are not finite."""

    @abstractmethod
    def gradients(self, jacobian: Array) -> Array:
        """∂prediction/∂X from the outputs' ∂output/∂X (rows, units, features)."""

    def row_weights(self, y: Array, weights: Array | None) -> Array | None:
        """The weight of each row, given `sample_weight`."""
        return weights

    def strata(self, y: Array) -> Array | None:
        """The classes whose shares held out rows are to keep."""
        return None

    def fitted_attributes(self) -> dict[str, Array]:
        """The estimator's public attributes that follow from this, by name."""
        return {}

    def read_outputs(self, out: Array) -> Reader:
        """The outputs themselves."""
        return lambda: out

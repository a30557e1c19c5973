"""The weights of layers and models as views, in Keras's order."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .arrays import assign, place


class HasWeights:
    """Base class of layers and models, which say what their weights are."""

    @property
    def weights(self) -> list[Array]:
        """All weights, as views, in Keras's order."""
        raise NotImplementedError

    @property
    def trainable_weights(self) -> list[Array]:
        """The weights that training changes by their gradient, as views."""
        raise NotImplementedError

    def _reserved(self, reading: bool = False) -> AbstractContextManager[Any]:
        """Until the block ends, other threads' calls are refused; see the core's `reserved`."""
        raise NotImplementedError

    @property
    def non_trainable_weights(self) -> list[Array]:
        """The weights that no gradient changes, as views."""
        trained = {place(array) for array in self.trainable_weights}
        return [array for array in self.weights if place(array) not in trained]

    @property
    def variables(self) -> list[Array]:
        """As `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Array]:
        """As `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Array]:
        """As `non_trainable_weights`."""
        return self.non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of all weights in Keras's order and shapes: kernel (in, out), bias (out,), …"""
        with self._reserved(reading=True):
            return [np.array(array) for array in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights, in the order of `get_weights`; nothing changes when one does not fit.

        Raises
        ------
        ValueError, TypeError
            Another number of arrays, another shape, or something that is not real numbers.
        """
        with self._reserved():
            assign(self.weights, weights)

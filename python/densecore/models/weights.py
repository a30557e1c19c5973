"""The parameters of a stack of layers: one flat buffer, seen flat, by layers, and in files."""

import os
from typing import Any

from .._base.dtypes import Array
from .._base.files import check_overwrite
from .._base.subnormals import flush_subnormals
from .._saving import weights_file
from ..layers import assign
from .layer_stack import Stack


class Weights(Stack):
    """A stack of layers whose parameters can be read, set, saved and loaded."""

    @property
    def parameters(self) -> Array:
        """All parameters as one flat view (count,): per layer kernel (in, out), then bias.

        Training, and setting or loading weights, leave no subnormal numbers in it: those below
        the smallest normal one of the dtype become 0, because processors are slow with them.
        """
        return self._network.parameters

    @parameters.setter
    def parameters(self, values: Any) -> None:  # also `model.parameters -= ...`
        self._network.parameters[...] = values
        flush_subnormals(self._network.parameters)

    @property
    def gradients(self) -> Array:
        """∂C/∂parameters of the last `backward` or `train_on_batch`, flat, in the same order.

        A view. After `fit` they are not defined: with plain SGD it keeps none. Those of layers
        that are not trainable are 0.
        """
        return self._network.gradients

    @gradients.setter
    def gradients(self, values: Any) -> None:
        self._network.gradients[...] = values

    def count_params(self) -> int:
        """Number of weights, with those that no gradient changes."""
        self._network  # noqa: B018 - builds
        return sum(layer.count_params() for layer in self._layers)

    @property
    def weights(self) -> list[Array]:
        """All weights as views, in Keras's order."""
        self._network  # noqa: B018 - builds
        return [array for layer in self._layers for array in layer.weights]

    @property
    def trainable_weights(self) -> list[Array]:
        """The weights that training changes by their gradient, as views."""
        self._network  # noqa: B018 - builds
        return [array for layer in self._layers for array in layer.trainable_weights]

    def get_weights(self) -> list[Array]:
        """Copies of all weights in Keras's order and shapes: kernel (in, out), bias (out,), …"""
        return [array.copy() for array in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights, in the order of `get_weights`; nothing changes when one does not fit.

        Raises
        ------
        ValueError, TypeError
            Another number of arrays, another shape, or something that is not real numbers.
        """
        assign(self.weights, list(weights))

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights to a safetensors file, whatever ending its name has.

        Parameters
        ----------
        filepath : path
        overwrite : bool
            False: an existing file is an error.

        Raises
        ------
        FileExistsError
            There is a file, and `overwrite` is False.
        OSError
            The file cannot be written; an older one is as it was.
        """
        check_overwrite(filepath, overwrite)
        self._network  # noqa: B018 - builds
        weights_file.write(filepath, self._parameter_tensors())

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Take the weights from a file of `save_weights`, or from a model file.

        Nothing changes when one does not fit.

        Raises
        ------
        OSError
            The file cannot be read.
        ValueError
            It is not such a file (Keras's HDF5 files are not), or of other layers.
        """
        self._network  # noqa: B018 - builds
        weights_file.read(filepath, self._parameter_tensors())

    def _tensor_shapes(self) -> tuple[dict[str, tuple[int, ...]], int]:
        """What `_parameter_tensors` will be, and the number of parameters, before they exist."""
        width, total, shapes = self._inputs, 0, {}
        for index, layer in enumerate(self._layers):
            total += layer._sizes(width)[1]
            width, parameters, states = layer._shapes(width)
            for name, shape in {**parameters, **states}.items():
                shapes[f"layers.{index}.{name}"] = shape
        return shapes, total

    def _parameter_tensors(self) -> dict[str, Array]:
        """Every weight array by its name in a model file, as views."""
        return {
            f"layers.{index}.{name}": array
            for index, layer in enumerate(self._layers)
            for name, array in layer._named_weights().items()
        }

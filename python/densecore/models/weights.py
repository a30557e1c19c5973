"""A model's parameters and weights: flat, layer by layer, and by their names in files."""

from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.keras_arrays import once
from .._base.subnormals import flush_subnormals
from .._data.arrays import as_dtype
from .._data.interop import refuse_masked
from ..layers.arrays import total
from ..layers.has_weights import HasWeights
from .layered_network import LayeredNetwork


class Weights(LayeredNetwork, HasWeights):
    """The parameters of a network of layers, as views that can be read and set."""

    @property
    def parameters(self) -> Array:
        """All parameters as one flat view (count,): per layer kernel (in, out), then bias.

        Training, and setting or loading weights, leave no subnormal numbers in it: those below
        the smallest normal one of the dtype become 0, because processors are slow with them.
        Of a model whose layers belong to another one as well, a view that cannot be written to:
        its weights are copies.
        """
        found = self._network.parameters
        if self._loans:
            found = found.view()
            found.flags.writeable = False
        return found

    @parameters.setter
    def parameters(self, values: Any) -> None:  # also `model.parameters -= ...`
        refuse_masked("parameters", values)
        found = np.asarray(values)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"parameters: found {checks.shown(values)}, wanted real numbers")
        own = self._network.parameters
        if found.ndim > 0 and found.shape != own.shape:
            raise ValueError(f"parameters: found shape {found.shape}, wanted {own.shape}")
        found = as_dtype("parameters", found, own.dtype)
        with self._reserved():
            own[...] = found
            flush_subnormals(own)
            self._constrain()

    @property
    def gradients(self) -> Array:
        """∂C/∂parameters of the last `backward` or `train_on_batch`, flat, in the same order.

        A view. After `fit` they are not defined: with plain SGD it keeps none. Those of layers
        that are not trainable are 0.
        """
        return self._network.gradients

    @gradients.setter
    def gradients(self, values: Any) -> None:
        with self._reserved():
            self._network.gradients[...] = values

    def count_params(self) -> int:
        """Number of weights, with those that no gradient changes."""
        self._network  # noqa: B018 - builds
        return sum(int(array.size) for array in self.weights)

    @property
    def weights(self) -> list[Array]:
        """All weights as views, in Keras's order."""
        self._network  # noqa: B018 - builds
        return once(array for layer in self._layers for array in layer.weights)

    @property
    def trainable_weights(self) -> list[Array]:
        """The weights that training changes by their gradient, as views."""
        self._network  # noqa: B018 - builds
        return once(array for layer in self._layers for array in layer.trainable_weights)

    @property
    def losses(self) -> list[float]:
        """The penalties of weights that are added to the loss, a number for each regularizer, and
        0.0 for each `add_loss` of a layer, which has no value outside a batch; none within a custom
        `compute_loss`, to which they are added anyway."""
        if "_in_loss" in vars(self):
            return []
        found: list[float] = []
        for layer in self._all_layers():
            for name, array in layer._named_weights().items():
                penalty = getattr(layer, f"{name}_regularizer", None)
                if penalty is not None:
                    found.append(float(penalty(array)))
            found += [0.0] * layer._additions
        return found

    def add_loss(self, *loss: Any) -> None:
        """Not there: a loss is a function of the targets and the outputs.

        Raises
        ------
        TypeError
            Always; the message says how a penalty is written here.
        """
        raise TypeError(
            "add_loss: found a call, wanted penalties where they belong: of weights "
            "kernel_regularizer, of a layer's outputs activity_regularizer, of the model's outputs "
            "a custom loss; a quantity of other layers can be a further output of the model, "
            "with a loss and a loss_weights of its own"
        )

    def _parameter_tensors(self) -> dict[str, Array]:
        """Every weight array by its name in a model file, as views."""
        return {
            f"layers.{index}.{name}": array
            for index, layer in enumerate(self._layers)
            for name, array in layer._named_weights().items()
        }

    def _tensor_shapes(self) -> tuple[dict[str, tuple[int, ...]], int]:
        """Shapes of `_parameter_tensors`, and the number of parameters, before they exist."""
        count, shapes = 0, {}
        for index, (layer, row) in enumerate(self._rows_of_layers(self._input_row)):
            parameters, states = layer._weight_shapes(row)
            count += total(parameters) + layer._hidden_parameters()
            for name, shape in {**parameters, **states}.items():
                shapes[f"layers.{index}.{name}"] = shape
        return shapes, count

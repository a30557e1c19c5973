"""Derivatives of a model's outputs, and what its layers put out."""

from typing import Any

import numpy as np

from .._base.dtypes import Array
from .._data.row_sources import take
from ..losses.function import CallableLoss
from .directional import DirectionalDerivatives


class Derivatives(DirectionalDerivatives):
    """Calls that look into a model. They take any array-like x, and forget open forward passes."""

    def loss_and_gradients(self, x: Array, y: Array, sample_weight: Array | None = None) -> float:
        """The loss of a batch, with its penalties; fills ``model.gradients`` and updates nothing.

        Parameters
        ----------
        x, y, sample_weight
            As of `train_on_batch`.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            An array that cannot be used without a copy; the message says what is wanted.
        RuntimeError
            The model is not compiled.
        """
        self._compiled_loss()
        self._build_for(x)
        return self._network.loss_and_gradients(x, y, sample_weight)

    def activations(self, x: Any) -> list[Array]:
        """What each layer puts out for x, in prediction: one array (rows, units) per layer."""
        rows = self._rows_of(x)
        self._network.forward(rows, None, False)
        outputs = self._network.layer_outputs()
        found = []
        last: Array = rows
        for layer in self._layers:
            if layer._last_core is not None:
                last = outputs[layer._last_core]
            found.append(last.copy())
        return found

    def input_gradient(self, x: Any, grad_output: Any = None) -> Array:
        """∂C/∂x (rows, features) of any C, from ∂C/∂output (rows, units), in prediction.

        Without `grad_output`, that of the sum of a row's outputs.

        Raises
        ------
        ValueError
            `grad_output` has another shape.
        """
        rows = self._rows_of(x)
        out = self._network.forward(rows, None, False)
        if grad_output is None:
            g = np.ones_like(out)
        else:
            g = np.require(np.asarray(grad_output), self._dtype, ["C", "A"])
            if g.shape != out.shape:
                raise ValueError(f"grad_output: found shape {g.shape}, wanted {out.shape}")
        gradient = self._network.backward(g, True)
        assert gradient is not None
        return gradient

    def jacobian(self, x: Any) -> Array:
        """∂output/∂x of each row, (rows, units, features): a way back for each output."""
        rows = self._rows_of(x)
        out = self._network.forward(rows, None, False)
        result = np.empty((len(rows), out.shape[1], rows.shape[1]), self._dtype)
        g = np.zeros_like(out)
        for unit in range(out.shape[1]):
            g[:, unit] = 1
            gradient = self._network.backward(g, True)
            assert gradient is not None
            result[:, unit] = gradient
            g[:, unit] = 0
        return result

    def parameter_jacobian(self, x: Any) -> Array:
        """∂output/∂parameters of each row, (rows, units, parameters): a way back for each output.

        Parameters are in the order of ``model.parameters``.
        """
        rows = self._rows_of(x)
        units, parameters = self.output_shape[1], len(self.parameters)
        result = np.zeros((len(rows) * units, parameters), self._dtype)
        self._network.parameter_jacobian(rows, result)
        return result.reshape(len(rows), units, parameters)

    def sample_gradients(self, x: Any, y: Any) -> Array:
        """The gradient of each row's own loss, (rows, parameters), in prediction.

        Their mean is the gradient of the loss's mean, without penalties. For clipping row by row
        (Abadi et al., *Deep learning with differential privacy*, 2016), the Fisher matrix, or the
        rows that a model learns most from.

        Parameters
        ----------
        x, y
            As of `fit`.

        Raises
        ------
        TypeError
            The loss is a Python function.
        RuntimeError
            The model is not compiled.
        """
        self._compiled_loss()
        if isinstance(self.loss, CallableLoss):
            raise TypeError("sample_gradients: found a loss that is a Python function, wanted one "
                            "of the core's")  # fmt: skip
        self._build_for(x)
        data = self._data(x, y, None)
        result = np.zeros((len(data.x), len(self.parameters)), self._dtype)
        self._network.sample_gradients(take(data.x, slice(None)), data.y, result)
        return result

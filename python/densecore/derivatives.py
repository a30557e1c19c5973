"""Derivatives of a model's outputs, and what its layers put out."""

from typing import Any

import numpy as np

from ._rows import as_rows, take
from .open_steps import OpenSteps
from .stack import Array


class Derivatives(OpenSteps):
    """Calls that look into a model. They take any array-like x, and forget open forward passes."""

    def _rows_of(self, x: Any) -> Array:
        self._build_for(x)
        rows = as_rows("x", x, self._dtype, self._inputs, self._flattens)
        return take(rows, slice(None))

    def loss_and_gradients(self, x: Array, y: Array, sample_weight: Array | None = None) -> float:
        """The loss of a batch, with its penalties; fills ``model.gradients`` and updates nothing.

        Parameters
        ----------
        x, y, sample_weight
            As of `train_on_batch`.

        Returns
        -------
        float
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
        """∂output/∂parameters of each row, (rows, units, parameters): a way back for each number.

        Parameters are in the order of ``model.parameters``.
        """
        rows = self._rows_of(x)
        units = self.output_shape[1]
        result = np.empty((len(rows), units, len(self.parameters)), self._dtype)
        g = np.zeros((1, units), self._dtype)
        for row in range(len(rows)):
            one = rows[row : row + 1]
            self._network.forward(one, None, False)
            for unit in range(units):
                g[0, unit] = 1
                self._network.backward(g, False)
                result[row, unit] = self.gradients
                g[0, unit] = 0
        return result

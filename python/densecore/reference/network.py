"""A network of dense layers: the forward pass, backpropagation, and training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._checks import ALIASES, NETWORK_REDUCTIONS, Array, check_reduction, checked_array, lookup
from .activations import ACTIVATIONS
from .losses import LOSSES
from .optimizers import OPTIMIZERS

Gradients = list[tuple[Array, "Array | None"]]


class Network:
    """A network of dense layers: Eq. 1 to Eq. 30.

    Parameters
    ----------
    layers : sequence of (W, b, activation)
        `W` of shape (n, m), `b` of shape (n,) or None, and a name of `ACTIVATIONS`; all arrays
        float32 or all float64. They are copied.

    Attributes
    ----------
    layers : list of (W, b, activation)
        Layer l of the note is ``layers[l - 1]``.
    parameters : list of arrays
        ``[W^1, b^1, W^2, ...]``, without the missing biases: the arrays in use, not copies.
    dtype : numpy.dtype
    z, a : list of arrays, shape (batch, n)
        What `forward` kept: ``z[l]`` and ``a[l]`` are the note's z^l and a^l. ``a[0]`` is the
        input, and so is ``z[0]``, to keep the indices those of the note.
    states : list of lists of arrays
        The optimizer's arrays of each parameter.
    step : int
        Number of optimizer steps taken.

    Raises
    ------
    TypeError, ValueError
        If there is no layer, the shapes do not follow each other, the dtypes differ, or an
        activation is unknown.
    """

    def __init__(self, layers: Sequence[tuple[Array, Array | None, str]]) -> None:
        if not layers:
            raise ValueError("layers: found none, wanted at least one (W, b, activation)")
        self.layers: list[tuple[Array, Array | None, str]] = []
        self.parameters: list[Array] = []
        inputs: int | str = "m"
        first = None
        for index, (W, b, name) in enumerate(layers, 1):
            lookup(f"activation of layer {index}", ACTIVATIONS, name)
            W = checked_array(f"W of layer {index}", W, ("n", inputs), first).copy()
            if b is not None:
                b = checked_array(f"b of layer {index}", b, (W.shape[0],), W).copy()
            self.layers.append((W, b, ALIASES.get(name, name)))
            self.parameters += [W] if b is None else [W, b]
            inputs, first = W.shape[0], W
        self.dtype = self.parameters[0].dtype
        self.z: list[Array] = []
        self.a: list[Array] = []
        self.states: list[list[Array]] = []
        self.step = 0
        self._optimizer = ""

    def forward(self, x: npt.ArrayLike) -> Array:
        """Compute the output and keep z^l and a^l of every layer: Eq. 3, Eq. 4 to Eq. 6.

        Parameters
        ----------
        x : array_like, shape (batch, m)
            Converted to the network's dtype.

        Returns
        -------
        array, shape (batch, n)
            a^L, of the network's dtype.

        Raises
        ------
        ValueError
            If the shape differs.
        """
        x = np.asarray(x, dtype=self.dtype)
        checked_array("x", x, ("batch", self.layers[0][0].shape[1]))
        self.z, self.a = [x], [x]
        for W, b, name in self.layers:
            z = self.a[-1] @ W.T  # Eq. 1, for all rows at once
            if b is not None:
                z = z + b
            self.z.append(z)
            self.a.append(ACTIVATIONS[name].forward(z))  # Eq. 2
        return self.a[-1]

    def loss(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: str = "mean_squared_error",
        reduction: str = "sum_over_batch_size",
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Run `forward` and compute C: Eq. 7, Eq. 8.

        Parameters
        ----------
        x : array_like, shape (batch, m)
        y : array_like, shape (batch, n), or integers of shape (batch,) for the sparse loss
        loss : str, default "mean_squared_error"
            A name of `LOSSES` or an alias.
        reduction : str, default "sum_over_batch_size"
            A name of `NETWORK_REDUCTIONS`. With l_r the loss and w_r the weight of row r,
            "sum_over_batch_size" is sum_r w_r l_r / batch, "sum" is sum_r w_r l_r, and
            "mean_with_sample_weight" is sum_r w_r l_r / sum_r w_r, and 0 when all weights are 0.
            "sum_over_outputs", for mean_squared_error only, is sum_r w_r sum_i (a_ri - y_ri)^2,
            whose gradient is the note's 2 (a - y).
        sample_weight : array_like, shape (batch,), optional
            Finite and >= 0; ones by default.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If an argument differs from the above.
        """
        self.forward(x)
        factors = self._factors(loss, reduction, sample_weight)
        function = lookup("loss", LOSSES, loss)
        if function.fused_value is not None and function.link == self.layers[-1][2]:
            rows = function.fused_value(self.z[-1], y)
        else:
            rows = function.value(self.a[-1], y)
        return float(np.sum(factors * rows))

    def backward(
        self,
        y: npt.ArrayLike,
        loss: str = "mean_squared_error",
        reduction: str = "sum_over_batch_size",
        sample_weight: npt.ArrayLike | None = None,
    ) -> Gradients:
        """Compute the gradient of C by all parameters, after `forward` or `loss`: Eq. 9.

        Parameters
        ----------
        y, loss, reduction, sample_weight
            As for `loss`.

        Returns
        -------
        list of (dW, db)
            dC/dW^l (n, m) and dC/db^l (n,), or None without a bias, from the first layer to
            the last, of the network's dtype.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        TypeError, ValueError
            If an argument differs from the above.
        """
        self._require_forward()
        factors = self._factors(loss, reduction, sample_weight).astype(self.dtype)[:, None]
        function = lookup("loss", LOSSES, loss)
        z, a, name = self.z[-1], self.a[-1], self.layers[-1][2]
        if function.fused_gradient is not None and function.link == name:
            delta = factors * function.fused_gradient(z, y)
        else:
            g = factors * function.gradient(a, y)  # dC/da, the first factor of Eq. 16
            delta = ACTIVATIONS[name].backward(z, a, g)  # Eq. 18
        return self._backpropagate(delta)[0]

    def backward_from(self, g: npt.ArrayLike) -> tuple[Gradients, Array]:
        """Compute gradients from that of the output, after `forward`.

        Parameters
        ----------
        g : array_like, shape (batch, n)
            dC/da^L of any scalar C.

        Returns
        -------
        gradients : list of (dW, db)
            As from `backward`.
        dx : array, shape (batch, m)
            dC/dx.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        ValueError
            If the shape differs.
        """
        self._require_forward()
        z, a, name = self.z[-1], self.a[-1], self.layers[-1][2]
        g = checked_array("g", np.asarray(g, dtype=self.dtype), a.shape)
        return self._backpropagate(ACTIVATIONS[name].backward(z, a, g))

    def train_on_batch(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        optimizer: str = "sgd",
        loss: str = "mean_squared_error",
        reduction: str = "sum_over_batch_size",
        sample_weight: npt.ArrayLike | None = None,
        **hyperparameters: float,
    ) -> float:
        """Take one training step: forward, backward, update (Eq. 29, Eq. 30).

        Parameters
        ----------
        x, y, loss, reduction, sample_weight
            As for `loss`.
        optimizer : str, default "sgd"
            A name of `OPTIMIZERS`. Its states and the step counter stay in the network; another
            name than at the step before starts them afresh.
        **hyperparameters : float
            For the optimizer, such as ``learning_rate``.

        Returns
        -------
        float
            C before the update.

        Raises
        ------
        TypeError, ValueError
            If an argument differs from the above; the parameters are then unchanged.
        """
        rule = lookup("optimizer", OPTIMIZERS, optimizer)
        C = self.loss(x, y, loss, reduction, sample_weight)
        gradients = self.backward(y, loss, reduction, sample_weight)
        flat = [g for pair in gradients for g in pair if g is not None]
        step, states = self.step, self.states
        if optimizer != self._optimizer:
            step = 0
            starts = rule.starts(**hyperparameters)
            states = [[np.full_like(p, start) for start in starts] for p in self.parameters]
        for p, g, kept in zip(self.parameters, flat, states, strict=True):
            rule.update(p, g, kept, step + 1, **hyperparameters)
        self.step, self.states, self._optimizer = step + 1, states, optimizer
        return C

    def _require_forward(self) -> None:
        if not self.a:
            raise RuntimeError("backward: found no forward pass, wanted forward(x) before it")

    def _factors(self, loss: str, reduction: str, sample_weight: npt.ArrayLike | None) -> Array:
        """Return the s_r of ``C = sum_r s_r l_r``, float64 (batch,)."""
        batch, n = self.a[-1].shape
        w = np.ones(batch) if sample_weight is None else np.asarray(sample_weight, np.float64)
        checked_array("sample_weight", w, (batch,))
        if not np.all(np.isfinite(w) & (w >= 0)):
            raise ValueError("sample_weight: found a negative or non-finite one, wanted all >= 0")
        if check_reduction(reduction, NETWORK_REDUCTIONS) == "sum_over_outputs":
            if ALIASES.get(loss, loss) != "mean_squared_error":
                raise ValueError(
                    f"reduction: found 'sum_over_outputs' with {loss!r}, which is for "
                    "mean_squared_error only"
                )
            return np.asarray(n * w)  # undoes the 1/n of Eq. 8
        if reduction == "sum":
            return w
        total = float(batch if reduction == "sum_over_batch_size" else w.sum())
        return w / total if total > 0 else w  # no weight at all: nothing to learn from

    def _backpropagate(self, delta: Array) -> tuple[Gradients, Array]:
        """Go from delta^L = dC/dz^L back to the input; also return dC/dx."""
        gradients: Gradients = []
        for index in range(len(self.layers), 0, -1):
            W, b, _ = self.layers[index - 1]
            # Eq. 16, 20, 25: dC/dW^l = delta^l (a^{l-1})^T, here summed over the rows.
            dW = delta.T @ self.a[index - 1]
            # Eq. 18, 24, 28: dC/db^l = delta^l.
            gradients.append((dW, None if b is None else delta.sum(axis=0)))
            # Eq. 21, 26: dC/da^{l-1} = (W^l)^T delta^l.
            g = np.asarray(delta @ W)
            if index > 1:
                below = ACTIVATIONS[self.layers[index - 2][2]]
                delta = below.backward(self.z[index - 1], self.a[index - 1], g)
        return gradients[::-1], g

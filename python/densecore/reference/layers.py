"""Layers besides the dense one, and a stack of any of them, with their backward passes.

Each layer keeps of its forward pass what its derivative needs. ``forward(x, training)`` maps rows
(batch, m) to rows (batch, n); ``backward(g)`` takes g = dC/d(output) to dC/d(input), and leaves
dC/d(parameter) of each array of ``parameters`` in ``gradients``, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ._checks import Array, lookup
from .activations import ACTIVATIONS


class Layer:
    """Base class: a function of rows without parameters.

    Attributes
    ----------
    parameters, gradients : list of arrays
        What training changes, and dC/d of each after `backward`.
    """

    def __init__(self) -> None:
        self.parameters: list[Array] = []
        self.gradients: list[Array] = []

    def forward(self, x: Array, training: bool = False) -> Array:
        """Rows (batch, m) to rows (batch, n)."""
        raise NotImplementedError

    def backward(self, g: Array) -> Array:
        """dC/d(output) to dC/d(input)."""
        raise NotImplementedError


class Dense(Layer):
    """a = f(W x + b): Eq. 1, Eq. 2; back by Eq. 16, 18 and 21.

    Parameters
    ----------
    W : array, shape (n, m)
    b : array, shape (n,), or None
    activation : str, default "linear"
        A name of `ACTIVATIONS`.
    *numbers : float
        The activation's parameters.
    """

    def __init__(
        self, W: Array, b: Array | None, activation: str = "linear", *numbers: float
    ) -> None:
        super().__init__()
        self.W, self.b, self.numbers = W, b, numbers
        self.parameters = [W] if b is None else [W, b]
        self.function = lookup("activation", ACTIVATIONS, activation)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        self.z = x @ self.W.T if self.b is None else x @ self.W.T + self.b
        self.a = self.function.forward(self.z, *self.numbers)
        return self.a

    def backward(self, g: Array) -> Array:
        delta = self.function.backward(self.z, self.a, g, *self.numbers)
        self.gradients = [delta.T @ self.x]
        if self.b is not None:
            self.gradients.append(delta.sum(axis=0))
        return np.asarray(delta @ self.W)


class ActivityRegularization(Layer):
    """a = x; the loss grows by l1 Σ |a| + l2 Σ a² + linear Σ a, over the batch's rows or,
    with `whole`, not over them.

    Attributes
    ----------
    penalty : float
        What the last forward pass adds to the loss; `backward` adds its gradient.
    """

    def __init__(
        self, l1: float = 0.0, l2: float = 0.0, linear: float = 0.0, whole: bool = False
    ) -> None:
        super().__init__()
        self.l1, self.l2, self.linear, self.whole = l1, l2, linear, whole

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.rows = x, 1 if self.whole else len(x)
        terms = self.l1 * np.abs(x) + self.l2 * x * x + self.linear * x
        self.penalty = float(np.sum(terms, dtype=np.float64)) / self.rows
        return np.array(x)

    def backward(self, g: Array) -> Array:
        slope = self.l1 * np.sign(self.x) + 2 * self.l2 * self.x + self.linear
        return np.asarray(g + (slope / self.rows).astype(g.dtype))


class Function(Layer):
    """a = f(x) with a Python function f of single elements and its derivative, df(x, a)."""

    def __init__(self, f: Callable[[Array], Array], df: Callable[[Array, Array], Array]) -> None:
        super().__init__()
        self.f, self.df = f, df

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.a = x, np.asarray(self.f(x))
        return self.a

    def backward(self, g: Array) -> Array:
        return np.asarray(g * self.df(self.x, self.a))


class Activation(Layer):
    """a = f(x), with f a name of `ACTIVATIONS` and the numbers its parameters."""

    def __init__(self, name: str, *numbers: float) -> None:
        super().__init__()
        self.function, self.numbers = lookup("activation", ACTIVATIONS, name), numbers

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.a = x, self.function.forward(x, *self.numbers)
        return self.a

    def backward(self, g: Array) -> Array:
        return self.function.backward(self.x, self.a, g, *self.numbers)


class Dropout(Layer):
    """x · m, in training only: m is 0 with probability `rate`, else 1 / (1 - rate).

    The reference does not draw: ``factors`` (batch, n) is to be set before each step.
    """

    def __init__(self, factors: Array) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, x: Array, training: bool = False) -> Array:
        self.m = self.factors[: len(x)] if training else np.ones_like(x)
        return x * self.m

    def backward(self, g: Array) -> Array:
        return g * self.m


class SpatialDropout(Dropout):
    """Dropout of rows that are several vectors, with one mask for all vectors of a row.

    ``factors`` (batch, n / vectors) is to be set before each step.
    """

    def __init__(self, factors: Array, vectors: int) -> None:
        super().__init__(np.tile(factors, (1, vectors)))


class GaussianNoise(Layer):
    """x + r, in training only: r is normal with mean 0.

    The reference does not draw: ``noise`` (batch, n) is to be set before each step.
    """

    def __init__(self, noise: Array) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, x: Array, training: bool = False) -> Array:
        return x + self.noise[: len(x)] if training else x

    def backward(self, g: Array) -> Array:
        return g


class LayerNormalization(Layer):
    """gamma · h + beta, h = (x - mean) / sqrt(variance + epsilon) over each row.

    J. L. Ba, J. R. Kiros and G. E. Hinton, *Layer normalization*, 2016.
    """

    def __init__(self, gamma: Array, beta: Array, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.parameters, self.epsilon = [gamma, beta], epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        gamma, beta = self.parameters
        d = x - x.mean(axis=1, keepdims=True)
        variance = np.mean(d * d, axis=1, keepdims=True)
        self.s = (1.0 / np.sqrt(variance + self.epsilon)).astype(x.dtype)
        self.h = d * self.s
        return np.asarray(self.h * gamma + beta)

    def backward(self, g: Array) -> Array:
        self.gradients = [np.sum(g * self.h, axis=0), g.sum(axis=0)]
        gh = g * self.parameters[0]
        # The mean and the variance depend on every x of the row: what they take away.
        mean, along = (np.mean(v, axis=1, keepdims=True) for v in (gh, gh * self.h))
        return np.asarray(self.s * (gh - mean - self.h * along))


class RMSNormalization(Layer):
    """scale · h, h = x / sqrt(mean of x² + epsilon) over each row.

    B. Zhang and R. Sennrich, *Root mean square layer normalization*, 2019.
    """

    def __init__(self, scale: Array, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.parameters, self.epsilon = [scale], epsilon

    def forward(self, x: Array, training: bool = False) -> Array:
        square = np.mean(x * x, axis=1, keepdims=True)
        self.s = (1.0 / np.sqrt(square + self.epsilon)).astype(x.dtype)
        self.h = x * self.s
        return np.asarray(self.h * self.parameters[0])

    def backward(self, g: Array) -> Array:
        self.gradients = [np.sum(g * self.h, axis=0)]
        gh = g * self.parameters[0]
        along = np.mean(gh * self.h, axis=1, keepdims=True)
        return np.asarray(self.s * (gh - self.h * along))


class GroupNormalization(LayerNormalization):
    """Layer normalisation of each of `groups` equal parts of a row; gamma and beta as there.

    Y. Wu and K. He, *Group normalization*, 2018.
    """

    def __init__(self, groups: int, gamma: Array, beta: Array, epsilon: float = 1e-3) -> None:
        super().__init__(gamma, beta, epsilon)
        # A part of a row is a row of its own for h, with a gamma of 1 and a beta of 0.
        size = gamma.size // groups
        self.parts = LayerNormalization(np.ones(size), np.zeros(size), epsilon)

    def forward(self, x: Array, training: bool = False) -> Array:
        gamma, beta = self.parameters
        size = self.parts.parameters[0].size
        self.h = self.parts.forward(x.reshape(-1, size)).reshape(x.shape)
        return np.asarray(self.h * gamma + beta)

    def backward(self, g: Array) -> Array:
        self.gradients = [np.sum(g * self.h, axis=0), g.sum(axis=0)]
        gh = g * self.parameters[0]
        return self.parts.backward(gh.reshape(self.parts.h.shape)).reshape(g.shape)


class UnitNormalization(Layer):
    """h = x / |x| for each row, and 0 for a row of zeros."""

    def forward(self, x: Array, training: bool = False) -> Array:
        # Added to the square: no other row is changed by it.
        square = np.sum(x * x, axis=1, keepdims=True)
        self.s = (1.0 / np.sqrt(square + 1e-70)).astype(x.dtype)
        self.h = x * self.s
        return np.asarray(self.h)

    def backward(self, g: Array) -> Array:
        along = np.sum(g * self.h, axis=1, keepdims=True)
        return np.asarray(self.s * (g - self.h * along))


class BatchNormalization(Layer):
    """The same over each column; outside training with moving averages instead.

    S. Ioffe and C. Szegedy, *Batch normalization*, 2015. The averages take
    ``moving = momentum · moving + (1 - momentum) · found`` at each forward pass in training.
    """

    def __init__(
        self,
        gamma: Array,
        beta: Array,
        moving_mean: Array,
        moving_variance: Array,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
    ) -> None:
        super().__init__()
        self.parameters, self.momentum, self.epsilon = [gamma, beta], momentum, epsilon
        self.moving_mean, self.moving_variance = moving_mean, moving_variance

    def forward(self, x: Array, training: bool = False) -> Array:
        self.training = training
        mean, variance = self.moving_mean, self.moving_variance
        if training:
            mean, variance = x.mean(axis=0), x.var(axis=0)
            keep = self.momentum
            self.moving_mean = keep * self.moving_mean + (1.0 - keep) * mean
            self.moving_variance = keep * self.moving_variance + (1.0 - keep) * variance
        self.s = (1.0 / np.sqrt(variance + self.epsilon)).astype(x.dtype)
        self.h = (x - mean) * self.s
        return np.asarray(self.h * self.parameters[0] + self.parameters[1])

    def backward(self, g: Array) -> Array:
        self.gradients = [np.sum(g * self.h, axis=0), g.sum(axis=0)]
        factor = self.parameters[0] * self.s
        if not self.training:
            return np.asarray(factor * g)
        return np.asarray(factor * (g - g.mean(axis=0) - self.h * np.mean(g * self.h, axis=0)))


class Normalization(Layer):
    """(x - mean) / sqrt(variance) with given numbers; with `invert` the inverse."""

    def __init__(self, mean: Array, variance: Array, invert: bool = False) -> None:
        super().__init__()
        self.mean, self.invert = mean, invert
        self.deviation = np.maximum(np.sqrt(variance), 1e-7)

    def forward(self, x: Array, training: bool = False) -> Array:
        if self.invert:
            return np.asarray(x * self.deviation + self.mean)
        return np.asarray((x - self.mean) / self.deviation)

    def backward(self, g: Array) -> Array:
        return np.asarray(g * self.deviation if self.invert else g / self.deviation)


class Scale(Layer):
    """s · x, with a factor s of each column."""

    def __init__(self, scale: Array) -> None:
        super().__init__()
        self.parameters = [scale]

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return x * self.parameters[0]

    def backward(self, g: Array) -> Array:
        self.gradients = [np.sum(g * self.x, axis=0)]
        return g * self.parameters[0]


class PeriodicEmbedding(Layer):
    """Each of the first d columns x becomes x and Σ_f v[k, f] cos(2π w[f] x + b[f]) + c[k].

    D. Holzmüller, L. Grinsztajn and I. Steinwart, *Better by default*, 2024 (PBLD). The other
    columns follow as they are.

    Parameters
    ----------
    w, b : arrays (d, frequencies)
    v : array (d (units - 1), frequencies)
    c : array (d, units - 1)
    """

    def __init__(self, w: Array, b: Array, v: Array, c: Array) -> None:
        super().__init__()
        self.parameters = [w, b, v, c]

    def forward(self, x: Array, training: bool = False) -> Array:
        w, b, v, c = self.parameters
        d = len(w)
        self.x = x[:, :d]
        angle = 2 * np.pi * self.x[:, :, None] * w + b
        self.cos, self.sin = np.cos(angle), np.sin(angle)
        sums = np.einsum("idf,dkf->idk", self.cos, v.reshape(d, -1, w.shape[1])) + c
        own = np.concatenate([self.x[:, :, None], sums], axis=2).reshape(len(x), -1)
        return np.concatenate([own, x[:, d:]], axis=1)

    def backward(self, g: Array) -> Array:
        w, _, v, c = self.parameters
        d, units = len(w), c.shape[1] + 1
        of_own = g[:, : d * units].reshape(len(g), d, units)
        gk = of_own[:, :, 1:]
        of_angle = -self.sin * np.einsum("idk,dkf->idf", gk, v.reshape(d, -1, w.shape[1]))
        self.gradients = [
            2 * np.pi * np.einsum("id,idf->df", self.x, of_angle),
            of_angle.sum(axis=0),
            np.einsum("idk,idf->dkf", gk, self.cos).reshape(v.shape),
            gk.sum(axis=0),
        ]
        dx = of_own[:, :, 0] + 2 * np.pi * np.sum(of_angle * w, axis=2)
        return np.concatenate([dx, g[:, d * units :]], axis=1)


class Stack(Layer):
    """Layers one after another."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = list(layers)
        self.parameters = [p for layer in self.layers for p in layer.parameters]

    def forward(self, x: Array, training: bool = False) -> Array:
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, g: Array) -> Array:
        for layer in reversed(self.layers):
            g = layer.backward(g)
        self.gradients = [d for layer in self.layers for d in layer.gradients]
        return g


class Residual(Stack):
    """x + f(x) with f a stack: K. He et al., *Deep residual learning*, 2015."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return x + super().forward(x, training)

    def backward(self, g: Array) -> Array:
        return g + super().backward(g)

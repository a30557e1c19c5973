"""Layers for tables: members side by side, a mix of identity and activation, bins of columns."""

from __future__ import annotations

import numpy as np

from ._checks import Array, lookup
from .activations import ACTIVATIONS
from .layers import Layer


class MemberDense(Layer):
    """z_i = s_i · (W_iᵀ (r_i · x_i)) + b_i for each member i; rows (batch, members · m).

    BatchEnsemble: Wen, Tran & Ba, 2020, when W is one for all.

    Parameters
    ----------
    W : array (m, n), of all members, or (members, m, n)
    b : array (members, n), or (n,) of all members; or None
    r : array (members, m), or None for 1
    s : array (members, n), or None for 1
    members : int
    one_input : bool
        Whether rows are (batch, m), which all members take.
    """

    def __init__(
        self, W: Array, b: Array | None, r: Array | None, s: Array | None, members: int,
        one_input: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.W, self.b, self.r, self.s = W, b, r, s
        self.members, self.one_input = members, one_input
        self.parameters = [array for array in (W, b, r, s) if array is not None]

    def forward(self, x: Array, training: bool = False) -> Array:
        x = np.repeat(x[:, None], self.members, axis=1) if self.one_input else x
        self.x = x.reshape(len(x), self.members, -1)
        self.scaled = self.x if self.r is None else self.x * self.r
        self.kernels = np.broadcast_to(self.W, (self.members, *self.W.shape[-2:]))
        self.product = np.einsum("bki,kiu->bku", self.scaled, self.kernels)
        z = self.product if self.s is None else self.product * self.s
        return np.asarray(z if self.b is None else z + self.b).reshape(len(x), -1)

    def backward(self, g: Array) -> Array:
        g = g.reshape(len(g), self.members, -1)
        delta = g if self.s is None else g * self.s
        of_scaled = np.einsum("bku,kiu->bki", delta, self.kernels)
        shared = "iu" if self.W.ndim == 2 else "kiu"
        self.gradients = [np.einsum(f"bki,bku->{shared}", self.scaled, delta)]
        if self.b is not None:
            self.gradients.append(g.sum(axis=(0, 1) if self.b.ndim == 1 else 0))
        if self.r is not None:
            self.gradients.append(np.sum(of_scaled * self.x, axis=0))
        if self.s is not None:
            self.gradients.append(np.sum(g * self.product, axis=0))
        dx = of_scaled if self.r is None else of_scaled * self.r
        return np.asarray(dx.sum(axis=1) if self.one_input else dx.reshape(len(g), -1))


class ParametricActivation(Layer):
    """x + alpha (f(x) - x), with an alpha of each column.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, *Better by default*, 2024.

    Parameters
    ----------
    alpha : array (m,)
    activation : str
        A name of `ACTIVATIONS`, whose parameters are `numbers`.
    """

    def __init__(self, alpha: Array, activation: str, *numbers: float) -> None:
        super().__init__()
        self.parameters, self.numbers = [alpha], numbers
        self.function = lookup("activation", ACTIVATIONS, activation)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x, self.f = x, self.function.forward(x, *self.numbers)
        return np.asarray(x + self.parameters[0] * (self.f - x))

    def backward(self, g: Array) -> Array:
        (alpha,) = self.parameters
        self.gradients = [np.sum(g * (self.f - self.x), axis=0)]
        return np.asarray(
            (1 - alpha) * g + self.function.backward(self.x, self.f, alpha * g, *self.numbers)
        )


class PiecewiseLinear(Layer):
    """Each of the first columns x becomes (x - lower) / (upper - lower), in [0, 1], of each bin.

    Y. Gorishniy, I. Rubachev and A. Babenko, *On embeddings for numerical features in tabular deep
    learning*, 2022. The first bin goes on below 0 and the last one above 1, unless `clip`; a bin
    without width gives 0; the other columns follow as they are.

    Parameters
    ----------
    lower, upper : array (columns, bins)
    clip : bool
    """

    def __init__(self, lower: Array, upper: Array, clip: bool = False) -> None:
        super().__init__()
        wide = upper > lower
        with np.errstate(divide="ignore"):
            self.factor = np.where(wide, 1 / np.where(wide, upper - lower, 1), 0)
        self.lower = lower
        self.begin, self.end = np.where(wide, lower, np.inf), np.where(wide, upper, np.inf)
        places = np.arange(lower.shape[1])
        if not clip:
            first = places == np.argmax(wide, axis=1)[:, None]
            last = places == len(places) - 1 - np.argmax(wide[:, ::-1], axis=1)[:, None]
            self.begin = np.where(wide & first, -np.inf, self.begin)
            self.end = np.where(wide & last, np.inf, self.end)

    def forward(self, x: Array, training: bool = False) -> Array:
        columns = len(self.lower)
        self.x = x[:, :columns, None]
        inside = ((self.x - self.lower) * self.factor).astype(x.dtype)
        cut = np.where(self.x >= self.end, 1, np.where(self.x < self.begin, 0, inside))
        return np.concatenate([cut.reshape(len(x), -1).astype(x.dtype), x[:, columns:]], axis=1)

    def backward(self, g: Array) -> Array:
        count = self.lower.size
        own = g[:, :count].reshape(len(g), *self.lower.shape)
        inside = (self.x >= self.begin) & (self.x < self.end)
        dx = np.sum(own * self.factor * inside, axis=2).astype(g.dtype)
        return np.concatenate([dx, g[:, count:]], axis=1)

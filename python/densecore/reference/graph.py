"""Layers of several inputs, and a graph of layers, with their backward passes.

A layer that merges maps a list of inputs (batch, m_i) to rows (batch, n) by ``forward(xs)``;
``backward(g)`` takes g = dC/d(output) to the list of the dC/d(input).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from ._checks import Array
from .layers import Activation, Dense, Layer


def _like(g: Array, x: Array) -> Array:
    """Sum over the columns for which the only column of `x` was used."""
    return g if g.shape == x.shape else np.asarray(g.sum(axis=1, keepdims=True))


class Merge:
    """Base class: one row of a row of each input."""

    def forward(self, xs: Sequence[Array]) -> Array:
        """Rows (batch, m_i) each to rows (batch, n)."""
        raise NotImplementedError

    def backward(self, g: Array) -> list[Array]:
        """dC/d(output) to dC/d(input), one for each."""
        raise NotImplementedError


class Heads(Merge):
    """f_1(x_1), f_2(x_2), … side by side; without functions Keras's Concatenate.

    Parameters
    ----------
    functions : sequence of Activation, optional
        One for each input.
    """

    def __init__(self, functions: Sequence[Activation] | None = None) -> None:
        self.functions = functions

    def forward(self, xs: Sequence[Array]) -> Array:
        self.used = [Activation("linear") for _ in xs] if self.functions is None else self.functions
        self.ends = np.cumsum([x.shape[1] for x in xs])[:-1]
        return np.concatenate([f.forward(x) for f, x in zip(self.used, xs, strict=True)], axis=1)

    def backward(self, g: Array) -> list[Array]:
        parts = np.split(g, self.ends, axis=1)
        return [f.backward(part) for f, part in zip(self.used, parts, strict=True)]


class First(Merge):
    """The first input alone: the others are computed for their penalties."""

    def forward(self, xs: Sequence[Array]) -> Array:
        self.xs = list(xs)
        return np.array(xs[0])

    def backward(self, g: Array) -> list[Array]:
        return [g, *(np.zeros_like(x) for x in self.xs[1:])]


class Sum(Merge):
    """The inputs' sum with given signs, over their number for Keras's Average."""

    def __init__(self, signs: Sequence[int] | None = None, average: bool = False) -> None:
        self.signs, self.average = signs, average

    def forward(self, xs: Sequence[Array]) -> Array:
        self.xs = list(xs)
        signs = self.signs or [1] * len(xs)
        divisor = len(xs) if self.average else 1
        self.factors = [xs[0].dtype.type(sign / divisor) for sign in signs]
        return np.asarray(sum(f * x for f, x in zip(self.factors, xs, strict=True)))

    def backward(self, g: Array) -> list[Array]:
        return [_like(f * g, x) for f, x in zip(self.factors, self.xs, strict=True)]


class Product(Merge):
    """Keras's Multiply."""

    def forward(self, xs: Sequence[Array]) -> Array:
        self.xs = list(xs)
        return np.asarray(np.prod(np.broadcast_arrays(*xs), axis=0))

    def backward(self, g: Array) -> list[Array]:
        given = []
        for i, x in enumerate(self.xs):
            factor = g
            for k, other in enumerate(self.xs):
                factor = factor if k == i else factor * other
            given.append(_like(factor, x))
        return given


class Extremum(Merge):
    """Keras's Maximum, or its Minimum; the gradient goes to the first of equal inputs."""

    def __init__(self, largest: bool = True) -> None:
        self.largest = largest

    def forward(self, xs: Sequence[Array]) -> Array:
        self.xs = list(xs)
        stacked = np.stack(np.broadcast_arrays(*xs))
        self.winner = stacked.argmax(axis=0) if self.largest else stacked.argmin(axis=0)
        return np.asarray(stacked.max(axis=0) if self.largest else stacked.min(axis=0))

    def backward(self, g: Array) -> list[Array]:
        return [_like(np.where(self.winner == i, g, 0), x) for i, x in enumerate(self.xs)]


class Dot(Merge):
    """a[p, q] = sum over k of x[p, k] y[q, k], with a row of each input seen as a matrix.

    Parameters
    ----------
    rows : (int, int), default (1, 1)
        Of the two matrices.
    across : (bool, bool), default (False, False)
        Whether k is the first axis of a matrix, not the second.
    """

    def __init__(self, rows: tuple[int, int] = (1, 1), across: tuple[bool, bool] = (False, False)):
        self.rows, self.across = rows, across

    def _matrices(self, xs: Sequence[Array]) -> list[Array]:
        made = []
        for x, rows, across in zip(xs, self.rows, self.across, strict=True):
            if across:
                made.append(x.reshape(len(x), -1, rows).swapaxes(1, 2))
            else:
                made.append(x.reshape(len(x), rows, -1))
        return made

    def forward(self, xs: Sequence[Array]) -> Array:
        self.first, self.second = self._matrices(xs)
        return (self.first @ self.second.swapaxes(1, 2)).reshape(len(xs[0]), -1)

    def backward(self, g: Array) -> list[Array]:
        matrix = g.reshape(len(g), *self.rows)
        given = [matrix @ self.second, matrix.swapaxes(1, 2) @ self.first]
        return [
            (m.swapaxes(1, 2) if across else m).reshape(len(g), -1)
            for m, across in zip(given, self.across, strict=True)
        ]


class Embedding(Layer):
    """The rows of a table whose numbers are the inputs, side by side.

    Parameters
    ----------
    table : array, shape (categories, units)
    missing : bool, default False
        Whether what is no number of a row stands for row 0.
    """

    def __init__(self, table: Array, missing: bool = False) -> None:
        super().__init__()
        self.parameters, self.missing = [table], missing

    def forward(self, x: Array, training: bool = False) -> Array:
        if self.missing:
            known = np.isin(x, np.arange(len(self.parameters[0])))
            x = np.where(known, x, np.zeros_like(x))
        self.ids = x.astype(np.int64)
        return self.parameters[0][self.ids].reshape(len(x), -1)

    def backward(self, g: Array) -> Array:
        table = self.parameters[0]
        self.gradients = [np.zeros_like(table)]
        np.add.at(self.gradients[0], self.ids.ravel(), g.reshape(-1, table.shape[1]))
        return np.zeros(self.ids.shape, g.dtype)


class TransposedDense(Layer):
    """a = Wᵀ x, with the W of a dense layer: a decoder whose weights are its encoder's.

    Parameters
    ----------
    dense : Dense
        Its parameters are these; `gradients` are what this use of W adds to them.
    """

    def __init__(self, dense: Dense) -> None:
        super().__init__()
        self.W, self.parameters = dense.W, dense.parameters

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return np.asarray(x @ self.W)

    def backward(self, g: Array) -> Array:
        self.gradients = [self.x.T @ g, *(np.zeros_like(b) for b in self.parameters[1:])]
        return np.asarray(g @ self.W.T)


class Columns(Layer):
    """x[:, first : first + count]"""

    def __init__(self, first: int, count: int) -> None:
        super().__init__()
        self.taken = slice(first, first + count)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.x = x
        return np.array(x[:, self.taken])

    def backward(self, g: Array) -> Array:
        dx = np.zeros_like(self.x)
        dx[:, self.taken] = g
        return dx


Source = tuple[int, int, int]


class Graph:
    """Layers in an order in which each comes after those that it takes its inputs from.

    Parameters
    ----------
    nodes : sequence of (Layer or Merge, sources)
        A source is (number of a node or -1 for x, first column, columns or -1 for all). The same
        `Layer` in two nodes has one set of parameters, and the sum of their gradients.

    Attributes
    ----------
    outputs : list of arrays
        The output of each node in the last call of `forward`.
    gradients : dict
        From the number of a node to the gradients of its parameters; of nodes that share a layer,
        the first one's.
    """

    def __init__(self, nodes: Sequence[tuple[Layer | Merge, Sequence[Source]]]) -> None:
        self.sources = [list(sources) for _, sources in nodes]
        self.given = [layer for layer, _ in nodes]
        # A node keeps what its own derivative needs; parameters are the same arrays.
        self.layers = [copy.copy(layer) for layer in self.given]

    def _taken(self, x: Array, source: Source) -> Array:
        number, first, columns = source
        whole = x if number < 0 else self.outputs[number]
        return whole[:, first : None if columns < 0 else first + columns]

    def forward(self, x: Array, training: bool = False) -> Array:
        """Rows (batch, m) to the rows of the last node."""
        self.x = x
        self.outputs: list[Array] = []
        for layer, sources in zip(self.layers, self.sources, strict=True):
            inputs = [self._taken(x, source) for source in sources]
            made = (
                layer.forward(inputs)
                if isinstance(layer, Merge)
                else layer.forward(inputs[0], training)
            )
            self.outputs.append(made)
        return self.outputs[-1]

    def backward(self, g: Array) -> Array:
        """dC/d(output of the last node) to dC/dx."""
        dx = np.zeros_like(self.x)
        sums = [np.zeros_like(a) for a in self.outputs]
        sums[-1] += g
        self.gradients: dict[int, list[Array]] = {}
        for number in reversed(range(len(self.layers))):
            layer = self.layers[number]
            below = layer.backward(sums[number])
            for source, part in zip(
                self.sources[number], below if isinstance(below, list) else [below], strict=True
            ):
                to, first, columns = source
                whole = dx if to < 0 else sums[to]
                whole[:, first : None if columns < 0 else first + columns] += part
            if isinstance(layer, Layer) and layer.parameters:
                root = next(i for i, other in enumerate(self.given) if other is self.given[number])
                before = self.gradients.get(root)
                self.gradients[root] = (
                    layer.gradients
                    if before is None
                    else [a + b for a, b in zip(before, layer.gradients, strict=True)]
                )
        return dx

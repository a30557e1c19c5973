"""Layers of the library's own that are written with a `call`, and what attention is made of."""

import math
from typing import Any

from .._base.dtypes import Array, Network
from .arrays import Shapes
from .base import Layer
from .dense import Dense
from .lowering import Plan, Row, Source
from .own import OwnLayer


class HeadsProjection(Dense):
    """A dense layer of each vector, whose arrays have a shape of heads: Keras's EinsumDense.

    Parameters
    ----------
    before, after : tuple of int
        The dimensions of a vector of inputs, and of outputs.
    **options
        As of `Dense`.
    """

    def __init__(self, before: Row, after: Row, **options: Any) -> None:
        super().__init__(math.prod(after), **options)
        self._before, self._after = before, after

    def _views_in(
        self, network: Network, place: int
    ) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        shapes, _ = self._weight_shapes(())
        parameters, gradients, states = network.layer_views(place)
        first, second = (
            {name: array.reshape(shapes[name]) for name, array in arrays.items()}
            for arrays in (parameters, gradients)
        )
        return first, second, states

    def _plan(self, plan: Plan) -> None:
        super()._plan(plan)  # a method of its own, so that no exporter takes it for its base

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        shapes: Shapes = {"kernel": (*self._before, *self._after)}
        if self.use_bias:
            shapes["bias"] = self._after
        return shapes, {}

    def _initialize(self, seed: int, number: int) -> None:
        kernel = self._built_views()[0]["kernel"]
        *_, rows, columns = kernel.shape
        across = kernel.size // (rows * columns)  # as Keras counts the fans of such kernels
        fans = (rows * across, columns * across)
        self.kernel_initializer.fill(kernel, *fans, seed, 2 * number)
        if self.bias is not None:
            self.bias_initializer.fill(self.bias, *fans, seed, 2 * number + 1)


class HeadColumns(Layer):
    """Some columns of each vector: those of a head."""

    def __init__(self, first: int, count: int) -> None:
        super().__init__(name="multi_head_attention")  # as an exporter calls it that refuses it
        self._first, self._count = first, count

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else (*row[:-1], self._count)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        vectors = self._vectors(plan, sources[0])
        pieces = tuple(plan.columns(each, self._first, self._count) for each in vectors)
        return [Source(-2, 0, (*sources[0].row[:-1], self._count), pieces)]


class HeadsSideBySide(Layer):
    """The vectors of several inputs, each beside those of the others."""

    def _output_rows(self, rows: list[Row]) -> list[Row]:
        return [(*rows[0][:-1], sum(row[-1] for row in rows))]

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        (row,) = self._output_rows([source.row for source in sources])
        pieces = []
        for each in zip(*(self._vectors(plan, source) for source in sources), strict=True):
            plan.merge({"kind": "concatenate"}, list(each), (row[-1],))
            plan.close()
            pieces.append(plan.here)
        return [Source(-2, 0, row, tuple(pieces))]


class Composed(OwnLayer):
    """Base class of the library's own layers that are written with a `call`."""

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal layer; JSON-able."""
        return super().get_config()  # which adds the arguments where there is no such method

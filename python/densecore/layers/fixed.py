"""Layers that multiply with a matrix which no training changes: means, choices, other orders."""

import math
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .arrays import Shapes
from .base import Layer
from .lowering import Plan, Row, Source
from .masks import of_mean
from .symbols import Symbol


class FixedProduct(Layer):
    """Base class: rows times a matrix that follows from their shape.

    The core has no other way to a part of what a layer computes. The matrix has as many elements
    as a row has, times those of an output.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("kernel",)
    _shows_weights = False

    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self._trainable = False

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        x = inputs[0] if inputs else None
        if isinstance(x, Symbol) and self._nodes and self._nodes[0].inputs[0].row != x.row:
            # Rows of another shape: another matrix, which is another layer in the core.
            others = vars(self).setdefault("_of_other_rows", {})
            if x.row not in others:
                config = {key: each for key, each in self.get_config().items() if key != "name"}
                others[x.row] = type(self).from_config(config)
            return others[x.row](*inputs, **options)
        return super().__call__(*inputs, **options)

    def _matrix(self, row: Row) -> Array:
        """The matrix (elements of a row, elements of an output)."""
        raise NotImplementedError

    def _plan(self, plan: Plan) -> None:
        row = self._output_row(plan.row)
        assert row is not None
        vars(self)["_row"] = plan.row
        plan.close((plan.width,))
        plan.add(
            {
                "kind": "dense",
                "units": math.prod(row),
                "activation": "linear",
                "use_bias": False,
                "trainable": False,
                "penalties": [[0.0, 0.0], [0.0, 0.0]],
            },
            math.prod(row),
            layer=self,
        )
        plan.close(row)

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        output = self._output_row(row)
        assert output is not None
        return {"kernel": (math.prod(row), math.prod(output))}, {}

    def _initialize(self, seed: int, number: int) -> None:
        self._built_views()[0]["kernel"][...] = self._matrix(vars(self)["_row"])


class Permute(FixedProduct):
    """The dimensions of a row in another order.

    Parameters
    ----------
    dims : tuple of int
        From 1: (2, 1) exchanges two dimensions.

    Raises
    ------
    ValueError
        They are not 1 to the number of dimensions of a row, each once.
    """

    config_names: ClassVar[tuple[str, ...]] = ("dims",)

    def __init__(self, dims: tuple[int, ...], **general: Any) -> None:
        super().__init__(**general)
        given = checks.listed("Permute: dims", dims)
        self.dims = tuple(checks.integer("Permute: dims", one, 1) for one in given)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"Permute: dims: found {self.dims}, wanted the numbers from 1 to {len(self.dims)}"
            )

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return None
        if len(row) != len(self.dims):
            raise ValueError(
                f"layer {self.name or 'permute'}: found rows of shape {row}, wanted "
                f"{len(self.dims)} dimensions"
            )
        return tuple(row[one - 1] for one in self.dims)

    def _matrix(self, row: Row) -> Array:
        places = np.arange(math.prod(row)).reshape(row)
        moved = np.transpose(places, [one - 1 for one in self.dims]).reshape(-1)
        return np.eye(math.prod(row))[:, moved]


class Selection(FixedProduct):
    """Some columns of vectors that a layer computes: what ``x[:, first:last]`` makes of them.

    Parameters
    ----------
    first, last : int
        The first column, and the first one that is not among them.
    """

    config_names: ClassVar[tuple[str, ...]] = ("first", "last")

    def __init__(self, first: int, last: int, **general: Any) -> None:
        super().__init__(**general)
        self.first = checks.integer("Selection: first", first, 0)
        self.last = checks.integer("Selection: last", last, self.first + 1)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is not None and self.last > self._features(row):
            raise ValueError(
                f"layer {self.name or 'selection'}: found {self.first} to {self.last} of {row[0]} "
                "columns"
            )
        return (self.last - self.first,)

    def _matrix(self, row: Row) -> Array:
        return np.eye(row[0])[:, self.first : self.last]


def _check_data_format(kind: str, data_format: Any) -> None:
    if data_format not in (None, "channels_last"):
        raise ValueError(
            f"{kind}: data_format: found {checks.shown(data_format)}, wanted 'channels_last'"
        )


class GlobalAveragePooling1D(FixedProduct):
    """The mean of the vectors of rows (steps, features), of those that a mask leaves.

    Parameters
    ----------
    data_format : {"channels_last"}, optional
    keepdims : bool, default False
        Whether the rows become (1, features), and not (features,).

    Raises
    ------
    ValueError
        In a model: rows of another number of dimensions.
    """

    config_names: ClassVar[tuple[str, ...]] = ("keepdims",)

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **general: Any
    ) -> None:
        super().__init__(**general)
        _check_data_format(type(self).__name__, data_format)
        self.keepdims = checks.flag("GlobalAveragePooling1D: keepdims", keepdims)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return None
        _, features = self._steps_and_features(row)
        return (1, features) if self.keepdims else (features,)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        return super()._lower(plan, [of_mean(plan, source) for source in sources])

    def _matrix(self, row: Row) -> Array:
        steps, features = row
        found: Array = np.tile(np.eye(features) / steps, (steps, 1))
        return found


class GlobalMaxPooling1D(Layer):
    """The largest of the vectors of rows (steps, features), element by element.

    Parameters
    ----------
    data_format : {"channels_last"}, optional
    keepdims : bool, default False
        As of `GlobalAveragePooling1D`.

    Raises
    ------
    ValueError
        In a model: rows of another number of dimensions.
    """

    config_names: ClassVar[tuple[str, ...]] = ("keepdims",)

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **general: Any
    ) -> None:
        super().__init__(**general)
        _check_data_format(type(self).__name__, data_format)
        self.keepdims = checks.flag("GlobalMaxPooling1D: keepdims", keepdims)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return None
        _, features = self._steps_and_features(row)
        return (1, features) if self.keepdims else (features,)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        row = self._output_row(sources[0].row)
        assert row is not None
        vectors = list(self._vectors(plan, sources[0]))
        if len(vectors) == 1:
            return [Source(vectors[0].layer, vectors[0].first, row)]
        plan.merge({"kind": "maximum"}, vectors, row)
        return [plan.here]


GlobalAvgPool1D, GlobalMaxPool1D = GlobalAveragePooling1D, GlobalMaxPooling1D

Symbol.operators["selection"] = Selection

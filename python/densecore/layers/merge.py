"""Layers of several inputs: side by side, element by element, scalar products."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.keras_arrays import Tensor
from .._data.structures import leaves
from .base import Layer
from .lowering import Plan, Row, Source, elements
from .symbols import Symbol, are_symbols, connect


class Merge(Layer):
    """Base class of the layers that take a list of inputs.

    Raises
    ------
    ValueError
        Fewer than two inputs, or rows whose shapes do not suit each other; the message names the
        layer and the shapes.
    """

    _keeps_mask: ClassVar[bool | None] = True
    _kind: ClassVar[str] = ""
    _count: int | None = None  # of the inputs; None: two or more
    _broadcasts = True  # whether inputs are brought to one shape, as NumPy does

    def _ordered(self, inputs: Any) -> list[Symbol]:
        if not isinstance(inputs, list | tuple):
            raise ValueError(f"layer {self._said}: found one input, wanted a list of inputs")
        return leaves(inputs)

    @property
    def _said(self) -> str:
        return self.name or type(self).__name__.lower()

    def _output_rows(self, rows: list[Row]) -> list[Row]:
        if len(rows) < 2 or (self._count is not None and len(rows) != self._count):
            wanted = "two or more" if self._count is None else self._count
            raise ValueError(f"layer {self._said}: found {len(rows)} inputs, wanted {wanted}")
        return [self._merged(rows)]

    def _merged(self, rows: list[Row]) -> Row:
        """The shape of a row of the output: sizes of 1 become those of the others."""
        try:
            return tuple(np.broadcast_shapes(*rows))
        except ValueError:
            raise ValueError(
                f"layer {self._said}: found rows of shapes {_shown(rows)}, wanted the same shape, "
                "or sizes of 1 where they differ"
            ) from None

    def _output_row(self, row: Row | None) -> Row | None:
        raise ValueError(f"layer {self._said}: found one input, wanted a list of inputs")

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        row = self._merged([source.row for source in sources])
        for source in sources:
            if source.width not in (1, elements(row)):
                raise ValueError(
                    f"layer {self._said}: found rows of shapes "
                    f"{_shown([source.row for source in sources])}, wanted the same shape, or one "
                    "number in a row"
                )
        plan.merge({"kind": self._kind}, sources, row)
        return [plan.here]

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """The symbol of the output for a list of symbols, or the numbers for one of arrays."""
        if are_symbols(inputs):
            found = self._called_with(inputs)
            return connect(self, inputs) if found is None else found
        if not isinstance(inputs, list | tuple):
            raise ValueError(f"layer {self._said}: found one input, wanted a list of inputs")
        arrays = [np.asarray(given) for given in inputs]
        self._output_rows([array.shape[1:] for array in arrays])
        return self._compute(arrays).view(Tensor)

    def _called_with(self, inputs: Any) -> Any:
        """Layers before this one broadcast the inputs that the core cannot broadcast itself."""
        given = leaves(inputs)
        if not self._broadcasts or len(given) < 2:
            return None
        row = self._output_rows([symbol.row for symbol in given])[0]
        if all(elements(symbol.row) in (1, elements(row)) for symbol in given):
            return None
        spread = Symbol.operators["spread"]
        return connect(self, [one if one.row == row else spread(row)(one) for one in given])

    def _compute(self, arrays: list[Array]) -> Array:
        raise NotImplementedError


def _shown(rows: Sequence[Row]) -> str:
    return ", ".join(str(row) for row in rows)


class Add(Merge):
    """a + b + …, element by element."""

    _kind = "add"

    def _compute(self, arrays: list[Array]) -> Array:
        return sum(arrays[1:], arrays[0])


class Subtract(Merge):
    """a - b, element by element, of two inputs."""

    _kind = "subtract"
    _count = 2

    def _compute(self, arrays: list[Array]) -> Array:
        return np.asarray(arrays[0] - arrays[1])


class Multiply(Merge):
    """a · b · …, element by element."""

    _kind = "multiply"

    def _compute(self, arrays: list[Array]) -> Array:
        found = arrays[0]
        for array in arrays[1:]:
            found = found * array
        return found


class Average(Merge):
    """(a + b + …) / n, element by element."""

    _kind = "average"

    def _compute(self, arrays: list[Array]) -> Array:
        return np.asarray(sum(arrays[1:], arrays[0]) / len(arrays))


class Maximum(Merge):
    """The largest of the inputs, element by element."""

    _kind = "maximum"

    def _compute(self, arrays: list[Array]) -> Array:
        return np.asarray(np.maximum.reduce(np.broadcast_arrays(*arrays)))


class Minimum(Merge):
    """The smallest of the inputs, element by element."""

    _kind = "minimum"

    def _compute(self, arrays: list[Array]) -> Array:
        return np.asarray(np.minimum.reduce(np.broadcast_arrays(*arrays)))


class Concatenate(Merge):
    """The inputs side by side.

    Parameters
    ----------
    axis : int, default -1
        The last one, or of rows of several dimensions the first one of a row.
    """

    _kind = "concatenate"
    config_names: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(self, axis: int = -1, **general: Any) -> None:
        super().__init__(**general)
        self.axis = checks.integer("Concatenate: axis", axis, -32, 32)
        if self.axis == 0:
            raise ValueError("Concatenate: axis: found 0, the rows, wanted another one")

    def _merged(self, rows: list[Row]) -> Row:
        rows = [row or (1,) for row in rows]  # a number is a vector of one
        dimensions = len(rows[0])
        place = self.axis - 1 if self.axis > 0 else dimensions + self.axis
        others = [(*row[:place], *row[place + 1 :]) for row in rows]
        if {len(row) for row in rows} != {dimensions} or not 0 <= place < dimensions:
            raise ValueError(
                f"layer {self._said}: found rows of shapes {_shown(rows)}, wanted as many "
                f"dimensions in each, {self.axis} among them"
            )
        if any(other != others[0] for other in others):
            raise ValueError(
                f"layer {self._said}: found rows of shapes {_shown(rows)}, wanted the same sizes "
                "but along the axis"
            )
        size = sum(row[place] for row in rows)
        return (*rows[0][:place], size, *rows[0][place + 1 :])

    def _called_with(self, inputs: Any) -> Any:
        """Along an axis whose numbers do not lie side by side, Python does it."""
        rows = [symbol.row for symbol in leaves(inputs)]
        row = self._merged(rows)
        place = self.axis - 1 if self.axis > 0 else len(row) + self.axis
        if elements(row[:place]) == 1:
            return None
        along = place + 1
        return Symbol.operators["computed"](
            lambda arrays: np.concatenate(arrays, axis=along), (list(leaves(inputs)),), {}
        )

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        row = self._merged([source.row for source in sources])
        place = self.axis - 1 if self.axis > 0 else len(row) + self.axis
        if elements(row[:place]) != 1:
            raise ValueError(
                f"layer {self._said}: found the axis {self.axis} of rows of shape {row}, wanted "
                "one whose numbers lie side by side: the first one"
            )
        plan.merge({"kind": self._kind}, sources, row)
        return [plan.here]

    def _compute(self, arrays: list[Array]) -> Array:
        return np.concatenate(arrays, axis=self.axis)


class Dot(Merge):
    """Scalar products of two inputs: of vectors, or of the rows or columns of matrices.

    Parameters
    ----------
    axes : int or (int, int)
        The axis of each input that is summed over; 0 is that of the rows.
    normalize : bool, default False
        Whether the vectors are brought to length 1 first: the cosine of their angle.
    """

    _keeps_mask: ClassVar[bool | None] = False
    _kind = "dot"
    _count = 2
    _broadcasts = False
    config_names: ClassVar[tuple[str, ...]] = ("axes", "normalize")

    def __init__(self, axes: Any, normalize: bool = False, **general: Any) -> None:
        super().__init__(**general)
        given = axes if isinstance(axes, tuple | list) else (axes, axes)
        if len(given) != 2:
            raise ValueError(f"Dot: axes: found {axes!r}, wanted one axis, or one of each input")
        self.axes = [checks.integer("Dot: axes", axis, -3, 2) for axis in given]
        self.normalize = checks.flag("Dot: normalize", normalize)

    def _places(self, rows: list[Row]) -> list[int]:
        """The summed axis of each input, counted from the first one of a row."""
        places = []
        for row, axis in zip(rows, self.axes, strict=True):
            place = axis - 1 if axis > 0 else len(row) + axis
            if len(row) not in (1, 2) or axis == 0 or not 0 <= place < len(row):
                raise ValueError(
                    f"layer {self._said}: found rows of shapes {_shown(rows)} and axes "
                    f"{self.axes}, wanted vectors or matrices with these axes"
                )
            places.append(place)
        return places

    def _merged(self, rows: list[Row]) -> Row:
        one, two = self._places(rows)
        if rows[0][one] != rows[1][two]:
            raise ValueError(
                f"layer {self._said}: found {rows[0][one]} and {rows[1][two]} numbers along the "
                f"axes {self.axes} of rows of shapes {_shown(rows)}, wanted as many"
            )
        rest = (*_without(rows[0], one), *_without(rows[1], two))
        return rest or (1,)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        rows = [source.row for source in sources]
        row, places = self._merged(rows), self._places(rows)
        spec: dict[str, Any] = {"kind": self._kind}
        taken = []
        for name, source, place in zip(("first", "second"), sources, places, strict=True):
            across = len(source.row) == 2 and place == 0
            if len(source.row) == 2:
                spec[f"{name}_rows"] = source.row[1 - place]
                spec[f"{name}_across"] = int(across)
            if self.normalize:
                source = self._of_length_1(plan, source, across)
            taken.append(source)
        plan.merge(spec, taken, row)
        return [plan.here]

    def _of_length_1(self, plan: Plan, source: Source, across: bool) -> Source:
        """The vectors that are multiplied, each over its length."""
        if across and source.row[1] > 1:
            raise ValueError(
                f"layer {self._said}: normalize: found the columns of rows of shape {source.row}, "
                "wanted vectors along the last axis: Permute((2, 1)) before it makes them"
            )
        pieces: list[Source] = []
        vectors = [source] if len(source.row) == 1 or across else self._vectors(plan, source)
        for vector in vectors:
            plan.go_to(vector)
            plan.close()
            plan.add({"kind": "unit_normalization"})
            pieces.append(plan.here)
        if len(pieces) == 1:
            return Source(pieces[0].layer, pieces[0].first, source.row)
        return plan.whole(Source(-2, 0, source.row, tuple(pieces)))

    def _compute(self, arrays: list[Array]) -> Array:
        one, two = self._places([array.shape[1:] for array in arrays])
        a, b = (np.moveaxis(x, p + 1, -1) for x, p in zip(arrays, (one, two), strict=True))
        if self.normalize:
            a, b = (x / np.sqrt(np.maximum((x * x).sum(-1, keepdims=True), 1e-12)) for x in (a, b))
        if a.ndim == b.ndim == 2:
            return np.asarray((a * b).sum(axis=1, keepdims=True))
        a, b = (x[:, None, :] if x.ndim == 2 else x for x in (a, b))
        row = self._merged([array.shape[1:] for array in arrays])
        return (a @ np.swapaxes(b, 1, 2)).reshape(-1, *row)


Symbol.operators.update(
    add=Add, subtract=Subtract, multiply=Multiply, maximum=Maximum, minimum=Minimum
)


def _without(row: Row, place: int) -> Row:
    return (*row[:place], *row[place + 1 :])


def add(inputs: Any, **general: Any) -> Any:
    """``Add(**general)(inputs)``."""
    return Add(**general)(inputs)


def subtract(inputs: Any, **general: Any) -> Any:
    """``Subtract(**general)(inputs)``."""
    return Subtract(**general)(inputs)


def multiply(inputs: Any, **general: Any) -> Any:
    """``Multiply(**general)(inputs)``."""
    return Multiply(**general)(inputs)


def average(inputs: Any, **general: Any) -> Any:
    """``Average(**general)(inputs)``."""
    return Average(**general)(inputs)


def maximum(inputs: Any, **general: Any) -> Any:
    """``Maximum(**general)(inputs)``."""
    return Maximum(**general)(inputs)


def minimum(inputs: Any, **general: Any) -> Any:
    """``Minimum(**general)(inputs)``."""
    return Minimum(**general)(inputs)


def concatenate(inputs: Any, axis: int = -1, **general: Any) -> Any:
    """``Concatenate(axis, **general)(inputs)``."""
    return Concatenate(axis, **general)(inputs)


def dot(inputs: Any, axes: Any = -1, **general: Any) -> Any:
    """``Dot(axes, **general)(inputs)``."""
    return Dot(axes, **general)(inputs)

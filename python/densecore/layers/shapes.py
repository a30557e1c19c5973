"""Layers that change the shape of a row, and none of its numbers."""

import math
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .base import Layer
from .input import MAX_DIMENSIONS
from .lowering import Plan, Row, Source
from .symbols import Symbol


class Identity(Layer):
    """x as it is."""

    _keeps_mask: ClassVar[bool | None] = True

    def _plan(self, plan: Plan) -> None:
        plan.close()


class Flatten(Layer):
    """Rows of several dimensions, such as images, become vectors, in the order of NumPy's `ravel`.

    `data_format` is Keras's, without effect.
    """

    def __init__(self, data_format: None = None, **general: Any) -> None:
        super().__init__(data_format=data_format, **general)

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else (math.prod(row),)

    def _plan(self, plan: Plan) -> None:
        plan.close((plan.width,))


class Reshape(Layer):
    """Rows of another shape, of the same numbers in the same order.

    Parameters
    ----------
    target_shape : tuple of int
        The shape of a row; one number may be -1 and follows from the others. () makes a number of
        a vector of one.

    Raises
    ------
    ValueError, TypeError
        Sizes that are not integers >= 1 or -1, or, in a model, rows of another number of elements.
    """

    config_names: ClassVar[tuple[str, ...]] = ("target_shape",)

    def __init__(self, target_shape: tuple[int, ...], **general: Any) -> None:
        super().__init__(**general)
        given = target_shape if isinstance(target_shape, tuple | list) else (target_shape,)
        sizes = tuple(checks.integer("Reshape: target_shape", size, -1) for size in given)
        if len(sizes) > MAX_DIMENSIONS or 0 in sizes or sizes.count(-1) > 1:
            raise ValueError(
                f"Reshape: target_shape: found {checks.shown(target_shape)}, wanted at "
                f"most {MAX_DIMENSIONS} sizes >= 1, of which one may be -1"
            )
        self.target_shape = sizes

    def _output_row(self, row: Row | None) -> Row | None:
        known = math.prod(size for size in self.target_shape if size != -1)
        if row is None:
            return None if -1 in self.target_shape else self.target_shape
        missing, rest = divmod(math.prod(row), known)
        if rest or (-1 not in self.target_shape and missing != 1):
            raise ValueError(
                f"layer {self.name or 'reshape'}: found rows of shape {row}, which do not make "
                f"{self.target_shape}"
            )
        return tuple(missing if size == -1 else size for size in self.target_shape)

    def _plan(self, plan: Plan) -> None:
        plan.close(self._output_row(plan.row))


class RepeatVector(Layer):
    """A vector several times: rows (features,) become (n, features).

    Parameters
    ----------
    n : int
    """

    config_names: ClassVar[tuple[str, ...]] = ("n",)

    def __init__(self, n: int, **general: Any) -> None:
        super().__init__(**general)
        self.n = checks.integer("RepeatVector: n", n, 1)

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else (self.n, self._features(row))

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        row = self._output_row(sources[0].row)
        assert row is not None
        plan.merge({"kind": "concatenate"}, sources * self.n, row)
        return [plan.here]


class Columns(Layer):
    """Some columns of vectors, one after another: what ``x[:, first:last]`` makes of an input.

    Parameters
    ----------
    first, last : int
        The first column, and the first one that is not among them.

    Raises
    ------
    ValueError
        In a model: there are no such columns.
    """

    config_names: ClassVar[tuple[str, ...]] = ("first", "last")

    def __init__(self, first: int, last: int, **general: Any) -> None:
        super().__init__(**general)
        self.first = checks.integer("Columns: first", first, 0)
        self.last = checks.integer("Columns: last", last, self.first + 1)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is not None and self.last > self._features(row):
            raise ValueError(
                f"layer {self.name or 'columns'}: found {self.first} to {self.last} of {row[0]} "
                "columns"
            )
        return (self.last - self.first,)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        source = plan.whole(sources[0])
        if source.layer >= 0:
            return [plan.columns(source, self.first, self.last - self.first)]
        return [Source(source.layer, source.first + self.first, (self.last - self.first,))]


def _columns(symbol: Symbol, index: Any) -> Any:
    """The layer for an index of a symbol."""
    known = isinstance(index, tuple) and len(index) == 2 and index[0] in (slice(None), Ellipsis)
    if not known or len(symbol.row) != 1:
        raise TypeError(
            f"found a symbol of shape {symbol.shape} with the index {index!r}, wanted columns of "
            "vectors: x[:, first:last]"
        )
    part, size = index[1], symbol.row[0]
    if part is None:  # x[:, None]
        return Symbol.operators["expand_dims"](symbol, 1)
    number = isinstance(part, int | np.integer)
    if number:
        part = slice(part % size, part % size + 1)
    if not isinstance(part, slice):
        raise TypeError(f"found the columns {part!r}, wanted a number or a slice: x[:, first:last]")
    first, last, step = part.indices(size)
    if step != 1:
        raise TypeError("found columns with gaps, wanted one after another")
    computed = symbol._node is not None and not isinstance(symbol._node.layer, Columns)
    found = (Symbol.operators["selection"] if computed else Columns)(first, last)(symbol)
    return Symbol.operators["number"](found, ()) if number else found


Symbol.operators.update(columns=_columns, identity=Identity)

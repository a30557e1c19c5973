"""Layers for NumPy's functions of symbols: sums, means, other shapes, noise."""

import math
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from ..random import CONSTANT_ROWS, NOISE
from . import batch_numbers
from .activation_argument import UserActivation
from .fixed import FixedProduct, Permute
from .lowering import Plan, Row
from .merge import Concatenate, Dot, Maximum, Minimum
from .normalization import UnitNormalization
from .shapes import Reshape
from .symbols import CallError, Symbol
from .weight import DESCRIBED, zero


class RowSum(FixedProduct):
    """The sums or the means of rows along some of their dimensions.

    Parameters
    ----------
    axes : list of int, optional
        Counted from 1, as 0 is that of the rows; by default all.
    mean : bool, default False
    keepdims : bool, default False
        Whether the dimensions stay, with one element.
    """

    config_names: ClassVar[tuple[str, ...]] = ("axes", "mean", "keepdims")

    def __init__(
        self, axes: Any = None, mean: bool = False, keepdims: bool = False, **general: Any
    ) -> None:
        super().__init__(**general)
        given = None if axes is None else checks.listed("RowSum: axes", axes)
        self.axes = None if given is None else [checks.integer("RowSum: axes", a, 1) for a in given]
        self.mean = checks.flag("RowSum: mean", mean)
        self.keepdims = checks.flag("RowSum: keepdims", keepdims)

    def _places(self, row: Row) -> list[int]:
        return list(range(len(row))) if self.axes is None else [axis - 1 for axis in self.axes]

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return None
        summed = self._places(row)
        sizes = [1 if place in summed else size for place, size in enumerate(row)]
        kept = [size for place, size in enumerate(sizes) if self.keepdims or place not in summed]
        return tuple(kept)

    def _matrix(self, row: Row) -> Array:
        size, summed = math.prod(row), tuple(1 + place for place in self._places(row))
        sums: Array = np.eye(size).reshape(size, *row).sum(axis=summed).reshape(size, -1)
        return np.asarray(sums * (sums.shape[1] / size)) if self.mean else sums


class Spread(FixedProduct):
    """Rows broadcast to another shape, as NumPy does it.

    Parameters
    ----------
    target_shape : tuple of int
    """

    config_names: ClassVar[tuple[str, ...]] = ("target_shape",)

    def __init__(self, target_shape: Any, **general: Any) -> None:
        super().__init__(**general)
        name = f"{type(self).__name__}: target_shape"
        given = checks.listed(name, target_shape)
        self.target_shape = tuple(checks.integer(name, n, 1) for n in given)

    def _output_row(self, row: Row | None) -> Row | None:
        return self.target_shape

    def _matrix(self, row: Row) -> Array:
        size = math.prod(row)
        places = np.broadcast_to(np.arange(size).reshape(row), self.target_shape)
        return np.eye(size)[:, places.reshape(-1)]


class ZeroRows(Spread):
    """Zeros of a shape for each row, whatever the input; arguments as of `Spread`."""

    def _matrix(self, row: Row) -> Array:
        return np.zeros((math.prod(row), math.prod(self.target_shape)))


class Noise(FixedProduct):
    """Normal noise in training, and zeros else, whatever the input.

    It follows from the model's seed, as that of `GaussianNoise`.

    Parameters
    ----------
    units : int
    stddev : float, default 1.0
    uniform : bool, default False
        Whether it is uniform from 0 to 1, and 1/2 outside training: the normal distribution
        function of normal noise. That runs in Python, which is slow.
    """

    config_names: ClassVar[tuple[str, ...]] = ("units", "stddev", "uniform")

    def __init__(
        self, units: int, stddev: float = 1.0, uniform: bool = False, **general: Any
    ) -> None:
        super().__init__(**general)
        self.units = checks.width("Noise: units", units)
        self.stddev = checks.number("Noise: stddev", stddev, least=0, most=1e30)
        self.uniform = checks.flag("Noise: uniform", uniform)

    def _output_row(self, row: Row | None) -> Row | None:
        return (self.units,)

    def _matrix(self, row: Row) -> Array:
        return np.zeros((math.prod(row), self.units))

    def _plan(self, plan: Plan) -> None:
        super()._plan(plan)
        plan.add({"kind": "gaussian_noise", "stddev": self.stddev})
        if self.uniform:
            plan.close()
            slope = UserActivation(_normal_distribution, lambda x, a: np.zeros_like(x))
            plan.functions[plan.add({"kind": "function"})] = slope


def _axes(x: Symbol, axis: Any) -> tuple[int, ...] | None:
    """The axes of a row that are summed over, from 0; None: all, and the rows."""
    if axis is None:
        return None
    given = axis if isinstance(axis, list | tuple) else (axis,)
    places = sorted({int(one) + (x.ndim if one < 0 else 0) for one in given})
    if places == list(range(x.ndim)):
        return None
    return tuple(place - 1 for place in places)


def _reduced(name: str) -> Any:
    def reduced(x: Symbol, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        axes = _axes(x, axis)
        if axes is None and Symbol.operators["fixed"](x):  # of weights: once, not for each row
            return Symbol.operators["computed"](getattr(np, name), (x,), {"axis": None})
        if axes is None:
            return getattr(batch_numbers, "mean" if name == "mean" else "total")(x)
        if -1 in axes or any(place >= len(x.row) for place in axes):
            raise CallError(
                f"found numpy.{name} of a symbol of shape {x.shape} along {axis}, wanted "
                "dimensions of its rows (axis=-1 of vectors); or everything, for add_loss"
            )
        whole = axes == tuple(range(len(x.row)))
        places = None if whole else [place + 1 for place in axes]
        return RowSum(places, name == "mean", bool(keepdims))(x)

    return reduced


def _alike(*symbols: Symbol) -> tuple[Symbol, ...]:
    """Symbols of rows that broadcast, as those of one shape; one number goes with any."""
    if any(math.prod(symbol.row) == 1 for symbol in symbols):
        return symbols
    try:
        row = np.broadcast_shapes(*(symbol.row for symbol in symbols))
    except ValueError:
        return symbols  # the layer that merges them says so
    return tuple(symbol if symbol.row == row else Spread(row)(symbol) for symbol in symbols)


def _matmul(x: Symbol, y: Symbol) -> Symbol:
    """The matrix products of rows."""
    if len(x.row) not in (1, 2) or len(y.row) != 2:
        raise CallError(
            f"found numpy.matmul of symbols of shapes {x.shape} and {y.shape}, wanted rows that "
            "are a vector or a matrix, times a matrix"
        )
    found: Symbol = Dot(axes=(len(x.row), 1))([x, y])
    return found


def _transpose(x: Symbol, axes: Any = None) -> Symbol:
    if axes is None or not len(axes) or axes[0] != 0:
        raise CallError(
            f"found numpy.transpose of a symbol of shape {x.shape} with the axes {axes}, wanted "
            "0 first: the rows stay"
        )
    found: Symbol = Permute(tuple(axes)[1:])(x)
    return found


def _swapaxes(x: Symbol, axis1: int, axis2: int) -> Symbol:
    places = list(range(x.ndim))
    places[axis1], places[axis2] = places[axis2], places[axis1]
    return _transpose(x, places)


def _clip(x: Symbol, low: Any = None, high: Any = None, **named: Any) -> Symbol:
    low, high = named.get("x_min", low), named.get("x_max", high)
    above: Symbol = x if low is None else np.maximum(x, low)
    found: Symbol = above if high is None else np.minimum(above, high)
    return found


def _reshaped(x: Symbol, row: Row) -> Symbol:
    found: Symbol = Reshape(row)(x)
    return x if row == x.row else found


def _expand_dims(x: Symbol, axis: int) -> Symbol:
    place = int(axis) + (x.ndim + 1 if axis < 0 else 0)
    if not 0 < place <= x.ndim:
        raise CallError(f"found a new axis {axis} of a symbol of shape {x.shape}, wanted 1 to -1")
    return _reshaped(x, (*x.row[: place - 1], 1, *x.row[place - 1 :]))


def _squeeze(x: Symbol, axis: Any = None) -> Symbol:
    axes = _axes(x, axis) if axis is not None else None
    kept = [
        size
        for place, size in enumerate(x.row)
        if size != 1 or (axes is not None and place not in axes)
    ]
    return _reshaped(x, tuple(kept))


def _reshape(x: Symbol, shape: Any, **options: Any) -> Symbol:
    sizes = tuple(shape)
    if not sizes or sizes[0] not in (-1, None):
        raise CallError(
            f"found a symbol of shape {x.shape} in numpy.reshape to {sizes}, wanted (-1, ...): the "
            "number of rows stays"
        )
    return _reshaped(x, tuple(-1 if size is None else size for size in sizes[1:]))


def _side_by_side(arrays: Any, axis: int = -1, **options: Any) -> Symbol:
    place = axis - 1 if axis > 0 else axis
    if any(math.prod(part.row[:place]) != 1 for part in arrays):
        raise CallError(f"found arrays side by side along {axis}, wanted the first of rows")
    found: Symbol = Concatenate(axis)(list(arrays))
    return found


def _stack(arrays: Any, axis: int = 0, **options: Any) -> Symbol:
    parts = [_expand_dims(part, axis) for part in arrays]
    return parts[0] if len(parts) == 1 else _side_by_side(parts, axis)


def _largest(name: str, merge: type) -> Any:
    def largest(x: Symbol, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        if _axes(x, axis) != (0,) or len(x.row) != 1:
            raise CallError(
                f"found numpy.{name} of a symbol of shape {x.shape} along {axis}, wanted vectors, "
                "and -1"
            )
        parts = [x[:, place : place + 1] for place in range(x.row[0])]
        found = parts[0] if len(parts) == 1 else merge()(parts)
        return found if keepdims else _reshaped(found, ())

    return largest


def _unit(x: Symbol) -> Symbol:
    found: Symbol = UnitNormalization()(x)
    return found


def _norm(x: Symbol, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, 2, "euclidean"):
        raise CallError(f"found a norm of the order {ord} of a symbol, wanted 2")
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


def _normal_distribution(x: Array) -> Array:
    found = np.asarray(np.frompyfunc(math.erf, 1, 1)(x / math.sqrt(2)), np.float64)
    return np.asarray(0.5 + 0.5 * found, x.dtype)


def noise(shape: Any, mean: float, stddev: float, uniform: bool = False) -> Any:
    """Normal noise for each row of the layer that is being described, of shape (None, units).

    Raises
    ------
    CallError
        Nothing is being described, or rows of several dimensions.
    """
    if DESCRIBED.anchors and shape[0] is not None:  # the same for all rows
        of_all = Noise(math.prod(shape), stddev, uniform)(zero())
        found = _reshaped(of_all, tuple(int(size) for size in shape))
        # In Python all rows share one draw; a product in the core would take each row's own.
        return Symbol.operators["computed"](np.add, (found, float(mean)), {})
    if not DESCRIBED.anchors or len(shape) not in (1, 2):
        raise CallError(
            f"found noise of shape {tuple(shape)}, wanted vectors for the rows of a layer of one's "
            "own, in its method call: (None, units)"
        )
    anchor, _ = DESCRIBED.anchors[-1]
    drawn = Noise(int(shape[1]) if len(shape) == 2 else 1, stddev, uniform)(anchor)
    return drawn + mean if mean else drawn


def zero_rows(shape: Any) -> Any:
    """Zeros of shape (None, ...) for the rows of the layer that is being described.

    Raises
    ------
    CallError
        Nothing is being described.
    """
    if not DESCRIBED.anchors:
        raise CallError(f"found the shape {tuple(shape)} outside of a call of a layer or a model")
    anchor, _ = DESCRIBED.anchors[-1]
    return ZeroRows(tuple(int(size) for size in shape[1:]))(anchor)


Symbol.operators.update(
    spread=Spread,
    sum=_reduced("sum"),
    mean=_reduced("mean"),
    clip=_clip,
    expand_dims=_expand_dims,
    squeeze=_squeeze,
    reshape=_reshape,
    alike=_alike,
    matmul=_matmul,
    transpose=_transpose,
    swapaxes=_swapaxes,
    concatenate=_side_by_side,
    hstack=_side_by_side,
    stack=_stack,
    unit=_unit,
    norm=_norm,
    noise=noise,
    number=_reshaped,
)
for _name, _merge in (("max", Maximum), ("amax", Maximum), ("min", Minimum), ("amin", Minimum)):
    Symbol.operators[_name] = _largest(_name, _merge)
CONSTANT_ROWS[:] = [zero_rows]
NOISE[:] = [noise, lambda: DESCRIBED.layers]

"""Weights that a custom layer makes, and the core's layers that its operations with them become."""

import math
import operator
import threading
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .. import constraints, initializers, regularizers
from .._base import checks
from .._base.dtypes import Array, floatx
from .._base.keras_arrays import Variable
from .dense import Dense
from .fixed import FixedProduct
from .lowering import Row
from .periodic import Scale
from .symbols import CallError, Symbol, known_or_computed

_KNOWN = (
    "wanted matmul(x, kernel), or operators and functions of single elements of numbers for each "
    "feature, or of one number"
)


class Described(threading.local):
    """The custom layers that this thread describes at the moment, the innermost last.

    Attributes
    ----------
    anchors : list of (Symbol, list of Symbol)
        The first input of each, and the symbol of zeros that is made of it.
    layers : list
    """

    def __init__(self) -> None:
        self.anchors: list[tuple[Symbol, list[Symbol]]] = []
        self.layers: list[Any] = []


#: A thread's own: in another one weights are arrays all the while.
DESCRIBED = Described()


class Zeros(FixedProduct):
    """One zero for each row: a weight by itself is the bias of a dense layer of it."""

    def _output_row(self, row: Row | None) -> Row | None:
        return (1,)

    def _matrix(self, row: Row) -> Array:
        return np.zeros((math.prod(row), 1))


def zero() -> Symbol:
    """A zero for each row of the layer that is being described."""
    anchor, zeros = DESCRIBED.anchors[-1]
    if not zeros:
        zeros.append(Zeros()(anchor))
    return zeros[0]


def one() -> Symbol:
    """A one for each row, likewise."""
    found: Symbol = zero() + 1.0
    return found


class Weight(NDArrayOperatorsMixin):
    """The result of `OwnLayer.add_weight`: an array that training changes.

    With symbols it makes a dense layer, or the like, whose array it is; else it is an array.

    Attributes
    ----------
    name : str
    shape : tuple of int
    value : ndarray
        A view, once a model has the layer.
    """

    def __init__(
        self,
        name: str,
        shape: Any,
        initializer: Any,
        regularizer: Any,
        constraint: Any,
        trainable: bool,
    ) -> None:
        sizes = shape if isinstance(shape, tuple | list) else () if shape is None else (shape,)
        self.name = name
        self.shape: Row = tuple(checks.width(f"add_weight: {name}: shape", s) for s in sizes)
        self.initializer = initializers.get(initializer)
        self.regularizer = regularizers.get(regularizer)
        self.constraint = constraints.get(constraint)
        self.trainable = checks.flag(f"add_weight: {name}: trainable", trainable)
        self._dense: dict[Weight | None, Dense] = {}  # by the bias
        self._scale: Scale | None = None
        self._alone: Dense | None = None
        self._carrier: tuple[Any, str] | None = None  # the layer whose array it is, and which
        self.anyhow = False  # whether it is used in several ways: then always as a symbol
        self._array: Array | None = None  # of one that no output depends on, or of no layer

    @property
    def held(self) -> bool:
        """Whether it has an array of its own, as no output depends on it."""
        return self._array is not None and self._carrier is None

    def hold(self, dtype: Any = None) -> None:
        """Have an array of its own, of a dtype."""
        if self._array is None:
            self._array = np.asarray(self.initializer(self.shape, floatx()))
        if dtype is not None:
            self._array = self._array.astype(dtype, copy=False)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def value(self) -> Any:
        """The present numbers.

        Raises
        ------
        RuntimeError
            The layer has none yet.
        """
        if DESCRIBED.anchors:
            raise TypeError(
                f"weight {self.name} of shape {self.shape}: found a function of it alone that is "
                f"not one of single elements, {_KNOWN}"
            )
        if self.held:
            assert self._array is not None
            array = self._array.view(Variable)
            array.name, array.path, array._weight = self.name, self.name, self
            return array
        if self._carrier is None:
            raise RuntimeError(
                f"weight {self.name}: it has no numbers yet, wanted a layer that was called"
            )
        layer, name = self._carrier
        array = layer._built_views()[0][name].reshape(self.shape).view(Variable)
        array.name, array.path, array._weight = self.name, f"{layer.name}/{self.name}", self
        return array

    @property
    def dtype(self) -> Any:
        """The dtype of its numbers; before there are some, ``backend.floatx()``."""
        there = not DESCRIBED.anchors and (self.held or self._carrier is not None)
        return self.value.dtype if there else floatx()

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def T(self) -> Any:
        """The transpose."""
        return np.transpose(self)

    @property
    def hidden(self) -> int:
        """How many parameters the core has for it that are not its own."""
        alone = self._alone is not None and self._carrier == (self._alone, "bias")
        return math.prod(self.shape) if alone else 0

    def numpy(self) -> Array:
        """The present numbers."""
        found: Array = self.value.numpy()
        return found

    def assign(self, value: Any) -> "Weight":
        """Take these numbers, see `Variable.assign`.

        Raises
        ------
        TypeError
            A call is being described, where there are no numbers.
        """
        if DESCRIBED.anchors:
            raise CallError(
                f"weight {self.name}: found an assignment in a call that is a part of a model, "
                "which the core computes; wanted it in a callback, or in a custom loop"
            )
        self.value.assign(value)
        return self

    def assign_add(self, value: Any) -> "Weight":
        """Add these numbers."""
        return self.assign(None if DESCRIBED.anchors else self.value + value)

    def assign_sub(self, value: Any) -> "Weight":
        """Subtract these numbers."""
        return self.assign(None if DESCRIBED.anchors else self.value - value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if DESCRIBED.anchors or any(isinstance(given, Symbol) for given in inputs):
            return known_or_computed(lambda: with_weight(ufunc, inputs), ufunc, inputs, {})
        values = [given.value if isinstance(given, Weight) else given for given in inputs]
        return getattr(ufunc, method)(*values, **options)

    def __getitem__(self, index: Any) -> Any:
        if DESCRIBED.anchors:
            return Symbol.operators["computed"](operator.getitem, (self, index), {})
        return self.value[index]

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(np.empty(self.shape))

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __format__(self, form: str) -> str:
        return format(float(self), form) if form and self.shape == () else str(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __array_function__(self, function: Any, types: Any, given: Any, named: Any) -> Any:
        if function is np.transpose and DESCRIBED.anchors:
            return Symbol.operators["transposed"](self)
        if DESCRIBED.anchors and function in (np.expand_dims, np.reshape):
            return _reshaped(function, self, *given[1:], **named)
        if function is np.dot and len(given) == 2:
            return np.matmul(*given)
        if function is np.shape:
            return self.shape
        if DESCRIBED.anchors:
            return Symbol.operators["computed"](function, given, named)
        values = [part.value if isinstance(part, Weight) else part for part in given]
        return function(*values, **named)

    def __repr__(self) -> str:
        return f"<Weight {self.name}, shape={self.shape}>"

    # Layers of the core with this array -----------------------------------------------------------

    def dense(self, bias: "Weight | None") -> Dense:
        """The dense layer with this kernel and that bias; always the same one."""
        if bias not in self._dense:
            options: dict[str, Any] = {"use_bias": bias is not None}
            for role, weight in (("kernel", self), ("bias", bias)):
                if weight is not None:
                    options[f"{role}_initializer"] = weight.initializer
                    options[f"{role}_regularizer"] = weight.regularizer
                    options[f"{role}_constraint"] = weight.constraint
            layer = Dense(self.shape[1], trainable=self.trainable, **options)
            _carries(layer, kernel=self, bias=bias)
            self._dense[bias] = layer
        return self._dense[bias]

    def symbol(self, row: Row | None = None) -> Any:
        """The numbers as a symbol, the same for each row: a dense layer of zeros has them as its
        bias. Whatever is made of it costs memory for each row.

        Parameters
        ----------
        row : tuple of int, optional
            The shape of each row; by default that of the weight, (units,) for (1, units).
        """
        if not DESCRIBED.anchors:
            raise TypeError(f"weight {self.name}: found it together with symbols outside of a call")
        if self._alone is None:
            self._alone = Dense(
                math.prod(self.shape),
                kernel_initializer="zeros",
                bias_initializer=_of_shape(self),
                bias_regularizer=self.regularizer,
                bias_constraint=self.constraint,
                trainable=self.trainable,
            )
            _carries(self._alone, bias=self)
        found: Any = self._alone(zero())
        if row is None:
            row = self.shape[1:] if self.ndim == 2 and self.shape[0] == 1 else self.shape
        return found if row in ((), found.row) else Symbol.operators["reshape"](found, (-1, *row))

    def _activated(self, name: str) -> Any:
        """An activation of it, as of a symbol."""
        layer = Symbol.operators["activation"](name)
        if DESCRIBED.anchors:
            return layer(self.symbol())
        return layer(np.reshape(self.value, (1, -1))).reshape(self.shape)

    def scale(self) -> Scale:
        """The layer that multiplies with this array; always the same one."""
        if self._scale is None:
            self._scale = Scale(self.initializer, trainable=self.trainable)
            _carries(self._scale, scale=self)
        return self._scale


def _of_shape(weight: Weight) -> Any:
    """The initializer of a vector that holds the elements of a weight."""
    if weight.ndim == 1:
        return weight.initializer
    return _Reshaped(weight.initializer, weight.shape)


class _Reshaped(initializers.Initializer):
    """An initializer of another shape with as many elements."""

    def __init__(self, initializer: Any, shape: Row) -> None:
        self._initializer, self._shape = initializer, shape

    def fill(self, out: Array, fan_in: int, fan_out: int, seed: int, tensor: int) -> None:
        """Fill an array of those elements."""
        fans = (*self._shape[:1], *self._shape[-1:]) or (1, 1)
        self._initializer.fill(out.reshape(self._shape), *fans, seed, tensor)

    def get_config(self) -> Any:
        """As of the initializer."""
        return self._initializer.get_config()


def _reshaped(function: Any, weight: Weight, shape: Any, **named: Any) -> Any:
    """A weight with other dimensions; it has none for the rows."""
    row = function(np.empty(weight.shape), shape, **named).shape
    if row[:1] == (1,):  # which would be taken for that of the rows
        return Symbol.operators["computed"](function, (weight, shape), named)
    return Symbol.operators["reshape"](weight.symbol(), (-1, *row))


def _carries(layer: Any, **weights: Weight | None) -> None:
    vars(layer)["_carried"] = {name: weight for name, weight in weights.items() if weight}


def carried(layer: Any) -> dict[str, Weight]:
    """The weights whose arrays a layer has; empty for other layers."""
    found: dict[str, Weight] = vars(layer).get("_carried", {})
    return found


def with_weight(ufunc: Any, inputs: tuple[Any, ...]) -> Any:
    """A function of NumPy of a symbol and a weight, as a symbol.

    Raises
    ------
    TypeError
        The core has no such layer with weights.
    ValueError
        The shapes do not fit.
    """
    x, weight = (inputs + (None,))[:2]
    if isinstance(x, Weight) and ufunc in (np.add, np.multiply):
        x, weight = weight, x
    if ufunc is np.matmul and isinstance(x, Symbol) and isinstance(weight, Weight):
        if weight.ndim != 2 or not x.row or x.row[-1] != weight.shape[0]:
            raise ValueError(
                f"weight {weight.name}: found shape {weight.shape} in a product with rows of shape "
                f"{x.row}, wanted ({x.row[-1] if x.row else 1}, units)"
            )
        return np.matmul(x, weight.symbol()) if weight.anyhow else weight.dense(None)(x)
    if ufunc is np.matmul and isinstance(x, Symbol) and hasattr(weight, "product"):
        return weight.product(x)
    if ufunc is np.matmul:
        raise TypeError(f"found numpy.matmul of a weight from the left, {_KNOWN}")
    if isinstance(x, Symbol) and isinstance(weight, Weight):
        found = _fused(ufunc, x, weight)
        if found is not None:
            return found
    rows = [
        len(given.row) for given in inputs if isinstance(given, Symbol) and not _is_fixed(given)
    ]
    return ufunc(
        *(_aligned(given, rows) if isinstance(given, Weight) else given for given in inputs)
    )


def _is_fixed(symbol: Symbol) -> bool:
    return bool(Symbol.operators["fixed"](symbol))


def _aligned(weight: Weight, rows: list[int]) -> Any:
    """A weight as a symbol in a function of symbols whose rows have so many dimensions.

    NumPy aligns dimensions from the last one, so that the first of as many as those of a batch is
    that of the rows: it must be 1, and goes. Without symbols none may, as none would be missed.
    """
    dimensions = max(rows, default=0) + 1
    if rows and weight.ndim == dimensions and weight.shape[0] == 1:
        return weight.symbol(weight.shape[1:])
    if weight.ndim >= dimensions if rows else weight.ndim > 1 and weight.shape[0] == 1:
        raise ValueError(
            f"weight {weight.name}: found shape {weight.shape} with rows of {dimensions - 1} "
            "dimensions, wanted no more of them, or a first one of 1"
        )
    return weight.symbol(weight.shape)


def _fused(ufunc: Any, x: Symbol, weight: Weight) -> Any:
    """The layer of the core that does it at once: a dense layer with a bias, or factors."""
    if weight.anyhow:
        return None
    if ufunc is np.add and x._node is not None:
        product = carried(x._node.layer)
        kernel = product.get("kernel")
        fits = kernel is not None and weight.shape in ((kernel.shape[1],), (1, kernel.shape[1]))
        if kernel is not None and fits and "bias" not in product:
            # If only one of the two is trained, the bias is a layer of its own.
            if weight.trainable != kernel.trainable:
                return None
            return kernel.dense(weight)(x._node.inputs[0])
    plain = weight.regularizer is None and weight.constraint is None
    if ufunc is np.multiply and plain and weight.shape in (x.row, (1, *x.row)) and len(x.row) == 1:
        return weight.scale()(x)
    return None

"""Symbols: the inputs and outputs of layers while a model is described, before data are there."""

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .._base.dtypes import floatx
from .._data.structures import leaves, packed
from .lowering import Row

if TYPE_CHECKING:  # whose module imports this one
    from .base import Layer


#: NumPy's functions of symbols that layers compute.
_FUNCTIONS = frozenset(
    (
        "amax", "amin", "clip", "concatenate", "expand_dims", "hstack", "max", "mean", "min",
        "norm", "reshape", "squeeze", "stack", "sum", "swapaxes", "transpose",
    )
)  # fmt: skip


class Symbol(NDArrayOperatorsMixin):
    """An input of a model, or the output of a layer: its shape, and the call that it comes from.

    Layers that are called with symbols return symbols; ``Model(inputs, outputs)`` makes a model of
    them. Keras calls it a KerasTensor.

    Attributes
    ----------
    shape : tuple
        (None, ...): any number of rows.
    dtype : str
    name : str
    """

    #: What operators and functions become, by name. The modules with the layers, which import this
    #: one, add them; "derived" makes an activation of a Python function.
    operators: ClassVar[dict[str, Any]] = {}

    _node: "Node | None" = None  # of an input: None
    #: Whether Python computes it from other symbols, and therefore also functions of it.
    _in_python: ClassVar[bool] = False
    #: For functions of other modules, which do not know this one.
    _known_or_computed: ClassVar[Any]

    def __init__(self, row: Row, node: "Node", place: int) -> None:
        self._row = row
        self._node = node
        self._place = place  # among the node's outputs

    @property
    def row(self) -> Row:
        """The shape of a row."""
        return self._row

    @property
    def shape(self) -> tuple[int | None, ...]:
        """(None, ...): any number of rows."""
        return (None, *self.row)

    @property
    def ndim(self) -> int:
        """The number of dimensions, with that of the rows."""
        return 1 + len(self.row)

    @property
    def dtype(self) -> str:
        """Keras's default dtype; the model that is made of symbols has its own."""
        return floatx()

    @property
    def name(self) -> str | None:
        """The name of the layer that it comes from."""
        return None if self._node is None else self._node.layer.name

    def __array__(self, *arguments: Any, **named: Any) -> NoReturn:
        raise TypeError(
            f"found {self!r}, which has no numbers: it describes a model, wanted an array (a model "
            "or a layer that is called with an array computes)"
        )

    def __iter__(self) -> NoReturn:
        raise TypeError(f"found {self!r}, which cannot be taken apart: it has no numbers")

    def __bool__(self) -> NoReturn:
        # As every object it would be true, and one branch the whole model.
        raise CallError(
            f"found {self!r} as a condition, wanted a function of single elements such as "
            "numpy.where, or numbers that do not depend on the inputs: a symbol has none"
        )

    # Operators and NumPy's functions make layers.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options and options["out"] == inputs[:1]:  # x -= y makes another symbol
            del options["out"]
        if method != "__call__" or options or any(one._in_python for one in symbols_among(inputs)):
            applied = ufunc if method == "__call__" else getattr(ufunc, method)
            return self.operators["computed"](applied, inputs, options)
        return known_or_computed(
            lambda: self.operators["element"](ufunc, inputs), ufunc, inputs, {}
        )

    def __array_function__(self, function: Any, types: Any, given: Any, named: Any) -> Any:
        if function is np.shape:
            return self.shape
        if function is np.ndim:
            return self.ndim
        if function is np.dot:
            return np.matmul(*given)
        # Those of weights have no dimension for the rows, as these functions would assume.
        if any(one._in_python or self.operators["fixed"](one) for one in symbols_among(given)):
            return self.operators["computed"](function, given, named)

        def known() -> Any:
            if function.__name__ in _FUNCTIONS:
                return self.operators[function.__name__](*given, **named)
            return NotImplemented

        return known_or_computed(known, function, given, named)

    def __getitem__(self, index: Any) -> Any:
        if self.operators["fixed"](self):
            return self.operators["computed"](operator.getitem, (self, index), {})
        return known_or_computed(
            lambda: self.operators["columns"](self, index), operator.getitem, (self, index), {}
        )

    def _activated(self, activation: Any) -> Any:
        return self.operators["activation"](activation)(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<Symbol shape={self.shape}, name={self.name}>"


def symbols_among(things: Any) -> Iterator[Symbol]:
    """The symbols among things, also within lists."""
    for thing in things:
        if isinstance(thing, Symbol):
            yield thing
        elif isinstance(thing, list | tuple):
            yield from symbols_among(thing)


def known_or_computed(known: Callable[[], Any], function: Any, given: Any, named: Any) -> Any:
    """Layers of the core applied to symbols; else a layer that Python computes.

    Raises
    ------
    TypeError, ValueError
        Neither knows the function; what the layers say.
    """
    try:
        found = known()
        if found is not NotImplemented:
            return found
        error: Exception = TypeError(
            f"found {getattr(function, '__name__', function)} of a symbol, wanted layers, or "
            "functions of arrays"
        )
    except ConditionError:
        raise
    except (TypeError, ValueError) as refusal:
        error = refusal
    try:
        return Symbol.operators["computed"](function, given, named)
    except Exception:
        raise error from None


class WhenTrained:
    """The `training` that a user's `call` gets while it is described: it may hand it on.

    What a layer does in training and else is one graph for the core; its own dropout and noise tell
    the two apart. A `call` with a condition on it is described twice, for each assumption.

    Parameters
    ----------
    assumed : bool, optional
        What a condition gets; None: it raises `ConditionError`.
    """

    def __init__(self, assumed: bool | None = None) -> None:
        self._assumed = assumed

    def __bool__(self) -> bool:
        if self._assumed is None:
            raise ConditionError(
                "training: found a condition, wanted it handed on to other layers: GaussianNoise, "
                "GaussianDropout, Dropout and BatchNormalization know when a model is trained"
            )
        return self._assumed

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self) == other

    def __hash__(self) -> int:
        return id(self)


class CallError(TypeError):
    """A custom layer does something that no graph can hold; a call with arrays would not help."""


class ConditionError(CallError):
    """A `call` asks whether the model is trained."""


WHEN_TRAINED = WhenTrained()
Symbol._known_or_computed = staticmethod(known_or_computed)


class Node:
    """One call of a layer with symbols.

    Attributes
    ----------
    layer : Layer
    inputs, outputs : list of Symbol
    form : Form or None
        How a custom layer was called, if not with its inputs alone.
    number : int
        Larger than those of earlier calls.
    """

    _numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(
        self, layer: "Layer", inputs: Sequence[Symbol], rows: Sequence[Row], form: Any = None
    ) -> None:
        self.layer = layer
        self.inputs = list(inputs)
        self.outputs = [Symbol(row, self, place) for place, row in enumerate(rows)]
        self.form = form
        self.number = next(self._numbers)


def is_keras_tensor(x: Any) -> bool:
    """Whether x is a symbol: an `Input`, or the result of a layer that was called with one."""
    return isinstance(x, Symbol)


def are_symbols(inputs: Any) -> bool:
    """Whether a layer is called with symbols; TypeError for a mixture of them and others."""
    if isinstance(inputs, Symbol):
        return True
    if not isinstance(inputs, list | tuple | dict):
        return False
    found = leaves(inputs)
    count = sum(isinstance(leaf, Symbol) for leaf in found)
    if 0 < count < len(found):
        other = next(leaf for leaf in found if not isinstance(leaf, Symbol))
        raise TypeError(
            f"found symbols together with {type(other).__name__}, wanted symbols only, or numbers "
            "only"
        )
    return count > 0


def node_of(layer: "Layer", symbols: Sequence[Symbol], form: Any = None) -> Node:
    """Call a layer with symbols in its own order; `form` as in `Node`.

    Raises
    ------
    ValueError
        The layer does not take rows of these shapes, or another number of inputs.
    """
    rows = layer._rows_of_call([symbol.row for symbol in symbols], form)
    node = Node(layer, symbols, rows, form)
    layer._nodes.append(node)
    return node


def connect(layer: "Layer", inputs: Any, form: Any = None) -> Any:
    """Call a layer with symbols; returns those of its outputs, see `node_of`."""
    form = layer._form_of(inputs) if form is None else form
    node = node_of(layer, layer._ordered(inputs), form)
    return packed(layer._structure_of_call(node), node.outputs)

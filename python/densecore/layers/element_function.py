"""Python functions as layers: they are derived, and run in Python."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .._autodiff.traced import Traced
from .._base import checks
from .._base.registry import name_that_finds
from . import activation_argument as functions
from .base import Layer
from .graph import lower, trace
from .input import Input
from .lowering import Plan, Row, Source
from .symbols import Node, Symbol
from .weight import Weight, with_weight
from .whole_function import WholeFunction


class DerivedActivation(functions.UserActivation):
    """A Python function whose derivative the tracer finds.

    Parameters
    ----------
    function : callable
        Of an array (rows, ...), with a result of that shape; written with NumPy's functions or
        those of ``densecore.ops``.

    Raises
    ------
    TypeError
        When it is called: its derivative is not known.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.given = function

    @property
    def __name__(self) -> str:
        return str(getattr(self.given, "__name__", type(self.given).__name__))

    def __call__(self, x: Any) -> Any:
        """The function of an array."""
        return self.given(x)

    def add_to(self, plan: Plan) -> None:
        row, units = plan.row, plan.width
        number = plan.add({"kind": "function", "units": units}, units)
        plan.functions[number] = WholeFunction(
            lambda parts, _: self.given(parts[0]), [row], [False], row, "rows"
        )
        plan.close(row)

    def get_config(self) -> dict[str, Any]:
        """The function's name, which `custom_objects` or a registration make known again; raises
        for one without."""
        name = name_that_finds(self.given)
        if name is None and not self.__name__.isidentifier():
            return super().get_config()
        return {"registered": name or self.__name__}

    def __repr__(self) -> str:
        return self.__name__


class ElementFunction(Layer):
    """A function of NumPy, of each element of x, or of each and a number.

    What operators and NumPy's functions make of a symbol: ``1 - x``, ``np.exp(x)``.

    Parameters
    ----------
    function : str
        The name of one of NumPy's functions of single elements that are derived.
    constant : float, optional
        The other argument.
    constant_first : bool, default False

    Raises
    ------
    ValueError
        Another function.
    """

    config_names: ClassVar[tuple[str, ...]] = ("function", "constant", "constant_first")

    def __init__(
        self,
        function: str,
        constant: float | None = None,
        constant_first: bool = False,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        known = {ufunc.__name__: ufunc for ufunc in Traced.ufuncs}
        self.function = checks.text("ElementFunction: function", function)
        if function not in known or function == "matmul":
            raise ValueError(
                f"ElementFunction: function: found {function!r}, wanted one of {', '.join(known)}"
            )
        name = "ElementFunction: constant"
        self.constant = None if constant is None else checks.number(name, constant)
        self.constant_first = checks.flag("ElementFunction: constant_first", constant_first)
        self._ufunc = known[function]

    def compute(self, x: Any) -> Any:
        """The function of an array."""
        if self.constant is None:
            return self._ufunc(x)
        pair = (self.constant, x) if self.constant_first else (x, self.constant)
        return self._ufunc(*pair)

    def _plan(self, plan: Plan) -> None:
        plan.close()
        functions.add_to(plan, DerivedActivation(self.compute))


class Lambda(Layer):
    """A Python function as a layer; it runs in Python, which is slow.

    Called with symbols it is called with them, and its operators and NumPy's functions become
    layers. In a stack it must be a function of single elements.

    Parameters
    ----------
    function : callable
    output_shape, mask
        Accepted for Keras's sake, and without effect.
    arguments : dict, optional
        Further arguments of the function, by name.
    """

    config_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: None = None,
        arguments: dict[str, Any] | None = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        if not callable(function):
            raise TypeError(f"Lambda: found {type(function).__name__}, wanted a function")
        self._function = function
        self._arguments = dict(arguments or {})
        self._derived = DerivedActivation(self.compute)

    def compute(self, x: Any) -> Any:
        """The function of an array, or of symbols."""
        return self._function(x, **self._arguments)

    def _called_with(self, inputs: Any) -> Any:
        before = next(Node._numbers)
        try:
            found = self.compute(inputs)
        except TypeError:
            if not isinstance(inputs, Symbol):
                raise
            return None  # what a symbol does not know may be a function of single elements yet
        if self.name is None or not isinstance(found, Symbol) or "_is_named" in vars(self):
            return found
        vars(self)["_is_named"] = True  # no model may have two layers of a name
        return self._named(found, before)

    def _named(self, found: Any, before: int) -> Any:
        """The result of a layer with this name: the last of those that the function made, which are
        newer than `before`, or one more behind it."""
        node = None if found._in_python else found._node
        layer: Any = None if node is None or node.number < before else node.layer
        if layer is None or layer.name is not None or layer.parameter_names or layer._is_own:
            layer = Symbol.operators["identity"]()
            found = layer(found)
        layer.name = self.name
        return found

    def _body(self, row: Row) -> Any:
        """An input, and the function's result for such rows; None for a function of single elements
        that is not one of NumPy's."""
        bodies = vars(self).setdefault("_bodies", {})
        if row not in bodies:
            symbol = Input(row)
            try:
                bodies[row] = symbol, Symbol.operators["computed"](self.compute, (symbol,), {})
                _ = bodies[row][1].row  # raises
            except (TypeError, ValueError):
                bodies[row] = None
        return bodies[row]

    def _output_row(self, row: Row | None) -> Row | None:
        body = None if row is None else self._body(row)
        return row if body is None else body[1].row

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        source = plan.whole(sources[0])
        body = self._body(source.row)
        if body is None:
            return super()._lower(plan, sources)
        symbol, found = body
        return lower(plan, trace([symbol], [found]).nodes, [symbol], [found], [source])

    def get_config(self) -> dict[str, Any]:
        """The function's registered name.

        Raises
        ------
        TypeError
            It is not registered: a file cannot hold it.
        """
        name = name_that_finds(self._function)
        if name is None:
            raise TypeError(
                f"Lambda: found the function {self._derived!r}, which a file cannot hold; wanted "
                "one that saving.register_keras_serializable has made known"
            )
        config = super().get_config()
        return {**config, "function": {"registered": name}, "arguments": self._arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Lambda":
        arguments = {key: value for key, value in config.items() if key != "class"}
        arguments["function"] = functions.registered(arguments["function"])
        return cls(**arguments)

    def _plan(self, plan: Plan) -> None:
        plan.close()
        functions.add_to(plan, self._derived)


def _element_function(ufunc: Any, inputs: tuple[Any, ...]) -> Any:
    """NumPy's function of a symbol, as a symbol; or NotImplemented."""
    if any(isinstance(given, Weight) or hasattr(given, "product") for given in inputs):
        return with_weight(ufunc, inputs)
    numbers = [given for given in inputs if not isinstance(given, Symbol)]
    if ufunc not in Traced.ufuncs or len(inputs) > 2:
        return NotImplemented
    for given in numbers:
        if np.ndim(given):
            raise TypeError(
                f"found numpy.{ufunc.__name__} of a symbol and an array of shape {np.shape(given)}"
                ", wanted layers, functions of single elements and numbers, or a layer's own "
                "weights (add_weight)"
            )
    symbol = next(given for given in inputs if isinstance(given, Symbol))
    if len(inputs) == 1:
        return ElementFunction(ufunc.__name__)(symbol)
    if numbers:
        first = not isinstance(inputs[0], Symbol)
        return ElementFunction(ufunc.__name__, float(numbers[0]), first)(symbol)
    if ufunc is np.matmul:
        return Symbol.operators["matmul"](*inputs)
    inputs = Symbol.operators["alike"](*inputs)
    if ufunc is np.divide:
        return inputs[0] * _element_function(np.reciprocal, inputs[1:])
    merge = Symbol.operators.get(ufunc.__name__)
    return NotImplemented if merge is None else merge()(list(inputs))


Symbol.operators["element"] = _element_function
Symbol.operators["derived"] = DerivedActivation

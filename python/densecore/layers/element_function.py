"""Python functions of single elements as layers: they are derived, and run in Python."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .._autodiff.derive import ConstantError, derive, sees_elements_only
from .._autodiff.traced import Traced
from .._base import checks
from .._base.dtypes import Array
from .._base.registry import name_that_finds
from . import activation_argument as functions
from .base import Layer
from .lowering import Plan
from .symbols import Symbol
from .weight import Weight, with_weight


class DerivedActivation(functions.UserActivation):
    """A Python function whose derivative the tracer finds.

    Parameters
    ----------
    function : callable
        Of an array (rows, units), element by element, written with NumPy's functions or those of
        ``densecore.ops``.

    Raises
    ------
    TypeError
        When it is called: the function looks at more than one element at once, or its derivative
        is not known.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.given = function
        self._checked = self._tried = False
        super().__init__(self._value, self._slope)

    @property
    def __name__(self) -> str:
        return str(getattr(self.given, "__name__", type(self.given).__name__))

    def _value(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            found = np.asarray(self.given(x))
        if found.shape != x.shape:
            raise self._refusal(f"returned shape {found.shape} for {x.shape}")
        if not self._tried and found.size:
            if self._is_changed_by_others(x, found):
                raise self._refusal(
                    "looks at several elements at once, or changes from call to call"
                )
            self._tried = True
        return found

    def _is_changed_by_others(self, x: Array, found: Array) -> bool:
        """Whether elements of f(x) change with other elements of x, or when more rows
        follow. The derivative says it, too, but neither a prediction nor a first layer has one."""
        stays = np.indices(x.shape).sum(axis=0) % 2 == 0
        tried = (np.where(stays, x, x[::-1] / 2 + 1), stays), (np.concatenate([x, x + 1]), ...)
        tolerance = 1e-4 if x.dtype == np.float32 else 1e-8
        for given, kept in tried:
            with np.errstate(all="ignore"):
                now = np.asarray(self.given(given))[: len(x)]
            if now.shape != x.shape or not np.allclose(
                now[kept], found[kept], rtol=tolerance, atol=0, equal_nan=True
            ):
                return True
        return False

    def _slope(self, x: Array, a: Array) -> Array:
        try:
            _, back = derive(self.given, x.astype(np.float64))
        except ConstantError:  # a step, such as numpy.sign or x > 0
            return np.zeros(x.shape)
        if not self._checked and not sees_elements_only(back, x.shape):
            raise self._refusal("looks at several elements at once")
        self._checked = True
        return back(np.ones(x.shape))

    def _refusal(self, what: str) -> TypeError:
        return TypeError(
            f"activation: found the function {self.__name__}, which {what}, wanted one of single "
            "elements"
        )

    def get_config(self) -> dict[str, Any]:
        """The function's name, which `custom_objects` or a registration make known again; raises
        for one without."""
        name = name_that_finds(self.given) or self.__name__
        return {"registered": name} if name.isidentifier() else super().get_config()

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
        try:
            return self.compute(inputs)
        except TypeError:
            if not isinstance(inputs, Symbol):
                raise
            return None  # what a symbol does not know may be a function of single elements yet

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
    """What NumPy's function of a symbol is: a symbol, or NotImplemented."""
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

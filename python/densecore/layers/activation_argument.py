"""The argument `activation` of layers, and its form in the core."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import activations
from .._base.registry import get_registered_object
from .base import Layer
from .lowering import Plan
from .symbols import Symbol


class UserActivation:
    """A pair of Python functions, as `Activation` describes them."""

    def __init__(self, function: Callable[..., Any], derivative: Callable[..., Any]) -> None:
        if not (callable(function) and callable(derivative)):
            raise TypeError(
                "activation: found a pair, wanted two functions: function(x) and derivative(x, a)"
            )
        if isinstance(derivative, np.ufunc) and derivative.nin == 1:
            # It would take its second argument for where to write.
            name = derivative.__name__
            raise TypeError(
                f"activation: found numpy.{name} as the derivative, wanted a function of two "
                f"arrays, such as lambda x, a: numpy.{name}(x)"
            )
        self.function, self.derivative = function, derivative

    def add_to(self, plan: Plan) -> None:
        """Append the function to a plan."""
        plan.functions[plan.add({"kind": "function"})] = self

    def get_config(self) -> dict[str, Any]:
        """Raises: Python functions cannot be written to a file."""
        raise TypeError(
            f"activation: found the Python functions {self!r}, which a file cannot hold; wanted "
            "one of " + ", ".join(activations.names())
        )

    def __repr__(self) -> str:
        names = (getattr(f, "__name__", "function") for f in (self.function, self.derivative))
        return f"({', '.join(names)})"


class FunctionName(str):
    """The name of one of the core's functions, which may also be called, as Keras's
    ``layer.activation``."""

    __slots__ = ()

    @property
    def __name__(self) -> str:
        return str(self)

    def __call__(self, x: Any) -> Any:
        """The function of an array, or of a symbol."""
        return activations.get(str(self))(x)


def function_of(activation: Any) -> Any:
    """An `activation` argument as a name, or as an object where a name is not enough."""
    if isinstance(activation, UserActivation):
        return activation
    if isinstance(activation, tuple | list):
        if len(activation) != 2:
            raise TypeError(
                f"activation: found {len(activation)} elements, wanted a name or a pair (function, "
                "derivative)"
            )
        return UserActivation(*activation)
    given = vars(activation).get("activation") if isinstance(activation, Layer) else None
    if given is not None and not activation.parameter_names:
        return given  # Keras's Dense(8, activation=LeakyReLU())
    if isinstance(activation, Mapping) and "registered" in activation:
        activation = registered(activation)
    if isinstance(activation, str) and callable(custom := get_registered_object(activation)):
        activation = custom
    if isinstance(activation, str) and activation in activations.ALONE:
        activation = activations.ALONE[activation]
    known = activations.Activation | Layer | type | str
    if callable(activation) and not isinstance(activation, known):
        return Symbol.operators["derived"](activation)  # set by `element_function`
    function = activations.get(activation)
    # A function whose parameters are the defaults is stored by its name.
    return FunctionName(function.name) if function.is_default else function


def registered(config: Any) -> Any:
    """The function that a configuration names.

    Raises
    ------
    ValueError
        There is no such function here.
    """
    name = config["registered"]
    found = get_registered_object(name) or activations.ALONE.get(name)
    if not callable(found):
        raise ValueError(
            f"found the function {name!r}, which is not known here, wanted custom_objects with it"
        )
    return found


def add_to(plan: Plan, activation: Any) -> None:
    """Append the function to a plan."""
    if isinstance(activation, UserActivation):
        activation.add_to(plan)
    else:
        plan.activate(*activations.get(activation)._kernel())

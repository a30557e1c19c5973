"""Activations with Keras's names: functions of arrays, and arguments of layers.

``activations.relu(z, negative_slope=0.1)`` computes; ``Dense(8, "relu")``, ``Dense(8,
activations.relu)`` and ``Dense(8, activations.Activation("relu", negative_slope=0.1))`` are layers.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from ._autodiff.traced import Traced, plain
from ._base import checks
from ._base.dtypes import DTYPES, KERNELS, Array, real_dtype
from ._base.fixed import Fixed
from ._base.lookup import unknown
from ._base.registry import Registry

_CORE_PARAMETERS = KERNELS.activations()


def _defaults(name: str) -> dict[str, Any]:
    """An activation's parameters and their values when none are given, in Keras's order."""
    if name == "gelu":
        return {"approximate": False}
    if name == "relu":
        return {"negative_slope": 0.0, "max_value": None, "threshold": 0.0}
    return dict(_CORE_PARAMETERS[name])


class Activation(Fixed):
    """A named activation with its parameters: a function of arrays, and an argument of layers.

    Parameters
    ----------
    name : str
        See ``densecore.activations.names()``, or an alias.
    **parameters : float
        Keras's keyword arguments of the function: ``negative_slope``, ``max_value`` and
        ``threshold`` of relu, ``negative_slope`` of leaky_relu, ``alpha`` of elu and celu,
        ``approximate`` of gelu, ``threshold`` and ``default_value`` of threshold.

    Attributes
    ----------
    name : str
    parameters : mapping
        Every parameter with its value; read-only.

    Raises
    ------
    ValueError
        The name is unknown, or a parameter is out of its range.
    TypeError
        The activation has no such parameter, or its value is not a number.
    """

    def __init__(self, name: str, **parameters: Any) -> None:
        resolved = ACTIVATIONS.canonical(name)
        if resolved is None:
            unknown("activation", name, ACTIVATIONS.words())
        self.name: str = resolved
        found = _defaults(resolved)
        for key, value in parameters.items():
            if key not in found:
                known = ", ".join(found) or "none"
                raise TypeError(f"{resolved}: found the parameter {key!r}, wanted one of: {known}")
            found[key] = _number(resolved, key, value)
        self.parameters: Mapping[str, Any] = MappingProxyType(found)
        self.__doc__ = _FORMULAS[resolved]
        KERNELS.check_activation(*self._kernel())

    @property
    def __name__(self) -> str:
        """As of a function."""
        return self.name

    @property
    def is_default(self) -> bool:
        """Whether every parameter has the value that it has when none is given."""
        return self.parameters == _defaults(self.name)

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` and `get` make an equal one; JSON-able."""
        return {"name": self.name, **self.parameters}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Activation":
        """The activation that `get_config` describes."""
        return cls(**config)

    # For pickle, copy and skops, which writes what this returns.
    def __getstate__(self) -> dict[str, Any]:
        return self.get_config()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(vars(type(self).from_config(state)))

    def _kernel(self) -> tuple[str, list[float]]:
        """The core's name and its parameters: none when they are the initial values."""
        if self.is_default:
            return self.name, []
        if self.name == "gelu":
            return "gelu_tanh", []
        values = [math.inf if value is None else value for value in self.parameters.values()]
        return ("relu_general" if self.name == "relu" else self.name), values

    def _traced(self, z: Traced) -> Traced:
        """f(z) within a custom loss, with its derivative."""
        name, parameters = self._kernel()
        value = np.require(z.value, np.float64, ["C", "A"])
        rows = value.reshape(-1, value.shape[-1]) if value.ndim else value.reshape(1, 1)
        kernels = DTYPES["float64"].kernels
        a = np.empty_like(rows)
        kernels.activation(name, rows, a, parameters)

        def back(gradient: Array) -> Array:
            g = np.require(gradient, np.float64, ["C", "A"]).reshape(rows.shape)
            found = np.empty_like(rows)
            kernels.activation_gradient(name, rows, a, g, found, parameters)
            return found.reshape(value.shape)

        return Traced(a.reshape(value.shape), [(z, back)])

    def __call__(self, z: Any, *arguments: Any, **parameters: Any) -> Any:
        """f(z), element by element, or along the last axis for softmax and log_softmax.

        Parameters
        ----------
        z : array_like
            Computed in float32 if it is float32, else in float64.
        *arguments, **parameters
            The activation's parameters, instead of its own: in Keras's order, or by name.

        Returns
        -------
        ndarray of z's shape
        """
        if isinstance(z, Traced) and not (arguments or parameters):
            return self._traced(z)
        if hasattr(z, "_activated"):  # a symbol of a model that is being described
            return z._activated(self)
        if arguments or parameters:
            if len(arguments) > len(self.parameters):
                raise TypeError(
                    f"{self.name}: found {1 + len(arguments)} arguments, wanted at most "
                    f"{1 + len(self.parameters)}"
                )
            given = {**self.parameters, **dict(zip(self.parameters, arguments, strict=False))}
            return Activation(self.name, **{**given, **parameters})(z)
        found = np.asarray(z)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"z: found dtype {found.dtype}, wanted real numbers")
        dtype = real_dtype(found.dtype)
        values = np.require(found, dtype, ["C", "A"])
        result = np.empty_like(values)
        if values.size:
            columns = values.shape[-1] if values.ndim else 1
            name, numbers = self._kernel()
            DTYPES[dtype].kernels.activation(
                name, values.reshape(-1, columns), result.reshape(-1, columns), numbers
            )
        return result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Activation) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.name, *self.parameters.values()))

    def _changed(self) -> list[str]:
        defaults = _defaults(self.name)
        return [
            f"{key}={value!r}" for key, value in self.parameters.items() if value != defaults[key]
        ]

    def __str__(self) -> str:
        return self.name if self.is_default else f"{self.name}({', '.join(self._changed())})"

    def __repr__(self) -> str:
        return f"Activation({', '.join([repr(self.name), *self._changed()])})"


def _number(activation: str, key: str, value: Any) -> float | bool | None:
    if key == "max_value" and (value is None or (isinstance(value, float) and value == math.inf)):
        return None
    check = checks.flag if key == "approximate" else checks.number
    return check(f"{activation}: {key}", value)


class _Activations(Registry[Activation]):
    def serialize(self, thing: Activation) -> dict[str, Any]:
        """The configuration of which `deserialize` makes an equal activation; JSON-able."""
        if not isinstance(thing, Activation):
            raise TypeError(f"activation: found {checks.shown(thing)}, wanted an Activation")
        return thing.get_config()


ACTIVATIONS = _Activations("activation", Activation)
_FORMULAS: dict[str, str] = {}


def _activation(name: str, formula: str, *aliases: str) -> Activation:
    """The activation of a name of the core's, made known to every look-up."""
    _FORMULAS[name] = formula
    ACTIVATIONS.add(name, partial(Activation, name), *aliases)
    return Activation(name)


linear = identity = _activation("linear", "z", "identity")
sigmoid = _activation("sigmoid", "1 / (1 + exp(-z))")
tanh = _activation("tanh", "The hyperbolic tangent.")
relu = _activation(
    "relu",
    "z where it is > threshold, at most max_value; else negative_slope (z - threshold).",
)
softmax = _activation("softmax", "exp(z_i) / Σ exp(z_j) over the last axis.")
leaky_relu = _activation("leaky_relu", "z, and below 0 negative_slope z.")
relu6 = _activation("relu6", "min(max(z, 0), 6)")
elu = _activation("elu", "z, and below 0 alpha (exp(z) - 1).")
selu = _activation("selu", "elu with the two constants of self-normalising networks.")
celu = _activation("celu", "z, and below 0 alpha (exp(z / alpha) - 1).")
exponential = _activation("exponential", "exp(z)")
gelu = _activation(
    "gelu",
    "z Φ(z), Φ of the normal distribution; approximate=True: its formula with tanh.",
)
silu = swish = _activation("silu", "z sigmoid(z), also called swish.", "swish")
mish = _activation("mish", "z tanh(softplus(z))")
softplus = _activation("softplus", "log(1 + exp(z))")
softsign = _activation("softsign", "z / (1 + |z|)")
log_sigmoid = _activation("log_sigmoid", "log(sigmoid(z)) = -softplus(-z)")
hard_sigmoid = _activation("hard_sigmoid", "relu6(z + 3) / 6")
hard_silu = hard_swish = _activation("hard_silu", "z hard_sigmoid(z)", "hard_swish")
hard_tanh = _activation("hard_tanh", "min(max(z, -1), 1)")
hard_shrink = _activation("hard_shrink", "z where |z| > threshold, else 0.")
soft_shrink = _activation("soft_shrink", "z - threshold sign(z) where |z| > threshold, else 0.")
threshold = _activation("threshold", "z where it is > threshold, else default_value.")
sparse_plus = _activation("sparse_plus", "0 below -1, (z + 1)² / 4 between, z above 1.")
sparse_sigmoid = _activation("sparse_sigmoid", "0 below -1, (z + 1) / 2 between, 1 above 1.")
squareplus = _activation("squareplus", "(z + sqrt(z² + b)) / 2")
tanh_shrink = _activation("tanh_shrink", "z - tanh(z)")
log_softmax = _activation("log_softmax", "log(softmax(z)) over the last axis.")


def glu(x: Any, axis: int = -1) -> Any:
    """The first half of x along an axis, times the sigmoid of the second; a function alone, as it
    has half of the units.

    Parameters
    ----------
    x : array_like, or Symbol
    axis : int, default -1
    """
    first, second = np.split(x, 2, axis=axis)
    return first * sigmoid(second)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """The nearest probabilities along an axis, many of them 0 (Martins and Astudillo, 2016).

    A function alone: in a model it runs in Python.

    Parameters
    ----------
    x : array_like, or Symbol
    axis : int, default -1
    """
    if hasattr(x, "operators"):  # a symbol of a model that is being described
        return x.operators["computed"](sparsemax, (x, axis), {})
    x = x if isinstance(x, Traced) else np.asarray(x)
    values = plain(x)
    ordered = -np.sort(-values, axis=axis)
    shape = [1] * values.ndim
    shape[axis] = -1
    count = np.arange(1, values.shape[axis] + 1).reshape(shape)
    support = 1 + count * ordered > np.cumsum(ordered, axis=axis)
    least = np.min(np.where(support, ordered, np.inf), axis=axis, keepdims=True)
    within = values >= least
    size = within.sum(axis=axis, keepdims=True)
    threshold = (np.sum(x * within, axis=axis, keepdims=True) - 1) / size
    return np.maximum(x - threshold, 0.0)


names = ACTIVATIONS.names
serialize = ACTIVATIONS.serialize
deserialize = ACTIVATIONS.deserialize


#: Functions that the core does not know, by their names.
ALONE: dict[str, Callable[..., Any]] = {"glu": glu, "sparsemax": sparsemax}


def get(activation: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """An activation from its name, its configuration, or itself; ``None`` is linear, as in Keras.

    Parameters
    ----------
    activation : str, dict, Activation or None
    custom_objects : dict, optional
        Further activations by name; they come first.

    Returns
    -------
    Activation
        Of "glu" and "sparsemax" the functions, which the core does not know.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    TypeError
        It is none of these: the core cannot call a function of Python.
    """
    if (
        isinstance(activation, str)
        and activation in ALONE
        and activation not in (custom_objects or ())
    ):
        return ALONE[activation]  # type: ignore[return-value]
    if callable(activation) and not isinstance(activation, Activation | str):
        raise TypeError(
            f"activation: found the function {activation!r}, wanted a name or one of "
            "densecore.activations, or for a layer a pair (function, derivative); by itself it has "
            "no derivative: the core calls no Python function"
        )
    return ACTIVATIONS.get("linear" if activation is None else activation, custom_objects)

"""Subclasses of the core's layers without weights that have a `call` of their own.

What such a class inherits from is a custom layer that holds one of the core's: the class's
`call` may call it by ``super().call(inputs, training=True)``, for units that drop out in
predictions, too (Gal and Ghahramani, *Dropout as a Bayesian approximation*, 2016).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import seeds
from .._base.constants import SELU_ALPHA, SELU_SCALE
from .._base.dtypes import Array
from .._base.lazy import imports
from .activation_argument import UserActivation
from .base import Layer
from .dropout import Dropout
from .lowering import Plan
from .noise import AlphaDropout, GaussianDropout, GaussianNoise
from .own import OwnLayer
from .symbols import Symbol

_CLASSES: dict[type[Layer], type[OwnLayer]] = {}


class AlwaysRandom(Layer):
    """A layer of random numbers that also draws outside training; in Python.

    Each call draws new numbers, which follow from `utils.set_random_seed`.
    """

    def __init__(self, kind: Layer) -> None:
        super().__init__()
        self._draw = _DRAWS[type(kind)](kind)

    def _plan(self, plan: Plan) -> None:
        plan.close()
        plan.functions[plan.add({"kind": "function"})] = _Drawn(self._draw)
        plan.close()


class _Drawn(UserActivation):
    """x · factor + summand, with those of the last call in the derivative."""

    def __init__(self, draw: Callable[[Any, Array], tuple[Any, Any]]) -> None:
        self._draw = draw
        self._generator = np.random.default_rng(seeds.fresh())
        self._factor: Any = 1.0
        super().__init__(self._value, self._slope)

    def _value(self, x: Array) -> Array:
        self._factor, summand = self._draw(self._generator, x)
        return np.asarray(x * self._factor + summand, x.dtype)

    def _slope(self, x: Array, a: Array) -> Array:
        return np.broadcast_to(np.asarray(self._factor, x.dtype), x.shape)


def _dropout(kind: Any) -> Any:
    if callable(kind.rate):
        raise ValueError(
            f"layer {kind.name or type(kind).__name__}: rate: found the schedule {kind.rate!r}, "
            "wanted a number: dropout outside of training has no steps"
        )
    kept = 1 - kind.rate
    return lambda generator, x: ((generator.random(x.shape) < kept) / kept, 0.0)


def _noise(kind: Any) -> Any:
    return lambda generator, x: (1.0, generator.normal(0, kind.stddev, x.shape))


def _gaussian_dropout(kind: Any) -> Any:
    deviation = math.sqrt(kind.rate / (1 - kind.rate))
    return lambda generator, x: (generator.normal(1, deviation, x.shape), 0.0)


def _alpha_dropout(kind: Any) -> Any:
    limit, rate = -SELU_SCALE * SELU_ALPHA, kind.rate
    scale = 1 / math.sqrt((1 - rate) * (1 + rate * limit**2))

    def draw(generator: Any, x: Array) -> tuple[Any, Any]:
        stays = generator.random(x.shape) >= rate
        return scale * stays, scale * (limit * ~stays - limit * rate)

    return draw


_DRAWS: dict[type[Layer], Any] = {
    Dropout: _dropout,
    GaussianNoise: _noise,
    GaussianDropout: _gaussian_dropout,
    AlphaDropout: _alpha_dropout,
}


def own_class_of(kind: type[Layer]) -> type[OwnLayer] | None:
    """The custom class that stands for a kind of the core; None for a kind with weights."""
    if kind.parameter_names or kind.state_names:
        return None
    if kind not in _CLASSES:
        _CLASSES[kind] = _made(kind)
    return _CLASSES[kind]


def _made(kind: type[Layer]) -> type[OwnLayer]:
    def initialise(self: Any, *arguments: Any, **named: Any) -> None:
        inner = kind(*arguments, **named)
        OwnLayer.__init__(self, name=inner.name, trainable=inner.trainable)
        inner.name, inner._automatic_name = None, True
        vars(self)["_kind"] = inner
        for name in kind.config_names:
            vars(self)[name] = getattr(inner, name)

    def call(self: Any, inputs: Any, training: Any = None) -> Any:
        inner = vars(self)["_kind"]
        if type(inner) in _DRAWS and training is True:
            return AlwaysRandom(inner)(inputs)
        return inputs if type(inner) in _DRAWS and training is False else inner(inputs)

    def get_config(self: Any) -> dict[str, Any]:
        config = vars(self)["_kind"].get_config()
        own = OwnLayer.get_config(self)
        return {**{key: config[key] for key in kind.config_names if key in config}, **own}

    with imports:
        import inspect

    initialise.__signature__ = inspect.signature(kind.__init__)  # type: ignore[attr-defined]
    members = {"__init__": initialise, "call": call, "get_config": get_config}
    return type(kind.__name__, (OwnLayer,), {**members, "__module__": __name__})


Symbol.operators["own class of"] = own_class_of

"""Objects of models as dictionaries of texts and numbers, in Keras's form, and back."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from .._base import checks
from .._base.registry import CustomObjectScope, get_registered_name, get_registered_object
from ..layers import serialization
from ..schedules import LearningRateSchedule
from .model import Model
from .sequential import Sequential

# Base class → the module that has the objects of it.
_MODULES: list[tuple[type, Any]] = [
    (activations.Activation, activations),
    (constraints.Constraint, constraints),
    (initializers.Initializer, initializers),
    (losses.Loss, losses),
    (metrics.Metric, metrics),
    (optimizers.Optimizer, optimizers),
    (regularizers.Regularizer, regularizers),
    (LearningRateSchedule, optimizers.schedules),
]


# Of these a description has the name of a function.
_NAMED = (activations.Activation,)


def serialize_keras_object(obj: Any) -> Any:
    """A layer, loss, initializer, function … as what JSON can hold, in Keras's form.

    Parameters
    ----------
    obj : object
        One of this package's, or of a class of one's own with a ``get_config``; a function; an
        array; None, numbers and texts, which stay; or lists, tuples and dictionaries of these.

    Returns
    -------
    object
        ``{"module": …, "class_name": …, "config": …, "registered_name": …}`` of an object.

    Raises
    ------
    TypeError
        An object without a ``get_config``.
    """
    if obj is None or isinstance(obj, str | bool | int | float):
        return obj
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return _entry("builtins", "__numpy__", {"value": obj.tolist(), "dtype": obj.dtype.name})
    if isinstance(obj, tuple):
        return _entry("builtins", "__tuple__", [serialize_keras_object(one) for one in obj])
    if isinstance(obj, list):
        return [serialize_keras_object(one) for one in obj]
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, layers.Layer | Model):
        return _entry(type(obj).__module__, type(obj).__name__, obj.get_config(), type(obj))
    if isinstance(obj, activations.Activation):
        return _entry("builtins", "function", activations.serialize(obj))
    for base, module in _MODULES:
        if isinstance(obj, base):
            found: dict[str, Any] = module.serialize(obj)
            name, config = found["class_name"], serialize_keras_object(found["config"])
            return _entry(type(obj).__module__, name, config, type(obj))
    if hasattr(obj, "get_config"):
        config = serialize_keras_object(obj.get_config())
        return _entry(type(obj).__module__, type(obj).__name__, config, type(obj))
    if callable(obj) and hasattr(obj, "__name__"):
        return _entry("builtins", "function", obj.__name__, obj)
    raise TypeError(
        f"serialize_keras_object: found {checks.shown(obj)}, wanted an object with a get_config"
    )


def _entry(module: str, name: str, config: Any, thing: Any = None) -> dict[str, Any]:
    registered = None if thing is None else get_registered_name(thing)
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """What `serialize_keras_object` has described.

    Parameters
    ----------
    config : object
    custom_objects : dict, optional
        Classes and functions of one's own by name, besides those that are registered.
    safe_mode : bool, default True
        Without effect: nothing in a configuration is executed.

    Raises
    ------
    ValueError
        A class or function that is not known.
    """
    with CustomObjectScope(dict(custom_objects or {})):
        return _made(config)


def _made(config: Any) -> Any:
    if isinstance(config, list):
        return [_made(one) for one in config]
    if isinstance(config, str):
        return config
    if not isinstance(config, Mapping):
        return config
    if "class_name" not in config:
        return {key: _made(value) for key, value in config.items()}
    name: str = config["class_name"]
    inner: Any = config.get("config")
    if name == "__numpy__":
        return np.array(inner["value"], inner["dtype"])
    if name == "__tuple__":
        return tuple(_made(one) for one in inner)
    own = _own(config)
    if name == "function":
        if isinstance(inner, Mapping):
            return activations.deserialize(inner)
        if own is None and inner in activations.names():
            return activations.get(inner)
        if own is None:
            raise ValueError(
                f"deserialize_keras_object: found the function {inner!r}, wanted custom_objects "
                "with it"
            )
        return own
    if own is not None:
        from_config = getattr(own, "from_config", None)
        return own(**inner) if from_config is None else from_config(dict(inner))
    maker = _known(str(config.get("module"))).get(name)
    if maker is None:
        raise ValueError(
            f"deserialize_keras_object: found the class {name!r}, which is not known here, wanted "
            "custom_objects with it"
        )
    return maker({"class_name": name, "config": inner})


def _own(config: Mapping[str, Any]) -> Any:
    """The class or function of a user's that a description names."""
    names = [config.get("registered_name"), config["class_name"]]
    if config["class_name"] == "function":
        names = [config.get("registered_name"), config["config"]]
    for name in names:
        if isinstance(name, str) and (found := get_registered_object(name)) is not None:
            return found
    return None


def _known(place: str) -> dict[str, Callable[[Any], Any]]:
    """Name of a class of this package → what makes an object of its description.

    Losses and metrics have names in common: the module of the description, `place`, says which.
    """
    known: dict[str, Callable[[Any], Any]] = {"Sequential": _sequential}
    for name in serialization.classes():
        known[name] = _layer
    meant = [module for _, module in _MODULES if module.__name__.split(".")[-1] in place.split(".")]
    for base, module in _MODULES:
        for name, thing in vars(module).items():
            is_one = isinstance(thing, type) and issubclass(thing, base) and base not in _NAMED
            if is_one and (module in meant or name not in known):
                known[name] = module.deserialize
    return known


def _layer(entry: dict[str, Any]) -> Any:
    return serialization.deserialize(entry["config"])


def _sequential(entry: dict[str, Any]) -> Any:
    return Sequential.from_config(entry["config"])

"""Where Keras keeps its functions for files, and for classes of users that files name."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)
from ._base import checks
from ._base.registry import (
    CustomObjectScope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from .models import load_model, model_from_config, save_model
from .models.nesting import KINDS

_MODULES: list[Any] = [
    optimizers, losses, metrics, initializers, regularizers, constraints, schedules,
]  # fmt: skip

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

custom_object_scope = CustomObjectScope


def save_weights(model: Any, filepath: Any, overwrite: bool = True, **others: Any) -> None:
    """``model.save_weights(filepath, overwrite)``."""
    model.save_weights(filepath, overwrite=overwrite, **others)


def load_weights(model: Any, filepath: Any, **others: Any) -> None:
    """``model.load_weights(filepath)``."""
    model.load_weights(filepath, **others)


def serialize_keras_object(obj: Any) -> Any:
    """A layer, a model, a loss or the like as a dictionary in Keras's form; JSON-able.

    Parameters
    ----------
    obj : object
        With a ``get_config``; a function; numbers, texts and lists of them stand for themselves.

    Returns
    -------
    dict
        ``class_name``, ``config`` and ``registered_name``.
    """
    if obj is None or isinstance(obj, str | int | float | bool):
        return obj
    if isinstance(obj, tuple):
        return {"class_name": "__tuple__", "config": [serialize_keras_object(one) for one in obj]}
    if isinstance(obj, list):
        return [serialize_keras_object(part) for part in obj]
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(part) for key, part in obj.items()}
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__",
                "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}  # fmt: skip
    if isinstance(obj, activations.Activation):
        return {"class_name": "function", "config": activations.serialize(obj)}
    if isinstance(obj, layers.Layer):
        return {"module": _module_of(obj), **layers.serialize(obj),
                "registered_name": _registered(obj)}  # fmt: skip
    if not hasattr(obj, "get_config"):
        if not hasattr(obj, "__name__"):
            raise TypeError(f"found {checks.shown(obj)}, wanted something with a get_config")
        name = get_registered_name(obj)
        return {"class_name": "function", "config": name, "registered_name": name}
    return {
        "module": _module_of(obj),
        "class_name": type(obj).__name__,
        "config": serialize_keras_object(obj.get_config()),
        "registered_name": _registered(obj),
    }


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """The object that `serialize_keras_object` was given, made anew.

    Parameters
    ----------
    config : dict
    custom_objects : dict, optional
        Custom classes and functions by their names.
    safe_mode : bool, default True
        Accepted for Keras's sake, and without effect: nothing is ever executed.

    Raises
    ------
    ValueError
        A class that is not known here.
    """
    with CustomObjectScope(custom_objects or {}):
        if isinstance(config, list):
            return [deserialize_keras_object(part) for part in config]
        if not isinstance(config, Mapping):
            return config
        if "class_name" not in config:
            return {key: deserialize_keras_object(part) for key, part in config.items()}
        name = config["class_name"]
        inner: Any = config.get("config")
        if name == "__tuple__":
            return tuple(deserialize_keras_object(part) for part in inner)
        if name == "__numpy__":
            return np.array(inner["value"], inner["dtype"])
        if name == "function":
            return _function(inner)
        for known in (config.get("registered_name"), name):
            own = get_registered_object(str(known))
            if own is not None and hasattr(own, "from_config"):
                return own.from_config(config["config"])
        if name in KINDS:
            return model_from_config({"class": name, **config["config"]})
        if name in layers.classes():
            return layers.deserialize(dict(config))
        place = str(config.get("module")).split(".")  # losses and metrics have names in common
        meant = [module for module in _MODULES if module.__name__.split(".")[-1] in place]
        for module in [*meant, *_MODULES]:
            if isinstance(getattr(module, str(name), None), type):
                return module.deserialize({"class_name": name, "config": inner})
    raise ValueError(f"found the class {checks.shown(name)}, which is not known here, wanted "
                     "custom_objects with it")  # fmt: skip


def _function(given: Any) -> Any:
    """A registered function, or an activation, by its name; an activation by its arguments."""
    if isinstance(given, Mapping):
        return activations.deserialize(given)
    found = get_registered_object(str(given))
    if found is None and given not in activations.names():
        raise ValueError(
            f"found the function {checks.shown(given)}, which is not known here, wanted "
            "custom_objects with it"
        )
    return activations.get(given) if found is None else found


def _module_of(obj: Any) -> str | None:
    module = type(obj).__module__
    return ".".join(module.split(".")[:2]) if module.startswith("densecore.") else module


def _registered(obj: Any) -> str | None:
    name = get_registered_name(type(obj))
    return name if get_registered_object(name) is type(obj) else None

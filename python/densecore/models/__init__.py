"""Models where Keras has them: ``Sequential``, what reads one, and what copies one."""

import abc
import json
from typing import Any, NoReturn

from .._base import unsupported
from .layer_stack import Stack
from .sequential import Sequential, load_model

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json"]

_WANTED = (
    "densecore has stacks of layers only: models.Sequential([layers.Input(features), ...]), with "
    "layers.Residual for what goes round a block"
)


class Model(abc.ABC):  # noqa: B024 - nothing is abstract: there are no objects of it
    """What every model is an instance of: ``isinstance(model, Model)``.

    Raises
    ------
    TypeError
        It is called, or a class is derived from it: Keras's functional models and those with a
        ``call`` of their own are graphs that a Python function describes.
    """

    def __new__(cls, *arguments: Any, **named: Any) -> NoReturn:
        raise TypeError(f"Model: found a functional model; {_WANTED}")

    def __init_subclass__(cls, **named: Any) -> None:
        raise TypeError(
            f"class {cls.__name__}(Model): found a model with Python code of its own; {_WANTED}"
        )


Model.register(Sequential)


def clone_model(model: Sequential, input_tensors: None = None) -> Sequential:
    """A new model of the same layers: with weights and a seed of its own, and not compiled.

    As in Keras, what a ``Normalization`` has learnt by ``adapt`` is not copied.

    Parameters
    ----------
    model : Sequential
    input_tensors
        Keras's; None.

    Raises
    ------
    TypeError
        It is not a Sequential, or there are input tensors.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"clone_model: found {type(model).__name__}, wanted a Sequential")
    if input_tensors is not None:
        raise TypeError(f"clone_model: input_tensors: wanted None; {_WANTED}")
    # The stack's own: how the model is compiled does not go with it.
    return type(model).from_config({**Stack.get_config(model), "seed": None})


def model_from_json(json_string: str, custom_objects: None = None) -> Sequential:
    """The model that ``model.to_json()`` describes, with initial weights.

    Raises
    ------
    ValueError
        It is not such a text.
    """
    if custom_objects:
        raise TypeError("model_from_json: custom_objects: wanted None: a text holds layers only")
    try:
        config = json.loads(json_string)
    except (TypeError, ValueError) as error:
        raise ValueError(f"model_from_json: found what is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise ValueError(f"model_from_json: found a {type(config).__name__}, wanted a dictionary")
    return Sequential.from_config(config)


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

"""Models out of files and texts, and copies of their architecture."""

import json
import os
from collections.abc import Mapping
from typing import Any

from .. import optimizers
from .._base import checks
from .._base.lookup import unknown
from .._base.registry import CustomObjectScope
from .._base.subnormals import flush_subnormals
from .._saving import model_file, safetensors
from .model import Model
from .nesting import KINDS


def save_model(
    model: Model, filepath: str | os.PathLike[str], overwrite: bool = True, **others: Any
) -> None:
    """``model.save(filepath)``.

    Parameters
    ----------
    model : Model
    filepath : path
    overwrite : bool, default True
        False: an existing file is an error.
    **others
        Keras's, such as ``include_optimizer``; None has an effect.
    """
    if not isinstance(model, Model):
        raise TypeError(f"save_model: found {type(model).__name__}, wanted a model")
    model.save(filepath, overwrite)


def clone_model(model: Model, input_tensors: None = None) -> Model:
    """A new model of the same layers: with weights and a seed of its own, and not compiled.

    As in Keras, what a ``Normalization`` has learnt by ``adapt`` is not copied.

    Parameters
    ----------
    model : Model
    input_tensors
        Keras's; None.

    Raises
    ------
    TypeError
        It is not a model, or there are input tensors.
    """
    if not isinstance(model, Model):
        raise TypeError(f"clone_model: found {type(model).__name__}, wanted a model")
    if input_tensors is not None:
        raise TypeError(
            "clone_model: input_tensors: found some, wanted None: the inputs are the model's own"
        )
    with CustomObjectScope(model._own_classes()):
        return type(model).from_config({**model._architecture(), "seed": None})


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model that ``model.to_json()`` describes, with initial weights.

    Parameters
    ----------
    json_string : str
    custom_objects : dict, optional
        Classes and functions of users' by their names.

    Raises
    ------
    ValueError
        It is not such a text.
    """
    try:
        config = json.loads(json_string)
    except (TypeError, ValueError) as error:
        raise ValueError(f"model_from_json: found text that is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise ValueError(f"model_from_json: found a {type(config).__name__}, wanted a dictionary")
    return model_from_config(config, custom_objects)


def model_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Model:
    """The model that ``model.get_config()`` describes, with initial weights.

    Parameters
    ----------
    config : dict
    custom_objects : dict, optional
        Custom losses and metrics by the names that the configuration has.
    """
    if not isinstance(config, Mapping):
        raise TypeError(f"configuration: found {checks.shown(config)}, wanted a dictionary")
    name = config.get("class", "Sequential")
    if isinstance(config.get("config"), Mapping) and config.get("class_name") in KINDS:
        return model_from_config(config["config"], custom_objects)  # as `to_json` wraps it
    if not isinstance(name, str) or name not in KINDS:
        unknown("class of models", name, KINDS)
    with CustomObjectScope(custom_objects or {}):
        model: Model = KINDS[name].from_config(config)
    return model


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Model:
    """Read a model that `Model.save` wrote; training goes on where it stopped.

    Parameters
    ----------
    filepath : path
    custom_objects : dict, optional
        Custom losses and metrics, functions or classes, by their names; the file has the
        names and options alone. A model whose loss is not known is loaded uncompiled.
    compile : bool, default True
        Whether the model is compiled, as it was; without, its optimizer's state is not read.
    safe_mode : bool, default True
        Accepted for Keras's sake, and without effect: nothing in a file is ever executed.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a model, damaged, or written by a newer version; the message says which.
    """
    with model_file.open_model(filepath) as file:
        try:
            left_out = () if compile else ("compile",)
            config = {key: value for key, value in file.config.items() if key not in left_out}
            model = model_from_config(config, custom_objects)
            if config["inputs"] is None or not config["layers"]:
                raise ValueError("it has no layers or no inputs")
            optimizer = model.optimizer
            if optimizer is None and "compile" in file.config:  # the file has its state, too
                model._optimizer = optimizers.get(dict(file.config["compile"]["optimizer"]))
            expected = model._expected_tensors()
            model._optimizer = optimizer
        except KeyError as error:
            raise ValueError(f"{file.path}: the model is damaged: no entry {error}") from None
        except (TypeError, ValueError) as error:
            reason = safetensors.brief(str(error))
            raise ValueError(f"{file.path}: the model is damaged: {reason}") from None
        # Every size is confirmed by the file's own before anything is allocated.
        file.check(expected)
        model._make_network()
        model._network_changed()
        if model.loss is not None:
            model._set_progress(file.progress)
        for name, view in model._tensors().items():
            file.read(name, view)
            flush_subnormals(view)
        model.metadata = file.user
    return model

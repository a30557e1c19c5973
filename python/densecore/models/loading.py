"""Models out of files and texts, and copies of their architecture."""

import json
import os
from collections.abc import Mapping
from typing import Any

from .._base import checks
from .._base.subnormals import flush_subnormals
from .._saving import model_file, safetensors
from .sequential import Sequential


def save_model(
    model: Sequential, filepath: str | os.PathLike[str], overwrite: bool = True, **others: Any
) -> None:
    """``model.save(filepath)``.

    Parameters
    ----------
    model : Sequential
    filepath : path
    overwrite : bool, default True
        False: an existing file is an error.
    **others
        Keras's, such as ``include_optimizer``; None has an effect.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"save_model: found {type(model).__name__}, wanted a Sequential")
    model.save(filepath, overwrite)


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
        raise TypeError(
            "clone_model: input_tensors: found some, wanted None: the inputs are the model's own"
        )
    return type(model).from_config({**model._architecture(), "seed": None})


def model_from_json(json_string: str, custom_objects: None = None) -> Sequential:
    """The model that ``model.to_json()`` describes, with initial weights.

    Raises
    ------
    ValueError
        It is not such a text.
    """
    if custom_objects:
        raise TypeError(
            "model_from_json: custom_objects: found some, wanted None: a text holds layers only"
        )
    try:
        config = json.loads(json_string)
    except (TypeError, ValueError) as error:
        raise ValueError(f"model_from_json: found text that is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise ValueError(f"model_from_json: found a {type(config).__name__}, wanted a dictionary")
    return Sequential.from_config(config)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Sequential:
    """Read a model that `Sequential.save` wrote; training goes on where it stopped.

    Parameters
    ----------
    filepath : path
    custom_objects : None
        For Keras's sake: no file holds anything of one's own.
    compile : bool
        Whether the model is compiled, as it was; without, its optimizer's state is not read.
    safe_mode : bool
        Accepted for Keras's sake, and without effect: nothing in a file is ever executed.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a model, damaged, or written by a newer version; the message says which.
    """
    if custom_objects:
        raise TypeError(
            f"custom_objects: found {checks.shown(custom_objects)}, wanted None: no file holds "
            "anything of one's own; compile the model with it after loading"
        )
    with model_file.open_model(filepath) as file:
        try:
            model = Sequential.from_config(file.config)
            if file.config["inputs"] is None or not file.config["layers"]:
                raise ValueError("it has no layers or no inputs")
            expected = model._expected_tensors()
        except ValueError as error:
            reason = safetensors.brief(str(error))
            raise ValueError(f"{file.path}: the model is damaged: {reason}") from None
        # Every size is confirmed by the file's own before anything is allocated.
        file.check(expected)
        if not compile:
            stack = {key: value for key, value in file.config.items() if key != "compile"}
            model = Sequential.from_config(stack)
        model._make_network()
        model._network_changed()
        if model.loss is not None:
            model._set_progress(file.progress)
        for name, view in model._tensors().items():
            file.read(name, view)
            flush_subnormals(view)
        model.metadata = file.user
    return model

"""Keras's ``utils`` for scripts, and writers of files and pictures, whole or not at all."""

import os
import random
from typing import Any

import numpy as np

from .._base import checks, seeds, unsupported
from .._base.figures import check_picture_path, require_matplotlib
from .._base.files import atomic_writer, check_writable
from .._base.registry import (
    CustomObjectScope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from ..config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
    standardize_dtype,
)
from ..layers.symbols import is_keras_tensor
from ..models.model import Model
from ..saving import deserialize_keras_object, serialize_keras_object
from . import np_utils
from .arrays import normalize, to_categorical
from .dataset import PyDataset
from .from_data import initialize_from_data
from .progbar import Progbar
from .sequences import pad_sequences
from .timeseries import timeseries_dataset_from_array

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "atomic_writer",
    "check_picture_path",
    "check_writable",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "initialize_from_data",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "normalize",
    "np_utils",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "require_matplotlib",
    "serialize_keras_object",
    "set_random_seed",
    "standardize_dtype",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]


def set_random_seed(seed: int) -> None:
    """Make a program's random numbers the same in every run.

    Seeds Python's ``random`` and NumPy's global generator; and each model that is built without a
    seed gets one that follows from this one and from how many there were before. A model's seed
    fixes its initial weights, the order of its rows and its dropout.

    Parameters
    ----------
    seed : int
        0 to 2^32 - 1, as NumPy wants it.

    Raises
    ------
    ValueError, TypeError
        It is not such an integer.
    """
    seed = checks.integer("seed", seed, 0, 2**32 - 1)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what is asked for
    seeds.set_global(seed)


def clear_session() -> None:
    """Nothing: a model is an object of Python, and goes when nothing refers to it any more."""


def plot_model(
    model: Model, to_file: str | os.PathLike[str] | None = "model.png", **appearance: Any
) -> Any:
    """Draw a model, see ``Model.plot``; Keras's arguments of appearance have no effect.

    Parameters
    ----------
    model : Model
    to_file : path, default "model.png"
        None writes no file.

    Raises
    ------
    TypeError
        An argument that Keras does not have.
    ImportError
        matplotlib is not installed; the message names the extra.
    """
    known = ["show_shapes", "show_dtype", "show_layer_names", "show_layer_activations"]
    known += ["show_trainable", "rankdir", "expand_nested", "dpi"]
    for name in appearance:
        if name not in known:
            raise TypeError(f"plot_model: found the argument {name!r}, known: {', '.join(known)}")
    if not isinstance(model, Model):
        raise TypeError(f"plot_model: found {checks.shown(model)}, wanted a model")
    return model.plot(to_file)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The parts of a batch as one tuple, without those that are None.

    Parameters
    ----------
    x : array or structure of arrays
    y, sample_weight : array or structure of arrays, optional
    """
    if y is None:
        return (x,) if isinstance(x, tuple | list) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """x, y and the weights of rows of a batch; None for parts that are missing.

    Parameters
    ----------
    data : array, or tuple of one to three

    Raises
    ------
    ValueError
        A tuple of more.
    """
    parts = tuple(data) if isinstance(data, tuple | list) else (data,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"data: found {len(parts)} parts, wanted x, y and sample_weight")
    x, y, weight = (*parts, None, None)[:3]
    return x, y, weight


Sequence = PyDataset
custom_object_scope = CustomObjectScope


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

"""Where Keras keeps its functions for files, and for classes of users that files name."""

import os

from ._base.registry import (
    CustomObjectScope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from .models import Sequential, load_model

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "register_keras_serializable",
    "save_model",
]

custom_object_scope = CustomObjectScope


def save_model(model: Sequential, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """``model.save(filepath)``.

    Parameters
    ----------
    model : Sequential
    filepath : path
    overwrite : bool, default True
        Whether an existing file is replaced; else FileExistsError.
    """
    model.save(filepath, overwrite)

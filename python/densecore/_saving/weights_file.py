"""Weights without their model: a safetensors file with the names that a model file has.

Keras writes HDF5, which needs a library of its own (`keras_files` reads it); the endings of its
names (``.h5``, ``.weights.h5``) are accepted here, so that a script's names need not change.
"""

import os
from collections.abc import Mapping

import numpy as np

from .._base import checks, core
from .._base.dtypes import Array
from .._base.files import check_readable
from .._base.subnormals import flush_subnormals
from . import safetensors

_HDF5 = b"\x89HDF\r\n\x1a\n"


def write(path: str | os.PathLike[str], tensors: Mapping[str, Array]) -> None:
    """Write weights in one step; an existing file is replaced or left as it was."""
    safetensors.write(
        path, tensors, {"format": "densecore weights", "densecore_version": core.__version__}
    )


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of Keras's, by its first bytes; OSError when it cannot be read."""
    with open(check_readable(path), "rb") as start:
        return start.read(len(_HDF5)) == _HDF5


def read(path: str | os.PathLike[str], views: Mapping[str, Array]) -> None:
    """Fill views from a weights file or a model file, all or none.

    Numbers of another precision are converted.
    """
    name = checks.path("path", path)
    with safetensors.open_file(path) as file:
        found = {key: info.shape for key, info in file.tensors.items() if _is_weight(key)}
        wanted = {key: view.shape for key, view in views.items()}
        for key in {**wanted, **found}:
            if found.get(key) != wanted.get(key):
                raise ValueError(
                    f"{name}: tensor '{checks.one_line(key, 60)}': found {_shown(found, key)}, "
                    f"the model has {_shown(wanted, key)}"
                )
        arrays = {key: file.read(key) for key in wanted}
    for key, view in views.items():
        np.copyto(view, arrays[key], casting="same_kind")
        flush_subnormals(view)


def _is_weight(key: str) -> bool:
    # A model file holds the optimizer's state, and averages, besides.
    return key.startswith("layers.")


def _shown(shapes: Mapping[str, tuple[int, ...]], key: str) -> str:
    return f"shape {shapes[key]}" if key in shapes else "none"

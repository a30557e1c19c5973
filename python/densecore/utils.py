"""Keras's ``utils`` for scripts, and what writes files and pictures whole or not at all."""

import operator
import os
import random
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._base import checks, seeds, unsupported
from ._base.figures import check_picture_path, require_matplotlib
from ._base.files import atomic_writer, check_writable
from ._base.registry import (
    CustomObjectScope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from .models.sequential import Sequential

__all__ = [
    "CustomObjectScope",
    "PyDataset",
    "Sequence",
    "atomic_writer",
    "check_picture_path",
    "check_writable",
    "clear_session",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "normalize",
    "plot_model",
    "register_keras_serializable",
    "require_matplotlib",
    "set_random_seed",
    "to_categorical",
]


custom_object_scope = CustomObjectScope


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


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float32]:
    """Class numbers as rows of 0 with a 1 at the number's place.

    Parameters
    ----------
    x : array_like of int
        Of any shape; a last axis of length 1 is dropped, as in Keras.
    num_classes : int, optional
        By default the largest number plus 1.

    Returns
    -------
    ndarray (..., num_classes), float32

    Raises
    ------
    TypeError
        There are no elements, or they are not numbers.
    ValueError
        They are not integers >= 0, or not smaller than `num_classes`.
    """
    numbers = np.asarray(x)
    if numbers.dtype.kind not in "biuf" or numbers.size == 0:
        raise TypeError(
            f"to_categorical: found {numbers.dtype} of shape {numbers.shape}, wanted class numbers"
        )
    labels = numbers.astype(np.int64)
    if (labels != numbers).any() or labels.min() < 0:
        raise ValueError("to_categorical: found numbers that are no integers >= 0")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels.reshape(labels.shape[:-1])
    classes = int(labels.max()) + 1 if num_classes is None else operator.index(num_classes)
    if labels.max() >= classes:
        raise ValueError(f"to_categorical: found class {labels.max()}, wanted 0 to {classes - 1}")
    result = np.zeros((labels.size, classes), np.float32)
    result[np.arange(labels.size), labels.reshape(-1)] = 1
    return result.reshape(*labels.shape, classes)


def normalize(x: ArrayLike, axis: int = -1, order: float = 2) -> NDArray[Any]:
    """Each vector along an axis, divided by its norm; zeros stay.

    Parameters
    ----------
    x : array_like (..., features)
    axis : int
    order : float
        Of the norm, as of ``numpy.linalg.norm``.

    Returns
    -------
    ndarray of the shape of x
    """
    array = np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(array, order, axis))
    norms[norms == 0] = 1
    return np.asarray(array / np.expand_dims(norms, axis))


def plot_model(
    model: Sequential, to_file: str | os.PathLike[str] | None = "model.png", **appearance: Any
) -> Any:
    """Draw a model, see ``Sequential.plot``; Keras's arguments of appearance have no effect.

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
    return model.plot(to_file)


class PyDataset:
    """Base class of objects that give batches by number, for ``fit``, ``evaluate``, ``predict``.

    A class of one's own has ``__len__`` (batches of an epoch) and ``__getitem__`` (batch number
    → (x, y) or (x, y, sample_weight)). Batches are made in the training's own thread.

    Parameters
    ----------
    workers, use_multiprocessing, max_queue_size
        Accepted for Keras's sake, and without effect.
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: wanted a method __len__: batches")

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        raise NotImplementedError(f"{type(self).__name__}: wanted a method __getitem__(number)")

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return len(self)

    def on_epoch_end(self) -> None:
        """Called by ``fit`` after each epoch."""


Sequence = PyDataset


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

"""Dense neural networks on the CPU: a C++ core under Keras's and scikit-learn's names."""

from typing import TYPE_CHECKING

from . import activations, initializers, layers, losses, metrics, ops, optimizers
from ._core import __version__
from .config import get_num_threads, set_num_threads, show_config
from .history import History
from .layers import Dense, Input
from .model import Sequential, load_model

if TYPE_CHECKING:
    from . import callbacks, reference, schedules

__all__ = [
    "Dense",
    "History",
    "Input",
    "Sequential",
    "__version__",
    "activations",
    "callbacks",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "reference",
    "schedules",
    "set_num_threads",
    "show_config",
]


def __getattr__(name: str) -> object:
    # What most programs do not use, they do not pay for.
    if name in ("callbacks", "reference", "schedules"):
        import importlib

        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'densecore' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

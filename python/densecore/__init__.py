"""Dense neural networks on the CPU: a C++ core under Keras's and scikit-learn's names."""

from typing import TYPE_CHECKING

from . import activations, initializers, layers, losses, metrics, ops, optimizers
from ._core import __version__
from .config import get_num_threads, set_num_threads, show_config
from .history import History
from .layers import Dense, Input
from .model import Sequential, load_model

if TYPE_CHECKING:
    from . import reference

__all__ = [
    "Dense",
    "History",
    "Input",
    "Sequential",
    "__version__",
    "activations",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "reference",
    "set_num_threads",
    "show_config",
]


def __getattr__(name: str) -> object:
    # The reference is for reading and checking: nobody else should pay for its import.
    if name == "reference":
        import importlib

        return importlib.import_module(".reference", __name__)
    raise AttributeError(f"module 'densecore' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

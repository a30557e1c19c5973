"""Dense neural networks on the CPU: a C++ core under Keras's and scikit-learn's names."""

from typing import TYPE_CHECKING

from . import _absent, activations, initializers, layers, losses, metrics, ops, optimizers
from ._core import __version__
from .config import get_num_threads, set_num_threads, show_config
from .history import History
from .layers import Dense, Input
from .model import Sequential, load_model

if TYPE_CHECKING:
    from . import backend, callbacks, models, reference, schedules, utils
    from .models import Model

__all__ = [
    "Dense",
    "History",
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "reference",
    "schedules",
    "set_num_threads",
    "show_config",
    "utils",
    "version",
]

_LAZY = ("backend", "callbacks", "models", "reference", "schedules", "utils")


def version() -> str:
    """``densecore.__version__``."""
    return __version__


def __getattr__(name: str) -> object:
    # What most programs do not use, they do not pay for.
    if name in _LAZY:
        import importlib

        return importlib.import_module(f".{name}", __name__)
    if name == "Model":
        from .models import Model

        return Model
    raise _absent.error(__name__, name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Models where Keras has them: ``Sequential``, and the functions that read and copy models."""

from .._base import unsupported
from .functional import Functional
from .loading import (
    clone_model,
    load_model,
    model_from_config,
    model_from_json,
    save_model,
)
from .model import Model
from .sequential import Sequential
from .subclassed import Subclassed

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "Subclassed",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "save_model",
]


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

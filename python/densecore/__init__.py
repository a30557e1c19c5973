"""Dense neural networks on the CPU: a C++ core under Keras's and scikit-learn's names."""

from typing import TYPE_CHECKING

from ._base import moved
from ._base.core import __version__
from ._base.lazy import imports
from .config import device, get_num_threads, name_scope, set_num_threads, show_config

if TYPE_CHECKING:
    from . import (
        activations,
        backend,
        callbacks,
        constraints,
        converters,
        data,
        datasets,
        distributed,
        export,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        reference,
        regularizers,
        saving,
        schedules,
        solvers,
        tree,
        utils,
    )
    from .callbacks.history import History
    from .converters import from_keras, from_onnx, from_torch
    from .ensembles.ensemble import Ensemble
    from .initializers import Initializer
    from .layers import Dense, Input, InputSpec, KerasTensor, Layer, Variable
    from .losses import Loss
    from .metrics import Metric
    from .models import Model, Sequential, load_model
    from .optimizers import Optimizer
    from .regularizers import Regularizer


__all__ = [
    "Dense",
    "Ensemble",
    "History",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "converters",
    "cross_validate",
    "data",
    "datasets",
    "device",
    "distributed",
    "distributions",
    "export",
    "from_keras",
    "from_onnx",
    "from_torch",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "reference",
    "regularizers",
    "rl",
    "saving",
    "schedules",
    "set_num_threads",
    "show_config",
    "solvers",
    "sweep",
    "tree",
    "utils",
    "version",
]

# Imported when first asked for: what a program does not use, it does not pay for.
_MODULES = {
    "activations", "backend", "callbacks", "constraints", "converters", "data", "datasets",
    "distributed", "distributions", "export", "initializers", "layers", "losses", "metrics",
    "mixed_precision", "models", "ops", "optimizers", "preprocessing", "random", "reference",
    "regularizers", "rl", "saving", "schedules", "sklearn", "solvers", "tabular", "tree", "utils",
    "wrappers",
}  # fmt: skip
_FROM = {
    "DTypePolicy": "config",
    "Dense": "layers",
    "Ensemble": "ensembles",
    "History": "callbacks",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "layers",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "Sequential": "models",
    "Variable": "layers",
    "cross_validate": "ensembles",
    "from_keras": "converters",
    "from_onnx": "converters",
    "from_torch": "converters",
    "load_model": "models",
    "sweep": "ensembles",
}


moved.install()


def version() -> str:
    """``densecore.__version__``."""
    return __version__


def __getattr__(name: str) -> object:
    if name in _MODULES or name in _FROM:
        with imports:
            import importlib

        with imports:
            found: object = importlib.import_module(f".{_FROM.get(name, name)}", __name__)
        if name in _FROM:
            found = getattr(found, name)
        globals()[name] = found
        return found
    if name.startswith("_"):  # asked for by `from . import _module` before that is there
        raise AttributeError(f"module 'densecore' has no attribute '{name}'")
    with imports:
        from ._base.unsupported import error

    raise error(__name__, name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)

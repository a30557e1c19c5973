"""The contestants. A peer is one module here and one row in MODULES.

A module has ``trainings`` and ``predictions``, lists of classes (see contestant.py); ``library``,
the name of its distribution; and imports its library at its top, so that a missing one is noticed
and named.
"""

from __future__ import annotations

import importlib
from types import ModuleType

# Name on the command line -> module. densecore comes first: it is what is compared.
MODULES = {
    "densecore": "own",
    "numpy": "by_hand",
    "torch": "pytorch",
    "jax": "xla",
    "sklearn": "scikit",
    "onnxruntime": "onnx_session",
    "keras": "keras_model",
}


def load(names: list[str] | None = None) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The modules of the peers that are installed, and why the others are not there."""
    found, missing = {}, {}
    for name, module in MODULES.items():
        if names is not None and name not in names:
            continue
        try:
            found[name] = importlib.import_module(f"peers.{module}")
        except ImportError as error:
            missing[name] = f"not installed ({error})"
    return found, missing

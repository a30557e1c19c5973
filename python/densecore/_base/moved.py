"""Modules of version 0.1 under their old names: they warn, and are found for one more release.

Programs imported them although they were not documented, and pickles of 0.1 name them. Names are
looked for only after every other way to import a module has failed, so others cost nothing.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from .warn import warn

# Where each module of 0.1 is now. A package stands before its modules.
MOVED = {
    "_absent": "_base.unsupported",
    "_arrays": "_data.arrays",
    "_batches": "_data.batches",
    "_callback": "callbacks.base",
    "_curvature": "losses.second_derivatives",
    "_custom_loss": "losses.function",
    "_files": "_base.files",
    "_foreign": "_data.interop",
    "_names": "_base.lookup",
    "_rows": "_data.row_sources",
    "_safetensors": "_saving.safetensors",
    "_seeds": "_base.seeds",
    "_summary": "models.summary",
    "_warn": "_base.warn",
    "callbacks.rates": "callbacks.learning_rate",
    "callbacks.reports": "callbacks.logs",
    "callbacks.saving": "callbacks.checkpoints",
    "compiled": "models.compiled",
    "derivatives": "models.derivatives",
    "directional": "models.derivatives",
    "ensemble": "ensembles.ensemble",
    "ensemble_data": "ensembles.dataset",
    "ensemble_file": "ensembles.serialization",
    "ensemble_history": "ensembles.history",
    "ensemble_members": "ensembles.members",
    "evaluation": "models.evaluate",
    "frozen": "models.frozen",
    "history": "callbacks.history",
    "layers.functions": "layers.activation_argument",
    "layers.plan": "layers.lowering",
    "layers.shaping": "layers.dropout",
    "levenberg_marquardt": "solvers.levenberg_marquardt",
    "losses.classes": "losses.classification",
    "losses.errors": "losses.regression",
    "machine": "roofline",
    "metrics.classes": "metrics.classification",
    "metrics.errors": "metrics.regression",
    "model": "models",
    "model_file": "_saving.model_file",
    "open_steps": "models.on_batch",
    "persistence": "models.serialization",
    "plotting": "models.plot",
    "preparation": "tabular.preparation",
    "preparation.columns": "tabular.columns",
    "preparation.features": "tabular.features",
    "preparation.stored": "tabular.json_fields",
    "preparation.targets": "tabular.targets",
    "progress": "callbacks.progress",
    "schedules.given": "schedules.from_values",
    "stack": "models.layered_network",
    "sweeps": "ensembles.model_selection",
    "tables": "tabular.reader",
    "training": "models.fit",
    "weights": "models.weights",
    "weights_file": "_saving.weights_file",
}
# Modules of 0.1's estimators, whose attributes were others: only pickles ask for them.
_GONE = tuple(f"sklearn._{name}" for name in ("convert", "network", "optimizer", "order", "readers",
              "rows", "stopping", "tasks", "tasks_of_fit", "validation"))  # fmt: skip
_PACKAGE = __name__.partition(".")[0]


class _Loader(Loader):
    def __init__(self, new: str) -> None:
        self.new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.new)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # It has run under its present name; the import system has just replaced its spec.
        module.__spec__ = self.spec


class _MovedFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, old = fullname.partition(".")
        if package == _PACKAGE and old in _GONE:
            raise ModuleNotFoundError(
                f"{fullname}: found an estimator that version 0.1 has pickled, wanted one of this "
                "version: fit it anew, or pickle its to_sklearn() there and call from_sklearn here",
                name=fullname,
            )
        if package != _PACKAGE or old not in MOVED:
            return None
        new = f"{_PACKAGE}.{MOVED[old]}"
        warn(f"{fullname} is now {new}; the old name goes with version 0.3", DeprecationWarning)
        return ModuleSpec(fullname, _Loader(new), is_package=old == "preparation")


def install() -> None:
    """Let the import system find the old names."""
    if not any(isinstance(finder, _MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(_MovedFinder())

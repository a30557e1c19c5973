"""The results of a training: the model, its scores, and the card in the model's file."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._base import core
from .._base.dtypes import Array, Doubles
from .._base.lazy import imports
from .folds import Indices
from .model import TableModel
from .preparation import ClassTarget
from .problem import Problem
from .recipe import Recipe


@dataclass
class Trained:
    """A model, and how good it is.

    Attributes
    ----------
    scores : dict
        Of rows that the members have not seen, with calibrated probabilities: name → number, for
        each target of a regression.
    errors : dict
        The standard errors of the same.
    baselines : dict
        ``majority`` or ``mean``, and ``linear``: the same scores.
    rows : ndarray
        The rows (of the problem) that were held out from some member; `predicted` and `truth` are
        theirs.
    """

    model: TableModel
    history: Any
    scores: dict[str, dict[str, float]]
    errors: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, dict[str, float]]]
    rows: Indices
    predicted: Doubles
    truth: Array
    seconds: float
    notes: list[str] = field(default_factory=list)


def card_of(
    problem: Problem, recipe: Recipe, seed: int, epochs: int, parts: list[Indices], made: Trained
) -> dict[str, Any]:
    """The card of the training in the model's file. No times: equal trainings give equal files."""
    with imports:
        import hashlib

    target = problem.preparation.target
    digest = hashlib.blake2b(np.ascontiguousarray(problem.x).data, digest_size=8)
    digest.update(np.ascontiguousarray(problem.y).data)
    history = made.history
    return {
        "rows": len(problem.x),
        "columns": len(problem.preparation.features),
        "inputs": problem.preparation.network_inputs,
        "task": "classification" if problem.classification else "regression",
        "target": [target.name] if isinstance(target, ClassTarget) else target.names,
        "left_out": problem.left_out,
        "notes": problem.notes + made.notes,
        "recipe": {
            "name": recipe.name,
            "hidden": list(recipe.hidden),
            "activation": recipe.settings(problem.classification).activation,
            "networks": history["val_loss"].shape[1],
            "parts": len(parts),
            "epochs": epochs,
            "kept_epochs": [int(e) + 1 for e in history.kept_epochs],
        },
        "seed": seed,
        "scores": _finite(made.scores),
        "standard_errors": _finite(made.errors),
        "baselines": _finite(made.baselines),
        "data_hash": digest.hexdigest(),
        "versions": {"densecore": core.__version__, "numpy": np.__version__},
    }


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value

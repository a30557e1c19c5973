"""How much each column matters: how much worse predictions are when its values are shuffled."""

import numpy as np

from .._base.dtypes import Array
from .preparation import ClassTarget
from .problem import Problem
from .scores import class_scores, number_scores
from .trained import Trained

# More rows make it no truer, only slower.
_ROWS = 2000


def permutation_importance(
    problem: Problem, trained: Trained, seed: int, repeats: int = 3
) -> dict[str, tuple[float, float]]:
    """Column → how much the log-loss, or the RMSE, grows, and the standard error of that.

    Breiman, Random forests, 2001. Rows that some members were trained on are among those that are
    looked at: it compares columns, not models.
    """
    rng = np.random.default_rng(seed)
    chosen = trained.rows
    if len(chosen) > _ROWS:
        chosen = np.sort(rng.choice(chosen, _ROWS, replace=False))
    x, y = problem.x[chosen], problem.y[chosen]
    before = _badness(problem, trained, x, y)
    found = {}
    preparation = problem.preparation
    for feature, inside in zip(preparation.features, preparation.places(), strict=True):
        shuffled = x.copy()
        changes = []
        for _ in range(repeats):
            shuffled[:, inside] = x[rng.permutation(len(x))[:, None], inside]
            changes.append(_badness(problem, trained, shuffled, y) - before)
        error = float(np.std(changes, ddof=1) / len(changes) ** 0.5)
        found[feature.name] = (float(np.mean(changes)), error)
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def _badness(problem: Problem, trained: Trained, x: Array, y: Array) -> float:
    predicted = trained.model.outputs_of(x)
    if isinstance(problem.preparation.target, ClassTarget):
        return class_scores(predicted, y)["log_loss"]
    spread = y.std(axis=0)
    errors = [
        number_scores(predicted[:, j], y[:, j])["rmse"] / spread[j] for j in range(y.shape[1])
    ]
    return float(np.mean(errors))

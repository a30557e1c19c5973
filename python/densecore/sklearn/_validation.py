"""Data that are held out: their loss and their score after each epoch."""

import inspect
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from .._base.dtypes import Array
from ._loss import Task


class Validation:
    """Rows that an estimator is not trained on.

    Parameters
    ----------
    estimator
        The one that is fitted, whose `early_stopping_metric` is the score.
    X : ndarray or sparse matrix (rows, features)
    y : ndarray
        As ``score`` takes it.
    targets : ndarray
        As the core takes them.
    weights : ndarray (rows,), optional
    """

    def __init__(
        self, estimator: Any, X: Any, y: Array, targets: Array, weights: Array | None
    ) -> None:
        self._estimator = estimator
        if not hasattr(X, "tocsr"):
            X = np.ascontiguousarray(X, estimator.model_.dtype)  # once, and not in each epoch
        self._X = X
        self._y = y
        self._targets = targets
        # Of a bootstrap's draw, none need be of these rows.
        self._weights = weights if weights is None or weights.any() else None
        metric = estimator.early_stopping_metric
        self._negated_loss = metric == "loss"
        self._scorer = None
        if metric is not None and not self._negated_loss:
            self._scorer = check_scoring(estimator, scoring=metric)

    def loss(self, task: Task) -> float:
        """As ``loss_``, which has the penalty in it."""
        model = self._estimator.model_
        total = task.scale * model.evaluate(self._X, self._targets, sample_weight=self._weights)
        penalty = task.scale * model._network.penalty()
        return task.reported(total, penalty) + task.offset(self._targets, self._weights)

    def score(self, loss: float) -> float:
        """What decides over an early end: the higher the better."""
        if self._negated_loss:
            return -loss
        if self._scorer is None:
            return float(self._estimator._validation_score(self._X, self._y, self._weights))
        if not np.isfinite(loss):
            return np.nan  # metrics refuse such predictions
        weighted = {}
        if self._weights is not None and _takes_weights(self._scorer):
            weighted["sample_weight"] = self._weights
        with self._estimator._rows_are_checked():
            return float(self._scorer(self._estimator, self._X, self._y, **weighted))


def _takes_weights(scorer: Any) -> bool:
    """Whether a scorer counts rows by weights: not all metrics do."""
    function = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in inspect.signature(function).parameters

"""When training stops, and how its rate falls: scikit-learn's rules, as a callback."""

import math
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..callbacks import Callback
from ._loss import Task
from ._validation import Validation
from ._warn import warn

SMALLEST_ADAPTIVE_RATE = 1e-6  # scikit-learn's


class Stopping(Callback):
    """Keeps an estimator's curves, and ends its training.

    Parameters
    ----------
    estimator
        The one that is fitted.
    task : Task
    offset : float
        Of the reported loss.
    penalty : float
        The factor of Σw² in the mean loss of an epoch.
    rows : int
        That an epoch trains.
    validation : Validation, optional
        What is looked at after each epoch.
    incremental : bool
        Whether this is a ``partial_fit``.
    """

    def __init__(
        self,
        estimator: Any,
        task: Task,
        offset: float,
        penalty: float,
        rows: int,
        validation: Validation | None,
        incremental: bool,
    ) -> None:
        super().__init__()
        self._estimator = estimator
        self._task = task
        self._offset = offset
        self._penalty = penalty
        self._rows = rows
        self._validation = validation
        self._incremental = incremental
        self._held = self._penalty_now()
        self._prints = estimator.verbose and estimator.verbose != "bar"
        self._best: Any = None
        self.converged = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch down, and decide how to go on."""
        estimator = self._estimator
        estimator.n_iter_ += 1
        estimator.t_ += self._rows
        estimator.loss_ = self._loss(logs["loss"])
        estimator.loss_curve_.append(estimator.loss_)
        if self._prints:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        logs["loss"] = estimator.loss_
        improved = self._watch(logs)
        estimator._no_improvement_count = 0 if improved else estimator._no_improvement_count + 1
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
            self.model.optimizer.learning_rate = rate * self._task.scale
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            self._stalled()
        if not math.isfinite(estimator.loss_):
            self.model.stop_training = True

    def _loss(self, minimised: float) -> float:
        total = minimised * self._task.scale
        before, self._held = self._held, self._penalty_now()
        # The core reports the sum of loss and penalty alone: the epoch's mean penalty is estimated.
        return self._task.reported(total, (before + self._held) / 2) + self._offset

    def _penalty_now(self) -> float:
        if not self._task.reports_mean:
            return 0.0
        return self._penalty * sum(float(np.vdot(w, w)) for w in self._estimator.coefs_)

    def _watch(self, logs: Any) -> bool:
        """Score what is held out; whether what decides has become better by more than tol."""
        estimator = self._estimator
        score = np.nan
        if self._validation is not None:
            logs["val_loss"] = loss = self._validation.loss(self._task)
            logs["val_score"] = score = self._validation.score(loss)
            estimator.validation_loss_curve_.append(loss)
            estimator.validation_scores_.append(score)
            if self._prints:
                print(f"Validation score: {score:f}")
        if estimator.early_stopping:
            # A score that is no number (of a diverged model) is not an improvement.
            improved = bool(score >= estimator.best_validation_score_ + estimator.tol)
            if self._best is None or score > estimator.best_validation_score_:
                self._best = self.model.get_weights()
        else:
            improved = bool(estimator.loss_ <= estimator.best_loss_ - estimator.tol)
            estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        if self._validation is not None and score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
        return improved

    def _stalled(self) -> None:
        estimator = self._estimator
        watched = "Validation score" if estimator.early_stopping else "Training loss"
        said = (
            f"{watched} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        if estimator.solver == "sgd" and estimator.learning_rate == "adaptive":
            optimizer = self.model.optimizer
            rate = optimizer.learning_rate / self._task.scale
            if rate > SMALLEST_ADAPTIVE_RATE:
                optimizer.learning_rate = rate / 5 * self._task.scale
                estimator._no_improvement_count = 0
                if self._prints:
                    print(f"{said} Setting learning rate to {rate / 5:f}")
                return
            said += " Learning rate too small."
        if self._prints:
            print(f"{said} Stopping.")
        self.converged = True
        self.model.stop_training = True

    def finish(self) -> None:
        """After the training: give back the best weights, and say when there was no end."""
        estimator = self._estimator
        if self._best is not None:
            estimator.model_.set_weights(self._best)
        last = estimator.n_iter_ == estimator.max_iter
        estimator._unconverged = last and not self.converged and not self._incremental
        if estimator._unconverged and not getattr(estimator, "_is_member", False):
            warn_of_the_end(estimator.max_iter)


def warn_of_the_end(iterations: int, who: str = "") -> None:
    """In scikit-learn's words."""
    warn(
        f"Stochastic Optimizer: {who}Maximum iterations ({iterations}) reached and the "
        "optimization hasn't converged yet.",
        ConvergenceWarning,
    )

"""When training stops, and how its learning rate falls: scikit-learn's rules, as a callback."""

import math
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._base.dtypes import Array
from .._base.warn import warn
from ..callbacks import Callback
from ..callbacks.base import Logs
from ..schedules import LearningRateSchedule
from ._build import sum_of_squares
from ._training import Training

SMALLEST_ADAPTIVE_RATE = 1e-6  # scikit-learn's


class Convergence(Callback):
    """Records each epoch, and ends a training that has converged.

    Parameters
    ----------
    training : Training
    penalty : float
        The factor of Σw² in the mean loss of an epoch.
    """

    def __init__(self, training: Training, penalty: float) -> None:
        super().__init__()
        self._training = training
        self._parameters = training.estimator
        self._objective = training.objective
        self._record = training.record
        self._offset = self._objective.offset(training.samples.targets, training.samples.weights)
        self._penalty = penalty
        self._rows = training.samples.X.shape[0]
        self._last_penalty = self._penalty_now()
        self._best_weights: list[Array] | None = None
        self._converged = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Record the epoch, and decide how to go on."""
        parameters, record = self._parameters, self._record
        improved = self.record_epoch(logs or {})
        record._no_improvement_count = 0 if improved else record._no_improvement_count + 1
        if parameters.solver == "sgd" and parameters.learning_rate == "invscaling":
            assert not isinstance(parameters.learning_rate_init, LearningRateSchedule)
            # In float64, as a power of integers may have any number of digits.
            with np.errstate(over="ignore"):
                divisor = np.float64(record.t_ + 1) ** float(parameters.power_t)
            self._set_rate(float(parameters.learning_rate_init / divisor))
        if record._no_improvement_count > parameters.n_iter_no_change:
            self._stalled()
        if self._training.stopped or not math.isfinite(record.loss_):
            self._training.model.stop_training = True
        record.write_to(parameters)

    def record_epoch(self, logs: dict[str, Any]) -> bool:
        """Record the losses and the score; whether the deciding one is better by more than tol."""
        record = self._record
        record.n_iter_ += 1
        record.t_ += self._rows
        record.loss_ = logs["loss"] = self._loss(logs["loss"])
        record.loss_curve_.append(record.loss_)
        if self._parameters._prints:
            print(f"Iteration {record.n_iter_}, loss = {record.loss_:.8f}")
        score = self._validate(logs)
        if self._parameters.early_stopping:
            best = record.best_validation_score_
            assert best is not None
            # NaN, the score of a diverged model, is not an improvement.
            improved = bool(score >= best + float(self._parameters.tol))
            if self._best_weights is None or score > best:
                self._best_weights = self._training.model.get_weights()
        else:
            assert record.best_loss_ is not None
            improved = bool(record.loss_ <= record.best_loss_ - float(self._parameters.tol))
            record.best_loss_ = min(record.best_loss_, record.loss_)
        if record.best_validation_score_ is not None and score > record.best_validation_score_:
            record.best_validation_score_ = score
        return improved

    def _loss(self, minimised: float) -> float:
        total = minimised * self._objective.scale
        before, self._last_penalty = self._last_penalty, self._penalty_now()
        # The core reports the sum of loss and penalty alone: the epoch's mean penalty is estimated.
        mean_penalty = (before + self._last_penalty) / 2
        return self._objective.reported(total, mean_penalty) + self._offset

    def _penalty_now(self) -> float:
        if not self._objective.reports_mean:
            return 0.0
        return self._penalty * sum_of_squares(self._training.model)

    def _validate(self, logs: dict[str, Any]) -> float:
        """The score of the held out rows; NaN without."""
        validation, record = self._training.validation, self._record
        if validation is None:
            return np.nan
        record.write_to(self._parameters)  # a scorer may look at them
        logs["val_loss"] = loss = validation.loss()
        logs["val_score"] = score = validation.score(loss)
        assert record.validation_loss_curve_ is not None
        assert record.validation_scores_ is not None
        record.validation_loss_curve_.append(loss)
        record.validation_scores_.append(score)
        if self._parameters._prints:
            print(f"Validation score: {score:f}")
        return score

    def _set_rate(self, rate: float) -> None:
        assert self._training.model.optimizer is not None
        # A rate of 0 is not allowed: one that has fallen so far is the smallest that there is.
        rate = max(rate * self._objective.scale, np.finfo(np.float64).tiny)
        self._training.model.optimizer.learning_rate = rate

    def _stalled(self) -> None:
        parameters = self._parameters
        watched = "Validation score" if parameters.early_stopping else "Training loss"
        said = (
            f"{watched} did not improve more than tol={parameters.tol:f} for "
            f"{parameters.n_iter_no_change} consecutive epochs."
        )
        if parameters.solver == "sgd" and parameters.learning_rate == "adaptive":
            rate = self._training.model._compiled_optimizer().learning_rate / self._objective.scale
            if rate > SMALLEST_ADAPTIVE_RATE:
                self._set_rate(rate / 5)
                self._record._no_improvement_count = 0
                if parameters._prints:
                    print(f"{said} Setting learning rate to {rate / 5:f}")
                return
            said += " Learning rate too small."
        if parameters._prints:
            print(f"{said} Stopping.")
        self._converged = True
        self._training.model.stop_training = True

    def finish(self) -> None:
        """After the training: give back the best weights, and say whether it has converged."""
        record = self._record
        if self._best_weights is not None:
            self._training.model.set_weights(self._best_weights)
        last = record.n_iter_ == self._parameters.max_iter
        self._training.converged = self._converged or self._training.incremental or not last
        record.write_to(self._parameters)


def warn_of_the_end(iterations: int, members: str = "") -> None:
    """Warn, in scikit-learn's words, that training has ended before it converged."""
    warn(
        f"Stochastic Optimizer: {members}Maximum iterations ({iterations}) reached and the "
        "optimization hasn't converged yet.",
        ConvergenceWarning,
    )

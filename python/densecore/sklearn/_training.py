"""One training of an estimator: its rows, those held out, and what its solver reports."""

import inspect
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from .._base.dtypes import Array
from ..callbacks import Callback
from ..models.sequential import Sequential
from ._callbacks import FitContext
from ._fitted import FittedMLP
from ._objective import Objective
from ._parameters import Parameters
from ._targets import Target


class Samples(NamedTuple):
    """Rows that have been checked.

    Attributes
    ----------
    X : ndarray or sparse matrix (rows, features)
    y : ndarray
        As ``score`` takes it.
    targets : ndarray
        As the core takes it.
    weights : ndarray (rows,) or None
    """

    X: Any
    y: Array
    targets: Array
    weights: Array | None

    def take(self, rows: Array) -> "Samples":
        """The samples with the given numbers."""
        X = self.X.tocsr() if hasattr(self.X, "tocsr") else self.X
        weights = None if self.weights is None else self.weights[rows]
        return Samples(X[rows], self.y[rows], self.targets[rows], weights)


class Validation:
    """Rows that an estimator is not trained on: their loss and their score after each epoch.

    Parameters
    ----------
    estimator : Parameters
        The estimator that is fitted: its `early_stopping_metric` is the score.
    model : Sequential
    target : Target
    samples : Samples
    """

    def __init__(
        self, estimator: Parameters, model: Sequential, target: Target, samples: Samples
    ) -> None:
        self._estimator = estimator
        self._model = model
        self._target = target
        self._X, self._y, self._targets, weights = samples
        if not hasattr(self._X, "tocsr"):
            self._X = np.ascontiguousarray(self._X, model.dtype)  # once, and not in each epoch
        # None of a bootstrap's rows may be among these.
        self._weights = weights if weights is None or weights.any() else None
        metric = estimator.early_stopping_metric
        self._negated_loss = metric == "loss"
        self._scorer = None
        if metric is not None and not self._negated_loss:
            self._scorer = check_scoring(estimator, scoring=metric)

    @property
    def rows(self) -> Any:
        """X as scorers are given it: an estimator need not check it again."""
        return self._X

    def loss(self) -> float:
        """As ``loss_``, which has the penalty in it."""
        objective, model = self._target.objective, self._model
        mean = model.evaluate(self._X, self._targets, sample_weight=self._weights)
        penalty = objective.scale * model._network.penalty()
        total = objective.scale * float(mean)
        return objective.reported(total, penalty) + objective.offset(self._targets, self._weights)

    def score(self, loss: float) -> float:
        """The score that decides when to stop: the higher the better."""
        if self._negated_loss:
            return -loss
        if self._scorer is None:
            outputs = self._model.predict(self._X)
            return self._target.score(self._y, outputs, self._weights)
        if not np.isfinite(loss):
            return np.nan  # metrics refuse such predictions
        weighted = {}
        if self._weights is not None and _takes_weights(self._scorer):
            weighted["sample_weight"] = self._weights
        return float(self._scorer(self._estimator, self._X, self._y, **weighted))


def _takes_weights(scorer: Any) -> bool:
    """Whether a scorer counts rows by weights: not all metrics do."""
    function = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in inspect.signature(function).parameters


class Record:
    """The report of a training: attributes of the fitted estimator, by their names there.

    An attribute that a solver does not report is not set.
    """

    n_iter_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    _no_improvement_count: int

    @classmethod
    def of(cls, estimator: Parameters) -> "Record":
        """The report of an estimator's last training, to be continued."""
        record = cls()
        known, found = cls.__annotations__, estimator.__dict__
        record.__dict__.update({name: found[name] for name in known if name in found})
        return record

    def write_to(self, estimator: Parameters) -> None:
        """Make them attributes of the estimator; lists are shared."""
        estimator.__dict__.update(self.__dict__)

    def begin_curves(self, first: bool, scored: bool, early_stopping: bool) -> None:
        """Begin new curves, or go on with those of the last training.

        Parameters
        ----------
        first : bool
            Whether the model is new.
        scored : bool
            Whether there are rows to validate.
        early_stopping : bool
            Whether their score decides when to stop.
        """
        found = self.__dict__
        if first or "loss_curve_" not in found:
            self.loss_curve_ = []
            self._no_improvement_count = 0
        scored_before = found.get("validation_scores_") is not None
        if first or scored != scored_before or "validation_scores_" not in found:
            self.validation_scores_ = [] if scored else None
            self.validation_loss_curve_ = [] if scored else None
            self.best_validation_score_ = -np.inf if scored else None
        elif "validation_loss_curve_" not in found:  # of `from_sklearn`
            self.validation_loss_curve_ = [] if scored else None
        if early_stopping:
            self.best_loss_ = None
        elif first or found.get("best_loss_") is None:
            self.best_loss_ = np.inf


@dataclass
class Training:
    """The input of a solver, and the record that it fills.

    Attributes
    ----------
    estimator : FittedMLP
        The estimator that is fitted: its parameters, and what callbacks and scorers look at.
    model : Sequential
        The network to train.
    target : Target
    samples : Samples
        The rows to train on.
    record : Record
        Filled by the solver.
    seed : int, RandomState or None
        The estimator's `random_state`.
    incremental : bool
        Whether this is a ``partial_fit``: one epoch, with a solver that goes on.
    context : FitContext or None
        The fit as scikit-learn's callbacks see it.
    validation : Validation or None
        Rows to look at after each epoch.
    callbacks : list of Callback
        The user's.
    before : list of ndarray or None
        The weights before this training, unless the network is new.
    comm : communicator or None
        Ranks that all have these rows, and share the work.
    converged : bool
        Whether training ended by itself, and not at ``max_iter``; set by the solver.
    stopped : bool
        Whether to end after the current epoch, or that it has ended so: the user's Ctrl-C.
    """

    estimator: FittedMLP
    model: Sequential
    target: Target
    samples: Samples
    record: Record
    seed: int | np.random.RandomState | None
    incremental: bool = False
    context: FitContext | None = None
    validation: Validation | None = None
    callbacks: list[Callback] = field(default_factory=list)
    before: list[Array] | None = None
    comm: Any = None
    converged: bool = True
    stopped: bool = False

    @cached_property
    def random_state(self) -> np.random.RandomState:
        """The generator for all draws of rows in this training."""
        state: np.random.RandomState = check_random_state(self.seed)
        return state

    @property
    def has_learnt(self) -> bool:
        """Whether the network is another one than before, and no longer as it was made."""
        if self.before is None:
            compiled = self.model.optimizer is not None  # no solver needs it
            return compiled and bool(self.model._network.steps > 0)
        found = self.model.get_weights()
        return not all(map(np.array_equal, self.before, found))

    @property
    def objective(self) -> Objective:
        """The loss to minimise."""
        return self.target.objective

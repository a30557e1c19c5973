"""Training in batches, for as long as the scores improve: "adam", "sgd" and the others."""

import copy
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .._base.dtypes import Array
from ..callbacks import TimeLimit
from ._build import set_penalty
from ._callbacks import FitTasks
from ._constraints import ALL_ROWS
from ._early_stopping import Stopping
from ._loss import Task
from ._optimizer import optimizer, solver_name
from ._order import RowOrder
from ._validation import Validation
from ._warn import warn


def is_stochastic_solver(solver: Any) -> bool:
    """Whether a solver goes through the data in batches."""
    return not (isinstance(solver, str) and solver in ALL_ROWS)


def is_stochastic(estimator: Any) -> bool:
    """Whether the solver goes through the data in batches; if not, there is no partial_fit."""
    if not is_stochastic_solver(estimator.solver):
        raise AttributeError(
            f"partial_fit: found solver={estimator.solver!r}, wanted 'adam', 'sgd' or another one "
            "that goes through batches: this one takes all rows at once"
        )
    return True


def prepare_curves(estimator: Any, first: bool, scored: bool) -> None:
    """Begin new curves, or go on with those that there are."""
    if first or not hasattr(estimator, "loss_curve_"):
        estimator.loss_curve_ = []
        estimator._no_improvement_count = 0
    if first or scored != (getattr(estimator, "validation_scores_", None) is not None):
        estimator.validation_scores_ = [] if scored else None
        estimator.validation_loss_curve_ = [] if scored else None
        estimator.best_validation_score_ = -np.inf if scored else None
    elif not hasattr(estimator, "validation_loss_curve_"):  # of `from_sklearn`
        estimator.validation_loss_curve_ = [] if scored else None
    if estimator.early_stopping:
        estimator.best_loss_ = None
    elif first or getattr(estimator, "best_loss_", None) is None:
        estimator.best_loss_ = np.inf


def fit(
    estimator: Any,
    task: Task,
    X: Any,
    y: Array,
    weights: Array | None,
    told: FitTasks | None,
    *,
    validation: Validation | None,
    random_state: np.random.RandomState,
    incremental: bool,
    callbacks: Any,
) -> None:
    """Train for ``max_iter`` epochs, or one; the curves are those that `prepare_curves` began.

    Parameters
    ----------
    estimator
        Whose model is trained.
    X : array or sparse matrix (rows, features)
    y : ndarray
        As the core wants it.
    weights : ndarray (rows,) or None
    told : FitTasks or None
        scikit-learn's callbacks, the last to be called.
    validation : Validation or None
        What is looked at after each epoch.
    random_state : RandomState
        Of the epochs' order of rows: scikit-learn's.
    incremental : bool
        Whether this is a ``partial_fit``: one epoch.
    callbacks : Callback, list of Callback, or None
    """
    rows = X.shape[0]
    batch = _batch_rows(estimator, rows)
    # Each batch's weight divides its penalty; this is that of a mean batch.
    weight = batch * (1.0 if weights is None else float(np.mean(weights)))
    penalty = estimator.alpha / 2 / weight
    model = estimator._model()
    set_penalty(model, penalty / task.scale)
    model._network.penalty_weight = weight
    goes_on = incremental or estimator.warm_start == "solver"
    other = model.optimizer is None or model.optimizer.name != solver_name(estimator)
    if other or not goes_on:
        model.seed = _seed(estimator)
        model.compile(optimizer(estimator, task.scale), task.kind.loss)
    offset = task.offset(y, weights)
    # The mean over the rows counts every batch's penalty as often as the batch has rows.
    reported = penalty * -(-rows // batch) * batch / rows
    stopping = Stopping(estimator, task, offset, reported, rows, validation, incremental)
    estimator.n_iter_ = 0
    given = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    if estimator.time_budget is not None:
        given.append(TimeLimit(estimator.time_budget))
    # The first of all, as it says the losses that the others see.
    listeners: list[Any] = [stopping, *given, told]
    # One batch is the same in any order but for its last digits.
    shuffle = bool(estimator.shuffle) and batch < rows
    if shuffle:
        order = RowOrder(rows, random_state)
        listeners.append(order)
        model._network.row_order = order.rows
    try:
        model.fit(
            X,
            y,
            batch_size=batch,
            epochs=1 if incremental else estimator.max_iter,
            verbose="bar" if estimator.verbose == "bar" else 0,
            callbacks=[c for c in listeners if c is not None],
            shuffle=shuffle,
            sample_weight=weights,
        )
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    finally:
        model._network.penalty_weight, model._network.row_order = 0.0, None
    stopping.finish()


def _batch_rows(estimator: Any, rows: int) -> int:
    if estimator.batch_size == "auto":
        return min(200, rows)
    if estimator.batch_size > rows:
        warn(
            f"batch_size: found {estimator.batch_size}, more than the {rows} rows; clipped to that"
        )
    return int(min(estimator.batch_size, rows))


def _seed(estimator: Any) -> int:
    """Of what the core draws itself; the random state's own numbers are scikit-learn's."""
    if isinstance(estimator.random_state, Integral):
        return int(estimator.random_state)
    state = check_random_state(estimator.random_state)
    state = state if estimator.random_state is None else copy.deepcopy(state)
    return int(state.randint(np.iinfo(np.int32).max))

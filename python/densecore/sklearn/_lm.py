"""Training with Levenberg–Marquardt, all rows at once: few, dear steps for small regressions."""

from typing import Any

import numpy as np

from .._base.dtypes import Array
from ..callbacks import Callback, TimeLimit
from ._callbacks import FitTasks
from ._early_stopping import warn_of_the_end
from ._loss import Task
from ._optimizer import compile_for_all_rows


def fit(
    estimator: Any, task: Task, X: Any, y: Array, weights: Array | None, told: FitTasks | None
) -> None:
    """Minimise the squared error of all rows; set ``n_iter_``, ``loss_`` and ``loss_curve_``.

    Raises
    ------
    ValueError
        The loss is another one, or what densecore's ``fit(solver="lm")`` refuses.
    """
    if task.name != "squared_error":
        raise ValueError(
            f"loss: found {estimator.loss!r} with solver='lm', wanted 'squared_error': it solves "
            "sums of squares only"
        )
    factor = compile_for_all_rows(estimator, task, X, weights)
    model = estimator.model_
    listeners: list[Callback] = [] if told is None else [told]
    if estimator.time_budget is not None:
        listeners.append(TimeLimit(estimator.time_budget))
    history = model.fit(
        X.toarray() if hasattr(X, "toarray") else X,
        y,
        epochs=estimator.max_iter,
        solver="lm",
        sample_weight=weights,
        callbacks=listeners,
        verbose=0,
    )
    # One that begins where no step lowers the loss has made none.
    losses: Any = history.history.get("loss") or [model.evaluate(X, y, sample_weight=weights)]
    totals = [task.scale * loss for loss in losses]
    penalty = factor * sum(float(np.vdot(w, w)) for w in estimator.coefs_)
    estimator.loss_curve_ = [task.reported(total, penalty) for total in totals]
    estimator.loss_ = estimator.loss_curve_[-1]
    estimator.n_iter_ = len(totals)
    if estimator.verbose:
        print(f"lm: {estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}")
    estimator._unconverged = estimator.n_iter_ == estimator.max_iter
    if estimator._unconverged and not getattr(estimator, "_is_member", False):
        warn_of_the_end(estimator.max_iter)

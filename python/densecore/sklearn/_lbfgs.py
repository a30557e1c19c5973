"""Training with SciPy's L-BFGS-B over the flat parameters, all rows at once."""

import math
import time
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._base.dtypes import Array
from ..solvers import minimize
from ._callbacks import FitTasks
from ._loss import Task
from ._optimizer import compile_for_all_rows
from ._warn import warn

STOPPED = 99  # SciPy's status when a callback has ended the search


def fit(
    estimator: Any, task: Task, X: Any, y: Array, weights: Array | None, told: FitTasks | None
) -> None:
    """Minimise the loss of all rows, and set the estimator's model, ``n_iter_`` and ``loss_``."""
    factor = compile_for_all_rows(estimator, task, X, weights)
    model = estimator.model_
    x = np.ascontiguousarray(X.toarray() if hasattr(X, "toarray") else X, model.dtype)
    y = np.ascontiguousarray(y, None if task.name == "multiclass" else model.dtype)
    row_weights = None if weights is None else np.ascontiguousarray(weights, model.dtype)

    end = math.inf if estimator.time_budget is None else time.monotonic() + estimator.time_budget

    def iteration(parameters: Array) -> None:
        if told is not None:
            told.iteration(parameters)
        if time.monotonic() >= end:
            raise StopIteration

    if told is not None:
        told.begin()
    found = minimize(
        model,
        x,
        y,
        row_weights,
        scale=task.scale,
        callback=None if told is None and end == math.inf else iteration,
        maxfun=estimator.max_fun,
        maxiter=estimator.max_iter,
        gtol=estimator.tol,
    )
    penalty = factor * sum(float(np.vdot(w, w)) for w in estimator.coefs_)
    estimator.loss_ = task.reported(float(found.fun), penalty) + task.offset(y, weights)
    estimator.n_iter_ = min(int(found.nit), estimator.max_iter)
    if estimator.verbose:
        print(f"lbfgs: {estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}")
    if found.status not in (0, STOPPED):
        warn(
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): "
            f"{found.message}. Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
        )

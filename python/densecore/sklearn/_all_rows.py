"""Training on all rows at once: SciPy's L-BFGS-B, and Levenberg–Marquardt for small regressions."""

import math
import time
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._base.dtypes import Array
from .._base.warn import warn
from ..callbacks import Callback, TimeLimit
from ..models.fit_shared import shared_network
from ..solvers import minimize
from ._build import optimizer, set_penalty, sum_of_squares
from ._training import Training

STOPPED = 99  # SciPy's status when a callback has ended the search


def _compile(training: Training) -> float:
    """Compile the model for a solver that takes all rows at once.

    Returns
    -------
    float
        The factor of Σw² in the reported loss.
    """
    parameters, objective, samples = training.estimator, training.objective, training.samples
    weight = float(samples.X.shape[0] if samples.weights is None else samples.weights.sum())
    factor: float = float(parameters.alpha) / 2 / weight
    set_penalty(training.model, factor / objective.scale)
    # The solver uses the compiled loss, and not the optimizer.
    training.model.compile(optimizer(parameters, objective.scale), objective.loss)
    return factor


def _dense(X: Any) -> Array:
    found: Array = X.toarray() if hasattr(X, "toarray") else X
    return found


def fit_lbfgs(training: Training) -> None:
    """Minimise the loss of all rows by L-BFGS; reports ``n_iter_`` and ``loss_``."""
    parameters, objective, model = training.estimator, training.objective, training.model
    context, record = training.context, training.record
    targets, weights = training.samples.targets, training.samples.weights
    factor = _compile(training)
    x = np.ascontiguousarray(_dense(training.samples.X), model.dtype)
    y = np.ascontiguousarray(targets, None if objective.name == "multiclass" else model.dtype)
    row_weights = None if weights is None else np.ascontiguousarray(weights, model.dtype)

    budget = parameters.time_budget
    end = math.inf if budget is None else time.monotonic() + float(budget)

    network: Any = model._network
    if training.comm is not None:
        network, own = shared_network(model, x, y, row_weights, training.comm)
        x, y, row_weights = own.batch()

    def iteration(_: Array) -> None:
        if context is not None:
            context.iteration()
        over = time.monotonic() >= end
        if over if training.comm is None else network.any(over):
            raise StopIteration

    if context is not None:
        context.begin()
    found = minimize(
        network,
        x,
        y,
        row_weights,
        scale=objective.scale,
        callback=None if context is None and end == math.inf else iteration,
        maxfun=parameters.max_fun,
        maxiter=parameters.max_iter,
        gtol=float(parameters.tol),
    )
    total, penalty = float(found.fun), factor * sum_of_squares(model)
    record.loss_ = objective.reported(total, penalty) + objective.offset(targets, weights)
    record.n_iter_ = min(int(found.nit), parameters.max_iter)
    if parameters.verbose:
        print(f"lbfgs: {record.n_iter_} iterations, loss = {record.loss_:.8f}")
    if found.status not in (0, STOPPED):
        warn(
            f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}): "
            f"{found.message}. Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
        )


def fit_levenberg_marquardt(training: Training) -> None:
    """Minimise the squared error of all rows; reports ``n_iter_``, ``loss_``, ``loss_curve_``.

    Raises
    ------
    ValueError
        The loss is another one, or what densecore's ``fit(solver="lm")`` refuses.
    """
    parameters, objective, model = training.estimator, training.objective, training.model
    record, samples = training.record, training.samples
    if objective.name != "squared_error":
        raise ValueError(
            f"loss: found {parameters.get_params()['loss']!r} with solver='lm', wanted "
            "'squared_error': it solves sums of squares only"
        )
    factor = _compile(training)
    listeners: list[Callback] = [] if training.context is None else [training.context]
    if parameters.time_budget is not None:
        listeners.append(TimeLimit(parameters.time_budget))
    history = model.fit(
        _dense(samples.X),
        samples.targets,
        epochs=parameters.max_iter,
        solver="lm",
        sample_weight=samples.weights,
        callbacks=listeners,
        verbose=0,
        comm=training.comm,
    )
    losses: list[Any] = list(history.history.get("loss", ()))
    if not losses:  # no step lowers the loss: the first weights are the solution
        losses = [model.evaluate(samples.X, samples.targets, sample_weight=samples.weights)]
    penalty = factor * sum_of_squares(model)
    record.loss_curve_ = [objective.reported(objective.scale * loss, penalty) for loss in losses]
    record.loss_ = record.loss_curve_[-1]
    record.n_iter_ = len(losses)
    if parameters.verbose:
        print(f"lm: {record.n_iter_} iterations, loss = {record.loss_:.8f}")
    training.converged = record.n_iter_ < parameters.max_iter

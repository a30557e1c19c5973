"""A training from its first step to the fitted estimator, by the solver of the parameters."""

import numpy as np

from . import _scaling
from ._all_rows import fit_lbfgs, fit_levenberg_marquardt
from ._build import optimizer
from ._callbacks import fit_context
from ._fitted import surely_finite
from ._stochastic import fit_batches
from ._training import Training


def run(training: Training) -> None:
    """Train; other threads may train other models meanwhile."""
    estimator, samples = training.estimator, training.samples
    tasks = 1 if training.incremental else estimator.max_iter
    training.context = fit_context(estimator, tasks, samples.X, samples.y, samples.weights)
    if training.validation is not None:
        estimator._checked_rows = training.validation.rows
    try:
        if estimator._takes_batches:
            fit_batches(training)
        elif estimator.solver == "lm":
            fit_levenberg_marquardt(training)
        else:
            fit_lbfgs(training)
    finally:
        estimator.__dict__.pop("_checked_rows", None)


def finish(training: Training) -> None:
    """Report to the estimator.

    Raises
    ------
    ValueError
        Weights are not finite; a model that was there before the training is as it was then.
    """
    estimator, model = training.estimator, training.model
    plain = not estimator.batch_normalization  # which has statistics besides the parameters
    finite = plain and surely_finite(model.parameters)
    if not (finite or all(np.isfinite(array).all() for array in model.weights)):
        if training.before is not None:
            model.set_weights(training.before)
            if estimator._takes_batches:  # what the optimizer has accumulated is not finite either
                objective = training.objective
                model.compile(optimizer(estimator, objective.scale), objective.loss)
        names = estimator.__dict__.get("feature_names_in_")
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large "
            "values and need to be preprocessed. Training has diverged: "
            f"{_scaling.advice(training.samples.X, names)}."
        )
    training.record.write_to(estimator)
    if training.context is not None:
        training.context.finish()

"""densecore's optimizer for scikit-learn's settings."""

import copy
from typing import Any

from .. import optimizers
from .._base.dtypes import Array
from ..optimizers import SGD, Optimizer
from ..schedules import LearningRateSchedule, Scaled
from ._build import set_penalty
from ._constraints import ALL_ROWS
from ._loss import Task

# Those whose two betas and epsilon mean what Adam's do; the others keep their own defaults.
_LIKE_ADAM = ("adam", "adamw", "nadam", "adamax")


def solver_name(estimator: Any) -> str:
    """What the optimizer of a model that this estimator trains is called."""
    solver = estimator.solver
    return str(solver.name if isinstance(solver, Optimizer) else solver)


def optimizer(estimator: Any, scale: float) -> Optimizer:
    """scikit-learn's solver for a loss that is 1 / `scale` of its own: the same steps.

    A solver that is an optimizer is copied, and nothing of it is scaled: it steps along the
    gradient of densecore's loss.
    """
    if isinstance(estimator.solver, Optimizer):
        return copy.deepcopy(estimator.solver)
    rate = estimator.learning_rate_init
    # Of gradients that are 1 / scale of scikit-learn's.
    options = {
        name: getattr(estimator, name) / scale
        for name in ("clipnorm", "clipvalue", "global_clipnorm")
        if getattr(estimator, name) is not None
    }
    decay = {} if estimator.weight_decay is None else {"weight_decay": estimator.weight_decay}
    # One that takes all rows at once makes no steps, but a model is compiled with some.
    if estimator.solver in ("sgd", *ALL_ROWS):
        # What decays in a step is the rate times this, and the rate is scaled.
        decay = {name: value / scale for name, value in decay.items()}
        if not isinstance(rate, LearningRateSchedule):
            rate *= scale
        elif scale != 1:
            rate = Scaled(rate, scale)
        return SGD(rate, estimator.momentum, bool(estimator.nesterovs_momentum), **options, **decay)
    config = {"name": estimator.solver, "learning_rate": rate, **options, **decay}
    if estimator.solver in _LIKE_ADAM:
        config |= {"beta_1": estimator.beta_1, "beta_2": estimator.beta_2}
        config["epsilon"] = estimator.epsilon / scale
    if estimator.solver == "adam":
        config["epsilon_hat"] = True  # where scikit-learn has it
    return optimizers.get(config)


def compile_for_all_rows(estimator: Any, task: Task, X: Any, weights: Array | None) -> float:
    """Compile the model for a solver that takes all rows at once.

    Returns
    -------
    float
        What the sum of the squares of the weights is multiplied with in the reported loss.
    """
    weight = float(X.shape[0] if weights is None else weights.sum())
    factor: float = estimator.alpha / 2 / weight
    model = estimator.model_
    set_penalty(model, factor / task.scale)
    model.compile(optimizer(estimator, task.scale), task.kind.loss)  # of which the loss is wanted
    return factor

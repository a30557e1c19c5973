"""What the constructors' parameters may be, in scikit-learn's terms, and what excludes what."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .. import activations, losses, optimizers
from ..optimizers import Optimizer
from ..schedules import LearningRateSchedule

# Those that take all rows at once, and have neither epochs nor rates.
ALL_ROWS = ("lbfgs", "lm")

# With the aliases: what is there under a name.
ACTIVATION_NAMES = {"logistic"} | {
    name for name, each in vars(activations).items() if isinstance(each, activations.Activation)
}

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(ACTIVATION_NAMES), activations.Activation, "array-like"],
    "solver": [StrOptions({"lbfgs", *optimizers.names()}), Optimizer],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither"), LearningRateSchedule],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose", StrOptions({"bar"})],
    "warm_start": ["boolean", StrOptions({"solver"})],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    # What scikit-learn does not have.
    "early_stopping_metric": [StrOptions({"loss", *get_scorer_names()}), callable, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "batch_normalization": ["boolean"],
    "layer_normalization": ["boolean"],
    "weight_decay": [Interval(Real, 0, None, closed="left"), None],
    "clipnorm": [Interval(Real, 0, None, closed="neither"), None],
    "clipvalue": [Interval(Real, 0, None, closed="neither"), None],
    "global_clipnorm": [Interval(Real, 0, None, closed="neither"), None],
    "scale_inputs": ["boolean"],
    "time_budget": [Interval(Real, 0, None, closed="neither"), None],
    "n_members": [Interval(Integral, 1, None, closed="left"), None],
    "bootstrap": ["boolean"],
}

CLASSIFIER = {**CONSTRAINTS, "class_weight": [StrOptions({"balanced"}), dict, list, None]}

# scikit-learn's names and densecore's of losses that a regression can have.
LOSSES = {
    "squared_error": "mean_squared_error",
    "absolute_error": "mean_absolute_error",
    "mean_squared_error": "mean_squared_error",
    "mse": "mean_squared_error",
    "mean_absolute_error": "mean_absolute_error",
    "mae": "mean_absolute_error",
    "huber": "huber",
    "log_cosh": "log_cosh",
    "logcosh": "log_cosh",
    "poisson": "poisson",
    "quantile": "quantile",
    "pinball": "quantile",
    "gaussian_nll": "gaussian_nll",
}

REGRESSOR = {
    **CONSTRAINTS,
    "solver": [StrOptions({"lbfgs", "lm", *optimizers.names()}), Optimizer],
    "loss": [StrOptions(set(LOSSES)), losses.Loss],
    "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like", None],
    "scale_targets": ["boolean"],
}

_SOLVER_OWN = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")


def check_together(estimator: Any) -> None:
    """Raise ValueError for parameters that each may be, but not together."""
    solver = estimator.solver
    schedule = isinstance(estimator.learning_rate_init, LearningRateSchedule)
    if isinstance(solver, str) and solver in ALL_ROWS:
        found = [name for name in _SOLVER_OWN if getattr(estimator, name) is not None]
        found += ["learning_rate_init"] if schedule else []
        if np.any(np.asarray(estimator.dropout, np.float64) > 0):
            found.append("dropout")
        found += ["batch_normalization"] if estimator.batch_normalization else []
        if found:
            raise ValueError(
                f"{', '.join(found)}: found solver={solver!r}, which takes all rows at once, "
                "wanted 'adam', 'sgd' or another one that goes through batches"
            )
    if isinstance(solver, Optimizer):
        found = [name for name in _SOLVER_OWN if getattr(estimator, name) is not None]
        found += ["learning_rate_init"] if schedule else []
        if found:
            raise ValueError(
                f"{', '.join(found)}: found besides solver={solver!r}, wanted as an argument of "
                "that optimizer"
            )
    clipped = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(estimator, n)]
    if len(clipped) > 1:
        raise ValueError(f"{', '.join(clipped)}: found {len(clipped)}, wanted at most one of them")
    if schedule and estimator.learning_rate != "constant":
        raise ValueError(
            f"learning_rate: found {estimator.learning_rate!r} with a schedule as "
            "learning_rate_init, wanted 'constant'"
        )

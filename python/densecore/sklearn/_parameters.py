"""The constructors' parameters: their types, their limits, and which exclude each other."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .. import activations, losses, optimizers
from .._base import checks
from .._base.dtypes import Array
from ..optimizers import Optimizer
from ..schedules import LearningRateSchedule

# Solvers that take all rows at once: they have neither epochs nor learning rates.
ALL_ROWS = ("lbfgs", "lm")

# Every name of densecore's with its aliases, and scikit-learn's name of the sigmoid.
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
    # Parameters that scikit-learn does not have.
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

# Names of a regression's losses, scikit-learn's and Keras's, and densecore's own.
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

# The parameters that are numbers, by whether they are integers.
_NUMBERS = {
    name: limit.type is Integral
    for name, limits in REGRESSOR.items()
    for limit in limits
    if isinstance(limit, Interval) and name != "hidden_layer_sizes"
}

# Settings of a named optimizer; one that is given as an object has its own.
_OPTIMIZER_SETTINGS = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")


class Parameters(BaseEstimator):
    """The parameters that both estimators have, kept as they were given."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    hidden_layer_sizes: int | Sequence[int] | Array
    activation: str | activations.Activation | Sequence[str | activations.Activation]
    solver: str | Optimizer
    alpha: float
    batch_size: int | str
    learning_rate: str
    learning_rate_init: float | LearningRateSchedule
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: int | np.random.RandomState | None
    tol: float
    verbose: bool | int | str
    warm_start: bool | str
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    early_stopping_metric: str | Callable[..., float] | None
    dropout: float | Sequence[float] | Array
    batch_normalization: bool
    layer_normalization: bool
    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    scale_inputs: bool
    time_budget: float | None
    n_members: int | None
    bootstrap: bool

    def _store(self, arguments: dict[str, Any]) -> None:
        """Keep a constructor's arguments unchanged, as scikit-learn's ``clone`` wants them."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _validate_params(self) -> None:
        """Raise ValueError or TypeError for a parameter of a wrong type or out of its range.

        Before scikit-learn's checks: they take True for 1, and integers that no float can hold.
        """
        for name, integral in _NUMBERS.items():
            value = getattr(self, name, None)
            endless = name == "n_iter_no_change" and value == np.inf
            if not isinstance(value, Real | np.bool_) or endless:
                continue
            if not isinstance(value, int | float | np.generic):
                raise TypeError(f"{name}: found {value!r}, wanted a number of Python's or NumPy's")
            if integral:
                checks.integer(name, value, -(2**63))
            else:
                checks.number(name, value)
        super()._validate_params()

    @property
    def _solver_name(self) -> str:
        """The name of the solver's update rule, also of an optimizer that is given as an object."""
        return str(type(self.solver).name if isinstance(self.solver, Optimizer) else self.solver)

    @property
    def _takes_batches(self) -> bool:
        """Whether the solver goes through the rows in batches, epoch after epoch."""
        return not (isinstance(self.solver, str) and self.solver in ALL_ROWS)

    @property
    def _prints(self) -> bool:
        """Whether each epoch or iteration prints a line."""
        return bool(self.verbose) and self.verbose != "bar"

    def _hidden_sizes(self) -> list[int]:
        given = self.hidden_layer_sizes
        if type(given) is tuple and all(type(size) is int and 0 < size < 2**31 for size in given):
            return list(given)
        sizes = np.atleast_1d(np.asarray(given))
        if sizes.ndim != 1 or (sizes.size and sizes.dtype.kind not in "iu"):
            raise ValueError(f"hidden_layer_sizes must be integers, got {given!r}")
        if (sizes <= 0).any() or (sizes >= 2**31).any():
            raise ValueError(f"hidden_layer_sizes must be > 0 and < 2^31, got {sizes.tolist()}.")
        return [int(size) for size in sizes]

    def _check_together(self) -> None:
        """Raise ValueError for parameters that are valid each, but not together."""
        schedule = isinstance(self.learning_rate_init, LearningRateSchedule)
        found = [name for name in _OPTIMIZER_SETTINGS if getattr(self, name) is not None]
        found += ["learning_rate_init"] if schedule else []
        if found and isinstance(self.solver, Optimizer):
            raise ValueError(
                f"{', '.join(found)}: found besides solver={self.solver!r}, wanted as an argument "
                "of that optimizer"
            )
        if not self._takes_batches:
            if np.any(np.asarray(self.dropout, np.float64) > 0):
                found.append("dropout")
            found += ["batch_normalization"] if self.batch_normalization else []
            if found:
                raise ValueError(
                    f"{', '.join(found)}: found solver={self.solver!r}, which takes all rows at "
                    "once, wanted 'adam', 'sgd' or another one that goes through batches"
                )
        clipped = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n)]
        if len(clipped) > 1:
            raise ValueError(
                f"{', '.join(clipped)}: found {len(clipped)}, wanted at most one of them"
            )
        if schedule and self.learning_rate != "constant":
            raise ValueError(
                f"learning_rate: found {self.learning_rate!r} with a schedule as "
                "learning_rate_init, wanted 'constant'"
            )


def is_stochastic(estimator: Parameters) -> bool:
    """Whether the solver goes through batches: without, an estimator has no ``partial_fit``."""
    if not estimator._takes_batches:
        raise AttributeError(
            f"partial_fit: found solver={estimator.solver!r}, wanted 'adam', 'sgd' or another one "
            "that goes through batches: this one takes all rows at once"
        )
    return True

"""Metrics of numbers: distances of the outputs from the targets."""

from .._base import checks
from .base import Metric


class _Lower(Metric):
    larger_is_better = False


class MeanSquaredError(_Lower):
    """The mean of (y - a)²."""

    kind = "mean_squared_error"


class RootMeanSquaredError(_Lower):
    """The root of the mean of (y - a)² over all rows."""

    kind = "root_mean_squared_error"


class MeanAbsoluteError(_Lower):
    """The mean of |y - a|."""

    kind = "mean_absolute_error"


class MeanAbsolutePercentageError(_Lower):
    """100 times the mean of |y - a| / max(|y|, 1e-7)."""

    kind = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(_Lower):
    """The mean of (log(1 + y) - log(1 + a))², both at least 1e-7."""

    kind = "mean_squared_logarithmic_error"


class CosineSimilarity(Metric):
    """The mean over the rows of y·a / (|y| |a|).

    Parameters
    ----------
    name : str, optional
    dtype
        As of `Metric`.
    axis : int, default -1
        That of the outputs; there is no other.
    """

    kind = "cosine_similarity"

    def __init__(
        self, name: str | None = None, dtype: str | None = None, axis: int | None = -1
    ) -> None:
        if axis is not None and checks.real(axis) not in (-1, 1):
            raise ValueError(
                f"CosineSimilarity: axis: found {checks.shown(axis)}, wanted -1, the last one"
            )
        super().__init__(name, dtype)


class R2Score(Metric):
    """1 - Σ (y - a)² / Σ (y - mean y)² of each output, then their mean.

    An output whose targets are all the same counts 1 when it is right, else 0.

    Parameters
    ----------
    class_aggregation : {"uniform_average"}, default "uniform_average"
        How the outputs become one number; there is no other.
    num_regressors : int, default 0
        Keras's; 0, as nothing is adjusted for.
    name : str, optional
    dtype : str, optional
        Accepted for Keras's sake, and without effect.
    """

    kind = "r2_score"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        known = ("uniform_average",)
        checks.one_of("R2Score: class_aggregation", class_aggregation, known)
        checks.integer("R2Score: num_regressors", num_regressors, 0, 0)
        super().__init__(name, dtype)

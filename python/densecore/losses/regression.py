"""Losses of numbers: distances from the targets, and likelihoods of them."""

from collections.abc import Iterable
from typing import Any

from .._base import checks
from .base import Loss
from .registry import LossFunction


class MeanSquaredError(Loss):
    """(1/n) Σ (a - y)² over the n outputs: the note's Eq. 8. Parameters as for `Loss`."""

    kind = "mean_squared_error"


mean_squared_error = mse = MSE = LossFunction(MeanSquaredError)


class MeanAbsoluteError(Loss):
    """(1/n) Σ |a - y|. Parameters as for `Loss`."""

    kind = "mean_absolute_error"


mean_absolute_error = mae = MAE = LossFunction(MeanAbsoluteError)


class MeanSquaredLogarithmicError(Loss):
    """(1/n) Σ (log(1 + a) - log(1 + y))², both kept above 1e-7. Parameters as for `Loss`."""

    kind = "mean_squared_logarithmic_error"


mean_squared_logarithmic_error = msle = MSLE = LossFunction(MeanSquaredLogarithmicError)


class MeanAbsolutePercentageError(Loss):
    """(100/n) Σ |a - y| / |y|, |y| kept above 1e-7. Parameters as for `Loss`."""

    kind = "mean_absolute_percentage_error"


mean_absolute_percentage_error = mape = MAPE = LossFunction(MeanAbsolutePercentageError)


class Huber(Loss):
    """(1/n) Σ of (a - y)²/2 where |a - y| ≤ delta, and delta |a - y| - delta²/2 elsewhere.

    Parameters
    ----------
    delta : float, default 1.0
        Where the parabola becomes a straight line, > 0.
    reduction, name, **common
        As for `Loss`.
    """

    kind = "huber"

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(reduction, name, delta=delta, **common)


huber = LossFunction(Huber)


class LogCosh(Loss):
    """(1/n) Σ log(cosh(a - y)). Parameters as for `Loss`."""

    kind = "log_cosh"


log_cosh = logcosh = LossFunction(LogCosh)


class Poisson(Loss):
    """(1/n) Σ (a - y log(a + 1e-7)). Parameters as for `Loss`."""

    kind = "poisson"


poisson = LossFunction(Poisson)


class Quantile(Loss):
    """The pinball loss of several quantiles: (1/n) Σ max(τ d, (τ - 1) d), d = y - a.

    The model has as many outputs for each target as there are quantiles, target by target: output
    ``t * len(quantiles) + q`` estimates quantile q of target t. Not in Keras.

    Parameters
    ----------
    quantiles : sequence of float, default (0.1, 0.5, 0.9)
        Each in (0, 1).
    reduction, name, **common
        As for `Loss`.
    """

    kind = "quantile"

    def __init__(
        self,
        quantiles: Iterable[float] = (0.1, 0.5, 0.9),
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(reduction, name, quantiles=quantiles, **common)

    def _checked(self, key: str, value: Any) -> Any:
        try:
            given = list(value)
        except TypeError:
            raise TypeError(
                f"quantile: quantiles: found {checks.shown(value)}, wanted numbers between 0 and 1"
            ) from None
        if not given:
            raise ValueError("quantile: quantiles: found none, wanted at least one")
        return [checks.number("quantile: quantiles", tau, above=0, below=1) for tau in given]

    def _parameters(self) -> list[float]:
        return list(self._options["quantiles"])

    def target_columns(self, outputs: int) -> int:
        """One for each group of quantiles.

        Raises
        ------
        ValueError
            They cannot be divided among targets.
        """
        count = len(self._options["quantiles"])
        if outputs % count:
            raise ValueError(f"y_pred: found {outputs} columns, wanted {count} for each target")
        return outputs // count


quantile = pinball = LossFunction(Quantile)


class GaussianNLL(Loss):
    """(1/n) Σ (s + (y - m)² exp(-s)) / 2: the likelihood of targets under normal distributions.

    The model has two outputs for each of the n targets: first all means m, then all logarithms s
    of the variances. The constant log(2π)/2 is left out, as in PyTorch. Not in Keras. Parameters as
    for `Loss`.
    """

    kind = "gaussian_nll"

    def target_columns(self, outputs: int) -> int:
        """One for each mean and variance.

        Raises
        ------
        ValueError
            They cannot be divided among targets.
        """
        if outputs % 2:
            raise ValueError(f"y_pred: found {outputs} columns, wanted 2 for each target")
        return outputs // 2

    def _terms(self, outputs: int) -> int:
        return outputs // 2


gaussian_nll = LossFunction(GaussianNLL)


class CosineSimilarity(Loss):
    """-Σ a y / (|a| |y|): -1 for the same direction.

    Parameters
    ----------
    axis : int, default -1
        The last one; there is no other.
    reduction, name, **common
        As for `Loss`.
    """

    kind = "cosine_similarity"

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(reduction, name, axis=axis, **common)


cosine_similarity = LossFunction(CosineSimilarity)

"""Losses of numbers: how far the outputs are from the targets, and how likely these were."""

from collections.abc import Iterable
from typing import Any

from .base import Loss


class MeanSquaredError(Loss):
    """(1/n) Σ (a - y)² over the n outputs: the note's Eq. 8."""

    name = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """(1/n) Σ |a - y|"""

    name = "mean_absolute_error"


class MeanSquaredLogarithmicError(Loss):
    """(1/n) Σ (log(1 + a) - log(1 + y))², both kept above 1e-7."""

    name = "mean_squared_logarithmic_error"


class MeanAbsolutePercentageError(Loss):
    """(100/n) Σ |a - y| / |y|, |y| kept above 1e-7."""

    name = "mean_absolute_percentage_error"


class Huber(Loss):
    """(1/n) Σ of (a - y)²/2 where |a - y| ≤ delta, and a straight line from there on.

    Parameters
    ----------
    delta : float
        > 0.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction, delta=delta)


class LogCosh(Loss):
    """(1/n) Σ log(cosh(a - y))"""

    name = "log_cosh"


class Poisson(Loss):
    """(1/n) Σ (a - y log(a + 1e-7))"""

    name = "poisson"


class Quantile(Loss):
    """The pinball loss of several quantiles: (1/n) Σ max(τ d, (τ - 1) d), d = y - a.

    The model has as many outputs for each target as there are quantiles, target by target: output
    ``t * len(quantiles) + q`` estimates quantile q of target t. Not in Keras.

    Parameters
    ----------
    quantiles : sequence of float
        Each in (0, 1).
    """

    name = "quantile"

    def __init__(
        self, quantiles: Iterable[float] = (0.1, 0.5, 0.9), reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, quantiles=quantiles)

    def _checked(self, key: str, value: Any) -> Any:
        try:
            found = [float(tau) for tau in value]
        except (TypeError, ValueError):
            raise TypeError(
                f"quantile: quantiles: found {value!r}, wanted numbers between 0 and 1"
            ) from None
        if not found:
            raise ValueError("quantile: quantiles: found none, wanted at least one")
        return found

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


class GaussianNLL(Loss):
    """(1/n) Σ (s + (y - m)² exp(-s)) / 2: the likelihood of targets under normal distributions.

    The model has two outputs for each of the n targets: first all means m, then all logarithms s
    of the variances. The constant log(2π)/2 is left out, as in PyTorch. Not in Keras.
    """

    name = "gaussian_nll"

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


class CosineSimilarity(Loss):
    """-Σ a y / (|a| |y|): -1 for the same direction."""

    name = "cosine_similarity"

"""Numbers as targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import d2_pinball_score, r2_score

from .._base.dtypes import Array
from ._objective import Objective
from ._scaling import moments
from ._targets import Reader, Target


class ValueTarget(Target):
    """Numbers.

    Parameters
    ----------
    objective : Objective
    described : tuple
        The parameters that the objective was made from: `loss` and `quantile`.
    scaling : (mean, scale), each an ndarray (outputs,), optional
        The network is trained on (y - mean) / scale.
    """

    def __init__(
        self,
        objective: Objective,
        described: tuple[Any, Any],
        scaling: tuple[Array, Array] | None = None,
    ) -> None:
        self.objective = objective
        self.described = described
        self.scaling = scaling

    @property
    def levels(self) -> Sequence[float]:
        """The quantiles that are estimated; empty for any other loss."""
        return self.objective.levels

    @property
    def learns_deviations(self) -> bool:
        """Whether the network has an output for the standard deviation of each prediction."""
        return self.objective.name == "gaussian_nll"

    def encode(self, y: Array, name: str = "y") -> Array:
        if y.dtype.kind not in "biuf":
            raise TypeError(f"{name}: found an array of {y.dtype}, wanted numbers")
        targets = y.reshape(len(y), -1).astype(np.float64)
        if targets.shape[1] != self.objective.outputs:
            raise ValueError(
                f"{name}: found {targets.shape[1]} outputs, wanted {self.objective.outputs} as in "
                "fit"
            )
        if self.objective.name == "poisson" and targets.min() < 0:
            raise ValueError(
                f"{name}: found {targets.min()}, wanted targets >= 0 for loss='poisson'"
            )
        if self.scaling is None:
            return targets
        mean, scale = self.scaling
        return (targets - mean) / scale

    def fitted_attributes(self) -> dict[str, Array]:
        if self.scaling is None:
            return {}
        return dict(zip(("target_mean_", "target_scale_"), self.scaling, strict=True))

    def score(self, y: Array, outputs: Array, weights: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        return self.score_of_predictions(y, self.estimates(outputs)[0], weights)

    def score_of_predictions(self, y: Array, predictions: Array, weights: Array | None) -> float:
        """R², or of several quantiles the mean of their D² (of pinball losses)."""
        if len(self.levels) < 2:
            return float(r2_score(y, predictions, sample_weight=weights))
        scores = [
            d2_pinball_score(y, predictions[..., q], sample_weight=weights, alpha=level)
            for q, level in enumerate(self.levels)
        ]
        return float(np.mean(scores))

    def gradients(self, jacobian: Array) -> Array:
        each = max(len(self.levels), 1)
        jacobian = jacobian[:, : self.objective.outputs * each]
        if self.scaling is not None:
            scale = np.repeat(self.scaling[1], each).astype(jacobian.dtype)
            jacobian = jacobian * scale[:, None]
        return jacobian[:, 0] if jacobian.shape[1] == 1 else jacobian

    # Decoding -----------------------------------------------------------------------------------

    def estimates(self, outputs: Array) -> tuple[Array, Array | None]:
        """Predictions, and their standard deviations if learnt, in the targets' own units.

        Parameters
        ----------
        outputs : ndarray (rows, units)

        Returns
        -------
        ndarray (rows, outputs, quantiles)
            Without the last two axes where there is one output or one quantile.
        """
        count = self.objective.outputs
        deviation = None
        if self.learns_deviations:
            deviation = np.exp(outputs[:, count:] / 2)
            outputs = outputs[:, :count]
        outputs = outputs.reshape(len(outputs), count, -1)
        if self.scaling is not None:
            mean, scale = (array.astype(outputs.dtype) for array in self.scaling)
            outputs = outputs * scale[:, None] + mean[:, None]
            deviation = None if deviation is None else deviation * scale
        return self._flat(outputs), None if deviation is None else self._flat(deviation[..., None])

    def _flat(self, outputs: Array) -> Array:
        """(rows, outputs, quantiles) without the axes that have one entry."""
        if outputs.shape[2] == 1:
            outputs = outputs[..., 0]
        return outputs[:, 0] if self.objective.outputs == 1 else outputs

    def read_value(self, out: Array) -> Reader:
        """The prediction for a row: a number, or an array of several."""
        if self.objective.units > 1:
            return lambda: self.estimates(out.copy())[0][0]
        number = out.item
        if self.scaling is None:
            return number
        mean, scale = (array.item() for array in self.scaling)
        return lambda: number() * scale + mean


def value_target(
    objective: Objective, described: tuple[Any, Any], y: Array, weights: Array | None, scaled: bool
) -> ValueTarget:
    """The target of the first data.

    Parameters
    ----------
    objective, described
        As of `ValueTarget`.
    y : ndarray (rows,) or (rows, outputs)
    weights : ndarray (rows,) or None
    scaled : bool
        Whether the network is to be trained on standardised targets.

    Raises
    ------
    ValueError
        Counts are to be standardised.
    """
    if not scaled:
        return ValueTarget(objective, described)
    if objective.name == "poisson":
        raise ValueError(
            "scale_targets: found True with loss='poisson', wanted False: counts have no other unit"
        )
    mean, variance = moments(y.reshape(len(y), -1), weights)
    return ValueTarget(objective, described, (mean, np.sqrt(variance)))

"""The loss that a training minimises: scikit-learn's losses in terms of the core's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from .. import losses
from .._base.dtypes import Array
from ._parameters import LOSSES


class OutputLayer(NamedTuple):
    """An output activation in scikit-learn's and in the core's words, and the core's loss."""

    out_activation: str
    activation: str
    loss: str | losses.Loss


OUTPUT_LAYERS = {
    "multiclass": OutputLayer("softmax", "softmax", "sparse_categorical_crossentropy"),
    "binary": OutputLayer("logistic", "sigmoid", "binary_crossentropy"),
    "multilabel": OutputLayer("logistic", "sigmoid", "binary_crossentropy"),
    "squared_error": OutputLayer("identity", "linear", "mean_squared_error"),
    "poisson": OutputLayer("exp", "exponential", "poisson"),
}


class Objective:
    """The loss of a number of outputs, and the output layer that it wants.

    scikit-learn sums over the outputs what the core, as Keras, averages: its loss is `scale` times
    the core's. That factor goes where it has the same effect: into the penalty, SGD's rate and
    Adam's epsilon. Losses that scikit-learn does not have are the core's, with `scale` 1.

    Parameters
    ----------
    name : str
        A key of `OUTPUT_LAYERS`, or the name of `loss`.
    outputs : int
        Columns of the targets, or classes.
    loss : Loss, optional
        A loss that scikit-learn does not have.
    """

    def __init__(self, name: str, outputs: int, loss: losses.Loss | None = None) -> None:
        self.name = name
        layer = OUTPUT_LAYERS[name] if loss is None else OutputLayer("identity", "linear", loss)
        self.out_activation, self.activation, wanted = layer
        # Weights mean what they mean in scikit-learn, whichever mean the loss was given.
        config = {"name": wanted} if isinstance(wanted, str) else wanted.get_config()
        self.loss = losses.get({**config, "reduction": "mean_with_sample_weight"})
        self.outputs = outputs
        self.scale = 1.0 if name == "multiclass" or loss is not None else float(outputs)
        if name == "squared_error":
            self.scale /= 2

    @property
    def levels(self) -> Sequence[float]:
        """The quantiles that are estimated; empty for any other loss."""
        found: Sequence[float] = getattr(self.loss, "quantiles", ())
        return found

    @property
    def units(self) -> int:
        """Units of the output layer: for some losses several for each output."""
        if self.name == "gaussian_nll":
            return 2 * self.outputs
        return self.outputs * max(len(self.levels), 1)

    @property
    def reports_mean(self) -> bool:
        """Whether scikit-learn reports another loss than it minimises."""
        return self.name == "squared_error" and self.outputs > 1

    def reported(self, total: float, penalty: float) -> float:
        """scikit-learn's ``loss_`` for the minimised sum of loss and penalty.

        Of the squared errors of several outputs it minimises the sum, and reports the mean.
        """
        if not self.reports_mean:
            return total
        return (total - penalty) / self.outputs + penalty

    def offset(self, targets: Array, weights: Array | None) -> float:
        """The constant that makes scikit-learn's loss of a perfect model 0."""
        if self.name != "poisson":
            return 0.0
        terms = (xlogy(targets, targets) - targets).reshape(len(targets), -1).sum(axis=1)
        return float(np.average(terms, weights=weights))


def regression_objective(
    loss: str | losses.Loss, quantile: float | Sequence[float] | Array | None, outputs: int
) -> Objective:
    """The objective of a regressor's parameters.

    Raises
    ------
    ValueError
        `quantile` is given with another loss, or the loss does not suit a regression.
    """
    if isinstance(loss, str):
        name = LOSSES[loss]
        if name == "quantile":
            levels = [0.5] if quantile is None else np.atleast_1d(quantile).tolist()
            return Objective(name, outputs, losses.Quantile(levels))
        if quantile is not None:
            raise ValueError(f"quantile: found {quantile!r} with loss={loss!r}, wanted 'quantile'")
        if name in ("mean_squared_error", "poisson"):  # scikit-learn's own
            return Objective(name.replace("mean_squared", "squared"), outputs)
        return Objective(name, outputs, losses.get(name))
    if quantile is not None:
        raise ValueError(f"quantile: found {quantile!r} with loss={loss!r}, which has its own")
    known = sorted({*LOSSES.values(), *_OBJECTS_ONLY})
    if loss.kind not in known or loss.reduction not in _MEANS:
        raise ValueError(
            f"loss: found {loss!r}, wanted one of a regression, and a mean over the rows as its "
            f"reduction: {', '.join(known)}"
        )
    return Objective(loss.kind, outputs, None if loss.kind == "poisson" else loss)


_MEANS = ("sum_over_batch_size", "mean_with_sample_weight")
# Losses that only an object of densecore.losses asks for.
_OBJECTS_ONLY = ("mean_squared_logarithmic_error", "mean_absolute_percentage_error")

"""What is minimised: scikit-learn's losses in terms of the core's."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import xlogy

from .. import losses
from .._base.dtypes import Array
from ._constraints import LOSSES


class Kind(NamedTuple):
    """An output activation in scikit-learn's and the core's words, and the core's loss."""

    out_activation: str
    activation: str
    loss: str | losses.Loss


KINDS = {
    "multiclass": Kind("softmax", "softmax", "sparse_categorical_crossentropy"),
    "binary": Kind("logistic", "sigmoid", "binary_crossentropy"),
    "multilabel": Kind("logistic", "sigmoid", "binary_crossentropy"),
    "squared_error": Kind("identity", "linear", "mean_squared_error"),
    "poisson": Kind("exp", "exponential", "poisson"),
}


class Task:
    """A kind of task with a number of outputs.

    scikit-learn sums over the outputs what the core, as Keras, averages: its loss is `scale` times
    the core's. That factor goes where it has the same effect: into the penalty, SGD's rate and
    Adam's epsilon. Losses that scikit-learn does not have are the core's, and have none.
    """

    def __init__(self, kind: str, outputs: int, loss: losses.Loss | None = None) -> None:
        self.name = kind
        self.kind = KINDS[kind] if loss is None else Kind("identity", "linear", loss)
        self.outputs = outputs
        self.scale = 1.0 if kind == "multiclass" or loss is not None else float(outputs)
        if kind == "squared_error":
            self.scale /= 2

    @property
    def levels(self) -> Sequence[float]:
        """The quantiles that are estimated; none when something else is."""
        loss = self.kind.loss
        return loss.quantiles if isinstance(loss, losses.Quantile) else ()  # type: ignore[attr-defined]

    @property
    def units(self) -> int:
        """Outputs of the network, which for some losses are several for each of the task's."""
        if self.name == "gaussian_nll":
            return 2 * self.outputs
        return self.outputs * max(len(self.levels), 1)

    @property
    def reports_mean(self) -> bool:
        """Whether scikit-learn reports another loss than the one that it minimises."""
        return self.name == "squared_error" and self.outputs > 1

    def reported(self, total: float, penalty: float) -> float:
        """scikit-learn's ``loss_`` for the minimised sum of loss and penalty.

        Of the squared errors of several outputs it minimises the sum, and reports the mean.
        """
        if not self.reports_mean:
            return total
        return (total - penalty) / self.outputs + penalty

    def offset(self, y: Array, weights: Array | None) -> float:
        """What scikit-learn adds to the minimised loss, so that a perfect model has 0."""
        if self.name != "poisson":
            return 0.0
        terms = (xlogy(y, y) - y).reshape(len(y), -1).sum(axis=1)
        return float(np.average(terms, weights=weights))


def regression(loss: str | losses.Loss, quantile: Any, outputs: int) -> Task:
    """The task of a regressor's parameters.

    Raises
    ------
    ValueError
        `quantile` goes with another loss, or the loss is none of a regression.
    """
    if isinstance(loss, str):
        name = LOSSES[loss]
        own = {} if quantile is None else {"quantiles": np.atleast_1d(quantile).tolist()}
        if name == "quantile":
            return Task(name, outputs, losses.Quantile(own.get("quantiles", [0.5])))
        if own:
            raise ValueError(f"quantile: found {quantile!r} with loss={loss!r}, wanted 'quantile'")
        if name in ("mean_squared_error", "poisson"):  # scikit-learn's own
            return Task(name.replace("mean_squared", "squared"), outputs)
        return Task(name, outputs, losses.get(name))
    if quantile is not None:
        raise ValueError(f"quantile: found {quantile!r} with loss={loss!r}, which has its own")
    known = sorted({*LOSSES.values(), *_RELATIVE})
    if loss.kind not in known or loss.reduction != "mean":
        raise ValueError(
            f"loss: found {loss!r}, wanted one of a regression with the reduction 'mean': "
            f"{', '.join(known)}"
        )
    if loss.kind == "poisson":
        return Task("poisson", outputs)
    return Task(loss.kind, outputs, loss)


# Losses of densecore's that only an object of theirs asks for.
_RELATIVE = ("mean_squared_logarithmic_error", "mean_absolute_percentage_error")

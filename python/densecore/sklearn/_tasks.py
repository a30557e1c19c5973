"""What is minimised: scikit-learn's losses in terms of the core's."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Array = NDArray[Any]


class Kind(NamedTuple):
    """An output activation in scikit-learn's and the core's words, and the core's loss."""

    out_activation: str
    activation: str
    loss: str


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
    Adam's epsilon.
    """

    def __init__(self, kind: str, outputs: int) -> None:
        self.name = kind
        self.kind = KINDS[kind]
        self.outputs = outputs
        self.scale = 1.0 if kind == "multiclass" else float(outputs)
        if kind == "squared_error":
            self.scale /= 2

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

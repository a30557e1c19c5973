"""Losses with Keras's names. The mathematics is in the core, its definition in `reference`.

A class (``losses.Huber(delta=2)``) has options and is what `compile` takes; called, it computes the
reduced number. A function (``losses.huber(y_true, y_pred)``) computes the loss of every row.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._base.lookup import unknown
from .base import CORE, Loss
from .classification import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from .regression import (
    CosineSimilarity,
    GaussianNLL,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Quantile,
)

__all__ = [
    "BCE",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunction",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "gaussian_nll",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "names",
    "pinball",
    "poisson",
    "quantile",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

_CLASSES: dict[str, type[Loss]] = {cls.name: cls for cls in Loss.__subclasses__()}


class LossFunction:
    """A loss as a function of targets and predictions: ``losses.huber(y_true, y_pred, delta=2)``.

    `compile` takes it too, for the loss of that name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = _CLASSES[name].__doc__

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> NDArray[np.float64]:
        """The loss of every row.

        Parameters
        ----------
        y_true, y_pred : array_like
            As for `Loss`.
        **options
            Those of the loss's class.

        Returns
        -------
        ndarray of y_pred's shape without its last axis

        Raises
        ------
        ValueError, TypeError
            As for `Loss`.
        """
        rows = _CLASSES[self.name](**options)._rows(y_true, y_pred)
        return rows.reshape(np.shape(y_pred)[:-1])

    def __repr__(self) -> str:
        return f"<loss {self.name}>"


mean_squared_error = mse = MSE = LossFunction("mean_squared_error")
mean_absolute_error = mae = MAE = LossFunction("mean_absolute_error")
mean_squared_logarithmic_error = msle = MSLE = LossFunction("mean_squared_logarithmic_error")
mean_absolute_percentage_error = mape = MAPE = LossFunction("mean_absolute_percentage_error")
huber = LossFunction("huber")
log_cosh = logcosh = LossFunction("log_cosh")
poisson = LossFunction("poisson")
quantile = pinball = LossFunction("quantile")
gaussian_nll = LossFunction("gaussian_nll")
binary_crossentropy = bce = BCE = LossFunction("binary_crossentropy")
categorical_crossentropy = LossFunction("categorical_crossentropy")
sparse_categorical_crossentropy = LossFunction("sparse_categorical_crossentropy")
binary_focal_crossentropy = LossFunction("binary_focal_crossentropy")
categorical_focal_crossentropy = LossFunction("categorical_focal_crossentropy")
hinge = LossFunction("hinge")
squared_hinge = LossFunction("squared_hinge")
categorical_hinge = LossFunction("categorical_hinge")
kl_divergence = kld = KLD = kullback_leibler_divergence = LossFunction("kl_divergence")
cosine_similarity = LossFunction("cosine_similarity")

# Further names of a loss: those of its function, and its class's.
_ALIASES = {
    alias: function.name
    for alias, function in list(globals().items())
    if isinstance(function, LossFunction) and alias != function.name
}
_ALIASES |= {cls.__name__: name for name, cls in _CLASSES.items()}


def names() -> list[str]:
    """Every loss that `compile` accepts by name."""
    return list(CORE)


def get(loss: "str | Loss | LossFunction | dict[str, Any]") -> Loss:
    """A loss from its name, its configuration, or itself.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, LossFunction):
        loss = loss.name
    config = dict(loss) if isinstance(loss, dict) else {"name": loss}
    name = config.pop("name", None)
    resolved = _ALIASES.get(name, name) if isinstance(name, str) else name
    if not isinstance(resolved, str) or resolved not in _CLASSES:
        unknown("loss", name, [*_CLASSES, *_ALIASES])
    return _CLASSES[resolved](**config)

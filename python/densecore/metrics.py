"""Metrics by Keras's names: what is reported besides the loss."""

from . import _core
from ._names import unknown

_ALIASES = {
    "acc": "accuracy",
    "mse": "mean_squared_error",
    "MSE": "mean_squared_error",
    "mae": "mean_absolute_error",
    "MAE": "mean_absolute_error",
}


def names() -> list[str]:
    """Every metric that `compile` accepts by name."""
    return ["accuracy", *_core.metric_names(), *_ALIASES]


def resolve(name: str, loss: str, outputs: int) -> str:
    """The core's name of a metric; ``"accuracy"`` depends on the loss and the outputs, as in Keras.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    resolved = _ALIASES.get(name, name) if isinstance(name, str) else name
    if resolved == "accuracy":
        if loss.startswith("sparse_"):
            return "sparse_categorical_accuracy"
        binary = outputs == 1 or loss == "binary_crossentropy"
        return "binary_accuracy" if binary else "categorical_accuracy"
    if resolved not in _core.metric_names():
        unknown("metric", name, names())
    return resolved

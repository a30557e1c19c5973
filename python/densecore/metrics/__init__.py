"""Metrics with Keras's names and meaning: what is reported besides the loss.

A metric is given to `compile` by name, as an object, or as a function of (y_true, y_pred), and is
computed by the core over all rows of an epoch or an evaluation, in double precision. An object can
also be used by itself: ``update_state``, ``result``, ``reset_state``.

Every loss is a metric too, under its own name: ``"binary_crossentropy"``, or its class's name here,
``metrics.BinaryCrossentropy()``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import losses
from .._base.lookup import unknown
from .base import Description, Metric, by_loss
from .classification import (
    AUC,
    Accuracy,
    BalancedAccuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    F1Score,
    FalseNegatives,
    FalsePositives,
    MatthewsCorrelation,
    Precision,
    Recall,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    Specificity,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)
from .function import MeanMetricWrapper
from .regression import (
    CosineSimilarity,
    LossAsMetric,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    R2Score,
    RootMeanSquaredError,
)

__all__ = [
    "AUC",
    "Accuracy",
    "BalancedAccuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "CosineSimilarity",
    "Description",
    "F1Score",
    "FalseNegatives",
    "FalsePositives",
    "LossAsMetric",
    "MatthewsCorrelation",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "Specificity",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "config_of",
    "get",
    "get_all",
    "larger_is_better",
    "names",
    "reported_names",
    "resolve",
]

_OWN: tuple[type[Metric], ...] = (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    BalancedAccuracy,
    MatthewsCorrelation,
    Precision,
    Recall,
    Specificity,
    F1Score,
    AUC,
    TruePositives,
    TrueNegatives,
    FalsePositives,
    FalseNegatives,
    MeanSquaredError,
    RootMeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    CosineSimilarity,
    R2Score,
)
# By the core's names; the classes of losses follow when they are asked for.
_CLASSES: dict[str, type[Metric]] = {cls.kind: cls for cls in _OWN}
_ALIASES = {
    "acc": "accuracy",
    "ce": "crossentropy",
    "mse": "mean_squared_error",
    "MSE": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "RMSE": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "MAE": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "MAPE": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "MSLE": "mean_squared_logarithmic_error",
}


def _loss_names() -> list[str]:
    return ["crossentropy", *losses.names()]


def _name_of_class(loss: str) -> str:
    return "Crossentropy" if loss == "crossentropy" else type(losses.get(loss)).__name__


def _class_of(kind: str) -> type[Metric] | None:
    """The class of a metric; those of losses are made when they are first asked for."""
    if kind not in _CLASSES and kind in _loss_names():
        text = f"The loss {kind!r} as a metric: its mean over the rows."
        members = {"kind": kind, "__doc__": text, "__module__": __name__}
        _CLASSES[kind] = type(_name_of_class(kind), (LossAsMetric,), members)
    return _CLASSES.get(kind)


def _kind_of(class_name: str) -> str:
    """The metric of a class's name, or ""."""
    for cls in _OWN:
        if class_name == cls.__name__:
            return cls.kind
    return next((loss for loss in _loss_names() if class_name == _name_of_class(loss)), "")


def _canonical(name: Any) -> str:
    """The metric's own name for one of its others: short ones, its class's, a loss's; or ""."""
    if not isinstance(name, str):
        return ""
    kind = _ALIASES.get(name, name)
    if kind in _CLASSES or kind in _loss_names():
        return kind
    try:
        return losses.get(kind).name
    except ValueError:
        return _kind_of(kind)


def __getattr__(name: str) -> type[Metric]:
    # The classes of losses: whatever the core's list holds.
    found = _class_of(_kind_of(name)) if name[:1].isupper() else None
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def names() -> list[str]:
    """Every metric that `compile` accepts by name."""
    own = [cls.kind for cls in _OWN]
    return [*own, *(name for name in _loss_names() if name not in own), *_ALIASES]


def resolve(name: str, loss: str, outputs: int) -> str:
    """The core's name of a metric for a model.

    ``"accuracy"`` and ``"crossentropy"`` depend on the loss and the outputs, as in Keras.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    kind = _canonical(name)
    if not kind:
        unknown("metric", name, names())
    return by_loss(kind, loss, outputs)


def get(metric: Any) -> Metric:
    """A metric from its name, its class, its configuration, a function, or itself.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(metric, type) and issubclass(metric, Metric):
        metric = metric()
    if isinstance(metric, Metric):
        _require_ours(type(metric))
        return metric
    if isinstance(metric, Mapping):
        config = dict(metric)
        cls = _class_of(str(config.pop("metric", None)))
        if cls is None:
            unknown("metric", metric.get("metric"), names())
        return cls(**config)
    if callable(metric):
        return MeanMetricWrapper(metric)
    cls = _class_of(_canonical(metric))
    if cls is None:
        unknown("metric", metric, names())
    return cls(name=None if metric == cls.__name__ else metric)


def _require_ours(cls: type[Metric]) -> None:
    """Refuse sums in Python, which only a metric that is used by itself can have."""
    for method in ("update_state", "result"):
        ours = [getattr(base, method) for base in (Metric, MeanMetricWrapper)]
        if getattr(cls, method) not in ours:
            raise TypeError(
                f"metrics: found {cls.__name__} with a method {method} of its own, which the core "
                "does not call; wanted a function (y_true, y_pred) -> number"
            )


def get_all(argument: str, given: Any) -> list[Metric]:
    """The metrics of an argument of `compile`, which is a sequence of what `get` takes.

    Raises
    ------
    TypeError
        It is not a sequence.
    ValueError
        A name is unknown; the message lists the known ones.
    """
    if given is None:
        return []
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        shown = f"the string {given!r}" if isinstance(given, str) else type(given).__name__
        raise TypeError(f"{argument}: found {shown}, wanted a list of names, metrics or functions")
    return [get(metric) for metric in given]


def config_of(metrics: Iterable[Metric]) -> list[Any]:
    """What `get_all` makes equal metrics of: names where they say all; JSON-able.

    A Python function is left out, with a warning: no file can hold it.
    """
    configs: list[Any] = []
    for metric in metrics:
        if isinstance(metric, MeanMetricWrapper):
            import warnings

            warnings.warn(
                f"metric '{metric.name}' is a Python function, which is not saved: compile with it "
                "again after loading",
                stacklevel=4,
            )
            continue
        config = metric.get_config()
        known = _canonical(metric.name) != ""
        says_all = known and get(metric.name).get_config() == config
        configs.append(metric.name if says_all else config)
    return configs


def reported_names(metrics: Iterable[Metric], weighted: Iterable[Metric]) -> list[str]:
    """The metrics' names in results: each once.

    A weighted one with a name that is taken is called ``weighted_…``; further ones are numbered.
    """
    taken: list[str] = []
    for prefix, group in (("", metrics), ("weighted_", weighted)):
        for metric in group:
            name = prefix + metric.name if metric.name in taken else metric.name
            number = 1
            while name in taken or name == "loss":
                name = f"{metric.name}_{number}"
                number += 1
            taken.append(name)
    return taken


# Words in the names of numbers that people report themselves.
_SCORES = ("acc", "accuracy", "f1", "fbeta", "r2", "iou", "score", "mcc", "kappa", "sensitivity")


def larger_is_better(name: str) -> bool:
    """Whether a reported number, by its name in a history, should grow; losses should not."""
    return any(
        re.search(rf"(^|_){kind}($|_)", name.lower()) is not None
        for kind in (*(kind for kind, cls in _CLASSES.items() if cls.larger_is_better), *_SCORES)
    )

"""Metrics with Keras's names and meaning: numbers that are reported besides the loss.

A metric is given to `compile` by name, as an object, or as a function of (y_true, y_pred), and is
computed by the core over all rows of an epoch or an evaluation, in double precision. An object can
also be used by itself: ``update_state``, ``result``, ``reset_state``.

Every loss is a metric too, under its own name: ``"binary_crossentropy"``, or its class's name here,
``metrics.BinaryCrossentropy()``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import losses as _all_losses
from .._base import checks
from .._base.lookup import unknown
from .._base.registry import name_that_finds, public
from .._base.warn import warn
from ..losses.registry import LOSSES, LossFunction
from . import losses as _losses
from .all_rows import *
from .all_rows import OfAllRows as _OfAllRows
from .base import METRICS, by_loss
from .base import Description as Description
from .base import Metric as Metric
from .classification import *
from .function import MeanMetricWrapper
from .functions import (
    binary_accuracy as binary_accuracy,
)
from .functions import (
    categorical_accuracy as categorical_accuracy,
)
from .functions import (
    concordance_correlation as concordance_correlation,
)
from .functions import (
    pearson_correlation as pearson_correlation,
)
from .functions import (
    sparse_categorical_accuracy as sparse_categorical_accuracy,
)
from .functions import (
    sparse_top_k_categorical_accuracy as sparse_top_k_categorical_accuracy,
)
from .functions import (
    top_k_categorical_accuracy as top_k_categorical_accuracy,
)
from .losses import LossAsMetric as LossAsMetric
from .reduction import *
from .regression import *

for _name, _class in _losses.classes().items():
    globals().setdefault(_name, _class)
# Keras has the functions of losses here, too.
for _name, _function in vars(_all_losses).items():
    if isinstance(_function, LossFunction):
        globals().setdefault(_name, _function)
LogCoshError = globals()["LogCosh"]
METRICS.collect(globals(), lambda cls: "" if cls is MeanMetricWrapper else cls.kind)
# A loss's other words are the metric's, too.
METRICS.alias({word: name for word in LOSSES.words() if (name := LOSSES.canonical(word))})
METRICS.alias(
    {
        "acc": "accuracy",
        "ce": "crossentropy",
        "rmse": "root_mean_squared_error",
        "RMSE": "root_mean_squared_error",
    }
)

serialize = METRICS.serialize
deserialize = METRICS.deserialize


def names() -> list[str]:
    """Every metric that `compile` accepts by name, short names included; not those that have to be
    told something, as the classes of a `MeanIoU`."""
    makers = {word: METRICS.maker(word) for word in METRICS.words()}
    return [
        word
        for word, maker in makers.items()
        if word != maker.__name__ and not issubclass(maker, _OfAllRows)
    ]


def resolve(name: str, loss: str, outputs: int) -> str:
    """The core's name of a metric for a model.

    ``"accuracy"`` and ``"crossentropy"`` depend on the loss and the outputs, as in Keras.

    Parameters
    ----------
    name : str
        One of `names`, or a class's name.
    loss : str
        Its `kind`.
    outputs : int
        How many the model has.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    kind = METRICS.canonical(name)
    if kind is None:
        unknown("metric", name, names())
    return by_loss(kind, loss, outputs)


def get(metric: Any, custom_objects: Mapping[str, Any] | None = None) -> Metric:
    """A metric from its name, its class, its configuration, a function, or itself.

    Parameters
    ----------
    metric : str, type, dict, callable or Metric
        A metric made from a name is reported under that name: ``"mae"`` as ``mae``.
    custom_objects : dict, optional
        Further classes and functions by name; they come first.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(metric, str):
        maker = METRICS.maker(metric, custom_objects)
        if not isinstance(maker, type):
            return MeanMetricWrapper(maker)
        found: Any = maker(name=metric)  # as Keras: also a class's name
    elif callable(metric) and not isinstance(metric, type | Metric):
        return MeanMetricWrapper(metric)
    elif isinstance(metric, type) and issubclass(metric, Metric) and metric.is_own:
        found = metric()
    else:
        found = METRICS.get(metric, custom_objects)
    return found  # type: ignore[no-any-return]


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
    """Configurations of which `get_all` makes equal metrics: names where they say all; JSON-able.

    A Python function is left out, with a warning: no file can hold it.
    """
    configs: list[Any] = []
    for metric in metrics:
        if isinstance(metric, MeanMetricWrapper) or metric.is_own:
            config = _own_config(metric)
            if config is None:
                warn(
                    f"metric '{metric.name}' is a Python function, which is not saved: compile "
                    "with it again after loading"
                )
            else:
                configs.append(config)
            continue
        config = metric.get_config()
        known = METRICS.canonical(metric.name) is not None
        says_all = known and get(metric.name).get_config() == config
        configs.append(metric.name if says_all else config)
    return configs


def _own_config(metric: Metric) -> Any:
    """A file's entry for a registered metric of a user's; None for others."""
    function = metric._fn if isinstance(metric, MeanMetricWrapper) else type(metric)
    name = name_that_finds(function)
    if name is None or isinstance(metric, MeanMetricWrapper):
        return name
    return {"class_name": name, "config": metric.get_config()}


def reported_names(metrics: Iterable[Metric], weighted: Iterable[Metric]) -> list[str]:
    """The metrics' names in results: each once.

    A weighted one with a name that is taken is called ``weighted_…``; further ones are numbered.
    """
    taken = {"loss": None}
    numbers: dict[str, int] = {}  # the last number that each name was given
    for prefix, group in (("", metrics), ("weighted_", weighted)):
        for metric in group:
            name = prefix + metric.name if metric.name in taken else metric.name
            while name in taken:
                numbers[metric.name] = numbers.get(metric.name, 0) + 1
                name = f"{metric.name}_{numbers[metric.name]}"
            taken[name] = None
    return list(taken)[1:]


# Words in the names of numbers that people report themselves.
_SCORES = ("acc", "accuracy", "f1", "fbeta", "r2", "iou", "score", "mcc", "kappa", "sensitivity")

_GROWING = [kind for kind in METRICS.names() if METRICS.maker(kind).larger_is_better]


def larger_is_better(name: str) -> bool:
    """Whether a reported number, by its name in a history, should grow; losses should not."""
    checks.text("name", name)
    return any(
        re.search(rf"(^|_){kind}($|_)", name.lower()) is not None for kind in (*_GROWING, *_SCORES)
    )


globals()["__all__"] = public(globals(), "serialize", "deserialize", "Description")

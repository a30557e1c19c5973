"""A function of Python as a metric."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import Array
from ..losses.base import Loss
from .base import Description, Metric, matched, weights


def metric_of(fn: Any) -> "MeanMetricWrapper":
    """A function or a loss as a metric of its own name."""
    own = fn.name if isinstance(fn, Loss) else getattr(fn, "__name__", type(fn).__name__)
    return MeanMetricWrapper(fn, str(own))


class MeanMetricWrapper(Metric):
    """A Python function (y_true, y_pred) as a metric; `compile` makes it of functions by itself.

    Parameters
    ----------
    fn : callable
        It gets NumPy arrays and returns a number, or one per row, of which the (weighted) mean is
        taken. A model calls it once per pass, with all its rows; y_true is as the loss wants it.
    name : str, optional
        By default the class's; `compile` gives it the function's.

    Raises
    ------
    TypeError
        `fn` is not callable, or returns no number.
    ValueError
        It returns another number of values than one per row.
    """

    kind = "function"
    larger_is_better = False

    def __init__(self, fn: Callable[[Array, Array], Any], name: str | None = None) -> None:
        if not callable(fn):
            raise TypeError(f"metric: fn: found {type(fn).__name__}, wanted a function")
        own = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()
        super().__init__(name or own)
        self._fn = fn
        self._sum = self._weight = 0.0

    def get_config(self) -> dict[str, Any]:
        """Not to be had: no file can hold a function.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"metric '{self.name}' is a Python function, which has no configuration")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Call the function for some rows; see `Metric.update_state`."""
        outputs, targets, _ = matched(y_true, y_pred)
        weight = weights(sample_weight, len(outputs))
        total = float(len(outputs) if weight is None else weight.sum())
        self._sum += total * self._value(targets, outputs, weight)
        self._weight += total

    def result(self) -> float:
        """The mean over all rows since the last `reset_state`; 0 when there were none."""
        return self._sum / self._weight if self._weight else 0.0

    def reset_state(self) -> None:
        """Forget all rows."""
        self._sum = self._weight = 0.0

    def _describe(self, loss: Loss, outputs: int, weighted: bool) -> Description:
        return self._value, {"weighted": weighted}

    def _value(self, y_true: Array, y_pred: Array, weight: Array | None) -> float:
        returned = self._fn(y_true, y_pred)
        if returned is None:
            raise TypeError(f"metric '{self.name}': found None, wanted a number or one per row")
        value = np.asarray(returned, np.float64)
        if value.ndim == 0:
            return float(value)
        if len(value) != len(y_pred):
            raise ValueError(
                f"metric '{self.name}': found shape {value.shape}, wanted a number, or one for "
                f"each of {len(y_pred)} rows"
            )
        return float(np.average(value.reshape(len(value), -1).mean(axis=1), weights=weight))

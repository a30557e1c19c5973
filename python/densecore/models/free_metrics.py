"""Custom metrics for targets that have other columns than the outputs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import Array
from ..losses.base import CORE, Loss
from ..metrics import Metric
from ..metrics.function import MeanMetricWrapper

#: The metrics to which all elements of a row are alike, besides the losses that are means of them.
_OF_ELEMENTS = ("binary_accuracy", "root_mean_squared_error", "mean_relative_error")


def _is_function(metric: Metric) -> bool:
    return isinstance(metric, MeanMetricWrapper) or metric.is_own


def are_free(metrics: list[Metric], columns: int) -> bool:
    """Whether all of them take targets of so many columns: Python functions take any, and means
    over the outputs one column for all."""
    return all(
        _is_function(metric) or (columns == 1 and is_of_elements(metric)) for metric in metrics
    )


def is_of_elements(metric: Metric) -> bool:
    """Whether all elements of a row are alike to a metric of the core."""
    if _is_function(metric):
        return False
    return metric.kind in _OF_ELEMENTS or bool(CORE.get(metric.kind, {}).get("averaged"))


def as_function(metric: Metric, loss: Loss, outputs: int) -> Callable[..., float]:
    """A metric as a function (y_true, y_pred, weights) → a number; the target of a row is that of
    all its outputs."""
    if _is_function(metric):
        found: Callable[..., float] = metric._describe(loss, outputs, False)[0]  # type: ignore[assignment]
        return found

    def computed(y: Array, pred: Array, weight: Any) -> float:
        sums = type(metric).from_config(metric.get_config())
        sums.update_state(np.broadcast_to(y, pred.shape), pred, weight)
        return float(sums.result())

    return computed


class FreeRunningMetrics:
    """The running loss of the core, and metrics that Python computes of all rows.

    Parameters
    ----------
    running_metrics : RunningMetrics
        Of a network that is compiled without metrics.
    functions : list of callable
        (y_true, y_pred, weights) → a number.
    weighted : list of bool
        Whether rows count by their weights, for each.
    """

    def __init__(self, running_metrics: Any, functions: list[Any], weighted: list[bool]) -> None:
        self.core = running_metrics
        self._functions, self._weighted = functions, weighted
        self._rows: list[tuple[Array, ...]] = []

    def reset(self) -> None:
        """Forget the batches so far."""
        self.core.reset()
        self._rows = []

    def add(self, y: Array, outputs: Array, weight: Array | None) -> None:
        """Add the rows of a batch."""
        weights = () if weight is None else (np.array(weight),)
        self._rows.append((np.array(y), np.array(outputs), *weights))

    def results(self) -> list[float]:
        """The loss, then the metrics."""
        if not self._rows:
            return [*self.core.results(), *(0.0 for _ in self._functions)]
        y, outputs, *weights = (np.concatenate(part) for part in zip(*self._rows, strict=True))
        weight = weights[0] if weights else None
        found = [
            float(function(y, outputs, weight if weighted else None))
            for function, weighted in zip(self._functions, self._weighted, strict=True)
        ]
        return [*self.core.results(), *found]


def add_batch(
    network: Any, running: Any, totals: Any, outputs: Array | None, y: Any, weight: Array | None
) -> None:
    """Add a batch whose loss is known by the sums of its parts.

    Parameters
    ----------
    network : Network
    running : RunningMetrics or FreeRunningMetrics
    totals : tuple
        Sums, rows, weights and penalty, as the core's `add_batch` takes them.
    outputs : ndarray (rows, outputs), optional
        None where there are no metrics.
    """
    if isinstance(running, FreeRunningMetrics):
        if outputs is not None:
            running.add(y, outputs, weight)
        running, outputs, y, weight = running.core, None, None, None
    network.add_batch(outputs, y, weight, *totals, running)

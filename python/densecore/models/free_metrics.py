"""Custom metrics for targets that have other columns than the outputs."""

from typing import Any

import numpy as np

from .._base.dtypes import Array
from ..metrics import Metric
from ..metrics.function import MeanMetricWrapper


def are_free(metrics: list[Metric]) -> bool:
    """Whether all of them are Python functions, which take targets of any columns."""
    return all(isinstance(metric, MeanMetricWrapper) or metric.is_own for metric in metrics)


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

"""One step of training in Python, for what the core's own `train_on_batch` does not do."""

from typing import Any

from .._base.dtypes import Array, RunningMetrics
from .._data.dataset import Batch
from ..losses.function import CallableLoss
from .compiled import Compiled
from .heads import HeadsLoss, HeadsRunningMetrics


def train_batch(
    model: Compiled, batch: Batch, running_metrics: RunningMetrics, penalty_weight: float = 0.0
) -> None:
    """One step, whose loss and metrics are added to running metrics."""
    if isinstance(model.loss, CallableLoss | HeadsLoss) and not model.loss.in_core:
        step_with_function(model, model.loss, batch, running_metrics)
    else:
        model._network.train_batch(*batch, running_metrics, penalty_weight)
        model._constrain()


def step_with_function(
    model: Compiled,
    loss: CallableLoss | HeadsLoss,
    batch: Batch,
    running_metrics: RunningMetrics | None,
) -> float:
    """One step with a loss that is a function; returns its loss before the update."""
    network = model._network
    outputs = network.forward(batch.x, None, True, step=network.steps)
    penalty = network.penalty() + network.output_penalty()
    value, gradient = loss.compute(batch.y, outputs, batch.weight)
    network.backward(gradient, False)
    network.apply_gradients()
    model._constrain()  # before the network is asked for again, which takes the owner's weights
    if running_metrics is not None:
        add_to_metrics(model, outputs, batch.y, value + penalty, running_metrics)
    return float(value) + penalty


def gradients_of_function(model: Compiled, loss: Any, batch: Batch) -> float:
    """The loss of a batch, with its penalties, and the gradients of both; nothing is updated."""
    network = model._network
    outputs = network.forward(batch.x, None, True, step=network.steps)
    value, gradient = loss.compute(batch.y, outputs, batch.weight)
    value = float(value) + network.output_penalty()
    network.backward(gradient, False)
    rows = len(outputs)
    return value + network.add_penalties(rows, network.batch_weights(None, rows))


def train_on_batch(model: Compiled, batch: Batch) -> float | list[float]:
    """`Model.train_on_batch` for what the core's own call does not do."""
    running_metrics = model._running_metrics()
    train_batch(model, batch, running_metrics)
    values: list[float] = running_metrics.results()
    return values if len(values) > 1 else values[0]


def add_to_metrics(
    model: Compiled, outputs: Array, y: Array, loss: float, running_metrics: Any
) -> None:
    """Add a batch whose loss Python has computed."""
    if isinstance(running_metrics, HeadsRunningMetrics):
        assert isinstance(model.loss, HeadsLoss)
        shown = model.loss.for_metrics(y, outputs)
        model._network.add_to_metrics(outputs, shown, loss, running_metrics.core)
        running_metrics.add(len(outputs))
        return
    # Metrics compare targets with outputs; there are none where y has other columns.
    shown = y if y.ndim == 1 or y.shape == outputs.shape else outputs
    model._network.add_to_metrics(outputs, shown, loss, running_metrics)

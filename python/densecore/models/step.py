"""One step of training in Python, for what the core's own `train_on_batch` does not do."""

from typing import Any

import numpy as np

from .._autodiff.derive import derive
from .._base.dtypes import Array, RunningMetrics
from .._data.dataset import Batch
from ..losses.base import Loss, reduce_rows
from ..losses.function import CallableLoss
from .compiled import Compiled
from .free_metrics import FreeRunningMetrics
from .heads import HeadsLoss, HeadsRunningMetrics
from .own_steps import ModelLoss, OwnRunningMetrics, outputs_of


def train_batch(
    model: Compiled, batch: Batch, running_metrics: RunningMetrics, penalty_weight: float = 0.0
) -> None:
    """One step, whose loss and metrics are added to running metrics."""
    if isinstance(model.loss, ModelLoss) and model._own_step("train_step"):
        model._by_own_step("train_step", batch, running_metrics)
        return
    take_step(model, batch, running_metrics, penalty_weight)


def take_step(
    model: Compiled, batch: Batch, running_metrics: RunningMetrics, penalty_weight: float = 0.0
) -> None:
    """The same without a `train_step` of the user's."""
    own = isinstance(model.loss, CallableLoss | HeadsLoss) and not model.loss.in_core
    if own or model._penalised:
        assert model.loss is not None
        step_with_function(model, model.loss, batch, running_metrics)
    else:
        model._network.train_batch(*batch, running_metrics, penalty_weight)
        model._constrain()


def step_with_function(
    model: Compiled,
    loss: Loss,
    batch: Batch,
    running_metrics: RunningMetrics | None,
) -> float:
    """One step with a loss or a regularizer that is a function; returns its loss before the
    update."""
    network = model._network
    outputs = network.forward(batch.x, None, True, step=network.steps)
    penalty = network.penalty() + network.output_penalty()
    value, gradient = _computed(loss, batch, outputs)
    network.backward(gradient, False)
    penalty += model._own_penalty(with_gradients=True)
    network.apply_gradients()
    model._constrain()  # before the network is asked for again, which takes the owner's weights
    if running_metrics is not None:
        add_to_metrics(model, outputs, batch.y, value + penalty, running_metrics)
    return float(value) + penalty


def _computed(loss: Loss, batch: Batch, outputs: Array) -> tuple[float, Array]:
    """The loss of a batch, and its gradient by the outputs."""
    if isinstance(loss, ModelLoss):
        loss.see(batch.x)
    if isinstance(loss, CallableLoss | HeadsLoss):
        return loss.compute(batch.y, outputs, batch.weight)
    double, weight = outputs.astype(np.float64), batch.weight
    value, back = derive(
        lambda found: reduce_rows(loss.call(batch.y, found), weight, loss.reduction), double
    )
    return float(value), np.require(back(np.ones(())), outputs.dtype, ["C", "A"])


def gradients_of_function(model: Compiled, loss: Any, batch: Batch) -> float:
    """The loss of a batch, with its penalties, and the gradients of both; nothing is updated."""
    network = model._network
    outputs = network.forward(batch.x, None, True, step=network.steps)
    value, gradient = _computed(loss, batch, outputs)
    value = float(value) + network.output_penalty()
    network.backward(gradient, False)
    value += model._own_penalty(with_gradients=True)
    rows = len(outputs)
    return value + network.add_penalties(rows, network.batch_weights(None, rows))


def train_on_batch(model: Compiled, batch: Batch) -> float | list[float]:
    """`Model.train_on_batch` for what the core's own call does not do."""
    running_metrics = model._running_metrics()
    train_batch(model, batch, running_metrics)
    values: list[float] = running_metrics.results()
    return values if len(values) > 1 else values[0]


def test_batch(model: Compiled, batch: Batch, running_metrics: RunningMetrics) -> None:
    """Add a batch whose loss is a function of Python; nothing is trained."""
    network, own = model._network, model.loss
    assert isinstance(own, CallableLoss | HeadsLoss)
    if isinstance(own, ModelLoss):
        own.see(batch.x)
    outputs = network.forward(batch.x, None, False)
    penalty = network.penalty() + network.output_penalty() + model._own_penalty()
    loss = own.value(batch.y, outputs, batch.weight) + penalty
    add_to_metrics(model, outputs, batch.y, loss, running_metrics)


def add_to_metrics(
    model: Compiled, outputs: Array, y: Array, loss: float, running_metrics: Any
) -> None:
    """Add a batch whose loss Python has computed."""
    if isinstance(running_metrics, OwnRunningMetrics):
        add_to_metrics(model, outputs, y, loss, running_metrics.inner)
        own = model.loss
        assert isinstance(own, ModelLoss)
        owner: Any = model
        found = owner.compute_metrics(own.x, own.targets(y), outputs_of(model, outputs), own.weight)
        running_metrics.note(found)
        return
    if isinstance(running_metrics, HeadsRunningMetrics):
        assert isinstance(model.loss, HeadsLoss)
        shown = model.loss.for_metrics(y, outputs)
        model._network.add_to_metrics(outputs, shown, loss, running_metrics.core)
        running_metrics.add(len(outputs))
        return
    if isinstance(running_metrics, FreeRunningMetrics):
        running_metrics.add(y, outputs)
        running_metrics = running_metrics.core
    # Metrics compare targets with outputs; there are none where y has other columns.
    shown = y if y.ndim == 1 or y.shape == outputs.shape else outputs
    model._network.add_to_metrics(outputs, shown, loss, running_metrics)

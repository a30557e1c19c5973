"""One step of training in Python, for what the core's own `train_on_batch` does not do."""

from typing import Any

from .._base.dtypes import Array, Tally
from .._data.dataset import Batch
from ..losses.function import CallableLoss
from .compiled import Compiled
from .heads import HeadsLoss, HeadsTally


def train_batch(model: Compiled, batch: Batch, tally: Tally, penalty_weight: float = 0.0) -> None:
    """One step, whose loss and metrics are added to a tally."""
    if isinstance(model.loss, CallableLoss | HeadsLoss) and not model.loss.in_core:
        step_with_function(model, model.loss, batch, tally)
    else:
        model._network.train_batch(*batch, tally, penalty_weight)
    model._give_back()


def step_with_function(
    model: Compiled, loss: CallableLoss | HeadsLoss, batch: Batch, tally: Tally | None
) -> float:
    """One step with a loss that is a function; returns its loss before the update."""
    network = model._network
    outputs = network.forward(batch.x, None, True, step=network.steps)
    penalty = network.penalty()
    value, gradient = loss.compute(batch.y, outputs, batch.weight)
    network.backward(gradient, False)
    network.apply_gradients()
    if tally is not None:
        add_to_tally(model, outputs, batch.y, value + penalty, tally)
    return float(value) + penalty


def train_on_batch(model: Compiled, batch: Batch) -> float | list[float]:
    """`Model.train_on_batch` for what the core's own call does not do."""
    tally = model._tally()
    train_batch(model, batch, tally)
    values: list[float] = tally.results()
    return values if len(values) > 1 else values[0]


def add_to_tally(model: Compiled, outputs: Array, y: Array, loss: float, tally: Any) -> None:
    """Add a batch whose loss Python has computed."""
    if isinstance(tally, HeadsTally):
        model._network.add_to_tally(outputs, y, loss, tally.core)
        tally.add(len(outputs))
        return
    # Metrics compare targets with outputs; there are none where y has other columns.
    shown = y if y.ndim == 1 or y.shape == outputs.shape else outputs
    model._network.add_to_tally(outputs, shown, loss, tally)

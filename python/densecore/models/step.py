"""One step of training in Python, for what the core's own `train_on_batch` does not do."""

from .._base.dtypes import Array, Tally
from .._data.dataset import Batch
from ..losses.function import CallableLoss
from .compiled import Compiled


def train_batch(model: Compiled, batch: Batch, tally: Tally) -> None:
    """One step, whose loss and metrics are added to a tally."""
    if isinstance(model.loss, CallableLoss):
        step_with_function(model, model.loss, batch, tally)
    else:
        model._network.train_batch(*batch, tally)
    model._give_back()


def step_with_function(
    model: Compiled, loss: CallableLoss, batch: Batch, tally: Tally | None
) -> float:
    """One step with a loss that is a function; returns its loss before the update."""
    network = model._network
    outputs = network.forward(batch.x, None, True, step=network.steps)
    penalty = network.penalty()
    value, gradient = loss.compute(batch.y, outputs, batch.weight)
    network.backward(gradient, False)
    network.apply_gradients()
    if tally is not None:
        network.add_to_tally(outputs, shown_targets(batch.y, outputs), value + penalty, tally)
    return float(value) + penalty


def train_on_batch(model: Compiled, batch: Batch) -> float | list[float]:
    """`Model.train_on_batch` for what the core's own call does not do."""
    tally = model._network.tally()
    train_batch(model, batch, tally)
    values = tally.results()
    return values if len(values) > 1 else values[0]


def shown_targets(y: Array, outputs: Array) -> Array:
    """The targets as metrics of the core take them; there are none where y has other columns."""
    return y if y.ndim == 1 or y.shape == outputs.shape else outputs

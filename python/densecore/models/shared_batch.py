"""`train_on_batch` and `loss_and_gradients` when several ranks pass parts of a batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .compiled import Compiled
from .free_metrics import add_batch
from .shared_rows import Step, rows_of, step_of
from .sharing import STEPS_BETWEEN_CHECKS, Layout, Sharing, sharing


def train_on_batch(
    model: Compiled,
    x: Array,
    y: Array,
    sample_weight: Array | None,
    class_weight: Mapping[int, float] | None,
    comm: Any,
) -> float | list[float]:
    """One step on the rows of all ranks; its loss before the update, and the metrics."""
    ranks, step = _begin(model, x, y, sample_weight, class_weight, comm, "train_on_batch")
    network = model._network
    with network.reserved():
        shape = (step.rows, model._outputs)
        outputs = (
            np.full(shape, -0.0, network.parameters.dtype) if model._compiled_metrics else None
        )
        sums = _gradient(ranks, step, outputs)
        penalty = network.shared_update(step.rows, step.weights)
        model._constrain()
        # Weights change from batch to batch.
        weighted = sample_weight is not None or class_weight is not None
        usual = ranks.plain and not ranks.group.total(float(weighted))
        share = step.share
        network.expect_nothing()
        if usual:
            ranks.expect(Layout(share.cuts, share.leaf, step.rows, step.weights))
        if network.steps % STEPS_BETWEEN_CHECKS == 0:
            ranks.check_drift()
        if len(model.metrics_names) == 1:
            return network.mean_loss(sums, step.rows, step.weights, penalty)
        targets: tuple[Array | None, Array | None] = (None, None)
        if outputs is not None:
            ranks.group.comm.allreduce_(outputs)
            targets = step.targets()
        running_metrics = model._bare_running_metrics()
        totals = (sums, step.rows, step.weights, penalty)
        add_batch(network, running_metrics, totals, outputs, *targets)
        return list(running_metrics.results())


def loss_and_gradients(
    model: Compiled, x: Array, y: Array, sample_weight: Array | None, comm: Any
) -> float:
    """The loss of the rows of all ranks, and its gradient on every rank."""
    ranks, step = _begin(model, x, y, sample_weight, None, comm, "loss_and_gradients")
    network = model._network
    with network.reserved():
        sums = _gradient(ranks, step, None)
        penalty = network.add_penalties(step.rows, step.weights)
        return network.mean_loss(sums, step.rows, step.weights, penalty)


def _begin(
    model: Compiled,
    x: Array,
    y: Array,
    sample_weight: Array | None,
    class_weight: Mapping[int, float] | None,
    comm: Any,
    call: str,
) -> tuple[Sharing, Step]:
    ranks = sharing(model, comm, x, call)
    batch = ranks.group.together(lambda: rows_of(model, x, y, sample_weight, class_weight).batch())
    step = step_of(batch, model._network, ranks.group, None)
    if step.rows == 0:
        raise ValueError("x: found no rows on any rank, wanted at least one")
    return ranks, step


def _gradient(ranks: Sharing, step: Step, outputs: Array | None) -> list[float]:
    """The sums of the rows' losses over all ranks; the gradients are in the network."""
    error: BaseException | None = None
    sums: list[float] = []
    try:
        share = step.share
        own = None if outputs is None else outputs[share.begin : share.end]
        sums = ranks.gradient(step.batch, share, step.rows, step.weights, own)
    except BaseException as raised:
        error = raised
    ranks.reduce(error, False)
    return ranks.add_up(sums)

"""The gradient of a rank's rows by a loss that is a Python function.

A loss that returns a number for each row is a mean over rows: of a batch that is cut into leaves,
the sum over them. Each leaf is a pass of its own, and the leaves are added up in the tree in which
the core adds up its own, so that the bits are the same for 1, 2, 4 and 8 ranks.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from .._base.dtypes import Array, Network
from .._base.overriding import overridden
from .._data.dataset import Batch
from ..distributed.shares import Share
from ..losses.function import CallableLoss
from .compiled import Compiled
from .own_steps import CALLED, ModelLoss

#: What a layer does that a leaf by itself cannot, by kinds of the core's layers.
_OF_THE_BATCH = {
    "dropout": "random numbers",
    "gaussian_noise": "random numbers",
    "batch_normalization": "statistics of the batch",
    "embedding": "a table",
    "activity_regularization": "penalties of its outputs",
}


def check(model: Compiled, loss: Any) -> None:
    """Raise where a loss that is no loss of the core's cannot be one of several ranks.

    Raises
    ------
    ValueError
        The message names the loss, or the layer beside it.
    """
    if isinstance(loss, ModelLoss):
        (name, *_) = [*overridden(type(model), CALLED), "compute_loss"]
        raise ValueError(
            f"comm: found the model {type(model).__name__} with a {name} of its own, which would "
            "see a part of a batch only, wanted a model without: a loss of yours goes to compile, "
            "an addition to it to add_loss in a layer"
        )
    if not isinstance(loss, CallableLoss):
        raise ValueError(
            "comm: found several outputs, of which one has a loss that is a Python function, "
            "wanted the core's losses"
        )
    if loss.rows_to_loss != "sum_over_batch_size":
        raise ValueError(
            f"comm: found the loss {loss.label}, a Python function, with "
            f"reduction={loss.rows_to_loss!r}, wanted 'sum_over_batch_size'"
        )
    for spec in model._plan().specs:
        if spec["kind"] in _OF_THE_BATCH:
            raise ValueError(
                f"comm: found the loss {loss.label}, which is a Python function, beside a layer "
                f"with {_OF_THE_BATCH[spec['kind']]} (of kind {spec['kind']!r}), wanted one of "
                "the core's losses, or a model without such layers"
            )


def gradient(
    network: Network,
    loss: CallableLoss,
    batch: Batch,
    share: Share,
    rows: int,
    outputs: Array | None,
) -> list[float]:
    """The gradient of a rank's share, in the network's buffer; the sum of its rows' losses.

    Parameters
    ----------
    batch : Batch
        The rows of the share.
    rows : int
        Of the whole batch.
    outputs : ndarray (rows of the share, units), optional
        Gets the network's outputs.

    Raises
    ------
    ValueError
        The function returns one number for all rows, or its gradient: what it is of a part of them
        is not known.
    """
    waiting: list[tuple[int, int, Array, float]] = []  # first leaf, leaves, gradient, loss
    last = len(share.cuts) - 2
    for number, (begin, end) in enumerate(pairwise(share.cuts)):
        own = slice(begin - share.begin, end - share.begin)
        first, count = share.leaf + number, 1
        found, value = _of_leaf(network, loss, batch, own, rows, outputs)
        while waiting:
            left, size, others, before = waiting[-1]
            if number < last and (size != count or left % (2 * size)):
                break
            waiting.pop()
            first, count, found, value = left, size + count, others + found, before + value
        waiting.append((first, count, found, value))
    ((_, _, found, value),) = waiting
    network.gradients[...] = found
    network.reduced[len(found) :] = 0
    return [value]


def _of_leaf(
    network: Network,
    loss: CallableLoss,
    batch: Batch,
    own: slice,
    rows: int,
    outputs: Array | None,
) -> tuple[Array, float]:
    count = own.stop - own.start
    if count == 0:
        return np.full_like(network.gradients, -0.0), 0.0
    y, weight = batch.y[own], None if batch.weight is None else batch.weight[own]
    out = network.forward(np.ascontiguousarray(batch.x[own]), None, True, step=network.steps)
    value, slope = loss.compute(y, out, weight)
    if not loss.is_by_rows:
        raise ValueError(
            f"comm: found the loss {loss.label}, which returns one number for all rows, or its "
            "gradient, wanted a number for each row: a mean over rows is a sum over ranks"
        )
    if outputs is not None:
        outputs[own] = out
    network.backward(slope * slope.dtype.type(count / rows), False)
    return network.gradients.copy(), value * count

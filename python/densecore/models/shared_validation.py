"""Validation in `Model.fit` when each rank has rows of its own for it: the numbers of all rows.

A loss is a mean over rows, so that of all ranks is the mean of theirs. A metric need not be one (a
root of a mean, an area under a curve): it is computed from the outputs of all rows, which all
ranks get for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .._data.batches import Arrays, Source
from .._data.dataset import Batch
from ..callbacks.base import CallbackList
from ..distributed.group import Group
from .evaluate import evaluate_source, evaluates_in_core
from .free_metrics import add_batch
from .shared_rows import gathered

if TYPE_CHECKING:  # whose module imports this one
    from .model import Model

#: Rows of a batch at least, where the numbers depend on no batch size.
_ROWS_AT_ONCE = 8192


class OwnPart:
    """A rank's part of a validation.

    Parameters
    ----------
    model : Model
    source : Source
        The rank's rows; of arrays there may be none.
    listeners : CallbackList

    Attributes
    ----------
    values : list of float
        Loss and metrics of the rank's rows; zeros where it has none.
    rows : int
    """

    exhausted = False

    def __init__(self, model: "Model", source: Source, listeners: CallbackList) -> None:
        self._model = model
        self._batches: list[Batch] = []  # with outputs in the place of x
        self.rows = 0
        if isinstance(source, Arrays) and len(source.data.x) == 0:
            listeners.on_test_begin({})  # as on the other ranks
            listeners.on_test_end({})
            self.values = [0.0] * len(model.metrics_names)
            self._whole = Batch(np.empty((0, model._outputs), model._dtype), source.data.y, None)
            return
        if evaluates_in_core(model, source, listeners):
            assert isinstance(source, Arrays)
            source = Arrays(source.data, max(source.batch_size, _ROWS_AT_ONCE), False, None)
        self._source = source
        self.steps = source.steps
        self.values = evaluate_source(model, self, listeners)  # type: ignore[arg-type]
        if self._batches:
            self._whole = _joined(self._batches)

    def epoch(self, number: int, seed: int) -> Iterator[Batch]:
        """The batches of the source, whose outputs are kept if there are metrics."""
        wanted = bool(self._model._compiled_metrics)
        for batch in self._source.epoch(number, seed):
            self.rows += len(batch.x)
            if wanted:
                outputs = self._model._network.predict(batch.x, None)
                # Copies: a generator may give the same arrays again, with other numbers.
                weight = None if batch.weight is None else batch.weight.copy()
                self._batches.append(Batch(outputs, batch.y.copy(), weight))
            yield batch

    def of_all_ranks(self, group: Group) -> list[float]:
        """Loss and metrics of the rows of all ranks; they all call this together."""
        model, network = self._model, self._model._network
        losses = len(self.values) - len(model._compiled_metrics)
        own = [self.rows * value for value in self.values[:losses]]
        found = group.vector(float(self.rows), *own)
        counts = found[:, 0].astype(np.int64)
        rows = int(counts.sum())
        if rows == 0:
            raise ValueError("validation_data: found no rows on any rank, wanted at least one")
        values = [float(value) / rows for value in found[:, 1:].sum(axis=0)]
        if losses == len(self.values):
            return values
        whole = np.full((rows, model._outputs), -0.0, model._dtype)
        end = int(counts[: group.rank + 1].sum())
        whole[end - self.rows : end] = self._whole.x
        group.comm.allreduce_(whole)
        targets, weights = gathered(group, self._whole, counts)()
        running = model._bare_running_metrics()
        sums = [0.0] * network.sums_of_part  # the loss is known
        totals = (sums, rows, network.batch_weights(None, rows), 0.0)
        add_batch(network, running, totals, whole, targets, weights)
        return [*values, *running.results()[losses:]]


def _joined(batches: list[Batch]) -> Batch:
    """All rows; those of batches without weights have 1 where others have some."""
    outputs, targets, weights = zip(*batches, strict=True)
    weight = None
    if any(each is not None for each in weights):
        pairs = zip(weights, outputs, strict=True)
        ones = [np.ones(len(rows), rows.dtype) if each is None else each for each, rows in pairs]
        weight = np.concatenate(ones, axis=-1)
    return Batch(np.concatenate(outputs), np.concatenate(targets), weight)

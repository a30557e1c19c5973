"""Losses and metrics of models whose outputs are rows of several vectors: (rows, steps, features).

As in Keras the last dimension is that of the classes, and a row has a loss for each of its vectors.
The core's rows are vectors: what is the same for all elements of a row, such as the mean squared
error, it computes itself; the others are computed in Python, batch by batch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base import core
from .._base.dtypes import Array
from ..layers.lowering import Row
from ..losses.base import CORE, Loss
from ..losses.function import CallableLoss
from ..losses.registry import stored_config
from ..metrics import Metric
from ..metrics.base import by_loss, matched
from ..metrics.function import MeanMetricWrapper
from .free_metrics import is_of_elements
from .heads import HeadsLoss
from .own_steps import ModelLoss


class VectorsLoss(CallableLoss):
    """A loss whose rows are several vectors each.

    Parameters
    ----------
    given : Loss
        What the model was compiled with.
    row : tuple of int
        The shape of a row of the outputs.
    """

    def __init__(self, given: Loss, row: Row) -> None:
        self.given = given
        super().__init__(_vectors)
        vars(self).update(_gives_gradient=False, _row=row, _shapes={"y": row})
        vars(self)["rows_to_loss"] = (
            given.rows_to_loss if isinstance(given, CallableLoss) else given.reduction
        )

    @property
    def label(self) -> str:
        """The given loss's name."""
        return self.given.label if isinstance(self.given, CallableLoss) else str(self.given.name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("function", "given"):
            raise AttributeError(name)
        return getattr(self.given, name)

    def check_trainable(self) -> None:
        """As of the given loss."""
        self.given.check_trainable()

    def take_targets(self, y: Any, rows: int, outputs: int) -> bool:
        """Note the shape of the targets of a row: class numbers may have an axis of 1 behind.

        Raises
        ------
        ValueError
            It does not suit the outputs.
        """
        shape, row = np.shape(y)[1:], self._row
        if shape == row[:-1] and row[-1] == 1:
            shape = row
        in_core = self.given.in_core and not isinstance(self.given, CallableLoss)
        wanted = [row[:-1], (*row[:-1], 1)] if self.given.sparse else [row]
        if in_core and shape not in wanted:
            raise ValueError(
                f"y: found shape {np.shape(y)}, wanted {(rows, *wanted[0])}, as the outputs are "
                f"{(rows, *row)}"
            )
        self._shapes["y"] = shape
        return False

    def shaped(self, y: Any, outputs: Any) -> tuple[Any, Any]:
        """Targets and outputs of the core, in their shapes."""
        return (
            np.reshape(y, (len(y), *self._shapes["y"])),
            np.reshape(outputs, (len(outputs), *self._row)),
        )

    def _call(self, y_true: Any, y_pred: Any) -> Any:
        y, outputs = self.shaped(y_true, y_pred)
        if isinstance(self.given, CallableLoss):
            return self.given._call(y, outputs)
        classes = self._row[-1]
        each = np.reshape(outputs, (-1, classes))
        if self.given.sparse:
            rows = self.given.call(np.asarray(y).reshape(-1).astype(np.int64), each)
        else:
            rows = self.given.call(np.reshape(y, (-1, classes)), each)
        return np.reshape(rows, (len(outputs), *self._row[:-1]))

    def metric_function(self, metric: Metric) -> Callable[..., float]:
        """A metric as a function of targets and outputs of the core, of all rows of a pass."""
        if metric.is_own or isinstance(metric, MeanMetricWrapper):
            whole: Any = metric._describe(self, self._row[-1], False)[0]
            return lambda y, outputs, weight: float(whole(*self.shaped(y, outputs), weight))
        given = self.given
        kind = by_loss(metric.kind, given.kind, self._row[-1])
        options = {**metric._core_options(), "weighted": True}
        if given.link and metric._of_probabilities(kind):
            options["link"] = given.link

        def computed(y: Array, outputs: Array, weight: Any) -> float:
            true, pred = self.shaped(y, outputs)
            each = pred.reshape(-1, self._row[-1])
            flat = true.reshape(-1) if given.sparse else true.reshape(-1, self._row[-1])
            scores, targets, labels = matched(flat, each)
            sums = core.Metric(kind, options, scores.shape[1], labels)
            # A row's weight is that of each of its vectors.
            each_weight = None if weight is None else np.repeat(weight, len(scores) // len(y))
            sums.update(scores, targets, each_weight)
            return float(sums.result())

        return computed

    def get_config(self) -> dict[str, Any]:
        """The configuration of the given loss."""
        return stored_config(self.given)


def _vectors(y_true: Any, y_pred: Any) -> Any:
    raise AssertionError("the given loss is called instead")


def needs_vectors(loss: Loss, metrics: list[Metric], row: Row | None) -> bool:
    """Whether the vectors of a row matter to a loss or a metric.

    Parameters
    ----------
    loss : Loss
    metrics : list of Metric
    row : tuple of int or None
        Of the outputs.
    """
    if row is None or len(row) < 2 or isinstance(loss, VectorsLoss | ModelLoss | HeadsLoss):
        return False
    if isinstance(loss, CallableLoss):
        return True
    return not CORE[loss.kind]["averaged"] or not all(map(is_of_elements, metrics))


def take_rows(loss: HeadsLoss, rows: list[Row]) -> None:
    """Let the losses of several outputs see the vectors of these rows.

    Raises
    ------
    ValueError
        A metric of an output of several vectors, to which the elements of a row are not alike.
    """
    for head, row in zip(loss.heads, rows, strict=True):
        if head.loss is None or len(row) < 2:
            continue
        for metric in (*head.metrics, *head.weighted):
            if not is_of_elements(metric):
                raise ValueError(
                    f"metrics of {head.name}: found {metric.name}, wanted one to which all "
                    f"elements of rows of shape {row} are alike, such as 'mae', or a model of "
                    "this output alone"
                )
        if needs_vectors(head.loss, [], row):
            head.loss = VectorsLoss(head.loss, row)

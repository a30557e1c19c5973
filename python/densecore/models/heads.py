"""The losses, weights and metrics of a model of several outputs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import losses, metrics
from .._base import checks
from .._base.dtypes import Array
from .._data.arrays import as_labels, as_targets, as_weights
from ..losses.base import Loss
from ..losses.function import CallableLoss, custom_loss, from_names
from ..losses.registry import from_stored, stored_config
from ..metrics.base import Description, Metric


@dataclass
class Head:
    """One output.

    Attributes
    ----------
    name : str
    outputs : int
        Elements of a row.
    loss : Loss or None
        None: the output is not trained, and has no targets.
    weight : float
        The factor of its loss in the sum.
    metrics, weighted : list of Metric
    """

    name: str
    outputs: int
    loss: Loss | None = None
    weight: float = 1.0
    metrics: list[Metric] = field(default_factory=list)
    weighted: list[Metric] = field(default_factory=list)
    #: The columns of its last targets, where they are not those of its outputs: a custom loss
    #: takes any.
    own_columns: int | None = None

    @property
    def columns(self) -> int:
        """The columns of its targets."""
        if self.loss is None:
            return 0
        if self.own_columns is not None:
            return self.own_columns
        return 1 if self.loss.sparse else self.loss.target_columns(self.outputs)


class HeadsLoss(Loss):
    """The weighted sum of the losses of several outputs.

    Parameters
    ----------
    heads : list of Head
    """

    kind = "heads"

    def __init__(self, heads: list[Head]) -> None:
        self.heads = heads
        self.name = self.kind
        self.reduction = "sum_over_batch_size"
        self.from_logits = False
        self._options: dict[str, Any] = {}
        self._changed = False  # whether the last targets were of another kind than those before
        self._last: list[float] = []  # the losses of the last batch, where Python computes them

    @property
    def sparse(self) -> bool:
        """False: class numbers are a column like others."""
        return False

    def target_columns(self, outputs: int) -> int:
        """The columns of all targets, side by side."""
        return sum(head.columns for head in self.heads)

    def check_trainable(self) -> None:
        """Raise for a reduction that gives no number; see `Loss`."""
        for head in self.heads:
            if head.loss is not None:
                head.loss.check_trainable()

    def depends_on_batches(self, weighted: bool) -> bool:
        """Whether the loss of many rows depends on how they are cut into batches."""
        return any(head.loss.depends_on_batches(weighted) for head in self.trained)

    @property
    def trained(self) -> list[Any]:
        """The heads that have a loss."""
        return [head for head in self.heads if head.loss is not None]

    @property
    def in_core(self) -> bool:  # type: ignore[override]
        """Whether no loss is a function of Python."""
        return all(head.loss.in_core for head in self.trained)

    def compute(
        self, y_true: Array, y_pred: Array, weight: Array | None = None
    ) -> tuple[float, Array]:
        """The sum and its gradient, for losses of which some are functions of Python.

        Parameters
        ----------
        y_true : ndarray (rows, columns)
        y_pred : ndarray (rows, outputs)
        weight : ndarray (rows,) or (heads, rows), optional
        """
        gradient = np.zeros_like(y_pred)
        total = 0.0
        self._last = []
        for number, (head, targets, columns) in enumerate(self._parts(y_true)):
            of_head = weight if weight is None or weight.ndim == 1 else weight[number]
            outputs = np.ascontiguousarray(y_pred[:, columns])
            loss = head.loss if isinstance(head.loss, CallableLoss) else CallableLoss(head.loss)
            value, slopes = loss.compute(targets, outputs, of_head)
            total += head.weight * value
            self._last.append(value)
            gradient[:, columns] = head.weight * slopes
        return total, gradient

    def value(self, y_true: Array, y_pred: Array, weight: Array | None) -> float:
        """The sum of a batch."""
        return self.compute(y_true, y_pred, weight)[0]

    def _parts(self, y_true: Array) -> Iterator[tuple[Any, Array, slice]]:
        """The heads with a loss, each with its targets and the columns of its outputs."""
        begin = first = 0
        for head in self.heads:
            columns = slice(first, first + head.outputs)
            first += head.outputs
            if head.loss is not None:
                targets = y_true[:, begin : begin + head.columns]
                begin += head.columns
                yield head, targets[:, 0].astype(int) if head.loss.sparse else targets, columns

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Not to be had: the losses of the outputs are functions of their own."""
        raise TypeError("loss: found a model of several outputs, wanted the loss of one of them")

    def for_metrics(self, y_true: Array, y_pred: Array) -> Array:
        """Targets as the core's metrics take them: outputs that have none stand for targets of
        other columns.

        Parameters
        ----------
        y_true : ndarray (rows, columns)
        y_pred : ndarray (rows, outputs)
        """
        if all(head.own_columns is None for head in self.heads):
            return y_true
        shown, begin, first = [], 0, 0
        for head in self.heads:
            own = head.own_columns is not None
            shown.append(
                y_pred[:, first : first + head.outputs]
                if own
                else y_true[:, begin : begin + head.columns]
            )
            begin += head.columns
            first += head.outputs
        return np.ascontiguousarray(np.concatenate(shown, axis=1), y_true.dtype)

    # The core -------------------------------------------------------------------------------------

    def described(self) -> list[dict[str, Any]]:
        """The heads as the core wants them."""
        found: list[dict[str, Any]] = []
        for head in self.heads:
            if head.loss is None:
                found.append({"loss": None})
                continue
            found.append(
                {
                    "loss": head.loss.kind,
                    "reduction": head.loss.reduction,
                    "from_logits": head.loss.from_logits,
                    "parameters": head.loss._parameters(),
                    "weight": head.weight,
                }
            )
        return found

    def described_metrics(self) -> list[Description]:
        """The metrics in the order of `names`, each with the number of its head."""
        found = []
        for number, head in enumerate(self.heads):
            for weighted, group in ((False, head.metrics), (True, head.weighted)):
                for metric in group:
                    if head.loss is None:
                        raise ValueError(
                            f"metrics: found {metric.name} for the output {head.name}, which has "
                            "no loss, wanted metrics of outputs with one"
                        )
                    what, options = metric._describe(head.loss, head.outputs, weighted)
                    found.append((what, {**options, "head": number}))
        return found

    def names(self) -> list[str]:
        """The names that `evaluate` reports after the loss: each output's, then the metrics."""
        found = []
        if len(self.heads) > 1:
            found = [f"{head.name}_loss" for head in self.trained]
        for head in self.heads:
            found += [
                f"{head.name}_{name}"
                for name in metrics.reported_names(head.metrics, head.weighted)
            ]
        return found

    # Data -----------------------------------------------------------------------------------------

    def targets(self, parts: Sequence[Any], dtype: np.dtype[Any], rows: int) -> Array:
        """Targets side by side; class numbers are columns of numbers.

        Parameters
        ----------
        parts : sequence
            One for each head that has a loss.
        dtype : dtype
        rows : int
        """
        self._changed = False
        for head, part in zip(self.trained, parts, strict=True):
            if isinstance(head.loss, CallableLoss):
                self._changed |= head.loss.take_targets(part, rows, head.outputs)
                shape = np.shape(part)
                columns = math.prod(shape[1:])
                free = len(shape) > 1 and not head.loss.sparse and columns != head.outputs
                free = free and not (head.metrics or head.weighted)
                head.own_columns = columns if free else None
        result = np.empty((rows, self.target_columns(0)), dtype)
        begin = 0
        for head, part in zip(self.trained, parts, strict=True):
            name = f"y of {head.name}"
            if head.loss.sparse:
                found = as_labels(part, rows, head.outputs, name).reshape(-1, 1)
            else:
                own = isinstance(head.loss, CallableLoss)
                found = as_targets(part, dtype, rows, head.columns, name, not own)
            result[:, begin : begin + head.columns] = found
            begin += head.columns
        return result

    def weights(
        self, given: Any, dtype: np.dtype[Any], rows: int, some: bool = False
    ) -> Array | None:
        """Weights (rows,) for all outputs, or (heads, rows); with `some` they may all be 0."""
        if given is None:
            return None
        names = [head.name for head in self.heads]
        in_order = isinstance(given, list | tuple) and len(given) == len(names) != rows
        if not (in_order or isinstance(given, Mapping)):
            return as_weights(given, dtype, rows, some)
        parts = _by_name("sample_weight", given, names)
        whole = np.ones((len(names), rows), dtype)
        for row, part in zip(whole, parts, strict=True):
            if part is not None:
                row[:] = as_weights(part, dtype, rows, some)
        return whole

    # Files ----------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The heads; JSON-able unless a loss is a function that has no name."""
        return {
            "name": self.kind,
            "heads": [
                {
                    "name": head.name,
                    "outputs": head.outputs,
                    "loss": None if head.loss is None else stored_config(head.loss),
                    "weight": head.weight,
                    "metrics": metrics.config_of(head.metrics),
                    "weighted_metrics": metrics.config_of(head.weighted),
                }
                for head in self.heads
            ],
        }


class HeadsRunningMetrics:
    """Running metrics of the core, with the means of the single losses that Python has computed.

    Parameters
    ----------
    running_metrics : RunningMetrics
    loss : HeadsLoss
    """

    def __init__(self, running_metrics: Any, loss: HeadsLoss) -> None:
        self.core = running_metrics
        self._loss = loss
        self.reset()

    def reset(self) -> None:
        """Forget the batches so far."""
        self.core.reset()
        self._sums = np.zeros(len(self._loss.trained))
        self._rows = 0

    def add(self, rows: int) -> None:
        """Add the losses of a batch of so many rows, which the loss has just computed."""
        self._sums += rows * np.asarray(self._loss._last)
        self._rows += rows

    def results(self) -> list[float]:
        """The means: of the loss, of each output's, then the metrics."""
        values: list[float] = list(self.core.results())
        if len(self._loss.heads) > 1:
            values[1 : 1 + len(self._sums)] = (self._sums / max(self._rows, 1)).tolist()
        return values


def heads_of(
    names: Sequence[str],
    outputs: Sequence[int],
    loss: Any,
    loss_weights: Any,
    given_metrics: Any,
    weighted_metrics: Any,
) -> HeadsLoss:
    """The heads that `compile` is given, as lists or dictionaries by the outputs' names.

    Raises
    ------
    ValueError
        No loss at all, an unknown name, or a list of another length.
    """
    of_losses = _by_name("loss", loss, names, spread=True)
    factors = _by_name("loss_weights", loss_weights, names)
    groups = [
        _by_name(argument, given, names)
        for argument, given in (("metrics", given_metrics), ("weighted_metrics", weighted_metrics))
    ]
    heads = []
    for number, name in enumerate(names):
        found = of_losses[number]
        head = Head(name, outputs[number])
        if found is not None:
            head.loss = custom_loss(found) or losses.get(found)
            head.loss.check_trainable()
        if factors[number] is not None:
            head.weight = checks.number(f"loss_weights of {name}", factors[number], least=0)
        for group, target in zip(groups, (head.metrics, head.weighted), strict=True):
            given = group[number]
            one = [] if given is None else given if isinstance(given, list | tuple) else [given]
            target += metrics.get_all("metrics", list(one))
        heads.append(head)
    if all(head.loss is None for head in heads):
        raise ValueError(f"compile: found no loss, wanted one for one of {', '.join(names)}")
    result = HeadsLoss(heads)
    result.described_metrics()
    return result


def heads_from(config: Mapping[str, Any]) -> HeadsLoss:
    """The heads that `HeadsLoss.get_config` describes."""
    heads = []
    for entry in config["heads"]:
        loss = entry["loss"]
        heads.append(
            Head(
                entry["name"],
                checks.integer("outputs", entry["outputs"], 1),
                None if loss is None else loss_of(loss),
                checks.number("weight", entry["weight"], least=0),
                metrics.get_all("metrics", entry["metrics"]),
                metrics.get_all("weighted_metrics", entry["weighted_metrics"]),
            )
        )
    return HeadsLoss(heads)


def loss_of(config: Mapping[str, Any]) -> Loss | None:
    """The loss that `stored_config` describes; None for one of a user's that is not known here."""
    return from_names(config) if config.get("callable") else from_stored(config)


def loss_of_model(config: Mapping[str, Any]) -> Loss | None:
    """The same of a model's whole loss, which may be that of several outputs."""
    return heads_from(config) if config.get("name") == HeadsLoss.kind else loss_of(config)


def _by_name(argument: str, given: Any, names: Sequence[str], spread: bool = False) -> list[Any]:
    """One for each output. With `spread` a single value, not a list or dictionary, is for all."""
    if given is None:
        return [None] * len(names)
    if isinstance(given, Mapping) and not (spread and {"name", "class_name"} & given.keys()):
        unknown = [str(key) for key in given if key not in names]
        if unknown:
            raise ValueError(
                f"{argument}: found the name {unknown[0]!r}, wanted {', '.join(names)}"
            )
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            raise ValueError(
                f"{argument}: found {len(given)} entries, wanted one for each of the outputs "
                f"{', '.join(names)}"
            )
        return list(given)
    if spread:
        return [given] * len(names)
    raise TypeError(
        f"{argument}: found {type(given).__name__}, wanted a list with an entry for each of the "
        f"outputs {', '.join(names)}, or a dictionary by these names"
    )

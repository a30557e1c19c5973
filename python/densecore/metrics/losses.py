"""Losses as metrics: every loss that is not also a metric of its own, under the same names."""

from typing import Any

import numpy as np

from .. import losses  # noqa: F401 - it fills the registry
from .._base.dtypes import Array
from ..losses.base import CORE, Loss
from ..losses.registry import LOSSES
from .base import Description, Metric, matched, weights


class LossAsMetric(Metric):
    """Base class of ``metrics.Poisson`` and the like: a loss's mean over the rows.

    Parameters
    ----------
    name : str, optional
        By default the loss's.
    **common
        The loss's options, such as ``from_logits`` and ``label_smoothing``.

    Raises
    ------
    TypeError
        This class itself is called.
    """

    larger_is_better = False

    def __init__(self, name: str | None = None, **common: Any) -> None:
        if not self.kind:
            raise TypeError(
                "LossAsMetric: found the base class, wanted one of its classes, such as "
                "BinaryCrossentropy"
            )
        own = {key: value for key, value in common.items() if key != "dtype"}
        super().__init__(name, **{key: common[key] for key in common if key not in own})
        self._of_loss = {key: value for key, value in own.items() if value or value == 0}
        self._rows: list[tuple[float, float]] = []  # with options: mean and weight of each call

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one; JSON-able."""
        return {**super().get_config(), **self._of_loss}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add some rows; see `Metric.update_state`."""
        if not self._of_loss:
            super().update_state(y_true, y_pred, sample_weight)
            return
        outputs, targets, _ = matched(y_true, y_pred)
        weight = weights(sample_weight, len(outputs))
        total = float(len(outputs) if weight is None else weight.sum())
        self._rows.append((self._mean(targets, outputs, weight), total))

    def result(self) -> float:
        """The metric of all rows since the last `reset_state`; 0 when there were none."""
        total = sum(weight for _, weight in self._rows)
        if not self._of_loss:
            return super().result()
        return sum(mean * weight for mean, weight in self._rows) / total if total else 0.0

    def reset_state(self) -> None:
        """Forget all rows."""
        super().reset_state()
        self._rows = []

    def _describe(self, loss: Loss, outputs: int, weighted: bool) -> Description:
        if self._of_loss:  # of the outputs as they are: the options say what they are
            return self._mean, {"weighted": weighted}
        return super()._describe(loss, outputs, weighted)

    def _mean(self, y_true: Array, y_pred: Array, weight: Array | None) -> float:
        loss = LOSSES.maker(self.kind)(**self._of_loss, reduction="none")
        return float(np.average(loss(y_true, y_pred), weights=weight))

    def _of_probabilities(self, kind: str) -> bool:
        return CORE[kind]["link"] is not None or kind == "kl_divergence"


def _metric_of(kind: str, class_name: str) -> type[LossAsMetric]:
    text = f"The loss {kind!r} as a metric: its mean over the rows."
    # The package has them by name, where pickles look.
    members = {"kind": kind, "__doc__": text, "__module__": __package__}
    return type(class_name, (LossAsMetric,), members)


def classes() -> dict[str, type[LossAsMetric]]:
    """Class name → class, for every loss; ``Crossentropy`` becomes the loss's own kind of it."""
    found = {"Crossentropy": _metric_of("crossentropy", "Crossentropy")}
    for kind in LOSSES.names():
        name = LOSSES.maker(kind).__name__
        found[name] = _metric_of(kind, name)
    return found

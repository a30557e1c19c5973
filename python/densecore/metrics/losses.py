"""Losses as metrics: every loss that is not also a metric of its own, under the same names."""

from typing import Any

from .. import losses  # noqa: F401 - it fills the registry
from ..losses.base import CORE
from ..losses.registry import LOSSES
from .base import Metric


class LossAsMetric(Metric):
    """Base class of ``metrics.Poisson`` and the like: a loss's mean over the rows.

    Parameters
    ----------
    name : str, optional
        By default the loss's.

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
        super().__init__(name, **common)

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

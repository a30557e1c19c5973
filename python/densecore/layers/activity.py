"""Penalties on the outputs of layers."""

from typing import Any, ClassVar

from .._base import checks
from .base import Layer
from .lowering import Plan


class ActivityRegularization(Layer):
    """x as it is; the loss grows by l1 · Σ|x| + l2 · Σx², over the rows of the batch.

    Parameters
    ----------
    l1, l2 : float, default 0.0
    """

    config_names: ClassVar[tuple[str, ...]] = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **general: Any) -> None:
        super().__init__(**general)
        self.l1 = checks.number("ActivityRegularization: l1", l1, least=0)
        self.l2 = checks.number("ActivityRegularization: l2", l2, least=0)

    def _plan(self, plan: Plan) -> None:
        plan.close()
        plan.penalise([self.l1, self.l2])

"""Noise, in training only."""

from typing import Any, ClassVar

from .._base import checks
from .base import Layer
from .lowering import Plan


class GaussianNoise(Layer):
    """In training, x plus normal noise of mean 0; outside training, x itself.

    Bishop, *Training with noise is equivalent to Tikhonov regularization*, 1995. The noise of a
    step follows from the model's seed, the step, the layer and the row: it is the same for any
    number of threads, and after a resumption.

    Parameters
    ----------
    stddev : float
        The noise's standard deviation, >= 0. Keras allows 0 to 1 only.
    seed : int, optional
        Accepted for Keras's sake, and without effect: the noise follows from the model's seed.

    Raises
    ------
    TypeError, ValueError
        `stddev` is not a finite number >= 0.
    """

    config_names: ClassVar[tuple[str, ...]] = ("stddev",)

    def __init__(self, stddev: float, seed: int | None = None, **general: Any) -> None:
        super().__init__(**general)
        self.stddev = checks.number("GaussianNoise: stddev", stddev, least=0, most=1e30)

    def _plan(self, plan: Plan) -> None:
        plan.add({"kind": "gaussian_noise", "stddev": self.stddev})

"""Noise, in training only."""

import math
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.constants import SELU_ALPHA, SELU_SCALE
from .._base.dtypes import Array
from .activation_argument import UserActivation
from .base import Layer
from .lowering import Plan, Source
from .symbols import Symbol


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

    _keeps_mask: ClassVar[bool | None] = True
    config_names: ClassVar[tuple[str, ...]] = ("stddev",)

    def __init__(self, stddev: float, seed: int | None = None, **general: Any) -> None:
        super().__init__(**general)
        self.stddev = checks.number("GaussianNoise: stddev", stddev, least=0, most=1e30)

    def _plan(self, plan: Plan) -> None:
        plan.add({"kind": "gaussian_noise", "stddev": self.stddev})


class GaussianDropout(Layer):
    """In training, x times normal noise of mean 1 and variance rate / (1 - rate).

    Srivastava et al., *Dropout*, 2014, section 10. Outside training, x itself. A part of it runs in
    Python, which is slow.

    Parameters
    ----------
    rate : float
        In [0, 1).
    seed : int, optional
        Accepted for Keras's sake, and without effect: the noise follows from the model's seed.
    """

    _keeps_mask: ClassVar[bool | None] = True
    config_names: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(self, rate: float, seed: int | None = None, **general: Any) -> None:
        super().__init__(**general)
        self.rate = checks.number("GaussianDropout: rate", rate, least=0, below=1)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        source = plan.whole(sources[0])
        _apply(plan, source, np.ones_like)
        plan.add({"kind": "gaussian_noise", "stddev": math.sqrt(self.rate / (1 - self.rate))})
        plan.merge({"kind": "multiply"}, [source, plan.here], source.row)
        return [plan.here]


class AlphaDropout(Layer):
    """Dropout that keeps the mean and the variance of `selu`'s outputs.

    Klambauer et al., *Self-normalizing neural networks*, 2017: units that drop out become the limit
    of selu for small x, and all are scaled and shifted. A part of it runs in Python, which is slow.

    Parameters
    ----------
    rate : float
        In [0, 1).
    noise_shape
        None.
    seed : int, optional
        Accepted for Keras's sake, and without effect: masks follow from the model's seed.
    """

    _keeps_mask: ClassVar[bool | None] = True
    config_names: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(self, rate: float, noise_shape: None = None, seed: int | None = None,
                 **general: Any) -> None:  # fmt: skip
        super().__init__(noise_shape=noise_shape, **general)
        self.rate = checks.number("AlphaDropout: rate", rate, least=0, below=1)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        source = plan.whole(sources[0])
        if self.rate == 0:
            return [source]
        limit = -SELU_SCALE * SELU_ALPHA
        scale = 1 / math.sqrt((1 - self.rate) * (1 + self.rate * limit**2))
        shift = -scale * limit * self.rate

        # The mask is 1 outside training, and 0 or 1 / (1 - rate) in it.
        def factor(mask: Array) -> Array:
            return np.where(mask == 1, 1.0, np.where(mask == 0, 0.0, scale)).astype(mask.dtype)

        def summand(mask: Array) -> Array:
            dropped = scale * limit + shift
            found = np.where(mask == 1, 0.0, np.where(mask == 0, dropped, shift))
            return found.astype(mask.dtype)

        _apply(plan, source, np.ones_like)
        plan.add({"kind": "dropout", "rate": self.rate})
        mask = plan.here
        _apply(plan, mask, factor)
        plan.merge({"kind": "multiply"}, [source, plan.here], source.row)
        product = plan.here
        _apply(plan, mask, summand)
        plan.merge({"kind": "add"}, [product, plan.here], source.row)
        return [plan.here]


class InTraining(Layer):
    """1 in training, 0 else, whatever the input: how a graph tells the two apart."""

    config_names: ClassVar[tuple[str, ...]] = ()

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        # A mask of dropout is 1 outside training, and 0 or 2 in it.
        _apply(plan, plan.whole(sources[0]), np.ones_like)
        plan.add({"kind": "dropout", "rate": 0.5})
        _apply(plan, plan.here, lambda mask: (mask != 1).astype(mask.dtype))
        return [plan.here]


Symbol.operators["in training"] = InTraining


def _apply(plan: Plan, source: Source, function: Any) -> None:
    """Append a Python function whose derivative is 0."""
    plan.go_to(source)
    plan.close()
    plan.functions[plan.add({"kind": "function"})] = UserActivation(
        function, lambda x, a: np.zeros_like(x)
    )

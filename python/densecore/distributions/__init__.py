"""Distributions of actions, with their gradients by a network's outputs."""

from .base import Distribution, PolicyLoss
from .categorical import Categorical
from .normal import Normal, NormalGradient, TanhNormal

__all__ = ["Categorical", "Distribution", "Normal", "NormalGradient", "PolicyLoss", "TanhNormal"]

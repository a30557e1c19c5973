"""Distributions of actions, with their gradients by what a network puts out."""

from .base import Distribution, PolicyLoss
from .categorical import Categorical
from .normal import Normal, NormalGradient, TanhNormal

__all__ = ["Categorical", "Distribution", "Normal", "NormalGradient", "PolicyLoss", "TanhNormal"]

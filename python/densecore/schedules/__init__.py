"""Learning rates that depend on the step, with Keras's names and formulas.

A schedule is a function of the step's number, counted from 0 (the updates that the optimizer has
made before it). All compute in double precision, for one step or for an array of steps.
"""

from .base import LearningRateSchedule, deserialize, names, rates, register, serialize
from .cosines import CosineDecay, CosineDecayRestarts, OneCycle
from .decays import (
    Constant,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    StepDecay,
)
from .from_values import FromArray, FromFunction, Scaled

__all__ = [
    "Constant",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "FromArray",
    "FromFunction",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "Scaled",
    "StepDecay",
    "deserialize",
    "names",
    "rates",
    "serialize",
]

for _cls in LearningRateSchedule.__subclasses__():
    register(_cls)

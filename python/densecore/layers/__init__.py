"""Layers: what a model is described with, and views of what it has learnt."""

from .._base import unsupported
from .activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from .arrays import assign
from .base import Layer, deserialize
from .dense import Dense
from .dropout import Dropout
from .input import Input, InputLayer
from .noise import GaussianNoise
from .normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    Rescaling,
    RMSNormalization,
    UnitNormalization,
)
from .periodic import PeriodicEmbedding, Scale
from .residual import Residual
from .shapes import Flatten, Identity, Reshape

__all__ = [
    "ELU",
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Normalization",
    "PeriodicEmbedding",
    "RMSNormalization",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Residual",
    "Scale",
    "Softmax",
    "UnitNormalization",
    "assign",
    "deserialize",
]


def __getattr__(name: str) -> object:
    return unsupported.find(__name__, name, __all__)

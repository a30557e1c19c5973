"""Layers: what a model is described with, and views of what it has learnt."""

from .._base import unsupported
from .activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from .base import Layer, assign, deserialize
from .dense import Dense
from .dropout import Dropout
from .input import Input, InputLayer
from .normalization import BatchNormalization, LayerNormalization, Normalization, Rescaling
from .residual import Residual
from .shapes import Flatten, Identity, Reshape

__all__ = [
    "ELU",
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "Identity",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Normalization",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Residual",
    "Softmax",
    "assign",
    "deserialize",
]


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

"""Layers: the description of a model, and views of its weights."""

from .._base import unsupported
from . import computed as computed
from . import symbol_losses as symbol_losses
from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .activity import ActivityRegularization
from .arrays import assign
from .base import Layer
from .dense import Dense, TimeDistributed
from .dropout import Dropout, SpatialDropout1D
from .element_function import ElementFunction, Lambda
from .embedding import Embedding
from .fixed import (
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    Permute,
    Selection,
)
from .input import Input, InputLayer
from .lookups import IntegerLookup, StringLookup
from .merge import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from .noise import AlphaDropout, GaussianDropout, GaussianNoise
from .normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from .own import OwnLayer as OwnLayer
from .own_of_kind import AlwaysRandom as AlwaysRandom
from .periodic import PeriodicEmbedding, Scale
from .preprocessing import CategoryEncoding, Discretization, Hashing
from .rescaling import Normalization, Rescaling
from .residual import Residual
from .serialization import classes as classes
from .serialization import deserialize, serialize
from .shapes import Columns, Flatten, Identity, RepeatVector, Reshape
from .symbol_functions import Noise, RowSum, Spread
from .text import TextVectorization
from .tied import Transposed as Transposed
from .variable import Variable

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "CategoryEncoding",
    "Columns",
    "Concatenate",
    "Dense",
    "Discretization",
    "Dot",
    "Dropout",
    "ElementFunction",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPooling1D",
    "GroupNormalization",
    "Hashing",
    "Identity",
    "Input",
    "InputLayer",
    "IntegerLookup",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Maximum",
    "Minimum",
    "Multiply",
    "Noise",
    "Normalization",
    "PReLU",
    "PeriodicEmbedding",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Residual",
    "RowSum",
    "Scale",
    "Selection",
    "Softmax",
    "SpatialDropout1D",
    "Spread",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "UnitNormalization",
    "Variable",
    "add",
    "assign",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]


def __getattr__(name: str) -> object:
    return unsupported.find(__name__, name, __all__)

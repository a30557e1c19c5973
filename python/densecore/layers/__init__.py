"""Layers: the description of a model, and views of its weights."""

from .._base import unsupported
from . import computed as computed
from . import symbol_losses as symbol_losses
from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .activity import ActivityRegularization
from .arrays import assign
from .attention import AdditiveAttention, Attention, GroupQueryAttention, MultiHeadAttention
from .attention import GroupedQueryAttention as GroupedQueryAttention
from .base import Layer
from .dense import Dense, TimeDistributed
from .dropout import Dropout, SpatialDropout1D
from .einsum_dense import EinsumDense
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
from .input_spec import InputSpec
from .lookups import IntegerLookup, StringLookup
from .masks import Masking
from .members import BatchEnsembleDense, EnsembleDense
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
from .one_hot import OneHotDense
from .own import OwnLayer as OwnLayer
from .own_of_kind import AlwaysRandom as AlwaysRandom
from .parametric import ParametricActivation
from .periodic import PeriodicEmbedding, Scale
from .piecewise import PiecewiseLinearEmbedding
from .preprocessing import CategoryEncoding, Discretization, Hashing
from .rescaling import Normalization, Rescaling
from .residual import Residual
from .serialization import classes as classes
from .serialization import deserialize, serialize
from .shapes import Columns, Flatten, Identity, RepeatVector, Reshape
from .shared_slopes import SharedPReLU as SharedPReLU
from .symbol_functions import Noise, RowSum, Spread
from .symbols import Symbol
from .text import TextVectorization
from .tied import Transposed as Transposed
from .variable import Variable

#: Keras's name for what layers take and give while a model is described.
KerasTensor = Symbol

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "BatchEnsembleDense",
    "BatchNormalization",
    "CategoryEncoding",
    "Columns",
    "Concatenate",
    "Dense",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "ElementFunction",
    "Embedding",
    "EnsembleDense",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPooling1D",
    "GroupNormalization",
    "GroupQueryAttention",
    "Hashing",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "IntegerLookup",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Noise",
    "Normalization",
    "OneHotDense",
    "PReLU",
    "ParametricActivation",
    "PeriodicEmbedding",
    "Permute",
    "PiecewiseLinearEmbedding",
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

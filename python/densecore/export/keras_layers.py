"""Layers as Keras's layers, or functions of its symbols; by the layer's class, as in `program`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import activations, constraints, initializers, layers, regularizers
from ..layers.activation_argument import UserActivation
from ..layers.weight import Zeros
from .calls import name_of


def _activation(keras: Any, layer: layers.Layer, activation: Any) -> Any:
    """A name, or a layer for what has parameters.

    Raises
    ------
    ValueError
        Keras has none of this kind.
    """
    if isinstance(activation, UserActivation):
        raise ValueError(
            f"layer {layer.name}: found an activation that is a Python function of NumPy arrays, "
            "wanted one of: " + ", ".join(activations.names())
        )
    found = activations.get(activation)
    if found.is_default:
        return found.name
    makers: dict[str, Callable[..., Any]] = {
        "celu": lambda alpha: lambda x: keras.activations.celu(x, alpha),
        "elu": keras.layers.ELU,
        "gelu": lambda approximate: lambda x: keras.activations.gelu(x, approximate),
        "hard_shrink": lambda threshold: lambda x: keras.activations.hard_shrink(x, threshold),
        "soft_shrink": lambda threshold: lambda x: keras.activations.soft_shrink(x, threshold),
        "squareplus": lambda b: lambda x: keras.activations.squareplus(x, b),
        "leaky_relu": keras.layers.LeakyReLU,
        "relu": keras.layers.ReLU,
    }
    if found.name not in makers:
        raise ValueError(
            f"layer {layer.name}: found {found}, wanted parameters of: " + ", ".join(makers)
        )
    return makers[found.name](**found.parameters)


def _initializer(keras: Any, initializer: initializers.Initializer) -> Any:
    made = getattr(keras.initializers, type(initializer).__name__, None)
    arguments = {key: value for key, value in initializer.get_config().items() if key != "name"}
    try:
        return "glorot_uniform" if made is None else made(**arguments)
    except TypeError:
        return "glorot_uniform"  # the weights are given: it says where they came from only


def _regularizer(keras: Any, regularizer: regularizers.Regularizer | None) -> Any:
    if regularizer is None:
        return None
    l1, l2 = regularizers.factors(regularizer)
    return keras.regularizers.L1L2(l1, l2)


def _constraint(keras: Any, layer: layers.Layer, constraint: Any) -> Any:
    if constraint is None:
        return None
    kind = getattr(keras.constraints, type(constraint).__name__, None)
    if kind is None or type(constraint).__module__ != constraints.__name__:
        raise ValueError(f"layer {name_of(layer)}: found {constraint}, which Keras has not")
    options = {key: value for key, value in constraint.get_config().items() if key != "name"}
    return kind(**options)


def _dense(keras: Any, layer: layers.Dense) -> Any:
    return keras.layers.Dense(
        layer.units,
        _activation(keras, layer, layer.activation),
        layer.use_bias,
        _initializer(keras, layer.kernel_initializer),
        _initializer(keras, layer.bias_initializer),
        _regularizer(keras, layer.kernel_regularizer),
        _regularizer(keras, layer.bias_regularizer),
        _regularizer(keras, layer.activity_regularizer),
        _constraint(keras, layer, layer.kernel_constraint),
        _constraint(keras, layer, layer.bias_constraint),
        name=layer.name,
    )


def _scale_and_center(keras: Any, layer: Any) -> dict[str, Any]:
    return {
        "epsilon": layer.epsilon,
        "center": layer.center,
        "scale": layer.scale,
        "beta_regularizer": _regularizer(keras, layer.beta_regularizer),
        "gamma_regularizer": _regularizer(keras, layer.gamma_regularizer),
        "name": layer.name,
    }


def _batch_normalization(keras: Any, layer: layers.BatchNormalization) -> Any:
    return keras.layers.BatchNormalization(
        momentum=layer.momentum, **_scale_and_center(keras, layer)
    )


def _rescaling(keras: Any, layer: layers.Rescaling) -> Any:
    scale, offset = np.asarray(layer.scale), np.asarray(layer.offset)
    return keras.layers.Rescaling(scale, offset, name=layer.name)


def _normalization(keras: Any, layer: layers.Normalization) -> Any:
    row = layer._row or ()
    # Keras's Normalization keeps float32, and a number for each feature, not for each element.
    if layer.mean.dtype == np.float64 or len(row) > 1:
        deviation, mean = np.asarray(np.sqrt(layer.variance)), np.asarray(layer.mean)
        scale, offset = deviation, mean
        if not layer.invert:
            scale = 1 / np.maximum(deviation, 1e-7)
            offset = -mean * scale
        return keras.layers.Rescaling(scale.reshape(row), offset.reshape(row), name=layer.name)
    return keras.layers.Normalization(
        mean=layer.mean.tolist(),
        variance=layer.variance.tolist(),
        invert=layer.invert,
        name=layer.name,
    )


def _named(kind: str, *options: str) -> Callable[[Any, Any], Any]:
    """What makes Keras's layer of a name, with those of its options that are called as here."""

    def make(keras: Any, layer: Any) -> Any:
        given = {option: getattr(layer, option) for option in options}
        return getattr(keras.layers, kind)(**given, name=layer.name)

    return make


def _activation_layer(keras: Any, layer: layers.Activation) -> Any:
    return keras.layers.Activation(_activation(keras, layer, layer.activation), name=layer.name)


def _layer_normalization(keras: Any, layer: layers.LayerNormalization) -> Any:
    return keras.layers.LayerNormalization(**_scale_and_center(keras, layer))


def _group_normalization(keras: Any, layer: layers.GroupNormalization) -> Any:
    return keras.layers.GroupNormalization(layer.groups, **_scale_and_center(keras, layer))


def _prelu(keras: Any, layer: layers.PReLU) -> Any:
    return keras.layers.PReLU(name=layer.name)


def _embedding(keras: Any, layer: layers.Embedding) -> Any:
    if layer.missing:
        raise ValueError(
            f"layer {layer.name}: missing: found True, wanted False: Keras's Embedding has no such "
            "option"
        )
    return keras.layers.Embedding(
        layer.input_dim,
        layer.output_dim,
        embeddings_regularizer=_regularizer(keras, layer.embeddings_regularizer),
        name=layer.name,
    )


def _columns(keras: Any, layer: layers.Columns | layers.Selection) -> Any:
    return lambda x: x[:, layer.first : layer.last]


def _scale(keras: Any, layer: layers.Scale) -> Any:
    """A product with a matrix that is its diagonal: Keras has no other layer of factors alone."""
    return keras.layers.EinsumDense("ab,b->ab", layer.scale.size, name=layer.name)


def _discretization(keras: Any, layer: layers.Discretization) -> Any:
    layer._size()  # raises where nothing has been learnt
    return keras.layers.Discretization(
        layer.bin_boundaries, output_mode=layer.output_mode, name=layer.name
    )


def _integer_lookup(keras: Any, layer: layers.IntegerLookup) -> Any:
    options = ("num_oov_indices", "mask_token", "oov_token", "invert", "output_mode", "name")
    given = {option: getattr(layer, option) for option in options}
    vocabulary = layer.get_vocabulary(include_special_tokens=False)
    try:
        return keras.layers.IntegerLookup(vocabulary=vocabulary, **given)
    except ImportError as error:
        raise ValueError(f"layer {layer.name}: {error}") from None


def _zeros(keras: Any, layer: Zeros) -> Any:
    def zeros(x: Any) -> Any:
        flat = keras.layers.Flatten()(x) if len(x.shape) > 2 else x
        return 0.0 * flat[:, :1]

    return zeros


# NumPy's functions of single elements that keras.ops calls otherwise.
_FUNCTIONS = {
    "conjugate": "conj", "fabs": "absolute", "float_power": "power", "fmax": "maximum",
    "fmin": "minimum", "fmod": None, "remainder": "mod", "rint": "round", "positive": "identity",
}  # fmt: skip


def _element(keras: Any, layer: layers.ElementFunction) -> Any:
    name = _FUNCTIONS.get(layer.function, layer.function)
    if layer.function == "positive":
        return lambda x: x
    function = None if name is None else getattr(keras.ops, name, None)
    if function is None:
        raise ValueError(
            f"layer {layer.name}: found the function {layer.function}, which keras.ops lacks"
        )
    constant = layer.constant
    if constant is None:
        return function
    given = layer.constant_first
    return lambda x: function(constant, x) if given else function(x, constant)


#: By the layer's class: a function of Keras and the layer, which gives Keras's layer or a function.
LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any], Any]] = {
    layers.Activation: _activation_layer,
    layers.ActivityRegularization: _named("ActivityRegularization", "l1", "l2"),
    layers.Add: _named("Add"),
    layers.AlphaDropout: _named("AlphaDropout", "rate"),
    layers.Average: _named("Average"),
    layers.BatchNormalization: _batch_normalization,
    layers.CategoryEncoding: _named("CategoryEncoding", "num_tokens", "output_mode"),
    layers.Columns: _columns,
    layers.Concatenate: _named("Concatenate", "axis"),
    layers.Dense: _dense,
    layers.Discretization: _discretization,
    layers.Dot: _named("Dot", "axes", "normalize"),
    layers.Dropout: _named("Dropout", "rate"),
    layers.ElementFunction: _element,
    layers.Embedding: _embedding,
    layers.Flatten: _named("Flatten"),
    layers.GaussianDropout: _named("GaussianDropout", "rate"),
    layers.GaussianNoise: _named("GaussianNoise", "stddev"),
    layers.GlobalAveragePooling1D: _named("GlobalAveragePooling1D", "keepdims"),
    layers.GlobalMaxPooling1D: _named("GlobalMaxPooling1D", "keepdims"),
    layers.GroupNormalization: _group_normalization,
    layers.Identity: _named("Identity"),
    layers.IntegerLookup: _integer_lookup,
    layers.LayerNormalization: _layer_normalization,
    layers.Maximum: _named("Maximum"),
    layers.Minimum: _named("Minimum"),
    layers.Multiply: _named("Multiply"),
    layers.Normalization: _normalization,
    layers.PReLU: _prelu,
    layers.Permute: _named("Permute", "dims"),
    layers.RMSNormalization: _named("RMSNormalization", "epsilon"),
    layers.RepeatVector: _named("RepeatVector", "n"),
    layers.Rescaling: _rescaling,
    layers.Reshape: _named("Reshape", "target_shape"),
    layers.Scale: _scale,
    layers.Selection: _columns,
    layers.Subtract: _named("Subtract"),
    layers.UnitNormalization: _named("UnitNormalization"),
    Zeros: _zeros,
}

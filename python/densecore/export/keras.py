"""A trained network as a Keras model, layer by layer, so that it can be trained further there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import activations, initializers, layers, regularizers
from .._base.lazy import imports
from .._base.warn import warn
from ..layers.activation_argument import UserActivation
from .keras_optimizers import give
from .rows_of_layers import row_of, stack_of


def _import() -> Any:
    try:
        with imports:
            import keras
    except ImportError:
        raise ImportError("to_keras needs Keras: pip install keras jax") from None
    return keras


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
        deviation = np.sqrt(layer.variance)
        scale, offset = deviation, layer.mean
        if not layer.invert:
            scale = 1 / np.maximum(deviation, 1e-7)
            offset = -layer.mean * scale
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


# By the layer's class, as in `program`.
_LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any], Any]] = {
    layers.Activation: _activation_layer,
    layers.ActivityRegularization: _named("ActivityRegularization", "l1", "l2"),
    layers.AlphaDropout: _named("AlphaDropout", "rate"),
    layers.BatchNormalization: _batch_normalization,
    layers.Dense: _dense,
    layers.Dropout: _named("Dropout", "rate"),
    layers.Flatten: _named("Flatten"),
    layers.GaussianDropout: _named("GaussianDropout", "rate"),
    layers.GaussianNoise: _named("GaussianNoise", "stddev"),
    layers.GroupNormalization: _group_normalization,
    layers.Identity: _named("Identity"),
    layers.LayerNormalization: _layer_normalization,
    layers.Normalization: _normalization,
    layers.RMSNormalization: _named("RMSNormalization", "epsilon"),
    layers.Rescaling: _rescaling,
    layers.Reshape: _named("Reshape", "target_shape"),
    layers.UnitNormalization: _named("UnitNormalization"),
}


def _apply(keras: Any, stack: Sequence[layers.Layer], x: Any, made: list[tuple[Any, Any]]) -> Any:
    """The output of layers on a symbol; each layer with Keras's goes to `made`."""
    for layer in stack:
        if isinstance(layer, layers.Residual):
            x = keras.layers.Add(name=layer.name)([x, _apply(keras, layer.layers, x, made)])
            continue
        theirs = row_of(layer, _LAYERS)(keras, layer)
        theirs.trainable = layer.trainable
        made.append((layer, theirs))
        x = theirs(x)
    return x


def to_keras(model: Any) -> Any:
    """A model as a Keras model with the same weights; compiled if the model is, with the state of
    its optimizer (but of Nadam, Lamb and Adafactor), so that training goes on there.

    Parameters
    ----------
    model : Sequential
        Built: with parameters.

    Returns
    -------
    keras.Model
        ``Sequential``, or a functional model where there are residual blocks.

    Raises
    ------
    ImportError
        Keras is not installed.
    RuntimeError
        The model has no parameters yet.
    ValueError
        A layer that Keras has no form for; the message names it.

    Warns
    -----
    UserWarning
        Keras has no such loss, optimizer or metric: its model is not compiled.
    """
    keras = _import()
    if not model.built:
        raise RuntimeError(
            f"to_keras: the model {model.name!r} has no parameters yet: it does not know its "
            "number of inputs (start with Input, call build, or fit first)"
        )
    stack = stack_of(model)
    policy = keras.config.dtype_policy()
    if model.dtype == "float64":
        keras.config.set_dtype_policy("float64")
    try:
        made: list[tuple[Any, Any]] = []
        start = keras.Input(model.input_shape[1:], dtype=model.dtype)
        end = _apply(keras, stack, start, made)
        if any(isinstance(layer, layers.Residual) for layer in stack):
            theirs = keras.Model(start, end, name=model.name)
        else:
            first = keras.Input(model.input_shape[1:], dtype=model.dtype)
            theirs = keras.Sequential([first, *(each for _, each in made)], name=model.name)
    finally:
        keras.config.set_dtype_policy(policy)
    for layer, each in made:
        if each.weights and not isinstance(layer, layers.Normalization):
            each.set_weights(layer.get_weights())
    if model.loss is not None:
        try:
            give(keras, model, theirs)
        except ValueError as error:
            warn(str(error))
    return theirs

"""A trained network as a Keras model, layer by layer, so that it can be trained further there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import activations, constraints, initializers, layers, regularizers
from .._base.dtypes import Array
from .._base.lazy import imports
from .._base.warn import warn
from .._data.structures import leaves, packed
from ..layers.activation_argument import UserActivation
from ..layers.merge import Merge
from ..layers.weight import Zeros
from .calls import Calls, calls_of, calls_within, check_built, name_of
from .keras_optimizers import give
from .rows_of_layers import row_of


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


# By the layer's class, as in `program`.
_LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any], Any]] = {
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


def _input_names(calls: Calls) -> list[str | None]:
    """The names of inputs; in a dictionary Keras wants its keys."""
    if isinstance(calls.input_structure, dict):
        return [str(key) for key in calls.input_structure]
    return list(calls.input_names) if len(calls.inputs) > 1 else [None]


class _Writer:
    """Keras's layers, each made once, as calls of ours are repeated with Keras's symbols."""

    def __init__(self, keras: Any, dtype: str) -> None:
        self.keras, self.dtype = keras, dtype
        self.made: dict[layers.Layer, Any] = {}
        self.prefix = ""  # of the names of a layer's parts: of two layers they may be the same

    def layer(self, layer: layers.Layer) -> Any:
        """Keras's layer of one of ours, or a function of its symbols.

        Raises
        ------
        ValueError
            Keras has none; the message names the layer.
        """
        if layer not in self.made:
            if layer._inner_model is not None:
                theirs = self.model(layer._inner_model)
            else:
                theirs = row_of(layer, _LAYERS)(self.keras, layer)
                if hasattr(theirs, "trainable"):
                    theirs.trainable = layer.trainable
                    if self.prefix:
                        theirs.name = self.prefix + theirs.name
            self.made[layer] = theirs
        return self.made[layer]

    def apply(self, layer: layers.Layer, xs: Sequence[Any], form: Any = None) -> list[Any]:
        """What a layer makes of symbols."""
        if isinstance(layer, layers.Residual):
            end = list(xs)
            for each in layer._layers:
                end = self.apply(each, end)
            return [self.keras.layers.Add(name=layer.name)([xs[0], end[0]])]
        calls = None
        if layer._inner_model is None:
            calls = calls_within(layer, [tuple(x.shape[1:]) for x in xs], form)
        if calls is not None:
            before, self.prefix = self.prefix, f"{self.prefix}{name_of(layer)}_"
            made = self.steps(calls, xs)
            self.prefix = before
            return made
        several = isinstance(layer, Merge)
        if layer._inner_model is not None:
            inner = calls_of(layer._inner_model)
            several = isinstance(inner.input_structure, dict | list)
            given = packed(inner.input_structure, list(xs)) if several else xs[0]
        else:
            given = list(xs) if several else xs[0]
        return leaves(self.layer(layer)(given))

    def steps(self, calls: Calls, xs: Sequence[Any]) -> list[Any]:
        """What calls of layers make of symbols."""
        values = dict(zip(calls.inputs, xs, strict=True))
        for step in calls.steps:
            taken = [values[value] for value in step.inputs]
            found = self.apply(step.layer, taken, step.form)
            values.update(zip(step.outputs, found, strict=True))
        return [values[value] for value in calls.outputs]

    def model(self, model: Any) -> Any:
        """A model, with layers that are Keras's; ``Sequential`` where all of a stack are."""
        calls, keras = calls_of(model), self.keras
        start = [
            keras.Input(calls.rows[value], dtype=self.dtype, name=name)
            for value, name in zip(calls.inputs, _input_names(calls), strict=True)
        ]
        outputs = self.steps(calls, start)
        theirs = [self.made.get(layer) for layer in model._layers]
        if calls.is_stack and all(isinstance(each, keras.layers.Layer) for each in theirs):
            first = keras.Input(calls.rows[0], dtype=self.dtype)
            return keras.Sequential([first, *theirs], name=model.name)
        ends = packed(calls.output_structure, outputs)
        return keras.Model(packed(calls.input_structure, start), ends, name=model.name)

    def give_weights(self) -> None:
        """Copy the weights."""
        for layer, theirs in self.made.items():
            if (
                layer._inner_model is not None
                or isinstance(layer, layers.Normalization)
                or not layer.weights
            ):
                continue
            shapes = [tuple(each.shape) for each in theirs.weights]
            arrays = layer.get_weights()
            theirs.set_weights([a.reshape(s) for a, s in zip(arrays, shapes, strict=True)])

    def variables(self) -> list[tuple[Any, Array]]:
        """Keras's variables with the arrays that they are copies of."""
        return [
            pair
            for layer, theirs in self.made.items()
            if layer._inner_model is None and layer.weights
            for pair in zip(getattr(theirs, "weights", ()), layer.weights, strict=False)
        ]


def to_keras(model: Any) -> Any:
    """A model as a Keras model with the same weights; compiled if the model is, with the state of
    its optimizer (but of Nadam, Lamb and Adafactor), so that training goes on there.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.

    Returns
    -------
    keras.Model
        ``Sequential`` of a stack, or a functional model of a graph, or where there are residual
        blocks.

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
    check_built("to_keras", model)
    policy = keras.config.dtype_policy()
    if model.dtype == "float64":
        keras.config.set_dtype_policy("float64")
    try:
        writer = _Writer(keras, model.dtype)
        theirs = writer.model(model)
    finally:
        keras.config.set_dtype_policy(policy)
    writer.give_weights()
    if model.loss is not None:
        try:
            give(keras, model, theirs, writer.variables())
        except ValueError as error:
            warn(str(error))
    return theirs

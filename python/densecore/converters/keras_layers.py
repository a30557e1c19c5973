"""Keras's layers, from their configurations: for each class of Keras the layer here."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import activations, constraints, initializers, layers, regularizers


class Config:
    """A layer's configuration: reads are noted, so that what was not read can be refused."""

    def __init__(self, kind: str, config: Mapping[str, Any]) -> None:
        self.kind, self.config = kind, dict(config)
        self.place = f"layer {config.get('name')} ({kind})"
        self.config.pop("name", None)
        self.trainable = bool(self.config.pop("trainable", True))
        self.config.pop("dtype", None)  # the model has one for all layers

    def pop(self, key: str, default: Any = None) -> Any:
        return self.config.pop(key, default)

    def number(self, key: str, default: Any) -> Any:
        """A number, or numbers, which Keras also writes as an array."""
        value = self.pop(key, default)
        if isinstance(value, Mapping):
            value = value.get("config", {}).get("value", value)
        return value

    def refuse(self, **wanted: Any) -> None:
        """Refuse what a layer here cannot do: anything but these values."""
        for key, value in wanted.items():
            found = self.pop(key, value)
            if found != value:
                raise ValueError(f"{self.place}: {key}: found {found!r}, wanted {value!r}")


def dtype_name(dtype: Any) -> str | None:
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    return None if dtype is None else str(dtype)


def named(entry: Any) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a serialized object: a text, or a class with its config."""
    if isinstance(entry, Mapping) and "class_name" in entry:
        config = entry.get("config")
        if entry["class_name"] == "function" or isinstance(config, str):
            return str(config), {}
        return str(entry["class_name"]), dict(config or {})
    return str(entry), {}


_ACTIVATION_LAYERS = {"LeakyReLU": "leaky_relu", "ReLU": "relu", "ELU": "elu", "Softmax": "softmax"}


def _activation(place: str, entry: Any) -> activations.Activation:
    """An activation from a name, a serialized function or a serialized layer."""
    if entry is None:
        return activations.get("linear")
    name, config = named(entry)
    if name in _ACTIVATION_LAYERS:
        inner = Config(name, config)
        inner.refuse(axis=-1)
        try:
            return activations.Activation(_ACTIVATION_LAYERS[name], **inner.config)
        except TypeError as error:
            raise ValueError(f"{place}: {error}") from None
    try:
        return activations.get(name)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _regularizer(place: str, entry: Any) -> regularizers.Regularizer | None:
    if entry is None:
        return None
    name, config = named(entry)
    if name not in ("L1", "L2", "L1L2"):
        raise ValueError(f"{place}: found the regularizer {name}, wanted L1, L2 or L1L2")
    given = {key: float(np.ravel(config[key])[0]) for key in ("l1", "l2") if config.get(key)}
    return regularizers.L1L2(**given)


def _constraint(place: str, entry: Any) -> constraints.Constraint | None:
    if entry is None:
        return None
    name, config = named(entry)
    kinds = (constraints.MaxNorm, constraints.MinMaxNorm, constraints.NonNeg, constraints.UnitNorm)
    known = {kind.__name__: kind for kind in kinds}
    if name not in known:
        raise ValueError(f"{place}: found the constraint {name}, wanted one of: {', '.join(known)}")
    return known[name](**config)


def _initializer(entry: Any) -> Any:
    """An initializer; one that is unknown here becomes the default, as the weights are given."""
    name, config = named(entry)
    try:
        made = initializers.get(name)
        known = {key: value for key, value in config.items() if hasattr(made, key)}
        return type(made)(**known)
    except (TypeError, ValueError):
        return "glorot_uniform"


def _dense(c: Config) -> layers.Layer:
    c.refuse(lora_rank=None, quantization_config=None)
    return layers.Dense(
        c.pop("units"),
        _activation(c.place, c.pop("activation")),
        bool(c.pop("use_bias", True)),
        _initializer(c.pop("kernel_initializer", "glorot_uniform")),
        _initializer(c.pop("bias_initializer", "zeros")),
        _regularizer(c.place, c.pop("kernel_regularizer")),
        _regularizer(c.place, c.pop("bias_regularizer")),
        activity_regularizer=_regularizer(c.place, c.pop("activity_regularizer")),
        kernel_constraint=_constraint(c.place, c.pop("kernel_constraint")),
        bias_constraint=_constraint(c.place, c.pop("bias_constraint")),
        trainable=c.trainable,
    )


def _time_distributed(c: Config) -> layers.Layer:
    """Layers here take each vector of rows of several dimensions by itself."""
    entry = c.pop("layer")
    layer = layer_of(entry)
    if not isinstance(layer, layers.Dense | layers.Dropout | layers.Activation):
        raise ValueError(f"{c.place}: found {entry['class_name']} in it, wanted Dense")
    return layer


def _embedding(c: Config) -> layers.Layer:
    c.refuse(
        embeddings_constraint=None, lora_rank=None, quantization_config=None,
        activity_regularizer=None,
    )  # fmt: skip
    c.pop("input_length")
    return layers.Embedding(
        c.pop("input_dim"),
        c.pop("output_dim"),
        _initializer(c.pop("embeddings_initializer", "uniform")),
        _regularizer(c.place, c.pop("embeddings_regularizer")),
        mask_zero=bool(c.pop("mask_zero", False)),
        trainable=c.trainable,
    )


def _prelu(c: Config) -> layers.Layer:
    c.refuse(alpha_regularizer=None, alpha_constraint=None, shared_axes=None)
    initializer = _initializer(c.pop("alpha_initializer", "zeros"))
    return layers.PReLU(initializer, trainable=c.trainable)


def _dot(c: Config) -> layers.Layer:
    return layers.Dot(c.pop("axes"), bool(c.pop("normalize", False)))


def _scale_and_center(c: Config) -> dict[str, Any]:
    c.refuse(beta_constraint=None, gamma_constraint=None)
    return {
        "axis": c.pop("axis", -1),
        "epsilon": c.pop("epsilon", 1e-3),
        "center": bool(c.pop("center", True)),
        "scale": bool(c.pop("scale", True)),
        "beta_initializer": _initializer(c.pop("beta_initializer", "zeros")),
        "gamma_initializer": _initializer(c.pop("gamma_initializer", "ones")),
        "beta_regularizer": _regularizer(c.place, c.pop("beta_regularizer")),
        "gamma_regularizer": _regularizer(c.place, c.pop("gamma_regularizer")),
        "trainable": c.trainable,
    }


def _batch_normalization(c: Config) -> layers.Layer:
    for key in ("moving_mean_initializer", "moving_variance_initializer", "renorm_clipping",
                "renorm_momentum", "fused", "virtual_batch_size", "adjustment"):  # fmt: skip
        c.pop(key)
    c.refuse(synchronized=False, renorm=False)
    return layers.BatchNormalization(momentum=c.pop("momentum", 0.99), **_scale_and_center(c))


def _layer_normalization(c: Config) -> layers.Layer:
    c.refuse(rms_scaling=False)
    return layers.LayerNormalization(**_scale_and_center(c))


def _normalization(c: Config) -> layers.Layer:
    # One mean of all numbers: Keras has None in a model and an empty list in a file.
    axis = c.pop("axis", -1)
    axis = None if axis in ([], ()) else axis
    c.pop("input_mean")
    c.pop("input_variance")
    mean, variance = c.pop("mean"), c.pop("variance")
    invert = bool(c.pop("invert", False))
    return layers.Normalization(axis, mean, variance, invert)


def _dropout(kind: Callable[[float], layers.Layer]) -> Callable[[Config], layers.Layer]:
    """A function that makes one of the kinds of dropout."""

    def make(c: Config) -> layers.Layer:
        c.pop("seed")
        c.refuse(noise_shape=None)
        return kind(c.pop("rate"))

    return make


def _flatten(c: Config) -> layers.Layer:
    c.refuse(data_format="channels_last")
    return layers.Flatten()


def _einsum_dense(c: Config) -> layers.Layer:
    """A factor for each feature, as `to_keras` writes it, or a dense layer of the last axis."""
    product = re.fullmatch(r"(.*)(\w),(\w)(\w)->(.*)(\w)", str(c.config.get("equation")))
    if product is not None:
        rows, summed, first, units, again, last = product.groups()
        if rows == again and rows and summed == first and units == last and summed != units:
            c.pop("equation")
            shape = c.pop("output_shape")
            c.config["units"] = shape[-1] if isinstance(shape, list | tuple) else shape
            biased = c.pop("bias_axes")
            if biased not in (None, last):
                raise ValueError(f"{c.place}: bias_axes: found {biased!r}, wanted {last!r}")
            c.config["use_bias"] = biased is not None
            return _dense(c)
    c.refuse(
        equation="ab,b->ab", activation="linear", bias_axes=None, kernel_constraint=None,
        kernel_regularizer=None, lora_rank=None, quantization_config=None,
    )  # fmt: skip
    for key in (
        "output_shape",
        "kernel_initializer",
        "bias_initializer",
        "bias_regularizer",
        "bias_constraint",
    ):
        c.pop(key)
    return layers.Scale(trainable=c.trainable)


def _pooling(kind: type[layers.Layer]) -> Callable[[Config], layers.Layer]:
    """A function that makes one of the layers of a mean or the largest of a row's vectors."""

    def make(c: Config) -> layers.Layer:
        c.refuse(data_format="channels_last")
        return kind(keepdims=bool(c.pop("keepdims", False)))

    return make


def _group_normalization(c: Config) -> layers.Layer:
    return layers.GroupNormalization(c.pop("groups", 32), **_scale_and_center(c))


def _rms_normalization(c: Config) -> layers.Layer:
    axis = c.pop("axis", -1)
    return layers.RMSNormalization(axis, epsilon=c.pop("epsilon", 1e-6), trainable=c.trainable)


def _unit_normalization(c: Config) -> layers.Layer:
    return layers.UnitNormalization(c.pop("axis", -1))


def _noise(c: Config) -> layers.Layer:
    c.pop("seed")
    return layers.GaussianNoise(c.pop("stddev"))


def _discretization(c: Config) -> layers.Layer:
    c.refuse(sparse=False)
    c.pop("num_bins")
    c.pop("epsilon")
    boundaries = c.pop("bin_boundaries")
    if boundaries is None:
        raise ValueError(f"{c.place}: found no bin_boundaries, wanted a call of adapt first")
    return layers.Discretization(boundaries, output_mode=c.pop("output_mode", "int"))


def _category_encoding(c: Config) -> layers.Layer:
    c.refuse(sparse=False)
    return layers.CategoryEncoding(c.pop("num_tokens"), c.pop("output_mode", "multi_hot"))


def _lookup(kind: Callable[..., layers.Layer], text: bool) -> Callable[[Config], layers.Layer]:
    """A function that makes one of the look-ups."""

    def make(c: Config) -> layers.Layer:
        c.refuse(sparse=False, pad_to_max_tokens=False, idf_weights=None, encoding="utf-8")
        c.pop("vocabulary_dtype")
        c.pop("vocabulary_size")
        # How unknown tokens are dealt to several numbers, which are refused below.
        c.pop("oov_method")
        c.pop("salt")
        vocabulary = c.pop("vocabulary")
        if not isinstance(vocabulary, list | tuple):
            raise ValueError(f"{c.place}: found no vocabulary in the configuration, wanted a list")
        if c.config.get("num_oov_indices", 1) > 1:
            raise ValueError(
                f"{c.place}: num_oov_indices: found {c.config['num_oov_indices']}, wanted 0 or 1: "
                "other numbers of tokens that are not known are Keras's own"
            )
        return kind(
            max_tokens=c.pop("max_tokens"),
            num_oov_indices=c.pop("num_oov_indices", 1),
            mask_token=c.pop("mask_token"),
            oov_token=c.pop("oov_token", "[UNK]" if text else -1),
            vocabulary=vocabulary,
            invert=bool(c.pop("invert", False)),
            output_mode=c.pop("output_mode", "int"),
        )

    return make


# Keras's class → the function that makes the layer. Entries that it does not read are refused.
_LAYERS: dict[str, Callable[[Config], layers.Layer]] = {
    "Activation": lambda c: layers.Activation(_activation(c.place, c.pop("activation"))),
    "ActivityRegularization": lambda c: layers.ActivityRegularization(
        c.pop("l1", 0.0), c.pop("l2", 0.0)
    ),
    "Add": lambda c: layers.Add(),
    "AlphaDropout": _dropout(layers.AlphaDropout),
    "Average": lambda c: layers.Average(),
    "BatchNormalization": _batch_normalization,
    "BatchNormalizationV1": _batch_normalization,
    "CategoryEncoding": _category_encoding,
    "Concatenate": lambda c: layers.Concatenate(c.pop("axis", -1)),
    "Dense": _dense,
    "Discretization": _discretization,
    "Dot": _dot,
    "Dropout": _dropout(layers.Dropout),
    "ELU": lambda c: layers.ELU(c.number("alpha", 1.0)),
    "EinsumDense": _einsum_dense,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GaussianDropout": _dropout(layers.GaussianDropout),
    "GaussianNoise": _noise,
    "GlobalAveragePooling1D": _pooling(layers.GlobalAveragePooling1D),
    "GlobalMaxPooling1D": _pooling(layers.GlobalMaxPooling1D),
    "GroupNormalization": _group_normalization,
    "IntegerLookup": _lookup(layers.IntegerLookup, text=False),
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": lambda c: layers.LeakyReLU(
        c.number("alpha", None) or c.number("negative_slope", 0.3)
    ),
    "Maximum": lambda c: layers.Maximum(),
    "Minimum": lambda c: layers.Minimum(),
    "Multiply": lambda c: layers.Multiply(),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": lambda c: layers.Permute(tuple(c.pop("dims"))),
    "RMSNormalization": _rms_normalization,
    "ReLU": lambda c: layers.ReLU(
        c.number("max_value", None), c.number("negative_slope", 0.0), c.number("threshold", 0.0)
    ),
    "RepeatVector": lambda c: layers.RepeatVector(c.pop("n")),
    "Rescaling": lambda c: layers.Rescaling(c.number("scale", None), c.number("offset", 0.0)),
    "Reshape": lambda c: layers.Reshape(tuple(c.pop("target_shape"))),
    "Softmax": lambda c: layers.Softmax(c.pop("axis", -1)),
    "SpatialDropout1D": _dropout(layers.SpatialDropout1D),
    "StringLookup": _lookup(layers.StringLookup, text=True),
    "Subtract": lambda c: layers.Subtract(),
    "TimeDistributed": _time_distributed,
    "UnitNormalization": _unit_normalization,
}
INPUTS = ("InputLayer",)
WITHOUT_EFFECT = ("Identity",)
#: What sees arrays before the core does: in a functional model only, and of any dtype.
PREPROCESSING = ("CategoryEncoding", "Discretization", "IntegerLookup", "StringLookup")


def layer_of(entry: Mapping[str, Any]) -> layers.Layer:
    """The layer of an entry.

    Raises
    ------
    ValueError
        There is no such layer here, or it has a property that layers here lack; the message names
        the layer.
    """
    kind = str(entry["class_name"])
    config = Config(kind, entry["config"])
    if kind not in _LAYERS:
        known = ", ".join(sorted([*_LAYERS, *INPUTS, *WITHOUT_EFFECT]))
        raise ValueError(f"from_keras: {config.place}: found {kind}, wanted one of: {known}")
    try:
        layer = _LAYERS[kind](config)
    except (TypeError, KeyError) as error:
        raise ValueError(f"from_keras: {config.place}: {error}") from None
    except ValueError as error:
        raise ValueError(f"from_keras: {error}") from None
    for key in ("batch_input_shape", "batch_shape", "input_dim"):
        config.pop(key)
    left = {key: value for key, value in config.config.items() if value is not None}
    if left:
        raise ValueError(f"from_keras: {config.place}: found {left}, which {kind} here lacks")
    layer.name = str(entry["config"].get("name")) or None
    return layer

"""Keras's models and model files, as models. Keras itself is not imported."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import (
    activations,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)
from .._base import checks
from .._base.dtypes import Array
from .._base.warn import warn
from .._saving import keras_files
from ..export.keras_optimizers import argument_names
from ..export.keras_optimizers import take as take_optimizer
from ..models.model import Model
from ..models.sequential import Sequential
from .keras_graph import GraphReader, Reference, is_operation, name_of, references


class _Config:
    """A layer's configuration: reads are noted, so that what was not read can be refused."""

    def __init__(self, kind: str, config: Mapping[str, Any]) -> None:
        self.kind, self.config = kind, dict(config)
        self.place = f"layer {config.get('name')} ({kind})"
        self.config.pop("name", None)
        self.trainable = bool(self.config.pop("trainable", True))
        self.config.pop("dtype", None)  # `_model` looks at those of all layers

    def pop(self, key: str, default: Any = None) -> Any:
        return self.config.pop(key, default)

    def number(self, key: str, default: Any) -> Any:
        """A number, or numbers, which Keras also writes as an array."""
        value = self.pop(key, default)
        if isinstance(value, Mapping):
            value = value.get("config", {}).get("value", value)
        return value

    def last_axis(self) -> None:
        axis = self.pop("axis", -1)
        axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
        if axis not in (-1, 1):
            raise ValueError(f"{self.place}: axis: found {axis!r}, wanted -1 (the features)")

    def refuse(self, **wanted: Any) -> None:
        """Refuse what a layer here cannot do: anything but these values."""
        for key, value in wanted.items():
            found = self.pop(key, value)
            if found != value:
                raise ValueError(f"{self.place}: {key}: found {found!r}, wanted {value!r}")


def _dtype_name(dtype: Any) -> str | None:
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    return None if dtype is None else str(dtype)


def _named(entry: Any) -> tuple[str, dict[str, Any]]:
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
    name, config = _named(entry)
    if name in _ACTIVATION_LAYERS:
        inner = _Config(name, config)
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
    name, config = _named(entry)
    if name not in ("L1", "L2", "L1L2"):
        raise ValueError(f"{place}: found the regularizer {name}, wanted L1, L2 or L1L2")
    given = {key: float(np.ravel(config[key])[0]) for key in ("l1", "l2") if config.get(key)}
    return regularizers.L1L2(**given)


def _initializer(entry: Any) -> Any:
    """An initializer; one that is unknown here becomes the default, as the weights are given."""
    name, config = _named(entry)
    try:
        made = initializers.get(name)
        known = {key: value for key, value in config.items() if hasattr(made, key)}
        return type(made)(**known)
    except (TypeError, ValueError):
        return "glorot_uniform"


def _dense(c: _Config) -> layers.Layer:
    c.refuse(kernel_constraint=None, bias_constraint=None, lora_rank=None, quantization_config=None)
    return layers.Dense(
        c.pop("units"),
        _activation(c.place, c.pop("activation")),
        bool(c.pop("use_bias", True)),
        _initializer(c.pop("kernel_initializer", "glorot_uniform")),
        _initializer(c.pop("bias_initializer", "zeros")),
        _regularizer(c.place, c.pop("kernel_regularizer")),
        _regularizer(c.place, c.pop("bias_regularizer")),
        activity_regularizer=_regularizer(c.place, c.pop("activity_regularizer")),
        trainable=c.trainable,
    )


def _embedding(c: _Config) -> layers.Layer:
    c.refuse(
        embeddings_constraint=None, mask_zero=False, lora_rank=None, quantization_config=None,
        activity_regularizer=None,
    )  # fmt: skip
    c.pop("input_length")
    return layers.Embedding(
        c.pop("input_dim"),
        c.pop("output_dim"),
        _initializer(c.pop("embeddings_initializer", "uniform")),
        _regularizer(c.place, c.pop("embeddings_regularizer")),
        trainable=c.trainable,
    )


def _prelu(c: _Config) -> layers.Layer:
    c.refuse(alpha_regularizer=None, alpha_constraint=None, shared_axes=None)
    initializer = _initializer(c.pop("alpha_initializer", "zeros"))
    return layers.PReLU(initializer, trainable=c.trainable)


def _dot(c: _Config) -> layers.Layer:
    return layers.Dot(c.pop("axes"), bool(c.pop("normalize", False)))


def _scale_and_center(c: _Config) -> dict[str, Any]:
    c.last_axis()
    c.refuse(beta_constraint=None, gamma_constraint=None)
    return {
        "epsilon": c.pop("epsilon", 1e-3),
        "center": bool(c.pop("center", True)),
        "scale": bool(c.pop("scale", True)),
        "beta_initializer": _initializer(c.pop("beta_initializer", "zeros")),
        "gamma_initializer": _initializer(c.pop("gamma_initializer", "ones")),
        "beta_regularizer": _regularizer(c.place, c.pop("beta_regularizer")),
        "gamma_regularizer": _regularizer(c.place, c.pop("gamma_regularizer")),
        "trainable": c.trainable,
    }


def _batch_normalization(c: _Config) -> layers.Layer:
    for key in ("moving_mean_initializer", "moving_variance_initializer", "renorm_clipping",
                "renorm_momentum", "fused", "virtual_batch_size", "adjustment"):  # fmt: skip
        c.pop(key)
    c.refuse(synchronized=False, renorm=False)
    return layers.BatchNormalization(momentum=c.pop("momentum", 0.99), **_scale_and_center(c))


def _layer_normalization(c: _Config) -> layers.Layer:
    c.refuse(rms_scaling=False)
    return layers.LayerNormalization(**_scale_and_center(c))


def _normalization(c: _Config) -> layers.Layer:
    c.last_axis()
    c.pop("input_mean")
    c.pop("input_variance")
    mean, variance = c.pop("mean"), c.pop("variance")
    invert = bool(c.pop("invert", False))
    return layers.Normalization(mean=mean, variance=variance, invert=invert)


def _dropout(kind: Callable[[float], layers.Layer]) -> Callable[[_Config], layers.Layer]:
    """What makes one of the kinds of dropout."""

    def make(c: _Config) -> layers.Layer:
        c.pop("seed")
        c.refuse(noise_shape=None)
        return kind(c.pop("rate"))

    return make


def _flatten(c: _Config) -> layers.Layer:
    c.refuse(data_format="channels_last")
    return layers.Flatten()


def _group_normalization(c: _Config) -> layers.Layer:
    return layers.GroupNormalization(c.pop("groups", 32), **_scale_and_center(c))


def _rms_normalization(c: _Config) -> layers.Layer:
    c.last_axis()
    return layers.RMSNormalization(epsilon=c.pop("epsilon", 1e-6), trainable=c.trainable)


def _unit_normalization(c: _Config) -> layers.Layer:
    c.last_axis()
    return layers.UnitNormalization()


def _noise(c: _Config) -> layers.Layer:
    c.pop("seed")
    return layers.GaussianNoise(c.pop("stddev"))


# Keras's class: what makes the layer of its configuration. What a function leaves in it is refused.
_LAYERS: dict[str, Callable[[_Config], layers.Layer]] = {
    "Activation": lambda c: layers.Activation(_activation(c.place, c.pop("activation"))),
    "ActivityRegularization": lambda c: layers.ActivityRegularization(
        c.pop("l1", 0.0), c.pop("l2", 0.0)
    ),
    "Add": lambda c: layers.Add(),
    "AlphaDropout": _dropout(layers.AlphaDropout),
    "Average": lambda c: layers.Average(),
    "BatchNormalization": _batch_normalization,
    "BatchNormalizationV1": _batch_normalization,
    "Concatenate": lambda c: layers.Concatenate(c.pop("axis", -1)),
    "Dense": _dense,
    "Dot": _dot,
    "Dropout": _dropout(layers.Dropout),
    "ELU": lambda c: layers.ELU(c.number("alpha", 1.0)),
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GaussianDropout": _dropout(layers.GaussianDropout),
    "GaussianNoise": _noise,
    "GroupNormalization": _group_normalization,
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": lambda c: layers.LeakyReLU(
        c.number("alpha", None) or c.number("negative_slope", 0.3)
    ),
    "Maximum": lambda c: layers.Maximum(),
    "Minimum": lambda c: layers.Minimum(),
    "Multiply": lambda c: layers.Multiply(),
    "Normalization": _normalization,
    "PReLU": _prelu,
    "RMSNormalization": _rms_normalization,
    "ReLU": lambda c: layers.ReLU(
        c.number("max_value", None), c.number("negative_slope", 0.0), c.number("threshold", 0.0)
    ),
    "RepeatVector": lambda c: layers.RepeatVector(c.pop("n")),
    "Rescaling": lambda c: layers.Rescaling(c.number("scale", None), c.number("offset", 0.0)),
    "Reshape": lambda c: layers.Reshape(tuple(c.pop("target_shape"))),
    "Softmax": lambda c: layers.Softmax(c.pop("axis", -1)),
    "Subtract": lambda c: layers.Subtract(),
    "UnitNormalization": _unit_normalization,
}
_INPUTS = ("InputLayer",)
_WITHOUT_EFFECT = ("Identity",)


def _layer(entry: Mapping[str, Any]) -> layers.Layer:
    """The layer of an entry.

    Raises
    ------
    ValueError
        There is no such layer here, or it has a property that layers here lack; the message names
        the layer.
    """
    kind = str(entry["class_name"])
    config = _Config(kind, entry["config"])
    if kind not in _LAYERS:
        known = ", ".join(sorted([*_LAYERS, *_INPUTS, *_WITHOUT_EFFECT]))
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


def _sources(entry: Mapping[str, Any]) -> list[str]:
    """Names of the layers whose outputs a layer of a functional model takes."""
    found: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, Mapping):
            history = node.get("config", {}).get("keras_history") if "config" in node else None
            if history:
                found.append(str(history[0]))
            else:
                for value in node.values():
                    visit(value)
        elif isinstance(node, list | tuple):
            if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int):
                found.append(node[0])  # Keras 2: [layer, node, tensor, arguments]
            else:
                for value in node:
                    visit(value)

    visit(entry.get("inbound_nodes", []))
    return found


def _entries(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layers of a model's configuration.

    Raises
    ------
    ValueError
        It is of another class of models.
    """
    kind, inner = config.get("class_name"), config.get("config")
    if not keras_files.is_model(config) or inner is None:
        raise ValueError(f"from_keras: found a model of class {kind}, wanted Sequential or Model")
    entries = inner if isinstance(inner, list) else inner.get("layers", [])
    if not all(isinstance(each, Mapping) for each in entries):
        raise ValueError("from_keras: found layers that are no dictionaries")
    return list(entries)


def _leaves(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layers of a model, those of nested models among them."""
    found: list[Mapping[str, Any]] = []
    for entry in _entries(config):
        found += _leaves(entry) if keras_files.is_model(entry) else [entry]
    return found


def _is_stack(config: Mapping[str, Any]) -> bool:
    """Whether each layer takes what the one before it makes, nested models too."""
    entries = _entries(config)
    if any(is_operation(entry) for entry in entries):
        return False
    if config.get("class_name") != "Sequential":
        before: list[str] = []
        for entry in entries:
            if _sources(entry) != before:
                return False
            before = [name_of(entry)]
        outputs = references(config["config"].get("output_layers", [[*before, 0, 0]]))
        inputs = references(config["config"].get("input_layers", [["", 0, 0]]))
        if not isinstance(outputs, Reference) or not isinstance(inputs, Reference):
            return False
        if [outputs.key[0]] != before:
            return False
    return all(_is_stack(entry) for entry in entries if keras_files.is_model(entry))


def _input_shape(entries: Sequence[Mapping[str, Any]], built: Any) -> tuple[int, ...] | None:
    for entry in entries[:1]:
        config = entry["config"]
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape is not None:
            return tuple(int(size) for size in shape[1:] if size is not None)
        if entry.get("build_config", {}).get("input_shape") is not None:
            built = built or entry["build_config"]["input_shape"]
    if isinstance(built, list | tuple) and built and not isinstance(built[0], list | tuple):
        return tuple(int(size) for size in built[1:] if size is not None)
    return None


Arrays = Callable[[Mapping[str, Any], Sequence[tuple[int, ...]]], list[Array] | None]


def _model(config: Mapping[str, Any], arrays: Arrays, name: str | None) -> Model:
    """The model of a configuration, with the weights that `arrays` gives for each layer."""
    entries = _leaves(config)
    made: list[tuple[layers.Layer, Mapping[str, Any]]] = []
    dtypes = set()

    def make(entry: Mapping[str, Any]) -> layers.Layer:
        layer = _layer(entry)
        made.append((layer, entry))
        return layer

    for entry in entries:
        if entry["class_name"] not in (*_INPUTS, *_WITHOUT_EFFECT) and not is_operation(entry):
            dtypes.add(_dtype_name(entry["config"].get("dtype")) or "float32")
    if not dtypes:
        raise ValueError("from_keras: found no layers, wanted at least one")
    if len(dtypes) > 1 or not dtypes <= {"float32", "float64"}:
        raise ValueError(
            f"from_keras: found the dtypes {', '.join(sorted(dtypes))}, wanted float32 or float64 "
            "everywhere"
        )
    dtype = dtypes.pop()
    if _is_stack(config):
        shape = _input_shape(entries, config.get("build_config", {}).get("input_shape"))
        effective = [
            make(each) for each in entries if each["class_name"] not in (*_INPUTS, *_WITHOUT_EFFECT)
        ]
        if shape is None:
            raise ValueError(
                "from_keras: found a model that does not know its number of inputs, wanted one "
                "that starts with Input or has been built"
            )
        inner = config.get("config")
        own = inner.get("name") if isinstance(inner, Mapping) else None
        model: Model = Sequential([layers.Input(shape), *effective], dtype=dtype, name=name or own)
    else:
        model = GraphReader(make, dtype).model(config, name)
    for layer, entry in made:
        views = layer.weights
        if isinstance(layer, layers.Rescaling) or (
            isinstance(layer, layers.Normalization) and layer._values is not None
        ):
            continue  # its numbers are in the configuration
        if views:
            values = arrays(entry, [view.shape for view in views])
            if values is None:
                raise ValueError(
                    f"from_keras: layer {layer.name}: found no weights, wanted {len(views)} arrays"
                )
            layer.set_weights(values)
    return model


# Compilation --------------------------------------------------------------------------------------


def _known_arguments(make: type, config: Mapping[str, Any]) -> dict[str, Any]:
    known = argument_names(make)
    return {key: value for key, value in config.items() if key in known and value is not None}


def _optimizer(entry: Any) -> optimizers.Optimizer:
    name, config = _named(entry)
    made = optimizers.get(name.lower() if name.isupper() else name)
    config.pop("name", None)
    if isinstance(config.get("learning_rate"), Mapping):
        config["learning_rate"] = schedules.deserialize(config["learning_rate"])
    return type(made)(**_known_arguments(type(made), config))


def _structure(function: Callable[[Any], Any], entry: Any) -> Any:
    """What a function makes of serialized objects, one or those of several outputs."""
    if isinstance(entry, Mapping) and "class_name" not in entry:
        return {key: _structure(function, part) for key, part in entry.items()}
    if isinstance(entry, list | tuple):
        return [_structure(function, part) for part in entry]
    return None if entry is None else function(entry)


def _loss(entry: Any) -> Any:
    name, config = _named(entry)
    found = losses.get(name)
    return type(found)(**_known_arguments(type(found), config))


def _metric(entry: Any) -> str:
    name = _named(entry)[0]
    metrics.get(name)
    return name


def _compile(model: Model, compiled: Mapping[str, Any] | None) -> None:
    """Compile as Keras was; where that cannot be, warn and leave the model uncompiled."""
    if not compiled:
        return
    try:
        model.compile(
            _optimizer(compiled.get("optimizer")),
            _structure(_loss, compiled.get("loss")),
            metrics=_structure(_metric, compiled.get("metrics")) or None,
            loss_weights=compiled.get("loss_weights"),
            weighted_metrics=_structure(_metric, compiled.get("weighted_metrics")) or None,
        )
    except (TypeError, ValueError, AttributeError) as error:
        warn(f"from_keras: the model is not compiled: {error}")


# Public -------------------------------------------------------------------------------------------


def from_keras(source: Any, *, name: str | None = None) -> Model:
    """The model of a Keras model or of a file of one: the same layers, weights and compilation.

    Parameters
    ----------
    source : keras.Model, str or path-like
        ``Sequential`` or a functional model, also of several inputs and outputs; or a ``.keras``,
        ``.h5`` or ``.hdf5`` file of one, which is read without Keras.
    name : str, optional
        The model's; by default as in Keras.

    Returns
    -------
    Sequential or Model
        A stack, or a graph of layers. Predictions agree with Keras's to rounding. It is compiled if
        the model was and losses, optimizer and metrics are known here (else a warning says what is
        not), and the optimizer's state is taken along (but of Nadam, Lamb and Adafactor).

    Raises
    ------
    TypeError
        It is neither a model nor a path.
    ImportError
        It is a file, and h5py is not installed.
    OSError
        The file cannot be read.
    ValueError
        It is no file of Keras's, or a layer cannot be one here; the message names it. Nothing in a
        file is executed, and no array is read before its size is known to be right.
    """
    if isinstance(source, str | os.PathLike):
        config, weights = keras_files.read(source)
        try:
            datasets = weights.of_layers(config)

            def read(entry: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]) -> Any:
                found = datasets.get(id(entry)) or []
                if len(found) < len(shapes):
                    return None
                return [
                    weights.fitting(each, shape) for each, shape in zip(found, shapes, strict=False)
                ]

            model = _model(config, read, name)
            _compile(model, config.get("compile_config"))
            take_optimizer(model, weights.optimizer(), weights.read)
        except (AttributeError, LookupError, TypeError, OverflowError) as error:
            text = checks.one_line(repr(error))
            raise ValueError(
                f"{os.fspath(source)}: found a configuration that Keras does not write ({text})"
            ) from None
        except (ValueError, RuntimeError, OSError) as error:
            raise ValueError(f"{os.fspath(source)}: {checks.one_line(str(error))}") from None
        finally:
            weights.close()
        return model
    if not (hasattr(source, "get_config") and hasattr(source, "layers")):
        raise TypeError(
            f"from_keras: found {type(source).__name__}, wanted a Keras model or a file's path"
        )
    config = json.loads(source.to_json())
    by_entry: dict[int, list[Array]] = {}

    def collect(each: Any, of: Mapping[str, Any]) -> None:
        by_name = {str(layer.name): layer for layer in each.layers}
        for entry in _entries(of):
            layer = by_name.get(str(entry.get("config", {}).get("name")))
            if layer is not None and keras_files.is_model(entry):
                collect(layer, entry)
            elif layer is not None:
                by_entry[id(entry)] = [np.asarray(array) for array in layer.get_weights()]

    collect(source, config)

    def given(entry: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]) -> Any:
        found = by_entry.get(id(entry)) or []
        if len(found) < len(shapes):
            return None
        # Of rows with several dimensions Keras has the features' numbers, we those of each element.
        return [
            np.tile(array, shape[0] // array.size)
            if array.ndim == len(shape) == 1 and array.size and shape[0] % array.size == 0
            else array.ravel()  # as of PReLU
            if len(shape) == 1 and array.size == shape[0]
            else array
            for array, shape in zip(found, shapes, strict=False)
        ]

    model = _model(config, given, name)
    compiled = getattr(source, "get_compile_config", lambda: None)()
    if compiled and getattr(source, "optimizer", None) is not None:
        # Saving a model as .h5 takes the optimizer out of Keras's own record of the compilation.
        optimizer = source.optimizer
        config = {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}
        _compile(model, {**compiled, "optimizer": config})
        take_optimizer(
            model, optimizer.variables, lambda array, shape: np.asarray(array).reshape(shape)
        )
    return model

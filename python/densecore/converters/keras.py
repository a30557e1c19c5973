"""Keras's models and model files, as models. Keras itself is not imported."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import (
    layers,
    losses,
    metrics,
    optimizers,
    schedules,
)
from .._base import checks
from .._base.dtypes import DTYPES, Array
from .._base.warn import warn
from .._saving import keras_files
from ..export.keras_optimizers import argument_names
from ..export.keras_optimizers import take as take_optimizer
from ..models.model import Model
from ..models.sequential import Sequential
from .keras_graph import GraphReader, Reference, is_operation, name_of, references
from .keras_layers import INPUTS, PREPROCESSING, WITHOUT_EFFECT, dtype_name, layer_of, named


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
    """Whether each layer takes the output of the layer before it, also in nested models."""
    entries = _entries(config)
    if any(is_operation(entry) or entry["class_name"] in PREPROCESSING for entry in entries):
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
        layer = layer_of(entry)
        made.append((layer, entry))
        return layer

    for entry in entries:
        known = (*INPUTS, *WITHOUT_EFFECT, *PREPROCESSING)
        if entry["class_name"] not in known and not is_operation(entry):
            dtypes.add(dtype_name(entry["config"].get("dtype")) or "float32")
    if not dtypes and any(is_operation(entry) for entry in entries):
        inputs = [entry for entry in entries if entry["class_name"] in INPUTS]
        dtypes = {dtype_name(entry["config"].get("dtype")) or "float32" for entry in inputs}
    if not dtypes:
        raise ValueError("from_keras: found no layers, wanted at least one")
    if len(dtypes) > 1 or not dtypes <= DTYPES.keys():
        raise ValueError(
            f"from_keras: found the dtypes {', '.join(sorted(dtypes))}, wanted "
            f"{' or '.join(DTYPES)} everywhere"
        )
    dtype = dtypes.pop()
    if _is_stack(config):
        shape = _input_shape(entries, config.get("build_config", {}).get("input_shape"))
        effective = [
            make(each) for each in entries if each["class_name"] not in (*INPUTS, *WITHOUT_EFFECT)
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
            shapes = [view.shape for view in views]
            if isinstance(layer, layers.Normalization):
                # Keras has a number, or one of each feature, where rows have more elements.
                shapes = [layer.shape_of_numbers] * 2
            values = arrays(entry, shapes)
            if values is None:
                raise ValueError(
                    f"from_keras: layer {layer.name}: found no weights, wanted {len(views)} arrays"
                )
            if isinstance(layer, layers.Normalization):
                layer.take(*values)
            else:
                layer.set_weights(values)
    return model


# Compilation --------------------------------------------------------------------------------------


def _known_arguments(make: type, config: Mapping[str, Any]) -> dict[str, Any]:
    known = argument_names(make)
    return {key: value for key, value in config.items() if key in known and value is not None}


def _optimizer(entry: Any) -> optimizers.Optimizer:
    name, config = named(entry)
    made = optimizers.get(name.lower() if name.isupper() else name)
    config.pop("name", None)
    if isinstance(config.get("learning_rate"), Mapping):
        config["learning_rate"] = schedules.deserialize(config["learning_rate"])
    return type(made)(**_known_arguments(type(made), config))


def _structure(function: Callable[[Any], Any], entry: Any) -> Any:
    """A function applied to serialized objects, one or those of several outputs."""
    if isinstance(entry, Mapping) and "class_name" not in entry:
        return {key: _structure(function, part) for key, part in entry.items()}
    if isinstance(entry, list | tuple):
        return [_structure(function, part) for part in entry]
    return None if entry is None else function(entry)


def _loss(entry: Any) -> Any:
    name, config = named(entry)
    found = losses.get(name)
    return type(found)(**_known_arguments(type(found), config))


def _metric(entry: Any) -> str:
    name = named(entry)[0]
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
        # For rows of several dimensions Keras has numbers for each feature, we for each element.
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

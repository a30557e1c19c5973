"""Model files: one safetensors file with the configuration as JSON in its metadata.

Tensors: ``layers.<i>.kernel`` (in, out), ``layers.<i>.bias`` (out,), and, of a compiled model,
``optimizer.<state>`` (parameters,) flat. A file is untrusted input: its configuration is checked
first, and every tensor's name, dtype and shape against what the configuration implies, before
anything is allocated.
"""

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import __version__ as _version
from . import _core, losses, metrics, optimizers
from ._safetensors import SafetensorsFile, open_file, write
from .initializers import check_seed
from .layers import Dense, Input
from .model import Sequential

FORMAT = "densecore"
FORMAT_VERSION = 1

_MAX_LAYERS = 1000

Shapes = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]


def save_model(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write `model` to `path`; see `Sequential.save`.

    Raises
    ------
    TypeError
        ``model.metadata`` holds something that JSON cannot.
    OSError
        The file cannot be written; an older one is as it was.
    """
    tensors: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(_built(model).layers):
        tensors[f"layers.{index}.kernel"] = layer.kernel
        if layer.bias is not None:
            tensors[f"layers.{index}.bias"] = layer.bias
    config: dict[str, Any] = {
        "name": model.name,
        "dtype": model.dtype,
        "seed": model.seed,
        "inputs": model.input_shape[1],
        "layers": [layer.get_config() for layer in model.layers],
    }
    if model.optimizer is not None and model.loss is not None:
        network = model._network
        config["compile"] = {
            "optimizer": model.optimizer.get_config(),
            "loss": model.loss.get_config(),
            "metrics": model.metrics_names[1:],
        }
        config["progress"] = {"steps": network.steps, "epochs": network.epochs}
        for name, state in network.optimizer_states().items():
            tensors[f"optimizer.{name}"] = state
    try:
        user = json.dumps(model.metadata, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"model.metadata: found what JSON cannot hold ({error})") from None
    write(
        path,
        tensors,
        {
            "format": FORMAT,
            "format_version": str(FORMAT_VERSION),
            "densecore_version": _version,
            "config": json.dumps(config),
            "metadata": user,
        },
    )


def load_model(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that `Sequential.save` wrote; training goes on where it stopped.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not a model, damaged, or written by a newer version; the message says which.
    """
    shown = os.fspath(path)
    with open_file(path) as file:
        config, user = _read_metadata(shown, file)
        try:
            model = _from_config(config)
            shapes = _expected(config)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            text = f"no entry {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{shown}: the configuration is damaged: {text}") from None
        file.check(shapes)
        # Only now, with every size confirmed by the file's own, is anything allocated.
        model._make_parameters()
        for index, layer in enumerate(model.layers):
            file.read(f"layers.{index}.kernel", layer.kernel)
            if layer.bias is not None:
                file.read(f"layers.{index}.bias", layer.bias)
        if "compile" in config:
            model._compile()
            network = model._network
            for name, state in network.optimizer_states().items():
                file.read(f"optimizer.{name}", state)
            network.steps = config["progress"]["steps"]
            network.epochs = config["progress"]["epochs"]
    model.metadata = user
    return model


def _built(model: Sequential) -> Sequential:
    if not model.built:
        model.build()
    return model


def _read_metadata(shown: str, file: SafetensorsFile) -> tuple[dict[str, Any], dict[str, Any]]:
    if file.metadata.get("format") != FORMAT:
        raise ValueError(f"{shown}: a safetensors file, but not a densecore model")
    version = file.metadata.get("format_version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 9 and int(version) > 0):
        raise ValueError(f"{shown}: found format version {version!r}, wanted a number")
    if int(version) > FORMAT_VERSION:
        raise ValueError(
            f"{shown}: written by densecore {file.metadata.get('densecore_version', '?')} in "
            f"format {version}; this version ({_version}) reads up to {FORMAT_VERSION}: upgrade it"
        )
    parts = []
    for key in ("config", "metadata"):
        try:
            part = json.loads(file.metadata[key], parse_constant=_refuse_constant)
        except (KeyError, ValueError, RecursionError):
            raise ValueError(f"{shown}: the entry '{key}' of the model is damaged") from None
        if not isinstance(part, dict):
            raise ValueError(f"{shown}: the entry '{key}' of the model is damaged")
        parts.append(part)
    return parts[0], parts[1]


def _refuse_constant(text: str) -> None:
    raise ValueError(f"found {text}, wanted a finite number")


def _from_config(config: dict[str, Any]) -> Sequential:
    """The model without parameters; raises for anything that does not make sense."""
    if not isinstance(config["layers"], list) or not 1 <= len(config["layers"]) <= _MAX_LAYERS:
        raise ValueError(f"wanted 1 to {_MAX_LAYERS} layers")
    if not isinstance(config["name"], str) or not isinstance(config["dtype"], str):
        raise TypeError("name and dtype must be strings")
    model = Sequential(dtype=config["dtype"], seed=check_seed(config["seed"]), name=config["name"])
    model.add(Input(config["inputs"]))
    for layer in config["layers"]:
        if layer["class"] != "Dense":
            raise ValueError(f"unknown layer {layer['class']!r}; known: Dense")
        model.add(Dense.from_config(layer))
    if "compile" in config:
        compiled = config["compile"]
        model.optimizer = optimizers.get(dict(compiled["optimizer"]))
        model.loss = losses.get(dict(compiled["loss"]))
        names = compiled["metrics"]
        if not isinstance(names, list):
            raise TypeError("metrics must be a list")
        for name in names:
            metrics.resolve(name, model.loss.name, model.layers[-1].units)
        model._metric_names = names
        for counter in ("steps", "epochs"):
            value = config["progress"][counter]
            if type(value) is not int or not 0 <= value < 2**62:
                raise ValueError(f"{counter}: found {value!r}, wanted a count")
    return model


def _expected(config: dict[str, Any]) -> Shapes:
    """Name, dtype and shape of every tensor that the configuration implies."""
    dtype = np.dtype(config["dtype"])
    shapes: Shapes = {}
    width, total = config["inputs"], 0
    for index, layer in enumerate(config["layers"]):
        shapes[f"layers.{index}.kernel"] = (dtype, (width, layer["units"]))
        total += width * layer["units"]
        if layer["use_bias"]:
            shapes[f"layers.{index}.bias"] = (dtype, (layer["units"],))
            total += layer["units"]
        width = layer["units"]
    if "compile" in config:
        for state in _core.optimizer_states(config["compile"]["optimizer"]["name"]):
            shapes[f"optimizer.{state}"] = (dtype, (total,))
    return shapes

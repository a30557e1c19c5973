"""Configurations of models in Keras's form: each layer's class beside its arguments.

Files hold a flat form, in which a layer is one dictionary; programs that look into `get_config` or
`to_json` expect ``config["layers"][i]["class_name"]`` and ``["config"]``, inputs among the layers.
"""

from collections.abc import Mapping
from typing import Any

from ..layers.serialization import flat_form, keras_form
from .nesting import KINDS


def to_keras_form(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that `Model.get_config` returns, of the flat one.

    Parameters
    ----------
    config : dict
        ``layers`` a list of dictionaries with a ``class``.
    """
    layers = [_input(0, {"shape": [*_listed(config["inputs"])], "name": "input_layer"})] if (
        _is_stack(config) and config["inputs"] is not None
    ) else []  # fmt: skip
    if not _is_stack(config):
        layers = [_input(place, entry) for place, entry in enumerate(config["inputs"])]
    return {**config, "layers": [*layers, *map(_layer, config["layers"])]}


def from_keras_form(config: Mapping[str, Any]) -> dict[str, Any]:
    """The flat configuration of one in Keras's form; one that is flat already as it is."""
    layers = config.get("layers")
    if not isinstance(layers, list):
        return dict(config)
    kept = [_flat(entry) for entry in layers if not _is_input(entry)]
    found = {**config, "layers": kept}
    first = layers[0] if layers and _is_input(layers[0]) else None
    if _is_stack(config) and found.get("inputs") is None and first is not None:
        found["inputs"] = first["config"]["batch_shape"][1:]
    return found


def _is_stack(config: Mapping[str, Any]) -> bool:
    return bool(config.get("class", "Sequential") == "Sequential")


def _listed(shape: Any) -> list[Any]:
    return list(shape) if isinstance(shape, list | tuple) else [shape]


def _input(place: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    name = entry["name"] or f"input_layer_{place}"
    return {"class_name": "InputLayer", "config": {"batch_shape": [None, *_listed(entry["shape"])],
                                                   "name": name}}  # fmt: skip


def _is_input(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("class_name") == "InputLayer"


def _layer(entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = entry["class"]
    if kind in KINDS and kind != "Subclassed":
        return {"class_name": kind, "config": to_keras_form(entry)}
    return keras_form(entry)


def _flat(entry: Any) -> Any:
    kind = entry.get("class_name") if isinstance(entry, Mapping) else None
    if kind == "Subclassed":
        return {"class": kind, **entry["config"]}
    if kind in KINDS:
        return {"class": kind, **from_keras_form(entry["config"])}
    return flat_form(entry)

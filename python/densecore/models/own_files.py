"""Configurations, files, pickles and copies of models whose class is a user's."""

import json
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .._base import checks, seeds
from .._base.registry import CustomObjectScope, get_registered_name, get_registered_object
from .._data.structures import packed
from ..layers import Layer
from .functional import Functional, described_input
from .nesting import as_layer, as_seen, layer_of
from .own_inputs import inputs_of_config

#: The attributes that pickles and copies hold; the constructor of the class makes the others.
_KEPT = (
    "_given_compilation", "_initial_epoch", "_initial_step", "_initial_totals", "_loss", "_metrics",
    "_optimizer", "_seed", "_seed_given", "_weighted_metrics", "metadata", "name", "stop_training",
)  # fmt: skip


class OwnClassFiles(Functional):
    """A model that is written as its class's name, its constructor's arguments and its inputs.

    The code is not in the file: reading it asks for the class, see ``custom_objects``.
    """

    def _describe(self, given: Any) -> None:
        """Make the graph, for symbols in the structure of the inputs."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The configuration for the constructor: its arguments, if the class has no such method."""
        if type(self).get_config is OwnClassFiles.get_config:
            return dict(vars(self).get("_arguments", {}))
        return {}

    def to_json(self, **formatting: Any) -> str:
        """As `Model.to_json`; the class's code is not in it."""
        whole = {"class_name": "Subclassed", "config": self._architecture()}
        return json.dumps(whole, **formatting)

    def _architecture(self) -> dict[str, Any]:
        inputs = None
        if self._graph is not None:
            given = [{"input": described_input(symbol)} for symbol in self._given]
            inputs = packed(self._input_structure, given)
        return {
            "class": "Subclassed",
            "registered": get_registered_name(type(self)),
            "config": _encoded(self.get_config()),
            "name": self.name,
            "dtype": self.dtype,
            "seed": self.seed,
            "inputs": inputs,
            "layers": [str(layer.name) for layer in self._layers],
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """A new model: the class called with what `get_config` gives."""
        if isinstance(config, Mapping) and config.get("class") == "Subclassed":
            return super().from_config(config, custom_objects)
        with CustomObjectScope(custom_objects or {}):
            return cls(**config)

    @classmethod
    def _empty(cls, config: Mapping[str, Any]) -> Self:
        kind = get_registered_object(config["registered"])
        if kind is None and get_registered_name(cls) == config["registered"]:
            kind = cls
        if not (isinstance(kind, type) and issubclass(kind, OwnClassFiles)):
            raise ValueError(
                f"model: found the class {config['registered']!r}, which is not known here, wanted "
                "custom_objects with it"
            )
        model: Any = kind.from_config(_decoded(config["config"], config["dtype"]))
        model._dtype, model._takes_dtype = np.dtype(config["dtype"]), False
        model._seed = seeds.fresh() if config["seed"] is None else checks.seed(config["seed"])
        model.name = config["name"]
        found: Self = model
        return found

    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        if config["inputs"] is not None:
            self._describe(inputs_of_config(config["inputs"]))

    # Pickles and copies ---------------------------------------------------------------------------

    def _own_classes(self) -> dict[str, Any]:
        return {**super()._own_classes(), get_registered_name(type(self)): type(self)}

    def _state(self) -> dict[str, Any]:
        kept = {key: value for key, value in vars(self).items() if key in _KEPT}
        return {**super()._state(), "attributes": kept}

    def __reduce__(self) -> Any:
        return _restored, (type(self), self.__getstate__())


def _restored(kind: type[OwnClassFiles], state: dict[str, Any]) -> OwnClassFiles:
    """The model of a pickle or a copy."""
    with CustomObjectScope(state["classes"]):
        model = kind._empty(state["stack"])
        model._add_from_config(state["stack"])
    model._restore(state)
    return model


def _encoded(value: Any) -> Any:
    """A constructor's argument as JSON can hold it: layers and models in it as configurations."""
    if isinstance(value, Mapping):
        return {key: _encoded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(part) for part in value]
    layer = as_layer(value)
    return {"layer of densecore": layer.saved()} if isinstance(layer, Layer) else value


def _decoded(value: Any, dtype: str) -> Any:
    """The argument that `_encoded` was given."""
    if isinstance(value, Mapping):
        if set(value) == {"layer of densecore"}:
            return as_seen(layer_of(value["layer of densecore"], dtype))
        return {key: _decoded(part, dtype) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_decoded(part, dtype) for part in value]
    return value

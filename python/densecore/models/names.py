"""Names of layers and inputs: each once in a model."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..layers import Input, Layer
from ..layers.symbols import Symbol
from .nesting import Nested


class Names:
    """The names of a model's layers.

    Parameters
    ----------
    layers : iterable of Layer, default ()
        Those that the model has already.
    """

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self._layers: dict[str | None, Any] = {
            layer.name: layer for layer in layers if layer.name is not None
        }

    def take(self, symbols: Iterable[Symbol]) -> None:
        """Add inputs, with a name of its own to each that has none.

        Raises
        ------
        ValueError
            Two have the same name.
        """
        for symbol in symbols:
            if symbol.name in self._layers:
                raise ValueError(f"inputs: found the name {symbol.name!r} twice, wanted each once")
            self._layers[symbol.name] = symbol

    def check(self, layers: Iterable[Layer]) -> None:
        """Raise unless further layers can be in the model, too.

        Raises
        ------
        ValueError
            A layer occurs twice, or a name that was given does.
        """
        seen = dict(self._layers)
        known = set(self._layers.values())
        for layer in layers:
            if layer in known:
                raise ValueError(f"layers: found {layer!r} twice, wanted each once")
            known.add(layer)
            if layer.name is None:
                continue
            if layer.name in seen and not is_automatic(layer):
                raise ValueError(f"layers: found the name {layer.name!r} twice, wanted each once")
            seen[layer.name] = layer

    def give(self, layers: Iterable[Layer]) -> None:
        """Add layers, with a name of its own to each that has none; one that was made up for
        another model, and is another layer's here, is replaced."""
        for layer in layers:
            if layer.name is None or layer.name in self._layers:
                _rename(layer, self._free(layer))
            assert layer.name is not None
            self._layers[layer.name] = layer

    def _free(self, layer: Layer) -> str:
        base, number = layer._default_name(), 0
        elsewhere = _names_of_owner(layer)
        while (name := base if number == 0 else f"{base}_{number}") in {*self._layers, *elsewhere}:
            number += 1
        return name


def is_automatic(layer: Layer) -> bool:
    """Whether a layer's name, or that of a model, was not given."""
    return bool(layer.model._automatic_name if isinstance(layer, Nested) else layer._automatic_name)


def _rename(layer: Layer, name: str) -> None:
    if isinstance(layer, Nested):
        layer.model.name = name
    else:
        vars(layer)["name"] = name


def _names_of_owner(layer: Layer) -> set[str | None]:
    model = None if layer._model is None else layer._model()
    if model is None:
        return set()
    return {part.name for other in model._layers for part in other._named_parts()}


def input_names(inputs: list[Input], structure: Any) -> list[str]:
    """A name for each input: its own, the key of a dictionary, or a new one."""
    if isinstance(structure, Mapping) and len(structure) == len(inputs):
        for key, given in zip(structure, inputs, strict=True):
            given._name = given._name or str(key)
    names = {given.name for given in inputs}
    for given in inputs:
        number = 0
        while given._name is None:
            name = f"input_layer_{number}" if number else "input_layer"
            number += 1
            if name not in names:
                names.add(name)
                given._name = name
    return [str(given.name) for given in inputs]

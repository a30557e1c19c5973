"""Keras's functional models, from their configuration: layers and operations that are called."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import activations, layers, ops
from .._data.structures import leaves, mapped
from .._saving.keras_files import entries_of, is_model
from ..models.functional import Functional
from ..models.model import Model
from ..models.sequential import Sequential

Entry = Mapping[str, Any]
#: What makes the layer of an entry of a configuration, its dtype known.
Make = Callable[[Entry], layers.Layer]

# Operations of keras.ops that NumPy calls otherwise.
_NUMPY_NAMES = {"abs": "absolute", "mod": "remainder", "round": "rint", "true_divide": "divide"}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _place(entry: Entry) -> str:
    return f"layer {name_of(entry)} ({entry.get('class_name')})"


def name_of(entry: Entry) -> str:
    """The name of an entry's layer."""
    return str(entry.get("config", {}).get("name", entry.get("name")))


def _is_functional_of_keras_3(entry: Entry) -> bool:
    calls = entry.get("inbound_nodes") or [None]
    return entry.get("class_name") == "Functional" and isinstance(calls[0], Mapping)


def is_operation(entry: Entry) -> bool:
    """Whether an entry is a function of ``keras.ops``, not a layer."""
    if "module" in entry:
        return ".ops." in str(entry["module"])
    # In .h5 files there are no modules; all layers of Keras 3 say whether they are trainable.
    calls = entry.get("inbound_nodes") or [None]
    config = entry.get("config") or {}
    known = "trainable" in config or "dtype" in config or entry.get("class_name") == "InputLayer"
    known = known or is_model(entry)
    return isinstance(calls[0], Mapping) and not known


def _key(thing: Any) -> tuple[str, int, int] | None:
    """The layer, the call and the output that a reference names; None where it is none."""
    if isinstance(thing, list | tuple) and len(thing) in (3, 4):
        name, node, place = thing[:3]
        if isinstance(name, str) and isinstance(node, int) and isinstance(place, int):
            return name, node, place
    return None


def references(structure: Any) -> Any:
    """A structure of references, with tuples (layer, call, output) as its leaves; of a list of one,
    that one."""
    found = _key(structure)
    if found is not None:
        return Reference(*found)
    if isinstance(structure, Mapping):
        return {key: references(part) for key, part in structure.items()}
    if not isinstance(structure, list | tuple):
        raise ValueError(f"from_keras: found the reference {structure!r}")
    parts = [references(part) for part in structure]
    return parts[0] if len(parts) == 1 else parts


class Reference:
    """An output of a call of a layer."""

    def __init__(self, name: str, node: int, place: int) -> None:
        self.key = (name, node, place)


class _Waiting(Exception):  # noqa: N818
    """A call takes a value that has not been computed yet."""


class GraphReader:
    """Models of configurations of graphs.

    Parameters
    ----------
    make : callable
        The layer of an entry.
    dtype : str
    """

    def __init__(self, make: Make, dtype: str) -> None:
        self._make, self._dtype = make, dtype

    def model(self, config: Entry, name: str | None = None) -> Model:
        """The model of a configuration.

        Raises
        ------
        ValueError
            Something in it has no form here; the message names the layer.
        """
        inner = config.get("config")
        entries = entries_of(config)
        own = inner.get("name") if isinstance(inner, Mapping) else None
        if config.get("class_name") == "Sequential":
            return self._stack(entries, name or own, config)
        assert isinstance(inner, Mapping)
        values = self._values(entries)
        # Keras 3 counts the outputs of a functional model's calls from 1, among a model's outputs.
        from_one = {name_of(each) for each in entries if _is_functional_of_keras_3(each)}

        def value(reference: Reference) -> Any:
            name, node, place = reference.key
            key = (name, node - 1 if name in from_one else node, place)
            if key not in values:
                raise ValueError(f"from_keras: found no layer that makes {reference.key}")
            return values[key]

        inputs = mapped(value, references(inner.get("input_layers")))
        outputs = mapped(value, references(inner.get("output_layers")))
        trainable = bool(inner.get("trainable", True))
        return Functional(inputs, outputs, name or own, dtype=self._dtype, trainable=trainable)

    def _stack(self, entries: Sequence[Entry], name: str | None, config: Entry) -> Model:
        built = config.get("build_config", {}).get("input_shape")
        made: list[Any] = []
        for entry in entries:
            if entry["class_name"] == "InputLayer":
                made.append(_input(entry))
            else:
                made.append(self._part(entry))
        if made and not isinstance(made[0], layers.Input):
            if not isinstance(built, list | tuple):
                raise ValueError(
                    f"from_keras: model {name}: it does not know its number of inputs, wanted one "
                    "that starts with Input or has been built"
                )
            made.insert(0, layers.Input(tuple(int(size) for size in built[1:])))
        return Sequential(made, dtype=self._dtype, name=name)

    def _part(self, entry: Entry) -> Any:
        """A layer, or a model within the model."""
        if is_model(entry):
            return self.model(entry)
        return layers.Identity() if entry["class_name"] == "Identity" else self._make(entry)

    def _values(self, entries: Sequence[Entry]) -> dict[tuple[str, int, int], Any]:
        """The symbols of all calls."""
        values: dict[tuple[str, int, int], Any] = {}
        waiting: list[tuple[str, int, Entry, Any, Any]] = []
        for entry in entries:
            name = name_of(entry)
            if entry["class_name"] == "InputLayer":
                values[name, 0, 0] = _input(entry)
                continue
            part = None if is_operation(entry) else self._part(entry)
            for number, node in enumerate(entry.get("inbound_nodes", [])):
                waiting.append((name, number, entry, part, node))
        while waiting:
            rest = []
            for call in waiting:
                name, number, entry, part, node = call
                try:
                    arguments = _arguments(entry, node, values)
                except _Waiting:
                    rest.append(call)
                    continue
                try:
                    if part is None:
                        found = _operation(entry, arguments)
                    elif len(arguments) == 1:
                        found = part(arguments[0])
                    else:
                        raise ValueError(f"found {len(arguments)} arguments, wanted one")
                except (ValueError, TypeError) as error:
                    raise ValueError(f"from_keras: {_place(entry)}: {error}") from None
                for place, symbol in enumerate(leaves(found)):
                    values[name, number, place] = symbol
            if len(rest) == len(waiting):
                raise ValueError(
                    f"from_keras: {_place(rest[0][2])}: found inputs that no layer makes"
                )
            waiting = rest
        return values


def _input(entry: Entry) -> layers.Input:
    config = entry["config"]
    shape = config.get("batch_shape") or config.get("batch_input_shape") or config.get("shape")
    if not isinstance(shape, list | tuple) or None in shape[1:]:
        raise ValueError(f"from_keras: {_place(entry)}: found the shape {shape}, wanted sizes")
    return layers.Input(tuple(int(size) for size in shape[1:]), name=config.get("name"))


def _arguments(entry: Entry, node: Any, values: Mapping[Any, Any]) -> list[Any]:
    """The arguments of a call: symbols, lists of them, numbers and slices."""

    def symbol(key: Any) -> Any:
        if tuple(key) not in values:
            raise _Waiting
        return values[tuple(key)]

    def read(thing: Any) -> Any:
        if isinstance(thing, Mapping):
            kind, config = thing.get("class_name"), thing.get("config") or {}
            if kind == "__keras_tensor__":
                return symbol(config["keras_history"][:3])
            if kind == "__slice__":
                return slice(config["start"], config["stop"], config["step"])
            if kind == "__tuple__":
                return tuple(read(part) for part in config["value"])
            if "class_name" in thing:
                raise ValueError(
                    f"from_keras: {_place(entry)}: found the argument {kind}, wanted inputs, "
                    "numbers and slices"
                )
            return {key: read(part) for key, part in thing.items()}
        if isinstance(thing, list | tuple):
            return [read(part) for part in thing]
        return thing

    if isinstance(node, Mapping):
        named = {
            key: value
            for key, value in node.get("kwargs", {}).items()
            if key != "training" and any(part is not None for part in leaves(value))
        }
        found = [read(each) for each in node.get("args", [])]
        if named and is_operation(entry):
            return [*found, *(read(each) for each in named.values())]
        if named:
            raise ValueError(
                f"from_keras: {_place(entry)}: found the arguments {', '.join(named)} of a call, "
                "wanted inputs only"
            )
        return found
    keys = [_key(each) for each in node]
    if None in keys or any(len(each) > 3 and each[3] for each in node):
        raise ValueError(f"from_keras: {_place(entry)}: found a call with other arguments")
    symbols = [symbol(key) for key in keys]
    return [symbols[0] if len(symbols) == 1 else symbols]


def _operation(entry: Entry, arguments: list[Any]) -> Any:
    """A function of ``keras.ops`` applied to symbols.

    Raises
    ------
    ValueError
        There is none such here.
    """
    config = {key: value for key, value in (entry.get("config") or {}).items() if key != "name"}
    name = _snake_case(str(entry["class_name"]))
    if name == "identity":
        return arguments[0]
    if name == "get_item":
        index = arguments[1]
        return arguments[0][tuple(index) if isinstance(index, list) else index]
    if name == "concatenate":
        axis = config.get("axis", arguments[1] if len(arguments) > 1 else -1)
        return layers.concatenate(arguments[0], axis)
    if ".numpy" not in str(entry.get("module")) and name in activations.names():
        if config.pop("axis", -1) not in (-1, 1):
            raise ValueError("found another axis than -1, the features")
        given = {key: value for key, value in config.items() if value is not None}
        return layers.Activation(activations.Activation(name, **given))(arguments[0])
    if name in ("mean", "sum"):
        axis = config.get("axis", arguments[1] if len(arguments) > 1 else None)
        keep = bool(config.get("keepdims", arguments[2] if len(arguments) > 2 else False))
        if axis in (-1, 1) and keep and len(arguments[0].row) == 1:
            return getattr(np, name)(arguments[0], axis=-1, keepdims=True)
    ufunc = getattr(np, _NUMPY_NAMES.get(name, name), None)
    if isinstance(ufunc, np.ufunc) and not config and len(arguments) == ufunc.nin:
        return ufunc(*arguments)
    given = {key: value for key, value in config.items() if value is not None}
    if name == "einsum" and "subscripts" in given:
        arguments = [given.pop("subscripts"), *arguments]
    known: Any = ops.__all__
    if name not in known:
        raise ValueError(
            "found an operation that is no layer here, wanted layers, activations, and functions "
            "of densecore.ops"
        )
    return getattr(ops, name)(*arguments, **given)

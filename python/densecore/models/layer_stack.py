"""A stack of layers, and the network of the core that it becomes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .._base import checks, seeds
from .._base.dtypes import DTYPES, Array, Network, check_dtype
from ..layers import Dense, Flatten, Input, Layer, assign, deserialize
from ..layers.lowering import Plan
from .summary import table

AnyLayer = Input | Layer

MAX_LAYERS = 1000  # as the core


class Stack:
    """Layers one after another over one flat buffer of parameters; `Sequential` trains them."""

    def __init__(
        self, layers: Sequence[AnyLayer] | None, dtype: str, seed: int | None, name: str | None
    ) -> None:
        self._dtype = np.dtype(check_dtype(dtype))
        self.seed = seeds.fresh() if seed is None else checks.seed(seed)
        self.name = name if name is not None else "sequential"
        self._input: Input | None = None
        self._layers: list[Layer] = []
        self._network_or_none: Network | None = None
        # What layers had in the network of a shorter or longer stack.
        self._kept: list[tuple[Layer, list[Array]]] = []
        try:
            for layer in layers or ():
                self._append(layer)
            if self._input is not None and self._layers:
                self.build()
        except BaseException:
            # What did not become a model leaves its layers free for another one.
            for layer in self._all_layers():
                layer._taken = False
                layer._forget()
            raise

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``."""
        return self._dtype.name

    @property
    def layers(self) -> list[Any]:
        """The layers in their order; ``Input`` is not one of them."""
        return list(self._layers)

    def _all_layers(self) -> Iterator[Layer]:
        """The layers, and those within residual blocks."""
        for layer in self._layers:
            yield from layer._walk()

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its place.

        Raises
        ------
        ValueError
            There is no layer of that name, or at that place; the message says which there are.
        """
        if index is not None:
            count = len(self._layers)
            if not -count <= index < count:
                raise ValueError(f"get_layer: found the index {index}, wanted 0 to {count - 1}")
            return self._layers[index]
        for layer in self._all_layers():
            if layer.name == name:
                return layer
        known = ", ".join(str(layer.name) for layer in self._all_layers())
        raise ValueError(f"get_layer: unknown layer {name!r}; known: {known}")

    @property
    def trainable(self) -> bool:
        """Whether any layer's weights are changed by training; setting it sets all layers."""
        return any(layer.trainable for layer in self._layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._layers:
            layer.trainable = value

    @property
    def built(self) -> bool:
        """Whether the parameters exist."""
        return self._network_or_none is not None

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, features)."""
        if self._input is None:
            raise RuntimeError("input_shape: the model does not know its number of inputs yet")
        return self._input.shape

    @property
    def _inputs(self) -> int:
        """Number of features in a row."""
        if self._input is None:
            raise RuntimeError("the model does not know its number of inputs yet")
        return self._input.size

    @property
    def output_shape(self) -> tuple[None, int]:
        """(None, units of the last layer)."""
        if not self._layers:
            raise RuntimeError("output_shape: the model has no layers yet")
        width = 0 if self._input is None else self._input.size
        for layer in self._layers:
            width = layer._sizes(width)[0]
        if width == 0:
            raise RuntimeError("output_shape: the model does not know its number of inputs yet")
        return (None, width)

    def add(self, layer: AnyLayer) -> None:
        """Append a layer, as long as the model is not compiled; the others keep their weights.

        A model that starts with ``Input`` gets its parameters at the first call that needs them.

        Raises
        ------
        RuntimeError
            The model is compiled already.
        ValueError, TypeError
            It is not a layer, it belongs to a model already, or its name or place is taken.
        """
        if self.built and self._compiled:
            raise RuntimeError("add: the model is compiled already; its layers are fixed")
        before = list(self._layers)
        self._append(layer)
        self._drop_parameters(before)

    def pop(self) -> Layer:
        """Remove the last layer and return it, as long as the model is not compiled.

        The others keep their weights.

        Raises
        ------
        RuntimeError
            The model is compiled already, or has no layers.
        """
        if self.built and self._compiled:
            raise RuntimeError("pop: the model is compiled already; its layers are fixed")
        if not self._layers:
            raise RuntimeError("pop: the model has no layers")
        self._drop_parameters(self._layers[:-1])
        layer = self._layers.pop()
        for part in layer._walk():
            part._taken = False
        return layer

    def _drop_parameters(self, layers: list[Layer]) -> None:
        """Let go of the network, but keep what some layers have for that of the next stack."""
        if self.built:
            self._kept = [(layer, [array.copy() for array in layer.weights]) for layer in layers]
        self._network_or_none = None
        self._network_changed()
        for layer in self._all_layers():
            layer._forget()

    def _append(self, layer: AnyLayer) -> None:
        if isinstance(layer, Input):
            if self._input is not None or self._layers:
                raise ValueError("layers: found Input after the first place, wanted it to be first")
            self._input = layer
            return
        if not isinstance(layer, Layer):
            raise TypeError(
                f"layers: found {type(layer).__name__}, wanted Input or a layer of "
                "densecore.layers (densecore has dense networks only)"
            )
        taken = {other.name for other in self._all_layers()}
        seen: set[int] = set()
        named: set[str | None] = set(taken)
        for part in layer._walk():
            if id(part) in seen:
                raise ValueError(f"layers: found {part!r} twice in a block, wanted each once")
            seen.add(id(part))
            if part._taken:
                raise ValueError(
                    f"layers: found {part!r}, which belongs to a model already; wanted a new layer"
                )
            if part.name is not None and part.name in named:
                raise ValueError(f"layers: found the name {part.name!r} twice, wanted each once")
            named.add(part.name)
        if layer._given_input is not None:
            if self._layers:
                raise ValueError("layers: found input_shape after the first layer")
            if self._input is not None and self._input.dimensions != layer._given_input.dimensions:
                raise ValueError(
                    f"layers: found input_shape {layer._given_input.dimensions}, wanted "
                    f"{self._input.dimensions}, as Input"
                )
            self._input = self._input or layer._given_input
        for part in layer._walk():
            part._taken = True
            if part.name is None:
                base, number = part._default_name(), 0
                while (name := base if number == 0 else f"{base}_{number}") in taken:
                    number += 1
                part.name = name
            taken.add(part.name)
        self._layers.append(layer)

    def build(self, input_shape: int | tuple[int | None, ...] | None = None) -> None:
        """Make and initialise the parameters, unless they are there already.

        Parameters
        ----------
        input_shape : int or tuple, optional
            Number of features, or Keras's (None, features). Not needed after ``Input``.

        Raises
        ------
        ValueError, TypeError
            Another shape than that of ``Input``, or one that cannot be.
        RuntimeError
            The model has no layers, or does not know its number of inputs.
        """
        before = self._input
        if input_shape is not None:
            shape: Any = input_shape
            if isinstance(shape, tuple | list) and len(shape) > 1:
                shape = shape[1:]
            found = Input(shape)
            if before is not None and before.dimensions != found.dimensions:
                raise ValueError(f"build: found {found}, wanted {before}")
            self._input = before or found
        try:
            if not self.built:
                self._make_first_parameters()
        except BaseException:
            self._input = before
            raise

    def _make_first_parameters(self) -> None:
        self._make_parameters()
        self._initialize_parameters(self.seed)
        for layer, values in self._kept:
            if layer in self._layers:
                assign(layer.weights, values)
        self._kept = []

    def _initialize_parameters(self, seed: int) -> None:
        dense = 0
        for layer in self._all_layers():
            layer._initialize(seed, dense)
            dense += isinstance(layer, Dense)

    def _plan(self) -> Plan:
        """What the layers are in the core.

        Raises
        ------
        RuntimeError
            There are no layers, or the number of inputs is not known.
        """
        if self._input is None:
            raise RuntimeError(
                "the model does not know its number of inputs: start with Input(features) or call "
                "build(features)"
            )
        if not self._layers:
            raise RuntimeError("the model has no layers: add(Dense(units)) first")
        if len(self._input.dimensions) > 1 and not isinstance(self._layers[0], Flatten):
            raise ValueError(
                f"layers: found rows of shape {self._input.dimensions}, wanted Flatten() as the "
                "first layer: a dense network takes vectors"
            )
        plan = Plan(self._input.size)
        for layer in self._layers:
            layer._plan(plan)
            layer._last_core = len(plan.specs) - 1 if plan.specs else None
        # A loss of logits is computed with the end of the last layer: there must be one.
        if not plan.specs or "activation" not in plan.specs[-1]:
            plan.add({"kind": "activation", "activation": "linear"})
        return plan

    def _make_parameters(self) -> None:
        plan = self._plan()
        assert self._input is not None
        network = DTYPES[self.dtype].Network(self._input.size, plan.specs)
        network.seed = self.seed
        for index, function in plan.functions.items():
            network.set_function(index, function.function, function.derivative)
        for layer in self._all_layers():
            layer._build(network)
        self._network_or_none = network
        self._network_changed()

    def _network_changed(self) -> None:
        """Called when there is a new network, or none any more."""

    @property
    def _network(self) -> Network:
        if self._network_or_none is None:
            self._make_first_parameters()
        assert self._network_or_none is not None
        return self._network_or_none

    @property
    def _compiled(self) -> bool:
        """Whether the layers are fixed by what has been built on them."""
        return False

    @property
    def _flattens(self) -> bool:
        """Whether rows of data may have several dimensions."""
        return bool(self._layers) and isinstance(self._layers[0], Flatten)

    def _build_for(self, x: Any) -> None:
        """Takes the number of inputs from the first data, as Keras does."""
        if self._network_or_none is None and self._input is None:
            shape = np.shape(x)
            if len(shape) != 2 and not (self._flattens and len(shape) > 2):
                raise ValueError(f"x: found shape {shape}, wanted (rows, features)")
            self._input = Input(shape[1:])

    # Display and configuration ------------------------------------------------------------------

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters."""
        (print_fn or print)(table(self.name, self.dtype, self._input, self._layers))

    def __repr__(self) -> str:
        parts = ([] if self._input is None else [repr(self._input)]) + [
            f"Dense({layer.units}, {layer.activation!r})"
            if isinstance(layer, Dense)
            else f"{type(layer).__name__}(…)"
            for layer in self._layers
        ]
        return f"Sequential([{', '.join(parts)}], dtype={self.dtype!r})"

    def get_config(self) -> dict[str, Any]:
        """The architecture as JSON can hold it: `from_config` reads it."""
        inputs: Any = None
        if self._input is not None:
            dimensions = self._input.dimensions
            inputs = dimensions[0] if len(dimensions) == 1 else list(dimensions)
        return {
            "name": self.name,
            "dtype": self.dtype,
            "seed": self.seed,
            "inputs": inputs,
            "layers": [layer.get_config() for layer in self._layers],
        }

    def to_json(self, **formatting: Any) -> str:
        """`get_config` as text, for ``models.model_from_json``.

        Parameters
        ----------
        **formatting
            Of ``json.dumps``, such as ``indent``.
        """
        return json.dumps(self.get_config(), **formatting)

    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        """Append the layers that `get_config` describes; raises for what it cannot be."""
        if not isinstance(config["layers"], list) or len(config["layers"]) > MAX_LAYERS:
            raise ValueError(f"layers: wanted a list of at most {MAX_LAYERS}")
        if config["inputs"] is not None:
            self._append(Input(config["inputs"]))
        for layer in config["layers"]:
            self._append(deserialize(layer))

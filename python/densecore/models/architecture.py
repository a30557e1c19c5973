"""The layers of a model: how they are connected, their names, and the model as one of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from .._base import checks
from .._base.registry import get_registered_name
from .._data.row_sources import Rows
from .._data.structures import leaves
from ..layers import Layer
from ..layers.lowering import Plan, Row, Source
from ..layers.symbols import Node, Symbol, connect
from .nesting import Nested, as_seen

MAX_LAYERS = 1000  # as the core


class Architecture:
    """The layers of a model.

    Classes that derive from this one connect them: they fill `_layers`, and `_plan` describes the
    layers for the core. The methods that they must override raise here. They are not abstract:
    type checkers would refuse ``Model(inputs, outputs)``, which makes one of these classes.
    """

    #: The name of a model that is given none.
    _default_name: ClassVar[str] = "model"

    def __init__(self, name: str | None) -> None:
        self.name = self._default_name if name is None else checks.text("name", name)
        self._layers: list[Layer] = []
        self._nested: Nested | None = None  # this model as a layer of others

    # How the layers are connected -----------------------------------------------------------------

    def _plan(self) -> Plan:
        """The layers as the core wants them; RuntimeError when something is missing."""
        raise NotImplementedError

    def _summary_text(self, length: int) -> str:
        """The table that `summary` prints, of at least `length` characters a line."""
        raise NotImplementedError

    def build(self, input_shape: Any = None) -> None:
        """Make and initialise the parameters, unless they are there already."""
        raise NotImplementedError

    @property
    def _known_inputs(self) -> list[Symbol]:
        """The symbols of the inputs, as far as they are known."""
        raise NotImplementedError

    def _connect(self) -> tuple[list[Symbol], list[Symbol]]:
        """The symbols of the inputs and the outputs, after calls of all layers with symbols."""
        raise NotImplementedError

    def _rows_through(self, rows: list[Row]) -> list[Row]:
        """The shapes of rows of the outputs, for those of the inputs."""
        raise NotImplementedError

    def _rows_of_layers(self, row: Row | None) -> list[tuple[Layer, Row]]:
        """Each layer with the shape of the rows that it takes, for those of x."""
        raise NotImplementedError

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        """Append the layers to the plan of a model that this one is a layer of."""
        raise NotImplementedError

    @property
    def _input_row(self) -> Row | None:
        """The shape of a row of x; None as long as it is not known."""
        raise NotImplementedError

    @property
    def _output_row(self) -> Row | None:
        """The shape of a row of the outputs; None as long as it is not known."""
        raise NotImplementedError

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of a batch of x: (None, features)."""
        raise NotImplementedError

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """The shape of a batch of outputs: (None, units of the last layer)."""
        raise NotImplementedError

    def _take_inputs_of(self, x: Any) -> None:
        """Take the number of inputs from the first data, as Keras does."""
        raise NotImplementedError

    def _forget_inputs(self) -> None:
        """Undo `_take_inputs_of`, and drop the network."""
        raise NotImplementedError

    def _rows(self, x: Any) -> Rows:
        """x as the core takes it, used where it lies or converted; of a model that knows its
        number of inputs."""
        raise NotImplementedError

    def _architecture(self) -> dict[str, Any]:
        """The configuration of a new model of the same layers, as JSON can hold it."""
        raise NotImplementedError

    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        """Take the layers that `_architecture` describes; raises for what it cannot be."""
        raise NotImplementedError

    # Layers ---------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        """The layers in their order; ``Input`` is not one of them."""
        return [as_seen(layer) for layer in self._layers]

    def _all_layers(self) -> Iterator[Layer]:
        """The layers, and those within residual blocks and models."""
        for layer in self._layers:
            yield from layer._walk()

    def _own_classes(self) -> dict[str, type[Layer]]:
        """The users' classes among those of the layers, by the names that configurations have."""
        found: dict[str, Any] = {}
        for part in self._all_layers():
            if part._is_own:
                found[get_registered_name(type(part))] = type(part)
            elif part._inner_model is not None and part._inner_model is not self:
                found |= part._inner_model._own_classes()
        return found

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by its name or its place.

        Parameters
        ----------
        name : str, optional
        index : int, optional
            Instead of a name; negative ones count from the end.

        Raises
        ------
        ValueError
            There is no layer of that name, or at that place; the message says which there are.
        """
        layers = self.layers
        if index is not None:
            count = len(layers)
            place = checks.integer(
                "get_layer: index", index, -count, count - 1, wanted=f"0 to {count - 1}"
            )
            return layers[place]
        parts = [as_seen(part) for layer in self._layers for part in layer._named_parts()]
        found = {layer.name: layer for layer in [*layers, *parts]}
        if isinstance(name, str) and name in found:
            return found[name]
        known = ", ".join(map(str, found))
        raise ValueError(f"get_layer: unknown layer {checks.shown(name)}; known: {known}")

    # As a layer of another model ------------------------------------------------------------------

    def _as_layer(self) -> Nested:
        if self._nested is None:
            self._nested = Nested(self)
        return self._nested

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of the outputs for those of the inputs; see `Layer.compute_output_shape`."""
        return self._as_layer().compute_output_shape(input_shape)

    def _called(self, inputs: Any) -> Any:
        """The symbols of the outputs for those of inputs."""
        return connect(self._as_layer(), inputs)

    @property
    def _automatic_name(self) -> bool:
        """Whether the name may give way in a model that has another layer of that name."""
        return re.fullmatch(rf"{self._default_name}(_\d+)?", self.name) is not None

    @property
    def _nodes(self) -> list[Node]:
        return [] if self._nested is None else self._nested._nodes

    def _nested_config(self) -> dict[str, Any]:
        """The model's configuration within that of a model that it is a layer of."""
        config = self._architecture()
        kept = {key: value for key, value in config.items() if key not in ("dtype", "seed")}
        return {"class": "Sequential", **kept}

    def _ordered_inputs(self, inputs: Any) -> list[Any]:
        """The parts of a call's inputs, in the order of the model's."""
        return leaves(inputs)

    #: What a call returns, with anything in place of the outputs.
    _output_structure: Any = 0

    @property
    def _is_stack(self) -> bool:
        """Whether each layer takes the output of the layer before it, and nothing else."""
        return True

    @property
    def inputs(self) -> list[Symbol]:
        """The symbols of the inputs.

        Raises
        ------
        RuntimeError
            The model does not know its number of inputs yet.
        """
        return list(self._connect()[0])

    @property
    def outputs(self) -> list[Symbol]:
        """The symbols of the outputs; see `inputs`."""
        return list(self._connect()[1])

    @property
    def input(self) -> Any:
        """The symbol of the input; of several, the structure that the model was made with."""
        return self._connect()[0][0]

    @property
    def output(self) -> Any:
        """The symbol of the output; of several, the structure that the model was made with."""
        return self._connect()[1][0]

    @property
    def trainable(self) -> bool:
        """Whether any layer's weights are changed by training; setting it sets all layers."""
        return any(layer.trainable for layer in self._layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._layers:
            layer.trainable = value

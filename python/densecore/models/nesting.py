"""A model as a layer of another model."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .._base.dtypes import Array, Network
from ..layers import Layer, deserialize
from ..layers.arrays import Shapes
from ..layers.lowering import Plan, Row, Source
from ..layers.symbols import Symbol

if TYPE_CHECKING:  # whose module imports this one
    from .architecture import Architecture

#: The classes of models by the names that configurations have for them; each adds itself.
KINDS: dict[str, Any] = {}


class Nested(Layer):
    """A model as a layer of another model: its parts are the model's own.

    There is one for each model, so that two calls of a model are two nodes of one layer. Users see
    the model itself in its place.
    """

    def __init__(self, model: "Architecture") -> None:
        self.model = model
        super().__init__()

    @property
    def _inner_model(self) -> "Architecture":
        return self.model

    @property
    def name(self) -> str | None:
        return self.model.name

    @name.setter
    def name(self, value: str | None) -> None:
        if value is not None:
            self.model.name = value

    @property
    def _trainable(self) -> bool:
        return self.model.trainable

    @_trainable.setter
    def _trainable(self, value: bool) -> None:
        if not value:
            self.model.trainable = False

    @property
    def trainable(self) -> bool:
        return self.model.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.model.trainable = value

    @property
    def weights(self) -> list[Array]:
        return [array for layer in self.model._layers for array in layer.weights]

    @property
    def trainable_weights(self) -> list[Array]:
        return [array for layer in self.model._layers for array in layer.trainable_weights]

    def _named_weights(self) -> dict[str, Array]:
        return {
            f"{number}.{name}": array
            for number, layer in enumerate(self.model._layers)
            for name, array in layer._named_weights().items()
        }

    @property
    def _adds_to_loss(self) -> bool:
        return bool(getattr(self.model, "_added_terms", ()))

    def get_config(self) -> dict[str, Any]:
        return self.model._nested_config()

    def _walk(self) -> Iterator[Layer]:
        yield self
        for layer in self.model._layers:
            yield from layer._walk()

    # Calls ----------------------------------------------------------------------------------------

    def _ordered(self, inputs: Any) -> list[Symbol]:
        return self.model._ordered_inputs(inputs)

    @property
    def _output_structure(self) -> Any:
        return self.model._output_structure

    def _output_rows(self, rows: list[Row]) -> list[Row]:
        return self.model._rows_through(rows)

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else self._output_rows([row])[0]

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        return self.model._lower(plan, sources)

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        parameters: Shapes = {}
        states: Shapes = {}
        for number, (layer, inner) in enumerate(self.model._rows_of_layers(row)):
            of_layer, others = layer._weight_shapes(inner)
            parameters |= {f"{number}.{name}": shape for name, shape in of_layer.items()}
            states |= {f"{number}.{name}": shape for name, shape in others.items()}
        return parameters, states

    def _build(self, network: Network, places: list[int]) -> None:
        self._network = network

    def _forget(self) -> None:
        self._network = None

    def _default_name(self) -> str:
        return self.model._default_name

    def __repr__(self) -> str:
        return repr(self.model)


def as_layer(thing: Any) -> Any:
    """A model as a layer (`Nested`); anything else unchanged."""
    return thing._as_layer() if hasattr(thing, "_as_layer") else thing


def as_seen(layer: Any) -> Any:
    """A layer as users see it: itself, or the model that it stands for."""
    return layer.model if isinstance(layer, Nested) else layer


def layer_of(config: Mapping[str, Any], dtype: str) -> Layer:
    """The layer that an entry of a model's configuration describes: a layer, or a nested model."""
    kind = KINDS.get(config["class"]) if isinstance(config, Mapping) else None
    if kind is None:
        return deserialize(dict(config))
    found: Layer = kind.from_config({"dtype": dtype, "seed": None, **config})._as_layer()
    return found

"""Residual blocks."""

from collections.abc import Iterator, Sequence
from typing import Any

from .._base import checks
from .._base.dtypes import Network
from .arrays import Shapes
from .base import Layer
from .lowering import Plan, Row, Source
from .serialization import deserialize


class Residual(Layer):
    """x + f(x), where f is a stack of layers with as many outputs as inputs.

    He, Zhang, Ren & Sun, *Deep residual learning for image recognition*, 2016; the building block
    of the tabular ResNet (Gorishniy et al., *Revisiting deep learning models for tabular data*,
    2021). An activation of the sum is a layer after the block.

    Parameters
    ----------
    layers : sequence of Layer

    Raises
    ------
    ValueError, TypeError
        No layers, something that is not one, or, in a model, other outputs than inputs.

    Examples
    --------
    >>> import densecore as dc
    >>> block = [dc.layers.BatchNormalization(), dc.Dense(8, "relu"), dc.Dense(8)]
    >>> model = dc.Sequential([dc.Input(8), dc.layers.Residual(block), dc.Dense(1)], seed=0)
    >>> model.output_shape
    (None, 1)
    """

    def __init__(self, layers: Sequence[Layer], **general: Any) -> None:
        super().__init__(**general)
        if not isinstance(layers, list | tuple):
            raise TypeError(f"Residual: found {checks.shown(layers)}, wanted a list of layers")
        self._layers = tuple(layers)
        if not self._layers:
            raise ValueError("Residual: found no layers, wanted at least one")
        for layer in self._layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Residual: found {type(layer).__name__}, wanted layers")
        if not self._trainable:
            self.trainable = False

    @property
    def layers(self) -> list[Layer]:
        """The layers of the block, in their order."""
        return list(self._layers)

    @property
    def trainable(self) -> bool:
        """Whether training changes all layers of the block; setting it sets all of them."""
        return all(layer.trainable for layer in self._layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._layers:
            layer.trainable = value

    def _named_weights(self) -> dict[str, Any]:
        return {
            f"{number}.{name}": array
            for number, layer in enumerate(self._layers)
            for name, array in layer._named_weights().items()
        }

    @property
    def weights(self) -> list[Any]:
        return [array for layer in self._layers for array in layer.weights]

    @property
    def trainable_weights(self) -> list[Any]:
        return [array for layer in self._layers for array in layer.trainable_weights]

    def get_config(self) -> dict[str, Any]:
        return {
            "class": "Residual",
            "name": self.name,
            "layers": [layer.saved() for layer in self._layers],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Residual":
        layers = config["layers"]
        if not isinstance(layers, list):
            raise ValueError("Residual: layers: wanted a list")
        return cls([deserialize(layer) for layer in layers], name=config["name"])

    def _walk(self) -> Iterator[Layer]:
        yield self
        for layer in self._layers:
            yield from layer._walk()

    def _named_parts(self) -> Iterator[Layer]:
        yield from self._walk()

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        start, row = sources[0], sources[0].row
        plan.go_to(start)
        plan.close()
        for layer in self._layers:
            sources = plan.call(layer, sources)
        if sources[0].row != row:
            before, after = (
                shape[0] if len(shape) == 1 else shape for shape in (row, sources[0].row)
            )
            raise ValueError(
                f"Residual: found a block from {before} to {after} units, wanted as many outputs "
                "as inputs"
            )
        plan.merge({"kind": "add"}, [sources[0], start], row)
        return [plan.here]

    def _output_row(self, row: Row | None) -> Row | None:
        for layer in self._layers:
            row = layer._output_row(row)
        return row

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        parameters: Shapes = {}
        states: Shapes = {}
        inner: Row | None = row
        for number, layer in enumerate(self._layers):
            assert inner is not None
            of_layer, others = layer._weight_shapes(inner)
            parameters |= {f"{number}.{name}": shape for name, shape in of_layer.items()}
            states |= {f"{number}.{name}": shape for name, shape in others.items()}
            inner = layer._output_row(inner)
        return parameters, states

    def _twin(self) -> "Residual":
        twin = super()._twin()
        assert isinstance(twin, Residual)
        twin._layers = tuple(layer._twin() for layer in self._layers)
        return twin

    def _build(self, network: Network, places: list[int]) -> None:
        self._network = network

    def __repr__(self) -> str:
        return f"Residual([{', '.join(map(repr, self.layers))}])"

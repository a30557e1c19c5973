"""Residual blocks."""

from collections.abc import Iterator, Sequence
from typing import Any

from .._base.dtypes import Network
from .base import Layer, Shapes, deserialize
from .lowering import Plan


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
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("Residual: found no layers, wanted at least one")
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Residual: found {type(layer).__name__}, wanted layers")
        if not self._trainable:
            self.trainable = False

    @property
    def trainable(self) -> bool:
        return all(layer.trainable for layer in self.layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = value

    def _named_weights(self) -> dict[str, Any]:
        return {
            f"{number}.{name}": array
            for number, layer in enumerate(self.layers)
            for name, array in layer._named_weights().items()
        }

    @property
    def trainable_weights(self) -> list[Any]:
        return [array for layer in self.layers for array in layer.trainable_weights]

    def get_config(self) -> dict[str, Any]:
        return {
            "class": "Residual",
            "name": self.name,
            "layers": [layer.get_config() for layer in self.layers],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Residual":
        layers = config["layers"]
        if not isinstance(layers, list):
            raise ValueError("Residual: layers: wanted a list")
        return cls([deserialize(layer) for layer in layers], name=config["name"])

    def _walk(self) -> Iterator[Layer]:
        yield self
        for layer in self.layers:
            yield from layer._walk()

    def _plan(self, plan: Plan) -> None:
        start, width = plan.branch(), plan.width
        for layer in self.layers:
            layer._plan(plan)
        if plan.width != width:
            raise ValueError(
                f"Residual: found a block from {width} to {plan.width} units, wanted as many "
                "outputs as inputs"
            )
        plan.add({"kind": "add", "from": start})

    def _shapes(self, width: int) -> tuple[int, Shapes, Shapes]:
        parameters: Shapes = {}
        states: Shapes = {}
        for number, layer in enumerate(self.layers):
            width, of_layer, others = layer._shapes(width)
            parameters |= {f"{number}.{name}": shape for name, shape in of_layer.items()}
            states |= {f"{number}.{name}": shape for name, shape in others.items()}
        return width, parameters, states

    def _build(self, network: Network) -> None:
        self._network = network

    def __repr__(self) -> str:
        return f"Residual([{', '.join(map(repr, self.layers))}])"

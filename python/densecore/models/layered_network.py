"""Layers in their order, and the network of the core that they become."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from .._base import checks, core, seeds
from .._base.dtypes import DTYPES, Array, Network, check_dtype
from .._base.subnormals import flush_subnormals
from .._data.row_sources import Rows
from ..layers import Dense, Layer, assign
from ..layers.lowering import Plan, Row


class LayeredNetwork(ABC):
    """Layers over one flat buffer of parameters, which the core computes with.

    How the layers are connected is the business of the classes that derive from this one: they
    fill `_layers`, and say by `_plan` what the layers are in the core.
    """

    #: Attributes that a pickle does not hold as they are: the network's views, and what is made of
    #: other entries.
    _not_pickled: ClassVar[frozenset[str]] = frozenset({"_layers", "_network_or_none", "_bound"})

    def __init__(self, dtype: str | None, seed: int | None, name: str) -> None:
        self._dtype = np.dtype(check_dtype(dtype))
        self._seed = seeds.fresh() if seed is None else checks.seed(seed)
        self.name = checks.text("name", name)
        self._layers: list[Layer] = []
        self._network_or_none: Network | None = None
        self._bound: set[str] = set()  # methods that are the core's own

    # How the layers are connected -----------------------------------------------------------------

    @abstractmethod
    def _plan(self) -> Plan:
        """The layers as the core wants them; RuntimeError when something is missing."""

    @property
    @abstractmethod
    def _input_row(self) -> Row | None:
        """The shape of a row of x; None as long as it is not known."""

    @property
    @abstractmethod
    def _output_row(self) -> Row | None:
        """The shape of a row of the outputs; None as long as it is not known."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, features)."""

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, units of the last layer)."""

    @abstractmethod
    def _take_inputs_of(self, x: Any) -> None:
        """Take the number of inputs from the first data, as Keras does."""

    @abstractmethod
    def _forget_inputs(self) -> None:
        """Undo `_take_inputs_of`, and drop the network."""

    @abstractmethod
    def _rows(self, x: Any) -> Rows:
        """x as the core takes it, used where it lies or converted; of a model that knows its
        number of inputs."""

    @abstractmethod
    def _tensor_shapes(self) -> tuple[dict[str, tuple[int, ...]], int]:
        """Shapes of `_parameter_tensors`, and the number of parameters, before they exist."""

    @abstractmethod
    def _architecture(self) -> dict[str, Any]:
        """What a new model of the same layers is made of, as JSON can hold it."""

    @abstractmethod
    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        """Take the layers that `_architecture` describes; raises for what it cannot be."""

    # Layers ---------------------------------------------------------------------------------------

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

    @property
    def seed(self) -> int:
        """Initial weights, orders of rows and dropout follow from it.

        A seed that is set holds for rows and dropout from the next step on, and for initial weights
        as long as there are none.
        """
        return self._seed

    @seed.setter
    def seed(self, value: int) -> None:
        seed = checks.seed(value)
        if self._network_or_none is not None:
            self._network_or_none.seed = seed
        self._seed = seed

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
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
        if index is not None:
            count = len(self._layers)
            place = checks.integer(
                "get_layer: index", index, -count, count - 1, wanted=f"0 to {count - 1}"
            )
            return self._layers[place]
        for layer in self._all_layers():
            if layer.name == name:
                return layer
        known = ", ".join(str(layer.name) for layer in self._all_layers())
        raise ValueError(f"get_layer: unknown layer {checks.shown(name)}; known: {known}")

    @property
    def trainable(self) -> bool:
        """Whether any layer's weights are changed by training; setting it sets all layers."""
        return any(layer.trainable for layer in self._layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._layers:
            layer.trainable = value

    # The network ----------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether the parameters exist."""
        return self._network_or_none is not None

    @property
    def _inputs(self) -> int:
        """Elements of a row of x."""
        if self._input_row is None:
            raise RuntimeError("the model does not know its number of inputs yet")
        return math.prod(self._input_row)

    @property
    def _outputs(self) -> int:
        """Elements of a row of the outputs."""
        if self._output_row is None:
            raise RuntimeError("the model does not know its number of inputs yet")
        return math.prod(self._output_row)

    def _shaped(self, outputs: Array) -> Array:
        """Outputs of the core (rows, elements) as the model's last layer shapes them."""
        row = self._output_row
        return outputs if row is None or len(row) == 1 else outputs.reshape(-1, *row)

    @property
    def _network(self) -> Network:
        """The core's network; built by the first call that needs it."""
        if self._network_or_none is None:
            self._build_network()
        assert self._network_or_none is not None
        return self._network_or_none

    def _reserved(self, reading: bool = False) -> core.Reservation:
        """For calls and views of the network that belong together: until the block ends, other
        threads' calls are refused. `reading`: a metric or an activation may do so, too."""
        return self._network.reserved(reading)

    def _build_network(self) -> None:
        """Make the network, and give its parameters their initial values."""
        self._make_network()
        self._initialize_parameters(self.seed)
        self._network_changed()

    def _make_network(self) -> None:
        """Make the network; its parameters are still to be filled, see `_network_changed`."""
        plan = self._plan()
        network = DTYPES[self.dtype].Network(self._inputs, plan.specs)
        network.seed = self.seed
        for index, function in plan.functions.items():
            network.set_function(index, function.function, function.derivative)
        for layer in self._all_layers():
            layer._build(network)
        self._network_or_none = network

    def _initialize_parameters(self, seed: int) -> None:
        dense = 0
        for layer in self._all_layers():
            layer._initialize(seed, dense)
            dense += isinstance(layer, Dense)

    def _forget_network(self) -> None:
        """Let go of the network: other layers need another one."""
        self._network_or_none = None
        self._network_changed()
        for layer in self._all_layers():
            layer._forget()

    def _network_changed(self) -> None:
        """Called when there is a network whose parameters have values, when its compilation is to
        be renewed, and when there is no network any more."""
        for name in list(self._bound):
            self._bind(name, None)

    def _bind(self, name: str, method: Callable[..., Any] | None) -> None:
        """Let a method of the core stand in for the class's of that name; None ends that.

        `vars` because an instance's attribute is found before the class's method.
        """
        self._bound.discard(name)
        vars(self).pop(name, None)
        if method is not None:
            vars(self)[name] = method
            self._bound.add(name)

    # Parameters -----------------------------------------------------------------------------------

    @property
    def parameters(self) -> Array:
        """All parameters as one flat view (count,): per layer kernel (in, out), then bias.

        Training, and setting or loading weights, leave no subnormal numbers in it: those below
        the smallest normal one of the dtype become 0, because processors are slow with them.
        """
        return self._network.parameters

    @parameters.setter
    def parameters(self, values: Any) -> None:  # also `model.parameters -= ...`
        found = np.asarray(values)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"parameters: found {checks.shown(values)}, wanted real numbers")
        own = self._network.parameters
        if found.ndim > 0 and found.shape != own.shape:
            raise ValueError(f"parameters: found shape {found.shape}, wanted {own.shape}")
        with self._reserved():
            own[...] = found
            flush_subnormals(own)

    @property
    def gradients(self) -> Array:
        """∂C/∂parameters of the last `backward` or `train_on_batch`, flat, in the same order.

        A view. After `fit` they are not defined: with plain SGD it keeps none. Those of layers
        that are not trainable are 0.
        """
        return self._network.gradients

    @gradients.setter
    def gradients(self, values: Any) -> None:
        with self._reserved():
            self._network.gradients[...] = values

    def count_params(self) -> int:
        """Number of weights, with those that no gradient changes."""
        self._network  # noqa: B018 - builds
        return sum(layer.count_params() for layer in self._layers)

    @property
    def weights(self) -> list[Array]:
        """All weights as views, in Keras's order."""
        self._network  # noqa: B018 - builds
        return [array for layer in self._layers for array in layer.weights]

    @property
    def trainable_weights(self) -> list[Array]:
        """The weights that training changes by their gradient, as views."""
        self._network  # noqa: B018 - builds
        return [array for layer in self._layers for array in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Array]:
        """The weights that no gradient changes, as views."""
        trained = {id(array) for array in self.trainable_weights}
        return [array for array in self.weights if id(array) not in trained]

    @property
    def variables(self) -> list[Array]:
        """As `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Array]:
        """As `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Array]:
        """As `non_trainable_weights`."""
        return self.non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of all weights in Keras's order and shapes: kernel (in, out), bias (out,), …"""
        with self._reserved(reading=True):
            return [array.copy() for array in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights, in the order of `get_weights`; nothing changes when one does not fit.

        Raises
        ------
        ValueError, TypeError
            Another number of arrays, another shape, or something that is not real numbers.
        """
        with self._reserved():
            assign(self.weights, weights)

    def _parameter_tensors(self) -> dict[str, Array]:
        """Every weight array by its name in a model file, as views."""
        return {
            f"layers.{index}.{name}": array
            for index, layer in enumerate(self._layers)
            for name, array in layer._named_weights().items()
        }

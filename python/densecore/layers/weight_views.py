"""The weights of a layer: views of the arrays of its model's network."""

import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, cast

from .._base import checks
from .._base.dtypes import Array, Network, floatx
from .._base.keras_arrays import named
from ..config import DTypePolicy
from .eager import build_alone
from .in_core import InCore
from .symbols import Node

if TYPE_CHECKING:  # whose module imports this one
    from .base import Layer

#: The parameters, gradients and states of a layer, by their names.
Views = tuple[dict[str, Array], dict[str, Array], dict[str, Array]]


class WeightViews(InCore):
    """What a layer knows of its weights, before and after it belongs to a network."""

    #: Whether its arrays are weights as a user counts them.
    _shows_weights: ClassVar[bool] = True

    _trainable: bool
    _views: Views | None  # None: there are no weights yet
    _network: Network | None
    _core_indices: list[int]  # of the network's layers with these weights
    _nodes: list[Node]  # the calls with symbols
    _model: weakref.ref[Any] | None  # that has the layer; see models/loans.py

    @property
    def built(self) -> bool:
        """Whether the layer belongs to a model whose number of inputs is known."""
        return self._network is not None

    @property
    def dtype(self) -> str:
        """The model's dtype; before there is one, ``backend.floatx()``."""
        return floatx() if self._network is None else str(self._network.parameters.dtype)

    compute_dtype = variable_dtype = dtype

    @property
    def dtype_policy(self) -> DTypePolicy:
        """The dtype under Keras's name for it."""
        return DTypePolicy(self.dtype)

    #: What a layer of one's own says of its inputs.
    input_spec: Any = None

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights, from the next step on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = checks.flag("trainable", value)
        if self._network is not None:
            for index in self._core_indices:
                self._network.set_trainable(index, self._trainable)

    @property
    def _core_index(self) -> int | None:
        """The number of the network's layer that has these weights."""
        return self._core_indices[0] if self._core_indices else None

    def _built_views(self) -> Views:
        model = None if self._model is None else self._model()
        if self._views is None and model is not None and model._known_inputs and not model.built:
            model.build()  # as Keras, which builds a model when its inputs are known
        if self._views is None and self._nodes:  # as Keras's layers have after a call
            build_alone(cast("Layer", self), self._nodes[0].inputs[0].row)
        if self._views is None:
            raise RuntimeError(
                f"layer {self.name or type(self).__name__.lower()} has no parameters yet: its "
                "model does not know its number of inputs (start with Input, call build, or fit "
                "first)"
            )
        return self._views

    def _parameter(self, name: str) -> Array | None:
        return self._built_views()[0].get(name)

    def _gradient(self, name: str) -> Array | None:
        return self._built_views()[1].get(name)

    def _state(self, name: str) -> Array:
        return self._built_views()[2][name]

    def _named_weights(self) -> dict[str, Array]:
        """All arrays as views, in Keras's order: parameters, then what no gradient changes."""
        if not (self.parameter_names or self.state_names):
            return {}
        parameters, _, states = self._built_views()
        return {**parameters, **states}

    @property
    def weights(self) -> list[Array]:
        """All weights, as views, in Keras's order."""
        if not self._shows_weights:
            return []
        return list(self._named_weights().values())

    @property
    def trainable_weights(self) -> list[Array]:
        """The weights that training changes by their gradient, as views."""
        if not (self._trainable and self.parameter_names):
            return []
        return list(self._built_views()[0].values())

    def count_params(self) -> int:
        """Number of weights of all kinds."""
        return sum(int(array.size) for array in self.weights)

    def _reserved(self, reading: bool = False) -> AbstractContextManager[Any]:
        """Until the block ends, other threads cannot use the model; see the core's `reserved`."""
        return nullcontext() if self._network is None else self._network.reserved(reading)

    # What the model calls ----------------------------------------------------------------------

    def _build(self, network: Network, places: list[int]) -> None:
        """Become a view of the network's layers of these numbers."""
        self._network = network
        self._core_indices = places
        if places:
            parameters, gradients, states = self._views_in(network, places[0])
            self._views = (
                named(parameters, self.name),
                gradients,
                named(states, self.name, trainable=False),
            )

    def _views_in(self, network: Network, place: int) -> Views:
        """The parameters, gradients and states of the network's layer of a number."""
        return network.layer_views(place)

    def _forget(self) -> None:
        """The model's parameters are to be made anew: views of the old ones would mislead."""
        self._views = None
        self._network = None

    def _initialize(self, seed: int, number: int) -> None:
        """Give the weights their initial values; `number` counts the dense layers."""

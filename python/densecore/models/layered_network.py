"""The network of the core that a model's layers become."""

import math
import weakref
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._autodiff.derive import derive
from .._base import checks, core, seeds
from .._base.dtypes import DTYPES, Array, Network, check_dtype
from .._base.subnormals import flush_subnormals
from ..layers import Dense, Layer, assign
from ..layers.lowering import Source
from ..regularizers import FunctionRegularizer
from .architecture import Architecture
from .loans import Loan, check_shapes, copy_back, copy_in, lender, views_in, weights_of


class Penalised(NamedTuple):
    """An array of weights with a regularizer that is a Python function, and its gradient."""

    array: Array
    gradient: Array
    layer: Layer
    regularizer: FunctionRegularizer


class LayeredNetwork(Architecture):
    """Layers over one flat buffer of parameters, which the core computes with."""

    #: Attributes that a pickle does not hold as they are: the network's views, and what is made of
    #: other entries.
    _not_pickled: ClassVar[frozenset[str]] = frozenset(
        {
            "_layers",
            "_network_or_none",
            "_bound",
            "_constrained",
            "_penalised",
            "_loans",
            "_ends",
            "_places",
            "_fresh",
            "_kept",
            "_nested",
            "_sharing",
        }
    )

    def __init__(self, dtype: str | None, seed: int | None, name: str | None) -> None:
        super().__init__(name)
        self._dtype = np.dtype(check_dtype(dtype))
        self._takes_dtype = dtype is None  # of layers that have weights already
        self._seed = seeds.fresh() if seed is None else checks.seed(seed)
        self._seed_given = seed is not None
        self._network_or_none: Network | None = None
        self._bound: set[str] = set()  # methods that are the core's own
        self._loans: list[Loan] = []  # the layers whose weights another model owns
        self._ends: dict[Layer, Source] = {}  # each layer's output in the core
        self._places: dict[Layer, list[int]] = {}
        self._constrained: list[tuple[Array, Layer, Any]] = []  # views, with their constraints
        self._penalised: list[Penalised] = []
        self._fresh: list[Layer] = []  # the layers that got their first weights in this network
        self._kept: list[tuple[Layer, list[Array]]] = []  # weights of layers that had some before

    # The network ----------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``."""
        return self._dtype.name

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

    def _like_x(self, gradient: Array) -> Any:
        """The gradient by x, in the shape of x."""
        row = self._input_row
        return gradient if row is None else gradient.reshape(-1, *row)

    @property
    def _network(self) -> Network:
        """The core's network; built by the first call that needs it, with the weights as they are
        where another model owns them."""
        if self._network_or_none is None:
            self._build_network()
        assert self._network_or_none is not None
        if self._loans:
            copy_in(self._network_or_none, self._loans)
        return self._network_or_none

    def _constrain(self) -> None:
        """After a step of training: constraints hold. Once for each, as in Keras: a second time may
        change weights again (`MinMaxNorm` with a rate below 1)."""
        for array, layer, constraint in self._constrained:
            if layer.trainable:
                array[...] = constraint(array.copy())
                flush_subnormals(array)
        self._give_back()

    def _give_back(self) -> None:
        """After a call that changes weights or averages: those of other models' layers are theirs,
        too."""
        if self._loans:
            copy_back(self._loans)

    def _refuse_own_penalties(self, what: str) -> None:
        """Raise TypeError for regularizers that are functions, which `what` would leave out."""
        for layer in dict.fromkeys(self._all_layers()):
            for value in vars(layer).values():
                if isinstance(value, FunctionRegularizer):
                    raise TypeError(
                        f"{what}: found a regularizer of the layer {layer.name} that is a Python "
                        "function, wanted one of l1 and l2"
                    )

    def _own_penalty(self, with_gradients: bool = False) -> float:
        """The sum of regularizers that are functions; their gradients are added to the weights'."""
        total = 0.0
        for part in self._penalised:
            value, back = derive(part.regularizer, part.array.astype(np.float64))
            total += float(value)
            if with_gradients and part.layer.trainable:
                part.gradient[...] += back(np.ones(np.shape(value)))
        return total

    def _reserved(self, reading: bool = False) -> core.Reservation:
        """For calls and views of the network that belong together: until the block ends, other
        threads' calls are refused. `reading`: a metric or an activation may do so, too."""
        return self._network.reserved(reading)

    def _build_network(self) -> None:
        """Make the network, and give its parameters their initial values."""
        self._make_network()
        self._initialize_parameters(self.seed)
        self._network_changed()

    def _make_network(self, isa: str | None = None) -> None:
        """Make the network; its parameters are still to be filled, see `_network_changed`.

        Raises
        ------
        ValueError
            A layer has weights of another shape; nothing has changed then.
        """
        if self._takes_dtype:
            arrays = [a for layer in self._all_layers() for a in weights_of(layer).values()]
            dtypes = {array.dtype for array in arrays}
            self._dtype = dtypes.pop() if len(dtypes) == 1 else self._dtype
        plan = self._plan()
        network = DTYPES[self.dtype].Network(self._inputs, plan.specs, isa)
        network.seed = self.seed
        for index, function in plan.functions.items():
            network.set_function(index, function.function, function.derivative)
        for layer, places in plan.places.items():
            check_shapes(layer, network, places)
        layers = list(dict.fromkeys(self._all_layers()))
        self._network_or_none, self._ends, self._places = network, plan.ends, plan.places
        last = plan.specs[-1]
        given = last.get("activations", [(last.get("activation", "linear"), [])])
        self._last_activations = [name for name, _ in given]
        self._loans, self._fresh = [], []
        self._penalised = [
            Penalised(array, network.layer_views(places[0])[1][name], layer, penalty)
            for layer, places in plan.places.items()
            for name, array in network.layer_views(places[0])[0].items()
            if isinstance(
                penalty := getattr(layer, f"{name}_regularizer", None), FunctionRegularizer
            )
        ]
        self._constrained = [
            (views_in(layer, network, places)[name], layer, constraint)
            for layer, places in plan.places.items()
            for name, constraint in layer._constraints.items()
            if name in views_in(layer, network, places)
        ]
        if lender(self, layers) is not None:
            self._lend()
            return
        for layer in layers:
            had, before = layer.built, None if layer._model is None else layer._model()
            if had and (weights := weights_of(layer)):
                self._kept.append((layer, [array.copy() for array in weights.values()]))
            if not had:
                self._fresh.append(layer)
            layer._model = weakref.ref(self)
            layer._build(network, plan.places.get(layer, []))
            if before is not None and before is not self:
                before._lend()

    def _lend(self) -> None:
        """Find out which layers' weights another model owns."""
        network = self._network_or_none
        if network is None:
            return
        direct = not self._loans
        self._loans = [
            Loan(layer, places, views_in(layer, network, places), [])
            for layer, places in self._places.items()
            if layer._network is not network and layer._network is not None
        ]
        if self._loans and direct:
            self._unbind_all()  # no call goes straight to the core

    def _initialize_parameters(self, seed: int) -> None:
        lent = {loan.layer for loan in self._loans}
        dense = 0
        for layer in dict.fromkeys(self._all_layers()):
            if layer not in lent:
                layer._initialize(seed, dense)
            dense += isinstance(layer, Dense)
        for layer, values in self._kept:
            assign(list(weights_of(layer).values()), values)
        self._kept = []

    def _forget_network(self) -> None:
        """Let go of the network, and of the weights that are no older than it is."""
        network, fresh = self._network_or_none, self._fresh
        self._drop_network()
        for layer in self._all_layers():
            if layer in fresh or (network is not None and layer._network is None):
                layer._forget()

    def _drop_network(self) -> None:
        """Let go of the network: other layers need another one. Those that are there keep their
        weights, as views of the old one, until they get new ones."""
        self._network_or_none = None
        self._loans, self._ends, self._places, self._fresh = [], {}, {}, []
        self._constrained, self._penalised = [], []
        self._network_changed()

    def _network_changed(self) -> None:
        """Called when a network has been made and its parameters have values, when the settings
        that it is compiled with have changed, and when there is no network any more."""
        self._unbind_all()

    def _unbind_all(self) -> None:
        for name in list(self._bound):
            self._bind(name, None)

    def _bind(self, name: str, method: Callable[..., Any] | None) -> None:
        """Let a method of the core replace the class's of that name; None undoes that.

        `vars` because an instance's attribute is found before the class's method.
        """
        self._bound.discard(name)
        vars(self).pop(name, None)
        if method is not None:
            vars(self)[name] = method
            self._bound.add(name)

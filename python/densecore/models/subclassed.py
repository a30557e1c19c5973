"""Custom models: a class with a method `call`, which becomes a graph of layers."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .. import optimizers
from .._base import checks
from .._base.dtypes import Array
from .._base.locks import describing
from .._data.batches import are_batches
from .._data.structures import leaves, mapped, packed
from ..layers import Input, Layer
from ..layers.form import Form
from ..layers.lowering import Plan, Row, Source
from ..layers.symbols import Symbol
from ..layers.user_class import UserClass
from ..layers.weight import carried
from .model import Model
from .nesting import KINDS, as_seen
from .own_files import OwnClassFiles
from .own_inputs import inputs_of_data, inputs_of_shapes
from .summary import parts_table


class Subclassed(UserClass, OwnClassFiles):
    """The base class that a class derived from `Model`, with a method `call`, gets.

    `call` is not run with data: it is called once with symbols, as soon as the shapes of the inputs
    are known, by `build` or by the first data. What it makes of them is the model's graph, which
    the core computes and trains. It may do what the `call` of a custom layer may.

    Parameters
    ----------
    name : str, optional
        By default the class's name.
    dtype, seed, trainable
        As for `Functional`.

    Attributes
    ----------
    layers : list of Layer and Model
        Those that are attributes, also within lists and dictionaries, in their order.
    """

    _no_parts: ClassVar[frozenset[str]] = UserClass._no_parts | {
        "_constrained", "_ends", "_fresh", "_given", "_given_compilation", "_graph", "_kept",
        "_layers", "_loans", "_nested", "_places",
    }  # fmt: skip
    _as_called = True
    _graph: Any = None  # until the inputs are known
    _symbols: list[Symbol] = []  # noqa: RUF012 - nothing writes to these
    _output_symbols: list[Symbol] = []  # noqa: RUF012
    _given: list[Input] = []  # noqa: RUF012
    _had_build = False
    _within_build = False

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: str | None = None,
        seed: int | None = None,
        trainable: bool = True,
        **others: Any,
    ) -> None:
        for key in others:
            raise TypeError(
                f"class {type(self).__name__}: found the argument {key}, wanted name, dtype, seed "
                "or trainable: a model with a method call has no inputs and outputs of its own"
            )
        dtype = getattr(dtype, "name", dtype)
        Model.__init__(self, dtype, seed, None if name is None else checks.text("name", name))
        self._given_compilation: Any = None
        if not trainable:
            self.trainable = False

    @staticmethod
    def _name_of(kind: type) -> str:
        """The name of a class's models that have none of their own."""
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__)
        return snake.lower().strip("_") or "model"

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        cls._default_name = cls._name_of(cls)

    # Layers and weights ---------------------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        return [as_seen(layer) for layer in self._sublayers()]

    @property
    def trainable(self) -> bool:
        layers = self._sublayers()
        return not layers or any(layer.trainable for layer in layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in [*self._sublayers(), *self._layers]:
            layer.trainable = value

    @property
    def built(self) -> bool:
        """Whether the parameters exist."""
        return self._network_or_none is not None

    @built.setter
    def built(self, value: bool) -> None:
        """Keras's older `build` ends with it."""

    def _in_order(self, layers: list[Layer]) -> list[Layer]:
        """The layers with weights of the model's own, then those that are attributes."""
        own = {weight: place for place, weight in enumerate(self._own_weights())}
        carriers = [layer for layer in layers if own.keys() & set(carried(layer).values())]
        carriers.sort(key=lambda layer: min(own[w] for w in carried(layer).values() if w in own))
        attributes = [layer for layer in self._sublayers() if layer in layers]
        return list(dict.fromkeys([*carriers, *attributes, *layers]))

    @property
    def weights(self) -> list[Array]:
        held = [weight.value for weight in self._own_weights() if weight.held]
        return [*held, *super().weights] if self._graph is not None else held

    @property
    def trainable_weights(self) -> list[Array]:
        return super().trainable_weights if self._graph is not None else []

    def _parameter_tensors(self) -> dict[str, Array]:
        held = {
            f"own.{number}:{weight.name}": np.asarray(weight.value)
            for number, weight in enumerate(self._own_weights())
            if weight.held
        }
        return {**super()._parameter_tensors(), **held}

    def _tensor_shapes(self) -> tuple[dict[str, tuple[int, ...]], int]:
        shapes, count = super()._tensor_shapes()
        for number, weight in enumerate(self._own_weights()):
            if weight.held:
                shapes[f"own.{number}:{weight.name}"] = weight.shape
        return shapes, count

    def _make_network(self, isa: str | None = None) -> None:
        super()._make_network(isa)
        for weight in self._own_weights():
            if weight.held:
                weight.hold(self._dtype)

    # The graph ------------------------------------------------------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Call `call` with symbols, and make and initialise the parameters.

        Parameters
        ----------
        input_shape : tuple, or a list or dictionary of them, optional
            Of each input, with the rows first: (None, features).

        Raises
        ------
        ValueError, TypeError
            Another shape than before, or something in `call` that no graph can hold.
        """
        if self._within_build:  # by a `build` of the user's
            return
        if input_shape is not None and not isinstance(input_shape, list | tuple | Mapping):
            input_shape = (None, input_shape)
        if input_shape is not None:
            self._had_build = True
            self._describe(inputs_of_shapes(input_shape))
        if self._network_or_none is None:
            self._build_network()

    def _describe(self, given: Any) -> None:
        """Make the graph, for symbols in the structure of the inputs."""
        with describing:
            self._describe_alone(given)

    def _describe_alone(self, given: Any) -> None:
        symbols = leaves(given)
        if self._graph is not None:
            if [symbol.row for symbol in symbols] != self._input_rows:
                raise ValueError(
                    f"model {self.name}: found rows of shapes {[s.row for s in symbols]}, wanted "
                    f"{self._input_rows}"
                )
            return
        form = Form(mapped(lambda _: 0, given))
        if not self._had_build and type(self).build is not Subclassed.build:
            self._had_build, self._within_build = True, True
            try:
                self._build_by_user(form, symbols)
            except BaseException:
                self._had_build = False
                raise
            finally:
                self._within_build = False
        body = self._described(self.call, symbols, form, own_weights=True)
        self._added_terms = body.added
        try:
            self._set_graph(given, packed(body.structure, body.outputs))
        except BaseException:
            self._forget_graph()
            raise
        self._finish_compilation()

    def _forget_graph(self) -> None:
        self._graph, self._symbols, self._output_symbols, self._given = None, [], [], []
        self._layers, self._added_terms = [], []

    def _take_inputs_of(self, x: Any) -> None:
        self._describe(inputs_of_data(x))

    def _forget_inputs(self) -> None:
        self._forget_network()
        self._forget_graph()

    def _plan(self) -> Plan:
        if self._graph is None:
            raise RuntimeError(
                f"model {self.name}: it does not know its inputs: call build((None, features)), or "
                "fit, predict or the model itself with data"
            )
        return super()._plan()

    # Before there is a graph, there is not much to tell.

    @property
    def _input_row(self) -> Row | None:  # type: ignore[override]
        return None if self._graph is None else super()._input_row

    @property
    def _output_row(self) -> Row | None:  # type: ignore[override]
        return None if self._graph is None else super()._output_row

    @property
    def _head_names(self) -> list[str]:
        return [] if self._graph is None else super()._head_names

    @property
    def _parts(self) -> tuple[int, int]:
        return (1, 1) if self._graph is None else super()._parts

    @property
    def _is_stack(self) -> bool:
        return False

    @property
    def _adds_to_loss(self) -> bool:
        return self._graph is None or super()._adds_to_loss  # the first data will show it

    def _connect(self) -> tuple[list[Symbol], list[Symbol]]:
        if self._graph is None:
            raise RuntimeError(
                f"model {self.name}: it has no inputs and outputs yet, wanted a call of "
                "build((None, features)), or of the model with data, before"
            )
        return super()._connect()

    @property
    def input(self) -> Any:
        self._connect()
        return super().input

    @property
    def output(self) -> Any:
        self._connect()
        return super().output

    # As a layer of other models -------------------------------------------------------------------

    def _ordered_inputs(self, inputs: Any) -> list[Any]:
        if self._graph is None:
            self._describe(mapped(lambda symbol: Input(symbol.row), inputs))
        return super()._ordered_inputs(inputs)

    def _rows_through(self, rows: list[Row]) -> list[Row]:
        if self._graph is None:
            inputs = [Input(row) for row in rows]
            self._describe(inputs[0] if len(inputs) == 1 else inputs)
        return super()._rows_through(rows)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        self._rows_through([source.row for source in sources])
        return super()._lower(plan, sources)

    # Compilation ----------------------------------------------------------------------------------

    def compile(self, optimizer: Any = "adam", loss: Any = None, *given: Any, **named: Any) -> None:
        """As `Model.compile`.

        The losses and metrics of several outputs are checked with the first data, unless the inputs
        are known before.
        """
        optimizer = optimizers.get(optimizer)
        if self._graph is None:
            self._given_compilation = (optimizer, loss, given, named)
            if isinstance(loss, list | tuple | Mapping):
                super().compile(optimizer, "mse")  # in place of those of outputs
                return
            try:
                super().compile(optimizer, loss, *given, **named)
            except (TypeError, ValueError):
                if not {"metrics", "weighted_metrics", "loss_weights"} & named.keys():
                    raise
                super().compile(optimizer, loss)  # they may be those of several outputs
            return
        super().compile(optimizer, loss, *given, **named)

    def _finish_compilation(self) -> None:
        """Compile as was asked for before the outputs were known."""
        if self._given_compilation is None:
            return
        optimizer, loss, given, named = self._given_compilation
        super().compile(optimizer, loss, *given, **named)
        self._given_compilation = None

    def evaluate(self, x: Any = None, *given: Any, **named: Any) -> Any:
        """As `Model.evaluate`."""
        new = self._graph is None and x is not None and not are_batches(x)
        try:
            if new:
                self._build_for(x)
            return super().evaluate(x, *given, **named)
        except (TypeError, ValueError):
            if new:  # data that were refused do not decide what the model is
                self._forget_inputs()
            raise

    # Display --------------------------------------------------------------------------------------

    def _summary_text(self, length: int) -> str:
        first: dict[Layer, Any] = {}
        for node in [] if self._graph is None else self._graph.nodes:
            first.setdefault(node.layer, node)
        layers = self._sublayers()
        carriers = [layer for layer in self._layers if carried(layer)]
        return parts_table(self.name, self.dtype, layers, first, carriers, length)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


KINDS["Subclassed"] = Subclassed

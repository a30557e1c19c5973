"""Sequential: layers one after another."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._data.arrays import single
from .._data.row_sources import Rows, as_rows
from .._data.structures import leaves
from ..layers import Dense, Input, Layer
from ..layers.lowering import Plan, Row, Source
from ..layers.symbols import Symbol, connect
from .architecture import MAX_LAYERS
from .loans import adopt, release, weights_of
from .model import Model
from .names import Names
from .nesting import KINDS, Nested, as_layer, as_seen, layer_of
from .summary import table

AnyLayer = Input | Layer | Model


class Sequential(Model):
    """A feed-forward network: layers one after another.

    Parameters
    ----------
    layers : sequence of Input and Layer, optional
        ``Input`` may stand first; without it the number of inputs is that of the first data.
    dtype : {"float32", "float64"}, optional
        Of parameters and computations; by default ``backend.floatx()``, which is "float32".
    seed : int, optional
        Fixes initial weights and shuffles. By default a fresh one is drawn, to be found in
        ``model.seed``.
    name : str, optional
        By default "sequential".

    Attributes
    ----------
    layers : list of Layer
    metadata : dict
        Yours: anything that JSON can hold is saved with the model and restored by ``load_model``.
    optimizer, loss
        As compiled; None before. The optimizer's settings may be changed at any time.
    history : History or None
        Of the last call of ``fit``.
    stop_training : bool
        True, set by a callback or anything else, ends ``fit`` after the current epoch.

    Raises
    ------
    ValueError, TypeError
        Something that is not a layer, one that belongs to another model, or a name that occurs
        twice. The layers are then free for another model.

    Examples
    --------
    >>> import densecore as dc
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
    >>> model.count_params()
    49
    """

    _not_pickled: ClassVar[frozenset[str]] = Model._not_pickled | {
        "_input",
        "_calls",
        "_likely_input",
    }
    _default_name = "sequential"
    _input: Input | None = None
    #: Of a stack that does not say its inputs: those of another model that its first layer is in.
    _likely_input: Input | None = None
    _calls: tuple[list[Layer], list[Symbol]] | None = None  # of the layers, with symbols

    def __init__(
        self,
        layers: Sequence[AnyLayer] | None = None,
        *,
        dtype: str | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(dtype, seed, name)
        try:
            if layers is not None and not isinstance(layers, Iterable):
                raise TypeError(f"layers: found {checks.shown(layers)}, wanted a list of layers")
            for layer in layers or ():
                self._append(layer)
            if self._input is not None and self._layers:
                self.build()
        except BaseException:
            # Layers that did not become a model are free for another one.
            for layer in self._all_layers():
                release(self, layer)
            raise

    # Layers ---------------------------------------------------------------------------------------

    def add(self, layer: AnyLayer) -> None:
        """Append a layer; the others keep their weights.

        A model that starts with ``Input`` gets its parameters at the first call that needs them. A
        compiled one stays compiled, and forgets what its optimizer has accumulated.

        Raises
        ------
        ValueError, TypeError
            It is not a layer, it belongs to a model already, or its name or place is taken.
        RuntimeError
            A callback of the model's own `fit` calls it, which trains the layers it began with.
        """
        self._refuse_within_fit("add")
        self._append(layer)
        self._drop_network()

    def pop(self) -> Layer:
        """Remove the last layer and return it; the others keep their weights.

        A compiled model stays compiled, and forgets what its optimizer has accumulated.

        Raises
        ------
        RuntimeError
            The model has no layers; or a callback of its own `fit` calls this.
        """
        self._refuse_within_fit("pop")
        if not self._layers:
            raise RuntimeError("pop: the model has no layers")
        layer = self._layers.pop()
        self._drop_network()
        for part in layer._walk():
            release(self, part)
        seen: Layer = as_seen(layer)
        return seen

    def _append(self, layer: AnyLayer) -> None:
        if isinstance(layer, Input):
            if self._input is not None or self._layers:
                raise ValueError("layers: found Input after the first place, wanted it to be first")
            self._input = layer
            return
        layer = as_layer(layer)
        if not isinstance(layer, Layer):
            raise TypeError(
                f"layers: found {type(layer).__name__}, wanted Input or a layer of "
                "densecore.layers (densecore has dense networks only)"
            )
        count = sum(1 for other in (*self._layers, layer) for _ in other._walk())
        if count > MAX_LAYERS:
            raise ValueError(f"layers: found {count}, wanted at most {MAX_LAYERS}")
        names = Names(part for other in self._layers for part in other._named_parts())
        names.check(layer._named_parts())
        given = _given_input(layer, self._input is not None)
        if given is not None:
            if self._layers:
                given = None if isinstance(layer, Nested) or layer._model is not None else given
                if given is not None:
                    raise ValueError("layers: found input_shape after the first layer")
            elif self._input is not None and self._input.dimensions != given.dimensions:
                raise ValueError(
                    f"layers: found input_shape {given.dimensions}, wanted "
                    f"{self._input.dimensions}, as Input"
                )
            else:
                self._input = given if self._input is None else self._input
        if not self._layers and self._input is None:
            self._likely_input = _input_elsewhere(layer)
        names.give(layer._named_parts())
        for part in layer._walk():
            adopt(self, part)
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
            if isinstance(shape, tuple | list):
                if not shape:
                    raise ValueError(f"build: found shape {shape}, wanted (None, features)")
                shape = shape[1:] if len(shape) > 1 else shape
            found = Input(shape)
            if before is not None and before.dimensions != found.dimensions:
                raise ValueError(f"build: found {found}, wanted {before}")
            self._input = found if before is None else before
        try:
            if not self.built:
                self._build_network()
        except BaseException:
            self._input = before
            raise

    # Shapes ---------------------------------------------------------------------------------------

    @property
    def _input_row(self) -> Row | None:
        return None if self._input is None else self._input.dimensions

    @property
    def _output_row(self) -> Row | None:
        end = self._ends.get(self._layers[-1]) if self._layers else None
        # Every prediction asks, which must not go through the layers again.
        return self._row_after_layers() if end is None else end.row

    def _row_after_layers(self) -> Row | None:
        """The shape of a row of the outputs; raises for one that a layer does not take."""
        row = self._input_row
        for layer in self._layers:
            row = layer._output_row(row)
        return row

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, features)."""
        if self._input is None:
            raise RuntimeError("input_shape: the model does not know its number of inputs yet")
        return self._input.shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, units of the last layer)."""
        if not self._layers:
            raise RuntimeError("output_shape: the model has no layers yet")
        row = self._output_row
        if row is None:
            raise RuntimeError("output_shape: the model does not know its number of inputs yet")
        return (None, *row)

    def _take_inputs_of(self, x: Any) -> None:
        if self._input is None:
            shape = np.shape(single(x))
            if not shape:
                raise ValueError(f"x: found shape {shape}, wanted (rows, features)")
            self._input = Input(shape[1:] or 1)  # numbers are rows of one feature

    def _forget_inputs(self) -> None:
        self._input, self._calls = None, None
        self._forget_network()

    def _rows(self, x: Any) -> Rows:
        return as_rows("x", single(x), self._dtype, self._input_row)

    def _plan(self) -> Plan:
        """The layers as layers of the core.

        Raises
        ------
        RuntimeError
            There are no layers, or the number of inputs is not known.
        """
        self._input = self._likely_input if self._input is None else self._input
        if self._input is None:
            raise RuntimeError(
                "the model does not know its number of inputs: start with Input(features) or call "
                "build(features)"
            )
        if not self._layers:
            raise RuntimeError("the model has no layers: add(Dense(units)) first")
        plan = Plan(self._input.dimensions)
        outputs = self._lower(plan, [plan.here])
        if len(outputs) != 1:
            raise ValueError(
                f"layer {self._layers[-1].name}: found {len(outputs)} outputs at the end of a "
                "Sequential, wanted one: Model(inputs, outputs) has several"
            )
        plan.end(outputs[0])
        self._row_after_layers()  # some layers refuse a row there alone
        return plan

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        for layer in self._layers:
            sources = plan.call(layer, sources)
        return sources

    def _connect(self) -> tuple[list[Symbol], list[Symbol]]:
        if self._input is None or not self._layers:
            raise RuntimeError(
                "the model does not know its inputs and outputs yet, wanted Input(features) first, "
                "and layers"
            )
        if self._calls is None or self._calls[0] != self._layers:
            symbol: Any = self._input
            for layer in self._layers:
                symbol = connect(layer, symbol)
            self._calls = (list(self._layers), leaves(symbol))
        return [self._input], self._calls[1]

    def _rows_through(self, rows: list[Row]) -> list[Row]:
        if self._input is not None and rows != [self._input.dimensions]:
            raise ValueError(
                f"model {self.name}: found rows of shape {rows}, wanted {self._input.dimensions}"
            )
        if self._likely_input is None and len(rows) == 1:  # as Keras's, which a call builds
            self._likely_input = Input(rows[0])
        for layer in self._layers:
            rows = layer._output_rows(rows)
        return rows

    def _rows_of_layers(self, row: Row | None) -> list[tuple[Layer, Row]]:
        found = []
        for layer in self._layers:
            assert row is not None
            found.append((layer, row))
            row = layer._output_row(row)
        return found

    # Display and configuration ------------------------------------------------------------------

    def _summary_text(self, length: int) -> str:
        return table(self.name, self.dtype, self._input, self._layers, length)

    def __repr__(self) -> str:
        parts = ([] if self._input is None else [repr(self._input)]) + [
            f"Dense({layer.units}, {layer.activation!r})"
            if isinstance(layer, Dense)
            else f"{type(layer).__name__}(…)"
            for layer in self._layers
        ]
        return f"Sequential([{', '.join(parts)}], dtype={self.dtype!r})"

    def _architecture(self) -> dict[str, Any]:
        inputs: Any = None
        if self._input is not None:
            dimensions = self._input.dimensions
            inputs = dimensions[0] if len(dimensions) == 1 else list(dimensions)
        return {
            "name": self.name,
            "dtype": self.dtype,
            "seed": self.seed,
            "inputs": inputs,
            "layers": [layer.saved() for layer in self._layers],
        }

    @property
    def _known_inputs(self) -> list[Symbol]:
        return [] if self._input is None else [self._input]

    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        if not isinstance(config["layers"], list) or len(config["layers"]) > MAX_LAYERS:
            raise ValueError(f"layers: wanted a list of at most {MAX_LAYERS}")
        if config["inputs"] is not None:
            self._append(Input(config["inputs"]))
        for layer in config["layers"]:
            self._append(as_seen(layer_of(layer, self.dtype)))

    def __getstate__(self) -> dict[str, Any]:
        if self._input is not None and any(layer.built for layer in self._layers):
            self.build()  # so that weights which are there are in the pickle
        return super().__getstate__()


def _given_input(layer: Layer, known: bool) -> Input | None:
    """The input that the first layer of a stack, or the first one in it, says; or, unless it is
    `known`, that of the model that has built the layer."""
    if isinstance(layer, Nested):
        symbols = layer.model._known_inputs
        return Input(symbols[0].row) if len(symbols) == 1 else None
    if layer._given_input is None and not known and weights_of(layer):
        return _input_elsewhere(layer)
    return layer._given_input


def _input_elsewhere(layer: Layer) -> Input | None:
    """The input that a layer has in another model, which has built it."""
    if layer._model is None or isinstance(layer, Nested):
        return None
    model = layer._model()
    built = layer._nodes or (model is not None and model._known_inputs)
    return Input(layer.input.row) if built and layer.input.row else None


KINDS["Sequential"] = Sequential

"""Functional: layers as a graph, described by calls with symbols."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._data.matching import matched
from .._data.row_sources import Rows, as_rows
from .._data.structures import leaves, mapped, packed
from ..layers import Input, Layer
from ..layers.form import from_saved
from ..layers.graph import lower, trace
from ..layers.lowering import Plan, Row, Source, elements
from ..layers.symbols import Node, Symbol, node_of
from .architecture import MAX_LAYERS
from .loans import adopt, release
from .model import Model
from .names import Names, input_names
from .nesting import KINDS, as_seen, layer_of
from .preparation import Preparation
from .side_by_side import apart, fit_places, gradients_joined, joined, places_of, side_by_side
from .summary import graph_table


class Functional(Model):
    """A model of layers that form a graph: what ``Model(inputs, outputs)`` makes.

    Parameters
    ----------
    inputs, outputs
        Symbols, or a list, tuple or dictionary of them, also nested: `Input`, and what layers that
        are called with symbols return. Inputs may be results of layers: the model begins there.
    dtype, seed
        As for `Sequential`.
    name : str, optional
        By default "functional".
    trainable : bool, default True

    Attributes
    ----------
    layers : list of Input, Layer and Model
        In Keras's order, with the inputs.
    input, output
        The symbols as they were given.

    Raises
    ------
    TypeError
        Something that is no symbol.
    ValueError
        An output that needs another input, or a name twice.

    Examples
    --------
    >>> import densecore as dc
    >>> x = dc.Input(4)
    >>> hidden = dc.Dense(8, "tanh")(x)
    >>> model = dc.Model(x, dc.Dense(1)(hidden), seed=0)
    >>> model.count_params()
    49
    """

    _default_name = "functional"
    _as_called: ClassVar[bool] = False  # whether the order of calls is a program's
    _added_terms: list[Any] = []  # noqa: RUF012 - to the loss; nothing writes to this one
    _not_pickled: ClassVar[frozenset[str]] = Model._not_pickled | {
        "_graph",
        "_input_names",
        "_preparation",
        "_symbols",
        "_given",
        "_output_symbols",
        "_input_structure",
        "_output_structure",
        "_input_columns",
        "_output_columns",
    }

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
        seed: int | None = None,
        trainable: bool = True,
    ) -> None:
        if inputs is None and outputs is None:
            raise TypeError(
                f"{type(self).__name__}: found neither inputs and outputs nor a method call in its "
                "class, wanted one of them"
            )
        super().__init__(dtype, seed, None if name is None else checks.text("name", name))
        self._set_graph(inputs, outputs)
        try:
            self._build_network()
        except BaseException:
            for layer in self._all_layers():
                release(self, layer)
            raise
        if not trainable:
            self.trainable = False

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        for what, structure in (("inputs", inputs), ("outputs", outputs)):
            found = leaves(structure)
            if not found:
                raise ValueError(f"{what}: found none, wanted at least one symbol")
            for symbol in found:
                if not isinstance(symbol, Symbol):
                    raise TypeError(
                        f"{what}: found {type(symbol).__name__}, wanted a symbol: Input(...), or "
                        "the result of a layer that is called with one"
                    )
        #: The symbols that the nodes begin and end with, and, for each of the first, an `Input`.
        self._symbols: list[Symbol] = leaves(inputs)
        self._output_symbols: list[Symbol] = leaves(outputs)
        if len({id(symbol) for symbol in self._symbols}) < len(self._symbols):
            raise ValueError("inputs: found one of them twice, wanted each once")
        self._input_structure = mapped(lambda _: 0, inputs)
        self._output_structure = mapped(lambda _: 0, outputs)
        if self._output_structure == [0]:  # as Keras, which returns no list of one
            self._output_structure = 0
        #: Where each vector of a list lies among the columns; empty for other structures. Lists are
        #: what custom loops pass: they are put side by side without a look at names.
        self._output_columns = places_of(self._output_structure, self._output_rows)
        self._graph = trace(self._symbols, self._ends_of_graph, self._as_called)
        self._preparation = Preparation(self._graph, self._symbols, self._output_symbols)
        self._input_columns = (
            [] if self._preparation.nodes else places_of(self._input_structure, self._input_rows)
        )
        self._given = [_as_input(symbol) for symbol in self._symbols]
        self._input_names = input_names(self._given, inputs)
        names = Names()
        names.take(self._given)
        layers = self._in_order(self._graph.layers)
        parts = [part for layer in layers for part in layer._named_parts()]
        names.check(parts)
        names.give(parts)
        self._layers = layers
        for layer in self._all_layers():
            adopt(self, layer)

    @property
    def _adds_to_loss(self) -> bool:
        return bool(self._added_terms) or super()._adds_to_loss

    def _in_order(self, layers: list[Layer]) -> list[Layer]:
        """The layers as `_layers` has them."""
        return layers

    @property
    def _ends_of_graph(self) -> list[Symbol]:
        """The outputs, and the terms that are added to the loss."""
        return [*self._output_symbols, *(term.symbol for term in self._added_terms)]

    # Shapes ---------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Any]:
        """The inputs and the layers, in Keras's order."""
        given = dict(zip(map(id, self._symbols), self._given, strict=True))
        members = self._graph.members
        return [given[id(m)] if id(m) in given else as_seen(m) for m in members]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in their order."""
        return list(self._input_names)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: those of the layers that they come from, each once, or the keys
        of the dictionary that the model was made with."""
        found = packed(self._output_structure, [symbol.name for symbol in self._output_symbols])
        names = list(found) if isinstance(found, Mapping) else leaves(found)
        if len(names) != len(self._output_symbols):
            names = leaves(found)
        unique: list[str] = []
        for name in map(str, names):
            number, base = 0, name
            while name in unique:
                number += 1
                name = f"{base}_{number}"
            unique.append(name)
        return unique

    @property
    def _input_rows(self) -> list[Row]:
        return [symbol.row for symbol in self._symbols]

    @property
    def _output_rows(self) -> list[Row]:
        return [symbol.row for symbol in self._output_symbols]

    @property
    def _input_row(self) -> Row:
        return side_by_side(self._core_rows)

    @property
    def _core_rows(self) -> list[Row]:
        """The shapes of rows of the core's inputs: the model's, or the outputs of its layers of
        preprocessing."""
        return [symbol.row for symbol in self._preparation.symbols]

    @property
    def _output_row(self) -> Row:
        return side_by_side(self._output_rows)

    @property
    def input_shape(self) -> Any:
        """(None, features), or such shapes in the structure of the inputs."""
        return packed(self._input_structure, [symbol.shape for symbol in self._symbols])

    @property
    def output_shape(self) -> Any:
        """(None, units), or such shapes in the structure of the outputs."""
        return packed(self._output_structure, [symbol.shape for symbol in self._output_symbols])

    @property
    def input(self) -> Any:
        """The symbols of the inputs, as the model was made of them."""
        return packed(self._input_structure, list(self._symbols))

    @property
    def output(self) -> Any:
        """The symbols of the outputs, as the model was made of them."""
        return packed(self._output_structure, list(self._output_symbols))

    def _connect(self) -> tuple[list[Symbol], list[Symbol]]:
        return self._symbols, self._output_symbols

    @property
    def _known_inputs(self) -> list[Symbol]:
        return self._symbols

    def _take_inputs_of(self, x: Any) -> None:
        """Nothing: they are known."""

    def _forget_inputs(self) -> None:
        """Nothing: they do not depend on data."""

    def build(self, input_shape: Any = None) -> None:
        """Nothing, whatever `input_shape` says: a functional model is built when it is made."""

    def _rows_through(self, rows: list[Row]) -> list[Row]:
        if rows != self._input_rows:
            raise ValueError(
                f"model {self.name}: found rows of shapes {rows}, wanted {self._input_rows}"
            )
        return self._output_rows

    def _rows_of_layers(self, row: Row | None) -> list[tuple[Layer, Row]]:
        first: dict[Layer, Row] = {}
        for node in self._graph.nodes:
            first.setdefault(node.layer, node.inputs[0].row)
        return [(layer, first[layer]) for layer in self._layers]

    @property
    def _is_stack(self) -> bool:
        """Whether each layer takes the output of the layer before it, and nothing else."""
        before: list[Symbol] = self._symbols
        for node in self._graph.nodes:
            if len(before) != 1 or [id(symbol) for symbol in node.inputs] != [id(before[0])]:
                return False
            before = node.outputs
        return list(map(id, before)) == list(map(id, self._output_symbols))

    # Data -----------------------------------------------------------------------------------------

    def _rows(self, x: Any) -> Rows:
        if fit_places(x, self._input_columns, self._dtype):
            return np.concatenate(x, axis=1)
        parts = matched("x", x, self._input_structure, self.input_names)
        names, rows = self.input_names, self._core_rows
        if self._preparation.nodes:
            parts = self._preparation.compute(names, parts)
            names = [str(symbol.name) for symbol in self._preparation.symbols]
        if len(parts) == 1:
            return as_rows("x", parts[0], self._dtype, rows[0])
        return joined(names, parts, self._dtype, rows)

    @property
    def _head_names(self) -> list[str]:
        return self.output_names

    @property
    def _head_outputs(self) -> list[int]:
        return [elements(row) for row in self._output_rows]

    @property
    def _parts(self) -> tuple[int, int]:
        inputs = 2 if self._preparation.nodes else len(self._symbols)  # one is taken as it is
        return inputs, len(self._output_symbols)

    def _gradient_of(self, grad_output: Any) -> Any:
        if len(self._output_symbols) == 1:
            return super()._gradient_of(grad_output)
        if fit_places(grad_output, self._output_columns, self._dtype):
            return np.concatenate(grad_output, axis=1)
        parts = matched("grad_output", grad_output, self._output_structure, self.output_names)
        return gradients_joined(self.output_names, parts, self._head_outputs, self._dtype)

    def _like_x(self, gradient: Array) -> Any:
        if self._preparation.nodes:
            raise TypeError(
                "found a gradient by x of a model with layers of preprocessing, wanted none: they "
                "have no derivative"
            )
        if self._input_columns:
            return [gradient[:, place] for place in self._input_columns]
        if len(self._symbols) == 1:
            return super()._like_x(gradient)
        return packed(self._input_structure, apart(gradient, self._input_rows))

    def _ordered_inputs(self, inputs: Any) -> list[Any]:
        return matched("inputs", inputs, self._input_structure, self.input_names)

    def _shaped(self, outputs: Array) -> Any:
        """Outputs of the core (rows, elements), apart and in the structure of the outputs."""
        if self._output_columns:
            return [outputs[:, place] for place in self._output_columns]
        if len(self._output_symbols) == 1:
            return packed(self._output_structure, [super()._shaped(outputs)])
        return packed(self._output_structure, apart(outputs, self._output_rows))

    # The core -------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        plan = Plan(self._input_row)
        sources, begin = [], 0
        for row in self._core_rows:
            sources.append(Source(-1, begin, row))
            begin += elements(row)
        nodes, symbols = self._core_nodes(), self._preparation.symbols
        outputs = self._with_terms(plan, lower(plan, nodes, symbols, self._ends_of_graph, sources))
        if len(outputs) > 1:
            plan.heads(outputs)
        else:
            plan.end(outputs[0])
        return plan

    def _core_nodes(self) -> list[Node]:
        done = {id(node) for node in self._preparation.nodes}
        return [node for node in self._graph.nodes if id(node) not in done]

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        ends = lower(plan, self._graph.nodes, self._symbols, self._ends_of_graph, sources)
        return self._with_terms(plan, ends)

    def _with_terms(self, plan: Plan, ends: list[Source]) -> list[Source]:
        """The sources of the outputs; the other ones, terms of the loss, are added to the plan."""
        count = len(self._output_symbols)
        for term, source in zip(self._added_terms, ends[count:], strict=True):
            plan.add_loss(source, term.factor, term.whole)
        return ends[:count]

    # Display and configuration --------------------------------------------------------------------

    def _summary_text(self, length: int) -> str:
        return graph_table(self, length)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{given.name} {given.row}" for given in self._given)
        return f"Functional({self.name!r}: {inputs} → {', '.join(self.output_names)})"

    def _architecture(self) -> dict[str, Any]:
        numbers = {id(symbol): number for number, symbol in enumerate(self._symbols)}
        layers = {layer: number for number, layer in enumerate(self._layers)}
        nodes = []
        for node in self._graph.nodes:
            taken = [numbers[id(symbol)] for symbol in node.inputs]
            form = [] if node.form is None else [node.form.saved()]
            nodes.append([layers[node.layer], taken, *form])
            for symbol in node.outputs:
                numbers[id(symbol)] = len(numbers)
        outputs = [numbers[id(symbol)] for symbol in self._output_symbols]
        return {
            "class": "Functional",
            "name": self.name,
            "dtype": self.dtype,
            "seed": self.seed,
            "inputs": [described_input(given) for given in self._given],
            "input_structure": packed(self._input_structure, list(range(len(self._given)))),
            "layers": [layer.saved() for layer in self._layers],
            "nodes": nodes,
            "outputs": packed(self._output_structure, outputs),
        }

    @classmethod
    def _empty(cls, config: Mapping[str, Any]) -> Self:
        model: Self = cls.__new__(cls)
        Model.__init__(model, config["dtype"], config["seed"], config["name"])
        return model

    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        entries = [config[key] for key in ("inputs", "layers", "nodes")]
        if not all(isinstance(entry, list) and len(entry) <= MAX_LAYERS for entry in entries):
            raise ValueError(f"inputs, layers, nodes: wanted lists of at most {MAX_LAYERS}")
        inputs = [Input(tuple(entry["shape"]), name=entry["name"]) for entry in config["inputs"]]
        layers = [layer_of(entry, self.dtype) for entry in config["layers"]]
        values: list[Symbol] = list(inputs)
        for number, taken, *given in config["nodes"]:
            form = from_saved(given[0]) if given else None
            node = node_of(_at(layers, number), [_at(values, place) for place in taken], form)
            values += node.outputs
        self._set_graph(
            mapped(lambda number: _at(inputs, number), config["input_structure"]),
            mapped(lambda number: _at(values, number), config["outputs"]),
        )


def _at(things: list[Any], number: Any) -> Any:
    """An entry of a list by a number out of a file."""
    if not isinstance(number, int) or not 0 <= number < len(things):
        raise ValueError(f"found the number {number!r}, wanted 0 to {len(things) - 1}")
    return things[number]


def described_input(given: Input) -> dict[str, Any]:
    return {"class": "Input", "name": given.name, "shape": list(given.dimensions)}


def _as_input(symbol: Symbol) -> Input:
    """The input that stands for a symbol: itself, or a new one for what a layer returned."""
    return symbol if isinstance(symbol, Input) else Input(symbol.row)


KINDS["Functional"] = Functional
Symbol.operators["model"] = Functional

"""Layers of one's own: a method `call` that is written with other layers, weights and functions."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from .._base import checks
from .._base.dtypes import Array, Network
from .._base.lazy import imports
from .._base.locks import describing
from .._base.registry import get_registered_name
from .._data.structures import leaves, mapped, packed
from .arrays import Shapes
from .base import Layer
from .graph import lower, trace
from .input import Input
from .lowering import Plan, Row, Source
from .symbols import WHEN_TRAINED, CallError, Node, Symbol, are_symbols
from .weight import DESCRIBED, Weight, carried


class Body:
    """What `call` makes of rows of given shapes: a graph.

    Attributes
    ----------
    inputs, outputs : list of Symbol
    nodes : list of Node
    structure : object
        That of what `call` returns.
    """

    def __init__(self, inputs: list[Symbol], result: Any) -> None:
        self.inputs, self.outputs = inputs, leaves(result)
        wrong = [output for output in self.outputs if not isinstance(output, Symbol)]
        if wrong or not self.outputs:
            found = type(wrong[0]).__name__ if wrong else f"an empty {type(result).__name__}"
            raise CallError(
                f"found {found} returned by call, wanted what layers, or functions of symbols, "
                "return"
            )
        used = trace_inputs(self.outputs, inputs)
        self.nodes: list[Node] = trace(used, self.outputs).nodes
        self.structure = mapped(lambda _: 0, result)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph, each once."""
        return list(dict.fromkeys(node.layer for node in self.nodes))


def trace_inputs(outputs: list[Symbol], inputs: list[Symbol]) -> list[Symbol]:
    """The inputs that the outputs need."""
    reached: set[int] = set()
    pending = list(outputs)
    while pending:
        symbol = pending.pop()
        if id(symbol) not in reached:
            reached.add(id(symbol))
            pending += [] if symbol._node is None else symbol._node.inputs
    return [symbol for symbol in inputs if id(symbol) in reached]


class OwnLayer(Layer):
    """What a class that is derived from `Layer` gets: `call` becomes a part of the model's graph.

    `call` is called once for each shape of rows, with symbols. It may call layers, models and
    layers of one's own, use operators and NumPy's or ``densecore.ops``'s functions of single
    elements, and products with weights of its own (`add_weight`). A function of single elements
    alone may also be written with what symbols do not know, such as ``np.where``: it then runs in
    Python.
    """

    _is_own: ClassVar[bool] = True

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Keep the arguments, which are the configuration of a class without `get_config`."""
        layer = super().__new__(cls)
        with imports:
            import inspect

        try:
            bound = inspect.signature(cls.__init__).bind(layer, *given, **named).arguments
        except TypeError:  # `__init__` says it better
            return layer
        own, *_ = bound
        kept = {key: value for key, value in bound.items() if key not in (own, "args", "kwargs")}
        vars(layer)["_arguments"] = {**kept, **bound.get("kwargs", {})}
        return layer

    # The user's part ------------------------------------------------------------------------------

    def call(self, inputs: Any) -> Any:
        """A function of arrays; only layers of one's own have it."""
        raise NotImplementedError(f"class {type(self).__name__}: wanted a method call(inputs)")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights, for inputs of that shape: (None, features)."""

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> Weight:
        """An array of parameters; `call` may multiply rows with it, see `Weight`.

        Parameters
        ----------
        shape : tuple of int
            Of a kernel (inputs, units), of a bias (units,), of factors (features,). Keras's older
            order, with the name first, is understood.
        initializer : str or Initializer, default "glorot_uniform"
        dtype, autocast, aggregation
            Without effect: the model has one dtype.
        trainable : bool, default True
        regularizer, constraint : optional
        name : str, optional

        Raises
        ------
        ValueError, TypeError
            A shape of other sizes than integers >= 1, or an unknown name.
        """
        if isinstance(shape, str):
            name, shape = shape, (initializer if not isinstance(initializer, str) else None)
            initializer = None if not isinstance(initializer, str) else initializer
        own = self._own_weights()
        name = f"weight_{len(own)}" if name is None else checks.text("add_weight: name", name)
        start = "glorot_uniform" if initializer is None else initializer
        weight = Weight(name, shape, start, regularizer, constraint, trainable)
        own.append(weight)
        return weight

    add_variable = add_weight

    def add_loss(self, *loss: Any) -> NoReturn:
        """Not there.

        Raises
        ------
        TypeError
            Always; the message says how a penalty is written here.
        """
        raise CallError(
            f"class {type(self).__name__}: found a call of add_loss, wanted "
            "activity_regularizer=..., ActivityRegularization, or a further output of the model "
            "with a loss of one's own"
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that every layer has; a class with others adds them, or has no such
        method: then it is what the layer was made with."""
        config = super().get_config()
        del config["class"]
        if type(self).get_config is OwnLayer.get_config:
            config = {**vars(self).get("_arguments", {}), **config}
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer that `get_config` describes."""
        return cls(**config)

    def saved(self) -> dict[str, Any]:
        name = get_registered_name(type(self))
        return {"class": name, "config": dict(self.get_config())}

    @property
    def built(self) -> bool:
        """Whether the layer belongs to a model whose number of inputs is known."""
        return self._network is not None

    @built.setter
    def built(self, value: bool) -> None:
        """Keras's older `build` ends with it."""

    # Calls ----------------------------------------------------------------------------------------

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """The layer's outputs for arrays, at once; or, for symbols, those of its outputs.

        Parameters
        ----------
        *inputs : array_like, Symbol, or a structure of them
        **named
            ``training``, and constants that `call` wants.
        """
        training = named.pop("training", None)
        given = inputs[0] if len(inputs) == 1 else list(inputs)
        with describing:
            before = vars(self).get("_last_form")
            vars(self)["_last_form"] = (mapped(lambda _: 0, given), len(inputs) > 1, named)
            try:
                if are_symbols(given):
                    return super().__call__(given, training)
                arrays = [np.asarray(part) for part in leaves(given)]
                model = self._model_for(arrays)
            except BaseException:
                vars(self)["_last_form"] = before
                raise
        return model(arrays if len(arrays) > 1 else arrays[0], training=bool(training))

    def _model_for(self, arrays: list[Array]) -> Any:
        """A model of this layer alone, which computes its outputs for such arrays."""
        rows = tuple(tuple(array.shape[1:]) or (1,) for array in arrays)
        models = vars(self).setdefault("_alone", {})
        if rows not in models:
            symbols = [Input(row) for row in rows]
            count = len(self._nodes)
            outputs = Layer.__call__(self, packed(self._form[0], list(symbols)))
            del self._nodes[count:]  # a call with numbers is no `layer.output`
            models[rows] = Symbol.operators["model"](symbols, outputs)
        return models[rows]

    @property
    def _form(self) -> Any:
        """The structure of the inputs, whether they are several arguments, and constants."""
        return vars(self).get("_last_form") or (0, False, {})

    def _form_for(self, count: int) -> Any:
        """The form of a call with so many inputs. A file has the inputs alone: of a layer that was
        read from one they are arguments where `call` has as many, else a list."""
        form = self._form
        if count == 1 or len(leaves(form[0])) == count:
            return form
        with imports:
            import inspect

        parameters = inspect.signature(self.call).parameters.values()
        wanted = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        needed = sum(p.default is p.empty and p.name != "training" for p in wanted)
        many = needed >= count or any(p.kind is p.VAR_POSITIONAL for p in parameters)
        return [0] * count, many, form[2]

    def _body(self, rows: tuple[Row, ...]) -> Body | None:
        """The graph for inputs of these rows; None: `call` is a function of single elements."""
        with describing:
            bodies = vars(self).setdefault("_bodies", {})
            if rows not in bodies:
                structure, several, constants = self._form_for(len(rows))
                symbols: list[Symbol] = [Input(row) for row in rows]
                if not vars(self).get("_had_build"):
                    self._build_once(packed(structure, [symbol.shape for symbol in symbols]))
                body = self._traced(packed(structure, symbols), several, constants, symbols)
                self._check_weights(body)
                bodies[rows] = body
            found: Body | None = bodies[rows]
            vars(self)["_last_body"] = found
        return found

    def _build_once(self, shape: Any) -> None:
        vars(self)["_had_build"] = True  # which layers it calls may ask for
        before = len(self._own_weights())
        try:
            self.build(shape)
        except BaseException:
            vars(self)["_had_build"] = False
            del self._own_weights()[before:]  # the next attempt makes them
            raise

    def _traced(
        self, given: Any, several: bool, constants: Mapping[str, Any], symbols: list[Symbol]
    ) -> Body | None:
        with imports:
            import inspect

        constants = dict(constants)
        if "training" in inspect.signature(self.call).parameters:
            constants["training"] = WHEN_TRAINED
        if any(self is layer for layer in DESCRIBED.layers):
            raise CallError(
                f"class {type(self).__name__}: found a call of the layer within its own call, "
                "wanted other layers there"
            )
        DESCRIBED.layers.append(self)
        DESCRIBED.anchors.append((symbols[0], []))
        try:
            if several:
                return Body(symbols, self.call(*given, **constants))
            return Body(symbols, self.call(given, **constants))
        except CallError:
            raise
        except TypeError:
            plain = not self._own_weights() and not self._sublayers() and len(symbols) == 1
            if plain and not constants:
                return None
            raise
        finally:
            DESCRIBED.anchors.pop()
            DESCRIBED.layers.pop()

    def _check_weights(self, body: Body | None) -> None:
        """Let each weight know the layer whose array it is."""
        carriers: dict[Weight, tuple[Any, str]] = {}
        for layer in [] if body is None else body.layers:
            for name, weight in carried(layer).items():
                if weight._carrier not in (None, (layer, name)) or weight in carriers:
                    raise TypeError(
                        f"weight {weight.name}: found it in several products or sums, wanted it in "
                        "one way only"
                    )
                carriers[weight] = (layer, name)
        for weight, carrier in carriers.items():
            weight._carrier = carrier
        for weight in self._own_weights():
            if weight._carrier is None:
                raise TypeError(
                    f"class {type(self).__name__}: found the weight {weight.name}, which call does "
                    "not use, wanted weights that the outputs depend on"
                )

    # Parts ----------------------------------------------------------------------------------------

    def _own_weights(self) -> list[Weight]:
        found: list[Weight] = vars(self).setdefault("_weights", [])
        return found

    def _sublayers(self) -> list[Layer]:
        """The layers that are attributes, also within lists and dictionaries, in their order."""
        found: dict[Layer, None] = {}
        for name, value in vars(self).items():
            if name not in _OF_THE_CLASS:
                for part in leaves(value):
                    part = part._as_layer() if hasattr(part, "_as_layer") else part
                    if isinstance(part, Layer):
                        found[part] = None
        return list(found)

    def _parts(self) -> list[Layer]:
        """The layers of the graphs; those that are attributes come first."""
        bodies = [body for body in vars(self).get("_bodies", {}).values() if body is not None]
        used = dict.fromkeys(layer for body in bodies for layer in body.layers)
        first = [layer for layer in self._sublayers() if layer in used]
        return list(dict.fromkeys([*first, *used]))

    def _shown_parts(self) -> list[Layer]:
        """The parts whose weights are not the layer's own."""
        own = set(self._own_weights())
        return [part for part in self._parts() if not own & set(carried(part).values())]

    def _walk(self) -> Iterator[Layer]:
        yield self
        for part in self._parts():
            yield from part._walk()

    def _named_weights(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for number, weight in enumerate(self._own_weights()):
            if weight._carrier is None:
                self._built_views()  # raises
            found[f"{number}:{weight.name}"] = weight.value
        for number, part in enumerate(self._shown_parts()):
            for name, array in part._named_weights().items():
                found[f"{number}.{name}"] = array
        return found

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        body = vars(self).get("_last_body") or self._body((row,))
        parameters: Shapes = {}
        states: Shapes = {}
        for number, weight in enumerate(self._own_weights()):
            parameters[f"{number}:{weight.name}"] = weight.shape
        first: dict[Layer, Row] = {}
        for node in [] if body is None else body.nodes:
            first.setdefault(node.layer, node.inputs[0].row)
        for number, part in enumerate(self._shown_parts()):
            of_part, others = part._weight_shapes(first.get(part, row))
            parameters |= {f"{number}.{name}": shape for name, shape in of_part.items()}
            states |= {f"{number}.{name}": shape for name, shape in others.items()}
        return parameters, states

    def _hidden_parameters(self) -> int:
        # A weight that stands by itself is the bias of a layer of zeros, whose kernel nothing uses.
        owners = {layer for layer in self._walk() if isinstance(layer, OwnLayer)}
        weights = {weight for layer in owners for weight in layer._own_weights()}
        return sum(weight.hidden for weight in weights)

    @property
    def weights(self) -> list[Array]:
        own = [weight.value for weight in self._own_weights()]
        return [*own, *(array for part in self._shown_parts() for array in part.weights)]

    @property
    def trainable_weights(self) -> list[Array]:
        own = [weight.value for weight in self._own_weights() if weight.trainable]
        of_parts = [array for part in self._shown_parts() for array in part.trainable_weights]
        return [*(own if self._trainable else []), *of_parts]

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = checks.flag("trainable", value)
        self._pass_on_trainable()

    def _pass_on_trainable(self) -> None:
        own = set(self._own_weights())
        for part in dict.fromkeys([*self._parts(), *self._sublayers()]):
            wanted = self._trainable
            if own & set(carried(part).values()):
                wanted = wanted and all(weight.trainable for weight in carried(part).values())
            part.trainable = wanted

    # What the model needs -------------------------------------------------------------------------

    @property
    def _output_structure(self) -> Any:
        body = vars(self).get("_last_body")
        return 0 if body is None else body.structure

    def _output_rows(self, rows: list[Row]) -> list[Row]:
        body = self._body(tuple(rows))
        return rows if body is None else [output.row for output in body.outputs]

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else self._output_rows([row])[0]

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        body = self._body(tuple(source.row for source in sources))
        if body is None:
            plan.go_to(sources[0])
            plan.close()
            plan.functions[plan.add({"kind": "function"})] = Symbol.operators["derived"](self.call)
            return [plan.here]
        if not self._trainable:
            self._pass_on_trainable()
        for source in sources:
            plan.go_to(plan.whole(source))
            plan.close()
        sources = [plan.whole(source) for source in sources]
        return lower(plan, body.nodes, body.inputs, body.outputs, sources)

    def _build(self, network: Network, places: list[int]) -> None:
        self._network = network

    def _forget(self) -> None:
        self._network = None


#: Attributes that hold layers which are no parts.
_OF_THE_CLASS = ("_alone", "_bodies", "_last_body", "_nodes", "_model", "_weights", "_last_form")

Symbol.operators["layer of one's own"] = OwnLayer

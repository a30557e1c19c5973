"""Custom layers: a method `call` that is written with other layers, weights and functions."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from .._base import checks
from .._base.dtypes import Array, Network
from .._base.keras_arrays import as_tensors, once
from .._base.lazy import imports
from .._base.locks import describing
from .._base.registry import get_registered_name
from .._data.structures import leaves, mapped, packed
from .arrays import Shapes
from .base import Layer
from .body import Body
from .form import Form, form_of, usual_form
from .input import Input
from .input_spec import InputSpec
from .lowering import Plan, Row, Source
from .symbols import CallError, Node, Symbol, are_symbols, connect
from .user_class import UserClass
from .weight import Weight, carried


class OwnLayer(UserClass, Layer):
    """The base class of users' layers: their `call` becomes a part of the model's graph.

    `call` is called once for each shape of rows, with symbols. It may call layers, models and
    custom layers, use operators and NumPy's or ``densecore.ops``'s functions of single
    elements, and products with weights of its own (`add_weight`). A function of single elements
    alone may also be written with what symbols do not know, such as ``np.where``: it then runs in
    Python.
    """

    _is_own: ClassVar[bool] = True

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
        form = form_of(given, len(inputs) > 1, named)
        with describing:
            if are_symbols(given):
                self._refuse_training(training)
                return connect(self, given, form)
        return self._computed(given, form, bool(training))

    def _computed(self, given: Any, form: Form | None, training: bool) -> Any:
        """The outputs for arrays, by a model of this layer alone."""
        arrays = [np.asarray(part) for part in leaves(given)]
        rows = tuple(tuple(array.shape[1:]) or (1,) for array in arrays)
        models = vars(self).setdefault("_alone", {})
        key = (rows, None if form is None else form.key)
        with describing:
            if key not in models:
                models[key] = self._alone_or_none(given, rows, form)
        if models[key] is None:
            return self._run(given, form, training)
        return models[key](arrays if len(arrays) > 1 else arrays[0], training=training)

    def _alone_or_none(self, given: Any, rows: tuple[Row, ...], form: Form | None) -> Any:
        """A model of this layer alone; None if no graph can hold its `call` and it has no weights
        to train."""
        symbols = [Input(row) for row in rows]
        count = len(self._nodes)
        structure = mapped(lambda _: 0, given)
        try:
            outputs = connect(self, packed(structure, list(symbols)), form)
        except CallError:
            if any(weight.trainable for weight in self._own_weights()) or self._sublayers():
                raise
            return None
        del self._nodes[count:]  # a call with numbers is no `layer.output`
        return Symbol.operators["model"](symbols, outputs)

    def _run(self, given: Any, form: Form | None, training: bool) -> Any:
        """Call `call` with the arrays themselves."""
        form = form or usual_form(len(leaves(given)))
        named = dict(form.constants)
        with imports:
            import inspect

        if "training" in inspect.signature(self.call).parameters:
            named["training"] = training
        for weight in self._own_weights():
            weight.hold()
        found = self.call(*given, **named) if form.several else self.call(given, **named)
        return as_tensors(found.value if isinstance(found, Weight) else found)

    def _body(self, rows: tuple[Row, ...], form: Form | None = None) -> Body | None:
        """The graph for inputs of these rows; None: `call` is a function of single elements."""
        form = form or usual_form(len(rows))
        key = (rows, form.key)
        with describing:
            bodies = vars(self).setdefault("_bodies", {})
            if key not in bodies:
                symbols: list[Symbol] = [Input(row) for row in rows]
                if not vars(self).get("_had_build"):
                    vars(self)["_had_build"] = True  # which layers it calls may ask for
                    try:
                        self._build_by_user(form, symbols)
                    except BaseException:
                        vars(self)["_had_build"] = False
                        raise
                spec = vars(self).get("input_spec")
                if isinstance(spec, InputSpec):
                    spec.check(self.name or type(self).__name__, symbols[0].shape)
                own = bool(self._own_weights() or self._sublayers())
                bodies[key] = self._described(self.call, symbols, form, own)
            found: Body | None = bodies[key]
        return found

    # Parts ----------------------------------------------------------------------------------------

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
            if weight._carrier is None and not weight.held:
                self._built_views()  # raises
            found[f"{number}:{weight.name}"] = weight.value
        for number, part in enumerate(self._shown_parts()):
            for name, array in part._named_weights().items():
                found[f"{number}.{name}"] = array
        return found

    @property
    def _additions(self) -> int:
        bodies = vars(self).get("_bodies", {}).values()
        return sum(len(body.added) for body in bodies if body is not None)

    @property
    def _adds_to_loss(self) -> bool:
        return self._additions > 0

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        if not vars(self).get("_bodies"):
            self._body((row,))
        parameters: Shapes = {}
        states: Shapes = {}
        for number, weight in enumerate(self._own_weights()):
            kind = states if weight.held else parameters
            kind[f"{number}:{weight.name}"] = weight.shape
        first: dict[Layer, Row] = {}
        for body in vars(self)["_bodies"].values():
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
        return once([*own, *(array for part in self._shown_parts() for array in part.weights)])

    @property
    def trainable_weights(self) -> list[Array]:
        own = [weight.value for weight in self._own_weights() if weight.trainable]
        of_parts = [array for part in self._shown_parts() for array in part.trainable_weights]
        return once([*(own if self._trainable else []), *of_parts])

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

    def _form_of(self, inputs: Any) -> Form | None:
        return form_of(inputs, False, {})

    def _structure_of_call(self, node: Node) -> Any:
        body = self._body(tuple(symbol.row for symbol in node.inputs), node.form)
        return 0 if body is None else body.structure

    def _rows_of_call(self, rows: list[Row], form: Form | None) -> list[Row]:
        body = self._body(tuple(rows), form)
        return rows if body is None else [output.row for output in body.outputs]

    def _output_rows(self, rows: list[Row]) -> list[Row]:
        return self._rows_of_call(rows, None)

    def _output_row(self, row: Row | None) -> Row | None:
        return None if row is None else self._output_rows([row])[0]

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        return self._lower_call(plan, sources, None)

    def _lower_call(self, plan: Plan, sources: list[Source], form: Form | None) -> list[Source]:
        body = self._body(tuple(source.row for source in sources), form)
        if body is None:
            plan.go_to(sources[0])
            plan.close()
            Symbol.operators["derived"](self.call).add_to(plan)
            return [plan.here]
        if not self._trainable:
            self._pass_on_trainable()
        for source in sources:
            plan.go_to(plan.whole(source))
            plan.close()
        return body.lower(plan, [plan.whole(source) for source in sources])

    def _build(self, network: Network, places: list[int]) -> None:
        self._network = network
        for weight in self._own_weights():
            if weight.held:
                weight.hold(network.parameters.dtype)

    def _forget(self) -> None:
        self._network = None


Symbol.operators["custom layer"] = OwnLayer

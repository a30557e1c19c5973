"""A trained network as a Keras model, layer by layer, so that it can be trained further there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import layers
from .._base.dtypes import Array
from .._base.lazy import imports
from .._base.warn import warn
from .._data.structures import leaves, packed
from ..layers.merge import Merge
from .calls import Calls, calls_of, calls_within, check_built, name_of
from .keras_optimizers import give
from .layer_forms import form_of
from .layer_table import KERAS

if TYPE_CHECKING:
    from ..models.compiled import Compiled


def _import() -> Any:
    try:
        with imports:
            import keras
    except ImportError:
        raise ImportError("to_keras needs Keras: pip install keras jax") from None
    return keras


def _input_names(calls: Calls) -> list[str | None]:
    """The names of inputs; in a dictionary Keras wants its keys."""
    if isinstance(calls.input_structure, dict):
        return [str(key) for key in calls.input_structure]
    return list(calls.input_names) if len(calls.inputs) > 1 else [None]


class _Writer:
    """Keras's layers, each made once, as calls of ours are repeated with Keras's symbols."""

    def __init__(self, keras: Any, dtype: str) -> None:
        self.keras, self.dtype = keras, dtype
        self.made: dict[layers.Layer, Any] = {}
        self.prefix = ""  # of the names of a layer's parts: of two layers they may be the same

    def layer(self, layer: layers.Layer) -> Any:
        """Keras's layer of one of ours, or a function of its symbols.

        Raises
        ------
        ValueError
            Keras has none; the message names the layer.
        """
        if layer not in self.made:
            if layer._inner_model is not None:
                theirs = self.model(layer._inner_model)
            else:
                theirs = form_of(layer, KERAS)(self.keras, layer)
                if hasattr(theirs, "trainable"):
                    theirs.trainable = layer.trainable
                    if self.prefix:
                        theirs.name = self.prefix + theirs.name
            self.made[layer] = theirs
        return self.made[layer]

    def apply(self, layer: layers.Layer, xs: Sequence[Any], form: Any = None) -> list[Any]:
        """A layer applied to symbols."""
        if isinstance(layer, layers.Residual):
            end = list(xs)
            for each in layer._layers:
                end = self.apply(each, end)
            return [self.keras.layers.Add(name=layer.name)([xs[0], end[0]])]
        calls = None
        if layer._inner_model is None:
            calls = calls_within(layer, [tuple(x.shape[1:]) for x in xs], form)
        if calls is not None:
            before, self.prefix = self.prefix, f"{self.prefix}{name_of(layer)}_"
            made = self.steps(calls, xs)
            self.prefix = before
            return made
        several = isinstance(layer, Merge)
        if layer._inner_model is not None:
            inner = calls_of(layer._inner_model)
            several = isinstance(inner.input_structure, dict | list)
            given = packed(inner.input_structure, list(xs)) if several else xs[0]
        else:
            given = list(xs) if several else xs[0]
        return leaves(self.layer(layer)(given))

    def steps(self, calls: Calls, xs: Sequence[Any]) -> list[Any]:
        """Calls of layers applied to symbols."""
        values = dict(zip(calls.inputs, xs, strict=True))
        for step in calls.steps:
            taken = [values[value] for value in step.inputs]
            found = self.apply(step.layer, taken, step.form)
            values.update(zip(step.outputs, found, strict=True))
        return [values[value] for value in calls.outputs]

    def model(self, model: "Compiled") -> Any:
        """A model, with layers that are Keras's; ``Sequential`` where all of a stack are."""
        calls, keras = calls_of(model), self.keras
        start = [
            keras.Input(calls.rows[value], dtype=self.dtype, name=name)
            for value, name in zip(calls.inputs, _input_names(calls), strict=True)
        ]
        outputs = self.steps(calls, start)
        theirs = [self.made.get(layer) for layer in model._layers]
        if calls.is_stack and all(isinstance(each, keras.layers.Layer) for each in theirs):
            first = keras.Input(calls.rows[0], dtype=self.dtype)
            return keras.Sequential([first, *theirs], name=model.name)
        self.name_functions(outputs)
        ends = packed(calls.output_structure, outputs)
        return keras.Model(packed(calls.input_structure, start), ends, name=model.name)

    def name_functions(self, outputs: Sequence[Any]) -> None:
        """Let no function have the name of a layer: Keras names functions as it likes, a
        ``keras.ops.minimum`` as a layer `Minimum`, and wants each name once in a model."""
        found: dict[int, Any] = {}
        seen: set[tuple[int, int]] = set()
        waiting = list(outputs)
        while waiting:
            operation, node, _ = waiting.pop()._keras_history
            if (id(operation), node) not in seen:
                seen.add((id(operation), node))
                found[id(operation)] = operation
                waiting += operation._inbound_nodes[node].input_tensors
        functions = [each for each in found.values() if not isinstance(each, self.keras.Layer)]
        taken = {each.name for each in found.values() if each not in functions}
        for each in functions:
            name, number = each.name, 1
            while name in taken:
                name, number = f"{each.name}_{number}", number + 1
            each.name = name
            taken.add(name)

    def give_weights(self) -> None:
        """Copy the weights."""
        for layer, theirs in self.made.items():
            if (
                layer._inner_model is not None
                or isinstance(layer, layers.Normalization)
                or not layer.weights
            ):
                continue
            shapes = [tuple(each.shape) for each in theirs.weights]
            arrays = layer.get_weights()
            theirs.set_weights([a.reshape(s) for a, s in zip(arrays, shapes, strict=True)])

    def variables(self) -> list[tuple[Any, Array]]:
        """Keras's variables with the arrays that they are copies of."""
        return [
            pair
            for layer, theirs in self.made.items()
            if layer._inner_model is None and layer.weights
            for pair in zip(getattr(theirs, "weights", ()), layer.weights, strict=False)
        ]


def to_keras(model: "Compiled") -> Any:
    """A model as a Keras model with the same weights; compiled if the model is, with the state of
    its optimizer (but of Nadam, Lamb and Adafactor), so that training goes on there.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.

    Returns
    -------
    keras.Model
        ``Sequential`` of a stack, or a functional model of a graph, or where there are residual
        blocks.

    Raises
    ------
    ImportError
        Keras is not installed.
    RuntimeError
        The model has no parameters yet.
    ValueError
        A layer that Keras has no form for; the message names it.

    Warns
    -----
    UserWarning
        Keras has no such loss, optimizer or metric: its model is not compiled.
    """
    keras = _import()
    check_built("to_keras", model)
    policy = keras.config.dtype_policy()
    if model.dtype == "float64":
        keras.config.set_dtype_policy("float64")
    try:
        writer = _Writer(keras, model.dtype)
        theirs = writer.model(model)
    finally:
        keras.config.set_dtype_policy(policy)
    writer.give_weights()
    if model.loss is not None:
        try:
            give(keras, model, theirs, writer.variables())
        except ValueError as error:
            warn(str(error))
    return theirs

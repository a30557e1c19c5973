"""A layer as the formats of other programs have it: the form of a row of the tables in the modules
``layer_*``, one for each family of layers, by the layer's class."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .. import layers
from .._base.dtypes import Array
from .._base.lazy import imports
from ..layers.lowering import Row
from .calls import name_of
from .program import Operation, Port, Program

Form = TypeVar("Form")

#: A layer's function in JAX: of the layer's arrays, by their names, and of the values it takes.
Apply = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class LayerForms:
    """The forms of a class of layers; an exporter that has no form for it refuses it.

    Attributes
    ----------
    operations : callable, optional
        ``(layer, program)``: appends operations on arrays, of which ONNX and C files are made. The
        values that the layer takes are in ``program.taken``, the shapes of their rows in
        ``program.rows``.
    jax : callable, optional
        ``(jax, layer, row)``: an `Apply`. `row` is the shape of the first value's rows.
    torch : callable, optional
        ``(torch, layer, rows, dtype)``: modules, one after another. `rows` are the shapes of the
        rows of all values.
    keras : callable, optional
        ``(keras, layer)``: Keras's layer, or a function of its symbols.
    """

    operations: Callable[[Any, Program], None] | None = None
    jax: Callable[[Any, Any, Row], Apply] | None = None
    torch: Callable[[Any, Any, list[Row], Any], list[Any]] | None = None
    keras: Callable[[Any, Any], Any] | None = None


LayerTable = Mapping[type[layers.Layer], LayerForms]

#: The methods that say what a layer computes.
_OWN = {"_lower", "_plan"}


def form_of(layer: layers.Layer, table: Mapping[type[layers.Layer], Form]) -> Form:
    """The form of a layer's class in one format, or of the nearest base that computes the same.

    A class that has a method of `_OWN` itself computes something of its own: the form of its base
    would be another function, without a word. So a new kind of layer is refused until a table
    knows it.

    Raises
    ------
    ValueError
        There is none; the message names the layer.
    """
    for kind in type(layer).__mro__:
        if kind in table:
            return table[kind]
        if _OWN & vars(kind).keys():
            break
    raise ValueError(
        f"layer {name_of(layer)}: found {type(layer).__name__}, wanted one of: "
        + ", ".join(sorted(kind.__name__ for kind in table))
    )


# Parts of several families ----------------------------------------------------------------------


def copied(array: Array | None) -> Array | None:
    """A copy, so that a program does not change when its model is trained further."""
    return None if array is None else array.copy()


def vectors_of(layer: layers.Layer, program: Program) -> int:
    """How many vectors a row is to a layer that takes each by itself."""
    return math.prod(program.rows[0][:-1]) if layer._takes_vectors else 1


def no_operations(layer: layers.Layer, program: Program) -> None:
    """No operation: for a layer that changes nothing after training, or the shape of rows only."""


def same_in_jax(jax: Any, layer: layers.Layer, row: Row) -> Apply:
    """The function of such a layer."""
    return lambda p, x: x


def same_in_torch(torch: Any, layer: layers.Layer, rows: list[Row], dtype: Any) -> list[Any]:
    """The module of such a layer."""
    return [torch.nn.Identity()]


def operations_alone(
    operations: Callable[[Any, Program], None], layer: layers.Layer, row: Row, dtype: str
) -> list[Operation]:
    """The operations that a layer is in a program of its own."""
    program = Program("", dtype, [Port("x", row, 0)])
    program.taken, program.rows = [0], [row]
    operations(layer, program)
    return program.operations


def torch_modules() -> Any:
    """The modules of this package, which need PyTorch."""
    with imports:
        from . import torch_modules as modules

    return modules


def assign(torch: Any, target: Any, array: Array) -> None:
    """Set a PyTorch parameter."""
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def named(kind: str, *options: str) -> Callable[[Any, Any], Any]:
    """A function that makes Keras's layer of a name, with options that have the same names here."""

    def make(keras: Any, layer: layers.Layer) -> Any:
        given = {option: getattr(layer, option) for option in options}
        return getattr(keras.layers, kind)(**given, name=layer.name)

    return make


def joined(*tables: LayerTable) -> dict[type[layers.Layer], LayerForms]:
    """Tables in one, in which each class stands once."""
    found: dict[type[layers.Layer], LayerForms] = {}
    for table in tables:
        assert not found.keys() & table.keys()
        found |= table
    return found

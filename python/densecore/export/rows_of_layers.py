"""Which row of an exporter's table says what a layer or an activation is: the same questions for
every format."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from .. import activations, layers
from ..layers.activation_argument import UserActivation
from .calls import name_of

Row = TypeVar("Row")

#: The methods that say what a layer computes.
_OWN = {"_lower", "_plan"}


def row_of(layer: layers.Layer, table: Mapping[type[layers.Layer], Row]) -> Row:
    """The entry for a layer's class, or for the nearest base that computes the same.

    A class that has a method of `_OWN` itself computes something of its own: the entry of its base
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


def activation_of(
    layer: layers.Layer, activation: Any, known: Collection[str]
) -> activations.Activation | None:
    """A layer's activation, which another library has under one of these names; None for linear.

    Raises
    ------
    ValueError
        It has none, or the activation is a pair of Python functions; the message names the layer.
    """
    if isinstance(activation, UserActivation):
        raise ValueError(
            f"layer {name_of(layer)}: found an activation that is a Python function of "
            "NumPy arrays, wanted one of: " + ", ".join(known)
        )
    found = activations.get(activation)
    if found.name == "linear":
        return None
    if found.name not in known:
        raise ValueError(
            f"layer {name_of(layer)}: found the activation {found.name}, wanted one of: "
            + ", ".join(known)
        )
    return found

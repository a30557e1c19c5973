"""Which row of an exporter's table says what a layer is: the same question for every format."""

from collections.abc import Mapping
from typing import TypeVar

from .. import layers

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
        f"layer {layer.name}: found {type(layer).__name__}, wanted one of: "
        + ", ".join(sorted(kind.__name__ for kind in table))
    )

"""Initializers, regularizers and constraints of layers as Keras's."""

from typing import Any

from .. import constraints, initializers, layers, regularizers
from .calls import name_of


def initializer_of(keras: Any, initializer: initializers.Initializer) -> Any:
    """Keras's initializer, or the name of its default."""
    made = getattr(keras.initializers, type(initializer).__name__, None)
    arguments = {key: value for key, value in initializer.get_config().items() if key != "name"}
    try:
        return "glorot_uniform" if made is None else made(**arguments)
    except TypeError:
        return "glorot_uniform"  # the weights are given: it says where they came from only


def regularizer_of(keras: Any, regularizer: regularizers.Regularizer | None) -> Any:
    """Keras's L1L2 with the factors of a regularizer; None for none."""
    if regularizer is None:
        return None
    l1, l2 = regularizers.factors(regularizer)
    return keras.regularizers.L1L2(l1, l2)


def constraint_of(keras: Any, layer: layers.Layer, constraint: Any) -> Any:
    """Keras's constraint; None for none.

    Raises
    ------
    ValueError
        Keras has none of this class; the message names the layer.
    """
    if constraint is None:
        return None
    kind = getattr(keras.constraints, type(constraint).__name__, None)
    if kind is None or type(constraint).__module__ != constraints.__name__:
        raise ValueError(f"layer {name_of(layer)}: found {constraint}, which Keras has not")
    options = {key: value for key, value in constraint.get_config().items() if key != "name"}
    return kind(**options)

"""A layer that is called with an array: a network of this one layer."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import seeds
from .._base.dtypes import DTYPES, Array, Network, floatx
from .._base.keras_arrays import Tensor
from .._data.arrays import as_matrix
from .arrays import assign
from .lowering import Plan, Row

if TYPE_CHECKING:  # whose module imports this one
    from .base import Layer


def call(layer: "Layer", inputs: Any, training: bool) -> Array:
    """`Layer.__call__`, which documents it."""
    shape = np.shape(inputs)
    if not shape:
        raise ValueError(f"layer {layer.name or type(layer).__name__}: found one number, wanted "
                         "an array (rows, ...)")  # fmt: skip
    row: Row = tuple(shape[1:])
    if not row and not layer._takes_numbers:
        row = (1,)
    if not layer.built:
        build_alone(layer, row)
    assert layer._network is not None
    dtype = layer._network.parameters.dtype
    # The layer's own network may be that of a whole model: this one has the same weights.
    twin = layer._twin()
    network = _make(twin, row, dtype.name, layer._network.seed)
    try:
        assign(twin.weights, layer.weights)
    except ValueError as error:
        raise ValueError(
            f"layer {layer.name or type(layer).__name__}: found rows of shape {row}, wanted those "
            f"that it was built for ({error})"
        ) from None
    x = as_matrix("inputs", inputs, dtype, row)
    outputs = network.forward(x, None, training)
    if training:  # moving averages take what the batch has shown
        assign(layer.weights, twin.weights)
    output_row = twin._output_row(row) or ()
    return outputs.reshape(-1, *output_row).view(Tensor)


def build_alone(layer: "Layer", row: Row) -> None:
    """Give a layer of no model its weights, for rows of that shape."""
    _make(layer, row, floatx(), seeds.fresh())


def _make(layer: "Layer", row: Row, dtype: str, seed: int) -> Network:
    plan = Plan(row)
    plan.go_to(plan.call(layer, [plan.here])[0])  # its pieces side by side
    if not plan.specs:
        plan.add({"kind": "activation", "activation": "linear"})
    network = DTYPES[dtype].Network(math.prod(row), plan.specs)
    network.seed = seed
    for index, function in plan.functions.items():
        network.set_function(index, function.function, function.derivative)
    for number, part in enumerate(layer._walk()):
        part._build(network, plan.places.get(part, []))
        part._initialize(seed, number)
    return network

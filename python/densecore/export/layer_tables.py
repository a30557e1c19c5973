"""Layers for tables in the formats of other programs: members, bins, learnt activations."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import activations, layers
from .._base.dtypes import Array
from ..layers.lowering import Row
from .activation_of_layer import in_jax
from .calls import name_of
from .layer_forms import Apply, LayerForms, LayerTable, copied
from .program import ColumnNormalization, Columns, Dense, Function, Merge, Program


def _flat(array: Array | None) -> Array | None:
    return None if array is None else array.reshape(-1).copy()


def _members(layer: layers.EnsembleDense, program: Program) -> None:
    name, start = name_of(layer), program.last
    members, inputs, one_input = layer._sizes(program.rows[0])
    scales: Mapping[str, Array] = layer._built_views()[0]
    width, units = members * inputs, members * layer.units
    bias = None if layer.bias is None else np.broadcast_to(layer.bias, (members, layer.units))
    value = start
    if one_input and layer._shared_kernel:
        value = program.add(Merge(name, (start,) * members, width, "concatenate"))
    if "input_scale" in scales:
        factor = _flat(scales["input_scale"])
        assert factor is not None
        value = program.add(ColumnNormalization(name, (value,), width, None, factor))
    if layer._shared_kernel:
        program.add(Dense(name, (value,), units, layer.kernel.copy(), None))
    else:
        parts = []
        for member, kernel in enumerate(layer.kernel):
            own = start if one_input else program.add(
                Columns(name, (value,), inputs, member * inputs)
            )  # fmt: skip
            own_bias = None if bias is None else bias[member].copy()
            parts.append(
                program.add(Dense(f"{name} {member}", (own,), layer.units, kernel.copy(), own_bias))
            )
        program.add(Merge(name, tuple(parts), units, "concatenate"))
    if layer._shared_kernel and ("output_scale" in scales or bias is not None):
        scale = scales.get("output_scale")
        factor = np.ones(units, program.dtype) if scale is None else _flat(scale)
        assert factor is not None
        program.add(
            ColumnNormalization(name, (program.last,), units, None, factor, shift=_flat(bias))
        )
    program.append_function(name, layer.activation, members)


def _members_in_jax(jax: Any, layer: layers.EnsembleDense, row: Row) -> Apply:
    function = in_jax(jax, layer, layer.activation)
    members, _, one_input = layer._sizes(row)
    shapes, _ = layer._weight_shapes(row)

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        arrays = {name: p[name].reshape(shape) for name, shape in shapes.items()}
        x = jax.numpy.repeat(x[:, None], members, axis=1) if one_input else x
        x = x * arrays["input_scale"] if "input_scale" in arrays else x
        kernel = arrays["kernel"]
        z = x @ kernel if kernel.ndim == 2 else jax.numpy.einsum("bki,kiu->bku", x, kernel)
        z = z * arrays["output_scale"] if "output_scale" in arrays else z
        return function(z + arrays["bias"] if "bias" in arrays else z)

    return apply


def _parametric(layer: layers.ParametricActivation, program: Program) -> None:
    name, start, width = name_of(layer), program.last, program.width(program.last)
    value = program.add(Function(name, (start,), width, activations.get(layer.activation)))
    difference = program.add(Merge(name, (value, start), width, "subtract"))
    alpha = layer.alpha.reshape(-1).copy()
    share = program.add(ColumnNormalization(name, (difference,), width, None, alpha))
    program.add(Merge(name, (start, share), width, "add"))


def _parametric_in_jax(jax: Any, layer: layers.ParametricActivation, row: Row) -> Apply:
    function = in_jax(jax, layer, layer.activation)
    return lambda p, x: x + p["alpha"].reshape(row) * (function(x) - x)


def _bins(layer: layers.PiecewiseLinearEmbedding, row: Row) -> tuple[Array, ...]:
    """Of each bin where it begins, 1 over its width, and whether it is the first and the last one
    of its column that goes on."""
    count = layer._cut(row) * layer.bins
    lower, upper = (copied(array[:count]) for array in (layer.lower, layer.upper))
    assert lower is not None
    assert upper is not None
    wide = (upper > lower).reshape(-1, layer.bins)
    factor = np.where(wide.reshape(-1), 1 / np.where(upper > lower, upper - lower, 1), 0)
    places = np.arange(layer.bins)
    first = wide & (places == np.argmax(wide, axis=1)[:, None])
    last = wide & (places == layer.bins - 1 - np.argmax(wide[:, ::-1], axis=1)[:, None])
    ends = [(each & (not layer.clip)).reshape(-1).astype(lower.dtype) for each in (first, last)]
    return lower, factor.astype(lower.dtype), *ends


def _piecewise(layer: layers.PiecewiseLinearEmbedding, program: Program) -> None:
    """min(max(v, 0), 1) of each bin's v, and what the ends go on: min(v, 0), max(v - 1, 0)."""
    name, start = name_of(layer), program.last
    row = program.rows[0]
    lower, factor, first, last = _bins(layer, row)
    columns, width = layer._cut(row), lower.size
    repeated = [
        one
        for column in range(columns)
        for one in [program.add(Columns(name, (start,), 1, column))] * layer.bins
    ]
    value = program.add(Merge(name, tuple(repeated), width, "concatenate"))
    value = program.add(ColumnNormalization(name, (value,), width, lower, factor))
    relu = activations.get("relu")

    def beyond(mean: float, sign: float, ends: Array) -> int:
        ones = np.ones(width, program.dtype)
        turned = program.add(ColumnNormalization(name, (value,), width, mean * ones, sign * ones))
        positive = program.add(Function(name, (turned,), width, relu))
        return program.add(ColumnNormalization(name, (positive,), width, None, sign * ends))

    positive = program.add(Function(name, (value,), width, relu))
    above = beyond(1.0, 1.0, np.ones(width, program.dtype))
    found = program.add(Merge(name, (positive, above), width, "subtract"))
    if not layer.clip:
        for part in (beyond(0.0, -1.0, first), beyond(1.0, 1.0, last)):
            found = program.add(Merge(name, (found, part), width, "add"))
    rest = math.prod(row) - columns
    if rest:
        others = program.add(Columns(name, (start,), rest, columns))
        program.add(Merge(name, (found, others), width + rest, "concatenate"))


def _piecewise_in_jax(jax: Any, layer: layers.PiecewiseLinearEmbedding, row: Row) -> Apply:
    lower, factor, first, last = _bins(layer, row)
    columns = layer._cut(row)
    shape = (columns, layer.bins)
    low = np.where(first > 0, -np.inf, 0).reshape(shape)
    high = np.where(last > 0, np.inf, 1).reshape(shape)

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        v = (x[:, :columns, None] - lower.reshape(shape)) * factor.reshape(shape)
        cut = jax.numpy.clip(v, low, high).astype(x.dtype).reshape(len(x), -1)
        return jax.numpy.concatenate([cut, x[:, columns:]], axis=1)

    return apply


FORMS: LayerTable = {
    layers.EnsembleDense: LayerForms(operations=_members, jax=_members_in_jax),
    layers.ParametricActivation: LayerForms(operations=_parametric, jax=_parametric_in_jax),
    layers.PiecewiseLinearEmbedding: LayerForms(operations=_piecewise, jax=_piecewise_in_jax),
}

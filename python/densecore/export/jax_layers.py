"""Layers as functions of JAX's arrays: of the layer's own arrays, by their names, and of rows."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from .. import layers
from .._base.dtypes import floatx
from .._base.lazy import imports
from ..layers.lowering import Row
from ..layers.preprocessing import Preprocessing
from ..layers.weight import Zeros
from .calls import name_of
from .program import Indicators, Intervals, Lookup, Port, Program
from .rows_of_layers import activation_of

# An activation takes jax.numpy, jax.nn, its parameters and z.


def _relu(np_: Any, nn: Any, p: Mapping[str, Any], z: Any) -> Any:
    above = z if p["max_value"] is None else np_.minimum(z, p["max_value"])
    below = p["negative_slope"] * (z - p["threshold"])
    return np_.where(z > p["threshold"], above, below)


def _shrink(np_: Any, nn: Any, p: Mapping[str, Any], z: Any) -> Any:
    return np_.where(np_.abs(z) > p["threshold"], z - p["threshold"] * np_.sign(z), 0.0)


def _squareplus(np_: Any, nn: Any, p: Mapping[str, Any], z: Any) -> Any:
    return (z + np_.sqrt(z * z + p["b"])) / 2


_FUNCTIONS: dict[str, Callable[[Any, Any, Mapping[str, Any], Any], Any]] = {
    "celu": lambda np_, nn, p, z: nn.celu(z, p["alpha"]),
    "elu": lambda np_, nn, p, z: nn.elu(z, p["alpha"]),
    "exponential": lambda np_, nn, p, z: np_.exp(z),
    "gelu": lambda np_, nn, p, z: nn.gelu(z, approximate=p["approximate"]),
    "hard_shrink": lambda np_, nn, p, z: np_.where(np_.abs(z) > p["threshold"], z, 0.0),
    "hard_sigmoid": lambda np_, nn, p, z: nn.hard_sigmoid(z),
    "hard_silu": lambda np_, nn, p, z: nn.hard_silu(z),
    "hard_tanh": lambda np_, nn, p, z: nn.hard_tanh(z),
    "leaky_relu": lambda np_, nn, p, z: nn.leaky_relu(z, p["negative_slope"]),
    "log_sigmoid": lambda np_, nn, p, z: nn.log_sigmoid(z),
    "log_softmax": lambda np_, nn, p, z: nn.log_softmax(z),
    "mish": lambda np_, nn, p, z: nn.mish(z),
    "relu": _relu,
    "relu6": lambda np_, nn, p, z: nn.relu6(z),
    "selu": lambda np_, nn, p, z: nn.selu(z),
    "sigmoid": lambda np_, nn, p, z: nn.sigmoid(z),
    "silu": lambda np_, nn, p, z: nn.silu(z),
    "soft_shrink": _shrink,
    "softmax": lambda np_, nn, p, z: nn.softmax(z),
    "softplus": lambda np_, nn, p, z: nn.softplus(z),
    "softsign": lambda np_, nn, p, z: nn.soft_sign(z),
    "sparse_plus": lambda np_, nn, p, z: nn.sparse_plus(z),
    "sparse_sigmoid": lambda np_, nn, p, z: nn.sparse_sigmoid(z),
    "squareplus": _squareplus,
    "tanh": lambda np_, nn, p, z: np_.tanh(z),
    "tanh_shrink": lambda np_, nn, p, z: z - np_.tanh(z),
}

Apply = Callable[..., Any]  # of the layer's arrays and its values


def _function(jax: Any, layer: layers.Layer, activation: Any) -> Callable[[Any], Any]:
    found = activation_of(layer, activation, _FUNCTIONS)
    if found is None:
        return lambda z: z
    function, parameters = _FUNCTIONS[found.name], dict(found.parameters)
    return lambda z: function(jax.numpy, jax.nn, parameters, z)


def _dense(jax: Any, layer: layers.Dense, row: Row) -> Apply:
    function = _function(jax, layer, layer.activation)

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        z = x @ p["kernel"]
        return function(z + p["bias"] if "bias" in p else z)

    return apply


def _activation(jax: Any, layer: layers.Activation, row: Row) -> Apply:
    function = _function(jax, layer, layer.activation)
    return lambda p, x: function(x)


def _scaled(p: Mapping[str, Any], x: Any) -> Any:
    x = x * p["gamma"] if "gamma" in p else x
    return x + p["beta"] if "beta" in p else x


def _batch_normalization(jax: Any, layer: layers.BatchNormalization, row: Row) -> Apply:
    def apply(p: Mapping[str, Any], x: Any) -> Any:
        deviation = jax.numpy.sqrt(p["moving_variance"] + layer.epsilon)
        return _scaled(p, (x - p["moving_mean"]) / deviation)

    return apply


def _rows(jax: Any, x: Any, epsilon: float, *, groups: int = 1, centered: bool = True) -> Any:
    parts = x.reshape(len(x), groups, -1)
    if centered:
        parts = parts - parts.mean(axis=-1, keepdims=True)
    square = (parts * parts).mean(axis=-1, keepdims=True)
    return (parts / jax.numpy.sqrt(square + epsilon)).reshape(x.shape)


def _group_normalization(jax: Any, layer: layers.GroupNormalization, row: Row) -> Apply:
    groups = row[0] if layer.groups == -1 else layer.groups
    return lambda p, x: _scaled(p, _rows(jax, x, layer.epsilon, groups=groups))


def _layer_normalization(jax: Any, layer: layers.LayerNormalization, row: Row) -> Apply:
    vectors = math.prod(row[:-1])
    return lambda p, x: _scaled(p, _rows(jax, x, layer.epsilon, groups=vectors))


def _rms_normalization(jax: Any, layer: layers.RMSNormalization, row: Row) -> Apply:
    vectors = math.prod(row[:-1])
    return lambda p, x: _rows(jax, x, layer.epsilon, groups=vectors, centered=False) * p["scale"]


def _unit_normalization(jax: Any, layer: layers.Layer, row: Row) -> Apply:
    def apply(p: Mapping[str, Any], x: Any) -> Any:
        square = (x * x).sum(axis=-1, keepdims=True)
        known = square > 0  # the root of 0 has no derivative
        return jax.numpy.where(known, x / jax.numpy.sqrt(jax.numpy.where(known, square, 1)), 0)

    return apply


def _scale(jax: Any, layer: layers.Scale, row: Row) -> Apply:
    return lambda p, x: x * p["scale"]


def _periodic(jax: Any, layer: layers.PeriodicEmbedding, row: Row) -> Apply:
    def apply(p: Mapping[str, Any], x: Any) -> Any:
        columns, frequencies = p["frequencies"].shape
        own = x[:, :columns, None]
        cosines = jax.numpy.cos(2 * jax.numpy.pi * own * p["frequencies"] + p["phases"])
        kernel = p["kernel"].reshape(columns, -1, frequencies)
        sums = jax.numpy.einsum("ijf,jkf->ijk", cosines, kernel) + p["bias"]
        both = jax.numpy.concatenate([own, sums], axis=2).reshape(len(x), -1)
        return jax.numpy.concatenate([both, x[:, columns:]], axis=1)

    return apply


def _normalization(jax: Any, layer: layers.Normalization, row: Row) -> Apply:
    least = 0.0 if layer.invert else layer._epsilon

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        deviation = jax.numpy.maximum(jax.numpy.sqrt(p["variance"]), least).reshape(row)
        mean = p["mean"].reshape(row)
        return x * deviation + mean if layer.invert else (x - mean) / deviation

    return apply


def _reshape(jax: Any, layer: Any, row: Row) -> Apply:
    shape = layer._output_row(row)
    return lambda p, x: x.reshape(len(x), *shape)


def _nothing(jax: Any, layer: Any, row: Row) -> Apply:
    return lambda p, x: x


def _prelu(jax: Any, layer: layers.PReLU, row: Row) -> Apply:
    return lambda p, x: jax.numpy.where(x > 0, x, x * p["scale"].reshape(row))


def _embedding(jax: Any, layer: layers.Embedding, row: Row) -> Apply:
    def apply(p: Mapping[str, Any], x: Any) -> Any:
        table = p["embeddings"]
        known = (x >= 0) & (x < len(table)) & (x == jax.numpy.floor(x))
        other = 0 if layer.missing else jax.numpy.nan  # a function of JAX cannot refuse numbers
        place = jax.numpy.where(known, x, 0).astype(int)
        return jax.numpy.where(known[..., None] | layer.missing, table[place], other)

    return apply


def _repeat_vector(jax: Any, layer: layers.RepeatVector, row: Row) -> Apply:
    return lambda p, x: jax.numpy.repeat(x[:, None, :], layer.n, axis=1)


def _columns(jax: Any, layer: layers.Columns | layers.Selection, row: Row) -> Apply:
    return lambda p, x: x[:, layer.first : layer.last]


def _permute(jax: Any, layer: layers.Permute, row: Row) -> Apply:
    return lambda p, x: x.transpose(0, *layer.dims)


def _pool(kind: str) -> Callable[[Any, Any, Row], Apply]:
    """The mean, or the largest, of a row's vectors."""
    return lambda jax, layer, row: lambda p, x: getattr(x, kind)(axis=1, keepdims=layer.keepdims)


def _preprocessing(jax: Any, layer: Preprocessing, row: Row) -> Apply:
    """Functions of numbers as the other exporters have them; in the model's type, which is that of
    x."""
    with imports:
        from .operations_of_layers import append, not_below

    np_ = jax.numpy
    program = Program("", "float64", [Port("x", row, 0)])
    append(layer, program, [0], [row])
    (shape,) = layer._output_rows([row])

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        dtype = x.dtype if x.dtype.kind == "f" else np_.dtype(floatx())
        for each in program.operations:
            match each:
                case Intervals():
                    x = np_.searchsorted(not_below(each.boundaries, dtype), x, side="right")
                case Lookup():
                    same = np_.trunc(x)[..., None] == np_.asarray(each.keys)
                    known = (same * np_.asarray(each.numbers)).sum(-1)
                    x = np_.where(same.any(-1), known, each.other)
                case Indicators():
                    parts = x.reshape(len(x), -1, each.group, 1)
                    same = parts == np_.arange(each.categories)
                    x = (same.sum(2) if each.counted else same.any(2)).reshape(len(x), *shape)
        return x.astype(dtype)

    for each in program.operations:
        if isinstance(each, Lookup) and each.of_texts:
            raise ValueError(f"layer {name_of(layer)}: found texts, wanted numbers")
    return apply


def _row_sum(jax: Any, layer: layers.RowSum, row: Row) -> Apply:
    function = jax.numpy.mean if layer.mean else jax.numpy.sum
    axes = tuple(1 + place for place in layer._places(row))
    return lambda p, x: function(x, axis=axes, keepdims=layer.keepdims)


def _spread(jax: Any, layer: layers.Spread, row: Row) -> Apply:
    shape, ones = layer.target_shape, (1,) * (len(layer.target_shape) - len(row))
    return lambda p, x: jax.numpy.broadcast_to(x.reshape(len(x), *ones, *row), (len(x), *shape))


def _drawn(jax: Any, layer: layers.Noise, row: Row) -> Apply:
    mean = 0.5 if layer.uniform else 0.0
    return lambda p, x: jax.numpy.full((len(x), layer.units), mean, x.dtype)


def _zeros(jax: Any, layer: Zeros, row: Row) -> Apply:
    return lambda p, x: jax.numpy.zeros((len(x), 1), x.dtype)


def _element(jax: Any, layer: layers.ElementFunction, row: Row) -> Apply:
    function = getattr(jax.numpy, layer.function)
    if layer.constant is None:
        return lambda p, x: function(x)
    if layer.constant_first:
        return lambda p, x: function(layer.constant, x).astype(x.dtype)
    return lambda p, x: function(x, layer.constant).astype(x.dtype)


def _concatenate(jax: Any, layer: layers.Concatenate, row: Row) -> Apply:
    return lambda p, *xs: jax.numpy.concatenate(xs, axis=layer.axis)


def _pairwise(name: str) -> Callable[[Any, Any, Row], Apply]:
    """A function of two arrays, over several: ``add`` of jax.numpy, for instance."""

    def make(jax: Any, layer: Any, row: Row) -> Apply:
        function = getattr(jax.numpy, name)

        def apply(p: Mapping[str, Any], *xs: Any) -> Any:
            result = xs[0]
            for other in xs[1:]:
                result = function(result, other)
            return result / len(xs) if isinstance(layer, layers.Average) else result

        return apply

    return make


def _dot(jax: Any, layer: layers.Dot, row: Row) -> Apply:
    unit = _unit_normalization(jax, layer, row)

    def apply(p: Mapping[str, Any], a: Any, b: Any) -> Any:
        rows = [a.shape[1:], b.shape[1:]]
        one, two = layer._places(rows)
        a, b = jax.numpy.moveaxis(a, one + 1, -1), jax.numpy.moveaxis(b, two + 1, -1)
        if layer.normalize:
            a, b = unit(p, a), unit(p, b)
        a, b = a.reshape(len(a), -1, a.shape[-1]), b.reshape(len(b), -1, b.shape[-1])
        return jax.numpy.einsum("rik,rjk->rij", a, b).reshape(len(a), *layer._merged(rows))

    return apply


# By the layer's class, as in `program`.
LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any, Row], Apply]] = {
    layers.Activation: _activation,
    layers.ActivityRegularization: _nothing,
    layers.Add: _pairwise("add"),
    layers.AlphaDropout: _nothing,
    layers.Average: _pairwise("add"),
    layers.BatchNormalization: _batch_normalization,
    layers.CategoryEncoding: _preprocessing,
    layers.Columns: _columns,
    layers.Discretization: _preprocessing,
    layers.Concatenate: _concatenate,
    layers.Dense: _dense,
    layers.Dot: _dot,
    layers.Dropout: _nothing,
    layers.ElementFunction: _element,
    layers.Embedding: _embedding,
    layers.Flatten: _reshape,
    layers.GaussianDropout: _nothing,
    layers.GaussianNoise: _nothing,
    layers.GlobalAveragePooling1D: _pool("mean"),
    layers.GlobalMaxPooling1D: _pool("max"),
    layers.GroupNormalization: _group_normalization,
    layers.Identity: _nothing,
    layers.IntegerLookup: _preprocessing,
    layers.LayerNormalization: _layer_normalization,
    layers.Maximum: _pairwise("maximum"),
    layers.Minimum: _pairwise("minimum"),
    layers.Multiply: _pairwise("multiply"),
    layers.Noise: _drawn,
    layers.Normalization: _normalization,
    layers.PReLU: _prelu,
    layers.PeriodicEmbedding: _periodic,
    layers.Permute: _permute,
    layers.RMSNormalization: _rms_normalization,
    layers.RepeatVector: _repeat_vector,
    layers.Reshape: _reshape,
    layers.RowSum: _row_sum,
    layers.Scale: _scale,
    layers.StringLookup: _preprocessing,
    layers.Selection: _columns,
    layers.Subtract: _pairwise("subtract"),
    layers.UnitNormalization: _unit_normalization,
    layers.Spread: _spread,
    Zeros: _zeros,
}

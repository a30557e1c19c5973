"""A network as a function of JAX and the pytree of its parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import layers
from .._base.dtypes import Array
from .._base.lazy import imports
from .._data.matching import matched
from .._data.structures import packed
from ..layers.lowering import Row
from .calls import Calls, calls_of, check_built
from .rows_of_layers import activation_of, row_of

Tree = dict[str, dict[str, Any]]


def parameter_tree(model: Any) -> Tree:
    """Copies of a model's arrays, by the layer's and the array's name; layers without are left out.

    A pytree of NumPy arrays: what JAX's transformations, and optimizers such as optax's, work on.
    Of a residual block, and of a model within the model, arrays are called ``"0.kernel"`` after the
    layer's place in it.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.

    Raises
    ------
    RuntimeError
        The model has no parameters yet.
    """
    check_built("parameter_tree", model)
    tree = {}
    for layer in model._layers:
        arrays = layer._named_weights()
        if arrays:
            tree[str(layer.name)] = {name: array.copy() for name, array in arrays.items()}
    return tree


def set_parameter_tree(model: Any, tree: Mapping[str, Mapping[str, Any]]) -> None:
    """Set a model's arrays from a pytree as `parameter_tree` makes it; all of them, or none.

    Raises
    ------
    RuntimeError
        The model has no parameters yet.
    ValueError
        Layers or arrays are missing or unknown, or have other shapes; the message names them.
        Nothing has been changed then.
    TypeError
        Something that is no array of real numbers.
    """
    check_built("set_parameter_tree", model)
    wanted = {str(layer.name): layer._named_weights() for layer in model._layers}
    wanted = {name: arrays for name, arrays in wanted.items() if arrays}
    if not isinstance(tree, Mapping):
        raise TypeError(f"parameters: found {type(tree).__name__}, wanted a dictionary by layer")
    _same_names("parameters", list(tree), list(wanted))
    made = []
    for name, arrays in wanted.items():
        given = tree[name]
        if not isinstance(given, Mapping):
            raise TypeError(f"layer {name}: found {type(given).__name__}, wanted a dictionary")
        _same_names(f"layer {name}", list(given), list(arrays))
        for key, target in arrays.items():
            array = np.asarray(given[key])
            if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
                raise TypeError(f"layer {name}: {key}: found {array.dtype}, wanted real numbers")
            if array.shape != target.shape:
                raise ValueError(
                    f"layer {name}: {key}: found shape {array.shape}, wanted {target.shape}"
                )
            made.append(array.astype(target.dtype))
    flat = [target for arrays in wanted.values() for target in arrays.values()]
    with model._reserved():
        for target, array in zip(flat, made, strict=True):
            target[...] = array


def _same_names(what: str, found: Sequence[Any], wanted: Sequence[str]) -> None:
    if set(found) != set(wanted):
        raise ValueError(f"{what}: found {sorted(map(str, found))}, wanted {sorted(wanted)}")


# The function -------------------------------------------------------------------------------------
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
    return lambda p, x: _scaled(p, _rows(jax, x, layer.epsilon))


def _rms_normalization(jax: Any, layer: layers.RMSNormalization, row: Row) -> Apply:
    return lambda p, x: _rows(jax, x, layer.epsilon, centered=False) * p["scale"]


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


def _part(p: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The arrays of a layer within a layer, of those that are called ``"0.kernel"``."""
    prefix = f"{number}."
    return {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}


def _residual(jax: Any, layer: layers.Residual, row: Row) -> Apply:
    parts = []
    for each in layer._layers:
        parts.append(_apply(jax, each, [row]))
        (row,) = each._output_rows([row])

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        inner = x
        for number, part in enumerate(parts):
            inner = part(_part(p, number), inner)
        return x + inner

    return apply


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


def _columns(jax: Any, layer: layers.Columns, row: Row) -> Apply:
    return lambda p, x: x[:, layer.first : layer.last]


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
_LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any, Row], Apply]] = {
    layers.Activation: _activation,
    layers.ActivityRegularization: _nothing,
    layers.Add: _pairwise("add"),
    layers.AlphaDropout: _nothing,
    layers.Average: _pairwise("add"),
    layers.BatchNormalization: _batch_normalization,
    layers.Columns: _columns,
    layers.Concatenate: _concatenate,
    layers.Dense: _dense,
    layers.Dot: _dot,
    layers.Dropout: _nothing,
    layers.ElementFunction: _element,
    layers.Embedding: _embedding,
    layers.Flatten: _reshape,
    layers.GaussianDropout: _nothing,
    layers.GaussianNoise: _nothing,
    layers.GroupNormalization: _group_normalization,
    layers.Identity: _nothing,
    layers.LayerNormalization: _layer_normalization,
    layers.Maximum: _pairwise("maximum"),
    layers.Minimum: _pairwise("minimum"),
    layers.Multiply: _pairwise("multiply"),
    layers.Normalization: _normalization,
    layers.PReLU: _prelu,
    layers.PeriodicEmbedding: _periodic,
    layers.RMSNormalization: _rms_normalization,
    layers.RepeatVector: _repeat_vector,
    layers.Reshape: _reshape,
    layers.Residual: _residual,
    layers.Scale: _scale,
    layers.Subtract: _pairwise("subtract"),
    layers.UnitNormalization: _unit_normalization,
}


def _apply(jax: Any, layer: layers.Layer, rows: Sequence[Row]) -> Apply:
    """A layer as a function of its arrays and values.

    Raises
    ------
    ValueError
        JAX has none; the message names the layer.
    """
    if layer._inner_model is not None:
        model = layer._inner_model
        inner = _graph(jax, calls_of(model))
        places = {each: number for number, each in enumerate(model._layers)}
        return lambda p, *xs: inner(lambda each: _part(p, places[each]), xs)
    return row_of(layer, _LAYERS)(jax, layer, rows[0])


def _graph(jax: Any, calls: Calls) -> Callable[[Callable[[layers.Layer], Any], Any], list[Any]]:
    """What computes a graph's outputs from a function that gives a layer's arrays, and inputs."""
    rows = calls.rows
    parts = [
        (step, _apply(jax, step.layer, [rows[value] for value in step.inputs]))
        for step in calls.steps
    ]

    def apply(arrays: Callable[[layers.Layer], Any], xs: Sequence[Any]) -> list[Any]:
        values = dict(zip(calls.inputs, xs, strict=True))
        for step, part in parts:
            found = part(arrays(step.layer), *(values[value] for value in step.inputs))
            made = found if isinstance(found, list) else [found]
            values.update(zip(step.outputs, made, strict=True))
        return [values[value] for value in calls.outputs]

    return apply


def to_jax(model: Any) -> tuple[Callable[[Any, Any], Any], Tree]:
    """A model as a pure function of JAX, and the pytree of its parameters.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.

    Returns
    -------
    function (parameters, x) -> y
        The inference of rows x (batch, …), or of several inputs as the model takes them: dropout
        and noise are left out, and batch normalisation takes its moving averages. ``jax.jit``,
        ``jax.grad`` and ``jax.vmap`` take it.
    dict of str to dict of str to jax.Array
        As `parameter_tree`, which `set_parameter_tree` takes back.

    Raises
    ------
    ImportError
        JAX is not installed.
    RuntimeError
        The model has no parameters yet.
    ValueError
        A layer that JAX has no form for; the message names it.
    """
    try:
        with imports:
            import jax
            import jax.numpy
    except ImportError:
        raise ImportError("to_jax needs JAX: pip install jax") from None
    check_built("to_jax", model)
    calls = calls_of(model)
    inner = _graph(jax, calls)
    names = {layer: str(layer.name) for layer in model._layers}
    empty: Mapping[str, Array] = {}

    def apply(parameters: Any, x: Any) -> Any:
        single = not isinstance(calls.input_structure, dict | list)
        xs = [x] if single else matched("x", x, calls.input_structure, calls.input_names)
        for name, each, value in zip(calls.input_names, xs, calls.inputs, strict=True):
            if each.shape[1:] != calls.rows[value]:
                raise ValueError(
                    f"{name}: found rows of shape {each.shape[1:]}, wanted {calls.rows[value]}"
                )
        outputs = inner(lambda layer: parameters.get(names[layer], empty), xs)
        return packed(calls.output_structure, outputs)

    return apply, jax.tree.map(jax.numpy.asarray, parameter_tree(model))

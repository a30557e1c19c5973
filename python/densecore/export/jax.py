"""A network as a function of JAX and the pytree of its parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import activations, layers
from .._base.dtypes import Array
from .._base.lazy import imports
from ..layers.activation_argument import UserActivation
from ..layers.lowering import Row
from .rows_of_layers import row_of, stack_of

Tree = dict[str, dict[str, Any]]


def parameter_tree(model: Any) -> Tree:
    """Copies of a model's arrays, by the layer's and the array's name; layers without are left out.

    A pytree of NumPy arrays: what JAX's transformations, and optimizers such as optax's, work on.
    Of a residual block, arrays are called ``"0.kernel"`` after the layer's place in the block.

    Parameters
    ----------
    model : Sequential
        Built: with parameters.

    Raises
    ------
    RuntimeError
        The model has no parameters yet.
    """
    _check_built(model)
    tree = {}
    for layer in stack_of(model):
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
    _check_built(model)
    wanted = {str(layer.name): layer._named_weights() for layer in stack_of(model)}
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


def _check_built(model: Any) -> None:
    if not model.built:
        raise RuntimeError(
            f"the model {model.name!r} has no parameters yet: it does not know its number of "
            "inputs (start with Input, call build, or fit first)"
        )


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

Apply = Callable[[Mapping[str, Any], Any], Any]  # the layer's arrays and its rows to its output


def _function(jax: Any, layer: layers.Layer, activation: Any) -> Callable[[Any], Any]:
    if isinstance(activation, UserActivation):
        raise ValueError(
            f"layer {layer.name}: found an activation that is a Python function of NumPy arrays, "
            "wanted one of: " + ", ".join(_FUNCTIONS)
        )
    found = activations.get(activation)
    if found.name == "linear":
        return lambda z: z
    if found.name not in _FUNCTIONS:
        raise ValueError(
            f"layer {layer.name}: found the activation {found.name}, wanted one of: "
            + ", ".join(_FUNCTIONS)
        )
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


def _unit_normalization(jax: Any, layer: layers.UnitNormalization, row: Row) -> Apply:
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


def _residual(jax: Any, layer: layers.Residual, row: Row) -> Apply:
    parts = _stack(jax, layer.layers, row)

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        inner = x
        for number, part in enumerate(parts):
            prefix = f"{number}."
            own = {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}
            inner = part(own, inner)
        return x + inner

    return apply


# By the layer's class, as in `program`.
_LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any, Row], Apply]] = {
    layers.Activation: _activation,
    layers.ActivityRegularization: _nothing,
    layers.AlphaDropout: _nothing,
    layers.BatchNormalization: _batch_normalization,
    layers.Dense: _dense,
    layers.Dropout: _nothing,
    layers.Flatten: _reshape,
    layers.GaussianDropout: _nothing,
    layers.GaussianNoise: _nothing,
    layers.GroupNormalization: _group_normalization,
    layers.Identity: _nothing,
    layers.LayerNormalization: _layer_normalization,
    layers.Normalization: _normalization,
    layers.PeriodicEmbedding: _periodic,
    layers.RMSNormalization: _rms_normalization,
    layers.Reshape: _reshape,
    layers.Residual: _residual,
    layers.Scale: _scale,
    layers.UnitNormalization: _unit_normalization,
}


def _stack(jax: Any, stack: Sequence[layers.Layer], row: Row) -> list[Apply]:
    found = []
    for layer in stack:
        found.append(row_of(layer, _LAYERS)(jax, layer, row))
        row = layer._output_row(row) or ()
    return found


def to_jax(model: Any) -> tuple[Callable[[Any, Any], Any], Tree]:
    """A model as a pure function of JAX, and the pytree of its parameters.

    Parameters
    ----------
    model : Sequential
        Built: with parameters.

    Returns
    -------
    function (parameters, x) -> y
        The inference of rows x (batch, …): dropout and noise are left out, and batch normalisation
        takes its moving averages. ``jax.jit``, ``jax.grad`` and ``jax.vmap`` take it.
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
    _check_built(model)
    row = tuple(int(size) for size in model.input_shape[1:])
    stack = stack_of(model)
    named = list(zip([str(each.name) for each in stack], _stack(jax, stack, row), strict=True))
    empty: Mapping[str, Array] = {}

    def apply(parameters: Any, x: Any) -> Any:
        if x.shape[1:] != row:
            raise ValueError(f"x: found rows of shape {x.shape[1:]}, wanted {row}")
        for name, part in named:
            x = part(parameters.get(name, empty), x)
        return x

    return apply, jax.tree.map(jax.numpy.asarray, parameter_tree(model))

"""A network as a function of JAX and the pytree of its parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import layers
from .._base.dtypes import Array
from .._base.lazy import imports
from .._data.matching import matched
from .._data.structures import packed
from ..layers.arrays import place
from ..layers.fixed import FixedProduct
from ..layers.lowering import Row
from ..layers.own import OwnLayer
from ..layers.weight import carried
from .calls import Calls, calls_of, calls_within, check_built
from .layer_forms import Apply, form_of
from .layer_table import JAX

if TYPE_CHECKING:
    from ..models.compiled import Compiled

Tree = dict[str, dict[str, Any]]


def _arrays_of(layer: layers.Layer) -> dict[str, Array]:
    """A layer's arrays, but those that follow from shapes and belong to no user."""
    fixed = {
        place(array)
        for part in layer._walk()
        if isinstance(part, FixedProduct)
        for array in part._named_weights().values()
    }
    return {
        name: array for name, array in layer._named_weights().items() if place(array) not in fixed
    }


def parameter_tree(model: "Compiled") -> Tree:
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
        arrays = _arrays_of(layer)
        if arrays:
            tree[str(layer.name)] = {name: array.copy() for name, array in arrays.items()}
    return tree


def set_parameter_tree(model: "Compiled", tree: Mapping[str, Mapping[str, Any]]) -> None:
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
    wanted = {str(layer.name): _arrays_of(layer) for layer in model._layers}
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


def part_of(p: Mapping[str, Any], number: int) -> dict[str, Any]:
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
            inner = part(part_of(p, number), inner)
        return x + inner

    return apply


def _own_layer(jax: Any, layer: OwnLayer, calls: Calls) -> Apply:
    """A custom layer: the layers that it consists of, with arrays by its own names."""
    inner = _graph(jax, calls)
    weights = {weight: f"{n}:{weight.name}" for n, weight in enumerate(layer._own_weights())}
    places = {part: number for number, part in enumerate(layer._shown_parts())}
    #: Arrays of the parts that are no weights of the layer's, such as the kernel of a bias alone.
    rest = {
        part: {
            name: jax.numpy.asarray(array.copy())
            for name, array in part._named_weights().items()
            if name not in carried(part)
        }
        for part in layer._parts()
        if part not in places
    }

    def arrays(p: Mapping[str, Any], part: layers.Layer) -> Mapping[str, Any]:
        if part in places:
            return part_of(p, places[part])
        own = {
            name: p[weights[weight]].reshape(shapes[part, name])
            for name, weight in carried(part).items()
        }
        return {**rest[part], **own}

    shapes = {
        (part, name): part._named_weights()[name].shape for part in rest for name in carried(part)
    }
    return lambda p, *xs: inner(lambda part: arrays(p, part), xs)


def _apply(jax: Any, layer: layers.Layer, rows: Sequence[Row], form: Any = None) -> Apply:
    """A layer as a function of its arrays and values.

    Raises
    ------
    ValueError
        JAX has none; the message names the layer.
    """
    calls = calls_within(layer, rows, form)
    if calls is not None and isinstance(layer, OwnLayer):
        return _own_layer(jax, layer, calls)
    if calls is not None and layer._inner_model is None:
        inner = _graph(jax, calls)
        return lambda p, *xs: inner(lambda each: p, xs)
    if calls is not None:
        model, inner = layer._inner_model, _graph(jax, calls)
        places = {each: number for number, each in enumerate(model._layers)}
        return lambda p, *xs: inner(lambda each: part_of(p, places[each]), xs)
    if isinstance(layer, layers.Residual):
        return _residual(jax, layer, rows[0])
    return form_of(layer, JAX)(jax, layer, rows[0])


def _graph(jax: Any, calls: Calls) -> Callable[[Callable[[layers.Layer], Any], Any], list[Any]]:
    """A function that computes a graph's outputs; it is given each layer's arrays, and inputs."""
    rows = calls.rows
    parts = [
        (step, _apply(jax, step.layer, [rows[value] for value in step.inputs], step.form))
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


def to_jax(model: "Compiled") -> tuple[Callable[[Any, Any], Any], Tree]:
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

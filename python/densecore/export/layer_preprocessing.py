"""Layers that make numbers of categories in the formats of other programs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import layers
from .._base.dtypes import Array, floatx
from ..layers.lowering import Row
from ..layers.preprocessing import Preprocessing
from .calls import name_of
from .layer_forms import (
    Apply,
    LayerForms,
    LayerTable,
    form_of,
    named,
    operations_alone,
    torch_modules,
)
from .program import Indicators, Intervals, Lookup, Operation, Program


def _encoded(layer: Preprocessing, program: Program) -> None:
    """Columns for the numbers of categories, unless they are to stay numbers."""
    mode = getattr(layer, "output_mode", "int")
    if mode != "int":
        categories, value = layer._size(), program.last
        group = 1 if mode == "one_hot" else program.rows[0][-1]
        width = program.width(value) // group * categories
        program.add(Indicators(name_of(layer), (value,), width, categories, group, mode == "count"))


def _not_below(values: Array, dtype: Any) -> Array:
    """Numbers of double precision in another type, rounded up: each number of that type is then on
    the same side of them."""
    rounded = values.astype(dtype)
    low = rounded.astype(np.float64) < values
    rounded[low] = np.nextafter(rounded[low], rounded.dtype.type(np.inf))
    return rounded


def _discretization(layer: layers.Discretization, program: Program) -> None:
    name, value = name_of(layer), program.last
    boundaries = _not_below(np.asarray(layer.bin_boundaries or (), np.float64), program.dtype)
    layer._size()  # raises where nothing has been learnt
    program.add(Intervals(name, (value,), program.width(value), boundaries))
    _encoded(layer, program)


def _lookup(layer: layers.StringLookup | layers.IntegerLookup, program: Program) -> None:
    name, value = name_of(layer), program.last
    for option, found, wanted in (
        ("invert", layer.invert, False), ("num_oov_indices", max(layer.num_oov_indices, 1), 1),
    ):  # fmt: skip
        if found != wanted:
            raise ValueError(f"layer {name}: {option}: found {found}, wanted {wanted}")
    known = layer.get_vocabulary(include_special_tokens=False)
    numbers = [layer._first + place for place in range(len(known))]
    if layer.mask_token is not None:
        known, numbers = [layer.mask_token, *known], [0, *numbers]
    largest = 2.0 ** (np.finfo(program.dtype).nmant + 1)
    for key in known:
        if not isinstance(key, str) and abs(key) > largest:
            raise ValueError(
                f"layer {name}: found the token {key}, wanted at most {largest:.0f}, which "
                f"{program.dtype} holds"
            )
    if not known:
        raise ValueError(f"layer {name}: found no token, wanted at least one")
    unknown = int(layer.mask_token is not None) if layer.num_oov_indices else -1
    width = program.width(value)
    program.add(Lookup(name, (value,), width, tuple(known), tuple(numbers), unknown))
    _encoded(layer, program)


_OPERATIONS: dict[type[layers.Layer], Callable[[Any, Program], None]] = {
    layers.CategoryEncoding: _encoded,
    layers.Discretization: _discretization,
    layers.IntegerLookup: _lookup,
    layers.StringLookup: _lookup,
}


def _operations_of_numbers(layer: Preprocessing, row: Row, dtype: str) -> list[Operation]:
    """The operations of a layer for a format that has no texts."""
    found = operations_alone(form_of(layer, _OPERATIONS), layer, row, dtype)
    if any(isinstance(each, Lookup) and each.of_texts for each in found):
        raise ValueError(f"layer {name_of(layer)}: found texts, wanted numbers")
    return found


def _in_jax(jax: Any, layer: Preprocessing, row: Row) -> Apply:
    """The operations as functions of arrays, in the model's type, which is that of x."""
    np_ = jax.numpy
    operations = _operations_of_numbers(layer, row, "float64")
    (shape,) = layer._output_rows([row])

    def apply(p: Any, x: Any) -> Any:
        dtype = x.dtype if x.dtype.kind == "f" else np_.dtype(floatx())
        for each in operations:
            match each:
                case Intervals():
                    x = np_.searchsorted(_not_below(each.boundaries, dtype), x, side="right")
                case Lookup():
                    same = np_.trunc(x)[..., None] == np_.asarray(each.keys)
                    known = (same * np_.asarray(each.numbers)).sum(-1)
                    x = np_.where(same.any(-1), known, each.other)
                case Indicators():
                    parts = x.reshape(len(x), -1, each.group, 1)
                    same = parts == np_.arange(each.categories)
                    x = (same.sum(2) if each.counted else same.any(2)).reshape(len(x), *shape)
        return x.astype(dtype)

    return apply


def _module(torch: Any, layer: Preprocessing, rows: list[Row], dtype: Any) -> list[Any]:
    own = torch_modules()
    made: list[Any] = []
    for operation in _operations_of_numbers(layer, rows[0], str(dtype).removeprefix("torch.")):
        match operation:
            case Intervals():
                made.append(own.Intervals(torch.from_numpy(operation.boundaries)))
            case Lookup():
                keys, numbers = (
                    torch.tensor(each, dtype=dtype) for each in (operation.keys, operation.numbers)
                )
                made.append(own.Lookup(keys, numbers, float(operation.other)))
            case Indicators(categories=categories, group=group, counted=counted):
                (shape,) = layer._output_rows(rows)
                like = torch.zeros(0, dtype=dtype)
                made.append(own.Indicators(categories, group, counted, shape, like))
    return made


def _discretization_in_keras(keras: Any, layer: layers.Discretization) -> Any:
    layer._size()  # raises where nothing has been learnt
    return keras.layers.Discretization(
        layer.bin_boundaries, output_mode=layer.output_mode, name=layer.name
    )


def _lookup_in_keras(keras: Any, layer: layers.IntegerLookup) -> Any:
    options = ("num_oov_indices", "mask_token", "oov_token", "invert", "output_mode", "name")
    given = {option: getattr(layer, option) for option in options}
    vocabulary = layer.get_vocabulary(include_special_tokens=False)
    try:
        return keras.layers.IntegerLookup(vocabulary=vocabulary, **given)
    except ImportError as error:
        raise ValueError(f"layer {layer.name}: {error}") from None


FORMS: LayerTable = {
    layers.CategoryEncoding: LayerForms(
        operations=_encoded,
        jax=_in_jax,
        torch=_module,
        keras=named("CategoryEncoding", "num_tokens", "output_mode"),
    ),
    layers.Discretization: LayerForms(
        operations=_discretization, jax=_in_jax, torch=_module, keras=_discretization_in_keras
    ),
    layers.IntegerLookup: LayerForms(
        operations=_lookup, jax=_in_jax, torch=_module, keras=_lookup_in_keras
    ),
    layers.StringLookup: LayerForms(operations=_lookup, jax=_in_jax, torch=_module),
}

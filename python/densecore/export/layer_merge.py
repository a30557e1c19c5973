"""Layers that take several values in the formats of other programs."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from .. import layers
from ..layers.lowering import Row
from ..layers.merge import Merge as MergeLayer
from .calls import name_of
from .layer_forms import Apply, LayerForms, LayerTable, named, torch_modules
from .layer_normalization import unit_in_jax
from .program import Dot, Merge, Program, RowNormalization


def _operations(kind: str) -> Callable[[Any, Program], None]:
    def append(layer: MergeLayer, program: Program) -> None:
        width = math.prod(layer._merged(program.rows))
        program.add(Merge(name_of(layer), tuple(program.taken), width, kind))

    return append


def _pairwise(name: str) -> Callable[[Any, Any, Row], Apply]:
    """A function of two arrays, over several: ``add`` of jax.numpy, for instance."""

    def make(jax: Any, layer: MergeLayer, row: Row) -> Apply:
        function = getattr(jax.numpy, name)

        def apply(p: Mapping[str, Any], *xs: Any) -> Any:
            result = xs[0]
            for other in xs[1:]:
                result = function(result, other)
            return result / len(xs) if isinstance(layer, layers.Average) else result

        return apply

    return make


def _module(torch: Any, layer: MergeLayer, rows: list[Row], dtype: Any) -> list[Any]:
    layer._merged(rows)  # which looks at the shapes
    return [torch_modules().Merge(type(layer)._kind, getattr(layer, "axis", -1))]


def _forms(kind: str, pairwise: str, keras: str) -> LayerForms:
    """The forms of a layer that goes element by element."""
    return LayerForms(
        operations=_operations(kind), jax=_pairwise(pairwise), torch=_module, keras=named(keras)
    )


def _dot(layer: layers.Dot, program: Program) -> None:
    rows, places, name = program.rows, layer._places(program.rows), name_of(layer)
    values = list(program.taken)
    if layer.normalize:
        for number, value in enumerate(values):
            width = program.width(value)
            values[number] = program.add(
                RowNormalization(name, (value,), width, 1e-70, centered=False, summed=True)
            )
    counts = [math.prod(row) // row[place] for row, place in zip(rows, places, strict=True)]
    across = [len(row) == 2 and place == 0 for row, place in zip(rows, places, strict=True)]
    program.add(
        Dot(
            name, tuple(values), counts[0] * counts[1], (counts[0], counts[1]),
            rows[0][places[0]], (across[0], across[1]),
        )
    )  # fmt: skip


def _dot_in_jax(jax: Any, layer: layers.Dot, row: Row) -> Apply:
    unit = unit_in_jax(jax, layer, row)

    def apply(p: Mapping[str, Any], a: Any, b: Any) -> Any:
        rows = [a.shape[1:], b.shape[1:]]
        one, two = layer._places(rows)
        a, b = jax.numpy.moveaxis(a, one + 1, -1), jax.numpy.moveaxis(b, two + 1, -1)
        if layer.normalize:
            a, b = unit(p, a), unit(p, b)
        a, b = a.reshape(len(a), -1, a.shape[-1]), b.reshape(len(b), -1, b.shape[-1])
        return jax.numpy.einsum("rik,rjk->rij", a, b).reshape(len(a), *layer._merged(rows))

    return apply


def _dot_module(torch: Any, layer: layers.Dot, rows: list[Row], dtype: Any) -> list[Any]:
    one, two = layer._places(rows)
    return [torch_modules().Dot(one + 1, two + 1, layer.normalize)]


FORMS: LayerTable = {
    layers.Add: _forms("add", "add", "Add"),
    layers.Average: _forms("average", "add", "Average"),
    layers.Concatenate: LayerForms(
        operations=_operations("concatenate"),
        jax=lambda jax, layer, row: lambda p, *xs: jax.numpy.concatenate(xs, axis=layer.axis),
        torch=_module,
        keras=named("Concatenate", "axis"),
    ),
    layers.Dot: LayerForms(
        operations=_dot, jax=_dot_in_jax, torch=_dot_module, keras=named("Dot", "axes", "normalize")
    ),
    layers.Maximum: _forms("maximum", "maximum", "Maximum"),
    layers.Minimum: _forms("minimum", "minimum", "Minimum"),
    layers.Multiply: _forms("multiply", "multiply", "Multiply"),
    layers.Subtract: _forms("subtract", "subtract", "Subtract"),
}

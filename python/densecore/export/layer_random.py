"""Layers that act in training only, and drawn numbers, in the formats of other programs."""

from typing import Any

import numpy as np

from .. import layers
from ..layers.lowering import Row
from .calls import name_of
from .layer_forms import (
    Apply,
    LayerForms,
    LayerTable,
    named,
    no_operations,
    same_in_jax,
    same_in_torch,
    torch_modules,
)
from .program import Dense, Program


def _drawn(layer: layers.Noise, program: Program) -> None:
    """Outside training the noise's mean, whatever the input."""
    kernel = np.zeros((program.width(program.last), layer.units), program.dtype)
    bias = np.full(layer.units, 0.5 if layer.uniform else 0, program.dtype)
    program.add(Dense(name_of(layer), (program.last,), layer.units, kernel, bias))


def _drawn_in_jax(jax: Any, layer: layers.Noise, row: Row) -> Apply:
    mean = 0.5 if layer.uniform else 0.0
    return lambda p, x: jax.numpy.full((len(x), layer.units), mean, x.dtype)


def _keras_dropout(kind: str) -> Any:
    """Keras's layer of that name; it has one rate: of a schedule the first."""
    return lambda keras, layer: getattr(keras.layers, kind)(layer.first_rate, name=layer.name)


FORMS: LayerTable = {
    layers.ActivityRegularization: LayerForms(
        operations=no_operations,
        jax=same_in_jax,
        # PyTorch's modules have no losses of their own: a user's loop adds them, as for weights.
        torch=same_in_torch,
        keras=named("ActivityRegularization", "l1", "l2"),
    ),
    layers.AlphaDropout: LayerForms(
        operations=no_operations,
        jax=same_in_jax,
        torch=lambda torch, layer, rows, dtype: [torch.nn.AlphaDropout(layer.rate)],
        keras=named("AlphaDropout", "rate"),
    ),
    layers.Dropout: LayerForms(
        operations=no_operations,
        jax=same_in_jax,
        torch=lambda torch, layer, rows, dtype: [torch.nn.Dropout(layer.first_rate)],
        keras=_keras_dropout("Dropout"),
    ),
    layers.SpatialDropout1D: LayerForms(
        operations=no_operations,
        jax=same_in_jax,
        torch=lambda torch, layer, rows, dtype: [  # whose module takes (features, steps)
            torch_modules().Permute((2, 1)),
            torch.nn.Dropout1d(layer.first_rate),
            torch_modules().Permute((2, 1)),
        ],
        keras=_keras_dropout("SpatialDropout1D"),
    ),
    layers.GaussianDropout: LayerForms(
        operations=no_operations,
        jax=same_in_jax,
        torch=lambda torch, layer, rows, dtype: [torch_modules().GaussianDropout(layer.rate)],
        keras=named("GaussianDropout", "rate"),
    ),
    layers.GaussianNoise: LayerForms(
        operations=no_operations,
        jax=same_in_jax,
        torch=lambda torch, layer, rows, dtype: [torch_modules().GaussianNoise(layer.stddev)],
        keras=named("GaussianNoise", "stddev"),
    ),
    layers.Noise: LayerForms(operations=_drawn, jax=_drawn_in_jax),
}

"""Models, data and differences that many tests need: short to write, the same everywhere."""

from collections.abc import Callable
from typing import Any

import numpy as np

import densecore as dc


def stack(inputs: int, *layers: Any, dtype: str = "float32", seed: int = 0) -> dc.Sequential:
    """A model of layers, each a layer, a number of units, or (units, activation).

    ``stack(4, (8, "tanh"), 3)`` has 4 inputs, 8 hidden units with tanh and 3 linear outputs.
    """
    parts = [
        dc.Dense(layer)
        if isinstance(layer, int)
        else dc.Dense(*layer)
        if isinstance(layer, tuple)
        else layer
        for layer in layers
    ]
    return dc.Sequential([dc.Input(inputs), *parts], dtype=dtype, seed=seed)


def compiled(
    inputs: int,
    *layers: Any,
    optimizer: Any = "sgd",
    loss: Any = "mse",
    metrics: Any = (),
    dtype: str = "float32",
    seed: int = 0,
) -> dc.Sequential:
    """The same, ready to be trained."""
    model = stack(inputs, *layers, dtype=dtype, seed=seed)
    model.compile(optimizer, loss, list(metrics))
    return model


def normal(rows: int, *columns: int, dtype: str = "float32", seed: int = 0) -> Any:
    """Standard normal arrays (rows, columns) from one generator: inputs, targets and so on."""
    rng = np.random.default_rng(seed)
    made = tuple(rng.normal(size=(rows, n)).astype(dtype) for n in columns)
    return made if len(made) > 1 else made[0]


def differences(
    function: Callable[[], Any], at: Any, step: float = 1e-6, *, fourth_order: bool = False
) -> Any:
    """The derivatives of `function` by the elements of `at`, along a last axis.

    `at` is a contiguous array that `function` reads: each element is changed in place, one after
    the other, and restored. The error is of the order step² , or step⁴ with `fourth_order`; the
    rounding of ``function() / step`` comes on top.
    """
    shifts = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12} if fourth_order else {-1: -0.5, 1: 0.5}
    flat, columns = at.reshape(-1), []
    assert np.shares_memory(flat, at), "a copy would be changed, not what the function reads"
    for i in range(flat.size):
        kept, total = flat[i], 0.0
        for shift, factor in shifts.items():
            flat[i] = kept + shift * step
            total = total + factor * np.asarray(function())
        flat[i] = kept
        columns.append(total / step)
    return np.stack(columns, axis=-1)

"""Frozen models: copies for prediction alone, which any number of threads may use at once."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import core
from .._base.dtypes import DTYPES
from .._data.arrays import as_dtype
from ..layers.lowering import Plan

if TYPE_CHECKING:
    from typing import TypeAlias

    Frozen: TypeAlias = core.FrozenF32 | core.FrozenF64


def freeze(inputs: int, plan: Plan, network: Any, dtype: str) -> "Frozen":
    """A copy of `network`, made by `plan`, without dropout and other identities of prediction.

    Consecutive dense layers can then use the kernels for single rows.
    """
    kept: list[int] = []  # the layers that are left, by their numbers
    specs: list[dict[str, Any]] = []
    # Of each layer, the source (layer that is left, first column, columns) with its outputs.
    same: list[tuple[int, int, int]] = []

    def moved(source: tuple[int, int, int]) -> tuple[int, int, int]:
        return source if source[0] < 0 else same[source[0]]

    for number, spec in enumerate(plan.specs):
        sources = [moved(source) for source in spec.get("sources", [(number - 1, 0, -1)])]
        # There must be one layer: a linear activation.
        last = number == len(plan.specs) - 1 and not kept
        if core.is_identity_layer(spec) and not last:
            same.append(sources[0])
            continue
        same.append((len(kept), 0, -1))
        kept.append(number)
        specs.append({**spec, "sources": sources})
        if spec.get("shares", -1) >= 0:
            specs[-1]["shares"] = kept.index(spec["shares"])
    wanted = np.dtype(dtype)
    states = [
        {
            name: as_dtype(name, values, wanted).copy()
            for name, values in network.layer_views(number)[2].items()
        }
        for number in kept
    ]
    functions = {
        kept.index(number): (function.function, function.derivative)
        for number, function in plan.functions.items()
    }
    parameters = as_dtype("parameters", network.parameters, wanted)
    return DTYPES[dtype].Frozen(inputs, specs, parameters, states, functions)

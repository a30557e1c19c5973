"""Frozen models: copies for prediction alone, which any number of threads may use at once."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import core
from .._base.dtypes import DTYPES, Network
from .._data.arrays import as_dtype
from ..layers.lowering import Plan

if TYPE_CHECKING:
    from typing import TypeAlias

    Frozen: TypeAlias = core.FrozenF32 | core.FrozenF64


def freeze(inputs: int, plan: Plan, network: Network, dtype: str) -> "Frozen":
    """A copy of `network`, made by `plan`, without layers that do nothing in prediction (dropout).

    Consecutive dense layers can then use the kernels for single rows.
    """
    kept: list[int] = []  # the layers that are left, by their numbers
    specs: list[dict[str, Any]] = []
    # For each old layer, where its outputs are in the new network: (layer, first column, columns).
    source_of: list[tuple[int, int, int]] = []

    def moved(source: tuple[int, int, int]) -> tuple[int, int, int]:
        return source if source[0] < 0 else source_of[source[0]]

    for number, spec in enumerate(plan.specs):
        sources = [moved(source) for source in spec.get("sources", [(number - 1, 0, -1)])]
        # If no layer is left, keep the last one: a network needs one.
        last = number == len(plan.specs) - 1 and not kept
        if core.is_identity_layer(spec) and not last:
            source_of.append(sources[0])
            continue
        source_of.append((len(kept), 0, -1))
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

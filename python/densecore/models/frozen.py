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
    place = [-1]  # of the input and of each layer, which of these puts out the same
    for number, spec in enumerate(plan.specs):
        if not core.is_identity_layer(spec):
            kept.append(number)
        place.append(len(kept) - 1)
    kept = kept or [len(plan.specs) - 1]  # there must be one: a linear activation
    specs = [dict(plan.specs[number]) for number in kept]
    for spec in specs:
        if "from" in spec:
            spec["from"] = place[spec["from"] + 1]
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

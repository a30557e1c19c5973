"""Checks of the reference's arguments: each error names the argument, what was found and wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_T = TypeVar("_T")

#: Other names under which activations and losses are known.
ALIASES: dict[str, str] = {
    "identity": "linear",
    "swish": "silu",
    "hard_swish": "hard_silu",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "msle": "mean_squared_logarithmic_error",
    "mape": "mean_absolute_percentage_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "logcosh": "log_cosh",
    "pinball": "quantile",
}

#: "mean": weighted mean over the rows. "sum": sum of all squares, mean_squared_error only.
# Reductions of `mse` and its gradient, over all elements; of a network's loss, over its rows.
REDUCTIONS: tuple[str, ...] = ("mean", "sum")
NETWORK_REDUCTIONS: tuple[str, ...] = (
    "sum_over_batch_size",
    "mean_with_sample_weight",
    "sum",
    "sum_over_outputs",
)


def lookup(kind: str, table: Mapping[str, _T], name: str) -> _T:
    if not isinstance(name, str):
        found = "None" if name is None else type(name).__name__
        raise TypeError(f"{kind}: found {found}, wanted a name (str)")
    canonical = ALIASES.get(name, name)
    if canonical not in table:
        known = [*table, *(alias for alias, target in ALIASES.items() if target in table)]
        raise ValueError(f"{kind}: found {name!r}, wanted one of {', '.join(known)}")
    return table[canonical]


def checked_array(
    name: str, value: Any, shape: tuple[int | str, ...] | None, like: Any = None
) -> Array:
    """Return `value` as an array; a str in `shape` names an extent that may be anything."""
    array = np.asarray(value)
    allowed = [np.dtype(d) for d in ((np.float32, np.float64) if like is None else (like.dtype,))]
    if array.dtype not in allowed:
        wanted = " or ".join(str(d) for d in allowed)
        raise TypeError(f"{name}: found dtype {array.dtype}, wanted {wanted}")
    if shape is not None:
        fits = len(shape) == array.ndim and all(
            isinstance(w, str) or f == w for f, w in zip(array.shape, shape, strict=True)
        )
        if not fits:
            extents = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
            raise ValueError(f"{name}: found shape {array.shape}, wanted ({extents})")
    return array


def check_parameter(parameter: Array, *others: tuple[str, Array]) -> None:
    for name, array in (("parameter", parameter), *others):
        if not isinstance(array, np.ndarray):  # a copy of a list would be updated and then lost
            raise TypeError(f"{name}: found {type(array).__name__}, wanted a NumPy array")
        checked_array(name, array, parameter.shape, None if array is parameter else parameter)
        if name != "gradient" and not array.flags.writeable:
            raise ValueError(f"{name}: found a read-only array, wanted a writeable one")


def into(result: Array, out: Array | None) -> Array:
    if out is None:
        return result
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: found {type(out).__name__}, wanted a NumPy array")
    checked_array("out", out, result.shape, result)
    out[...] = result
    return out


def number(name: str, value: Any, wanted: str, accept: Callable[[float], bool]) -> float:
    if not isinstance(value, Real):
        raise TypeError(f"{name}: found {type(value).__name__}, wanted {wanted}")
    if not (math.isfinite(value) and accept(float(value))):
        raise ValueError(f"{name}: found {value}, wanted {wanted}")
    return float(value)


def flush_subnormals(*arrays: Array) -> None:
    """Set subnormal numbers to zero, in place: parameters and states never hold one."""
    for array in arrays:
        array[np.abs(array) < np.finfo(array.dtype).smallest_normal] = 0


def check_learning_rate(value: Any) -> float:
    # The note's "lr < 0" would climb the gradient instead of descending it.
    return number("learning_rate", value, "a finite number > 0", lambda v: v > 0)


def check_reduction(reduction: str, known: tuple[str, ...] = REDUCTIONS) -> str:
    if reduction not in known:
        raise ValueError(f"reduction: found {reduction!r}, wanted one of {', '.join(known)}")
    return reduction

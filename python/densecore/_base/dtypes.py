"""The dtypes that the core is compiled for, each with its classes: the one list of them in Python.

A further precision is a row of `_SUFFIXES`. `Array` is the type of every array of the package,
`Doubles` that of arrays that are in double precision for any model.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import checks, core

Array = NDArray[Any]
Doubles = NDArray[np.float64]

Kernels = core.KernelsF32 | core.KernelsF64
Network = core.NetworkF32 | core.NetworkF64
RunningMetrics = core.RunningMetricsF32 | core.RunningMetricsF64
CoreRows = core.RowsF32 | core.RowsF64


class CoreClasses(NamedTuple):
    """The core's classes of one dtype."""

    kernels: Kernels  # an object: it has no state
    Network: type[core.NetworkF32] | type[core.NetworkF64]
    Ensemble: type[core.EnsembleF32] | type[core.EnsembleF64]
    Rows: type[core.RowsF32] | type[core.RowsF64]
    Frozen: type[core.FrozenF32] | type[core.FrozenF64]
    Step: type[core.StepNetworkF32] | type[core.StepNetworkF64]
    Prediction: type[core.PredictionNetworkF32] | type[core.PredictionNetworkF64]


# name → how the names of the core's classes end
_SUFFIXES = {"float32": "F32", "float64": "F64"}


def _classes(suffix: str) -> CoreClasses:
    def find(name: str) -> Any:
        return getattr(core, name + suffix)

    return CoreClasses(
        find("Kernels")(),
        find("Network"),
        find("Ensemble"),
        find("Rows"),
        find("Frozen"),
        find("StepNetwork"),
        find("PredictionNetwork"),
    )


DTYPES: dict[str, CoreClasses] = {name: _classes(suffix) for name, suffix in _SUFFIXES.items()}
# For names, options and checks, which do not depend on the precision.
KERNELS = DTYPES["float64"].kernels

_floatx = "float32"


def check_dtype(dtype: Any, name: str = "dtype") -> str:
    """The name of a dtype that the core has; None is `floatx`, as in Keras.

    Raises
    ------
    ValueError
        The core has no such dtype.
    TypeError
        It is no dtype at all.
    """
    wanted = " or ".join(f"'{known}'" for known in DTYPES)
    if dtype is None:
        return _floatx
    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    try:
        found = str(np.dtype(dtype).name)
    except (TypeError, ValueError):
        error: type[Exception] = ValueError if isinstance(dtype, str) else TypeError
        raise error(f"{name}: found {checks.shown(dtype)}, wanted {wanted}") from None
    if found not in DTYPES:
        raise ValueError(f"{name}: found {checks.shown(dtype)}, wanted {wanted}")
    return found


def floatx() -> str:
    """The dtype of a model that is given none: ``"float32"`` unless `set_floatx` changed it."""
    return _floatx


def set_floatx(value: str) -> None:
    """Set the dtype of models that are made later and given none.

    Raises
    ------
    ValueError, TypeError
        It is not a dtype that models can have.
    """
    global _floatx
    if value is None:
        raise TypeError("floatx: found None, wanted the name of a dtype")
    _floatx = check_dtype(value, "floatx")


def real_dtype(dtype: "np.dtype[Any]") -> str:
    """The dtype that a function of arrays computes in: an array's own if the core has it."""
    return dtype.name if dtype.name in DTYPES else "float64"

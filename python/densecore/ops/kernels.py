"""The kernels as functions on NumPy arrays: the note's operations, one by one.

Without ``out`` arguments are converted as needed and a new array is returned. With ``out`` nothing
is ever copied: every array must be C-contiguous and of ``out``'s dtype, or the call is refused.
The same functions in plain NumPy are in ``densecore.reference``.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import activations
from .._base import checks, core
from .._base.dtypes import DTYPES, Array, Kernels
from .._data.interop import refuse_masked

AnyActivation = str | activations.Activation | dict[str, Any] | None


def _prepare(out: Array | None, **arrays: ArrayLike) -> tuple[Kernels, list[Array]]:
    """The kernels for the arrays' dtype, and the arrays as they can be used."""
    for name, array in arrays.items():
        refuse_masked(name, array)
    if out is not None:
        _strict(out, "out")
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise TypeError(
                    f"{name}: found {type(array).__name__}, wanted a numpy.ndarray (with out, "
                    "nothing is converted)"
                )
        return DTYPES[out.dtype.name].kernels, [np.asarray(array) for array in arrays.values()]
    found = [np.asarray(array) for array in arrays.values()]
    for name, array in zip(arrays, found, strict=True):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name}: found dtype {array.dtype}, wanted real numbers")
    # float32 only when all of them are: nothing loses precision silently.
    single = all(array.dtype.name == "float32" for array in found)
    dtype = np.dtype(np.float32 if single else np.float64)
    return DTYPES[dtype.name].kernels, [np.require(array, dtype, ["C", "A"]) for array in found]


def _strict(array: Any, name: str) -> None:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name}: found {type(array).__name__}, wanted a numpy.ndarray")
    if array.dtype.name not in DTYPES or not array.dtype.isnative:
        raise TypeError(f"{name}: found dtype {array.dtype}, wanted float32 or float64")


def _shape(name: str, array: Array, *wanted: int | str) -> None:
    fits = array.ndim == len(wanted) and all(
        isinstance(size, str) or array.shape[axis] == size for axis, size in enumerate(wanted)
    )
    if not fits:
        shown = ", ".join(str(size) for size in wanted)
        raise ValueError(f"{name}: found shape {array.shape}, wanted ({shown})")


def _rows(array: Array) -> Array:
    """The same memory as a matrix, one row per last axis."""
    return array.reshape(-1, array.shape[-1]) if array.ndim > 0 else array.reshape(1, 1)


def _contiguous(name: str, array: Array) -> None:
    if not array.flags.c_contiguous:
        raise ValueError(f"{name}: found strides that are not C-contiguous, wanted C-contiguous")


def _apart(out: Array | None, arrays: dict[str, Array], or_same: bool = False) -> None:
    """Raise ValueError for an out that shares memory with what is read, unless the two are the
    same array and `or_same`: a kernel would read numbers that it has written."""
    if out is None:
        return
    for name, array in arrays.items():
        same = or_same and array.ctypes.data == out.ctypes.data and array.shape == out.shape
        if not same and np.may_share_memory(out, array) and np.shares_memory(out, array):
            raise ValueError(f"out: found memory that overlaps {name}, wanted memory of its own")


def matvec(W: ArrayLike, x: ArrayLike, out: Array | None = None) -> Array:
    """W·x.

    Parameters
    ----------
    W : array_like (n, m)
    x : array_like (m,)
    out : ndarray (n,), optional

    Returns
    -------
    ndarray (n,)
    """
    kernels, (weights, vector) = _prepare(out, W=W, x=x)
    _shape("W", weights, "n", "m")
    _shape("x", vector, weights.shape[1])
    _contiguous("x", vector)
    result = np.empty(weights.shape[0], weights.dtype) if out is None else out
    _shape("out", result, weights.shape[0])
    _contiguous("out", result)
    _apart(out, {"W": weights, "x": vector})
    kernels.gemm(weights, vector.reshape(-1, 1), None, result.reshape(-1, 1))
    return result


def dense(
    x: ArrayLike,
    W: ArrayLike,
    b: ArrayLike | None = None,
    activation: AnyActivation = "linear",
    out: Array | None = None,
) -> Array:
    """A dense layer, f(x·Wᵀ + b): the note's Eq. 3 for a batch stored row by row.

    Parameters
    ----------
    x : array_like (batch, m)
    W : array_like (n, m)
    b : array_like (n,), optional
    activation : str, Activation or dict, default "linear"
    out : ndarray (batch, n), optional

    Returns
    -------
    ndarray (batch, n)
    """
    name, parameters = activations.get(activation)._kernel()
    arrays = {"x": x, "W": W} if b is None else {"x": x, "W": W, "b": b}
    kernels, found = _prepare(out, **arrays)
    rows, weights, bias = found[0], found[1], found[2] if b is not None else None
    _shape("x", rows, "batch", "m")
    _shape("W", weights, "n", rows.shape[1])
    if bias is not None:
        _shape("b", bias, weights.shape[0])
    result = np.empty((len(rows), len(weights)), rows.dtype) if out is None else out
    _shape("out", result, len(rows), len(weights))
    _apart(out, dict(zip(arrays, found, strict=True)))
    # The kernel wants W transposed; a layer's own `weight` is such a view already.
    transposed = np.ascontiguousarray(weights.T)
    kernels.gemm(rows, transposed, bias, result)
    kernels.activation(name, result, result, parameters)
    return result


def activation(name: AnyActivation, z: ArrayLike, out: Array | None = None) -> Array:
    """f(z), element by element; for row-wise activations (softmax) along the last axis.

    Parameters
    ----------
    name : str, Activation or dict
        See ``densecore.activations``.
    z : array_like
    out : ndarray of z's shape, optional
        May be z itself.
    """
    kernel, parameters = activations.get(name)._kernel()
    kernels, (values,) = _prepare(out, z=z)
    result = np.empty_like(values) if out is None else out
    _shape("out", result, *values.shape)
    _contiguous("z", values)
    _contiguous("out", result)
    _apart(out, {"z": values}, or_same=True)
    if values.size:
        kernels.activation(kernel, _rows(values), _rows(result), parameters)
    return result


def activation_gradient(
    name: AnyActivation, z: ArrayLike, a: ArrayLike, grad: ArrayLike, out: Array | None = None
) -> Array:
    """∂C/∂z from z, a = f(z) and grad = ∂C/∂a; for softmax with its full Jacobian.

    Parameters
    ----------
    name : str, Activation or dict
    z, a, grad : array_like of one shape
    out : ndarray of that shape, optional
        May be grad itself.
    """
    kernel, parameters = activations.get(name)._kernel()
    kernels, (z_array, a_array, g_array) = _prepare(out, z=z, a=a, grad=grad)
    _shape("a", a_array, *z_array.shape)
    _shape("grad", g_array, *z_array.shape)
    result = np.empty_like(z_array) if out is None else out
    _shape("out", result, *z_array.shape)
    for label, array in (("z", z_array), ("a", a_array), ("grad", g_array), ("out", result)):
        _contiguous(label, array)
    _apart(out, {"z": z_array, "a": a_array, "grad": g_array}, or_same=True)
    if z_array.size:
        kernels.activation_gradient(
            kernel, _rows(z_array), _rows(a_array), _rows(g_array), _rows(result), parameters
        )
    return result


def _reduction(reduction: str) -> bool:
    return bool(checks.one_of("reduction", reduction, ("mean", "sum")) == "mean")


def mse(a: ArrayLike, y: ArrayLike, reduction: str = "mean") -> float:
    """The mean of (a - y)² over all elements (the note's Eq. 8), or their sum.

    Parameters
    ----------
    a, y : array_like of one shape
    reduction : {"mean", "sum"}, default "mean"

    Raises
    ------
    ValueError, TypeError
        Unequal shapes, no elements, or another reduction.
    """
    mean = _reduction(reduction)
    kernels, (a_array, y_array) = _prepare(None, a=a, y=y)
    _shape("y", y_array, *a_array.shape)
    if a_array.size == 0:
        raise ValueError("a: found no elements, wanted at least one")
    flat = a_array.reshape(1, -1), y_array.reshape(1, -1)
    value = kernels.loss("mean_squared_error", False, flat[0], flat[1], None, 1.0, None)
    return value if mean else value * a_array.size


def mse_gradient(
    a: ArrayLike, y: ArrayLike, reduction: str = "mean", out: Array | None = None
) -> Array:
    """The gradient of `mse` with respect to a: (2/size)(a - y), or 2 (a - y) for the sum.

    Parameters
    ----------
    a, y : array_like of one shape
    reduction : {"mean", "sum"}, default "mean"
    out : ndarray of that shape, optional
    """
    mean = _reduction(reduction)
    kernels, (a_array, y_array) = _prepare(out, a=a, y=y)
    _shape("y", y_array, *a_array.shape)
    result = np.empty_like(a_array) if out is None else out
    _shape("out", result, *a_array.shape)
    for label, array in (("a", a_array), ("y", y_array), ("out", result)):
        _contiguous(label, array)
    if a_array.size:
        scale = 1.0 if mean else float(a_array.size)
        kernels.loss(
            "mean_squared_error",
            False,
            a_array.reshape(1, -1),
            y_array.reshape(1, -1),
            None,
            scale,
            result.reshape(1, -1),
        )
    return result


def _update(
    name: str,
    hyperparameters: list[float],
    step: int,
    parameter: Array,
    gradient: Array,
    states: dict[str, Array],
) -> None:
    _strict(parameter, "parameter")
    for label, array in {"parameter": parameter, "gradient": gradient, **states}.items():
        _strict(array, label)
        _shape(label, array, *parameter.shape)
        _contiguous(label, array)
    DTYPES[parameter.dtype.name].kernels.optimizer_update(
        name,
        hyperparameters,
        step,
        parameter.reshape(-1),
        gradient.reshape(-1),
        [state.reshape(-1) for state in states.values()],
    )


def sgd_update(parameter: Array, gradient: Array, learning_rate: float) -> None:
    """parameter ← parameter - learning_rate · gradient, in place (the note's Eq. 29 and 30).

    Parameters
    ----------
    parameter, gradient : ndarray of one shape and dtype, C-contiguous
    learning_rate : float
        > 0.

    Raises
    ------
    ValueError
        The learning rate is not a positive finite number, or an array cannot be used.
    """
    settings = core.OptimizerSettings("sgd")
    settings.set("learning_rate", checks.number("learning_rate", learning_rate, above=0))
    _update("sgd", list(settings.values().values()), 1, parameter, gradient, {})


def adam_update(
    parameter: Array,
    gradient: Array,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """One step of Adam in place (Kingma & Ba, 2015, algorithm 1).

    Parameters
    ----------
    parameter, gradient, m, v : ndarray of one shape and dtype, C-contiguous
        m and v start as zeros.
    step : int
        1 for the first step.
    learning_rate : float, default 0.001
    beta_1, beta_2 : float, default 0.9 and 0.999
    epsilon : float, default 1e-7

    Raises
    ------
    ValueError, TypeError
        A hyperparameter or `step` is out of its range, or an array cannot be used.
    """
    settings = core.OptimizerSettings("adam")
    given = {
        "learning_rate": learning_rate,
        "beta_1": beta_1,
        "beta_2": beta_2,
        "epsilon": epsilon,
    }
    for name, value in given.items():
        settings.set(name, checks.number(name, value))
    step = checks.integer("step", step, 1)
    values = list(settings.values().values())
    _update("adam", values, step, parameter, gradient, {"m": m, "v": v})

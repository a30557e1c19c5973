"""The operations of ``densecore.ops``, under the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._checks import (
    Array,
    check_learning_rate,
    check_parameter,
    check_reduction,
    checked_array,
    flush_subnormals,
    into,
    lookup,
    number,
)
from .activations import ACTIVATIONS


def matvec(W: Array, x: Array, out: Array | None = None) -> Array:
    """Multiply a matrix and a vector: the product of Eq. 1.

    Parameters
    ----------
    W : array of float32 or float64, shape (n, m)
    x : array of W's dtype, shape (m,)
    out : array of W's dtype, shape (n,), optional
        Where to write the result.

    Returns
    -------
    array of W's dtype, shape (n,)
        `out` if it was given.

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape differs from the above.
    """
    W = checked_array("W", W, ("n", "m"))
    x = checked_array("x", x, (W.shape[1],), W)
    return into(W @ x, out)


def dense(
    x: Array, W: Array, b: Array | None, activation: str = "linear", out: Array | None = None
) -> Array:
    """Compute one layer for a batch, ``sigma(x W^T + b)``: Eq. 3.

    Parameters
    ----------
    x : array of float32 or float64, shape (batch, m)
    W : array of x's dtype, shape (n, m)
    b : array of x's dtype, shape (n,), or None
    activation : str, default "linear"
        A name of `ACTIVATIONS` or an alias.
    out : array of x's dtype, shape (batch, n), optional

    Returns
    -------
    array of x's dtype, shape (batch, n)
        `out` if it was given.

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape differs from the above, or the activation is unknown.
    """
    sigma = lookup("activation", ACTIVATIONS, activation)
    x = checked_array("x", x, ("batch", "m"))
    W = checked_array("W", W, ("n", x.shape[1]), x)
    z = x @ W.T
    if b is not None:
        z = z + checked_array("b", b, (W.shape[0],), x)
    return into(sigma.forward(z), out)


def activation(name: str, z: Array, out: Array | None = None) -> Array:
    """Apply an activation function: Eq. 2.

    Parameters
    ----------
    name : str
        A name of `ACTIVATIONS` or an alias.
    z : array of float32 or float64, any shape
        The softmax runs over the last axis.
    out : array like z, optional

    Returns
    -------
    array like z
        `out` if it was given.

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape differs from the above, or the name is unknown.
    """
    return into(lookup("activation", ACTIVATIONS, name).forward(checked_array("z", z, None)), out)


def activation_gradient(
    name: str, z: Array, a: Array, grad: Array, out: Array | None = None
) -> Array:
    """Compute dC/dz from dC/da: the first two factors of Eq. 13.

    Parameters
    ----------
    name : str
        A name of `ACTIVATIONS` or an alias.
    z, a, grad : array of float32 or float64, all of one shape and dtype
        Input and output of the activation function, and dC/da.
    out : array like z, optional

    Returns
    -------
    array like z
        `out` if it was given.

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape differs from the above, or the name is unknown.
    """
    backward = lookup("activation", ACTIVATIONS, name).backward
    z = checked_array("z", z, None)
    a, grad = checked_array("a", a, z.shape, z), checked_array("grad", grad, z.shape, z)
    return into(backward(z, a, grad), out)


def _difference(a: Any, y: Any) -> Array:
    a = checked_array("a", a, None)
    if a.size == 0:
        raise ValueError(f"a: found shape {a.shape}, wanted at least one element")
    return np.asarray(a - checked_array("y", y, a.shape, a))


def mse(a: Array, y: Array, reduction: str = "mean") -> float:
    """Compute the mean (Eq. 8) or the sum of all squared differences.

    Parameters
    ----------
    a, y : array of float32 or float64, both of one shape and dtype
    reduction : {"mean", "sum"}, default "mean"

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape differs from the above, the arrays are empty, or the reduction is
        unknown.
    """
    d = _difference(a, y)
    total = float(np.sum(d * d, dtype=np.float64))
    return total / d.size if check_reduction(reduction) == "mean" else total


def mse_gradient(a: Array, y: Array, reduction: str = "mean", out: Array | None = None) -> Array:
    """Compute the gradient of `mse` by a: ``(2 / size) (a - y)``, or the note's ``2 (a - y)``.

    Parameters
    ----------
    a, y : array of float32 or float64, both of one shape and dtype
    reduction : {"mean", "sum"}, default "mean"
    out : array like a, optional

    Returns
    -------
    array like a
        `out` if it was given.

    Raises
    ------
    TypeError, ValueError
        If a dtype or a shape differs from the above, the arrays are empty, or the reduction is
        unknown.
    """
    d = _difference(a, y)
    return into(
        np.asarray((2.0 / d.size if check_reduction(reduction) == "mean" else 2.0) * d), out
    )


def sgd_update(parameter: Array, gradient: Array, learning_rate: float) -> None:
    """Take a step of gradient descent in place, ``W <- W - lr dC/dW``: Eq. 29, Eq. 30.

    Parameters
    ----------
    parameter, gradient : array of float32 or float64, both of one shape and dtype
    learning_rate : float
        Finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument differs from the above; the parameter is then unchanged.
    """
    rate = check_learning_rate(learning_rate)
    check_parameter(parameter, ("gradient", gradient))
    parameter -= parameter.dtype.type(rate) * gradient
    flush_subnormals(parameter)


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
    """Take a step of Adam in place: D. P. Kingma and J. Ba, *Adam*, 2015, algorithm 1.

    Parameters
    ----------
    parameter, gradient, m, v : array of float32 or float64, all of one shape and dtype
        `m` and `v`, the moving averages of the gradient and of its square, are updated too.
        They start as zeros.
    step : int
        Number of this step, counted from 1.
    learning_rate, beta_1, beta_2, epsilon : float, default 0.001, 0.9, 0.999 and 1e-7
        Finite; the learning rate and epsilon > 0, the betas in [0, 1).

    Raises
    ------
    TypeError, ValueError
        If an argument differs from the above; the arrays are then unchanged.
    """
    rate = check_learning_rate(learning_rate)
    beta_1 = number("beta_1", beta_1, "a number in [0, 1)", lambda value: 0 <= value < 1)
    beta_2 = number("beta_2", beta_2, "a number in [0, 1)", lambda value: 0 <= value < 1)
    epsilon = number("epsilon", epsilon, "a finite number > 0", lambda value: value > 0)
    number("step", step, "a step number >= 1", lambda value: value >= 1)
    check_parameter(parameter, ("gradient", gradient), ("m", m), ("v", v))
    # Scalars are computed in double precision and rounded once: in float32, 1 - beta_2 alone
    # would already lose four digits.
    real = parameter.dtype.type
    m[...] = real(beta_1) * m + real(1.0 - beta_1) * gradient
    v[...] = real(beta_2) * v + real(1.0 - beta_2) * (gradient * gradient)
    m_hat = m / real(1.0 - beta_1**step)
    v_hat = v / real(1.0 - beta_2**step)
    parameter -= real(rate) * m_hat / (np.sqrt(v_hat) + real(epsilon))
    flush_subnormals(parameter, m, v)


def numerical_gradient(f: Callable[[Array], float], p: Array, step: float = 1e-5) -> Array:
    """Approximate the gradient of a scalar function by central differences.

    Parameters
    ----------
    f : callable
        Called as ``f(p)``.
    p : array of float32 or float64
        Changed in place element by element, and restored: so `f` may also reach it elsewhere,
        such as in ``Network.parameters``.
    step : float, default 1e-05
        Finite and > 0.

    Returns
    -------
    array of float64, shape of p
        ``(f(p + step) - f(p - step)) / (2 step)`` for each element.

    Raises
    ------
    TypeError, ValueError
        If `p` is not such an array or `step` is not such a number.
    """
    step = number("step", step, "a finite number > 0", lambda value: value > 0)
    check_parameter(p)
    gradient = np.zeros(p.shape)
    for i in np.ndindex(p.shape):
        kept = p[i]
        try:
            p[i] = kept + step
            high, f_high = float(p[i]), float(f(p))
            p[i] = kept - step
            low, f_low = float(p[i]), float(f(p))
        finally:
            p[i] = kept
        gradient[i] = (f_high - f_low) / (high - low)  # the step as it was rounded
    return gradient

"""Dense neural networks in plain NumPy: the mathematics of densecore, to be read in one sitting.

The notation is that of T. Silva, *Dense Neural Networks* (2021), cited as "Eq. 1" to "Eq. 30":

==========  ==================  =======================================================
``W``       ``(n, m)``          weights of a layer with ``m`` inputs and ``n`` outputs
``b``       ``(n,)``            bias
``a``       ``(batch, n)``      activations, one sample per row; those of layer 0 are ``x``
``z``       ``(batch, n)``      what the activation function is applied to
``delta``   ``(batch, n)``      dC/dz
``g``       ``(batch, n)``      dC/da
``y``       ``(batch, n)``      targets
``C``       scalar              the loss of the whole batch
==========  ==================  =======================================================

The note writes one sample as a column, ``z = W a + b``. A batch stored row by row is the
transpose of that, ``Z = A W^T + b``. Where the note slips, this file computes what it means;
the documentation's page on the note lists each such place.

Everything works in float32 and in float64 and keeps the dtype it is given. Nothing here is
tuned for speed: the compiled kernels are tested against this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "LOSSES",
    "OPTIMIZERS",
    "REDUCTIONS",
    "Activation",
    "Loss",
    "Network",
    "Optimizer",
    "activation",
    "activation_gradient",
    "adam_update",
    "dense",
    "matvec",
    "mse",
    "mse_gradient",
    "numerical_gradient",
    "sgd_update",
]

Array = npt.NDArray[Any]
Gradients = list[tuple[Array, "Array | None"]]
_T = TypeVar("_T")

#: Other names under which activations and losses are known.
ALIASES: dict[str, str] = {"identity": "linear", "mse": "mean_squared_error"}

#: "mean": weighted mean over the rows. "sum": sum of all squares, mean_squared_error only.
REDUCTIONS: tuple[str, ...] = ("mean", "sum")

# Probabilities are kept this far from 0 and 1 before a logarithm is taken.
_CLIP = 1e-7


class Activation(NamedTuple):
    """An activation function and its derivative.

    Attributes
    ----------
    forward : callable
        ``z -> a``, Eq. 2.
    backward : callable
        ``(z, a, g) -> dC/dz`` with ``g = dC/da``: the second factor of Eq. 13, applied to the
        first one.
    """

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array, Array], Array]


class Loss(NamedTuple):
    """A loss of one row, its gradient, and both for the activation it goes with.

    Attributes
    ----------
    value : callable
        ``(a, y) -> (batch,)``, the loss of each row.
    gradient : callable
        ``(a, y) -> (batch, n)``, the gradient of each row's own loss by ``a``.
    link : str or None
        Name of the output activation with which the loss is fused: computed from ``z``, where
        no logarithm of a rounded probability is needed.
    fused_value, fused_gradient : callable or None
        ``(z, y)`` to the loss of each row and to its gradient by ``z``; None without a link.
    """

    value: Callable[[Array, Any], Array]
    gradient: Callable[[Array, Any], Array]
    link: str | None = None
    fused_value: Callable[[Array, Any], Array] | None = None
    fused_gradient: Callable[[Array, Any], Array] | None = None


class Optimizer(NamedTuple):
    """An update rule.

    Attributes
    ----------
    states : int
        Number of arrays of the parameter's shape and dtype kept from step to step; they start
        as zeros.
    update : callable
        ``(parameter, gradient, states, step, **hyperparameters) -> None``, in place; ``step``
        counts from 1.
    """

    states: int
    update: Callable[..., None]


# Checks: each error names the argument, what was found and what is wanted.


def _lookup(kind: str, table: Mapping[str, _T], name: str) -> _T:
    if not isinstance(name, str):
        raise TypeError(f"{kind}: found {type(name).__name__}, wanted a name (str)")
    canonical = ALIASES.get(name, name)
    if canonical not in table:
        known = [*table, *(alias for alias, target in ALIASES.items() if target in table)]
        raise ValueError(f"{kind}: found {name!r}, wanted one of {', '.join(known)}")
    return table[canonical]


def _array(name: str, value: Any, shape: tuple[int | str, ...] | None, like: Any = None) -> Array:
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


def _parameter(parameter: Array, *others: tuple[str, Array]) -> None:
    for name, array in (("parameter", parameter), *others):
        if not isinstance(array, np.ndarray):  # a copy of a list would be updated and then lost
            raise TypeError(f"{name}: found {type(array).__name__}, wanted a NumPy array")
        _array(name, array, parameter.shape, None if array is parameter else parameter)
        if name != "gradient" and not array.flags.writeable:
            raise ValueError(f"{name}: found a read-only array, wanted a writeable one")


def _into(result: Array, out: Array | None) -> Array:
    if out is None:
        return result
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: found {type(out).__name__}, wanted a NumPy array")
    _array("out", out, result.shape, result)
    out[...] = result
    return out


def _number(name: str, value: Any, wanted: str, accept: Callable[[float], bool]) -> float:
    if not isinstance(value, Real):
        raise TypeError(f"{name}: found {type(value).__name__}, wanted {wanted}")
    if not (math.isfinite(value) and accept(float(value))):
        raise ValueError(f"{name}: found {value}, wanted {wanted}")
    return float(value)


def _learning_rate(value: Any) -> float:
    # The note's "lr < 0" would climb the gradient instead of descending it.
    return _number("learning_rate", value, "a finite number > 0", lambda v: v > 0)


def _reduction(reduction: str) -> str:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: found {reduction!r}, wanted one of {', '.join(REDUCTIONS)}")
    return reduction


# Activations (Eq. 2, Eq. 15).


def _sigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(z))  # never above 1, so that no z overflows
    return np.asarray(np.where(z >= 0, 1.0, e) / (1.0 + e))


def _softmax(z: Array) -> Array:
    # Subtracting the row's maximum cancels in the quotient and keeps every exponential <= 1.
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _softmax_backward(z: Array, a: Array, g: Array) -> Array:
    # da_i/dz_j = a_i ([i = j] - a_j): all outputs of a row depend on all of its inputs.
    return np.asarray(a * (g - np.sum(g * a, axis=-1, keepdims=True)))


#: The activation functions by name.
ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(lambda z: z.copy(), lambda z, a, g: g.copy()),
    "sigmoid": Activation(_sigmoid, lambda z, a, g: g * (a * (1.0 - a))),
    "tanh": Activation(np.tanh, lambda z, a, g: g * (1.0 - a * a)),
    # Written with "<=", so that the gradient at a NaN is not quietly replaced by zero.
    "relu": Activation(
        lambda z: np.maximum(z, 0.0), lambda z, a, g: np.where(z <= 0, np.zeros_like(g), g)
    ),
    "softmax": Activation(_softmax, _softmax_backward),
}


# Losses (Eq. 7, Eq. 8).


def _targets(a: Array, y: Any) -> Array:
    y = np.asarray(y, dtype=a.dtype)
    return _array("y", y, a.shape)


def _one_hot(a: Array, y: Any) -> Array:
    """Turn the class indices y (batch,) into rows with a one at the class."""
    y = np.asarray(y)
    if y.dtype.kind not in "iu":
        raise TypeError(f"y: found dtype {y.dtype}, wanted integer class indices")
    if y.shape != a.shape[:1]:
        raise ValueError(f"y: found shape {y.shape}, wanted {a.shape[:1]}")
    n = a.shape[-1]
    wrong = y[(y < 0) | (y >= n)]
    if wrong.size:
        raise ValueError(f"y: found class {wrong[0]}, wanted classes 0 to {n - 1}")
    return np.asarray(y[:, None] == np.arange(n), dtype=a.dtype)


def _clip(a: Array) -> tuple[Array, Array]:
    """Return the probabilities to take the logarithm of, and where they were replaced."""
    low, high = a.dtype.type(_CLIP), a.dtype.type(1.0 - _CLIP)
    return np.clip(a, low, high), (a < low) | (a > high)


def _mse(a: Array, y: Any) -> Array:
    d = a - _targets(a, y)
    return np.asarray(np.mean(d * d, axis=-1))  # Eq. 8: (1/n) sum_i (a_i - y_i)^2


def _mse_gradient(a: Array, y: Any) -> Array:
    return np.asarray((2.0 / a.shape[-1]) * (a - _targets(a, y)))


def _categorical(a: Array, y: Any) -> Array:
    return np.asarray(-np.sum(_targets(a, y) * np.log(_clip(a)[0]), axis=-1))


def _categorical_gradient(a: Array, y: Any) -> Array:
    p, replaced = _clip(a)
    return np.where(replaced, np.zeros_like(a), -_targets(a, y) / p)


def _categorical_fused(z: Array, y: Any) -> Array:
    # -log softmax(z)_i = log(sum_j e^z_j) - z_i, and the row's maximum cancels once more.
    y = _targets(z, y)
    z = z - z.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(z).sum(axis=-1)) * y.sum(axis=-1) - (y * z).sum(axis=-1))


def _categorical_fused_gradient(z: Array, y: Any) -> Array:
    y = _targets(z, y)
    return np.asarray(_softmax(z) * y.sum(axis=-1, keepdims=True) - y)


def _binary(a: Array, y: Any) -> Array:
    p, y = _clip(a)[0], _targets(a, y)
    return np.asarray(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p), axis=-1))


def _binary_gradient(a: Array, y: Any) -> Array:
    (p, replaced), y = _clip(a), _targets(a, y)
    return np.where(replaced, np.zeros_like(a), (p - y) / (p * (1.0 - p)) / a.shape[-1])


def _binary_fused(z: Array, y: Any) -> Array:
    rows = np.maximum(z, 0.0) - z * _targets(z, y) + np.log1p(np.exp(-np.abs(z)))
    return np.asarray(np.mean(rows, axis=-1))


def _binary_fused_gradient(z: Array, y: Any) -> Array:
    return np.asarray((_sigmoid(z) - _targets(z, y)) / z.shape[-1])


#: The losses by name. `sparse_categorical_crossentropy` takes class indices of shape (batch,).
LOSSES: dict[str, Loss] = {
    "mean_squared_error": Loss(_mse, _mse_gradient),
    "categorical_crossentropy": Loss(
        _categorical,
        _categorical_gradient,
        "softmax",
        _categorical_fused,
        _categorical_fused_gradient,
    ),
    "sparse_categorical_crossentropy": Loss(
        lambda a, y: _categorical(a, _one_hot(a, y)),
        lambda a, y: _categorical_gradient(a, _one_hot(a, y)),
        "softmax",
        lambda z, y: _categorical_fused(z, _one_hot(z, y)),
        lambda z, y: _categorical_fused_gradient(z, _one_hot(z, y)),
    ),
    "binary_crossentropy": Loss(
        _binary, _binary_gradient, "sigmoid", _binary_fused, _binary_fused_gradient
    ),
}


# The functions of densecore.ops.


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
    W = _array("W", W, ("n", "m"))
    x = _array("x", x, (W.shape[1],), W)
    return _into(W @ x, out)


def dense(
    x: Array, W: Array, b: Array | None, activation: str = "linear", out: Array | None = None
) -> Array:
    """Compute one layer for a batch, ``sigma(x W^T + b)``: Eq. 3.

    Parameters
    ----------
    x : array of float32 or float64, shape (batch, m)
    W : array of x's dtype, shape (n, m)
    b : array of x's dtype, shape (n,), or None
    activation : str
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
    sigma = _lookup("activation", ACTIVATIONS, activation)
    x = _array("x", x, ("batch", "m"))
    W = _array("W", W, ("n", x.shape[1]), x)
    z = x @ W.T
    if b is not None:
        z = z + _array("b", b, (W.shape[0],), x)
    return _into(sigma.forward(z), out)


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
    return _into(_lookup("activation", ACTIVATIONS, name).forward(_array("z", z, None)), out)


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
    backward = _lookup("activation", ACTIVATIONS, name).backward
    z = _array("z", z, None)
    a, grad = _array("a", a, z.shape, z), _array("grad", grad, z.shape, z)
    return _into(backward(z, a, grad), out)


def _difference(a: Any, y: Any) -> Array:
    a = _array("a", a, None)
    if a.size == 0:
        raise ValueError(f"a: found shape {a.shape}, wanted at least one element")
    return np.asarray(a - _array("y", y, a.shape, a))


def mse(a: Array, y: Array, reduction: str = "mean") -> float:
    """Compute the mean (Eq. 8) or the sum of all squared differences.

    Parameters
    ----------
    a, y : array of float32 or float64, both of one shape and dtype
    reduction : {"mean", "sum"}

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
    return total / d.size if _reduction(reduction) == "mean" else total


def mse_gradient(a: Array, y: Array, reduction: str = "mean", out: Array | None = None) -> Array:
    """Compute the gradient of `mse` by a: ``(2 / size) (a - y)``, or the note's ``2 (a - y)``.

    Parameters
    ----------
    a, y : array of float32 or float64, both of one shape and dtype
    reduction : {"mean", "sum"}
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
    return _into(np.asarray((2.0 / d.size if _reduction(reduction) == "mean" else 2.0) * d), out)


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
    rate = _learning_rate(learning_rate)
    _parameter(parameter, ("gradient", gradient))
    parameter -= parameter.dtype.type(rate) * gradient


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
    learning_rate, beta_1, beta_2, epsilon : float
        Finite; the learning rate and epsilon > 0, the betas in [0, 1).

    Raises
    ------
    TypeError, ValueError
        If an argument differs from the above; the arrays are then unchanged.
    """
    rate = _learning_rate(learning_rate)
    beta_1 = _number("beta_1", beta_1, "a number in [0, 1)", lambda value: 0 <= value < 1)
    beta_2 = _number("beta_2", beta_2, "a number in [0, 1)", lambda value: 0 <= value < 1)
    epsilon = _number("epsilon", epsilon, "a finite number > 0", lambda value: value > 0)
    _number("step", step, "a step number >= 1", lambda value: value >= 1)
    _parameter(parameter, ("gradient", gradient), ("m", m), ("v", v))
    # Scalars are computed in double precision and rounded once: in float32, 1 - beta_2 alone
    # would already lose four digits.
    real = parameter.dtype.type
    m[...] = real(beta_1) * m + real(1.0 - beta_1) * gradient
    v[...] = real(beta_2) * v + real(1.0 - beta_2) * (gradient * gradient)
    m_hat = m / real(1.0 - beta_1**step)
    v_hat = v / real(1.0 - beta_2**step)
    parameter -= real(rate) * m_hat / (np.sqrt(v_hat) + real(epsilon))


def _sgd(
    parameter: Array,
    gradient: Array,
    states: Sequence[Array],
    step: int,
    *,
    learning_rate: float = 0.01,
) -> None:
    sgd_update(parameter, gradient, learning_rate)


def _adam(
    parameter: Array, gradient: Array, states: Sequence[Array], step: int, **hyper: float
) -> None:
    m, v = states
    adam_update(parameter, gradient, m, v, step, **hyper)


#: The update rules by name.
OPTIMIZERS: dict[str, Optimizer] = {"sgd": Optimizer(0, _sgd), "adam": Optimizer(2, _adam)}


def numerical_gradient(f: Callable[[Array], float], p: Array, step: float = 1e-5) -> Array:
    """Approximate the gradient of a scalar function by central differences.

    Parameters
    ----------
    f : callable
        Called as ``f(p)``.
    p : array of float32 or float64
        Changed in place element by element, and restored: so `f` may also reach it elsewhere,
        such as in ``Network.parameters``.
    step : float
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
    step = _number("step", step, "a finite number > 0", lambda value: value > 0)
    _parameter(p)
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


class Network:
    """A network of dense layers: Eq. 1 to Eq. 30.

    Parameters
    ----------
    layers : sequence of (W, b, activation)
        `W` of shape (n, m), `b` of shape (n,) or None, and a name of `ACTIVATIONS`; all arrays
        float32 or all float64. They are copied.

    Attributes
    ----------
    layers : list of (W, b, activation)
        Layer l of the note is ``layers[l - 1]``.
    parameters : list of arrays
        ``[W^1, b^1, W^2, ...]``, without the missing biases: the arrays in use, not copies.
    dtype : numpy.dtype
    z, a : list of arrays, shape (batch, n)
        What `forward` kept: ``z[l]`` and ``a[l]`` are the note's z^l and a^l. ``a[0]`` is the
        input, and so is ``z[0]``, to keep the indices those of the note.
    states : list of lists of arrays
        What the optimizer keeps for each parameter.
    step : int
        Number of optimizer steps taken.

    Raises
    ------
    TypeError, ValueError
        If there is no layer, the shapes do not follow each other, the dtypes differ, or an
        activation is unknown.
    """

    def __init__(self, layers: Sequence[tuple[Array, Array | None, str]]) -> None:
        if not layers:
            raise ValueError("layers: found none, wanted at least one (W, b, activation)")
        self.layers: list[tuple[Array, Array | None, str]] = []
        self.parameters: list[Array] = []
        inputs: int | str = "m"
        first = None
        for index, (W, b, name) in enumerate(layers, 1):
            _lookup(f"activation of layer {index}", ACTIVATIONS, name)
            W = _array(f"W of layer {index}", W, ("n", inputs), first).copy()
            if b is not None:
                b = _array(f"b of layer {index}", b, (W.shape[0],), W).copy()
            self.layers.append((W, b, ALIASES.get(name, name)))
            self.parameters += [W] if b is None else [W, b]
            inputs, first = W.shape[0], W
        self.dtype = self.parameters[0].dtype
        self.z: list[Array] = []
        self.a: list[Array] = []
        self.states: list[list[Array]] = []
        self.step = 0
        self._optimizer = ""

    def forward(self, x: npt.ArrayLike) -> Array:
        """Compute the output and keep z^l and a^l of every layer: Eq. 3, Eq. 4 to Eq. 6.

        Parameters
        ----------
        x : array_like, shape (batch, m)
            Converted to the network's dtype.

        Returns
        -------
        array, shape (batch, n)
            a^L, of the network's dtype.

        Raises
        ------
        ValueError
            If the shape differs.
        """
        x = np.asarray(x, dtype=self.dtype)
        _array("x", x, ("batch", self.layers[0][0].shape[1]))
        self.z, self.a = [x], [x]
        for W, b, name in self.layers:
            z = self.a[-1] @ W.T  # Eq. 1, for all rows at once
            if b is not None:
                z = z + b
            self.z.append(z)
            self.a.append(ACTIVATIONS[name].forward(z))  # Eq. 2
        return self.a[-1]

    def loss(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: str = "mean_squared_error",
        reduction: str = "mean",
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Run `forward` and compute C: Eq. 7, Eq. 8.

        Parameters
        ----------
        x : array_like, shape (batch, m)
        y : array_like, shape (batch, n), or integers of shape (batch,) for the sparse loss
        loss : str
            A name of `LOSSES` or an alias.
        reduction : {"mean", "sum"}
            With l_r the loss and w_r the weight of row r, "mean" is sum_r w_r l_r / sum_r w_r,
            and 0 when all weights are 0. "sum", for mean_squared_error only, is
            sum_r w_r sum_i (a_ri - y_ri)^2, whose gradient is the note's 2 (a - y).
        sample_weight : array_like, shape (batch,), optional
            Finite and >= 0; ones by default.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If an argument differs from the above.
        """
        self.forward(x)
        factors = self._factors(loss, reduction, sample_weight)
        function = _lookup("loss", LOSSES, loss)
        if function.fused_value is not None and function.link == self.layers[-1][2]:
            rows = function.fused_value(self.z[-1], y)
        else:
            rows = function.value(self.a[-1], y)
        return float(np.sum(factors * rows))

    def backward(
        self,
        y: npt.ArrayLike,
        loss: str = "mean_squared_error",
        reduction: str = "mean",
        sample_weight: npt.ArrayLike | None = None,
    ) -> Gradients:
        """Compute the gradient of C by all parameters, after `forward` or `loss`: Eq. 9.

        Parameters
        ----------
        y, loss, reduction, sample_weight
            As for `loss`.

        Returns
        -------
        list of (dW, db)
            dC/dW^l (n, m) and dC/db^l (n,), or None without a bias, from the first layer to
            the last, of the network's dtype.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        TypeError, ValueError
            If an argument differs from the above.
        """
        self._require_forward()
        factors = self._factors(loss, reduction, sample_weight).astype(self.dtype)[:, None]
        function = _lookup("loss", LOSSES, loss)
        z, a, name = self.z[-1], self.a[-1], self.layers[-1][2]
        if function.fused_gradient is not None and function.link == name:
            delta = factors * function.fused_gradient(z, y)
        else:
            g = factors * function.gradient(a, y)  # dC/da, the first factor of Eq. 16
            delta = ACTIVATIONS[name].backward(z, a, g)  # Eq. 18
        return self._backpropagate(delta)[0]

    def backward_from(self, g: npt.ArrayLike) -> tuple[Gradients, Array]:
        """Compute gradients from that of the output, after `forward`.

        Parameters
        ----------
        g : array_like, shape (batch, n)
            dC/da^L of any scalar C.

        Returns
        -------
        gradients : list of (dW, db)
            As from `backward`.
        dx : array, shape (batch, m)
            dC/dx.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        ValueError
            If the shape differs.
        """
        self._require_forward()
        z, a, name = self.z[-1], self.a[-1], self.layers[-1][2]
        g = _array("g", np.asarray(g, dtype=self.dtype), a.shape)
        return self._backpropagate(ACTIVATIONS[name].backward(z, a, g))

    def train_on_batch(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        optimizer: str = "sgd",
        loss: str = "mean_squared_error",
        reduction: str = "mean",
        sample_weight: npt.ArrayLike | None = None,
        **hyperparameters: float,
    ) -> float:
        """Take one training step: forward, backward, update (Eq. 29, Eq. 30).

        Parameters
        ----------
        x, y, loss, reduction, sample_weight
            As for `loss`.
        optimizer : str
            A name of `OPTIMIZERS`. Its states and the step counter stay in the network; another
            name than at the step before starts them afresh.
        **hyperparameters : float
            For the optimizer, such as ``learning_rate``.

        Returns
        -------
        float
            C before the update.

        Raises
        ------
        TypeError, ValueError
            If an argument differs from the above; the parameters are then unchanged.
        """
        rule = _lookup("optimizer", OPTIMIZERS, optimizer)
        C = self.loss(x, y, loss, reduction, sample_weight)
        gradients = self.backward(y, loss, reduction, sample_weight)
        flat = [g for pair in gradients for g in pair if g is not None]
        step, states = self.step, self.states
        if optimizer != self._optimizer:
            step = 0
            states = [[np.zeros_like(p) for _ in range(rule.states)] for p in self.parameters]
        for p, g, kept in zip(self.parameters, flat, states, strict=True):
            rule.update(p, g, kept, step + 1, **hyperparameters)
        self.step, self.states, self._optimizer = step + 1, states, optimizer
        return C

    def _require_forward(self) -> None:
        if not self.a:
            raise RuntimeError("backward: found no forward pass, wanted forward(x) before it")

    def _factors(self, loss: str, reduction: str, sample_weight: npt.ArrayLike | None) -> Array:
        """Return the s_r of ``C = sum_r s_r l_r``, float64 (batch,)."""
        batch, n = self.a[-1].shape
        w = np.ones(batch) if sample_weight is None else np.asarray(sample_weight, np.float64)
        _array("sample_weight", w, (batch,))
        if not np.all(np.isfinite(w) & (w >= 0)):
            raise ValueError("sample_weight: found a negative or non-finite one, wanted all >= 0")
        if _reduction(reduction) == "sum":
            if ALIASES.get(loss, loss) != "mean_squared_error":
                raise ValueError(
                    f"reduction: found 'sum' with {loss!r}, wanted 'mean' "
                    "('sum' is for mean_squared_error only)"
                )
            return np.asarray(n * w)  # undoes the 1/n of Eq. 8
        total = float(w.sum())
        return w / total if total > 0 else w  # no weight at all: nothing to learn from

    def _backpropagate(self, delta: Array) -> tuple[Gradients, Array]:
        """Go from delta^L = dC/dz^L back to the input; also return dC/dx."""
        gradients: Gradients = []
        for index in range(len(self.layers), 0, -1):
            W, b, _ = self.layers[index - 1]
            # Eq. 16, 20, 25: dC/dW^l = delta^l (a^{l-1})^T, here summed over the rows.
            dW = delta.T @ self.a[index - 1]
            # Eq. 18, 24, 28: dC/db^l = delta^l.
            gradients.append((dW, None if b is None else delta.sum(axis=0)))
            # Eq. 21, 26: dC/da^{l-1} = (W^l)^T delta^l.
            g = np.asarray(delta @ W)
            if index > 1:
                below = ACTIVATIONS[self.layers[index - 2][2]]
                delta = below.backward(self.z[index - 1], self.a[index - 1], g)
        return gradients[::-1], g

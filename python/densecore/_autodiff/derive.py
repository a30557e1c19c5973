"""A Python function's value and gradient, whatever library it is written with."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .._data.interop import library_of
from . import functions as functions  # the rules
from . import ufuncs as ufuncs
from .traced import Traced, gradient

# The value of f, and a function of an array: the gradient by x of the sum of f(x) times it.
Result = tuple[Array, Callable[[Array], Array]]


class ConstantError(TypeError):
    """A result whose derivative is 0: of a step such as sign or a comparison, or of no x at all."""


def derive(function: Callable[..., Any], x: Array, *others: Array) -> Result:
    """f(x, ...), and the backward pass through it to x.

    Parameters
    ----------
    function : callable
        Of these arrays; written with NumPy's functions or ``densecore.ops``, or with those of JAX
        or PyTorch, which derive it then.
    x, *others : ndarray

    Raises
    ------
    TypeError
        It uses a function whose derivative is not known, or returns no numbers, or some that do
        not depend on x.
    """
    with np.errstate(all="ignore"):
        try:
            result = function(start := Traced(x), *others)
        except Exception:
            found = _elsewhere(function, x, others)
            if found is None:
                raise
            return found
    if isinstance(result, Traced):
        traced = result
        return traced.value, lambda seed: _back(traced, start, seed)
    _check_numbers(result)
    raise ConstantError(
        "found a result that does not depend on the outputs, wanted one that is computed of them "
        "by functions of NumPy or densecore.ops"
    )


def _back(result: Traced, start: Traced, seed: Array) -> Array:
    with np.errstate(all="ignore"):
        return gradient(result, start, np.broadcast_to(seed, result.shape))


def _check_numbers(result: Any) -> None:
    if result is None:
        raise TypeError("found None returned, wanted numbers")
    if np.asarray(result).dtype.kind not in "biuf":
        raise TypeError(f"found {type(result).__name__} returned, wanted numbers")


def _elsewhere(function: Callable[..., Any], x: Array, others: tuple[Array, ...]) -> Result | None:
    """The same with JAX or PyTorch, when the program has imported them and the function takes
    their arrays; None otherwise."""
    if "jax" in sys.modules:
        jax = sys.modules["jax"]
        try:
            given = [jax.numpy.asarray(other) for other in others]
            value, back = jax.vjp(lambda x: function(x, *given), jax.numpy.asarray(x))
        except Exception:
            value = None
        if value is not None and library_of(value) in ("jax", "jaxlib"):
            return np.asarray(value), lambda seed: np.asarray(
                back(jax.numpy.broadcast_to(jax.numpy.asarray(seed, value.dtype), value.shape))[0]
            )
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        tensor = torch.tensor(x, requires_grad=True)
        try:
            result = function(tensor, *(torch.tensor(other) for other in others))
        except Exception:
            return None
        if isinstance(result, torch.Tensor):
            return result.detach().numpy(), lambda seed: _torch_back(torch, result, tensor, seed)
    return None


def _torch_back(torch: Any, result: Any, tensor: Any, seed: Array) -> Array:
    if not result.requires_grad:
        return np.zeros(tuple(tensor.shape))
    weights = torch.as_tensor(np.array(np.broadcast_to(seed, tuple(result.shape))))
    (found,) = torch.autograd.grad(result, tensor, weights.to(result.dtype), retain_graph=True)
    return np.asarray(found)

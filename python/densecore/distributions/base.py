"""The base class of distributions: arrays on their way to the core, and the gradients of a
policy's loss."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .._base import checks, seeds
from .._base.dtypes import Array, real_dtype

G = TypeVar("G")


@dataclass(frozen=True, slots=True)
class PolicyLoss(Generic[G]):
    """The loss of a policy on a batch, with its gradient.

    Attributes
    ----------
    loss : float
        The mean over the rows, less the bonus for entropy.
    gradient : ndarray or NormalGradient
        Its derivatives by the network's outputs: for ``model.backward``.
    entropy : float
        The mean entropy; NaN when it was not asked for.
    kl : float
        An estimate, from the actions, of the divergence of the policy that acted from this one:
        the mean of (ratio - 1) - log ratio. 0 without `old_log_prob`.
    clip_fraction : float
        The share of the rows whose ratio is out of the range; 0 without `old_log_prob`.
    """

    loss: float
    gradient: G
    entropy: float
    kl: float
    clip_fraction: float


class Distribution(ABC, Generic[G]):
    """A distribution of actions for each row of a batch, with gradients ready for `backward`.

    It holds a copy of its parameters: later passes of the network do not change it. Everything is
    computed in double precision and returned in the dtype of the parameters.
    """

    _core: Any
    _dtype: "np.dtype[Any]"
    #: (rows, actions), or (rows, classes).
    shape: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``: that of the parameters."""
        return str(self._dtype.name)

    @abstractmethod
    def _actions(self, action: Any) -> Array:
        """Actions as the core takes them."""

    @abstractmethod
    def _gradient(self, found: Any) -> G:
        """The core's results for the derivatives by the parameters."""

    @property
    def mode(self) -> Array:
        """The action to take without exploration, of each row."""
        found: Array = self._core.mode()
        return found

    def log_prob(self, action: ArrayLike) -> Array:
        """The logarithm of the density or probability of each row's action, (rows,).

        Raises
        ------
        ValueError, TypeError
            Another shape, NaN, or an action that cannot be.
        """
        found: Array = self._core.log_prob(self._actions(action))
        return found

    def log_prob_gradient(self, action: ArrayLike, weight: ArrayLike = 1.0) -> G:
        """∂C/∂parameters of C = Σ weight · log_prob(action).

        Parameters
        ----------
        action : array_like
            As of `log_prob`.
        weight : float or array_like (rows,), default 1
            ∂C/∂log_prob of each row: an advantage over the number of rows, say, negative.
        """
        return self._gradient(
            self._core.log_prob_gradient(self._actions(action), self._per_row("weight", weight))
        )

    def entropy(self) -> Array:
        """The entropy of each row, (rows,), in nats."""
        found: Array = self._core.entropy()
        return found

    def entropy_gradient(self, weight: ArrayLike = 1.0) -> G:
        """∂C/∂parameters of C = Σ weight · entropy."""
        return self._gradient(self._core.entropy_gradient(self._per_row("weight", weight)))

    def kl(self, other: Self) -> Array:
        """Kullback and Leibler's divergence of each row, KL(self ‖ other), (rows,).

        Raises
        ------
        ValueError, TypeError
            Another kind of distribution, another shape or another dtype.
        """
        self._check_other(other)
        found: Array = self._core.divergence(other._core)
        return found

    def kl_gradient(self, other: Self, weight: ArrayLike = 1.0) -> tuple[G, G]:
        """The gradients of C = Σ weight · KL(self ‖ other), by these parameters and by the other's.

        Raises
        ------
        ValueError
            As of `kl`, or a divergence that is infinite.
        """
        self._check_other(other)
        own, others = self._core.divergence_gradient(other._core, self._per_row("weight", weight))
        return self._gradient(own), other._gradient(others)

    def _policy_loss(
        self,
        actions: Any,
        old_log_prob: Any,
        advantages: Any,
        clip: float,
        entropy: float,
    ) -> PolicyLoss[G]:
        before = None if old_log_prob is None else self._per_row("old_log_prob", old_log_prob)
        loss, mean, kl, clipped, gradient = self._core.policy_loss(
            self._actions(actions),
            before,
            self._per_row("advantages", advantages),
            clip,
            entropy,
        )
        return PolicyLoss(loss, self._gradient(gradient), mean, kl, clipped)

    def _check_other(self, other: Any) -> None:
        if type(other) is not type(self):
            raise TypeError(
                f"kl: found {type(other).__name__}, wanted another {type(self).__name__}"
            )

    def _per_row(self, name: str, given: Any) -> Array:
        """A number for each row, from an array or from one for all."""
        if type(given) is not np.ndarray:
            if isinstance(given, bool | np.bool_):
                raise TypeError(f"{name}: found {given}, wanted numbers")
            given = as_real(name, given, self._dtype)
            if given.ndim == 0:
                return np.full(self.shape[0], given, self._dtype)
        return vector(name, given, self._dtype, self.shape[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({' x '.join(map(str, self.shape))}, {self.dtype})"


# A dtype's name takes longer to find out than a small head's arithmetic: dtypes are compared.
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def as_real(name: str, given: Any, dtype: "np.dtype[Any]") -> Array:
    """An array of a dtype, C-contiguous: itself or a copy.

    Raises
    ------
    TypeError
        It is not of real numbers.
    ValueError
        It is ragged, or has numbers beyond the dtype's range.
    """
    if type(given) is np.ndarray and given.dtype == dtype:
        return given if given.flags.c_contiguous else np.ascontiguousarray(given)
    found = real_array(name, given)
    with np.errstate(over="ignore"):
        result = found.astype(dtype, order="C")
    if found.dtype.kind == "f" and np.isinf(result).any() and not np.isinf(found).any():
        raise ValueError(f"{name}: found a number beyond the range of {dtype}")
    return result


def real_array(name: str, given: Any) -> Array:
    """An array of real numbers, in any dtype of such."""
    try:
        found = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{name}: found rows of different lengths, wanted an array") from error
    if found.dtype.kind not in "biuf":
        what = f"dtype {found.dtype}" if found.dtype.kind != "O" else type(given).__name__
        raise TypeError(f"{name}: found {what}, wanted an array of real numbers")
    return found


def parameters(name: str, given: Any, dtype: "np.dtype[Any] | None" = None) -> Array:
    """A head's parameters (rows, columns), where they lie if they can be read there."""
    found = real_array(name, given)
    if dtype is None:
        dtype = np.dtype(real_dtype(found.dtype)) if found.dtype not in (SINGLE, DOUBLE) else None
    if dtype is not None and found.dtype != dtype:
        return as_real(name, found, dtype)
    if found.ndim == 2 and found.shape[1] > 1 and found.strides[1] != found.itemsize:
        return np.ascontiguousarray(found)
    return found


def vector(name: str, given: Any, dtype: "np.dtype[Any]", rows: int) -> Array:
    """A number for each row, (rows,), also from (rows, 1)."""
    found = as_real(name, given, dtype)
    if found.shape == (rows,):
        return found
    if found.shape == (rows, 1):
        return found.reshape(rows)
    raise ValueError(f"{name}: found shape {found.shape}, wanted {(rows,)}")


def checked_seed(seed: int | None) -> int:
    """A seed; a fresh one for None."""
    return seeds.fresh() if seed is None else checks.seed(seed)

"""Normal and TanhNormal: heads of policies with continuous actions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._base import checks, core
from .._base.dtypes import DTYPES, Array
from .base import Distribution, as_real, checked_seed, parameters, real_array

UNBOUNDED = (-np.inf, np.inf)


@dataclass(frozen=True, slots=True)
class NormalGradient:
    """∂C/∂parameters of a normal distribution; it unpacks to ``loc, log_scale``.

    Attributes
    ----------
    loc : ndarray (rows, actions)
    log_scale : ndarray (rows, actions), or (actions,) where all rows share the scale
    """

    loc: Array
    log_scale: Array
    _joined: Array | None = None

    def __iter__(self) -> Iterator[Array]:
        return iter((self.loc, self.log_scale))

    def __add__(self, other: "NormalGradient") -> "NormalGradient":
        if self._joined is not None and other._joined is not None:
            return _of_joined(self._joined + other._joined)
        return NormalGradient(self.loc + other.loc, self.log_scale + other.log_scale)

    def __mul__(self, factor: float) -> "NormalGradient":
        if self._joined is not None:
            return _of_joined(self._joined * np.asarray(factor, self.loc.dtype))
        number = np.asarray(factor, self.loc.dtype)
        return NormalGradient(self.loc * number, self.log_scale * number)

    __rmul__ = __mul__

    @property
    def joined(self) -> Array:
        """Both side by side, (rows, 2 actions): of a network with one output, see `from_outputs`.

        Raises
        ------
        ValueError
            All rows share the scale.
        """
        if self._joined is None:
            raise ValueError("joined: found a scale that all rows share, wanted one for each row")
        return self._joined


def _of_joined(both: Array) -> NormalGradient:
    columns = both.shape[1] // 2
    return NormalGradient(both[:, :columns], both[:, columns:], both)


class Normal(Distribution[NormalGradient]):
    """Independent normal numbers: a row is one action of several columns.

    log_prob, entropy and kl are those of whole rows, as of PyTorch's
    ``Independent(Normal(loc, scale), 1)``.

    Parameters
    ----------
    loc : array_like (rows, actions)
        The means.
    scale : array_like (rows, actions) or (actions,), or float, optional
        The standard deviations, positive.
    log_scale : array_like (rows, actions) or (actions,), or float, optional
        Their logarithms, instead: outputs of a network, or a vector that all rows share.
    log_scale_bounds : tuple (low, high), optional
        Limits of log_scale, which has no gradient beyond; ``(-20, 2)`` in most programs of SAC.

    Raises
    ------
    ValueError
        Shapes that do not meet, NaN, a standard deviation that is not positive, or a log_scale
        beyond ±80 (float32) or ±340 (float64).
    TypeError
        Not exactly one of scale and log_scale, or something that is not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import densecore as dc
    >>> pi = dc.distributions.Normal(np.zeros((2, 1)), log_scale=np.zeros(1))
    >>> pi.log_prob([[0.0], [1.0]]).round(3)
    array([-0.919, -1.419])
    """

    _squashed = False

    def __init__(
        self,
        loc: ArrayLike,
        scale: ArrayLike | None = None,
        *,
        log_scale: ArrayLike | None = None,
        log_scale_bounds: tuple[float, float] | None = None,
    ) -> None:
        if (scale is None) == (log_scale is None):
            found = "both" if scale is not None else "neither"
            raise TypeError(f"{type(self).__name__}: found {found} of scale and log_scale, "
                            "wanted one of them")  # fmt: skip
        means = parameters("loc", loc)
        if means.ndim != 2 or means.shape[1] == 0:
            raise ValueError(f"loc: found shape {means.shape}, wanted (rows, actions)")
        self._dtype = means.dtype
        spread = _log_of(scale, self._dtype) if log_scale is None else log_scale
        logarithms = parameters("log_scale", spread, self._dtype)
        if logarithms.ndim == 0:
            logarithms = np.full(means.shape[1:], logarithms)
        name = "log_scale" if scale is None else "scale"
        if logarithms.shape not in (means.shape, means.shape[1:]):
            raise ValueError(
                f"{name}: found shape {logarithms.shape}, wanted {means.shape} as loc, or "
                f"{means.shape[1:]} for all rows"
            )
        if logarithms.ndim == 1:
            logarithms = np.ascontiguousarray(logarithms)
        self.shape = means.shape
        self._limits = _bounds(log_scale_bounds)
        self._core = core.Normal(means, logarithms, *self._limits, self._squashed)
        self._sampled: tuple[int, Array] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_core": self._core.parameters()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        loc, log_scale = state["_core"]
        self._core = core.Normal(loc, log_scale, *self._limits, self._squashed)

    @classmethod
    def from_outputs(
        cls, outputs: ArrayLike, *, log_scale_bounds: tuple[float, float] | None = None
    ) -> Self:
        """The distribution of a network's output (rows, 2 actions): the means, then the log_scales.

        `log_scale_bounds` are those of `Normal`. The gradients' ``joined`` is what the model's
        `backward` takes.
        """
        found = real_array("outputs", outputs)
        if found.ndim != 2 or found.shape[1] == 0 or found.shape[1] % 2:
            raise ValueError(f"outputs: found shape {found.shape}, wanted (rows, 2 actions)")
        half = found.shape[1] // 2
        return cls(found[:, :half], log_scale=found[:, half:], log_scale_bounds=log_scale_bounds)

    def sample(self, seed: int | None = None) -> Array:
        """Actions (rows, actions), which follow from the seed: loc + scale · noise.

        Parameters
        ----------
        seed : int, optional
            By default a new one.
        """
        return self.sample_and_log_prob(seed)[0]

    def sample_and_log_prob(self, seed: int | None = None) -> tuple[Array, Array]:
        """Actions (rows, actions) and their log_prob (rows,); `seed` as for `sample`.

        The log_prob is computed from the noise: it is exact in the tails, too.
        """
        number = checked_seed(seed)
        action, log_prob, noise = self._core.sample(number)
        self._sampled = number, noise
        return action, log_prob

    def sample_gradient(
        self,
        by_action: ArrayLike | None = None,
        by_log_prob: ArrayLike | None = None,
        *,
        seed: int | None = None,
    ) -> NormalGradient:
        """∂C/∂parameters through a sample: the reparameterised gradient.

        Parameters
        ----------
        by_action : array_like (rows, actions), optional
            ∂C/∂action.
        by_log_prob : float or array_like (rows,), optional
            ∂C/∂log_prob of the sample's own log_prob.
        seed : int, optional
            That of the sample; by default the last one's.

        Raises
        ------
        RuntimeError
            There is no sample yet.
        """
        if seed is not None:
            number = checked_seed(seed)
            if self._sampled is None or self._sampled[0] != number:
                self.sample_and_log_prob(number)
        elif self._sampled is None:
            raise RuntimeError("sample_gradient: found no sample, wanted a call of sample before")
        assert self._sampled is not None
        actions = None if by_action is None else self._actions(by_action, "by_action")
        log_prob = None if by_log_prob is None else self._per_row("by_log_prob", by_log_prob)
        return self._gradient(self._core.sample_gradient(self._sampled[1], actions, log_prob))

    def _actions(self, action: Any, name: str = "action") -> Array:
        found = as_real(name, action, self._dtype)
        if found.shape == (self.shape[0],) and self.shape[1] == 1:
            return found.reshape(self.shape)
        if found.shape != self.shape:
            raise ValueError(f"{name}: found shape {found.shape}, wanted {self.shape}")
        return found

    def _gradient(self, found: Any) -> NormalGradient:
        return NormalGradient(*found) if isinstance(found, tuple) else _of_joined(found)


class TanhNormal(Normal):
    """The tanh of independent normal numbers: actions from -1 to 1, as of SAC (arXiv 1801.01290).

    log_prob takes actions from -1 to 1; one of ±1, which no finite number has for its tanh, counts
    as its neighbour in the dtype. The log_prob of a sample (`sample_and_log_prob`) needs no such
    care. entropy has no formula: it is integrated, to about 10 digits. mode is the tanh of loc,
    which is the median.

    Parameters, errors and methods are those of `Normal`; actions outside of -1 to 1 are refused.
    """

    _squashed = True


def _log_of(scale: Any, dtype: "np.dtype[Any]") -> Array:
    """The logarithms of standard deviations, which must be positive."""
    found = as_real("scale", scale, dtype)
    wrong = found[~(found > 0)]
    if wrong.size:
        raise ValueError(f"scale: found {wrong.flat[0]:g}, wanted standard deviations > 0")
    result = np.empty_like(found)
    flat: Array = np.ascontiguousarray(found).reshape(-1)
    out = result.reshape(-1)
    DTYPES[dtype.name].kernels.function("log", flat, out)
    return result


def _bounds(given: Any) -> tuple[float, float]:
    if given is None:
        return UNBOUNDED
    found = checks.listed("log_scale_bounds", given, "a pair (low, high)")
    if len(found) != 2:
        raise ValueError(f"log_scale_bounds: found {len(found)} numbers, wanted (low, high)")
    low = checks.number("log_scale_bounds: low", found[0])
    return low, checks.number("log_scale_bounds: high", found[1], above=low)

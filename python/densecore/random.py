"""Random arrays with Keras's names, by NumPy's generators.

A seed makes a call's numbers the same each time; without one they follow from
`densecore.utils.set_random_seed`, or are new in every run. Models do not draw from here: their
numbers follow from their own seed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._base import checks, seeds
from ._base.dtypes import Array, check_dtype

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]


#: Noise for the rows of a `call` that is being described: the module of such functions, which comes
#: later, adds it.
NOISE: list[Callable[..., Any]] = []
#: The same value for the rows of such a call, likewise.
CONSTANT_ROWS: list[Callable[..., Any]] = []


def of_rows(shape: Any) -> bool:
    """Whether a shape has an unknown number of rows first, as ``ops.shape(x)`` of a symbol has.

    Parameters
    ----------
    shape : tuple of int or None
    """
    rows = isinstance(shape, list | tuple) and len(shape) > 0 and shape[0] is None
    return rows and bool(CONSTANT_ROWS)


class SeedGenerator:
    """A seed that is another one at every call: as `seed` of the functions here.

    Parameters
    ----------
    seed : int, optional
        From which all follow; by default a new one.
    name : str, optional
        Accepted for Keras's sake.
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.seed = seeds.fresh() if seed is None else checks.seed(seed)
        self.name = name
        self._calls = 0

    def next(self) -> list[int]:
        """The next seed: the first one and the number of the call."""
        self._calls += 1
        return [self.seed, self._calls]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one; JSON-able."""
        return {"seed": self.seed, "name": self.name}


def _generator(seed: "int | SeedGenerator | None") -> np.random.Generator:
    if isinstance(seed, SeedGenerator):
        return np.random.default_rng(seed.next())
    return np.random.default_rng(seeds.fresh() if seed is None else checks.seed(seed))


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    given = shape if isinstance(shape, list | tuple | np.ndarray) else (shape,)
    if np.ndim(given) > 1:
        raise TypeError(f"shape: found {checks.shown(shape)}, wanted a tuple of integers")
    return tuple(checks.integer("shape", size, 0) for size in np.atleast_1d(given))


def _reals(name: str, value: Any) -> Array:
    found = np.asarray(value)
    if found.dtype.kind not in "iuf" or not np.isfinite(found).all():
        raise TypeError(f"{name}: found {checks.shown(value)}, wanted finite numbers")
    return found.astype(np.float64)


def _integer_dtype(dtype: Any) -> "np.dtype[Any]":
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError):
        found = np.dtype(object)
    if found.kind not in "iu":
        raise TypeError(f"dtype: found {checks.shown(dtype)}, wanted one of integers")
    return found


def _of_rows(shape: Any) -> bool:
    """Whether a shape is that of a symbol, with rows of an unknown number; or of a weight, in a
    call that is being described, whose numbers are other ones for each batch."""
    if not isinstance(shape, list | tuple) or not shape or not NOISE:
        return False
    describes = NOISE[1]
    return shape[0] is None or bool(describes())


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """Numbers of a normal distribution.

    Parameters
    ----------
    shape : sequence of int
    mean : float, default 0.0
    stddev : float, default 1.0
    dtype : str, optional
        By default ``backend.floatx()``.
    seed : int or SeedGenerator, optional
        By default a new one.

    Within a `call` of a custom layer or model, with rows of an unknown number (None, units)
    as ``ops.shape(x)`` gives them, it is noise of the model's: normal in training, `mean` outside
    it, and by the model's seed.
    """
    deviation = checks.number("stddev", stddev, least=0)
    if _of_rows(shape):
        return NOISE[0](shape, checks.number("mean", mean), deviation)  # type: ignore[no-any-return]
    drawn = _generator(seed).normal(checks.number("mean", mean), deviation, _shape(shape))
    return drawn.astype(check_dtype(dtype))


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """Numbers of a normal distribution, drawn again where they are beyond two deviations.

    Parameters
    ----------
    shape, mean, stddev, dtype, seed
        As for `normal`.
    """
    mean, stddev = checks.number("mean", mean), checks.number("stddev", stddev, least=0)
    generator = _generator(seed)
    drawn = np.asarray(generator.standard_normal(_shape(shape)))
    beyond = np.abs(drawn) > 2
    while beyond.any():
        drawn[beyond] = generator.standard_normal(int(beyond.sum()))
        beyond = np.abs(drawn) > 2
    return np.asarray(mean + stddev * drawn).astype(check_dtype(dtype))


def uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """Numbers from `minval` up to, but without `maxval`, each as likely.

    Parameters
    ----------
    shape : sequence of int
    minval : float, default 0.0
    maxval : float, default 1.0
    dtype : str, optional
        By default ``backend.floatx()``; an integer dtype is for `randint`.
    seed : int or SeedGenerator, optional
        By default a new one.
    """
    low = checks.number("minval", minval)
    high = checks.number("maxval", maxval, least=low)
    if _of_rows(shape):
        return low + (high - low) * NOISE[0](shape, 0.0, 1.0, uniform=True)  # type: ignore[no-any-return]
    drawn = _generator(seed).uniform(low, high, _shape(shape))
    return drawn.astype(check_dtype(dtype))


def randint(
    shape: Sequence[int],
    minval: int,
    maxval: int,
    dtype: str = "int32",
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """Integers from `minval` up to, but without `maxval`, each as likely.

    Parameters
    ----------
    shape : sequence of int
    minval, maxval : int
    dtype : str, default "int32"
    seed : int or SeedGenerator, optional
        By default a new one.
    """
    kind = _integer_dtype(dtype)
    limits = np.iinfo(kind)
    low = checks.integer("minval", minval, int(limits.min), int(limits.max))
    high = checks.integer("maxval", maxval, low + 1, int(limits.max) + 1)
    return _generator(seed).integers(low, high, _shape(shape)).astype(kind)


def binomial(
    shape: Sequence[int],
    counts: ArrayLike,
    probabilities: ArrayLike,
    dtype: str | None = None,
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """How many of `counts` trials succeed, each with a probability.

    Parameters
    ----------
    shape : sequence of int
    counts, probabilities : array_like
        They broadcast with `shape`.
    dtype, seed
        As for `normal`.
    """
    trials, chances = _reals("counts", counts), _reals("probabilities", probabilities)
    if ((trials < 0) | (trials >= 2**62) | (trials != np.floor(trials))).any():
        raise ValueError(f"counts: found {checks.shown(counts)}, wanted integers >= 0")
    if ((chances < 0) | (chances > 1)).any():
        raise ValueError(
            f"probabilities: found {checks.shown(probabilities)}, wanted numbers from 0 to 1"
        )
    size = _shape(shape)
    try:
        np.broadcast_to(trials * chances, size)
    except ValueError:
        raise ValueError(
            f"shape: found {size}, wanted one that counts of shape {trials.shape} and "
            f"probabilities of shape {chances.shape} broadcast to"
        ) from None
    drawn = _generator(seed).binomial(trials.astype(np.int64), chances, size)
    return np.asarray(drawn).astype(check_dtype(dtype))


def gamma(
    shape: Sequence[int],
    alpha: ArrayLike,
    dtype: str | None = None,
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """Numbers of a gamma distribution of scale 1.

    Parameters
    ----------
    shape : sequence of int
    alpha : array_like
        The distribution's shape, > 0; it broadcasts with `shape`.
    dtype, seed
        As for `normal`.
    """
    size = _shape(shape)
    drawn = _generator(seed).gamma(_positive("alpha", alpha, size), 1.0, size)
    return np.asarray(drawn).astype(check_dtype(dtype))


def beta(
    shape: Sequence[int],
    alpha: ArrayLike,
    beta: ArrayLike,
    dtype: str | None = None,
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """Numbers of a beta distribution, from 0 to 1, as mixup draws them.

    Parameters
    ----------
    shape : sequence of int
    alpha, beta : array_like
        > 0; they broadcast with `shape`.
    dtype, seed
        As for `normal`.
    """
    size = _shape(shape)
    first, second = _positive("alpha", alpha, size), _positive("beta", beta, size)
    return np.asarray(_generator(seed).beta(first, second, size)).astype(check_dtype(dtype))


def _positive(name: str, value: ArrayLike, size: tuple[int, ...]) -> Array:
    """Numbers > 0 that broadcast to a shape."""
    found = _reals(name, value)
    try:
        np.broadcast_to(found, size)
    except ValueError:
        raise ValueError(
            f"{name}: found shape {found.shape}, wanted one that broadcasts to {size}"
        ) from None
    if (found <= 0).any():
        raise ValueError(f"{name}: found {checks.shown(value)}, wanted numbers > 0")
    return found


def dropout(
    inputs: ArrayLike,
    rate: float,
    noise_shape: Sequence[int] | None = None,
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """The inputs, of which a share `rate` is 0 and the others are divided by 1 - rate.

    Parameters
    ----------
    inputs : array_like
        Within a `call` that is being described the layer ``Dropout`` is what a model drops by.
    rate : float
        From 0 to 1.
    noise_shape : sequence of int, optional
        The shape of the draws, which broadcasts with the inputs; by default theirs.
    seed : int or SeedGenerator, optional
        By default a new one.
    """
    share = checks.number("rate", rate, least=0, below=1)
    array = np.asarray(inputs)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"inputs: found {checks.shown(inputs)}, wanted real numbers")
    shape = array.shape if noise_shape is None else _shape(noise_shape)
    kept = _generator(seed).uniform(size=shape) >= share
    return np.asarray(array * (kept / (1 - share))).astype(array.dtype)


def categorical(
    logits: ArrayLike,
    num_samples: int,
    dtype: str = "int32",
    seed: "int | SeedGenerator | None" = None,
) -> Array:
    """Classes by the logarithms of their probabilities.

    Parameters
    ----------
    logits : array_like (rows, classes)
        Up to a constant for each row.
    num_samples : int
        How many for each row.
    dtype : str, default "int32"
    seed : int or SeedGenerator, optional
        By default a new one.

    Returns
    -------
    ndarray (rows, num_samples)

    Raises
    ------
    ValueError
        `logits` is not a matrix.
    """
    if hasattr(logits, "_known_or_computed"):  # symbols, in a call that is being described
        symbol: Any = logits
        found: Array = symbol.operators["computed"](
            categorical, (logits, num_samples), {"dtype": dtype, "seed": seed}
        )
        return found
    matrix = np.asarray(logits)
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"logits: found {checks.shown(logits)}, wanted real numbers")
    matrix = matrix.astype(np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"logits: found shape {matrix.shape}, wanted (rows, classes)")
    count = checks.integer("num_samples", num_samples, 0)
    # The largest of the logits with Gumbel's noise has the probabilities of their softmax.
    noise = _generator(seed).gumbel(size=(len(matrix), count, matrix.shape[1]))
    return np.asarray((matrix[:, None, :] + noise).argmax(axis=2), _integer_dtype(dtype))


def shuffle(x: ArrayLike, axis: int = 0, seed: "int | SeedGenerator | None" = None) -> Array:
    """A copy with its slices along an axis in another order.

    Parameters
    ----------
    x : array_like
    axis : int, default 0
    seed : int or SeedGenerator, optional
        By default a new one.
    """
    array = np.asarray(x)
    if array.ndim == 0:
        raise TypeError(f"x: found {checks.shown(x)}, wanted an array")
    place = checks.integer("axis", axis, -array.ndim, array.ndim - 1)
    return np.asarray(_generator(seed).permutation(array, axis=place))

"""Random arrays with Keras's names, by NumPy's generators.

A seed makes a call's numbers the same each time; without one they follow from
`densecore.utils.set_random_seed`, or are new in every run. Models do not draw from here: their
numbers follow from their own seed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._base import checks, seeds
from ._base.dtypes import Array, check_dtype

__all__ = [
    "SeedGenerator",
    "binomial",
    "categorical",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]


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
    """
    drawn = _generator(seed).normal(mean, stddev, shape)
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
    generator = _generator(seed)
    drawn = np.asarray(generator.standard_normal(shape))
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
    drawn = _generator(seed).uniform(minval, maxval, shape)
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
    return _generator(seed).integers(minval, maxval, shape).astype(dtype)


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
    drawn = _generator(seed).binomial(
        np.asarray(counts, np.int64), np.asarray(probabilities, np.float64), shape
    )
    return np.asarray(drawn).astype(check_dtype(dtype))


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
    matrix = np.asarray(logits, np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"logits: found shape {matrix.shape}, wanted (rows, classes)")
    count = checks.integer("num_samples", num_samples, 0)
    # The largest of the logits with Gumbel's noise has the probabilities of their softmax.
    noise = _generator(seed).gumbel(size=(len(matrix), count, matrix.shape[1]))
    return np.asarray((matrix[:, None, :] + noise).argmax(axis=2), dtype)


def shuffle(x: ArrayLike, axis: int = 0, seed: "int | SeedGenerator | None" = None) -> Array:
    """A copy with its slices along an axis in another order.

    Parameters
    ----------
    x : array_like
    axis : int, default 0
    seed : int or SeedGenerator, optional
        By default a new one.
    """
    return np.asarray(_generator(seed).permutation(np.asarray(x), axis=axis))

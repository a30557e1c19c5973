"""What linear models are given of a table: the networks' inputs as standardised columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import NumericFeature
from .preparation import Preparation

Array = NDArray[np.float64]

# So many columns, or rows, are solved for in a fraction of the networks' time.
_MOST_COLUMNS = 600


def _short(preparation: Preparation, x: NDArray[Any]) -> int:
    """Inputs before the bins."""
    return int(x.shape[1]) - preparation.bins


class Bent:
    """The inputs but the bins."""

    @staticmethod
    def width(preparation: Preparation, x: NDArray[Any]) -> int:
        return _short(preparation, x)

    @staticmethod
    def columns(preparation: Preparation, x: NDArray[Any]) -> Array:
        made: Array = x[:, : _short(preparation, x)].astype(np.float64)
        return made

    @staticmethod
    def spread(preparation: Preparation, x: NDArray[Any], kernel: Array) -> Array:
        """The kernel of the columns as that of all inputs."""
        full = np.zeros((x.shape[1], kernel.shape[1]))
        full[: len(kernel)] = kernel
        return full


class Straight(Bent):
    """Numbers that are not bent, within the range of the training rows.

    The bins of a column add up to its number; what lies beyond their ends does not pull the line
    away.
    """

    @staticmethod
    def width(preparation: Preparation, x: NDArray[Any]) -> int:
        return _short(preparation, x) if preparation.bins else 0

    @staticmethod
    def columns(preparation: Preparation, x: NDArray[Any]) -> Array:
        made = Bent.columns(preparation, x)
        for number, bins, widths in _binned(preparation):
            made[:, number] = x[:, bins].astype(np.float64) @ widths
        return made

    @staticmethod
    def spread(preparation: Preparation, x: NDArray[Any], kernel: Array) -> Array:
        full = Bent.spread(preparation, x, kernel)
        for number, bins, widths in _binned(preparation):
            full[bins] = widths[:, np.newaxis] * kernel[number]
            full[number] = 0
        return full


class Bins(Bent):
    """All inputs: a line with a bend at each edge of a bin."""

    @staticmethod
    def width(preparation: Preparation, x: NDArray[Any]) -> int:
        return x.shape[1] if preparation.bins else 0

    @staticmethod
    def columns(preparation: Preparation, x: NDArray[Any]) -> Array:
        return x.astype(np.float64)


def _binned(preparation: Preparation) -> Iterator[tuple[int, NDArray[np.intp], Array]]:
    """Of each column with bins: the place of its number, those of its bins, and their widths in
    units of its deviation."""
    for feature, place in zip(preparation.features, preparation.places(), strict=True):
        if isinstance(feature, NumericFeature) and feature.edges:
            widths = np.diff(feature.edges)
            yield int(place[0]), place[1 : 1 + feature.bins], widths / widths.sum()


@dataclass
class Columns:
    """Columns (rows, m) with mean 0 and deviation 1; when there are more columns than rows, turned
    so that there are as many as rows, which a ridge does not notice."""

    z: Array
    mean: Array
    scale: Array
    turn: Array | None

    @classmethod
    def of(
        cls, view: type[Bent], preparation: Preparation, x: NDArray[Any], w: Array, most: float
    ) -> "Columns | None":
        """None: there is no such view, or it has too many columns."""
        width = view.width(preparation, x)
        if not width or width * len(x) > most:
            return None
        if min(width, len(x)) > _MOST_COLUMNS:
            return None
        z = view.columns(preparation, x)
        mean = np.average(z, axis=0, weights=w)
        z -= mean
        scale = np.sqrt(np.average(z**2, axis=0, weights=w))
        scale[scale <= 1e-6] = 1.0
        z /= scale
        if width <= len(x):
            return cls(z, mean, scale, None)
        squares, vectors = np.linalg.eigh(z @ z.T)
        kept = squares > 1e-9 * squares[-1]
        sizes = np.sqrt(squares[kept])
        turned = vectors[:, kept] * sizes
        return cls(turned, mean, scale, z.T @ (vectors[:, kept] / sizes))

    def of_inputs(self, solved: Array) -> tuple[Array, Array]:
        """Kernel and bias for the columns as they are, of what was solved for z and a constant."""
        kernel = solved[:-1] if self.turn is None else self.turn @ solved[:-1]
        kernel = kernel / self.scale[:, np.newaxis]
        return kernel, solved[-1] - self.mean @ kernel

"""The inputs of linear models: those of the networks as standardised columns."""

from dataclasses import dataclass

import numpy as np

from .._base.dtypes import Array, Doubles
from .algebra import inverse_factor, product
from .features import NumericFeature
from .preparation import Preparation

# So many columns, or rows, are solved for in a fraction of the networks' time.
_MOST_COLUMNS = 600


def _short(preparation: Preparation, x: Array) -> int:
    """Inputs before the bins and the lines."""
    return int(x.shape[1]) - preparation.bins - preparation.lines


class Bent:
    """The inputs but the bins and the lines."""

    @staticmethod
    def width(preparation: Preparation, x: Array) -> int:
        return _short(preparation, x)

    @staticmethod
    def columns(preparation: Preparation, x: Array) -> Doubles:
        made: Doubles = x[:, : _short(preparation, x)].astype(np.float64)
        return made

    @staticmethod
    def spread(preparation: Preparation, x: Array, kernel: Doubles) -> Doubles:
        """The kernel of the columns as that of all inputs."""
        full = np.zeros((x.shape[1], kernel.shape[1]))
        full[: len(kernel)] = kernel
        return full


class Straight(Bent):
    """Numbers that are not bent: their lines in their places."""

    @staticmethod
    def width(preparation: Preparation, x: Array) -> int:
        return _short(preparation, x) if preparation.lines else 0

    @staticmethod
    def columns(preparation: Preparation, x: Array) -> Doubles:
        made = Bent.columns(preparation, x)
        numbers, lines = _lines(preparation)
        made[:, numbers] = x[:, lines]
        return made

    @staticmethod
    def spread(preparation: Preparation, x: Array, kernel: Doubles) -> Doubles:
        full = Bent.spread(preparation, x, kernel)
        numbers, lines = _lines(preparation)
        full[lines], full[numbers] = kernel[numbers], 0
        return full


class Bins(Bent):
    """All inputs but the lines: a line with a bend at each edge of a bin."""

    @staticmethod
    def width(preparation: Preparation, x: Array) -> int:
        return int(x.shape[1]) - preparation.lines if preparation.bins else 0

    @staticmethod
    def columns(preparation: Preparation, x: Array) -> Doubles:
        made: Doubles = x[:, : x.shape[1] - preparation.lines].astype(np.float64)
        return made


def _lines(preparation: Preparation) -> tuple[list[int], list[int]]:
    """The places of the bent numbers and of the lines, of all columns that have a line."""
    found = [
        (int(place[0]), int(place[-1]))
        for feature, place in zip(preparation.features, preparation.places(), strict=True)
        if isinstance(feature, NumericFeature) and feature.line
    ]
    return [number for number, _ in found], [line for _, line in found]


@dataclass
class Columns:
    """Columns (rows, m) with mean 0 and deviation 1; when there are more columns than rows, turned
    so that there are as many as rows, which a ridge does not notice."""

    z: Doubles
    mean: Doubles
    scale: Doubles
    turn: Doubles | None

    @classmethod
    def of(
        cls, view: type[Bent], preparation: Preparation, x: Array, w: Doubles, most: float
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
        # Z Zᵀ = L Lᵀ with L in place of Z: columns without a mean leave a row too many, which gets
        # far less than any ridge.
        square = product(z, z.T)
        square[np.diag_indices(len(z))] += 1e-9 * np.trace(square) / len(z)
        factor = inverse_factor(square)
        return cls(product(square, factor.T), mean, scale, product(factor, z).T)

    def of_inputs(self, found: Doubles) -> tuple[Doubles, Doubles]:
        """Kernel and bias for the columns as they are, of what was found for z and a constant."""
        kernel = found[:-1] if self.turn is None else product(self.turn, found[:-1])
        kernel = kernel / self.scale[:, np.newaxis]
        return kernel, found[-1] - (self.mean[:, np.newaxis] * kernel).sum(axis=0)

"""How numbers become inputs: moved to the median, scaled by the quartiles, bent towards ±3.

z = (x - median) / (q75 - q25) keeps its scale when a few values are far away, and
z / sqrt(1 + (z / 3)²) keeps those from being large inputs: a pixel that is almost always 0 is
otherwise an input of 20 where it is not (Holzmüller, Grinsztajn & Steinwart, Better by default,
NeurIPS 2024).
"""

import numpy as np

from .._base.dtypes import Array, Doubles

BEND = 3.0


def robust_scale(values: Doubles) -> tuple[float, float]:
    """Center and scale of numbers (rows,), of which NaN and infinities do not count.

    The scale is the distance of the quartiles; of those of the different values when they are the
    same; 1 for a constant or when nothing is known.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0, 1.0
    # Halves: the difference of the largest numbers is too large for a double.
    halves = np.quantile(known / 2, [0, 0.25, 0.5, 0.75, 1])
    low, first, center, third, high = halves.tolist()
    size = max(abs(low), abs(high))
    spread = third - first
    if spread <= 1e-12 * size:  # most values are the same: the spread of the others
        first, third = np.quantile(np.unique(known) / 2, [0.25, 0.75]).tolist()
        spread = third - first
    if high - low <= 1e-12 * size:  # what differs by rounding only is constant
        return 2 * center, 1.0
    return 2 * center, max(min(2 * spread, np.finfo(float).max), 1e-300)


def scaled(values: Doubles, center: float | Doubles, scale: float | Doubles) -> Doubles:
    """(values - center) / scale, within ±1e15; NaN stays."""
    # Bent, 1e15 is 3 to the last bit already; infinity would be NaN.
    with np.errstate(over="ignore", invalid="ignore"):
        z: Doubles = (values - center) / scale
    return np.clip(z, -1e15, 1e15, out=z)


def bent(z: Array) -> Array:
    """z / sqrt(1 + (z / 3)²)."""
    share = z / BEND
    # Not hypot: its last bit depends on the processor's C library.
    return z / np.sqrt(1 + share * share)

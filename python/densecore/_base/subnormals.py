"""Parameters and states of optimizers never hold a subnormal number.

Those are the numbers below the smallest normal one: 1.2e-38 in float32, 2.2e-308 in float64. Many
processors compute with them a hundred times more slowly. The core's updates set them to zero;
this does it where weights are set or loaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def flush_subnormals(array: Any) -> None:
    """Set the subnormal numbers of a float array to zero, in place."""
    small = np.abs(array) < np.finfo(array.dtype).smallest_normal
    if small.any():
        array[small] = 0

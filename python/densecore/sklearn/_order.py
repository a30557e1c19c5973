"""The order of the rows in each epoch: scikit-learn's, for the same random state."""

from typing import Any

import numpy as np

from ..callbacks import Callback


class RowOrder(Callback):
    """Writes each epoch's order where the core reads it.

    Attributes
    ----------
    rows : ndarray of int64
        Numbers of rows. Each epoch's are those of the last one, shuffled.
    """

    def __init__(self, rows: int, random_state: np.random.RandomState) -> None:
        super().__init__()
        self._random_state = random_state
        self.rows = np.arange(rows, dtype=np.int64)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Shuffle."""
        order = np.arange(len(self.rows))
        self._random_state.shuffle(order)
        self.rows[...] = self.rows[order]

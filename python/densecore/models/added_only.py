"""The loss of a model that is compiled without one: the terms that its layers add."""

from typing import Any

import numpy as np

from .. import losses
from .._data.dataset import Data
from .._data.row_sources import Rows


class AddedOnly(losses.MeanSquaredError):
    """A loss of 0, for `compile` without a loss where layers call `add_loss`.

    To the core it is a loss whose rows weigh nothing.
    """

    def data(self, x: Rows, outputs: int, dtype: "np.dtype[Any]") -> Data:
        """The data of a model for which there are no targets.

        Parameters
        ----------
        x : rows
        outputs : int
        dtype : dtype
        """
        if len(x) == 0:
            raise ValueError("x: found no rows, wanted at least one")
        return Data(x, np.zeros((len(x), outputs), dtype), np.zeros(len(x), dtype))

"""Predictions for one row within microseconds: a predictor bound to a row, in each thread."""

import threading
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from .._base.dtypes import Array
from ..models.sequential import Sequential
from ._targets import Reader


class BoundRow(threading.local):
    """A prediction bound to a row and its outputs, of which each thread has its own.

    Parameters
    ----------
    model : Sequential
    make_reader : callable
        Makes, from the outputs (1, units), the function that reads the answer out of them.
    lock : Lock
        The model's: it refuses the call of a second thread, and an estimator should not.
    """

    def __init__(
        self, model: Sequential, make_reader: Callable[[Array], Reader], lock: threading.Lock
    ) -> None:
        # threading.local calls this anew in each thread that uses the object.
        self.model = model
        self.predict = _bound(model, make_reader, lock)


def _bound(
    model: Sequential, make_reader: Callable[[Array], Reader], lock: threading.Lock
) -> Callable[[Any], Any]:
    features = int(model.input_shape[-1] or 0)
    rows = np.zeros((1, features), model.dtype)
    row = rows[0]
    out = np.empty((1, model._outputs), model.dtype)
    predict, read = model.make_predictor(rows, out), make_reader(out)
    # NaN is both the largest and the smallest number for these two, which take a fraction of the
    # time of np.isfinite and its reduction.
    number, largest, smallest = row.item, row.argmax, row.argmin

    def predict_one(x: Any) -> Any:
        try:
            found = len(x)
        except TypeError:
            raise TypeError(
                f"x: found {type(x).__name__}, wanted a row of {features} numbers"
            ) from None
        if found != features:
            raise ValueError(f"x: found {found} values, wanted a row of {features} features")
        row[...] = x
        if not (isfinite(number(largest())) and isfinite(number(smallest()))):
            raise ValueError("x: found NaN or infinity, wanted finite numbers")
        with lock:
            predict()
        return read()

    return predict_one

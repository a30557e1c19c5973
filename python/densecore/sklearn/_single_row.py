"""One row at a time, quickly; and what a network makes of rows inside."""

import threading
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._base.dtypes import Array
from ..layers import Dense
from ..models.sequential import Sequential
from ._readers import MakeReader


class _OneRow(threading.local):
    """A prediction bound to a row and its outputs, of which each thread has its own."""

    def __init__(self, model: Sequential, reader: MakeReader, alone: Any) -> None:
        # Called anew in each thread that looks at this object.
        self.predict = _bound(model, reader, alone)


def _bound(model: Sequential, reader: MakeReader, alone: Any) -> Callable[[Any], Any]:
    features = int(model.input_shape[-1] or 0)
    rows = np.zeros((1, features), model.dtype)
    row = rows[0]
    out = np.empty((1, model.output_shape[1]), model.dtype)
    predict, read = model.make_predictor(rows, out), reader(out)
    # A NaN is both the largest and the smallest number for these two, which take a fraction of the
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
        with alone:
            predict()
        return read()

    return predict_one


class Rows:
    """What both estimators do with single rows and with the inside of their networks."""

    model_: Sequential
    _one_row: dict[str, tuple[Sequential, _OneRow]]

    def _checked(self, X: Any) -> Any:
        raise NotImplementedError

    def _members(self) -> list[Any]:
        raise NotImplementedError

    def _alone(self) -> Any:
        """A lock: a model refuses the calls of a second thread, and estimators should not."""
        return vars(self).setdefault("_lock", threading.Lock())  # one, whoever comes first

    def _raw(self, X: Any) -> Array:
        """The network's outputs for rows that are checked."""
        with self._alone():
            return self.model_.predict(X)

    def _of_one(self, reader: str, x: Any) -> Any:
        """What the method `reader` reads out of the network's outputs for one row."""
        try:
            model, bound = self._one_row[reader]
            if model is not self.model_:  # fitted anew since
                raise KeyError
        except (AttributeError, KeyError):
            check_is_fitted(self, "model_")
            bound = _OneRow(self.model_, getattr(self, reader)(), self._alone())
            others = {} if "_one_row" not in vars(self) else self._one_row
            self._one_row = {**others, reader: (self.model_, bound)}
        return bound.predict(x)

    def _read_outputs(self) -> MakeReader:
        return lambda out: lambda: out

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        # Bound to this object.
        return {name: value for name, value in state.items() if name not in ("_one_row", "_lock")}

    def input_gradients(self, X: Any) -> Array:
        """How much each prediction changes with each input: ∂prediction/∂X.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)

        Returns
        -------
        ndarray (rows, features)
            Of the prediction; of two classes, of the probability of ``classes_[1]``.
        ndarray (rows, outputs, features)
            Of several outputs; of more classes or labels, of the probability of each.
        """
        X = self._checked(X)
        each = []
        for member in self._members():
            with member._alone():
                each.append(member._gradients(X))
        found: Array = np.mean(each, axis=0)
        return found

    def hidden_activations(self, X: Any) -> list[Array]:
        """What the hidden layers put out: one array (rows, units) for each.

        After normalisation and activation, if there are any.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)

        Raises
        ------
        ValueError
            Of an ensemble: ask its ``estimators_``.
        """
        X = self._checked(X)
        if self._members() != [self]:
            raise ValueError(
                "hidden_activations: found an ensemble, wanted one network: ask one of estimators_"
            )
        with self._alone():
            found = self.model_.activations(X)
        dense = [n for n, layer in enumerate(self.model_.layers) if isinstance(layer, Dense)]
        return [found[number - 1] for number in dense[1:]]

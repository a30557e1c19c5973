"""One row at a time, quickly; and what a network makes of rows inside."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..layers import Dense
from ..model import Sequential

Array = NDArray[Any]


class _OneRow(threading.local):
    """A prediction bound to a row and its outputs, of which each thread has its own."""

    def __init__(self, model: Sequential) -> None:
        # Called anew in each thread that looks at this object.
        self.outputs = _bound(model)


def _bound(model: Sequential) -> Callable[[Any], Array]:
    """What takes a row (features,) and returns the outputs (units,), always in the same array."""
    features = model.input_shape[1]
    rows = np.zeros((1, features), model.dtype)
    row = rows[0]
    out = np.empty((1, model.output_shape[1]), model.dtype)
    outputs = out[0]
    predict = model.make_predictor(rows, out)
    # 0 · x is 0 for every number but NaN and the infinities: one product finds them.
    sum_of_zeros = np.zeros(features, model.dtype).dot

    def outputs_of(x: Any) -> Array:
        if len(x) != features:
            raise ValueError(f"x: found {len(x)} values, wanted a row of {features} features")
        row[:] = x
        if sum_of_zeros(row) != 0:
            raise ValueError("x: found NaN or infinity, wanted finite numbers")
        predict()
        return outputs

    return outputs_of


class Rows:
    """What both estimators do with single rows and with the inside of their networks."""

    model_: Sequential

    def _checked(self, X: Any) -> Any:
        raise NotImplementedError

    def _members(self) -> list[Any]:
        raise NotImplementedError

    def _outputs_of_one(self, x: Any) -> Array:
        """The network's outputs (units,) for one row: to be read before the next call."""
        try:
            model, bound, _ = self._one_row
            if model is not self.model_:  # fitted anew since
                raise AttributeError
        except AttributeError:
            check_is_fitted(self, "model_")
            bound = _OneRow(self.model_)
            self._one_row = (self.model_, bound, self._gives_outputs())
        found: Array = bound.outputs(x)
        return found

    def _gives_outputs(self) -> bool:
        """Whether the one output of the network is the prediction for a row."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        # Bound to this object's memory.
        return {name: value for name, value in state.items() if name != "_one_row"}

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
        found: Array = np.mean([m._gradients(X) for m in self._members()], axis=0)
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
        found = self.model_.activations(X)
        dense = [n for n, layer in enumerate(self.model_.layers) if isinstance(layer, Dense)]
        return [found[number - 1] for number in dense[1:]]

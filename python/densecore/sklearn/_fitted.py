"""A fitted estimator: its network, the checks of its rows, and its predictions."""

import math
import threading
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from .._base.dtypes import Array
from .._base.files import StrPath
from .._base.lazy import imports
from .._data.interop import refuse_masked
from ..layers import Dense
from ..layers.arrays import assign
from ..models.sequential import Sequential
from ._build import dense_layers
from ._parameters import Parameters
from ._single_row import BoundRow
from ._targets import Target
from ._to_sklearn import to_sklearn

SPARSE = ["csr", "csc"]
DTYPES = (np.float64, np.float32)

# Bound to this object and process: copies and pickles make their own.
_NOT_COPIED = ("_bound_rows", "_lock", "_checked_rows")


def surely_finite(array: Array) -> bool:
    """Whether all numbers are finite; also False where they are so large that a sum overflows."""
    if array.size < 4096:  # a product, as NumPy's handling of warnings costs more than the sum
        return math.isfinite(np.vdot(array, array))
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(array.sum())


class FittedMLP(Parameters):
    """The part of both estimators that works once they are fitted.

    Attributes
    ----------
    model_ : Sequential
        The network; an ensemble has ``estimators_`` in its place.
    """

    model_: Sequential
    estimators_: list[Any]
    n_features_in_: int
    _target: Target
    _lock: threading.Lock
    _bound_rows: dict[str, BoundRow]
    _checked_rows: Array

    # The network --------------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[Array]:
        """Weights (inputs, outputs) of each layer: views of ``model_``'s."""
        return [layer.kernel for layer in dense_layers(self._network())]

    @coefs_.setter
    def coefs_(self, arrays: list[Any]) -> None:
        assign(self.coefs_, arrays)

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of each layer: views of ``model_``'s."""
        return [layer.bias for layer in dense_layers(self._network()) if layer.bias is not None]

    @intercepts_.setter
    def intercepts_(self, arrays: list[Any]) -> None:
        assign(self.intercepts_, arrays)

    def _network(self) -> Sequential:
        if "model_" not in self.__dict__ and self.__dict__.get("estimators_"):
            raise AttributeError(
                "model_, coefs_, intercepts_: found an ensemble, wanted one network: each of its "
                "estimators_ has one"
            )
        return self.model_

    def _members(self) -> list[Self]:
        """The estimators whose predictions are averaged: itself, when there is one network."""
        return self.__dict__.get("estimators_") or [self]

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in self.__dict__ or "estimators_" in self.__dict__

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in _NOT_COPIED}

    def to_sklearn(self) -> Any:
        """The estimator of ``sklearn.neural_network`` that predicts what this one predicts.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted, with copies of the weights and the curves, and what the solver had accumulated:
            a ``partial_fit`` goes on where this one stands.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            This estimator is not fitted.
        ValueError
            It uses what scikit-learn has no place for; the message names it.
        """
        return to_sklearn(self)

    def export(self, path: StrPath) -> str:
        """Write an ONNX file with the predictions in the targets' units, of all members' networks.

        Its input is ``x`` (batch, features) of the dtype that the estimator was fitted in; its
        outputs are ``label`` and ``probabilities``, or ``prediction``. ``model_.export`` writes the
        network alone, as a C header too.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.onnx``.

        Returns
        -------
        str
            A line that says what was written.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            This estimator is not fitted.
        ValueError
            The name ends otherwise, or a layer cannot be said; nothing is written then.
        OSError
            The file cannot be written.
        """
        with imports:
            from ._export import export

        check_is_fitted(self)
        return export(self, path)

    # Rows ---------------------------------------------------------------------------------------

    def _checked(self, X: Any) -> Any:
        """The user's rows for the core."""
        state = self.__dict__
        if "model_" not in state and "estimators_" not in state:
            check_is_fitted(self)
        return self._as_rows(X)

    def _as_rows(self, X: Any) -> Any:
        """X as an array or a sparse matrix of the features that the estimator was fitted on."""
        if self._is_plain(X) or self._was_checked(X):
            return X
        refuse_masked("X", X)
        return validate_data(self, X, accept_sparse=SPARSE, dtype=DTYPES, reset=False)

    def _is_plain(self, X: Any) -> bool:
        """Whether scikit-learn's checks, which take most of a row's time, would give X back.

        X that they would warn of or refuse is not plain.
        """
        if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in DTYPES:
            return False
        rows, features = X.shape
        if rows == 0 or features != self.n_features_in_ or "feature_names_in_" in self.__dict__:
            return False
        return surely_finite(X)

    def _was_checked(self, X: Any) -> bool:
        """Whether X is, or is a view of, the array that scorers are given during a fit.

        That has been checked, and has lost the names of its features.
        """
        rows = self.__dict__.get("_checked_rows")
        return rows is not None and (X is rows or getattr(X, "base", None) is rows)

    # Predictions --------------------------------------------------------------------------------

    def _model_lock(self) -> threading.Lock:
        """A model refuses the calls of a second thread, and estimators should not."""
        try:
            return self._lock
        except AttributeError:  # of two threads that come first, both get the lock of one
            lock: threading.Lock = self.__dict__.setdefault("_lock", threading.Lock())
            return lock

    def _raw(self, X: Any) -> Array:
        """The network's outputs (rows, units) for rows that are checked."""
        model = self.model_
        with self._model_lock():
            if type(X) is np.ndarray and X.flags.carray and X.dtype == model.parameters.dtype:
                return model.predict_on_batch(X)  # takes arrays as they are
            return model.predict(X)

    def _of_one(self, reader: str, x: Any) -> Any:
        """The answer for one row, read out of the network's outputs by a method of the target."""
        try:
            bound = self._bound_rows[reader]
            if bound.model is not self.model_:  # fitted anew since
                raise KeyError
        except (AttributeError, KeyError):
            check_is_fitted(self)
            model = self._network()
            bound = BoundRow(model, getattr(self._target, reader), self._model_lock())
            self._bound_rows = {**self.__dict__.get("_bound_rows", {}), reader: bound}
        return bound.predict(x)

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

        Raises
        ------
        sklearn.exceptions.NotFittedError, ValueError
            The estimator is not fitted, or X has other features than in ``fit``.
        """
        X = self._checked(X)
        each = []
        for member in self._members():
            with member._model_lock():
                jacobian = member.model_.jacobian(X)
            each.append(member._target.gradients(jacobian))
        found: Array = np.mean(each, axis=0)
        return found

    def hidden_activations(self, X: Any) -> list[Array]:
        """The outputs of the hidden layers: one array (rows, units) for each.

        After normalisation and activation, if there are any.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)

        Raises
        ------
        sklearn.exceptions.NotFittedError
        ValueError
            The estimator is an ensemble: each of its ``estimators_`` has hidden layers.
        """
        X = self._checked(X)
        if "model_" not in self.__dict__:
            raise ValueError(
                "hidden_activations: found an ensemble, wanted one network: ask one of estimators_"
            )
        with self._model_lock():
            found = self.model_.activations(X)
        dense = [n for n, layer in enumerate(self.model_.layers) if isinstance(layer, Dense)]
        return [found[number - 1] for number in dense[1:]]

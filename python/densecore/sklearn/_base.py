"""What classifier and regressor have in common: parameters, checks, and the ways to fit."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .._base.dtypes import Array
from ..models.sequential import Sequential
from . import _ensemble, _lbfgs, _lm, _scaling, _stochastic
from ._build import Extras, dense_layers, initial_weights, network, rates_of, sizes_of
from ._callbacks import CallbackSupport, fit_tasks
from ._constraints import CONSTRAINTS, check_together
from ._loss import Task
from ._optimizer import optimizer
from ._single_row import Rows
from ._to_sklearn import to_sklearn
from ._validation import Validation

_SPARSE = ["csr", "csc"]


class BaseMLP(Rows, CallbackSupport, BaseEstimator):
    """scikit-learn's multilayer perceptron over a ``densecore.Sequential``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    def _store(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments, as they are."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # What classifier and regressor have of their own --------------------------------------------

    def _check_data(self, X: Any, y: Any, first: bool, incremental: bool) -> tuple[Any, Array]:
        """X, and y as `predict` gives it."""
        raise NotImplementedError

    def _targets_of(self, y: Array, name: str = "y") -> Array:
        """y as the core wants it; errors call it by `name`."""
        raise NotImplementedError

    def _learn_target_scale(self, y: Array, weights: Any) -> None:
        """Prepare `_targets_of` at the first data."""

    def _task(self) -> Task:
        """What is minimised."""
        raise NotImplementedError

    def _validation_score(self, X: Any, y: Array, sample_weight: Any) -> float:
        """As ``score``, of data that are checked already."""
        raise NotImplementedError

    # The model ----------------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[Array]:
        """Weights (inputs, outputs) of each layer: views of ``model_``'s."""
        return [layer.kernel for layer in dense_layers(self._model())]

    @coefs_.setter
    def coefs_(self, arrays: list[Any]) -> None:
        for layer, array in zip(dense_layers(self._model()), arrays, strict=True):
            layer.kernel[...] = array

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of each layer: views of ``model_``'s."""
        return [layer.bias for layer in dense_layers(self._model())]

    @intercepts_.setter
    def intercepts_(self, arrays: list[Any]) -> None:
        for layer, array in zip(dense_layers(self._model()), arrays, strict=True):
            layer.bias[...] = array

    def _model(self) -> Sequential:
        if "model_" not in vars(self) and vars(self).get("estimators_"):
            raise AttributeError(
                "model_, coefs_, intercepts_: found an ensemble, wanted one network: each of its "
                "estimators_ has one"
            )
        model: Sequential = self.model_
        return model

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

    def _checked(self, X: Any) -> Any:
        """Rows that the user gives, for the core."""
        if vars(self).get("_trusts_rows"):
            return X
        check_is_fitted(self, ["model_", "estimators_"], all_or_any=any)
        if self._is_plain(X):
            return X
        return validate_data(
            self, X, accept_sparse=_SPARSE, dtype=(np.float64, np.float32), reset=False
        )

    @contextlib.contextmanager
    def _rows_are_checked(self) -> Iterator[None]:
        """For a scorer that is given rows that have been checked before."""
        self._trusts_rows = True
        try:
            yield
        finally:
            del self._trusts_rows

    def _members(self) -> list[Any]:
        """The estimators whose predictions are averaged: itself, when there is one network."""
        return vars(self).get("estimators_") or [self]

    def _is_plain(self, X: Any) -> bool:
        """Whether scikit-learn's checks, which take most of a row's time, would give X back.

        What they would warn of or refuse is not plain.
        """
        plain = type(X) is np.ndarray and X.dtype in (np.float64, np.float32) and X.ndim == 2
        plain = plain and X.shape[0] > 0 and X.shape[1] == self.n_features_in_
        if not plain or hasattr(self, "feature_names_in_"):
            return False
        # A number that is not finite makes the sum so, but the sum may overflow by itself.
        with np.errstate(over="ignore", invalid="ignore"):
            return math.isfinite(X.sum())

    def _hidden_sizes(self) -> list[int]:
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.ndim != 1 or (sizes.size and sizes.dtype.kind not in "iu"):
            raise ValueError(
                f"hidden_layer_sizes must be integers, got {self.hidden_layer_sizes!r}"
            )
        if (sizes <= 0).any():
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes.tolist()}.")
        return [int(size) for size in sizes]

    def _set_model(self, model: Sequential, task: Task) -> None:
        """Take a model of one's own, and what follows from it."""
        self.model_ = model
        self._alone()  # now, as predictions are to change nothing
        self.n_layers_ = len(dense_layers(model)) + 1
        self._fitted = task  # parameters may change before the next fit
        self.n_outputs_ = task.outputs
        self.out_activation_ = task.kind.out_activation

    # Fitting ------------------------------------------------------------------------------------

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        incremental: bool = False,
        X_val: Any = None,
        y_val: Any = None,
        callbacks: Any = None,
    ) -> None:
        check_together(self)
        hidden = self._hidden_sizes()
        in_batches = _stochastic.is_stochastic_solver(self.solver)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val, y_val: found one of them, wanted both or none")
        if not in_batches:
            self._refuse_epochs(X_val, callbacks)
        if self.n_members is not None:
            given = {"X_val": X_val, "y_val": y_val, "callbacks": callbacks}
            _ensemble.fit(self, X, y, sample_weight, incremental, given)
            return
        self.__dict__.pop("estimators_", None)
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        X, y = self._check_data(X, y, first, incremental)
        weights = self._check_weights(X, y, sample_weight)
        random_state = check_random_state(self.random_state)
        task = self._task()
        sizes = [X.shape[1], *hidden, task.units]
        if not incremental:
            _scaling.warn_of_constant(y)
        before = None
        if first:
            self._begin(X, y, weights, sizes, task, random_state)
        elif sizes_of(self._model()) != sizes:
            raise ValueError(
                f"warm_start, partial_fit: found layers of {sizes} units, wanted "
                f"{sizes_of(self._model())} as in the first fit"
            )
        else:
            before = self._model().get_weights()
            self._set_model(self._model(), task)
        targets = self._targets_of(y)
        everything = X
        told = fit_tasks(self, 1 if incremental else self.max_iter, X, y, weights)
        if not in_batches:
            solve = _lm.fit if self.solver == "lm" else _lbfgs.fit
            solve(self, task, X, targets, weights, told)
        else:
            _stochastic.prepare_curves(self, first, self.early_stopping or X_val is not None)
            validation = None
            if X_val is not None:
                validation = self._check_validation(X_val, y_val)
            elif self.early_stopping:
                X, targets, weights, validation = self._split(X, y, targets, weights, random_state)
            _stochastic.fit(
                self,
                task,
                X,
                targets,
                weights,
                told,
                validation=validation,
                random_state=random_state,
                incremental=incremental,
                callbacks=callbacks,
            )
        if not all(np.isfinite(array).all() for array in self._model().weights):
            self._undo(before, task)
            raise ValueError(self._divergence(everything))
        if told is not None:
            told.finish()

    def _refuse_epochs(self, X_val: Any, callbacks: Any) -> None:
        """Raise ValueError for what looks at epochs."""
        if not (X_val is None and callbacks is None):
            raise ValueError(
                f"X_val, callbacks: found solver={self.solver!r}, wanted 'adam', 'sgd' or another "
                "one that goes through batches: it has no epochs"
            )

    def _divergence(self, X: Any) -> str:
        """What to say when weights are not finite any more."""
        names = getattr(self, "feature_names_in_", None)
        return (
            "Solver produced non-finite parameter weights. The input data may contain large "
            "values and need to be preprocessed. Training has diverged: "
            f"{_scaling.advice(X, names)}."
        )

    def _validated(self, X: Any, y: Any, first: bool, **options: Any) -> tuple[Any, Array]:
        """X and y as arrays; targets in a single column become a vector."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=_SPARSE,
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=first,
            **options,
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _begin(
        self,
        X: Any,
        y: Array,
        weights: Any,
        sizes: list[int],
        task: Task,
        random_state: np.random.RandomState,
    ) -> None:
        """Make a new model for the first data."""
        scaling = None
        if self.scale_inputs:
            mean, variance = scaling = _scaling.moments(X, weights)
            self.input_mean_, self.input_scale_ = mean, np.sqrt(variance)
        self._learn_target_scale(y, weights)
        extras = Extras(
            rates_of(self.dropout, len(sizes) - 2),
            bool(self.batch_normalization),
            bool(self.layer_normalization),
            scaling,
        )
        # In float32 for data in float32, else in float64.
        dtype = X.dtype.name
        initial = initial_weights(sizes, self.activation, random_state)
        model = network(sizes, self.activation, task.kind.activation, dtype, initial, extras=extras)
        self._set_model(model, task)
        self.t_ = 0

    def _undo(self, before: list[Array] | None, task: Task) -> None:
        """Give back the weights that there were before a training that diverged."""
        if before is None:
            del self.model_
            return
        model = self._model()
        model.set_weights(before)
        if _stochastic.is_stochastic_solver(
            self.solver
        ):  # what the solver has accumulated is of no use
            model.compile(optimizer(self, task.scale), task.kind.loss)

    def _check_weights(self, X: Any, y: Array, sample_weight: Any) -> Any:
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            if not weights.any():
                raise ValueError("sample_weight: found only zeros, wanted a weight above zero")
        return weights

    def _check_validation(self, X_val: Any, y_val: Any) -> Validation:
        X_val = self._checked(X_val)
        y_val = np.asarray(y_val)
        if y_val.ndim == 2 and y_val.shape[1] == 1:
            y_val = y_val.ravel()
        if len(y_val) != X_val.shape[0]:
            raise ValueError(f"y_val: found {len(y_val)} rows, wanted {X_val.shape[0]} as in X_val")
        return Validation(self, X_val, y_val, self._targets_of(y_val, "y_val"), None)

    def _split(
        self, X: Any, y: Array, targets: Array, weights: Any, random_state: np.random.RandomState
    ) -> tuple[Any, Array, Any, Validation]:
        """Hold rows out for the validation: those that scikit-learn does."""
        stratify = y if self._task().name == "binary" else None
        train, held_out = train_test_split(
            np.arange(X.shape[0]),
            test_size=self.validation_fraction,
            random_state=random_state,
            stratify=stratify,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        X = X.tocsr() if hasattr(X, "tocsr") else X
        theirs = None if weights is None else weights[held_out]
        kept_out = Validation(self, X[held_out], y[held_out], targets[held_out], theirs)
        return X[train], targets[train], None if weights is None else weights[train], kept_out

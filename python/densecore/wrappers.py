"""Keras's wrappers for scikit-learn: estimators around a model, or a function that builds one.

`densecore.sklearn` has the estimators to start with; these are for programs that are there. They
need scikit-learn.
"""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from ._base.dtypes import Array
from .models import Model, clone_model


class _Wrapper(BaseEstimator):  # type: ignore[misc]
    """The common part: building and training.

    Parameters
    ----------
    model : Model or callable
        A compiled model, of which a copy is trained, or ``(X, y, **model_kwargs)`` that returns
        one.
    warm_start : bool, default False
        Whether another `fit` goes on with the model of the last one.
    model_kwargs : dict, optional
        Arguments of the callable.
    fit_kwargs : dict, optional
        Arguments of the model's `fit`.

    Attributes
    ----------
    model_ : Model
    history_ : dict
        Of the last training.
    """

    model_: Model
    history_: dict[str, list[float]]

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def _built(self, x: Array, y: Array) -> Model:
        if not isinstance(self.model, Model):
            if not callable(self.model):
                raise TypeError(
                    f"{type(self).__name__}: model: found {type(self.model).__name__}, wanted a "
                    "model, or a function that builds one"
                )
            build: Callable[..., Model] = self.model
            return build(x, y, **(self.model_kwargs or {}))
        if self.model.optimizer is None or self.model.loss is None:
            raise RuntimeError(f"{type(self).__name__}: model: found one not compiled, wanted that")
        copy = clone_model(self.model)
        copy.set_weights(self.model.get_weights())
        optimizer = type(self.model.optimizer).from_config(self.model.optimizer.get_config())
        copy.compile(optimizer, self.model.loss, metrics=self.model._metrics)
        return copy

    def fit(self, X: Any, y: Any, **options: Any) -> Self:
        """Train a model.

        Parameters
        ----------
        X : array_like (rows, features)
        y : array_like (rows,) or (rows, outputs)
        **options
            Of the model's `fit`, besides `fit_kwargs`.

        Raises
        ------
        ValueError, TypeError
            Data or a model that do not suit.
        """
        x, targets = validate_data(self, X, y, multi_output=True, y_numeric=False)
        targets = self._numbers(np.asarray(targets), True)
        if not (self.warm_start and hasattr(self, "model_")):
            self.model_ = self._built(x, targets)
        self._train(x, targets, options)
        return self

    def partial_fit(self, X: Any, y: Any, **options: Any) -> Self:
        """Train the model further; arguments as of `fit`."""
        first = not hasattr(self, "model_")
        x, targets = validate_data(self, X, y, multi_output=True, reset=first)
        targets = self._numbers(np.asarray(targets), first)
        if first:
            self.model_ = self._built(x, targets)
        self._train(x, targets, options)
        return self

    def _train(self, x: Array, y: Array, options: dict[str, Any]) -> None:
        named = {"verbose": 0, **(self.fit_kwargs or {}), **options}
        self.history_ = self.model_.fit(x, y, **named).history

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self, "model_")
        x = validate_data(self, X, reset=False)
        return np.asarray(self.model_.predict(x, verbose=0))

    def _numbers(self, y: Array, new: bool) -> Array:
        """The targets as the model takes them."""
        return y.reshape(len(y), -1)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")


class SKLearnClassifier(ClassifierMixin, _Wrapper):  # type: ignore[misc]
    """A classifier; the model has an output for each class and gets them as columns of 0 and 1.

    Parameters are `model`, `warm_start`, `model_kwargs` and `fit_kwargs`: a compiled model or
    ``(X, y, **model_kwargs)`` that returns one; whether another `fit` goes on; arguments of `fit`.

    Attributes
    ----------
    classes_ : ndarray
    """

    classes_: Array

    def _numbers(self, y: Array, new: bool) -> Array:
        y = y.reshape(len(y), -1)
        kind = type_of_target(y[:, 0] if y.shape[1] == 1 else y)
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"y: Unknown label type: found {kind}, wanted one class for each row")
        if new:
            self.classes_ = np.unique(y)
            if len(self.classes_) < 2:
                raise ValueError("y: found one class, wanted at least two")
        unseen = np.setdiff1d(y, self.classes_)
        if unseen.size:
            raise ValueError(f"y: found the class {unseen[0]}, wanted one of {self.classes_}")
        return np.asarray(y == self.classes_, np.float64)

    def predict(self, X: Any) -> Array:
        """The class of each row with the largest output."""
        return np.asarray(self.classes_[self._outputs(X).argmax(axis=1)])

    def predict_proba(self, X: Any) -> Array:
        """The model's outputs (rows, classes)."""
        return self._outputs(X)


class SKLearnRegressor(RegressorMixin, _Wrapper):  # type: ignore[misc]
    """A regressor; parameters as of `SKLearnClassifier`."""

    def predict(self, X: Any) -> Array:
        """The outputs: (rows,) of one."""
        found = self._outputs(X)
        return found[:, 0] if found.shape[1:] == (1,) else found


class SKLearnTransformer(TransformerMixin, _Wrapper):  # type: ignore[misc]
    """A transformer, to what the model makes of rows; parameters as of `SKLearnClassifier`."""

    def transform(self, X: Any) -> Array:
        """The model's outputs."""
        return self._outputs(X)

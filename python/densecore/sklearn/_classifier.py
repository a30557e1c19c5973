"""The classifier."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from ._base import SPARSE, BaseMLP, is_stochastic
from ._tasks import Task

Array = NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's ``MLPClassifier``: its parameters, defaults and fitted attributes.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int
        Units of each hidden layer; none for a linear model.
    activation : {"identity", "logistic", "tanh", "relu"}
        Of the hidden layers.
    solver : {"adam", "sgd", "lbfgs"}
        lbfgs takes all rows at once, and makes sparse data dense.
    alpha : float
        The penalty is alpha / 2 · Σ W² over the number of rows (or the weight) of a batch.
    batch_size : int or "auto"
        "auto" is min(200, rows).
    learning_rate : {"constant", "invscaling", "adaptive"}
        Of sgd: constant; divided by (rows trained + 1) to the `power_t` after each epoch; or
        divided by 5 where training would stop, down to 1e-6.
    learning_rate_init, power_t : float
    max_iter : int
        Epochs, or iterations of lbfgs.
    shuffle : bool
        Whether each epoch has an order of its own.
    random_state : int, RandomState or None
        The same one gives the same training as scikit-learn's.
    tol, n_iter_no_change : float
        Training ends when it has not become better by `tol` in more than that many epochs in a
        row. For lbfgs `tol` is the largest gradient at the end.
    verbose : bool or int
        Whether each epoch prints a line.
    warm_start : bool
        Whether ``fit`` goes on with the weights that there are; the solver starts anew.
    momentum, nesterovs_momentum : float, bool
        Of sgd.
    early_stopping : bool
        Whether the validation score decides when to stop, and the best weights come back.
    validation_fraction : float
        What is held out for that.
    beta_1, beta_2, epsilon : float
        Of adam.
    max_fun : int
        Evaluations of the loss by lbfgs, at most.

    Attributes
    ----------
    classes_ : ndarray
    coefs_, intercepts_ : list of ndarray
        Weights (inputs, units) and biases of each layer: views of the model's.
    model_ : densecore.Sequential
        The network: to be saved, looked at or trained further with all that densecore has.
    n_iter_, n_layers_, n_outputs_, n_features_in_, t_ : int
        ``t_`` counts the rows trained.
    feature_names_in_ : ndarray
        Of a data frame whose columns have names.
    out_activation_ : str
    loss_, best_loss_ : float
        ``best_loss_`` is None with early stopping.
    loss_curve_, validation_scores_ : list of float
        One number for each epoch; the scores are None when there is no validation.
    best_validation_score_ : float or None

    Examples
    --------
    >>> import numpy as np
    >>> from densecore.sklearn import MLPClassifier
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), ["low", "low", "high", "high"]
    >>> MLPClassifier((8,), "tanh", solver="lbfgs", random_state=0).fit(X, y).predict([[0.2]])
    array(['low'], dtype='<U4')
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
    ) -> None:
        self._store(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        class_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        callbacks: Any = None,
    ) -> "MLPClassifier":
        """Train on all rows.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)
        y : array-like (rows,) of classes, or (rows, labels) of 0 and 1
        sample_weight : array-like (rows,), optional
        class_weight : dict or "balanced", optional
            Factors of the weights of each class's rows.
        X_val, y_val : optional
            Scored after each epoch into ``validation_scores_``; with `early_stopping` in the
            place of held out rows.
        callbacks : Callback or list of Callback, optional
            Of ``densecore.callbacks``, for adam and sgd.
        """
        self._fit(
            X,
            y,
            sample_weight,
            class_weight=class_weight,
            X_val=X_val,
            y_val=y_val,
            callbacks=callbacks,
        )
        return self

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> "MLPClassifier":
        """Train one epoch more; the solver goes on where it stood.

        Parameters
        ----------
        classes : array-like, optional
            All that there will ever be; wanted in the first call.
        """
        if not hasattr(self, "model_") and hasattr(self, "classes_"):
            del self.classes_  # of a first call that failed
        _check_partial_fit_first_call(self, classes)
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any) -> Array:
        """The most probable class of each row; of several labels, which are above one half."""
        return self._classes_of(self._outputs(X))

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (rows, classes), in the order of ``classes_``."""
        outputs = self._outputs(X)
        if self._kind != "binary":
            return outputs
        if len(self.classes_) == 1:
            return np.ones_like(outputs)
        return np.hstack([1 - outputs, outputs])

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            found: Array = np.log(self.predict_proba(X))
        return found

    def _classes_of(self, outputs: Array) -> Array:
        if self._kind == "multilabel":
            return (outputs > 0.5).astype(int)
        if self._kind == "multiclass":
            chosen = outputs.argmax(axis=1)
        else:
            chosen = (outputs[:, 0] > 0.5).astype(int) * (len(self.classes_) - 1)
        found: Array = self.classes_[chosen]
        return found

    def _task(self) -> Task:
        multiple = {"binary": 1, "multiclass": len(self.classes_), "multilabel": self._labels}
        return Task(self._kind, multiple[self._kind])

    def _check_data(
        self, X: Any, y: Any, first: bool, incremental: bool
    ) -> tuple[Any, Array, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=SPARSE,
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=first,
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        several = y.ndim == 2
        if several and not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"y: found shape {y.shape} and values up to {y.max()}, wanted classes (rows,) or "
                "labels (rows, labels) of 0 and 1"
            )
        if first:
            self._labels = y.shape[1] if several else 1
            if several:
                self.classes_ = np.arange(self._labels)
            elif not incremental:
                self.classes_ = np.unique(y)
            self._kind = "multilabel" if several else "multiclass"
            if not several and len(self.classes_) < 3:
                self._kind = "binary"
        if several != (self._kind == "multilabel") or (several and y.shape[1] != self._labels):
            raise ValueError(
                f"y: found shape {y.shape}, wanted {self._kind} targets as in the first fit"
            )
        if several:
            return X, y, y.astype(X.dtype)
        found = np.unique(y)
        known = np.isin(found, self.classes_).all()
        if self.warm_start and not incremental and not (known and len(found) == len(self.classes_)):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {found}"
            )
        if not known:
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {found}."
            )
        numbers = np.searchsorted(self.classes_, y)
        if self._kind == "binary":
            return X, y, numbers[:, None].astype(X.dtype)
        return X, y, numbers

    def _validation_score(self, X: Any, y: Array, sample_weight: Any) -> float:
        outputs = self._model().predict(X)
        if not np.isfinite(outputs).all():
            return np.nan
        right = self._classes_of(outputs) == y
        right = right.all(axis=1) if right.ndim == 2 else right
        return float(np.average(right, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

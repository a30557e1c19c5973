"""``KerasClassifier`` and ``KerasRegressor``: estimators around a function that builds a model.

They have the parameters of SciKeras (https://adriangb.com/scikeras), so that a program that uses
it changes its import.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target

from .. import activations
from .._base.dtypes import Array
from ._class_target import ClassTarget, check_classes, class_target, refuse_mixed
from ._keras_base import BaseKeras


class KerasClassifier(ClassifierMixin, BaseKeras):
    """A classifier around a function that builds a model, with SciKeras's parameters.

    Parameters
    ----------
    model : callable or Model
        A function that returns a model, compiled or not; or a model, which is copied. The function
        is given the constructor's other arguments and those with the prefix ``model__``, by their
        names. If it has such arguments, it is also given `meta`, a dictionary about the data
        (``n_features_in_``, ``n_classes_``, ``n_outputs_``, ``target_type_`` and others),
        `compile_kwargs`, a dictionary for ``compile``, and `params`, all parameters.
    warm_start : bool, default False
        Whether ``fit`` goes on with the model that there is.
    random_state : int, RandomState or None, default None
        The seed of models that are built without one; None draws from NumPy's global generator.
    optimizer : str, class or Optimizer, default "rmsprop"
        For a model that the function does not compile. ``optimizer__learning_rate`` and the like
        are arguments of its constructor.
    loss : str, class, Loss, function or None, default None
        As `optimizer`. None chooses by the targets: the binary or the sparse categorical
        crossentropy.
    metrics : list or dict of str, class, Metric or function, default None
        As `optimizer`; ``metrics__0__name`` is an argument of the first one only.
    batch_size : int, default None
        Rows per step; None is 32.
    validation_batch_size : int, default None
        Rows per step of validation; None is `batch_size`.
    verbose : int or str, default 1
        What ``fit`` and ``predict`` of the model print.
    callbacks : class, Callback, or a list or dict of them, default None
        ``callbacks__patience`` and the like are arguments of the constructors.
    validation_split : float, default 0.0
        The share of the last rows that is held out.
    shuffle : bool, default True
        Whether each epoch has an order of its own.
    epochs : int, default 1
    class_weight : dict, "balanced" or None, default None
        Factors of the weights of each class's rows.
    **others
        Arguments of the build function, and parameters with a prefix: ``model__``, ``compile__``,
        ``fit__``, ``predict__``, ``optimizer__``, ``loss__``, ``metrics__``, ``callbacks__``.

    Attributes
    ----------
    model_ : Model
    history_ : dict of list
        Loss and metrics of each epoch, by name; ``partial_fit`` appends.
    classes_ : ndarray
    n_classes_, n_features_in_, n_outputs_ : int
    target_type_ : str
        As of ``sklearn.utils.multiclass.type_of_target``, or "multiclass-onehot".
    X_shape_, X_dtype_, y_dtype_, y_ndim_
        Of the first data.

    Examples
    --------
    >>> import densecore as dc
    >>> from densecore.sklearn import KerasClassifier
    >>> def build(meta, hidden=8):
    ...     return dc.Sequential(
    ...         [
    ...             dc.Input(meta["n_features_in_"]),
    ...             dc.Dense(hidden, "relu"),
    ...             dc.Dense(meta["n_classes_"], "softmax"),
    ...         ]
    ...     )
    >>> from sklearn.datasets import load_iris
    >>> settings = {"optimizer": "adam", "optimizer__learning_rate": 0.02, "epochs": 30}
    >>> model = KerasClassifier(build, hidden=16, random_state=0, verbose=0, **settings)
    >>> bool(model.fit(*load_iris(return_X_y=True)).score(*load_iris(return_X_y=True)) > 0.8)
    True
    """

    classes_: Array
    _target: ClassTarget

    def __init__(
        self,
        model: Any = None,
        *,
        warm_start: bool = False,
        random_state: Any = None,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        batch_size: int | None = None,
        validation_batch_size: int | None = None,
        verbose: int | str = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        epochs: int = 1,
        class_weight: Any = None,
        **others: Any,
    ) -> None:
        self._store(locals())

    def _validated(self, X: Any, y: Any, first: bool, **checks: Any) -> tuple[Any, Any]:
        refuse_mixed(y)
        return super()._validated(X, y, first, **checks)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, **options: Any
    ) -> Self:
        """Train one epoch more; the first call builds the model.

        Parameters
        ----------
        X, y, sample_weight, **options
            As of `fit`.
        classes : array-like, optional
            All classes that there will ever be; by default those of the first call.
        """
        if not self.initialized_:
            self.__dict__.pop("classes_", None)
        if classes is not None:
            _check_partial_fit_first_call(self, classes)
            options["classes"] = self.classes_
        return self._partial_fit(X, y, sample_weight, options)

    def _learn_target(self, y: Array, classes: Array | None) -> None:
        check_classes(y)
        self._target = class_target(y, classes, None)
        self.classes_ = self._target.classes
        self.n_classes_ = len(self.classes_)
        self.target_type_ = str(type_of_target(y if classes is None else classes))
        if y.ndim == 2 and (y.sum(axis=1) == 1).all():
            self.target_type_ = "multiclass-onehot"
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]

    def _check_target(self, y: Array) -> None:
        self._target.check(y)

    def _usual_loss(self) -> str:
        if self.target_type_ == "multiclass-onehot":
            return "categorical_crossentropy"
        multiclass = self._target.kind == "multiclass"
        return "sparse_categorical_crossentropy" if multiclass else "binary_crossentropy"

    def _encoded(self, y: Array) -> Array:
        sparse = bool(getattr(self.model_.loss, "sparse", False))
        if self._target.kind == "multilabel":
            return y.argmax(axis=1) if sparse else self._target.encode(y)
        numbers, units = self._target.numbers(y), int(self.model_.output_shape[1] or 0)
        if sparse:
            return numbers
        return numbers[:, None].astype(np.float64) if units == 1 else np.eye(units)[numbers]

    def _weights(self, X: Any, y: Array, sample_weight: Any) -> Array | None:
        weights = super()._weights(X, y, sample_weight)
        class_weight = self.__dict__.get("class_weight")
        if class_weight is None:
            return weights
        factors: Array = compute_sample_weight(class_weight, y)
        return factors if weights is None else weights * factors

    def predict_proba(self, X: Any, **options: Any) -> Array:
        """Probabilities (rows, classes), or (rows, labels).

        Parameters
        ----------
        X
            As of `fit`.
        **options
            Arguments of the model's ``predict``, such as ``batch_size``.
        """
        outputs = self._raw(X, options)
        if getattr(self.model_.loss, "from_logits", False):
            outputs = _probabilities_of(outputs, self._target.kind)
        if self._target.kind == "multilabel" or outputs.shape[1] > 1:
            return outputs
        if self.n_classes_ == 1:
            return np.ones_like(outputs)
        return np.hstack([1 - outputs, outputs])

    def predict(self, X: Any, **options: Any) -> Array:
        """The most probable class (rows,); of labels or one-hot rows, (rows, labels) of 0 and 1.

        Parameters
        ----------
        X, **options
            As of `predict_proba`.
        """
        probabilities = self.predict_proba(X, **options)
        if self.target_type_ == "multiclass-onehot":
            found: Array = np.eye(self.n_outputs_, dtype=int)[probabilities.argmax(axis=1)]
        elif self._target.kind == "multilabel":
            found = (probabilities > 0.5).astype(int)
        else:
            found = self.classes_[probabilities.argmax(axis=1)]
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class KerasRegressor(RegressorMixin, BaseKeras):
    """A regressor around a function that builds a model, with SciKeras's parameters.

    Parameters
    ----------
    model, warm_start, random_state, optimizer, metrics, batch_size, validation_batch_size, verbose
        As of `KerasClassifier`.
    callbacks, validation_split, shuffle, epochs, **others
        As of `KerasClassifier`.
    loss : str, class, Loss, function or None, default None
        For a model that the function does not compile; None is the mean squared error.

    Attributes
    ----------
    model_, history_, n_features_in_, target_type_, X_shape_, X_dtype_, y_dtype_, y_ndim_
        As of `KerasClassifier`.
    n_outputs_ : int
        Columns of y.

    Examples
    --------
    >>> import numpy as np
    >>> import densecore as dc
    >>> from densecore.sklearn import KerasRegressor
    >>> def build(meta):
    ...     return dc.Sequential([dc.Input(meta["n_features_in_"]), dc.Dense(1)])
    >>> X = np.arange(20.0).reshape(10, 2) / 20
    >>> model = KerasRegressor(build, optimizer="adam", epochs=2, verbose=0).fit(X, X[:, 0])
    >>> model.predict(X).shape
    (10,)
    """

    def __init__(
        self,
        model: Any = None,
        *,
        warm_start: bool = False,
        random_state: Any = None,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        batch_size: int | None = None,
        validation_batch_size: int | None = None,
        verbose: int | str = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        epochs: int = 1,
        **others: Any,
    ) -> None:
        self._store(locals())

    def _validated(self, X: Any, y: Any, first: bool, **checks: Any) -> tuple[Any, Any]:
        return super()._validated(X, y, first, y_numeric=True, **checks)

    def _learn_target(self, y: Array, classes: Array | None) -> None:
        self.target_type_ = type_of_target(y)
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]

    def _check_target(self, y: Array) -> None:
        outputs = 1 if y.ndim == 1 else y.shape[1]
        if outputs != self.n_outputs_:
            raise ValueError(
                f"y: found {outputs} outputs, wanted {self.n_outputs_} as in the first fit"
            )

    def _usual_loss(self) -> str:
        return "mean_squared_error"

    def _encoded(self, y: Array) -> Array:
        return y.reshape(len(y), -1).astype(np.float64)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, **options: Any) -> Self:
        """Train one epoch more; the first call builds the model.

        Parameters
        ----------
        X, y, sample_weight, **options
            As of `fit`.
        """
        return self._partial_fit(X, y, sample_weight, options)

    def predict(self, X: Any, **options: Any) -> Array:
        """Predictions (rows,), or (rows, outputs) when there are several.

        Parameters
        ----------
        X
            As of `fit`.
        **options
            Arguments of the model's ``predict``, such as ``batch_size``.
        """
        outputs = self._raw(X, options)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _probabilities_of(outputs: Array, kind: str) -> Array:
    """The sigmoid or the softmax of outputs that a loss takes as logits."""
    function = "sigmoid" if kind == "multilabel" or outputs.shape[1] == 1 else "softmax"
    found: Array = activations.get(function)(outputs)
    return found

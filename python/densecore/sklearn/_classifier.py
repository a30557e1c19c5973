"""The classifier."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call

from .._base.dtypes import Array
from ._base import BaseMLP, CallArguments
from ._parameters import CLASSIFIER, is_stochastic
from ._targets import ClassTarget, Target, check_classes, class_target, refuse_mixed


class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's ``MLPClassifier``: its parameters, defaults and fitted attributes.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int
        Units of each hidden layer; none for a linear model.
    activation : str, Activation or a sequence of them
        Of the hidden layers, for all or for each: scikit-learn's "identity", "logistic", "tanh",
        "relu", or any of ``densecore.activations``.
    solver : str or Optimizer
        "adam", "sgd", or another of ``densecore.optimizers``: by its name, with the rate that is
        given here; or as an object, which has settings of its own and goes along the gradient of
        densecore's loss. "lbfgs" takes all rows at once, and makes sparse data dense.
    alpha : float
        The penalty is alpha / 2 · Σ W² over the number of rows (or the weight) of a batch.
    batch_size : int or "auto"
        "auto" is min(200, rows).
    learning_rate : {"constant", "invscaling", "adaptive"}
        Of sgd: constant; divided by (rows trained + 1) to the `power_t` after each epoch; or
        divided by 5 where training would stop, down to 1e-6.
    learning_rate_init : float or LearningRateSchedule
        Of ``densecore.schedules``: a rate for each step.
    power_t : float
    max_iter : int
        Epochs, or iterations of lbfgs.
    shuffle : bool
        Whether each epoch has an order of its own.
    random_state : int, RandomState or None
        The same one gives the same training as scikit-learn's.
    tol, n_iter_no_change : float
        Training ends when it has not become better by `tol` in more than that many epochs in a
        row. For lbfgs `tol` is the largest gradient at the end.
    verbose : bool, int or "bar"
        Whether each epoch prints a line, or all of them share a progress bar.
    warm_start : bool or "solver"
        Whether ``fit`` goes on with the weights that there are; the solver starts anew, as
        scikit-learn's, or with "solver" goes on too: its moments, steps and schedule.
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
    early_stopping_metric : "loss", name of a scorer, callable or None
        What decides over an early stop: the loss of the validation rows, one of
        ``sklearn.metrics.get_scorer_names()``, or a function (estimator, X, y) → number, higher
        for better. None is accuracy.
    dropout : float or array-like of float
        Share of outputs that a training step leaves out, of all hidden layers or of each.
    batch_normalization, layer_normalization : bool
        Whether hidden layers are normalised, over the batch or over each row, before their
        activation.
    weight_decay : float or None
        In each step weights shrink by the rate times this; None is 0.004 for adamw, else 0.
        ``alpha`` is a penalty in the loss, besides.
    clipnorm, clipvalue, global_clipnorm : float or None
        The longest gradient of each array, its largest element, the longest gradient of all.
    scale_inputs : bool
        Whether the network begins with a standardisation of its inputs, by means and deviations of
        the first data; sparse data are centred too. ``coefs_`` are those behind it.
    time_budget : float or None
        Seconds: training ends after the first epoch that ends later, without a warning.
    n_members : int or None
        Train so many networks, one after the other, from random states of their own, and predict
        the mean of their probabilities; they are in ``estimators_``, and share the time.
    bootstrap : bool
        Whether each of them has a draw with replacement of the rows.
    class_weight : dict, "balanced", list of dict or None
        Factors of the weights of each class's rows; of several labels one dictionary for each.

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
        One number for each epoch; the scores are None when there is no validation. With
        ``early_stopping_metric="loss"`` they are the negative losses.
    validation_loss_curve_ : list of float or None
        The loss of the validation rows after each epoch, with the penalty, as ``loss_``.
    best_validation_score_ : float or None
    input_mean_, input_scale_ : ndarray (features,)
        With `scale_inputs`.
    estimators_ : list
        The fitted members, in the place of the network and its curves.

    Examples
    --------
    >>> import numpy as np
    >>> from densecore.sklearn import MLPClassifier
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), ["low", "low", "high", "high"]
    >>> MLPClassifier((8,), "tanh", solver="lbfgs", random_state=0).fit(X, y).predict([[0.2]])
    array(['low'], dtype='<U4')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CLASSIFIER
    _numeric_targets: ClassVar[bool] = False
    _target: ClassTarget
    classes_: Array

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: Any = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int | str = False,
        warm_start: bool | str = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        early_stopping_metric: Any = None,
        dropout: Any = 0.0,
        batch_normalization: bool = False,
        layer_normalization: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        scale_inputs: bool = False,
        time_budget: float | None = None,
        n_members: int | None = None,
        bootstrap: bool = False,
        class_weight: Any = None,
    ) -> None:
        self._store(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
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
        X_val, y_val : optional
            Looked at after each epoch, for ``validation_scores_`` and ``validation_loss_curve_``;
            with `early_stopping` in the place of held out rows.
        callbacks : Callback or list of Callback, optional
            Of ``densecore.callbacks``, for adam and sgd.
        """
        refuse_mixed(y)
        arguments = CallArguments(X_val=X_val, y_val=y_val, callbacks=callbacks)
        self._fit(X, y, sample_weight, arguments)
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
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight: found 'balanced' with partial_fit, which does not see all rows; "
                "wanted a dictionary, of compute_class_weight for instance"
            )
        refuse_mixed(y)
        if not self.__sklearn_is_fitted__():
            self.__dict__.pop("classes_", None)  # of a first call that failed
        _check_partial_fit_first_call(self, classes)
        self._fit(X, y, sample_weight, CallArguments(incremental=True, classes=self.classes_))
        return self

    def _make_target(
        self, y: Array, weights: Array | None, last: Target | None, arguments: CallArguments
    ) -> Target:
        if last is None:
            check_classes(y)
            return class_target(y, arguments.classes, self.class_weight)
        assert isinstance(last, ClassTarget)
        last.check(y)
        if not arguments.incremental and last.labels is None:
            found = np.unique(y)
            if len(found) != len(last.classes) or not np.isin(found, last.classes).all():
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {last.classes}, `y` has {found}"
                )
        return ClassTarget(last.classes, last.labels, self.class_weight)

    # Predictions --------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The most probable class of each row, (rows,); of labels, (rows, labels) of 0 and 1."""
        outputs = self._mean_outputs(X)
        return self._target.classes_of(outputs)

    def predict_proba(self, X: Any) -> Array:
        """Probabilities (rows, classes), in the order of ``classes_``."""
        outputs = self._mean_outputs(X)
        return self._target.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms (rows, classes) of `predict_proba`."""
        with np.errstate(divide="ignore"):
            found: Array = np.log(self.predict_proba(X))
        return found

    def predict_one(self, x: Any) -> Any:
        """The class of one row, within microseconds; of several labels, the row of 0 and 1.

        Parameters
        ----------
        x : array-like (features,)
            Its length is checked, and that it is finite; names of features are not. Any number of
            threads may call this.

        Raises
        ------
        ValueError, TypeError
            x is not a row of as many finite numbers as there are features.
        """
        if "estimators_" not in self.__dict__:
            return self._of_one("read_class", x)
        return self._target.classes_of(self._mean_of_one(x))[0]

    def predict_proba_one(self, x: Any) -> Array:
        """The probabilities (classes,) of one row, as `predict_one`."""
        if "estimators_" not in self.__dict__:
            found: Array = self._of_one("read_probabilities", x)
        else:
            found = self._target.probabilities(self._mean_of_one(x))[0]
        return found

    def _mean_outputs(self, X: Any) -> Array:
        """The network's outputs (rows, units), or the mean of the members'."""
        X = self._checked(X)
        members = self._members()
        if len(members) == 1:
            return members[0]._raw(X)
        mean: Array = np.mean([member._raw(X) for member in members], axis=0)
        return mean

    def _mean_of_one(self, x: Any) -> Any:
        outputs = [member._of_one("read_outputs", x) for member in self.estimators_]
        return sum(outputs) / len(outputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

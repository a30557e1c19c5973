"""The classifier."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call

from .. import activations
from .._base.dtypes import Array
from ..callbacks import Callback
from ..optimizers import Optimizer
from ..schedules import LearningRateSchedule
from ._base import BaseMLP, CallArguments
from ._class_target import ClassTarget, check_classes, class_target, refuse_mixed
from ._parameters import CLASSIFIER, is_stochastic
from ._targets import Target


class MLPClassifier(ClassifierMixin, BaseMLP):
    """scikit-learn's ``MLPClassifier``: its parameters, defaults and fitted attributes.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default (100,)
        Units of each hidden layer; () is a linear model.
    activation : str, Activation or a sequence of them, default "relu"
        The activation of the hidden layers, one for all or one for each: scikit-learn's "identity",
        "logistic", "tanh", "relu", or any of ``densecore.activations``.
    solver : str or Optimizer, default "adam"
        "adam", "sgd" or another optimizer of ``densecore.optimizers``: by name, with the learning
        rate that is given here; or as an object, which has its own settings and steps along the
        gradient of densecore's loss. "lbfgs" takes all rows at once, and makes sparse
        data dense.
    alpha : float, default 0.0001
        The penalty is alpha / 2 · Σ W² over the number of rows (or the weight) of a batch.
    batch_size : int or "auto", default "auto"
        Rows per step; "auto" is min(200, rows).
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For sgd: constant; `learning_rate_init` divided by (rows trained + 1) to the power of
        `power_t`, after each epoch; or divided by 5 where training would stop, down to 1e-6.
    learning_rate_init : float or LearningRateSchedule, default 0.001
        A schedule of ``densecore.schedules`` gives a rate for each step.
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        The most epochs, or iterations of lbfgs.
    shuffle : bool, default True
        Whether each epoch takes the rows in another order.
    random_state : int, RandomState or None, default None
        The same state gives the same training as scikit-learn's. None draws from NumPy's global
        generator.
    tol : float, default 1e-4
        Training stops when the loss (or the score) has not improved by `tol` in more than
        `n_iter_no_change` epochs in a row. For lbfgs, the largest gradient at the end.
    verbose : bool, int or "bar", default False
        Whether each epoch prints a line, or all of them share a progress bar.
    warm_start : bool or "solver", default False
        Whether ``fit`` goes on with the weights of the last fit. The solver starts anew, as
        scikit-learn's; with "solver" its moments, steps and schedule go on too.
    momentum : float, default 0.9
        For sgd.
    nesterovs_momentum : bool, default True
        For sgd.
    early_stopping : bool, default False
        Whether the score of held out rows decides when to stop. The weights are then those of the
        best score.
    validation_fraction : float, default 0.1
        The share of the rows that `early_stopping` holds out.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        For adam, adamw, nadam and adamax.
    n_iter_no_change : int or inf, default 10
        See `tol`.
    max_fun : int, default 15000
        The most evaluations of the loss by lbfgs.
    early_stopping_metric : "loss", name of a scorer, callable or None, default None
        The score for `early_stopping`: the negative loss of the held out rows, one of
        ``sklearn.metrics.get_scorer_names()``, or a function (estimator, X, y) → number, higher
        for better. None is the accuracy.
    dropout : float or array-like of float, default 0.0
        The share of outputs that a training step sets to 0, of all hidden layers or of each.
    batch_normalization, layer_normalization : bool, default False
        Whether the inputs of each hidden layer's activation are normalised, over the batch or over
        each row.
    weight_decay : float or None, default None
        In each step weights shrink by the learning rate times this; None is 0.004 for adamw, else
        0. ``alpha`` is a penalty in the loss, besides.
    clipnorm, clipvalue, global_clipnorm : float or None, default None
        The largest norm of each array's gradient, of its elements, of all gradients together.
    scale_inputs : bool, default False
        Whether the network begins with a standardisation of its inputs, by mean and deviation of
        the first data. ``coefs_`` are those of the layers behind it. Sparse data are centred too.
    time_budget : float or None, default None
        Seconds: training stops after the first epoch that ends later, without a warning.
    n_members : int or None, default None
        Train so many networks, side by side on all threads, and predict the mean of their
        probabilities. They differ by their random states, are in ``estimators_``, and share the
        time.
    bootstrap : bool, default False
        Whether each member is trained on its own draw of the rows, with replacement.
    class_weight : dict, "balanced", list of dict or None, default None
        A factor of the weights of each class's rows; of several labels one dictionary for each.

    Attributes
    ----------
    classes_ : ndarray
        The classes, sorted; of several labels, their numbers.
    coefs_, intercepts_ : list of ndarray
        Weights (inputs, units) and biases of each layer: views of the model's arrays.
    model_ : densecore.Sequential
        The network, with all that densecore's models can do.
    n_iter_, n_layers_, n_outputs_, n_features_in_, t_ : int
        Epochs or iterations, layers with that of the inputs, outputs, features, and rows trained.
    feature_names_in_ : ndarray of str
        The names of a data frame's columns.
    out_activation_ : str
        The activation of the outputs, by scikit-learn's name.
    loss_, best_loss_ : float
        The last and the lowest loss; ``best_loss_`` is None with early stopping.
    loss_curve_, validation_scores_ : list of float
        A number for each epoch; the scores are None without validation. With
        ``early_stopping_metric="loss"`` they are the negative losses.
    validation_loss_curve_ : list of float or None
        The loss of the held out rows after each epoch, with the penalty, as ``loss_``.
    best_validation_score_ : float or None
        The highest of ``validation_scores_``.
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
        hidden_layer_sizes: int | Sequence[int] | Array = (100,),
        activation: str | activations.Activation | Sequence[str | activations.Activation] = "relu",
        *,
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float | LearningRateSchedule = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
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
        early_stopping_metric: str | Callable[..., float] | None = None,
        dropout: float | Sequence[float] | Array = 0.0,
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
        class_weight: Mapping[Any, float] | Sequence[Mapping[Any, float]] | str | None = None,
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
        callbacks: Callback | list[Callback] | tuple[Callback, ...] | None = None,
        comm: Any = None,
    ) -> "MLPClassifier":
        """Train on all rows.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)
            In float32 the network is, too; anything else makes it float64.
        y : array-like (rows,) of classes, or (rows, labels) of 0 and 1
        sample_weight : array-like (rows,), optional
            Weights >= 0; a weight of 2 counts as a row that is there twice.
        X_val, y_val : optional
            Rows to look at after each epoch, for ``validation_scores_`` and
            ``validation_loss_curve_``; with `early_stopping` in the place of held out rows.
        callbacks : Callback or list of Callback, optional
            Callbacks of ``densecore.callbacks``, for solvers that go through batches.
        comm : communicator, optional
            Ranks that train one network together, as of ``Sequential.fit``: all of them pass the
            same rows. Random numbers are those of rank 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Parameters or data do not fit together; or training has diverged, and the model is as
            it was before.

        Warns
        -----
        ConvergenceWarning
            Training has ended at `max_iter`.
        """
        refuse_mixed(y)
        arguments = CallArguments(X_val=X_val, y_val=y_val, callbacks=callbacks, comm=comm)
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
        X, y, sample_weight
            As of `fit`.
        classes : array-like, optional
            All classes that there will ever be; wanted in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As of `fit`; or `classes` is missing, or a class is not among them.
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
        if self.class_weight is last.class_weight:
            return last
        return ClassTarget(last.classes, last.labels, self.class_weight)

    # Predictions --------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)

        Returns
        -------
        ndarray (rows,), or (rows, labels) of 0 and 1
        """
        outputs = self._mean_outputs(X)
        return self._target.classes_of(outputs)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)

        Returns
        -------
        ndarray (rows, classes), or (rows, labels)
        """
        outputs = self._mean_outputs(X)
        return self._target.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`, of the same shape."""
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

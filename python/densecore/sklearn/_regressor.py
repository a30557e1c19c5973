"""The regressor."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils.metaestimators import available_if

from .. import activations, losses
from .._base.dtypes import Array
from ..callbacks import Callback
from ..optimizers import Optimizer
from ..schedules import LearningRateSchedule
from ._base import BaseMLP, CallArguments
from ._objective import regression_objective
from ._parameters import REGRESSOR, is_stochastic
from ._targets import Target
from ._value_target import ValueTarget, value_target


class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's ``MLPRegressor``: its parameters, defaults and fitted attributes.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        "squared_error" (also "mse"), half of it; "poisson", Poisson's deviance of targets >= 0,
        after an exponential function; "absolute_error" ("mae"), "huber", "log_cosh", "quantile",
        "gaussian_nll", which learns a standard deviation for each prediction; or an object of
        ``densecore.losses``, such as ``Huber(delta=2)``. All but the first two are means over the
        outputs.
    hidden_layer_sizes : int or array-like of int, default (100,)
        Units of each hidden layer; () is a linear model.
    activation : str, Activation or a sequence of them, default "relu"
        The activation of the hidden layers, one for all or one for each: scikit-learn's "identity",
        "logistic", "tanh", "relu", or any of ``densecore.activations``.
    solver : str or Optimizer, default "adam"
        "adam", "sgd" or another optimizer of ``densecore.optimizers``: by name, with the learning
        rate that is given here; or as an object, which has its own settings and steps along the
        gradient of densecore's loss. "lbfgs" and "lm" (Levenberg–Marquardt, for small
        networks and squared errors) take all rows at once, and make sparse data dense.
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
        The most epochs, or iterations of lbfgs and lm.
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
        for better. None is R².
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
        predictions. They differ by their random states, are in ``estimators_``, and share the time.
    bootstrap : bool, default False
        Whether each member is trained on its own draw of the rows, with replacement.
    scale_targets : bool, default False
        Whether the network is trained on standardised targets. Predictions are in the targets' own
        units; losses, ``coefs_`` and ``model_`` are not.
    quantile : float, array-like of float or None, default None
        For ``loss="quantile"``: the quantiles to predict, each between 0 and 1; None is the median.

    Attributes
    ----------
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
    target_mean_, target_scale_ : ndarray (outputs,)
        With `scale_targets`.
    estimators_ : list
        The fitted members, in the place of the network and its curves.

    Examples
    --------
    >>> import numpy as np
    >>> from densecore.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", solver="lbfgs")
    >>> bool(model.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = REGRESSOR
    _numeric_targets: ClassVar[bool] = True
    _target: ValueTarget
    loss: str | losses.Loss
    scale_targets: bool

    def __init__(
        self,
        loss: str | losses.Loss = "squared_error",
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
        scale_targets: bool = False,
        quantile: float | Sequence[float] | Array | None = None,
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
    ) -> "MLPRegressor":
        """Train on all rows.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)
            In float32 the network is, too; anything else makes it float64.
        y : array-like (rows,) or (rows, outputs)
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
        arguments = CallArguments(X_val=X_val, y_val=y_val, callbacks=callbacks, comm=comm)
        self._fit(X, y, sample_weight, arguments)
        return self

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train one epoch more; the solver goes on where it stood.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As of `fit`.
        """
        self._fit(X, y, sample_weight, CallArguments(incremental=True))
        return self

    def _make_target(
        self, y: Array, weights: Array | None, last: Target | None, arguments: CallArguments
    ) -> Target:
        outputs = 1 if y.ndim == 1 else y.shape[1]
        described = (self.loss, self.quantile)
        if last is None:
            objective = regression_objective(*described, outputs)
            return value_target(objective, described, y, weights, self.scale_targets)
        assert isinstance(last, ValueTarget)
        if outputs != last.objective.outputs:
            raise ValueError(
                f"y: found {outputs} outputs, wanted {last.objective.outputs} as in the first fit"
            )
        if all(map(operator.is_, described, last.described)):
            return last
        objective = regression_objective(*described, outputs)
        return ValueTarget(objective, described, last.scaling)

    # Predictions --------------------------------------------------------------------------------

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predictions, and how much they may err.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)
        return_std : bool, default False
            Whether standard deviations are returned too, as a second array like the first: those
            that ``loss="gaussian_nll"`` has learnt, those of the ``n_members``, or both together.

        Returns
        -------
        ndarray (rows,), or (rows, outputs) of several outputs
            Of several quantiles (rows, quantiles), or (rows, outputs, quantiles).

        Raises
        ------
        ValueError
            `return_std` of a model that has none; the message says which have.
        """
        X = self._checked(X)
        members = self._members()
        if return_std and not self._target.learns_deviations and len(members) < 2:
            raise ValueError(
                f"return_std: found loss={self.loss!r} and one network, wanted "
                "loss='gaussian_nll', or n_members of 2 or more"
            )
        if len(members) == 1 and not return_std:
            return self._target.estimates(members[0]._raw(X))[0]
        pairs = [member._target.estimates(member._raw(X)) for member in members]
        return _combined(pairs, return_std)

    def predict_one(self, x: Any) -> Any:
        """The prediction for one row, within microseconds: a float, or an array of several.

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
            return self._of_one("read_value", x)
        found = [member._of_one("read_value", x) for member in self.estimators_]
        return sum(found) / len(found)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions; of several quantiles, the mean of their D² (of pinball losses).

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)
        y : array-like (rows,) or (rows, outputs)
        sample_weight : array-like (rows,), optional
        """
        predictions = self.predict(X)
        return self._target.score_of_predictions(np.asarray(y), predictions, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _combined(pairs: list[tuple[Array, Array | None]], return_std: bool) -> Any:
    """The mean of the members' predictions, and with `return_std` how much it may err.

    The variance is the mean of the members' plus that between them (Lakshminarayanan, Pritzel &
    Blundell, *Simple and scalable predictive uncertainty estimation using deep ensembles*, 2017).
    """
    means = [mean for mean, _ in pairs]
    mean = means[0] if len(means) == 1 else np.mean(means, axis=0)
    if not return_std:
        return mean
    variance = np.var(means, axis=0) if len(means) > 1 else np.zeros_like(mean)
    if pairs[0][1] is not None:
        learnt = [deviation for _, deviation in pairs if deviation is not None]
        variance = variance + np.mean(np.square(learnt), axis=0)
    return mean, np.sqrt(variance)

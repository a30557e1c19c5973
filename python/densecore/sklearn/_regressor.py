"""The regressor."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d, validate_data

from ._base import SPARSE, BaseMLP, is_stochastic
from ._tasks import Task

Array = NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's ``MLPRegressor``: its parameters, defaults and fitted attributes.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        Half of the squared error; or Poisson's deviance, for targets >= 0, after an exponential
        function.
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
    >>> from densecore.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", solver="lbfgs")
    >>> bool(model.fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss: str = "squared_error",
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
        X_val: Any = None,
        y_val: Any = None,
        callbacks: Any = None,
    ) -> "MLPRegressor":
        """Train on all rows.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features)
        y : array-like (rows,) or (rows, outputs)
        sample_weight : array-like (rows,), optional
        X_val, y_val : optional
            Scored after each epoch into ``validation_scores_``; with `early_stopping` in the
            place of held out rows.
        callbacks : Callback or list of Callback, optional
            Of ``densecore.callbacks``, for adam and sgd.
        """
        self._fit(X, y, sample_weight, X_val=X_val, y_val=y_val, callbacks=callbacks)
        return self

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train one epoch more; the solver goes on where it stood."""
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any) -> Array:
        """Predictions (rows,), or (rows, outputs) when there are several."""
        return self._flat(self._outputs(X))

    def _flat(self, outputs: Array) -> Array:
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def _task(self) -> Task:
        return Task(self.loss, self._targets)

    def _check_data(
        self, X: Any, y: Any, first: bool, incremental: bool
    ) -> tuple[Any, Array, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=SPARSE,
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=first,
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"y: found {y.min()}, wanted targets >= 0 for loss='poisson'")
        targets = y.reshape(len(y), -1).astype(X.dtype)
        self._targets = targets.shape[1]
        return X, y, targets

    def _validation_score(self, X: Any, y: Array, sample_weight: Any) -> float:
        outputs = self._flat(self._model().predict(X))
        if not np.isfinite(outputs).all():
            return np.nan
        return float(r2_score(y, outputs, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

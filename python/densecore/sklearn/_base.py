"""What classifier and regressor have in common: parameters, checks, and the ways to fit."""

import copy
import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..model import Sequential
from . import _lbfgs
from ._network import initial_weights, network, optimizer, set_penalty, sizes_of
from ._order import RowOrder
from ._stopping import Stopping
from ._tasks import Task
from ._tasks_of_fit import CallbackSupport, fit_tasks
from ._warn import warn

Array = NDArray[Any]

SPARSE = ["csr", "csc"]


def is_stochastic(estimator: Any) -> bool:
    """Whether the solver goes through the data in batches; if not, there is no partial_fit."""
    if estimator.solver not in ("adam", "sgd"):
        raise AttributeError(
            f"partial_fit: found solver={estimator.solver!r}, wanted 'adam' or 'sgd': others take "
            "all rows at once"
        )
    return True


class BaseMLP(CallbackSupport, BaseEstimator):
    """scikit-learn's multilayer perceptron over a ``densecore.Sequential``."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"identity", "logistic", "tanh", "relu"})],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
    }

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

    def _check_data(
        self, X: Any, y: Any, first: bool, incremental: bool
    ) -> tuple[Any, Array, Array]:
        """X, y as `predict` gives it, and y as the core wants it."""
        raise NotImplementedError

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
        return [layer.kernel for layer in self._model().layers]

    @coefs_.setter
    def coefs_(self, arrays: list[Any]) -> None:
        for layer, array in zip(self._model().layers, arrays, strict=True):
            layer.kernel[...] = array

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of each layer: views of ``model_``'s."""
        return [layer.bias for layer in self._model().layers]

    @intercepts_.setter
    def intercepts_(self, arrays: list[Any]) -> None:
        for layer, array in zip(self._model().layers, arrays, strict=True):
            layer.bias[...] = array

    def _model(self) -> Sequential:
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
        from ._convert import to_sklearn

        return to_sklearn(self)

    def _outputs(self, X: Any) -> Array:
        """The model's outputs for rows that the user gives."""
        check_is_fitted(self, "model_")
        if not self._is_plain(X):
            X = validate_data(
                self, X, accept_sparse=SPARSE, dtype=(np.float64, np.float32), reset=False
            )
        return self._model().predict(X)

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
        self.n_layers_ = len(model.layers) + 1
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
        class_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        callbacks: Any = None,
    ) -> None:
        hidden = self._hidden_sizes()
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val, y_val: found one of them, wanted both or none")
        if self.solver == "lbfgs" and not (X_val is None and callbacks is None):
            raise ValueError(
                "X_val, callbacks: found solver='lbfgs', wanted 'adam' or 'sgd': it has no epochs"
            )
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        X, y, targets = self._check_data(X, y, first, incremental)
        weights = self._check_weights(X, y, sample_weight, class_weight)
        random_state = check_random_state(self.random_state)
        task = self._task()
        sizes = [X.shape[1], *hidden, task.outputs]
        if first:
            # In float32 for data in float32, else in float64.
            dtype = X.dtype.name
            weights_now = initial_weights(sizes, self.activation, random_state)
            model = network(sizes, self.activation, task.kind.activation, dtype, weights_now)
            self._set_model(model, task)
            self.t_ = 0
        elif sizes_of(self._model()) != sizes:
            raise ValueError(
                f"warm_start, partial_fit: found layers of {sizes} units, wanted "
                f"{sizes_of(self._model())} as in the first fit"
            )
        told = fit_tasks(self, 1 if incremental else self.max_iter, X, y, weights)
        if self.solver == "lbfgs":
            _lbfgs.fit(self, task, X, targets, weights, told)
        else:
            self._prepare_curves(first, self.early_stopping or X_val is not None)
            validation = None
            if X_val is not None:
                validation = (*self._check_validation(X_val, y_val), None)
            elif self.early_stopping:
                X, y, targets, weights, validation = self._split(
                    X, y, targets, weights, random_state
                )
            listeners = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
            listeners = [*listeners, told]
            self._train(X, targets, weights, validation, task, random_state, incremental, listeners)
        if not np.isfinite(self._model().parameters).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )
        if told is not None:
            told.finish()

    def _check_weights(self, X: Any, y: Array, sample_weight: Any, class_weight: Any) -> Any:
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            if not weights.any():
                raise ValueError("sample_weight: found only zeros, wanted a weight above zero")
        if class_weight is not None:
            from sklearn.utils.class_weight import compute_sample_weight

            factors = compute_sample_weight(class_weight, y)
            weights = factors if weights is None else weights * factors
        return weights

    def _check_validation(self, X_val: Any, y_val: Any) -> tuple[Any, Array]:
        X_val = validate_data(
            self, X_val, accept_sparse=SPARSE, dtype=(np.float64, np.float32), reset=False
        )
        y_val = np.asarray(y_val)
        if self.n_outputs_ == 1 and y_val.ndim == 2 and y_val.shape[1] == 1:
            y_val = y_val.ravel()
        if len(y_val) != X_val.shape[0]:
            raise ValueError(f"y_val: found {len(y_val)} rows, wanted {X_val.shape[0]} as in X_val")
        return X_val, y_val

    def _split(
        self, X: Any, y: Array, targets: Array, weights: Any, random_state: np.random.RandomState
    ) -> tuple[Any, Array, Array, Any, tuple[Any, Array, Any]]:
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
        kept_out = (X[held_out], y[held_out], None if weights is None else weights[held_out])
        weights = None if weights is None else weights[train]
        return X[train], y[train], targets[train], weights, kept_out

    def _prepare_curves(self, first: bool, scored: bool) -> None:
        """Begin new curves, or go on with those that there are."""
        if first or not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
        if first or scored != (getattr(self, "validation_scores_", None) is not None):
            self.validation_scores_: list[float] | None = [] if scored else None
            self.best_validation_score_ = -np.inf if scored else None
        if self.early_stopping:
            self.best_loss_ = None
        elif first or getattr(self, "best_loss_", None) is None:
            self.best_loss_ = np.inf

    def _batch_rows(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warn(f"batch_size: found {self.batch_size}, more than the {rows} rows; clipped to that")
        return int(min(self.batch_size, rows))

    def _seed(self) -> int:
        """Of what the core draws itself; the random state's own numbers are scikit-learn's."""
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        state = check_random_state(self.random_state)
        state = state if self.random_state is None else copy.deepcopy(state)
        return int(state.randint(np.iinfo(np.int32).max))

    def _train(
        self,
        X: Any,
        targets: Array,
        weights: Any,
        validation: Any,
        task: Task,
        random_state: np.random.RandomState,
        incremental: bool,
        callbacks: list[Any],
    ) -> None:
        rows = X.shape[0]
        batch = self._batch_rows(rows)
        # Each batch's weight divides its penalty; this is that of a mean batch.
        weight = batch * (1.0 if weights is None else float(np.mean(weights)))
        penalty = self.alpha / 2 / weight
        model = self._model()
        set_penalty(model, penalty / task.scale)
        model._network.penalty_weight = weight
        if not incremental or model.optimizer is None or model.optimizer.name != self.solver:
            model.seed = self._seed()
            model.compile(optimizer(self, task.scale), task.kind.loss)
        offset = task.offset(targets, weights)
        # The mean over the rows counts every batch's penalty as often as the batch has rows.
        reported = penalty * -(-rows // batch) * batch / rows
        stopping = Stopping(self, task, offset, reported, rows, validation, incremental)
        self.n_iter_ = 0
        # It decides before scikit-learn's callbacks are told.
        listeners = [*callbacks[:-1], stopping, callbacks[-1]]
        # One batch is the same in any order but for its last digits.
        shuffle = bool(self.shuffle) and batch < rows
        if shuffle:
            order = RowOrder(rows, random_state)
            listeners.append(order)
            model._network.row_order = order.rows
        try:
            model.fit(
                X,
                targets,
                batch_size=batch,
                epochs=1 if incremental else self.max_iter,
                verbose=0,
                callbacks=[c for c in listeners if c is not None],
                shuffle=shuffle,
                sample_weight=weights,
            )
        except KeyboardInterrupt:
            warn("Training interrupted by user.")
        finally:
            model._network.penalty_weight, model._network.row_order = 0.0, None
        stopping.finish()

"""Estimators around a function that builds a model: parameters, building and training."""

import copy
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from .._base import seeds
from .._base.dtypes import Array
from .._base.restoring import all_or_nothing, put_back
from ..callbacks.history import History
from ..models import Model, Sequential
from . import _routing

SPARSE = ["csr", "csc"]

# Parameters of the model's `fit` that the constructors have.
_FIT = ("batch_size", "verbose", "validation_split", "shuffle", "validation_batch_size")
# Parameters of the constructors that are no arguments of a build function.
_OWN = {*_FIT, "model", "warm_start", "random_state", "optimizer", "loss", "metrics", "callbacks"}
_OWN |= {"epochs", "class_weight"}


class BaseKeras(BaseEstimator):
    """The common part of both estimators around a build function."""

    model: Callable[..., Model] | Model | None
    warm_start: bool
    random_state: int | np.random.RandomState | None
    optimizer: Any
    loss: Any
    metrics: Any
    batch_size: int | None
    validation_batch_size: int | None
    verbose: int | str
    callbacks: Any
    validation_split: float
    shuffle: bool
    epochs: int

    model_: Model
    history_: dict[str, list[float]]
    n_features_in_: int

    # Parameters ---------------------------------------------------------------------------------

    def _store(self, arguments: dict[str, Any]) -> None:
        """Keep a constructor's arguments unchanged, those without a name of their own too."""
        others = arguments.pop("others")
        self.__dict__.update({k: v for k, v in arguments.items() if k not in ("self", "__class__")})
        self.__dict__.update(others)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, those of the build function too, by their names."""
        known = self.__dict__.items()
        return {k: v for k, v in known if not (k.startswith("_") or k.endswith("_"))}

    def set_params(self, **params: Any) -> Self:
        """Change parameters that there are, or that have a prefix such as ``optimizer__``.

        Raises
        ------
        ValueError
            A name is unknown: give it to the constructor first.
        """
        known = self.get_params()
        for name in params:
            if name not in known and not _routing.has_route(name):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}: found no "
                    f"such parameter, wanted one of {', '.join(sorted(known))}, or a name that "
                    f"begins with {'__, '.join(_routing.ROUTES)}__. An argument of the build "
                    f"function is known after {type(self).__name__}({name}=...)"
                )
        self.__dict__.update(params)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return "history_" in self.__dict__

    @property
    def initialized_(self) -> bool:
        """Whether there is a model, trained or not."""
        return "model_" in self.__dict__

    @property
    def current_epoch(self) -> int:
        """How many epochs the model has been trained."""
        return len(self.__dict__.get("history_", {}).get("loss", ()))

    # Targets, which the classifier and the regressor define ---------------------------------------

    @abstractmethod
    def _learn_target(self, y: Array, classes: Array | None) -> None:
        """Take the classes or outputs of the first targets."""

    @abstractmethod
    def _check_target(self, y: Array) -> None:
        """Raise ValueError unless y is as in the first fit."""

    @abstractmethod
    def _encoded(self, y: Array) -> Array:
        """Checked y as the model's loss wants it."""

    @abstractmethod
    def _usual_loss(self) -> str:
        """The loss for ``loss=None``."""

    def _weights(self, X: Any, y: Array, sample_weight: Any) -> Array | None:
        """The weight of each row."""
        if sample_weight is None:
            return None
        weights: Array = _check_sample_weight(sample_weight, X)
        return weights

    # Building -------------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, first: bool, **checks: Any) -> tuple[Any, Any]:
        """X and y as arrays."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=SPARSE,
            allow_nd=True,
            multi_output=True,
            reset=first,
            **checks,
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    @all_or_nothing
    def initialize(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Make and compile the model for this data, without training it.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.
        """
        X, y = self._validated(X, y, True)
        self._initialize(X, y, None)
        return self

    def _initialize(self, X: Any, y: Array, classes: Array | None) -> None:
        for name in ("model_", "history_"):
            self.__dict__.pop(name, None)
        self._learn_target(y, classes)
        self.X_shape_, self.X_dtype_ = X.shape, X.dtype
        self.y_dtype_, self.y_ndim_ = y.dtype, y.ndim
        state = check_random_state(self.random_state)
        with seeds.fixed(int(state.randint(np.iinfo(np.int32).max))):
            model = self._built()
            if model.optimizer is None:
                model.compile(**self._compile_arguments())
            if isinstance(model, Sequential) and not model.built:
                model.build(X.shape[1:] if X.ndim > 2 else X.shape[1])
        self.model_ = model

    def _compile_arguments(self) -> dict[str, Any]:
        given = self.get_params()
        loss = self._usual_loss() if self.loss in (None, "auto") else self.loss
        found = {
            "optimizer": _routing.made_optimizer(
                self.optimizer, _routing.routed(given, "optimizer")
            ),
            "loss": _routing.made_loss(loss, _routing.routed(given, "loss")),
            "metrics": _routing.made_metrics(self.metrics, _routing.routed(given, "metrics")),
        }
        return {**found, **_routing.routed(given, "compile")}

    def _meta(self) -> dict[str, Any]:
        """Facts about the data for the build function, by SciKeras's names."""
        names = ["n_features_in_", "X_shape_", "X_dtype_", "y_dtype_", "y_ndim_", "target_type_"]
        names += ["classes_", "n_classes_", "n_outputs_"]
        found = {name: self.__dict__[name] for name in names if name in self.__dict__}
        return {**found, "n_outputs_expected_": 1}  # a model has one output, of several units

    def _built(self) -> Model:
        build = self.model if self.model is not None else getattr(self, "_keras_build_fn", None)
        if build is None:
            raise ValueError("model: found None, wanted a function that builds a model, or a model")
        given = self.get_params()
        if isinstance(build, Model):
            model = copy.deepcopy(build)
            arguments = _routing.routed(given, "model")
            if arguments:
                raise ValueError(
                    f"model__{next(iter(arguments))}: found a model that is built already, wanted "
                    "a function that builds one"
                )
            return model
        taken, takes_all = _routing.arguments_of(build)
        arguments = {k: v for k, v in given.items() if k not in _OWN and not _routing.has_route(k)}
        arguments |= _routing.routed(given, "model")
        unknown = set() if takes_all else arguments.keys() - taken
        if self.model is None:  # a subclass's method may look at self
            arguments = {k: v for k, v in arguments.items() if k not in unknown}
        elif unknown:
            raise ValueError(
                f"{', '.join(sorted(unknown))}: found no such argument of the build function, "
                f"wanted one of {', '.join(sorted(taken))}"
            )
        special = {
            "meta": self._meta,
            "compile_kwargs": self._compile_arguments,
            "params": self.get_params,
        }
        arguments |= {name: make() for name, make in special.items() if takes_all or name in taken}
        found = build(**arguments)
        if not isinstance(found, Model):
            raise TypeError(
                f"model: found a build function that returns {type(found).__name__}, wanted a "
                "densecore model"
            )
        return found

    # Fitting --------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **options: Any) -> Self:
        """Build the model and train it for ``epochs`` epochs.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix (rows, features), or an array (rows, ...)
        y : array-like (rows,) or (rows, outputs)
        sample_weight : array-like (rows,), optional
        **options
            Arguments of the model's ``fit``, before those of ``fit__`` and the constructor.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Data, parameters or the model do not fit together.
        """
        first = not (self.warm_start and self.initialized_)
        self._train(X, y, sample_weight, first, options.pop("epochs", None), options)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, options: dict[str, Any]) -> Self:
        """Train one epoch more, or the first one."""
        options.pop("epochs", None)
        self._train(X, y, sample_weight, not self.initialized_, 1, options)
        return self

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        first: bool,
        epochs: int | None,
        options: dict[str, Any],
    ) -> None:
        before = dict(self.__dict__)
        try:
            history = self._trained(X, y, sample_weight, first, epochs, options)
        except BaseException:
            made = self.__dict__.get("model_")
            # A new one that has learnt something is kept, as after Ctrl-C.
            old = made is before.get("model_")
            optimizer = None if old else getattr(made, "optimizer", None)
            if optimizer is None or int(optimizer.iterations) == 0:
                put_back(self, before)
            raise
        curves = self.__dict__.setdefault("history_", {})
        for name, values in history.history.items():
            curves.setdefault(name, []).extend(values)

    def _trained(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        first: bool,
        epochs: int | None,
        options: dict[str, Any],
    ) -> History:
        X, y = self._validated(X, y, first)
        classes = options.pop("classes", None)
        if first:
            self._initialize(X, y, classes)
        self._check_target(y)
        weights = self._weights(X, y, sample_weight)
        given = self.get_params()
        arguments = {name: given[name] for name in _FIT}
        made = _routing.made_callbacks(self.callbacks, _routing.routed(given, "callbacks"))
        arguments |= {"callbacks": made, "epochs": self.epochs}
        arguments |= _routing.routed(given, "fit") | options
        if epochs is not None:
            arguments["epochs"] = epochs
        begin = self.current_epoch
        arguments["epochs"] += arguments.setdefault("initial_epoch", begin)
        if arguments.get("validation_data") is not None:
            arguments["validation_data"] = self._held_out(*arguments["validation_data"])
        return self.model_.fit(X, self._encoded(y), sample_weight=weights, **arguments)

    def _held_out(self, X: Any, y: Any, weights: Any = None) -> tuple[Any, ...]:
        X, y = self._validated(X, y, False)
        self._check_target(y)
        held_out = (X, self._encoded(y))
        return held_out if weights is None else (*held_out, weights)

    def _raw(self, X: Any, options: dict[str, Any]) -> Array:
        """The model's outputs (rows, units)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=SPARSE, allow_nd=True, reset=False)
        given = self.get_params()
        arguments: dict[str, Any] = {"batch_size": self.batch_size, "verbose": self.verbose}
        arguments |= _routing.routed(given, "predict") | options
        return self.model_.predict(X, **arguments)

"""Fitting: from the user's data to a trained network, for both estimators."""

from abc import abstractmethod
from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from .._base.dtypes import Array
from .._base.restoring import put_back
from .._base.warn import warn
from .._data.interop import refuse_masked
from ..callbacks import Callback
from ..distributed.group import group_of
from ..models.fit_shared import OTHER_ROWS
from ..models.sequential import Sequential
from . import _ensemble, _kept_layers, _scaling
from ._build import (
    Extras,
    check_total,
    dense_layers,
    initial_weights,
    network,
    rates_of,
    sizes_of,
)
from ._callbacks import CallbackSupport
from ._early_stopping import warn_of_the_end
from ._fitted import DTYPES, SPARSE, FittedMLP, surely_finite
from ._objective import Objective
from ._solvers import finish, run
from ._targets import Target
from ._training import Record, Samples, Training, Validation

# Attributes of a first fit that the next one need not have.
_SCALES = ("input_mean_", "input_scale_", "target_mean_", "target_scale_")


class CallArguments(NamedTuple):
    """The arguments of ``fit`` or ``partial_fit`` besides the rows.

    Attributes
    ----------
    incremental : bool
        Whether it is a ``partial_fit``.
    classes : ndarray or None
        All classes that there will ever be, if they are not those of the first rows.
    """

    incremental: bool = False
    classes: Array | None = None
    X_val: Any = None
    y_val: Any = None
    callbacks: Callback | list[Callback] | tuple[Callback, ...] | None = None
    comm: Any = None


class BaseMLP(CallbackSupport, FittedMLP):
    """scikit-learn's multilayer perceptron over a ``densecore.Sequential``."""

    _numeric_targets: ClassVar[bool]

    n_iter_: int
    t_: int
    loss_: float

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @abstractmethod
    def _make_target(
        self, y: Array, weights: Array | None, last: Target | None, arguments: CallArguments
    ) -> Target:
        """The target of checked y: of the first data, or a `last` target that goes on.

        Raises
        ------
        ValueError
            y does not suit the parameters, or the last target.
        """

    def _fit(self, X: Any, y: Any, sample_weight: Any, arguments: CallArguments) -> None:
        if arguments.comm is not None:
            self._fit_on_ranks(X, y, sample_weight, arguments)
            return
        # What an earlier fit has set, to be put back when this one fails before it has learnt
        # anything: names, classes and a network of different fits would predict nonsense.
        before, training = dict(self.__dict__), None
        try:
            self._check_arguments(arguments)
            ensemble = self.n_members is not None
            fitted = "estimators_" if ensemble else "model_"
            first = fitted not in self.__dict__ or not (self.warm_start or arguments.incremental)
            X, y = self._validated(X, y, first)
            weights = _checked_weights(sample_weight, X)
            if ensemble:
                self._fit_members(X, y, weights, arguments, first)
                return
            training = self._prepared(X, y, weights, arguments, first)
            _warn_of_data(training)
            run(training)
        except BaseException:
            if training is None or not training.has_learnt:
                put_back(self, before)
            raise
        try:
            finish(training)
        except ValueError:
            put_back(self, before)
            raise
        if not training.converged:
            warn_of_the_end(self.max_iter)

    def _fit_on_ranks(self, X: Any, y: Any, sample_weight: Any, arguments: CallArguments) -> None:
        """Every rank makes the same of all rows; they share the batches, or the rows of a solver.

        Random numbers are those of rank 0's `random_state`.
        """
        group = group_of(arguments.comm, "an estimator's fit")
        before = self.random_state

        def prepare() -> Training:
            self._check_arguments(arguments)
            if self.n_members is not None:
                raise ValueError(
                    f"n_members: found {self.n_members} with comm, wanted None: members are "
                    "trained on several machines by joblib's backends"
                )
            first = "model_" not in self.__dict__ or not self.warm_start
            rows, targets = self._validated(X, y, first)
            weights = _checked_weights(sample_weight, rows)
            return self._prepared(rows, targets, weights, arguments, first)

        rows = group.vector(float(X.shape[0]) if hasattr(X, "shape") else float(len(X)))
        if (rows != rows[0]).any():
            raise ValueError(OTHER_ROWS)
        drawn = group.together(lambda: self._drawn_seed())
        try:
            self.random_state = int(group.vector(float(drawn))[0, 0])
            training = group.together(prepare)
            training.comm = arguments.comm
            _warn_of_data(training)
            run(training)
            group.together(lambda: finish(training))
        finally:
            self.random_state = before
        if not training.converged:
            warn_of_the_end(self.max_iter)

    def _drawn_seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    # Checks -------------------------------------------------------------------------------------

    def _check_arguments(self, arguments: CallArguments) -> None:
        """Raise ValueError for parameters and arguments that do not go together."""
        self._check_together()
        X_val, y_val, callbacks = arguments.X_val, arguments.y_val, arguments.callbacks
        if arguments.incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val, y_val: found one of them, wanted both or none")
        if self.early_stopping and X_val is None and self.validation_fraction == 0:
            raise ValueError(
                "validation_fraction: found 0 with early_stopping, wanted a share > 0 to hold out"
            )
        if not (self._takes_batches or (X_val is None and callbacks is None)):
            raise ValueError(
                f"X_val, callbacks: found solver={self.solver!r}, wanted 'adam', 'sgd' or another "
                "one that goes through batches: it has no epochs"
            )

    def _validated(self, X: Any, y: Any, first: bool) -> tuple[Any, Array]:
        """X and y as arrays; targets in a single column become a vector."""
        if not first and self._are_plain_targets(y, X) and self._is_plain(X):
            return X, y
        refuse_masked("X", X)
        refuse_masked("y", y)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=SPARSE,
            multi_output=True,
            dtype=DTYPES,
            reset=first,
            y_numeric=self._numeric_targets,
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _are_plain_targets(self, y: Any, X: Any) -> bool:
        """Whether scikit-learn's checks would give y back. (Unknown classes are found later.)"""
        if type(y) is not np.ndarray or len(y) != len(X):
            return False
        if not (y.ndim == 1 or (y.ndim == 2 and y.shape[1] > 1)):
            return False
        kind = y.dtype.kind
        return surely_finite(y) if kind == "f" else kind in "biuU" and not self._numeric_targets

    # From data to a training --------------------------------------------------------------------

    def _prepared(
        self, X: Any, y: Array, weights: Array | None, arguments: CallArguments, first: bool
    ) -> Training:
        """The solver's input. The estimator is not changed before all checks have passed."""
        seed = self.random_state
        target = self._make_target(y, weights, None if first else self._target, arguments)
        weights = target.row_weights(y, weights)
        check_total(self, weights, X.dtype)
        samples = Samples(X, y, target.encode(y), weights)
        sizes = [X.shape[1], *self._hidden_sizes(), target.objective.units]
        scales: dict[str, Array] = {}
        before = None
        if first:
            if self.scale_inputs:
                mean, variance = _scaling.moments(X, weights)
                scales = {"input_mean_": mean, "input_scale_": np.sqrt(variance)}
            seed = check_random_state(seed)  # the first numbers are the initial weights
            model = self._new_network(sizes, target.objective, X.dtype.name, scales, seed)
        else:
            model = self._network()
            _check_same(model, sizes, target.objective)
            _kept_layers.check(self, len(sizes) - 2)
            before = model.get_weights()
        record = Record.of(self)
        if first:
            record.t_ = 0
        training = Training(
            self, model, target, samples, record, seed, arguments.incremental, before=before
        )
        if self._takes_batches:
            scored = self.early_stopping or arguments.X_val is not None
            record.begin_curves(first, scored, self.early_stopping)
            self._add_listeners(training, arguments)
        if first:
            for name in _SCALES:
                self.__dict__.pop(name, None)
            self.__dict__.update(scales, _made_with=_kept_layers.made_with(self, len(sizes) - 2))
        self._take(model, target)
        return training

    def _new_network(
        self,
        sizes: list[int],
        objective: Objective,
        dtype: str,
        scales: dict[str, Array],
        random_state: np.random.RandomState,
    ) -> Sequential:
        """A network with initial weights: in float32 for data in float32, else in float64."""
        scaling = (scales["input_mean_"], scales["input_scale_"] ** 2) if scales else None
        extras = Extras(
            rates_of(self.dropout, len(sizes) - 2),
            bool(self.batch_normalization),
            bool(self.layer_normalization),
            scaling,
        )
        initial = initial_weights(sizes, self.activation, random_state)
        return network(sizes, self.activation, objective.activation, dtype, initial, extras=extras)

    def _add_listeners(self, training: Training, arguments: CallArguments) -> None:
        """Add held out rows and the user's callbacks, which look at each epoch."""
        callbacks = arguments.callbacks
        if callbacks is not None:
            training.callbacks = (
                [*callbacks] if isinstance(callbacks, list | tuple) else [callbacks]
            )
        held_out = None
        if arguments.X_val is not None:
            held_out = self._checked_validation(training.target, arguments)
        elif self.early_stopping:
            training.samples, held_out = self._split(training)
        if held_out is not None:
            training.validation = Validation(self, training.model, training.target, held_out)

    def _checked_validation(self, target: Target, arguments: CallArguments) -> Samples:
        X_val, y_val = self._as_rows(arguments.X_val), np.asarray(arguments.y_val)
        if y_val.ndim == 2 and y_val.shape[1] == 1:
            y_val = y_val.ravel()
        if len(y_val) != X_val.shape[0]:
            raise ValueError(f"y_val: found {len(y_val)} rows, wanted {X_val.shape[0]} as in X_val")
        return Samples(X_val, y_val, target.encode(y_val, "y_val"), None)

    def _split(self, training: Training) -> tuple[Samples, Samples]:
        """The rows to train on, and the rows that scikit-learn would hold out."""
        samples = training.samples
        train, held_out = train_test_split(
            np.arange(samples.X.shape[0]),
            test_size=self.validation_fraction,
            random_state=training.random_state,
            stratify=training.target.strata(samples.y),
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return samples.take(train), samples.take(held_out)

    def _take(self, model: Sequential, target: Target) -> None:
        """Make a network the estimator's own, and set what follows from it."""
        self.__dict__.pop("estimators_", None)
        self.model_ = model
        self._model_lock()  # now, as predictions are to change nothing
        self._target = target  # parameters may change before the next fit
        self.n_layers_ = len(dense_layers(model)) + 1
        self.n_outputs_ = target.objective.outputs
        self.out_activation_ = target.objective.out_activation
        self.__dict__.update(target.fitted_attributes())

    # Ensembles ----------------------------------------------------------------------------------

    def _fit_members(
        self, X: Any, y: Array, weights: Array | None, arguments: CallArguments, first: bool
    ) -> None:
        """Train ``estimators_``, which differ by their random states."""
        old: list[BaseMLP] = [] if first else self.estimators_
        if len(old) > (self.n_members or 0):
            raise ValueError(
                f"n_members: found {self.n_members}, wanted at least the {len(old)} that there "
                "are: warm_start and partial_fit go on with them"
            )
        if arguments.X_val is not None:
            arguments = arguments._replace(X_val=self._as_rows(arguments.X_val))
        at_a_time = _ensemble.workers(self, arguments.callbacks)
        shared = self.get_params(deep=False) | {"n_members": None, "bootstrap": False}
        shared["time_budget"] = _ensemble.time_of_a_member(self, at_a_time)
        del shared["random_state"]

        def trainings() -> Iterator[Training]:
            for number, seed in enumerate(_ensemble.seeds(self)):
                new = number >= len(old)
                member = clone(self).set_params(random_state=seed) if new else old[number]
                member.set_params(**shared).n_features_in_ = self.n_features_in_
                drawn = weights
                if self.bootstrap:
                    drawn = _ensemble.drawn_weights(member, weights, len(y))
                training = member._prepared(X, y, drawn, arguments, new)
                if number == 0:  # the others have the same data
                    _warn_of_data(training)
                yield training

        trained = _ensemble.train(self, trainings(), at_a_time)
        self._take_members([training.estimator for training in trained] + old[len(trained) :])
        unconverged = sum(not training.converged for training in trained)
        if unconverged:
            warn_of_the_end(self.max_iter, f"{unconverged} of {len(trained)} members: ")

    def _take_members(self, members: list["FittedMLP"]) -> None:
        """Make members the estimator's own, and set its attributes from theirs."""
        self.__dict__.pop("model_", None)
        self.estimators_ = members
        self._target = members[0]._target
        for name in ("n_layers_", "n_outputs_", "out_activation_", "t_", "classes_"):
            if name in members[0].__dict__:
                setattr(self, name, getattr(members[0], name))
        self.n_iter_ = max(member.n_iter_ for member in members)
        self.loss_ = float(np.mean([member.loss_ for member in members]))


def _checked_weights(sample_weight: Any, X: Any) -> Array | None:
    """The weights as an array (rows,); None if there are none.

    Raises
    ------
    ValueError
        A weight is negative or not finite, or none is above zero.
    """
    if sample_weight is None:
        return None
    if type(sample_weight) is np.ndarray and sample_weight.shape == X.shape[:1]:
        plain = sample_weight.dtype == np.float64 and surely_finite(sample_weight)
        if plain and sample_weight.min() >= 0 and sample_weight.max() > 0:
            return sample_weight
    refuse_masked("sample_weight", sample_weight)
    weights: Array = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight: found only zeros, wanted a weight above zero")
    return weights


def _warn_of_data(training: Training) -> None:
    """Warn of targets without information, and of batches that are larger than the data."""
    samples, batch_size = training.samples, training.estimator.batch_size
    if not training.incremental:
        _scaling.warn_of_constant(samples.y)
    rows = samples.X.shape[0]
    if not isinstance(batch_size, str) and batch_size > rows:
        warn(f"batch_size: found {batch_size}, more than the {rows} rows; clipped to that")


def _check_same(model: Sequential, sizes: list[int], objective: Objective) -> None:
    """Raise ValueError for parameters that describe another network than the present one."""
    if sizes_of(model) != sizes:
        raise ValueError(
            f"warm_start, partial_fit: found layers of {sizes} units, wanted "
            f"{sizes_of(model)} as in the first fit"
        )
    activation = str(dense_layers(model)[-1].activation)
    if activation != objective.activation:
        raise ValueError(
            f"warm_start, partial_fit: found the loss {objective.name!r}, which wants the output "
            f"activation {objective.activation!r}, wanted a loss for {activation!r} as in the "
            "first fit"
        )

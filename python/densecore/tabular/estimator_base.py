"""The base class of the classifier and the regressor of tables."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    check_random_state,
    validate_data,
)

from .._base import checks
from .._base.dtypes import Array, Doubles
from .._base.lazy import imports
from .._base.warn import warn
from .._data.interop import is_masked, refuse_masked
from .frames import of_arrow
from .model import TableModel, load_table_model
from .preparation import ClassTarget, NumericTarget, Surprises
from .problem import Problem, problem_of
from .reader import Table, table_of, unmasked
from .recipe import Recipe, recipe_named
from .row_kernel import RowKernel
from .trained import Trained
from .training import fit

R = TypeVar("R")

TARGET = "target"
# Up to so many rows of numbers go without a table in between.
_FEW = 64


class TabularEstimator(BaseEstimator):
    """Parameters, the way from X and y to a table, training, files."""

    _classification: bool

    def __init__(
        self,
        recipe: str = "default",
        *,
        hidden: Sequence[int] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        folds: int | None = None,
        metric: str | None = None,
        time_limit: float | None = None,
        categorical: Sequence[str] = (),
        ignore: Sequence[str] = (),
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.recipe = recipe
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.folds = folds
        self.metric = metric
        self.time_limit = time_limit
        self.categorical = categorical
        self.ignore = ignore
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.non_deterministic = False
        return tags

    def _recipe(self) -> Recipe:
        hidden: tuple[int, ...] | None = None
        if self.hidden is not None:
            widths = checks.listed("hidden", self.hidden, "a list of widths")
            hidden = tuple(checks.width("hidden", units) for units in widths)
        rate = self.learning_rate
        return recipe_named(checks.text("recipe", self.recipe)).with_options(
            hidden=hidden,
            epochs=checks.optional("epochs", self.epochs),
            batch_size=checks.optional("batch_size", self.batch_size),
            learning_rate=None if rate is None else checks.number("learning_rate", rate, above=0),
            folds=checks.optional("folds", self.folds, 0),
        )

    def _time_limit(self) -> float | None:
        limit = self.time_limit
        return None if limit is None else checks.number("time_limit", limit, above=0)

    def _names(self, argument: str) -> Sequence[str]:
        """A list of columns' names."""
        names = getattr(self, argument)
        listed = isinstance(names, list | tuple | set | frozenset)
        if not listed and getattr(names, "ndim", 0) != 1:
            raise TypeError(f"{argument}: found {checks.shown(names)}, wanted a list of names")
        return [checks.text(argument, name) for name in names]

    def _table(self, X: Any, reset: bool) -> Table:
        """X as a table; n_features_in_ and feature_names_in_ are set or checked."""
        X = of_arrow(X)
        if is_masked(X):
            X = unmasked(X)
        if isinstance(X, Table | str | os.PathLike) or type(X) is dict:
            table = table_of(X)
            if reset:
                self.n_features_in_ = len(table.names)
            return table
        if not reset and self.__dict__.get("_by_name"):
            return table_of(X)  # its columns are found by name, the target may be among them
        frame = hasattr(X, "columns") and not isinstance(X, np.ndarray)
        if not frame:
            X = check_array(
                X, dtype=None, ensure_all_finite=False, accept_sparse=False, ensure_min_samples=1,
                estimator=self,
            )  # fmt: skip
            if X.dtype.kind == "f" and np.isinf(X).any():
                raise ValueError(f"{type(self).__name__}: Input X contains infinity")
        validate_data(self, X, reset=reset, skip_check_array=True)
        if len(X) == 0:
            raise ValueError(
                f"Found array with 0 sample(s) while a minimum of 1 is required by "
                f"{type(self).__name__}."
            )
        return table_of(X)

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any, executor: Any) -> Problem:
        recipe = self._recipe()
        table = self._table(X, True)
        bins = recipe.settings(self._classification).bins
        options = {
            "task": "classification" if self._classification else "regression",
            "ignore": self._names("ignore"),
            "categorical": self._names("categorical"),
            "bins": bins,
            "dtype": recipe.dtype,
            "bend": bool(recipe.hidden),
        }
        self._by_name = isinstance(y, str)
        if self._by_name:
            targets = [y]
            self.n_features_in_ = len(table.names) - 1
            self.__dict__.pop("feature_names_in_", None)
        else:
            check_consistent_length(np.empty(len(table)), y)
            table, targets = self._with_target(table, y), [TARGET]
        if len(table) == 1:
            raise ValueError("Found array with n_samples=1, wanted several rows")
        weight: Any = sample_weight
        refuse_masked("sample_weight", sample_weight)
        if sample_weight is not None and not isinstance(sample_weight, str):
            weight = _check_sample_weight(sample_weight, np.empty((len(table), 1)))
        problem = problem_of(table, targets, weight=weight, group=groups, **options)  # type: ignore[arg-type]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        trained: Trained = fit(
            problem,
            recipe,
            seed,
            metric=self.metric,
            time_limit=self._time_limit(),
            linear=False,
            executor=executor,
        )
        self.model_: TableModel = trained.model
        self.scores_ = trained.scores
        self.left_out_ = problem.left_out
        self._kernel = self._make_kernel()
        return problem

    def _make_kernel(self) -> RowKernel | None:
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            if self._by_name:
                return None
            names = [f"x{i}" for i in range(self.n_features_in_)]
        return RowKernel.of(self.model_.preparation, list(names))

    def _with_target(self, table: Table, y: Array) -> Table:
        raise NotImplementedError

    def _answers(self, X: Any) -> Doubles:
        if "model_" not in self.__dict__:
            check_is_fitted(self)
        if (
            type(X) is np.ndarray
            and X.ndim == 2
            and 0 < len(X) <= _FEW
            and X.dtype.kind in "iuf"
            and not hasattr(self, "feature_names_in_")
            and X.shape[1] == getattr(self, "n_features_in_", -1)
            and self.__dict__.get("_kernel") is not None
            and (X.dtype.kind != "f" or not np.isinf(X).any())
        ):
            model = self.model_
            kernel = self._kernel
            assert kernel is not None
            inputs = kernel(X, model.preparation.bend, model.dtype)
            return model.outputs_of_few(inputs)
        return self._told(self.model_.outputs, self._table(X, False))

    def _told(self, ask: Callable[..., R], table: Table, *given: Any) -> R:
        """A function of the model applied to a table; a warning tells of new categories in it."""
        seen = Surprises()
        answers = ask(table, *given, seen=seen)
        if seen.counts:
            warn(f"{type(self).__name__}: {seen.sentence()}", UserWarning)
        return answers

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model; ``densecore predict`` and `load` read it.

        Raises
        ------
        NotFittedError, OSError
        """
        check_is_fitted(self)
        self.model_.save(path)

    def export(self, path: str | os.PathLike[str], *, int8: bool = False) -> str:
        """Write the inference for other programs, the preparation of the columns included.

        Parameters
        ----------
        path : str or path-like
            Ends in ``.onnx`` (inputs by column name) or ``.h`` (a C99 function that takes the
            columns).
        int8 : bool, default False
            Of a C header: kernels of 8 bits.

        Returns
        -------
        str
            A line that says what was written.

        Raises
        ------
        NotFittedError, ValueError, OSError
            Nothing is written then.
        """
        with imports:
            from .export import export

        check_is_fitted(self)
        return export(self.model_, path, int8=int8, **self._labels())

    def _labels(self) -> dict[str, Any]:
        return {}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """An estimator with a model that `save` or ``densecore train`` has written.

        It predicts, and its parameters are the defaults.

        Raises
        ------
        OSError, ValueError
            The file cannot be read, is damaged, or holds a model of the other task.
        """
        made = cls()
        made.model_ = load_table_model(path)
        target = made.model_.target
        if isinstance(target, ClassTarget) is not cls._classification:
            raise ValueError(
                f"{os.fspath(path)}: found a model of another task than {cls.__name__}"
            )
        made.n_features_in_ = len(made.model_.preparation.features)
        made.scores_ = made.model_.card.get("scores", {})
        made.left_out_ = made.model_.card.get("left_out", {})
        made._by_name = True
        made._loaded(target)
        made._kernel = None
        return made

    def _loaded(self, target: ClassTarget | NumericTarget) -> None:
        pass

"""scikit-learn's kind of estimators for tables: what the command line does, in Python."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_is_fitted,
    column_or_1d,
)

from .._base import checks
from .._base.dtypes import Array, Doubles
from .._base.lazy import imports
from .._base.restoring import all_or_nothing
from .._data.interop import refuse_masked
from .columns import from_numbers, from_texts
from .errors import TableError
from .estimator_base import TARGET, TabularEstimator
from .frames import different_values
from .preparation import ClassTarget, NumericTarget
from .reader import Table
from .words import category_key


def _is_nothing(label: Any) -> bool:
    """Whether it is None, NaN, or pandas's NA, whose comparisons have no truth."""
    return label is None or type(label).__name__ == "NAType" or bool(label != label)


class TabularClassifier(ClassifierMixin, TabularEstimator):
    """Networks for a table of numbers, categories and dates that predict a class.

    Missing values, unseen categories, constant columns and identifiers are taken care of; see
    ``docs/tables.md``.

    Parameters
    ----------
    recipe : {"quick", "default", "best"}
        How much is trained.
    hidden : sequence of int, optional
        Widths of the hidden layers, in place of the recipe's.
    epochs, batch_size, learning_rate : optional
        In place of the recipe's.
    folds : int, optional
        Parts of the rows, each of which is held out from some networks.
    metric : {"accuracy", "log_loss", "auc", "f1", "balanced_accuracy"}, optional
        What the model should be good at.
    time_limit : float, optional
        Seconds of training, by fewer epochs and networks than the recipe has.
    categorical, ignore : sequence of str, default ()
        Columns that are categories even if they hold numbers, and columns to leave out.
    class_weight : "balanced" or dict of class to factor, optional
    random_state : int, RandomState or None, default None

    Attributes
    ----------
    classes_ : ndarray (classes,)
    model_ : TableModel
    scores_ : dict
        Of rows that the networks were not trained on.
    left_out_ : dict
        Columns that are not used, and why.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        For data frames.

    Examples
    --------
    >>> import numpy as np
    >>> from densecore.tabular import TabularClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = TabularClassifier("quick", random_state=0).fit(x, x[:, 0] > 0)
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
    array([ True, False])
    """

    _classification = True

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
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            recipe, hidden=hidden, epochs=epochs, batch_size=batch_size,
            learning_rate=learning_rate, folds=folds, metric=metric, time_limit=time_limit,
            categorical=categorical, ignore=ignore, random_state=random_state,
        )  # fmt: skip
        self.class_weight = class_weight

    @all_or_nothing
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        executor: Any = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : data frame, array (rows, columns), dict of columns, or path
        y : array (rows,), or the name of a column of X when X is a frame of a file or a path
        sample_weight : array (rows,) or name of a column, optional
        groups : array (rows,) or name of a column, optional
            Rows of one group are held out together.
        executor : optional
            Trains the networks in other processes or on other machines, see `Ensemble.fit`.

        Raises
        ------
        ValueError, TypeError
            Naming what was found and what is wanted.
        """
        weight = sample_weight
        if not isinstance(y, str):
            refuse_masked("y", y)
            y = column_or_1d(y, warn=True)
            if y.dtype == object:
                missing = np.array([_is_nothing(value) for value in y], bool)
                if missing.any():
                    raise ValueError(
                        f"Input y contains NaN or None, in row {int(np.argmax(missing))} first; "
                        "wanted a class for each row"
                    )
            check_classification_targets(y)
            self.classes_ = np.unique(y)
            if self.class_weight is not None:
                with imports:
                    from sklearn.utils.class_weight import compute_sample_weight

                if isinstance(self.class_weight, Mapping):
                    for label, factor in self.class_weight.items():
                        checks.number(f"class_weight: of class {label!r}", factor, least=0)
                factors = compute_sample_weight(self.class_weight, y)
                weight = factors if weight is None else _check_sample_weight(weight, y) * factors
        problem = self._fit(X, y, weight, groups, executor)
        target = problem.preparation.target
        assert isinstance(target, ClassTarget)
        if isinstance(y, str):
            self.classes_ = _classes_of(X, y, target)
        self._order = self._outputs_of_classes()
        return self

    def _loaded(self, target: ClassTarget | NumericTarget) -> None:
        assert isinstance(target, ClassTarget)
        self.classes_ = np.array(target.classes)
        self._order = self._outputs_of_classes()

    def _with_target(self, table: Table, y: Array) -> Table:
        if len(self.classes_) < 2:
            raise TableError(
                f"{type(self).__name__}: found one class, {self.classes_[0]}, wanted at least "
                "two classes"
            )
        texts = [str(value) for value in self.classes_]
        made = from_texts(TARGET, "y", range(len(y)), [texts[i] for i in np.searchsorted(
            self.classes_, y)], False)  # fmt: skip
        made.exact = True
        return Table(table.path, [*table, made], len(table))

    def _outputs_of_classes(self) -> NDArray[np.intp]:
        """The network's output of each class."""
        target = self.model_.target
        assert isinstance(target, ClassTarget)
        place = {category_key(name): i for i, name in enumerate(target.classes)}
        return np.array([place[category_key(str(value))] for value in self.classes_], np.intp)

    def _labels(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "order": self._order.tolist()}

    def predict_proba(self, X: Any) -> Doubles:
        """Calibrated probabilities (rows, classes), in the order of ``classes_``."""
        return self._answers(X)[:, self._order]

    def predict(self, X: Any) -> Array:
        """The likeliest class (rows,)."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])


def _classes_of(data: Any, name: str, target: ClassTarget) -> Array:
    """The classes as the values of a frame's column; of a file, as texts."""
    if isinstance(data, dict) or (hasattr(data, "columns") and not hasattr(data, "num_rows")):
        values = different_values(data, name)
        keys = [] if values is None else [category_key(str(value)) for value in values]
        if set(keys) == {category_key(each) for each in target.classes} and (
            len(keys) == len(target.classes)
        ):
            assert values is not None
            return values
    return np.array(target.classes)


class TabularRegressor(RegressorMixin, TabularEstimator):
    """Networks for a table of numbers, categories and dates that predict a number.

    Parameters and attributes are those of `TabularClassifier`, but for those of classes; `metric`
    is one of ``rmse``, ``mae``, ``r2``.

    Examples
    --------
    >>> import numpy as np
    >>> from densecore.tabular import TabularRegressor
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = TabularRegressor("quick", random_state=0).fit(x, 3 * x[:, 0])
    >>> bool(abs(model.predict([[1.0, 0.0]])[0] - 3) < 1)
    True
    """

    _classification = False

    @all_or_nothing
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        executor: Any = None,
    ) -> Self:
        """Train; arguments as of `TabularClassifier.fit`, with numbers for `y`.

        Raises
        ------
        ValueError, TypeError
            Naming what was found and what is wanted.
        """
        if not isinstance(y, str):
            refuse_masked("y", y)
            y = column_or_1d(y, warn=True)
            y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=self)
        self._fit(X, y, sample_weight, groups, executor)
        return self

    def _with_target(self, table: Table, y: Array) -> Table:
        made = from_numbers(TARGET, "y", range(len(y)), np.asarray(y, np.float64))
        return Table(table.path, [*table, made], len(table))

    def predict(self, X: Any) -> Doubles:
        """Predicted numbers (rows,)."""
        return self._answers(X)[:, 0]

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[Doubles, Doubles]:
        """Lower and upper ends (rows,) that hold the truth with probability `level`.

        Raises
        ------
        ValueError
            `level` is not between 0 and 1.
        """
        check_is_fitted(self)
        assert isinstance(self.model_.target, NumericTarget)
        low, high = self._told(self.model_.interval, self._table(X, False), level)
        return low[:, 0], high[:, 0]

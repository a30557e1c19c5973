"""A table as a problem to be learnt: which column is predicted, from what, on which rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array, Doubles
from .errors import TableError, counted
from .preparation import ClassTarget, NumericFeature, NumericTarget, Preparation
from .reader import Table
from .selection import is_classification, select
from .target_means import learn_means


@dataclass
class Problem:
    """The rows with a known target, prepared.

    Attributes
    ----------
    table : Table
    preparation : Preparation
        The features and the target, fitted on these rows.
    table_rows : ndarray (rows,)
        The numbers of the rows in the table.
    x : ndarray (rows, inputs)
    y : ndarray (rows,) of class numbers, or (rows, outputs) in the targets' own units
    weight : ndarray (rows,) or None
        With a mean of 1.
    groups : ndarray (rows,) or None
        Numbers of groups of rows that must not be split.
    left_out : dict
        Columns that are not used, and why.
    notes : list of str
        Sentences for the user about the table.
    """

    table: Table
    preparation: Preparation
    table_rows: NDArray[np.intp]
    x: Array
    y: Array
    weight: Doubles | None
    groups: NDArray[np.int32] | None
    left_out: dict[str, str]
    notes: list[str] = field(default_factory=list)

    @property
    def classification(self) -> bool:
        """Whether classes are predicted, not numbers."""
        return isinstance(self.preparation.target, ClassTarget)

    @property
    def labels(self) -> NDArray[np.int32] | None:
        """Class numbers (rows,), None for a regression."""
        return self.y if self.classification else None

    def refuse_missing(self) -> None:
        """Raise TableError at the first missing value of a column of use."""
        for feature in self.preparation.features:
            column = self.table.column(feature.name)
            missing = column.missing()[self.table_rows]
            if missing.any():
                row, count = int(self.table_rows[np.argmax(missing)]), int(missing.sum())
                more = f" ({count} in the column)" if count > 1 else ""
                raise TableError(
                    f"{column.where(row)}: the value is missing{more}; --missing learn takes it"
                )

    def weight_of(self, rows: Any) -> Doubles | None:
        """The weights of some rows, by their numbers among these; None if all weigh the same."""
        return None if self.weight is None else self.weight[rows]

    def network_targets(self) -> Array:
        """The targets that networks are trained on: class numbers, or scaled numbers."""
        target = self.preparation.target
        return self.y if isinstance(target, ClassTarget) else target.scale(self.y)

    def with_logarithm(self) -> "Problem | None":
        """The same with a target that is learnt as a logarithm; None when it is not to be.

        It is for one target without negative numbers and with a long tail.
        """
        target = self.preparation.target
        if not isinstance(target, NumericTarget) or target.outputs > 1 or self.y.min() < 0:
            return None
        values = self.y[:, 0]
        deviation = float(values.std())
        if deviation == 0:
            return None
        skew = float((((values - values.mean()) / deviation) ** 3).mean())
        if skew < 1:
            return None
        columns = [self.table.column(name) for name in target.names]
        counting = self.table_rows if self.weight is None else self.table_rows[self.weight > 0]
        other = NumericTarget.fit(columns, counting, log=True)
        preparation = replace(self.preparation, target=other)
        return replace(self, preparation=preparation)


def problem_of(
    table: Table,
    targets: Sequence[str],
    *,
    task: str | None = None,
    ignore: Collection[str] = (),
    categorical: Collection[str] = (),
    weight: str | Array | None = None,
    group: str | Array | None = None,
    class_weight: str | dict[str, float] | None = None,
    bend: bool = True,
    bins: int = 0,
    dtype: str = "float32",
) -> Problem:
    """Prepare a table for the prediction of some of its columns.

    Parameters
    ----------
    task : {"classification", "regression"}, optional
        By default the target's contents decide.
    ignore, categorical : collection of str
        Columns that are not used; columns whose numbers are categories. None by default.
    weight : column or ndarray (rows,), optional
        How much each row counts, >= 0.
    group : column or ndarray (rows,), optional
        Rows of one group are held out together.
    class_weight : "balanced" or dict of class name to factor, optional
    bend : bool, default True
        Whether scaled numbers far from 0 are compressed, see `scaling.bent`.
    bins : int, default 0
        Into how many intervals each column of numbers is cut, as inputs besides it; fewer where
        there would be too many inputs.
    dtype : {"float32", "float64"}, default "float32"
        Of x.

    Raises
    ------
    TableError, ValueError
        Naming the column or the option, what was found and what is wanted.
    """
    if len(set(targets)) != len(targets):
        raise ValueError("--target: the same column twice")
    columns = [table.column(name) for name in targets]
    # pandas calls a column without a name so.
    ignore = ["" if n == "Unnamed: 0" and "" in table and n not in table else n for n in ignore]
    left = set(ignore)
    for option, names in (("ignore", ignore), ("categorical", categorical)):
        for name in names:
            table.column(name)
            if name in targets:
                raise ValueError(f"--{option}: '{name}' is the target")
    for option, given in (("weight", weight), ("group", group)):
        if isinstance(given, str):
            table.column(given)
            if given in targets:
                raise ValueError(f"--{option}: '{given}' is the target")
            left.add(given)
    notes = list(table.notes)
    for column in columns:
        if column.missing().all():
            raise TableError(f"{table.path}: the target '{column.name}' is missing in all rows")
    classification = is_classification(columns, task)
    if classification:
        known = columns[0].texts()[0] >= 0
        class_target = ClassTarget.fit(columns[0])
    else:
        values = NumericTarget.values(columns)
        known = np.asarray(np.isfinite(values).all(axis=1), bool)
        if not known.any():
            raise TableError(f"{table.path}: a target is missing in every row")
    rows = np.flatnonzero(known)
    notes += [
        f"the target '{column.name}' is a date: its predictions are seconds since 1970-01-01"
        for column in columns
        if not classification and column.kind == "moments"
    ]
    if len(rows) < len(table):
        notes.append(f"{counted(len(table) - len(rows), 'row')} without a target left out")
    weights = _weights(table, weight, rows)
    # A row that does not count says nothing of scales, categories and ranges either.
    counts = np.ones(len(rows), bool) if weights is None else weights > 0
    counting = rows[counts]
    selection = select(table, counting, targets, left, categorical)
    for given, option in ((weight, "the weight"), (group, "the group")):
        if isinstance(given, str):
            selection.left_out[given] = option
    target: ClassTarget | NumericTarget
    if classification:
        target = class_target
        y: Array = class_target.labels(columns[0])[rows]
    else:
        target = NumericTarget.fit(columns, counting, log=False)
        y, counted_y = values[rows], values[counting]
        same = counted_y.max(axis=0) == counted_y.min(axis=0)
        if same.any():
            j = int(np.argmax(same))
            found = columns[j].text(int(counting[0]))
            raise TableError(
                f"{table.path}: the target '{targets[j]}' is {found} in all rows; wanted at least "
                "two values"
            )
    if class_weight is not None:
        if not isinstance(target, ClassTarget):
            raise ValueError("class_weight: found a regression, which has no classes")
        factors = _class_factors(target, y, class_weight)
        weights = factors[y] if weights is None else weights * factors[y]
    if weights is not None:
        weights = weights / weights.mean()
    preparation = Preparation(selection.features, target, bend)
    affordable = affordable_bins(preparation, len(rows), bins)
    if bins:  # a recipe with further inputs than the columns' values
        known_weights = None if weights is None else weights[counts]
        notes += learn_means(preparation, table, counting, y[counts], known_weights)
    if affordable:
        preparation.cut_numbers(table, counting, affordable)
    x = preparation.transform(table, dtype)
    return Problem(
        table,
        preparation,
        rows,
        x if len(rows) == len(x) else np.ascontiguousarray(x[rows]),
        y,
        weights,
        _groups(table, group, rows),
        selection.left_out,
        notes + selection.notes,
    )


# Bins are for tables that stay small with them: inputs of a row, and numbers of all rows (200 MB).
_MOST_INPUTS = 4096
_MOST_NUMBERS = 5e7
_FEWEST_BINS = 4


def affordable_bins(preparation: Preparation, rows: int, bins: int) -> int:
    """As many of the bins as keep the inputs within bounds, 0 when these would be too few."""
    numbers = sum(isinstance(feature, NumericFeature) for feature in preparation.features)
    if not numbers or not bins:
        return 0
    room = min(_MOST_INPUTS, _MOST_NUMBERS / rows) - preparation.inputs
    possible = min(bins, int(room / numbers) - 1)  # and a line
    return possible if possible >= _FEWEST_BINS else 0


def _weights(table: Table, weight: str | Array | None, rows: NDArray[np.intp]) -> Any:
    if weight is None:
        return None
    if isinstance(weight, str):
        column = table.column(weight)
        values, where = column.numbers()[rows], column.where
    else:
        values = np.asarray(weight, np.float64)[rows]

        def where(row: int) -> str:
            return f"weight of row {row}"

    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        row = int(np.argmax(bad))
        at = int(rows[row])
        found = f"'{table.column(weight).text(at)}'" if isinstance(weight, str) else values[row]
        raise TableError(f"{where(at)}: found {found}, wanted a weight that is finite and >= 0")
    if values.sum() == 0:
        raise TableError(f"{table.path}: all weights are 0, wanted at least one above")
    return values.astype(np.float64)


def _groups(table: Table, group: str | Array | None, rows: NDArray[np.intp]) -> Any:
    if group is None:
        return None
    if isinstance(group, str):
        codes = table.column(group).texts()[0][rows]
    else:
        texts = np.asarray(group)[rows].astype(str)
        codes = np.unique(texts, return_inverse=True)[1].astype(np.int32)
    return np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int32)


def _class_factors(
    target: ClassTarget, labels: Array, class_weight: str | dict[str, float]
) -> Doubles:
    counts = np.bincount(labels, minlength=len(target.classes)).astype(np.float64)
    if class_weight == "balanced":
        made: Doubles = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return made
    if not isinstance(class_weight, dict):
        raise ValueError(
            f"class_weight: found {class_weight!r}, wanted 'balanced' or a factor per class"
        )
    unknown = [name for name in class_weight if str(name) not in target.classes]
    if unknown:
        raise ValueError(
            f"class_weight: unknown class {unknown[0]!r}; known: {', '.join(target.classes)}"
        )
    names = {str(name): float(value) for name, value in class_weight.items()}
    return np.array([names.get(name, 1.0) for name in target.classes])

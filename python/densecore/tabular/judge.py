"""A model judged on a table whose targets are known."""

import numpy as np

from .errors import TableError
from .model import TableModel
from .preparation import ClassTarget, NumericTarget
from .reader import Table
from .scores import calibration_error, class_scores, number_scores


def judge(model: TableModel, table: Table) -> tuple[dict[str, dict[str, float]], int]:
    """The scores of each target, and the rows with a known one.

    Raises
    ------
    TableError
        The table has no column of a target, or no row with a known one.
    """
    target = model.target
    answers = model.outputs(table)
    if isinstance(target, ClassTarget):
        labels = target.labels(table.column(target.name))
        rows = np.flatnonzero(labels >= 0)
        if rows.size == 0:
            raise TableError(f"{table.path}: no row has a known class of '{target.name}'")
        found = class_scores(answers[rows], labels[rows])
        found["calibration_error"] = calibration_error(answers[rows], labels[rows])
        return {target.name: found}, int(rows.size)
    values = NumericTarget.values([table.column(name) for name in target.names])
    rows = np.flatnonzero(~np.isnan(values).any(axis=1))
    if rows.size == 0:
        raise TableError(f"{table.path}: no row has a known '{target.names[0]}'")
    return {
        name: number_scores(answers[rows, j], values[rows, j])
        for j, name in enumerate(target.names)
    }, int(rows.size)

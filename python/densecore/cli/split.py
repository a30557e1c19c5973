"""From a table to what a network is trained on: its columns chosen, its rows split, all scaled."""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from densecore.tabular.preparation import (
    ClassTarget,
    Feature,
    NumericTarget,
    Preparation,
    fit_feature,
    is_numeric,
    refuse_overflow,
)
from densecore.tabular.reader import Column, Table, TableError, counted

# A target of whole numbers is taken as classes up to this many different ones.
MAX_INTEGER_CLASSES = 20

Indices = NDArray[np.intp]


@dataclass
class Problem:
    """The table, cut and scaled."""

    preparation: Preparation
    x: NDArray[Any]
    linear_x: NDArray[np.float64] | None  # what a linear model would be given; None for classes
    y: NDArray[Any]  # class numbers (rows,), or the targets in their own units (rows, outputs)
    training: Indices
    validation: Indices

    @property
    def classes(self) -> ClassTarget | None:
        target = self.preparation.target
        return target if isinstance(target, ClassTarget) else None

    def network_targets(self) -> NDArray[Any]:
        """What the network is trained on: class numbers, or scaled targets."""
        target = self.preparation.target
        return self.y if isinstance(target, ClassTarget) else target.scale(self.y)


def prepare(table: Table, options: argparse.Namespace) -> Problem:
    """Choose the columns, split the rows, and learn the scaling from the training part."""
    targets = [table.column(name) for name in options.target]
    if len(set(options.target)) != len(options.target):
        raise ValueError("--target: the same column twice")
    for option in ("ignore", "categorical"):
        for name in getattr(options, option):
            table.column(name)
            if name in options.target:
                raise ValueError(f"--{option}: '{name}' is the target")
    names = [n for n in table.names if n not in options.target and n not in options.ignore]
    if not names:
        raise TableError(f"{table.path}: found no column besides the target, wanted at least one")

    classification = _is_classification(targets, options.task)
    labels: NDArray[np.int32] | None = None
    if classification:
        class_target = ClassTarget.fit(targets[0])
        labels = class_target.labels(targets[0])
    training, validation = _split(table, labels, options)
    if classification:
        target: ClassTarget | NumericTarget = class_target
        y: NDArray[Any] = class_target.labels(targets[0])
    else:
        for column in targets:
            refuse_overflow(column, options.dtype)
        target = NumericTarget.fit(targets, training)
        y = NumericTarget.values(targets)
    fill = options.missing == "mean"
    features: list[Feature] = [
        fit_feature(table.column(name), training, fill, name in options.categorical)
        for name in names
    ]
    # Without hidden layers the model is to be linear in what the table says.
    preparation = Preparation(features, target, bend=bool(options.hidden))
    x = preparation.transform(table, options.dtype)
    linear_x = None if classification else preparation.linear_inputs(table)
    return Problem(preparation, x, linear_x, y, training, validation)


def _is_classification(targets: list[Column], task: str | None) -> bool:
    if len(targets) > 1:
        if task == "classification":
            raise ValueError("--task classification: found several targets, wanted one")
        return False
    if task is not None:
        return task == "classification"
    column = targets[0]
    booleans = {value.lower() for value in column.values} <= {"true", "false"}
    if booleans or not is_numeric(column):
        return True
    values = column.numbers()
    if np.isnan(values).any() or not (values == np.floor(values)).all():
        return False  # a text among numbers is reported as such
    different = np.unique(values).size
    return different <= MAX_INTEGER_CLASSES and 5 * different <= values.size


def _split(
    table: Table, labels: NDArray[np.int32] | None, options: argparse.Namespace
) -> tuple[Indices, Indices]:
    """Row numbers of the two parts; each class in proportion when there are classes."""
    rng = np.random.default_rng(options.seed)
    share = options.validation_split
    groups = [np.arange(len(table))] if labels is None else [
        np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)
    ]  # fmt: skip
    training, validation = [], []
    for group in groups:
        order = rng.permutation(group)
        held_out = int(len(group) * share + 0.5)
        # Every class is to be learnt; a class of one row is only learnt.
        held_out = min(held_out, len(group) - 1)
        validation.append(order[:held_out])
        training.append(order[held_out:])
    parts = np.sort(np.concatenate(training)), np.sort(np.concatenate(validation))
    if not len(parts[0]) or not len(parts[1]):
        raise TableError(
            f"{table.path}: found {counted(len(table), 'row')}"
            f"{'' if labels is None else f' in {len(groups)} classes'}, too few to hold out a "
            f"share of {share:g} for validation"
        )
    return parts

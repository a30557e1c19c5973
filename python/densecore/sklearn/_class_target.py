"""Classes, and labels of which a row may have several, as targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from .._base import checks
from .._base.dtypes import Array
from ._objective import Objective
from ._targets import Reader, Target

# Above it, not every integer is a float64: neighbours would become one class.
LARGEST_EXACT = 2.0**53
ClassWeight = Mapping[Any, float] | Sequence[Mapping[Any, float]] | str | None


def _check_factors(class_weight: ClassWeight) -> None:
    """Raise TypeError or ValueError for a factor that is no finite number >= 0."""
    if isinstance(class_weight, Mapping):
        for label, factor in class_weight.items():
            checks.number(f"class_weight: of class {label!r}", factor, least=0)
    elif class_weight is not None and not isinstance(class_weight, str):
        for each in class_weight:  # one for each label of a row
            if isinstance(each, Mapping):
                _check_factors(each)


class ClassTarget(Target):
    """Classes, or labels of which a row may have several.

    Parameters
    ----------
    classes : ndarray
        Sorted; of labels, their numbers.
    labels : int or None
        How many labels, if a row may have several.
    class_weight : dict, "balanced", list of dict or None
    """

    def __init__(self, classes: Array, labels: int | None, class_weight: ClassWeight) -> None:
        self.classes = classes
        self.labels = labels
        self.class_weight = class_weight
        if labels is not None:
            self.objective = Objective("multilabel", labels)
        elif len(classes) < 3:
            self.objective = Objective("binary", 1)
        else:
            self.objective = Objective("multiclass", len(classes))

    @property
    def kind(self) -> str:
        """ "binary", "multiclass" or "multilabel"."""
        return self.objective.name

    def check(self, y: Array) -> None:
        """Raise ValueError for y (rows, labels) after classes (rows,), and the reverse.

        Classes that are unknown are found by `encode`.
        """
        if y.ndim == 2:
            _check_labels(y)
        elif y.dtype.kind == "f":
            _check_exact(y)
        if (None if y.ndim == 1 else y.shape[1]) != self.labels:
            raise ValueError(
                f"y: found shape {y.shape}, wanted {self.kind} targets as in the first fit"
            )

    def encode(self, y: Array, name: str = "y") -> Array:
        if self.labels is not None:
            if y.ndim != 2 or y.shape[1] != self.labels:
                raise ValueError(
                    f"{name}: found shape {y.shape}, wanted (rows, {self.labels}) labels as in fit"
                )
            return y.astype(np.float64)
        numbers = self.numbers(y, name)
        return numbers[:, None].astype(np.float64) if self.kind == "binary" else numbers

    def numbers(self, y: Array, name: str = "y") -> Array:
        """The place of each row's class in `classes`; errors call y by `name`."""
        classes = self.classes
        if y.dtype != classes.dtype:
            classes, y = _comparable(classes, y)
        try:
            numbers = np.searchsorted(classes, y)
            numbers[numbers == len(classes)] = 0
            known = classes[numbers] == y
        except TypeError:  # classes that have no order, such as numbers and strings
            known = np.zeros(len(y), bool)
        if not known.all():
            unknown = list(dict.fromkeys(y[~known].tolist()))
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes}: unknown are {unknown[:10]}{' …' if len(unknown) > 10 else ''}"
            )
        return numbers

    def row_weights(self, y: Array, weights: Array | None) -> Array | None:
        if self.class_weight is None:
            return weights
        balanced = self.class_weight == "balanced"
        if balanced and weights is not None and self.labels is None:
            # Classes weigh the same together: with weights as with rows repeated as often.
            numbers = self.numbers(y)
            totals = np.bincount(numbers, weights, minlength=len(self.classes))
            totals[totals == 0] = 1
            factors: Array = (weights.sum() / (len(self.classes) * totals))[numbers]
        else:
            _check_factors(self.class_weight)
            factors = compute_sample_weight(self.class_weight, y)
        return factors if weights is None else weights * factors

    def strata(self, y: Array) -> Array | None:
        # As scikit-learn, which stratifies when there is one output.
        return y if self.kind == "binary" else None

    def fitted_attributes(self) -> dict[str, Array]:
        return {"classes_": self.classes}

    def score(self, y: Array, outputs: Array, weights: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        right = self.classes_of(outputs) == y
        return float(np.average(right.all(axis=1) if right.ndim == 2 else right, weights=weights))

    def gradients(self, jacobian: Array) -> Array:
        return jacobian[:, 0] if self.kind == "binary" else jacobian

    # Decoding -----------------------------------------------------------------------------------

    def classes_of(self, outputs: Array) -> Array:
        """The most probable class (rows,) of outputs (rows, units); the labels of each row."""
        if self.labels is not None:
            return (outputs > 0.5).astype(int)
        if self.kind == "multiclass":
            chosen = outputs.argmax(axis=1)
        else:
            chosen = (outputs[:, 0] > 0.5).astype(int) * (len(self.classes) - 1)
        found: Array = self.classes[chosen]
        return found

    def probabilities(self, outputs: Array) -> Array:
        """Probabilities (rows, classes) of outputs (rows, units)."""
        if self.kind != "binary":
            return outputs
        if len(self.classes) == 1:
            return np.ones_like(outputs)
        both = np.empty((len(outputs), 2), outputs.dtype)
        both[:, :1], both[:, 1:] = 1 - outputs, outputs
        return both

    def read_class(self, out: Array) -> Reader:
        """`classes_of` a row."""
        if self.labels is not None:
            return lambda: self.classes_of(out)[0]
        known = list(self.classes)
        if self.kind == "multiclass":
            largest = out.argmax
            return lambda: known[largest()]
        probability, first, last = out.item, known[0], known[-1]
        return lambda: last if probability() > 0.5 else first

    def read_probabilities(self, out: Array) -> Reader:
        """`probabilities` of a row."""
        if self.kind != "binary" or len(self.classes) == 1:
            return lambda: self.probabilities(out)[0].copy()

        def read() -> Array:
            probability = out[0, 0]
            return np.array((1 - probability, probability), out.dtype)

        return read


def class_target(y: Array, classes: Array | None, class_weight: ClassWeight) -> ClassTarget:
    """The target of the first data.

    Parameters
    ----------
    y : ndarray (rows,) of classes, or (rows, labels) of 0 and 1
    classes : ndarray, optional
        All classes that there will ever be; by default those of y.
    class_weight : dict, "balanced", list of dict or None
    """
    if y.ndim == 2:
        return ClassTarget(np.arange(y.shape[1]), y.shape[1], class_weight)
    return ClassTarget(unique_labels(y) if classes is None else classes, None, class_weight)


def check_classes(y: Array) -> None:
    """Raise ValueError or TypeError unless y has classes (rows,), or labels (rows, labels).

    scikit-learn's own check says of most of these that the type is unknown.
    """
    if y.dtype.kind == "O" and y.ndim == 1:
        _check_objects(y)
    if y.dtype.kind == "f":
        _check_exact(y)
    check_classification_targets(y)
    if y.ndim == 2:
        _check_labels(y)


def _check_exact(y: Array) -> None:
    largest = np.abs(y).max()
    if largest > LARGEST_EXACT:
        raise ValueError(
            f"y: found class numbers up to {largest:.17g} as {y.dtype}, which cannot tell "
            "neighbouring integers apart, wanted integers or strings"
        )


def _check_labels(y: Array) -> None:
    if not ((y == 0) | (y == 1)).all():
        raise ValueError(
            f"y: found shape {y.shape} and values up to {y.max()}, wanted classes (rows,) or "
            "labels (rows, labels) of 0 and 1"
        )


def _check_objects(y: Array) -> None:
    missing = np.flatnonzero([value is None for value in y])
    if missing.size:
        raise ValueError(f"y: found None in row {missing[0]}, wanted a class for each row")
    types = {type(value) for value in y}
    strings = {each for each in types if issubclass(each, str)}
    if strings and strings != types:
        raise _mixed(types)


def refuse_mixed(y: Any) -> None:
    """Raise TypeError for a list of strings and numbers: NumPy would make 1 and "1" one class."""
    if isinstance(y, list | tuple):
        types = {type(value) for value in y if value is not None}
        if len(types) > 1 and not all(issubclass(each, str) for each in types) and str in types:
            raise _mixed(types)


def _mixed(types: set[type]) -> TypeError:
    names = ", ".join(sorted(each.__name__ for each in types))
    return TypeError(f"y: found classes of the types {names}, wanted strings or numbers only")


def _comparable(classes: Array, y: Array) -> tuple[Array, Array]:
    """Both in types whose comparison neither rounds numbers nor takes a number for its digits."""
    kinds = {classes.dtype.kind, y.dtype.kind}
    if kinds == {"U"}:
        return classes, y
    if kinds <= set("biuf"):
        exact = np.result_type(classes, y).kind != "f" or kinds == {"f"}
        if exact or all(np.abs(a.astype(float)).max() < LARGEST_EXACT for a in (classes, y)):
            return classes, y
    return classes.astype(object), y.astype(object)

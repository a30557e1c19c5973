"""The targets of an estimator: encoded for the core, and decoded from the network's outputs.

A `Target` is made from the first data and holds all that a classifier and a regressor differ in;
the rest of the package asks it, and never which of the two it works for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from .._base.dtypes import Array
from ._objective import Objective
from ._scaling import moments

# Made for the outputs (1, units) of a bound row: reads the answer out of them.
Reader = Callable[[], Any]

# Above it, not every integer is a float64: neighbours would become one class.
LARGEST_EXACT = 2.0**53


class Target(ABC):
    """The targets of one estimator."""

    objective: Objective

    @abstractmethod
    def encode(self, y: Array, name: str = "y") -> Array:
        """y, as ``score`` takes it, as the core's targets; errors call it by `name`."""

    @abstractmethod
    def score(self, y: Array, outputs: Array, weights: Array | None) -> float:
        """As ``score`` of the estimator, for the network's outputs; NaN if these are not finite."""

    @abstractmethod
    def gradients(self, jacobian: Array) -> Array:
        """∂prediction/∂X from the outputs' ∂output/∂X (rows, units, features)."""

    def row_weights(self, y: Array, weights: Array | None) -> Array | None:
        """The weight of each row, given `sample_weight`."""
        return weights

    def strata(self, y: Array) -> Array | None:
        """The classes whose shares held out rows are to keep."""
        return None

    def fitted_attributes(self) -> dict[str, Array]:
        """The estimator's public attributes that follow from this, by name."""
        return {}

    def read_outputs(self, out: Array) -> Reader:
        """The outputs themselves."""
        return lambda: out


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

    def __init__(self, classes: Array, labels: int | None, class_weight: Any) -> None:
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


def class_target(y: Array, classes: Array | None, class_weight: Any) -> ClassTarget:
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


class ValueTarget(Target):
    """Numbers.

    Parameters
    ----------
    objective : Objective
    described : tuple
        The parameters that the objective was made from: `loss` and `quantile`.
    scaling : (mean, scale), each an ndarray (outputs,), optional
        The network is trained on (y - mean) / scale.
    """

    def __init__(
        self,
        objective: Objective,
        described: tuple[Any, Any],
        scaling: tuple[Array, Array] | None = None,
    ) -> None:
        self.objective = objective
        self.described = described
        self.scaling = scaling

    @property
    def levels(self) -> Sequence[float]:
        """The quantiles that are estimated; empty for any other loss."""
        return self.objective.levels

    @property
    def learns_deviations(self) -> bool:
        """Whether the network puts out a standard deviation for each prediction."""
        return self.objective.name == "gaussian_nll"

    def encode(self, y: Array, name: str = "y") -> Array:
        if y.dtype.kind not in "biuf":
            raise TypeError(f"{name}: found an array of {y.dtype}, wanted numbers")
        targets = y.reshape(len(y), -1).astype(np.float64)
        if targets.shape[1] != self.objective.outputs:
            raise ValueError(
                f"{name}: found {targets.shape[1]} outputs, wanted {self.objective.outputs} as in "
                "fit"
            )
        if self.objective.name == "poisson" and targets.min() < 0:
            raise ValueError(
                f"{name}: found {targets.min()}, wanted targets >= 0 for loss='poisson'"
            )
        if self.scaling is None:
            return targets
        mean, scale = self.scaling
        return (targets - mean) / scale

    def fitted_attributes(self) -> dict[str, Array]:
        if self.scaling is None:
            return {}
        return dict(zip(("target_mean_", "target_scale_"), self.scaling, strict=True))

    def score(self, y: Array, outputs: Array, weights: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        return self.score_of_predictions(y, self.estimates(outputs)[0], weights)

    def score_of_predictions(self, y: Array, predictions: Array, weights: Array | None) -> float:
        """R², or of several quantiles the mean of their D² (of pinball losses)."""
        if len(self.levels) < 2:
            return float(r2_score(y, predictions, sample_weight=weights))
        scores = [
            d2_pinball_score(y, predictions[..., q], sample_weight=weights, alpha=level)
            for q, level in enumerate(self.levels)
        ]
        return float(np.mean(scores))

    def gradients(self, jacobian: Array) -> Array:
        each = max(len(self.levels), 1)
        jacobian = jacobian[:, : self.objective.outputs * each]
        if self.scaling is not None:
            scale = np.repeat(self.scaling[1], each).astype(jacobian.dtype)
            jacobian = jacobian * scale[:, None]
        return jacobian[:, 0] if jacobian.shape[1] == 1 else jacobian

    # Decoding -----------------------------------------------------------------------------------

    def estimates(self, outputs: Array) -> tuple[Array, Array | None]:
        """Predictions, and their standard deviations if learnt, in the targets' own units.

        Parameters
        ----------
        outputs : ndarray (rows, units)

        Returns
        -------
        ndarray (rows, outputs, quantiles)
            Without the last two axes where there is one output or one quantile.
        """
        count = self.objective.outputs
        deviation = None
        if self.learns_deviations:
            deviation = np.exp(outputs[:, count:] / 2)
            outputs = outputs[:, :count]
        outputs = outputs.reshape(len(outputs), count, -1)
        if self.scaling is not None:
            mean, scale = (array.astype(outputs.dtype) for array in self.scaling)
            outputs = outputs * scale[:, None] + mean[:, None]
            deviation = None if deviation is None else deviation * scale
        return self._flat(outputs), None if deviation is None else self._flat(deviation[..., None])

    def _flat(self, outputs: Array) -> Array:
        """(rows, outputs, quantiles) without the axes that have one entry."""
        if outputs.shape[2] == 1:
            outputs = outputs[..., 0]
        return outputs[:, 0] if self.objective.outputs == 1 else outputs

    def read_value(self, out: Array) -> Reader:
        """The prediction for a row: a number, or an array of several."""
        if self.objective.units > 1:
            return lambda: self.estimates(out.copy())[0][0]
        number = out.item
        if self.scaling is None:
            return number
        mean, scale = (array.item() for array in self.scaling)
        return lambda: number() * scale + mean


def value_target(
    objective: Objective, described: tuple[Any, Any], y: Array, weights: Array | None, scaled: bool
) -> ValueTarget:
    """The target of the first data.

    Parameters
    ----------
    objective, described
        As of `ValueTarget`.
    y : ndarray (rows,) or (rows, outputs)
    weights : ndarray (rows,) or None
    scaled : bool
        Whether the network is to be trained on standardised targets.

    Raises
    ------
    ValueError
        Counts are to be standardised.
    """
    if not scaled:
        return ValueTarget(objective, described)
    if objective.name == "poisson":
        raise ValueError(
            "scale_targets: found True with loss='poisson', wanted False: counts have no other unit"
        )
    mean, variance = moments(y.reshape(len(y), -1), weights)
    return ValueTarget(objective, described, (mean, np.sqrt(variance)))

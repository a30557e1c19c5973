"""Metrics that need all rows at once, in Python: best points of curves, overlaps, correlations."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from ..losses.base import Loss
from .base import Description, Metric, matched, weights
from .base import softmax as _softmax


class OfAllRows(Metric):
    """Base class: `_value` of all rows of an epoch, an evaluation, or since the last reset.

    `name` and `dtype` are as for `Metric`; `options` are those of the metric.
    """

    def __init__(self, name: str | None = None, dtype: str | None = None, **options: Any) -> None:
        super().__init__(name, dtype, **options)
        self._rows: list[tuple[Array, Array, Array | None]] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add some rows; see `Metric.update_state`."""
        outputs, targets, _ = matched(y_true, y_pred)
        self._rows.append((targets, outputs, weights(sample_weight, len(outputs))))

    def result(self) -> float:
        """The metric of all rows since the last `reset_state`; 0 when there were none."""
        if not self._rows:
            return 0.0
        targets, outputs, weight = zip(*self._rows, strict=True)
        counts = [np.ones(len(a)) if w is None else w for a, w in zip(outputs, weight, strict=True)]
        return self._of(np.concatenate(targets), np.concatenate(outputs), np.concatenate(counts))

    def reset_state(self) -> None:
        """Forget all rows."""
        self._rows = []

    def _describe(self, loss: Loss, outputs: int, weighted: bool) -> Description:
        link = loss.link if self._takes_shares else None

        def value(targets: Array, found: Array, weight: Array | None) -> float:
            if link is not None:
                found = _softmax(found) if link == "softmax" else 1 / (1 + np.exp(-found))
            return self._of(targets, found, np.ones(len(found)) if weight is None else weight)

        return value, {"weighted": weighted}

    #: Whether outputs are probabilities.
    _takes_shares = True

    def _of(self, targets: Array, outputs: Array, weight: Array) -> float:
        if targets.ndim == 1 and outputs.shape[1] > 1:  # class numbers
            targets = np.eye(outputs.shape[1])[targets.astype(np.int64)]
        targets = np.asarray(targets, np.float64).reshape(len(outputs), -1)
        return self._value(targets, np.asarray(outputs, np.float64), np.asarray(weight, np.float64))

    def _value(self, targets: Array, outputs: Array, weight: Array) -> float:
        raise NotImplementedError


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, and 0 where that is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) != 0)


_MOST_CLASSES = 4096  # of which every pair has a number


def _share(name: str, value: Any) -> float:
    return float(checks.number(name, value, least=0, most=1))


class _BestPoint(OfAllRows):
    """Base class: the largest of one rate where another is at least a value, over thresholds from 0
    to 1."""

    _wanted, _limited = "recall", "precision"

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        **common: Any,
    ) -> None:
        word = type(self)._limited
        count = checks.integer("num_thresholds", num_thresholds, 1)
        class_id = None if class_id is None else checks.integer("class_id", class_id, 0)
        options: dict[str, Any] = {
            word: _share(word, value),
            "num_thresholds": count,
            "class_id": class_id,
        }
        super().__init__(name, **common, **options)
        inner = np.arange(1, count - 1) / max(count - 1, 1)
        self._thresholds = np.concatenate([[-1e-7], inner, [1 + 1e-7]]) if count > 1 else [0.5]

    def _value(self, targets: Array, outputs: Array, weight: Array) -> float:
        class_id = self._options["class_id"]
        if class_id is not None:
            targets, outputs = targets[:, [class_id]], outputs[:, [class_id]]
        yes = targets.reshape(-1) > 0.5
        scores, weight = outputs.reshape(-1), np.repeat(weight, outputs.shape[1])
        order = np.argsort(scores, kind="stable")
        below = np.searchsorted(scores[order], self._thresholds, side="right")

        def above(chosen: Array) -> Array:
            total = np.concatenate([[0.0], np.cumsum(np.where(chosen, weight, 0.0)[order])])
            return np.asarray(total[-1] - total[below])

        found, false = above(yes), above(~yes)
        positives, negatives = weight[yes].sum(), weight[~yes].sum()
        rates = {
            "recall": _ratio(found, np.full_like(found, positives)),
            "sensitivity": _ratio(found, np.full_like(found, positives)),
            "precision": _ratio(found, found + false),
            "specificity": _ratio(negatives - false, np.full_like(found, negatives)),
        }
        allowed = rates[self._limited] >= self._options[self._limited]
        return float(rates[self._wanted][allowed].max(initial=0.0))


class PrecisionAtRecall(_BestPoint):
    """The best precision where the recall is at least a value; 0 where there is none.

    Parameters
    ----------
    recall : float
        0 to 1.
    num_thresholds : int, default 200
        Evenly from 0 to 1.
    class_id : int, optional
        The output that counts; by default all.
    name : str, optional
    """

    kind = "precision_at_recall"
    _wanted, _limited = "precision", "recall"

    def __init__(self, recall: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, **common: Any) -> None:  # fmt: skip
        super().__init__(recall, num_thresholds, class_id, name, **common)


class RecallAtPrecision(_BestPoint):
    """The best recall where the precision is at least `precision`.

    `num_thresholds`, `class_id` and `name` are as for `PrecisionAtRecall`.
    """

    kind = "recall_at_precision"
    _wanted, _limited = "recall", "precision"

    def __init__(self, precision: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, **common: Any) -> None:  # fmt: skip
        super().__init__(precision, num_thresholds, class_id, name, **common)


class SensitivityAtSpecificity(_BestPoint):
    """The best sensitivity where the specificity is at least `specificity`.

    `num_thresholds`, `class_id` and `name` are as for `PrecisionAtRecall`.
    """

    kind = "sensitivity_at_specificity"
    _wanted, _limited = "sensitivity", "specificity"

    def __init__(self, specificity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, **common: Any) -> None:  # fmt: skip
        super().__init__(specificity, num_thresholds, class_id, name, **common)


class SpecificityAtSensitivity(_BestPoint):
    """The best specificity where the sensitivity is at least `sensitivity`.

    `num_thresholds`, `class_id` and `name` are as for `PrecisionAtRecall`.
    """

    kind = "specificity_at_sensitivity"
    _wanted, _limited = "specificity", "sensitivity"

    def __init__(self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, **common: Any) -> None:  # fmt: skip
        super().__init__(sensitivity, num_thresholds, class_id, name, **common)


class FBetaScore(OfAllRows):
    """The weighted harmonic mean of precision and recall: (1 + β²) P R / (β² P + R).

    Parameters
    ----------
    average : {"macro", "micro", "weighted"}, optional
        As for `F1Score`; by default "macro".
    beta : float, default 1.0
        Above 1 recall counts for more.
    threshold : float, optional
        An output above it says yes; by default the largest of a row does.
    name : str, optional
    """

    kind = "fbeta_score"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = None,
        **common: Any,
    ) -> None:
        if average is not None:
            average = checks.one_of("average", average, ("macro", "micro", "weighted"))
        threshold = None if threshold is None else _share("threshold", threshold)
        beta = float(checks.number("beta", beta, above=0))
        super().__init__(name, **common, average=average, beta=beta, threshold=threshold)

    def _value(self, targets: Array, outputs: Array, weight: Array) -> float:
        threshold, beta = self._options["threshold"], self._options["beta"]
        if threshold is None and outputs.shape[1] > 1:
            said = outputs == outputs.max(axis=1, keepdims=True)
        else:
            said = outputs > (0.5 if threshold is None else threshold)
        counts = weight[:, None]
        right, said_yes, are = (
            (counts * part).sum(axis=0) for part in (said * targets, said, targets)
        )
        average = self._options["average"]
        if average == "micro":
            right, said_yes, are = (np.asarray(part.sum()) for part in (right, said_yes, are))
        score = _ratio((1 + beta**2) * right, beta**2 * are + said_yes)
        if average == "weighted":
            return float((score * are).sum() / max(are.sum(), 1e-30))
        return float(score.mean())


class IoU(OfAllRows):
    """The mean over classes of how far targets and answers overlap: both / either.

    Parameters
    ----------
    num_classes : int
    target_class_ids : sequence of int, optional
        The classes that count; by default all.
    name : str, optional
    ignore_class : int, optional
        Rows of this class do not count.
    sparse_y_true, sparse_y_pred : bool, default True
        Whether targets and outputs are class numbers; else the largest of a row.
    axis : int, default -1
        The last, as in Keras.
    dtype : str, optional
        Accepted for Keras's sake, and without effect.
    """

    kind = "io_u"
    _takes_shares = False
    #: Arguments that others do not decide.
    _fixed: ClassVar[tuple[str, ...]] = ()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one; JSON-able."""
        config = super().get_config()
        return {key: value for key, value in config.items() if key not in self._fixed}

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int] | None = None,
        name: str | None = None,
        dtype: str | None = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        count = checks.integer("num_classes", num_classes, 1, _MOST_CLASSES)
        chosen = range(count) if target_class_ids is None else target_class_ids
        ids = checks.elements("target_class_ids", chosen, "class numbers")
        if checks.integer("axis", axis, -1) != -1:
            raise ValueError(f"axis: found {checks.shown(axis)}, wanted -1, the last one")
        super().__init__(
            name,
            num_classes=count,
            target_class_ids=[checks.integer("target_class_ids", one, 0, count - 1) for one in ids],
            ignore_class=ignore_class,
            sparse_y_true=checks.flag("sparse_y_true", sparse_y_true),
            sparse_y_pred=checks.flag("sparse_y_pred", sparse_y_pred),
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add some rows, of class numbers or of a number per class; of any shape.

        `sample_weight` has an entry for each number.
        """
        given, said = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        self._rows.append((given, said, weight))

    def result(self) -> float:
        """The mean overlap of the classes that occur; 0 when there are none."""
        if not self._rows:
            return 0.0
        parts = [self._classes(*row) for row in self._rows]
        return self._overlap(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _of(self, targets: Array, outputs: Array, weight: Array) -> float:
        return self._overlap(*self._classes(targets, outputs, weight))

    def _classes(self, given: Array, said: Array, weight: Array | None) -> tuple[Array, ...]:
        if not self._options["sparse_y_true"] and given.ndim > 1:
            given = given.argmax(axis=-1)
        if not self._options["sparse_y_pred"] and said.ndim > 1:
            said = said.argmax(axis=-1)
        given, said = given.reshape(-1).astype(int), said.reshape(-1).astype(int)
        counts = np.ones(len(given)) if weight is None else weight.reshape(-1)
        # Of rows of several class numbers each counts as its row does.
        return given, said, np.repeat(counts, max(len(given) // max(len(counts), 1), 1))

    def _overlap(self, given: Array, said: Array, weight: Array) -> float:
        count = self._options["num_classes"]
        kept = (given >= 0) & (given < count) & (said >= 0) & (said < count)
        if self._options["ignore_class"] is not None:
            kept &= given != self._options["ignore_class"]
        matrix = np.zeros((count, count))
        np.add.at(matrix, (given[kept], said[kept]), weight[kept])
        chosen = self._options["target_class_ids"]
        both = np.diag(matrix)[chosen]
        either = (matrix.sum(axis=0) + matrix.sum(axis=1))[chosen] - both
        valid = either > 0
        return float(_ratio(both, either)[valid].mean()) if valid.any() else 0.0


class MeanIoU(IoU):
    """`IoU` of all classes; `name` and others as there."""

    kind = "mean_io_u"
    _fixed = ("target_class_ids",)

    def __init__(self, num_classes: int, name: str | None = None, **others: Any) -> None:
        super().__init__(num_classes, None, name, **others)


class OneHotIoU(IoU):
    """`IoU` of targets with a number per class; `name` and others as there."""

    kind = "one_hot_io_u"

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None,
                 **others: Any) -> None:  # fmt: skip
        others = {"sparse_y_true": False, "sparse_y_pred": False, **others}
        super().__init__(num_classes, target_class_ids, name, **others)


class BinaryIoU(IoU):
    """`IoU` of answers yes (1) and no (0).

    Parameters
    ----------
    target_class_ids : sequence of int, default (0, 1)
    threshold : float, default 0.5
        An output that reaches it says yes.
    name : str, optional
    dtype : str, optional
        Accepted for Keras's sake, and without effect.
    """

    kind = "binary_io_u"
    _fixed = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred")

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(2, target_class_ids, name)
        self._options["threshold"] = float(checks.number("threshold", threshold))

    def _classes(self, given: Array, said: Array, weight: Array | None) -> tuple[Array, ...]:
        return super()._classes(given, said >= self._options["threshold"], weight)


class PearsonCorrelation(OfAllRows):
    """The mean over rows of the correlation of a row's outputs with its targets."""

    kind = "pearson_correlation"
    _takes_shares = False

    def _value(self, targets: Array, outputs: Array, weight: Array) -> float:
        y = targets - targets.mean(axis=1, keepdims=True)
        a = outputs - outputs.mean(axis=1, keepdims=True)
        found = _ratio((y * a).mean(axis=1), y.std(axis=1) * a.std(axis=1))
        return float((found * weight).sum() / weight.sum())


class ConcordanceCorrelation(OfAllRows):
    """The mean over rows of 2 cov(y, a) / (var y + var a + (mean y - mean a)²)."""

    kind = "concordance_correlation"
    _takes_shares = False

    def _value(self, targets: Array, outputs: Array, weight: Array) -> float:
        y, a = targets.mean(axis=1, keepdims=True), outputs.mean(axis=1, keepdims=True)
        shared = ((targets - y) * (outputs - a)).mean(axis=1)
        size = targets.var(axis=1) + outputs.var(axis=1) + np.square(y - a)[:, 0]
        return float((2 * shared / (size + 1e-7) * weight).sum() / weight.sum())

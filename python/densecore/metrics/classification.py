"""Metrics of classes: how often the answer is right, and which mistakes are made."""

from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.lookup import unknown
from ..losses.base import Loss
from .base import Description, Metric, matched, weights
from .base import softmax as _softmax


def _share(option: str, value: Any) -> float:
    if isinstance(value, list | tuple) and len(value) == 1:  # as Keras's metrics take several
        (value,) = value
    return checks.number(option, value, least=0, most=1)


def _count(option: str, value: Any, least: int) -> int:
    return checks.integer(option, value, least, 2**31 - 1)


class _OfProbabilities(Metric):
    """A metric that cuts outputs at a threshold: at 0.5 probabilities, unless another is given.

    With a loss ``from_logits`` outputs are made probabilities before; but a threshold of the
    user's is one of the outputs themselves, as in Keras.
    """

    def _of_probabilities(self, kind: str) -> bool:
        given = self._options.get("threshold", self._options.get("thresholds"))
        return given is None


class Accuracy(_OfProbabilities):
    """The share of right answers; in `compile` it depends on the loss and the outputs, as in Keras.

    By itself it is the share of elements of y_pred that equal those of y_true; of class numbers and
    several outputs, `SparseCategoricalAccuracy`.
    """

    kind = "accuracy"

    def _alone(self, labels: bool) -> str:
        return "sparse_categorical_accuracy" if labels else self.kind


class BinaryAccuracy(_OfProbabilities):
    """The share of outputs on the right side of `threshold`; a target says yes above 0.5.

    Parameters
    ----------
    threshold : float, optional
        By default 0.5 of a probability. One that is given, from 0 to 1, is of the outputs as they
        are, also when they are logits.
    name : str, optional
    """

    kind = "binary_accuracy"

    def __init__(
        self, threshold: float | None = None, name: str | None = None, **common: Any
    ) -> None:
        threshold = None if threshold is None else _share("threshold", threshold)
        super().__init__(name, **common, threshold=threshold)


class CategoricalAccuracy(Metric):
    """The share of rows whose largest output is that of the largest target (or the class)."""

    kind = "categorical_accuracy"


class SparseCategoricalAccuracy(Metric):
    """The share of rows whose largest output is the class."""

    kind = "sparse_categorical_accuracy"


class TopKCategoricalAccuracy(Metric):
    """The share of rows whose class has fewer than k larger outputs than its own.

    `name` is that of reports, by default the kind with Keras's spelling.
    """

    kind = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None, **common: Any) -> None:
        super().__init__(name, **common, k=_count("k", k, 1))


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """The same, for class numbers as targets."""

    kind = "sparse_top_k_categorical_accuracy"


class BalancedAccuracy(_OfProbabilities):
    """The mean recall of the classes that occur (scikit-learn's ``balanced_accuracy_score``).

    A row's class is its largest output; a single output is class 1 above 0.5, else class 0.
    """

    kind = "balanced_accuracy"


class MatthewsCorrelation(_OfProbabilities):
    """Matthews's correlation coefficient, for several classes Gorodkin's; classes as above."""

    kind = "matthews_corrcoef"


class OneHotMeanIoU(_OfProbabilities):
    """The mean over the classes of intersection over union: right / (right, missed and wrong).

    Of the classes that occur in the targets or the answers. A row's class is its largest output; a
    single output is class 1 above 0.5, else class 0.

    Parameters
    ----------
    num_classes : int, optional
        Accepted for Keras's sake: the outputs say how many classes there are.
    name : str, optional
    """

    kind = "one_hot_mean_io_u"

    def __init__(
        self, num_classes: int | None = None, name: str | None = None, **common: Any
    ) -> None:
        if num_classes is not None:
            _count("num_classes", num_classes, 1)
        super().__init__(name, **common)


# Counts of yes and no -----------------------------------------------------------------------------


class Precision(_OfProbabilities):
    """The share of right ones among the outputs that say yes; 0 when none does.

    Several outputs are as many questions, whose counts are added up; class numbers answer them as
    one-hot targets would. A target says yes above 0.5.

    Parameters
    ----------
    thresholds : float or list of float, optional
        An output above it says yes: by default 0.5, or any with `top_k`. Of a list, for a metric
        that is used by itself, `result` has a number for each.
    top_k : int, optional
        Only the k largest outputs of a row say yes.
    class_id : int, optional
        The one output that counts.
    name : str, optional
    """

    kind = "precision"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        **common: Any,
    ) -> None:
        self._each: list[Precision] = []
        if isinstance(thresholds, list | tuple) and len(thresholds) > 1:
            same = {"top_k": top_k, "class_id": class_id, "name": name, **common}
            self._each = [type(self)(one, **same) for one in thresholds]
            thresholds = None
        super().__init__(
            name,
            **common,
            thresholds=None if thresholds is None else _share("thresholds", thresholds),
            top_k=None if top_k is None else _count("top_k", top_k, 1),
            class_id=None if class_id is None else _count("class_id", class_id, 0),
        )

    def _core_options(self) -> dict[str, Any]:
        options = super()._core_options()
        if options["threshold"] is None and options["top_k"] is None:
            options["threshold"] = 0.5
        return options

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add some rows; see `Metric.update_state`."""
        for one in self._each:
            one.update_state(y_true, y_pred, sample_weight)
        if not self._each:
            super().update_state(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        """The share; of several thresholds an array."""
        if self._each:
            return np.array([one.result() for one in self._each])
        return super().result()

    def reset_state(self) -> None:
        """Forget all rows."""
        for one in self._each:
            one.reset_state()
        super().reset_state()

    def _describe(self, loss: Loss, outputs: int, weighted: bool) -> Description:
        if self._each:
            raise ValueError(
                f"metric '{self.name}': thresholds: found {len(self._each)}, wanted one, as a "
                "history has one number for an epoch: a metric for each threshold"
            )
        return super()._describe(loss, outputs, weighted)


class Recall(Precision):
    """The share of the targets that say yes whose outputs do; 0 when there are none.

    Parameters as for `Precision`.
    """

    kind = "recall"


class Specificity(Precision):
    """The share of the targets that say no whose outputs do; 0 when there are none.

    Parameters as for `Precision`.
    """

    kind = "specificity"


class _Number(Precision):
    """A number of outputs, whose second argument is a name, as in Keras."""

    def __init__(
        self,
        thresholds: Any = None,
        name: str | None = None,
        dtype: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(thresholds, name=name, dtype=dtype, **common)


class TruePositives(_Number):
    """The (weighted) number of outputs that rightly say yes. Parameters as for `Precision`."""

    kind = "true_positives"


class TrueNegatives(_Number):
    """The (weighted) number of outputs that rightly say no. Parameters as for `Precision`."""

    kind = "true_negatives"


class FalsePositives(_Number):
    """The (weighted) number of outputs that wrongly say yes. Parameters as for `Precision`."""

    kind = "false_positives"
    larger_is_better = False


class FalseNegatives(_Number):
    """The (weighted) number of outputs that wrongly say no. Parameters as for `Precision`."""

    kind = "false_negatives"
    larger_is_better = False


class F1Score(_OfProbabilities):
    """The harmonic mean of precision and recall; 0 for a class that neither has.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"}, default "macro"
        The mean of the classes' scores, the score of their added counts, or the mean weighted by
        how often classes occur. (Keras's None, a score per class, is not one number.)
    threshold : float, optional
        An output above it says yes; by default the largest of a row does, and a single output above
        0.5.
    name : str, optional

    Raises
    ------
    ValueError
        Another average, or a threshold that is not from 0 to 1.
    """

    kind = "f1_score"

    def __init__(
        self,
        average: str = "macro",
        threshold: float | None = None,
        name: str | None = None,
        **common: Any,
    ) -> None:
        if average is None:
            raise ValueError(
                "F1Score: average: found None, a score per class; wanted one number: 'macro', "
                "'micro' or 'weighted'"
            )
        if average not in ("macro", "micro", "weighted"):
            unknown("average", average, ("macro", "micro", "weighted"))
        threshold = None if threshold is None else _share("threshold", threshold)
        super().__init__(name, **common, average=average, threshold=threshold)


class AUC(_OfProbabilities):
    """The area under the ROC curve, or the average precision; exact, with every score a threshold.

    Parameters
    ----------
    curve : {"ROC", "PR"}, default "ROC"
        ROC: the trapezoidal rule, as scikit-learn's ``roc_auc_score``. PR: the average precision,
        Σ (R_n - R_{n-1}) P_n, as ``average_precision_score``: no line is drawn between points.
    name : str, optional
    num_thresholds, summation_method, thresholds, from_logits
        Accepted for Keras's sake, and without effect: the order of the scores is what counts.
    multi_label : bool, optional
        Of several outputs. True: the mean of their areas, also by default for class numbers; False,
        and by default for targets of several columns: one area of all outputs of all rows, as of
        one output.
    num_labels
        Accepted for Keras's sake: the outputs say how many there are.
    label_weights
        None only.

    Raises
    ------
    ValueError
        Another curve.

    Notes
    -----
    Of several outputs the mean (one against the rest), without those whose targets are all alike
    (for PR: all no); NaN when that leaves none, or an output is NaN.
    """

    kind = "auc"

    def __init__(
        self,
        num_thresholds: int | None = None,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        *,
        thresholds: Any = None,
        from_logits: bool = False,
        multi_label: bool | None = None,
        num_labels: int | None = None,
        label_weights: None = None,
        **common: Any,
    ) -> None:
        checks.flag("from_logits", from_logits)
        if label_weights is not None:
            raise ValueError(
                f"AUC: label_weights: found {checks.shown(label_weights)}, wanted None: outputs "
                "count the same"
            )
        if multi_label is not None:
            common["multi_label"] = checks.flag("multi_label", multi_label)
        if curve not in ("ROC", "PR"):
            unknown("curve", curve, ("ROC", "PR"))
        super().__init__(name, **common, curve=curve)

    @property
    def _flag(self) -> bool | None:
        given: bool | None = self._options.get("multi_label")
        return given

    def _core_options(self) -> dict[str, Any]:
        options = super()._core_options()
        options.pop("multi_label", None)
        return options

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add some rows; see `Metric.update_state`."""
        shape = np.shape(y_pred)
        if self._flag or len(shape) < 2 or shape[-1] < 2:
            super().update_state(y_true, y_pred, sample_weight)
            return
        outputs, targets, labels = matched(y_true, y_pred)
        if labels and self._flag is None:
            super().update_state(y_true, y_pred, sample_weight)
            return
        if labels:
            targets = targets[:, None] == np.arange(outputs.shape[1])
        weight = weights(sample_weight, len(outputs))
        spread = None if weight is None else np.repeat(weight, outputs.shape[1])
        super().update_state(targets.reshape(-1, 1), outputs.reshape(-1, 1), spread)

    def _describe(self, loss: Loss, outputs: int, weighted: bool) -> Description:
        flat = not self._flag and not (self._flag is None and loss.sparse)
        if not flat or outputs < 2:
            return super()._describe(loss, outputs, weighted)
        if loss.link == "softmax":  # sigmoid keeps the order of all outputs

            def of_logits(y: Array, found: Array, weight: Array | None) -> float:
                return self._of_pass(y, _softmax(found), weight)

            return of_logits, {"weighted": weighted}
        return self._of_pass, {"weighted": weighted}

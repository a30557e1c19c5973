"""How good predictions are: the numbers that a report shows, and their uncertainty."""

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array, Doubles
from .algebra import exp, log

Labels = NDArray[np.int32]

SMALLEST_PROBABILITY = 1e-15


def _weights(weight: Doubles | None, rows: int) -> Doubles:
    return np.ones(rows) if weight is None else weight


def class_scores(
    probabilities: Doubles, labels: Labels, weight: Doubles | None = None
) -> dict[str, float]:
    """Accuracy, log-loss, AUC, F1, balanced accuracy of probabilities (rows, classes).

    AUC is that of the second class against the first, or the mean of each class against the others;
    NaN when only one class occurs. F1 is of the second of two classes, or the mean over classes.
    """
    w = _weights(weight, len(labels))
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    right = predicted == labels
    p = np.clip(probabilities[np.arange(len(labels)), labels], SMALLEST_PROBABILITY, None)
    recalls, f1 = [], []
    for c in range(classes):
        true, said = labels == c, predicted == c
        hit = float(w[true & said].sum())
        total = float(w[true].sum() + w[said].sum())
        if true.any():
            recalls.append(hit / max(float(w[true].sum()), 1e-300))
        f1.append(2 * hit / total if total else 0.0)
    columns = [1] if classes == 2 else range(classes)
    aucs = [area_under_curve(probabilities[:, c], labels == c, w) for c in columns]
    known = [a for a in aucs if not np.isnan(a)]
    return {
        "accuracy": float(np.average(right, weights=w)),
        "log_loss": float(np.average(-log(p), weights=w)),
        "auc": float(np.mean(known)) if known else float("nan"),
        "f1": f1[1] if classes == 2 else float(np.mean(f1)),
        "balanced_accuracy": float(np.mean(recalls)),
    }


def area_under_curve(score: Doubles, positive: NDArray[np.bool_], weight: Doubles) -> float:
    """The chance that a positive row scores higher than a negative one; ties count half."""
    up, down = float(weight[positive].sum()), float(weight[~positive].sum())
    if not up or not down:
        return float("nan")
    _, place = np.unique(score, return_inverse=True)
    place = place.reshape(-1)
    ups = np.bincount(place, weights=weight * positive)
    downs = np.bincount(place, weights=weight * ~positive)
    below = np.cumsum(downs) - downs
    return float((ups * (below + downs / 2)).sum() / (up * down))


def number_scores(
    predicted: Doubles, truth: Doubles, weight: Doubles | None = None
) -> dict[str, float]:
    """RMSE, MAE and R² of predicted numbers (rows,); R² is NaN when the truth is constant."""
    w = _weights(weight, len(truth))
    error = predicted - truth
    # In units of the largest number: the squares of very small or large ones are none.
    unit = max(float(np.abs(truth).max()), float(np.abs(error).max()), 5e-324)
    mean = np.average(truth / unit, weights=w)
    spread = float(np.average((truth / unit - mean) ** 2, weights=w))
    square = float(np.average((error / unit) ** 2, weights=w))
    return {
        "rmse": unit * square**0.5,
        "mae": float(np.average(np.abs(error), weights=w)),
        "r2": 1 - square / spread if spread else float("nan"),
    }


# Metrics that a training may be asked to be good at: name → (of classes, larger is better).
METRICS = {
    "accuracy": (True, True),
    "log_loss": (True, False),
    "auc": (True, True),
    "f1": (True, True),
    "balanced_accuracy": (True, True),
    "rmse": (False, False),
    "mae": (False, False),
    "r2": (False, True),
}


def check_metric(name: str, classification: bool) -> None:
    """Raise ValueError unless `name` is a metric of the task."""
    known = [metric for metric, (classes, _) in METRICS.items() if classes == classification]
    if name not in known:
        task = "classification" if classification else "regression"
        raise ValueError(f"metric: found {name!r}, wanted one of {', '.join(known)} ({task})")


# Calibration -------------------------------------------------------------------------------------


def sharpened(probabilities: Array, power: float) -> Doubles:
    """Probabilities to a power, so that each row sums to 1: temperature 1 / power."""
    # A single row waits for this: np.clip takes three times as long.
    logs = log(np.minimum(np.maximum(probabilities, SMALLEST_PROBABILITY), 1)) * power
    logs -= logs.max(axis=1, keepdims=True)
    raised = exp(logs)
    scaled: Doubles = raised / raised.sum(axis=1, keepdims=True)
    return scaled


def best_power(probabilities: Doubles, labels: Labels, weight: Doubles | None = None) -> float:
    """The power of `sharpened` with the smallest log-loss, by golden section (the loss is convex
    in the power). From 0.2 to 5.

    To the rows comes one that may be of any class (Laplace's rule of succession): when all rows are
    right, the next one may still be wrong, and no power is too large otherwise.
    """
    logs = log(np.clip(probabilities, SMALLEST_PROBABILITY, 1))
    w = _weights(weight, len(labels))
    rows = np.arange(len(labels))
    any_class = 1 / (len(labels) + 2)

    def loss(exponent: float) -> float:
        z = logs * exp(exponent)
        top = z.max(axis=1)
        total = top + log(exp(z - top[:, None]).sum(axis=1))
        likely = (1 - any_class) * z[rows, labels] + any_class * z.mean(axis=1)
        return float(np.average(total - likely, weights=w))

    low, high = float(log(0.2)), float(log(5.0))
    ratio = (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    fa, fb = loss(a), loss(b)
    for _ in range(30):
        if fa <= fb:
            high, b, fb = b, a, fa
            a = high - ratio * (high - low)
            fa = loss(a)
        else:
            low, a, fa = a, b, fb
            b = low + ratio * (high - low)
            fb = loss(b)
    return float(exp((low + high) / 2))


def calibration_error(
    probabilities: Doubles, labels: Labels, weight: Doubles | None = None, bins: int = 10
) -> float:
    """Expected calibration error: how far confidence is from accuracy, over bins of confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    w = _weights(weight, len(labels))
    sums = np.bincount(place, weights=w * (right - confidence), minlength=bins)
    return float(np.abs(sums).sum() / w.sum())

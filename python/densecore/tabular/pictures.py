"""A page of pictures of a training: curves, calibration or truth, confusion or errors, columns."""

from typing import Any

import numpy as np

from .._base.figures import save_figure
from .._base.lazy import imports
from .importance import permutation_importance
from .preparation import ClassTarget
from .problem import Problem
from .trained import Trained

_COLUMNS = 15  # that the picture of importances shows
_CLASSES = 20  # that the confusion matrix shows with their names


def draw(path: str, problem: Problem, trained: Trained, seed: int) -> None:
    """Draw the page into a file; its format follows from its ending."""
    with imports:
        from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5), layout="constrained")
    axes = figure.subplots(2, 2)
    _curves(axes[0, 0], trained)
    if isinstance(problem.preparation.target, ClassTarget):
        _calibration(axes[0, 1], trained)
        _confusion(axes[1, 0], problem.preparation.target, trained)
    else:
        _truth(axes[0, 1], problem.preparation.target.names[0], trained)
        _residuals(axes[1, 0], problem.preparation.target.names[0], trained)
    _importance(axes[1, 1], problem, trained, seed)
    save_figure(figure, path)


def _curves(axis: Any, trained: Trained) -> None:
    losses = trained.history["val_loss"]
    for i in range(losses.shape[1]):
        axis.plot(np.arange(1, len(losses) + 1), losses[:, i], color="tab:blue", alpha=0.4, lw=0.8)
        best = int(trained.history.kept_epochs[i])
        axis.plot(best + 1, losses[best, i], "o", color="tab:blue", ms=3)
    axis.plot(
        np.arange(1, len(losses) + 1), trained.history["loss"].mean(axis=1), color="tab:grey",
        label="training (mean)",
    )  # fmt: skip
    axis.set(xlabel="epoch", ylabel="loss", title="Validation loss of each network; kept epochs")
    axis.xaxis.get_major_locator().set_params(integer=True)
    known = losses[np.isfinite(losses)]
    if known.size:
        axis.set_ylim(top=float(np.quantile(known, 0.95)) * 1.1 + 1e-9)
    axis.legend()


def _calibration(axis: Any, trained: Trained) -> None:
    confidence = trained.predicted.max(axis=1)
    right = trained.predicted.argmax(axis=1) == trained.truth
    edges = np.quantile(confidence, np.linspace(0, 1, 11))
    place = np.clip(np.searchsorted(edges, confidence, "right") - 1, 0, 9)
    bins = [b for b in range(10) if (place == b).any()]
    axis.plot([0, 1], [0, 1], color="tab:grey", lw=0.8)
    axis.plot(
        [confidence[place == b].mean() for b in bins],
        [right[place == b].mean() for b in bins],
        "o-",
        clip_on=False,
    )
    low = float(min(confidence.min(), right[place == bins[0]].mean()))
    axis.set(xlabel="probability of the predicted class", ylabel="share that is right",
             title="Calibration on rows not trained on", xlim=(low, 1), ylim=(low, 1))  # fmt: skip


def _confusion(axis: Any, target: ClassTarget, trained: Trained) -> None:
    n = len(target.classes)
    counts = np.zeros((n, n), int)
    np.add.at(counts, (trained.truth, trained.predicted.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axis.set(xlabel="predicted", ylabel="true", title="Classes of rows not trained on")
    if n <= _CLASSES:
        axis.set_xticks(range(n), target.classes, rotation=45, ha="right")
        axis.set_yticks(range(n), target.classes)
    if n <= 10:
        for i in range(n):
            for j in range(n):
                axis.text(j, i, counts[i, j], ha="center", va="center",
                          color="white" if shares[i, j] > 0.5 else "black")  # fmt: skip


def _truth(axis: Any, name: str, trained: Trained) -> None:
    predicted, truth = trained.predicted[:, 0], trained.truth[:, 0]
    axis.plot(truth, predicted, ".", ms=2, alpha=0.4)
    ends = [float(truth.min()), float(truth.max())]
    axis.plot(ends, ends, color="tab:grey", lw=0.8)
    axis.set(xlabel=f"true {name}", ylabel=f"predicted {name}", title="Rows not trained on")


def _residuals(axis: Any, name: str, trained: Trained) -> None:
    errors = trained.predicted[:, 0] - trained.truth[:, 0]
    low, high = np.quantile(errors, [0.005, 0.995])
    axis.hist(np.clip(errors, low, high), bins=40)
    axis.set(xlabel=f"error of {name}", ylabel="rows", title="Errors on rows not trained on")


def _importance(axis: Any, problem: Problem, trained: Trained, seed: int) -> None:
    found = permutation_importance(problem, trained, seed)
    names = list(found)[:_COLUMNS][::-1]
    axis.barh(names, [found[n][0] for n in names], xerr=[found[n][1] for n in names])
    what = "log-loss" if problem.classification else "RMSE / deviation"
    axis.set(xlabel=f"growth of the {what} when the column is shuffled", title="Columns")

"""From a problem to a model: parts of the rows, networks side by side, calibration, scores."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..distributed.group import group_of
from .baselines import linear_predictions
from .blend import best_share, share_of_first, shares_of_kinds
from .committee import Committee
from .errors import TableError, counted
from .folds import Indices, folds, held_out
from .linear import fit_linear
from .members import Progress, build_linear, optimism, out_of_fold, train
from .model import RESIDUAL_QUANTILES, TableModel
from .preparation import ClassTarget, NumericTarget
from .problem import Problem
from .recipe import MIN_EPOCHS, Recipe
from .scores import (
    METRICS,
    best_power,
    calibration_error,
    check_metric,
    class_scores,
    number_scores,
    sharpened,
)
from .target_means import outside_means, write_outside_means
from .trained import Trained, card_of

# The share of the epochs that the trial of a logarithmic target takes.
_TRIAL = 0.25
# A line goes on beyond the targets of the training rows: so far, in their range, if it were alone.
_BEYOND = 0.5
_EXACT_BASELINE = 2e7  # numbers of inputs, up to which the linear model has its own


def parts_of(problem: Problem, recipe: Recipe, seed: int) -> list[Indices]:
    """The rows that are held out, part by part.

    Raises
    ------
    TableError
        There are too few rows, or too few groups.
    """
    rows = len(problem.x)
    if rows < 4:
        raise TableError(
            f"{problem.table.path}: found {counted(rows, 'row')} with a target, too few to hold "
            "some out for validation"
        )
    if recipe.folds == 1:
        parts = [held_out(rows, recipe.held_out, seed, problem.labels, problem.groups)]
    else:
        count = min(recipe.folds, rows // 2)
        if problem.groups is not None:
            count = min(count, int(problem.groups.max()) + 1)
        parts = folds(rows, max(count, 2), seed, problem.labels, problem.groups)
    parts = [part for part in parts if len(part)]
    if not parts or any(len(part) == rows for part in parts):
        raise TableError(
            f"{problem.table.path}: found one group of rows, too few to hold some out for "
            "validation"
        )
    return parts


def fit(
    problem: Problem,
    recipe: Recipe,
    seed: int,
    *,
    metric: str | None = None,
    time_limit: float | None = None,
    progress: Progress | None = None,
    linear: bool = True,
    executor: Any = None,
    comm: Any = None,
) -> Trained:
    """Train the members of a recipe and judge them on rows that they have not seen.

    Parameters
    ----------
    metric : str, optional
        What the best epoch is told by, where the core knows it (accuracy), and what is shown first.
    time_limit : float, optional
        Seconds for the training: fewer epochs, then fewer members, than the recipe has.
    linear : bool, default True
        Whether a linear model is trained for comparison.
    executor, comm : optional
        Where the members are trained, see `Ensemble.fit`. With `comm` all ranks make the same call,
        and have the same model afterwards.

    Raises
    ------
    TableError, ValueError
        Too few rows, a metric of another task, or a training that diverges.
    """
    start = time.perf_counter()
    classification = problem.classification
    if metric is not None:
        check_metric(metric, classification)
    recipe = recipe.for_rows(len(problem.x))
    parts = parts_of(problem, recipe, seed)
    notes: list[str] = []
    problem = replace(problem, x=outside_means(problem, parts))
    outputs = problem.preparation.target.outputs
    weight = None if problem.weight is None else problem.weight.astype(recipe.dtype)
    monitor = _monitor(metric, recipe)
    smallest = len(problem.x) - max(len(part) for part in parts)
    epochs = recipe.epochs_for(smallest)

    def run(one: Problem, chosen: Recipe, over: list[Indices], count: int, tell: Any) -> Committee:
        made = one.preparation
        return train(chosen, one.x, one.network_targets(), outputs, classification, over, seed,
                     weight=weight, monitor=monitor, epochs=count, progress=tell,
                     numbers=made.numbers, bins=made.bins, lines=made.lines,
                     executor=executor, comm=comm)  # fmt: skip

    if time_limit is not None:
        recipe, epochs, parts = _within(
            time_limit - _of_rank_0(time.perf_counter() - start, comm), recipe, epochs, parts,
            lambda over: run(problem, recipe.single(), over, 1, None),
            notes, comm,
        )  # fmt: skip
    other = problem.with_logarithm()
    if other is not None:
        trial = max(MIN_EPOCHS, round(_TRIAL * epochs))
        over = parts[:2]
        single = recipe.single()
        errors = []
        for one in (problem, other):
            rows, predicted, _ = out_of_fold(run(one, single, over, trial, None), one.x, over)
            restored = one.preparation.target.restore(predicted[0])  # type: ignore[union-attr]
            errors.append(number_scores(restored[:, 0], one.y[rows, 0])["rmse"])
        if errors[1] < 0.98 * errors[0]:
            problem = other
            notes.append("the target is learnt as a logarithm, which was better in a trial")
    ensemble = run(problem, recipe, parts, epochs, progress)
    _refuse_divergence(problem, ensemble)
    rows, by_kind, variance = out_of_fold(ensemble, problem.x, parts)
    outside: NDArray[np.float64] = by_kind.mean(axis=0)
    if len(by_kind) > 2 or (len(by_kind) == 2 and not classification):
        ensemble, outside = _weighted(problem, ensemble, rows, by_kind, notes)
    if recipe.extras:
        better = optimism(ensemble, recipe, classification, monitor)
        if not classification:
            better *= outputs  # the loss is the mean over them
        ensemble, outside = _blended(
            problem, ensemble, parts, rows, outside, variance, better, notes
        )
    model, predicted = _model_of(problem, ensemble, rows, outside)
    truth = problem.y[rows]
    w = None if problem.weight is None else problem.weight[rows]
    scores = _scores(problem, predicted, truth, w)
    made = Trained(model, ensemble.history, scores, _errors(problem, predicted, truth, w, seed), {},
                   rows, predicted, truth, 0.0, notes)  # fmt: skip
    made.baselines = _baselines(problem, parts, rows, truth, w, seed, weight, linear)
    made.seconds = time.perf_counter() - start
    model.card = card_of(problem, recipe, seed, epochs, parts, made)
    return made


def _monitor(metric: str | None, recipe: Recipe) -> str:
    if metric in ("accuracy", "f1", "balanced_accuracy"):
        return "val_categorical_accuracy" if recipe.label_smoothing else "val_accuracy"
    return ""


def _of_rank_0(seconds: float, comm: Any) -> float:
    """The time that rank 0 has measured: all ranks decide by it."""
    if comm is None:
        return seconds
    return float(group_of(comm, "fit of a table").vector(seconds)[0, 0])


def _within(
    limit: float,
    recipe: Recipe,
    epochs: int,
    parts: list[Indices],
    one_epoch: Callable[[list[Indices]], Any],
    notes: list[str],
    comm: Any,
) -> tuple[Recipe, int, list[Indices]]:
    """As many epochs and members of the recipe as the time allows, by the time of one epoch."""
    begin = time.perf_counter()
    one_epoch(parts)
    seconds = max(_of_rank_0(time.perf_counter() - begin, comm), 1e-6)
    limit -= 2 * seconds
    members = recipe.networks
    wanted = epochs * members
    possible = int(0.85 * limit / seconds)
    if possible >= wanted:
        return recipe, epochs, parts
    while members > 1 and possible < MIN_EPOCHS * members:
        members -= 1
    count = max(1, min(epochs, possible // members))
    while len(parts) > 2 and count < MIN_EPOCHS and recipe.folds > 1:
        # Parts that no member holds out are trained on by all.
        parts = parts[: max(2, len(parts) // 2)]
        count = max(1, min(epochs, count * 2))
    short = "is shorter than an epoch, and " if possible < 1 else ""
    notes.append(
        f"the time limit {short}leaves {counted(count, 'epoch')} of {epochs} for "
        f"{counted(members * len(parts), 'network')}"
    )
    return recipe.with_networks(members), count, parts


def _refuse_divergence(problem: Problem, ensemble: Committee) -> None:
    if not ensemble.is_finite():
        raise ValueError(
            f"{problem.table.path}: training diverged (parameters are not finite); try a smaller "
            "--learning-rate"
        )
    history = ensemble.history
    if not np.isfinite(history["val_loss"]).any():
        raise ValueError(
            f"{problem.table.path}: training diverged (the loss is "
            f"{history['val_loss'][-1].max()}); try a smaller --learning-rate"
        )


def _weighted(
    problem: Problem,
    ensemble: Committee,
    rows: Indices,
    by_kind: NDArray[np.float64],
    notes: list[str],
) -> tuple[Committee, NDArray[np.float64]]:
    """The kinds of networks with their shares, and what they said together of unseen rows."""
    truth = problem.network_targets()[rows]
    weight = None if problem.weight is None else problem.weight[rows]
    if len(by_kind) == 2:
        share = share_of_first(by_kind[0], by_kind[1], truth, weight)
        shares = [share, 1 - share]
    else:
        shares = shares_of_kinds(by_kind, truth, problem.classification, weight)
    kept = [kind for kind, share in enumerate(shares) if share or len(by_kind) == 2]
    if len(kept) < len(by_kind):
        notes.append(f"{len(kept)} of {len(by_kind)} kinds of networks have a share")
    outside: NDArray[np.float64] = sum(
        (shares[kind] * by_kind[kind] for kind in kept[1:]), shares[kept[0]] * by_kind[kept[0]]
    )
    return Committee([ensemble.ensembles[k] for k in kept], [shares[k] for k in kept]), outside


def _blended(
    problem: Problem,
    ensemble: Committee,
    parts: list[Indices],
    rows: Indices,
    outside: NDArray[np.float64],
    variance: NDArray[np.float64],
    better: float,
    notes: list[str],
) -> tuple[Committee, NDArray[np.float64]]:
    """The networks and what they said of unseen rows, with a linear model where that helps."""
    made, y, target = problem.preparation, problem.network_targets(), problem.preparation.target
    linear = fit_linear(made, problem.x, y, target.outputs, problem.classification, parts,
                        problem.weight)  # fmt: skip
    if linear is None:
        return ensemble, outside
    weight = None if problem.weight is None else problem.weight[rows]
    share = best_share(
        outside, variance, better, linear.outside, y[rows], problem.classification, weight
    )
    if isinstance(target, NumericTarget) and not target.log:
        known = problem.y if problem.weight is None else problem.y[problem.weight > 0]
        target.limit(known, _BEYOND * share)
    if not share:
        return ensemble, outside
    notes.append(f"a linear model has a share of {share:.0%} in the predictions")
    model = build_linear(linear, problem.classification, ensemble.dtype)
    return ensemble.with_linear(model, share), (1 - share) * outside + share * linear.outside


def _model_of(
    problem: Problem, ensemble: Committee, rows: Indices, outside: NDArray[np.float64]
) -> tuple[TableModel, NDArray[np.float64]]:
    """The model, calibrated on what its members said of unseen rows, and that in the target's
    units."""
    target = problem.preparation.target
    if isinstance(target, ClassTarget):
        weight = None if problem.weight is None else problem.weight[rows]
        power = best_power(outside, problem.y[rows], weight)
        return TableModel(ensemble, problem.preparation, power), sharpened(outside, power)
    weight = None if problem.weight is None else problem.weight[rows]
    target = target.stretched(outside, target.scale(problem.y[rows]), weight)
    if target.log:
        target.factor = _factor(target, outside, problem.y[rows])
    errors = target.scale(problem.y[rows]) - outside
    residuals = np.quantile(errors, np.linspace(0, 1, RESIDUAL_QUANTILES), axis=0)
    preparation = replace(problem.preparation, target=target)
    return TableModel(ensemble, preparation, residuals=residuals), target.restore(outside)


def _factor(target: NumericTarget, outside: NDArray[np.float64], truth: NDArray[Any]) -> float:
    """The factor of the predictions: by least squares, from 0.8 to 1.25."""
    plain = target.restore(outside)
    square = float((plain**2).sum())
    return float(np.clip((plain * truth).sum() / square, 0.8, 1.25)) if square else 1.0


def _scores(
    problem: Problem, predicted: NDArray[np.float64], truth: NDArray[Any], weight: Any
) -> dict[str, dict[str, float]]:
    target = problem.preparation.target
    if isinstance(target, ClassTarget):
        found = class_scores(predicted, truth, weight)
        found["calibration_error"] = calibration_error(predicted, truth, weight)
        return {target.name: found}
    return {
        name: number_scores(predicted[:, j], truth[:, j], weight)
        for j, name in enumerate(target.names)
    }


def _errors(
    problem: Problem, predicted: NDArray[np.float64], truth: NDArray[Any], weight: Any, seed: int
) -> dict[str, dict[str, float]]:
    """Standard errors of the scores."""
    n = len(truth)
    target = problem.preparation.target
    names = [target.name] if isinstance(target, ClassTarget) else target.names
    found: dict[str, dict[str, float]] = {}
    draws = 100 if n <= 20_000 else 20
    for j, name in enumerate(names):
        metrics = [m for m, (classes, _) in METRICS.items() if classes == problem.classification]

        def all_of(rows: Any, j: int = j) -> dict[str, float]:
            w = None if weight is None else weight[rows]
            if problem.classification:
                return class_scores(predicted[rows], truth[rows], w)
            return number_scores(predicted[rows, j], truth[rows, j], w)

        rng = np.random.default_rng(seed)
        drawn = [all_of(rng.integers(n, size=n)) for _ in range(draws)]
        found[name] = {m: _deviation([d[m] for d in drawn]) for m in metrics}
    return found


def _deviation(values: list[float]) -> float:
    """The standard deviation of the known values; NaN for fewer than two."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")


def _baselines(
    problem: Problem,
    parts: list[Indices],
    rows: Indices,
    truth: NDArray[Any],
    weight: Any,
    seed: int,
    network_weight: Any,
    linear: bool,
) -> dict[str, dict[str, dict[str, float]]]:
    target = problem.preparation.target
    if isinstance(target, ClassTarget):
        share = np.bincount(problem.y, weights=problem.weight, minlength=target.outputs)
        constant = np.tile(share / share.sum(), (len(rows), 1))
        found = {"majority": _scores(problem, constant, truth, weight)}
    else:
        mean = np.average(problem.y, axis=0, weights=problem.weight)
        found = {"mean": _scores(problem, np.tile(mean, (len(rows), 1)), truth, weight)}
    if not linear:
        return found
    x = problem.x
    if problem.classification:
        line = fit_linear(problem.preparation, x, problem.y, target.outputs, True, parts,
                          problem.weight, simple=True)  # fmt: skip
        if line is not None:
            found["linear"] = _scores(problem, line.outside, truth, weight)
            return found
    if x.size <= _EXACT_BASELINE and problem.preparation.bend:
        straight = problem.preparation.unbent()
        x = straight.transform(problem.table, str(x.dtype))[problem.rows]
        write_outside_means(straight, problem, parts, x)
    predicted = linear_predictions(x, problem.y, target.outputs, problem.classification, parts,
                                   seed, network_weight)  # fmt: skip
    found["linear"] = _scores(problem, predicted, truth, weight)
    return found

"""A training in words: the table as it was understood, the scores, what was left out and why."""

from collections import Counter
from typing import Any

import numpy as np

from .errors import counted, listed
from .features import CategoricalFeature, NumericFeature
from .model import TableModel
from .moments import MomentFeature
from .preparation import ClassTarget
from .problem import Problem
from .recipe import Recipe
from .scores import METRICS
from .trained import Trained

_KINDS = {NumericFeature: "number", CategoricalFeature: "category", MomentFeature: "date"}
_PLURALS = {"number": "numbers", "category": "categories", "date": "dates"}
_NAMES = {
    "accuracy": "accuracy", "log_loss": "log-loss", "auc": "AUC", "f1": "F1",
    "balanced_accuracy": "balanced accuracy", "rmse": "RMSE", "mae": "MAE", "r2": "R²",
    "calibration_error": "calibration error",
}  # fmt: skip
_SHARES = {"accuracy", "balanced_accuracy"}


def describe_problem(problem: Problem, task_given: bool) -> list[str]:
    """Rows, columns and the target as they were understood, and what was left out."""
    features = problem.preparation.features
    kinds = Counter(_KINDS[type(feature)] for feature in features)
    shown = ", ".join(
        f"{count} {kind if count == 1 else _PLURALS[kind]}" for kind, count in kinds.items()
    )
    target = problem.preparation.target
    if isinstance(target, ClassTarget):
        goal = (
            f"classification of '{target.name}' into {len(target.classes)} classes "
            f"({listed(target.classes, 10)})"
        )
    else:
        goal = f"regression of {listed([repr(name) for name in target.names])}"
    lines = [
        f"{problem.table.path}: {counted(len(problem.x), 'row')}, "
        f"{counted(len(features), 'column')} of use ({shown}): "
        f"{counted(problem.preparation.network_inputs, 'input')}",
        goal + ("" if task_given else " (--task overrides)"),
    ]
    for name, reason in list(problem.left_out.items())[:20]:
        lines.append(f"left out: '{name}', {reason}")
    if len(problem.left_out) > 20:
        lines.append(f"left out: {len(problem.left_out) - 20} more columns")
    notes = problem.notes
    lines += [f"note: {note}" for note in notes[:10]]
    if len(notes) > 10:
        lines.append(f"note: {len(notes) - 10} more like these (--json lists all)")
    return lines


def describe_recipe(recipe: Recipe, parts: int, classification: bool) -> str:
    """The networks of a recipe in one line."""
    widths = "-".join(map(str, recipe.hidden)) or "no hidden layer"
    networks = parts * recipe.networks
    kinds = f" and {counted(len(recipe.others), 'other kind')}" if recipe.others else ""
    how = (
        f"each on {parts - 1} of {parts} parts of the rows"
        if parts > 1
        else f"with {recipe.held_out:.0%} of the rows held out"
    )
    return (
        f"recipe '{recipe.name}': {counted(networks, 'network')} of {widths} "
        f"({recipe.settings(classification).activation}){kinds}, {how}"
    )


def number(name: str, value: float) -> str:
    """A score as text."""
    if value is None or np.isnan(value):
        return "undefined"
    if name in _SHARES:
        return f"{value:.2%}"
    if name in ("rmse", "mae"):
        return f"{value:.4g}"
    return f"{value:.4f}"


def describe_scores(trained: Trained, metric: str | None = None) -> list[str]:
    """The scores of rows that were not trained on, beside those of the baselines."""
    lines = []
    for name, scores in trained.scores.items():
        known = [m for m in METRICS if m in scores]
        first = metric if metric in known else known[0]
        others = [m for m in known if m != first] + (
            ["calibration_error"] if "calibration_error" in scores else []
        )
        beside = ", ".join(
            f"{baseline} {number(first, found[name][first])}"
            for baseline, found in trained.baselines.items()
        )
        error = trained.errors[name].get(first, float("nan"))
        lines.append(
            f"'{name}' on rows not trained on: {_NAMES[first]} {number(first, scores[first])} "
            f"± {number(first, error)}" + (f" ({beside})" if beside else "")
        )
        lines.append("  " + ", ".join(f"{_NAMES[m]} {number(m, scores[m])}" for m in others))
    return lines


def describe_test(scores: dict[str, dict[str, float]], path: str, rows: int) -> list[str]:
    """The scores of a table that was held back."""
    return [
        f"'{name}' on the {counted(rows, 'row')} of {path}: "
        + ", ".join(f"{_NAMES[m]} {number(m, value)}" for m, value in found.items())
        for name, found in scores.items()
    ]


def as_json(problem: Problem, trained: Trained, **more: Any) -> dict[str, Any]:
    """The whole report, JSON-able: the model's card, times, and what else there is."""
    return {
        **trained.model.card,
        "seconds": round(trained.seconds, 3),
        "features": [
            {"column": f.name, "input": f.describe()} for f in problem.preparation.features
        ],
        **more,
    }


def describe_card(model: TableModel) -> list[str]:
    """The description of its training in a model's file."""
    card, recipe = model.card, model.card.get("recipe", {})
    if not recipe:
        return []
    first, last = min(recipe["kept_epochs"]), max(recipe["kept_epochs"])
    kept = f"{first}" if first == last else f"{first} to {last}"
    lines = [
        f"trained on {counted(card['rows'], 'row')} (hash {card['data_hash']}) with densecore "
        f"{card['versions']['densecore']}, seed {card['seed']}",
        f"recipe '{recipe['name']}': {counted(recipe['networks'], 'network')}, up to "
        f"{counted(recipe['epochs'], 'epoch')}, best after {kept}",
    ]
    if card["task"] == "classification":
        lines.append(f"temperature of the probabilities: {1 / model.power:.3f}")
    for name, scores in card["scores"].items():
        errors = card["standard_errors"][name]
        lines.append(
            f"'{name}' on rows not trained on: "
            + ", ".join(
                f"{_NAMES[m]} {number(m, value)}"
                + (f" ± {number(m, errors[m])}" if errors.get(m) is not None else "")
                for m, value in scores.items()
            )
        )
        for baseline, found in card["baselines"].items():
            first = next(iter(found[name]))
            lines.append(f"  {baseline}: {_NAMES[first]} {number(first, found[name][first])}")
    lines += [f"left out: '{name}', {why}" for name, why in card["left_out"].items()]
    lines += [f"note: {note}" for note in card["notes"]]
    return lines

"""The mean target of each category: an input of columns of many texts.

A category of five rows has no input of its own among a thousand, and with one it would learn these
rows by heart. Its mean, drawn towards that of all rows as far as five rows are little evidence,
says most of what can be known (Micci-Barreca, 2001). A row that is trained on must not see its own
target there: it gets the mean of the other parts of the rows.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array, Doubles
from .features import MAX_CATEGORIES, CategoricalFeature, category_counts
from .folds import Indices
from .scaling import bent
from .targets import ClassTarget

if TYPE_CHECKING:
    from .preparation import Preparation
    from .problem import Problem
    from .reader import Table


# Texts of fewer rows have no other input then. With one that says which text it is, the rows of a
# part would be told by what the mean leaves out: it is small where their own targets are large.
_SURE_ROWS = 200
# A file holds so many of a column, the commonest.
_MOST = 20_000
# Of more classes, each would have an input.
_MOST_CLASSES = 10
# The variance within categories as a multiple of that between them, above which means say too
# little: what a network makes of them is then rather which rows they leave out.
_MOST_NOISE = 10.0
# Where no part holds a row out, it is in one of so many others.
_OTHER_PARTS = 8


def learn_means(
    preparation: "Preparation", table: "Table", rows: NDArray[np.intp], y: Doubles,
    weight: Doubles | None,
) -> list[str]:  # fmt: skip
    """Give columns of many texts inputs for the means of a target; a note on each.

    Parameters
    ----------
    rows : ndarray of int
        Numbers of the rows to learn from.
    y : ndarray (rows,) of class numbers, or (rows, outputs)
    """
    truth = _truth(preparation, y)
    notes: list[str] = []
    if truth is None:
        return notes
    w = np.ones(len(rows)) if weight is None else weight
    for feature in preparation.features:
        if not isinstance(feature, CategoricalFeature) or not feature.other:
            continue
        column = table.column(feature.name)
        keys, counts, _ = category_counts(column, rows)
        if len(keys) <= MAX_CATEGORIES:
            continue
        order = sorted(range(len(keys)), key=lambda i: (-counts[i], keys[i]))[:_MOST]
        nothing = np.zeros((len(order), truth.shape[1]))
        feature.set_means([keys[i] for i in order], nothing, feature.noise, feature.spread)
        places = feature.places_of_means(column)[rows]
        noise = _noise(places, truth, w, len(order))
        found = _means(places, truth, w, len(order), noise)
        spread = np.sqrt(np.average(found[places] ** 2, axis=0, weights=w))
        if not (noise < _MOST_NOISE).any() or not (spread > 0).all():
            feature.set_means([], nothing, noise, spread)
        else:
            rows_of = dict(zip(keys, counts, strict=True))
            sure = [text for text in feature.categories if rows_of.get(text, 0) >= _SURE_ROWS]
            feature.set_categories(sure or [keys[order[0]]])
            feature.set_means([keys[i] for i in order], found[:-1], noise, spread)
            notes.append(
                f"column '{feature.name}': the target's mean of each of {len(order)} texts is an "
                "input"
            )
    return notes


def outside_means(problem: "Problem", parts: list[Indices]) -> Array:
    """The problem's inputs, with means of which no row has said anything about itself."""
    if not any(_has_means(feature) for feature in problem.preparation.features):
        return problem.x
    x = problem.x.copy()
    write_outside_means(problem.preparation, problem, parts, x)
    return x


def write_outside_means(
    preparation: "Preparation", problem: "Problem", parts: list[Indices], x: Array
) -> None:
    """The same, into inputs x (rows, inputs) of a preparation."""
    rows = len(x)
    part_of = len(parts) + np.arange(rows) % _OTHER_PARTS
    for number, part in enumerate(parts):
        part_of[part] = number
    truth = _truth(preparation, problem.y)
    w = np.ones(rows) if problem.weight is None else problem.weight
    for feature, inputs in zip(preparation.features, preparation.places(), strict=True):
        if not _has_means(feature) or truth is None:
            continue
        assert isinstance(feature, CategoricalFeature)
        places = feature.places_of_means(problem.table.column(feature.name))[problem.table_rows]
        count = len(feature.means)
        at = inputs[-truth.shape[1] :]
        for number in np.unique(part_of):
            mine = part_of == number
            found = _means(places[~mine], truth[~mine], w[~mine], count, feature.noise)
            x[np.ix_(mine, at)] = bent(found / feature.spread)[places[mine]]


def _has_means(feature: Any) -> bool:
    return isinstance(feature, CategoricalFeature) and bool(feature.means)


def _truth(preparation: "Preparation", y: Array) -> Doubles | None:
    """The numbers that are averaged (rows, outputs); None for too many classes."""
    target = preparation.target
    if not isinstance(target, ClassTarget):
        return target.scale(y)
    if target.outputs > _MOST_CLASSES:
        return None
    indicators: Doubles = np.eye(target.outputs)[y]
    return indicators[:, 1:] if target.outputs == 2 else indicators


def _sums(places: NDArray[np.intp], values: Doubles, count: int) -> Doubles:
    """The sum of the rows' values of each category, and of all other rows, (rows, outputs)."""
    return np.column_stack(
        [np.bincount(places, weights=each, minlength=count + 1) for each in values.T]
    )


def _noise(places: NDArray[np.intp], truth: Doubles, w: Doubles, count: int) -> Doubles:
    """The variance within categories as a multiple of that between them (outputs,), which is
    with how many rows of the mean of all a category's own rows are mixed."""
    n = _sums(places, w[:, np.newaxis], count)
    mean = np.average(truth, axis=0, weights=w)
    means = _sums(places, truth * w[:, np.newaxis], count) / np.maximum(n, 1e-300)
    groups = int((n > 0).sum())
    within = (w[:, np.newaxis] * (truth - means[places]) ** 2).sum(axis=0)
    within /= max(w.sum() - groups, 1)
    between = (n * (means - mean) ** 2).sum(axis=0) - (groups - 1) * within
    # Less what it is by chance, twice its deviation where categories are all the same.
    chance = math.sqrt(2 * groups * (1 + groups / max(len(places) - groups, 1)))
    between -= 2 * chance * within
    between /= max(float(n.sum() - (n**2).sum() / n.sum()), 1e-300)
    noise: Doubles = np.clip(within / np.maximum(between, 1e-12), 1.0, _MOST_NOISE)
    return noise


def _means(
    places: NDArray[np.intp], truth: Doubles, w: Doubles, count: int, noise: Doubles
) -> Doubles:
    """By how much each category's mean is above that of all, as far as it is known (categories and
    0 for all else, outputs)."""
    mean = np.average(truth, axis=0, weights=w)
    n = _sums(places, w[:, np.newaxis], count)
    found: Doubles = _sums(places, (truth - mean) * w[:, np.newaxis], count) / (n + noise)
    found[-1] = 0
    return found

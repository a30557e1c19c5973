"""Rows cut into parts: every part is held out once, and no group of rows is in two parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def folds(
    rows: int,
    count: int,
    seed: int,
    labels: NDArray[np.int32] | None = None,
    groups: NDArray[np.int32] | None = None,
) -> list[Indices]:
    """The rows held out in each of `count` parts, in increasing order.

    Parameters
    ----------
    labels : ndarray (rows,), optional
        Class numbers: each class is spread evenly over the parts.
    groups : ndarray (rows,), optional
        Rows of one group are held out together.
    """
    rng = np.random.default_rng(seed)
    if groups is not None:
        part_of_group = _spread_groups(groups, count, rng)
        part = part_of_group[groups]
    else:
        part = np.empty(rows, np.int64)
        start = 0
        for members in _classes(rows, labels):
            order = rng.permutation(members)
            # Each class begins where the one before has ended: parts stay of one size.
            part[order] = (start + np.arange(len(order))) % count
            start += len(order)
    return [np.flatnonzero(part == i) for i in range(count)]


def _classes(rows: int, labels: NDArray[np.int32] | None) -> list[Indices]:
    """The rows of each class, all rows when there are none."""
    if labels is None:
        return [np.arange(rows)]
    return [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]


def _spread_groups(
    groups: NDArray[np.int32], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The part of each group: the largest first, each into the smallest part."""
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(count, np.int64)
    part = np.empty(len(sizes), np.int64)
    for group in order:
        part[group] = int(filled.argmin())
        filled[part[group]] += sizes[group]
    return part


def held_out(
    rows: int,
    share: float,
    seed: int,
    labels: NDArray[np.int32] | None = None,
    groups: NDArray[np.int32] | None = None,
) -> Indices:
    """About `share` of the rows, of each class in proportion; a class keeps a row at least."""
    rng = np.random.default_rng(seed)
    if groups is not None:
        sizes = np.bincount(groups)
        order = rng.permutation(len(sizes))
        taken = np.cumsum(sizes[order]) <= max(share * rows, 1)
        chosen = order[taken] if taken.any() else order[:1]
        return np.flatnonzero(np.isin(groups, chosen))
    parts: Sequence[Indices] = [
        rng.permutation(members)[: min(int(len(members) * share + 0.5), max(len(members) - 1, 0))]
        for members in _classes(rows, labels)
    ]
    return np.sort(np.concatenate(parts))

"""Inputs of a few rows of numbers, without a table in between: what one row's prediction waits for.

The numbers have the bits of `Preparation.transform`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array
from .features import LINE_ENDS, NumericFeature
from .preparation import Preparation
from .scaling import bent, scaled


class RowKernel:
    """Prepares arrays of numbers whose columns stand in a known order.

    Parameters
    ----------
    features : sequence of NumericFeature
    columns : sequence of int
        The array's column of each feature.
    places : sequence of ndarray
        Where each of a feature's inputs stands.
    """

    def __init__(
        self,
        features: Sequence[NumericFeature],
        columns: Sequence[int],
        places: Sequence[NDArray[np.intp]],
    ) -> None:
        self.columns = np.array(columns, np.intp)
        self.centers = np.array([f.center for f in features])
        self.scales = np.array([f.scale for f in features])
        self.width = sum(f.width for f in features)
        self.numbers = np.array([place[0] for place in places], np.intp)
        marked = [i for i, f in enumerate(features) if f.indicator]
        self.marked = np.array(marked, np.intp)
        self.marks = np.array([places[i][1 + features[i].bins] for i in marked], np.intp)
        edges = [(i, np.array(f.edges)) for i, f in enumerate(features) if f.edges]
        self.binned = np.array([i for i, e in edges for _ in e[1:]], np.intp)
        self.bins = np.array([places[i][1 + k] for i, e in edges for k in range(len(e) - 1)],
                             np.intp)  # fmt: skip
        self.lows = np.concatenate([e[:-1] for _, e in edges] or [np.empty(0)])
        self.sizes = np.concatenate([np.diff(e) for _, e in edges] or [np.empty(0)])
        # A line is a further bin, from the first edge to the last, with other ends.
        self.binned = np.append(self.binned, [i for i, _ in edges]).astype(np.intp)
        self.bins = np.append(self.bins, [places[i][-1] for i, _ in edges]).astype(np.intp)
        self.lows = np.append(self.lows, [e[0] for _, e in edges])
        self.sizes = np.append(self.sizes, [e[-1] - e[0] for _, e in edges])
        low, high = LINE_ENDS
        bins = len(self.bins) - len(edges)
        self.least = np.repeat([0.0, low], [bins, len(edges)])
        self.most = np.repeat([1.0, high], [bins, len(edges)])

    @classmethod
    def of(cls, preparation: Preparation, names: Sequence[str]) -> "RowKernel | None":
        """The kernel for arrays whose columns have these names; None unless all are numbers."""
        features = preparation.features
        numbers = [f for f in features if isinstance(f, NumericFeature)]
        place = {name: i for i, name in enumerate(names)}
        if len(numbers) < len(features) or not all(f.name in place for f in numbers):
            return None
        return cls(numbers, [place[f.name] for f in numbers], preparation.places())

    def __call__(self, values: Array, bend: bool, dtype: str) -> Array:
        """The inputs (rows, inputs) of values (rows, columns)."""
        chosen = values[:, self.columns].astype(np.float64, copy=False)
        out = np.empty((len(values), self.width), dtype)
        z = scaled(chosen, self.centers, self.scales)
        unknown = np.isnan(z)
        if unknown.any():
            z[unknown] = 0
            chosen = np.where(unknown, self.centers, chosen)
        out[:, self.numbers] = bent(z) if bend else z
        if self.bins.size:
            shares = (chosen[:, self.binned] - self.lows) / self.sizes
            out[:, self.bins] = np.minimum(np.maximum(shares, self.least), self.most)
        if self.marks.size:
            out[:, self.marks] = unknown[:, self.marked]
        return out

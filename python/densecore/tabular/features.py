"""The inputs that a column becomes: scaled numbers, indicators of categories; dates: `moments`."""

import itertools
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .columns import BOOLEAN_WORDS, Array, Column, category_key
from .errors import listed
from .json_fields import finite, flag, of_kind, positive, text, texts
from .moments import MomentFeature
from .scaling import bent, robust_scale, scaled
from .surprises import Surprises

# A column's commonest texts have inputs of their own, up to so many.
MAX_CATEGORIES = 100
# A text of fewer rows than this is rare.
MIN_CATEGORY_ROWS = 2


# Lines go on beyond the training rows for as far as these reach; a wrong number may be anywhere.
LINE_ENDS = (-1.0, 2.0)


@dataclass
class NumericFeature:
    """A column of numbers: bent((value - center) / scale), and whether it is missing.

    A missing value is 0, which is the median; `indicator`: an input of its own says so, whose
    weights are the learned replacement. `edges`, if there are any, cut the numbers into bins with
    an input each: 0 below the bin, 1 above it, in between the share of the way (the piecewise
    linear encoding of Gorishniy, Rubachev & Babenko, On embeddings for numerical features, 2022).
    With them comes the number as it is, 0 at the first edge and 1 at the last, for linear models.
    """

    kind: ClassVar[str] = "numeric"

    name: str
    center: float
    scale: float
    indicator: bool = False
    edges: list[float] = field(default_factory=list)

    @property
    def bins(self) -> int:
        """The number of bins; 0: the column has none."""
        return max(len(self.edges) - 1, 0)

    @property
    def line(self) -> bool:
        """Whether there is an input of the number as it is, the last one."""
        return bool(self.edges)

    @property
    def width(self) -> int:
        """The number of inputs of the network."""
        return 1 + self.bins + int(self.indicator) + int(self.line)

    def cut(self, column: Column, rows: NDArray[np.intp], bins: int) -> None:
        """Cut the numbers of some rows into at most `bins` bins of about as many rows each."""
        values = column.numbers()[rows]
        distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        self.edges = []
        if distinct.size <= 2:  # the number itself says it all
            return
        # A value of many rows, such as the 0 of most columns of amounts, fills one bin at most:
        # the others are for those that differ.
        share = counts.astype(np.float64)
        for _ in range(10):
            share = np.minimum(share, share.sum() / bins)
        filled = np.cumsum(share)
        places = np.searchsorted(filled, np.linspace(0, filled[-1], bins + 1))
        edges = distinct[np.minimum(places, distinct.size - 1)]
        edges = np.unique([distinct[0], *edges, distinct[-1]])
        self.edges = edges.tolist() if edges.size > 2 else []

    @property
    def knows_missing(self) -> bool:
        """Whether a missing value has an input of its own."""
        return self.indicator

    @classmethod
    def fit(cls, column: Column, rows: NDArray[np.intp]) -> "NumericFeature":
        """Learn center and scale from the rows whose numbers are in `rows`."""
        values = column.numbers()[rows]
        center, scale = robust_scale(values)
        return cls(column.name, center, scale, bool((~np.isfinite(values)).any()))

    def transform(self, column: Column, out: NDArray[Any], bend: bool, seen: Surprises) -> None:
        """Write the inputs into `out` (rows, width)."""
        values = column.numbers()
        z = scaled(values, self.center, self.scale)
        unknown = np.isnan(z)
        if unknown.any():
            z[unknown] = 0
            if not self.indicator:
                strays = unknown & ~column.missing()
                texts = int(strays.sum())
                example = [column.text(int(np.argmax(strays)))] if texts else []
                seen.add(self.name, "texts where numbers are wanted", texts, example)
                seen.add(self.name, "missing numbers, of which the training data had none",
                         int(unknown.sum()) - texts, [])  # fmt: skip
        out[:, 0] = bent(z) if bend else z
        if self.indicator:
            out[:, 1 + self.bins] = unknown
        if self.edges:
            self._write_bins(np.where(unknown, self.center, values), out)

    def _write_bins(self, values: Array, out: NDArray[Any]) -> None:
        for i, (low, high) in enumerate(itertools.pairwise(self.edges)):
            out[:, 1 + i] = np.clip((values - low) / (high - low), 0, 1)
        low, high = self.edges[0], self.edges[-1]
        out[:, -1] = np.clip((values - low) / (high - low), *LINE_ENDS)

    def transform_missing(self, out: NDArray[Any]) -> None:
        """The inputs of rows of a table that has no such column."""
        out[:] = 0
        if self.indicator:
            out[:, 1 + self.bins] = 1
        if self.edges:
            self._write_bins(np.full(len(out), self.center), out)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "center": self.center,
            "scale": self.scale,
            "indicator": self.indicator,
            "edges": self.edges,
        }

    @classmethod
    def from_dict(cls, entry: Any) -> "NumericFeature":
        """Read and check what `to_dict` wrote."""
        edges = [finite(edge) for edge in entry["edges"]]
        if len(edges) == 1 or any(a >= b for a, b in itertools.pairwise(edges)):
            raise ValueError("edges: wanted none, or at least two in increasing order")
        return cls(
            text(entry["name"]),
            finite(entry["center"]),
            positive(entry["scale"]),
            flag(entry["indicator"]),
            edges,
        )

    @classmethod
    def from_dict_1(cls, entry: Any) -> "NumericFeature":
        """What version 0.1.0 wrote: a mean and a deviation; `fill` was the mean or None."""
        if entry["fill"] is not None:
            finite(entry["fill"])
        return cls(text(entry["name"]), finite(entry["mean"]), positive(entry["scale"]))

    def describe(self) -> str:
        return "number" + (", missing in some rows" if self.indicator else "")


@dataclass
class CategoricalFeature:
    """A column of categories: an input for each, 1 for the row's and 0 for the others.

    Two categories that are never missing are one input, -1 or 1. `other`: an input for rare
    categories and those that training did not have; `missing`: one for an empty cell. Without
    `other` an unseen category is as a missing one, and without both all inputs are 0.
    """

    kind: ClassVar[str] = "categorical"

    name: str
    categories: list[str]
    other: bool = False
    missing: bool = False
    single: bool = False

    def __post_init__(self) -> None:
        self._place = {category_key(c): i for i, c in enumerate(self.categories)}
        self._folded: dict[str, int | None] = {}
        for key, i in self._place.items():
            folded = key.casefold()
            self._folded[folded] = None if folded in self._folded else i

    @property
    def width(self) -> int:
        """The number of inputs of the network."""
        if self.single:
            return 1
        return len(self.categories) + int(self.other) + int(self.missing)

    @property
    def knows_missing(self) -> bool:
        """Whether a missing value has an input of its own."""
        return self.missing or self.other

    @classmethod
    def fit(
        cls, column: Column, rows: NDArray[np.intp], limit: int = MAX_CATEGORIES
    ) -> "CategoricalFeature":
        """Learn the commonest categories from the rows whose numbers are in `rows`."""
        keys, counts, missing = category_counts(column, rows)
        order = sorted(range(len(keys)), key=lambda i: (-counts[i], keys[i]))
        kept = [i for i in order if counts[i] >= MIN_CATEGORY_ROWS][:limit]
        if not kept or len(keys) <= 2:
            kept = order[:limit]
        rare = len(kept) < len(keys)
        categories = sorted(keys[i] for i in kept)
        single = len(categories) == 2 and not rare and missing == 0
        return cls(column.name, categories, rare, missing > 0, single)

    def transform(self, column: Column, out: NDArray[Any], bend: bool, seen: Surprises) -> None:
        """Write the inputs into `out` (rows, width)."""
        codes, levels = column.texts()
        places = np.full(len(levels) + 1, self._missing_place(), np.intp)
        unseen = np.zeros(len(levels) + 1, bool)
        for i, level in enumerate(levels):
            place = self._find(level)
            places[i] = self._other_place() if place is None else place
            unseen[i] = place is None
        if unseen.any() and not self.other:
            count = int(unseen[codes].sum())
            seen.add(self.name, "rows of categories that the training data had not", count,
                     [t for t, new in zip(levels, unseen, strict=False) if new])  # fmt: skip
        if not self.knows_missing:
            seen.add(self.name, "missing values, of which the training data had none",
                     int((codes < 0).sum()), [])  # fmt: skip
        chosen = places[codes]
        out[:] = 0
        if self.single:
            out[:, 0] = np.where(chosen < 0, 0, 2 * chosen - 1)
            return
        known = np.flatnonzero(chosen >= 0)
        out[known, chosen[known]] = 1

    def _find(self, level: str) -> int | None:
        key = category_key(level)
        place = self._place.get(key)
        return self._folded.get(key.casefold()) if place is None else place

    def _missing_place(self) -> int:
        if self.missing:
            return len(self.categories) + int(self.other)
        return len(self.categories) if self.other else -1

    def _other_place(self) -> int:
        return len(self.categories) if self.other else self._missing_place()

    def transform_missing(self, out: NDArray[Any]) -> None:
        """The inputs of rows of a table that has no such column."""
        out[:] = 0
        if self._missing_place() >= 0:
            out[:, self._missing_place()] = 1

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "categories": self.categories,
            "other": self.other,
            "missing": self.missing,
            "single": self.single,
        }

    @classmethod
    def from_dict(cls, entry: Any) -> "CategoricalFeature":
        """Read and check what `to_dict` wrote."""
        made = cls(
            text(entry["name"]),
            texts(entry["categories"]),
            flag(entry["other"]),
            flag(entry["missing"]),
            flag(entry["single"]),
        )
        if made.single and (len(made.categories) != 2 or made.other or made.missing):
            raise ValueError(f"'{made.name}': a single input wants two categories and no other")
        return made

    @classmethod
    def from_dict_1(cls, entry: Any) -> "CategoricalFeature":
        """What version 0.1.0 wrote: one input per category."""
        return cls(text(entry["name"]), texts(entry["categories"]))

    def describe(self) -> str:
        more = [
            name for name, there in (("others", self.other), ("missing", self.missing)) if there
        ]
        return f"categories {listed([*self.categories, *more], 8)}"


def category_counts(column: Column, rows: NDArray[np.intp]) -> tuple[list[str], list[int], int]:
    """The different categories of some rows, the rows of each, and the rows without one.

    2.0 is counted as 2, and the words of a column of booleans in lower case.
    """
    codes, levels = column.texts()
    counts = np.bincount(codes[rows] + 1, minlength=len(levels) + 1)
    merged: dict[str, int] = {}
    for level, count in zip(levels, counts[1:], strict=True):
        if count:
            key = category_key(level)
            merged[key] = merged.get(key, 0) + int(count)
    folded = {key.casefold() for key in merged}
    if len(folded) < len(merged) and folded <= BOOLEAN_WORDS:
        spelled: dict[str, int] = {}
        for key, count in merged.items():
            spelled[key.casefold()] = spelled.get(key.casefold(), 0) + count
        merged = spelled
    return list(merged), list(merged.values()), int(counts[0])


Feature = NumericFeature | CategoricalFeature | MomentFeature
KINDS = (CategoricalFeature, NumericFeature, MomentFeature)


def feature_from_dict(entry: Any, version: int) -> Feature:
    """Read and check what `to_dict` of any feature wrote, in a file of the given version."""
    if version == 1:
        old: Feature = of_kind("feature", entry, KINDS[:2], "from_dict_1")
        return old
    made: Feature = of_kind("feature", entry, KINDS, "from_dict")
    return made

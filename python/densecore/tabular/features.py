"""The inputs that a column becomes: scaled numbers, indicators of categories; dates: `moments`."""

import itertools
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array, Doubles
from .columns import Column
from .errors import listed
from .json_fields import finite, flag, of_kind, positive, text, texts
from .moments import MomentFeature
from .readings import PLAIN, Reading
from .scaling import bent, robust_scale, scaled
from .surprises import Surprises
from .words import BOOLEAN_WORDS, category_key, spelled_alike

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
    reading: Reading | None = None  # how texts spelled the numbers; None: plainly

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
        reading = column.contents.reading
        if reading == PLAIN:
            reading = None
        return cls(column.name, center, scale, bool((~np.isfinite(values)).any()), reading=reading)

    def transform(self, column: Column, out: Array, bend: bool, seen: Surprises) -> None:
        """Write the inputs into `out` (rows, width)."""
        values = column.numbers_as(self.reading)
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

    def _write_bins(self, values: Doubles, out: Array) -> None:
        for i, (low, high) in enumerate(itertools.pairwise(self.edges)):
            out[:, 1 + i] = np.clip((values - low) / (high - low), 0, 1)
        low, high = self.edges[0], self.edges[-1]
        out[:, -1] = np.clip((values - low) / (high - low), *LINE_ENDS)

    def transform_missing(self, out: Array) -> None:
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
        } | ({} if self.reading is None else {"reading": self.reading.to_dict()})

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
            Reading.from_dict(entry["reading"]) if "reading" in entry else None,
        )

    @classmethod
    def from_dict_1(cls, entry: Any) -> "NumericFeature":
        """The form of version 0.1.0: a mean and a deviation; `fill` was the mean or None."""
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
    `other` an unseen category is as a missing one, and without both all inputs are 0. `means`: of
    many texts, what the last inputs are; others have 0 there. While a model is trained, `noise` and
    `spread` (outputs,) say how they came about, see `target_means.learn_means`.
    """

    kind: ClassVar[str] = "categorical"

    name: str
    categories: list[str]
    other: bool = False
    missing: bool = False
    single: bool = False
    means: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.noise = self.spread = np.ones(1)
        self._read_means()
        self.set_categories(self.categories)

    def set_categories(self, categories: list[str]) -> None:
        """Have inputs for these texts only; to others belongs that of `other`."""
        self.categories = categories
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
        return (
            len(self.categories) + int(self.other) + int(self.missing) + self.mean_values.shape[1]
        )

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

    def transform(self, column: Column, out: Array, bend: bool, seen: Surprises) -> None:
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
        if self.means:
            values = self.mean_values
            out[:, -values.shape[1] :] = values[self.places_of_means(column)]

    # Means of a target, see `target_means` --------------------------------------------------------

    def set_means(self, texts: list[str], means: Doubles, noise: Doubles, spread: Doubles) -> None:
        """Let inputs say how far each of many texts' targets are from those of all (texts,
        outputs), in units of `spread` (outputs,); see `learn_means`."""
        self.noise, self.spread = noise, spread
        self.means = dict(zip(texts, bent(means / spread).tolist(), strict=True)) if texts else {}
        self._read_means()

    def _read_means(self) -> None:
        width = len(next(iter(self.means.values()))) if self.means else 0
        # The last: of texts that are none of them, and of no text.
        self.mean_values = np.zeros((len(self.means) + 1, width))
        if self.means:
            self.mean_values[:-1] = list(self.means.values())
            self.texts_of_means = CategoricalFeature(self.name, list(self.means), other=True)

    def places_of_means(self, column: Column) -> NDArray[np.intp]:
        """The number (rows,) of each row's text among those that have means, or how many these
        are."""
        codes, levels = column.texts()
        others = len(self.means)
        found = [self.texts_of_means._find(level) for level in levels]
        places = [others if place is None else place for place in found]
        return np.array([*places, others], np.intp)[codes]

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

    def transform_missing(self, out: Array) -> None:
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
        } | ({"means": self.means} if self.means else {})

    @classmethod
    def from_dict(cls, entry: Any) -> "CategoricalFeature":
        """Read and check what `to_dict` wrote."""
        made = cls(
            text(entry["name"]),
            texts(entry["categories"]),
            flag(entry["other"]),
            flag(entry["missing"]),
            flag(entry["single"]),
            {text(key): [finite(v) for v in row] for key, row in entry.get("means", {}).items()},
        )
        if len({len(row) for row in made.means.values()}) > 1 or (made.means and made.single):
            raise ValueError(f"'{made.name}': means differ in length, or are beside a single input")
        if made.single and (len(made.categories) != 2 or made.other or made.missing):
            raise ValueError(f"'{made.name}': a single input wants two categories and no other")
        return made

    @classmethod
    def from_dict_1(cls, entry: Any) -> "CategoricalFeature":
        """The form of version 0.1.0: one input per category."""
        return cls(text(entry["name"]), texts(entry["categories"]))

    def describe(self) -> str:
        more = [
            name for name, there in (("others", self.other), ("missing", self.missing)) if there
        ]
        means = f"; target's mean of {len(self.means)} texts" if self.means else ""
        return f"categories {listed([*self.categories, *more], 8)}{means}"


def category_counts(column: Column, rows: NDArray[np.intp]) -> tuple[list[str], list[int], int]:
    """The different categories of some rows, the rows of each, and the rows without one.

    2.0 is counted as 2, and a word in any capital letters as its commonest spelling (words of
    booleans: in small letters).
    """
    codes, levels = column.texts()
    counts = np.bincount(codes[rows] + 1, minlength=len(levels) + 1)
    merged: dict[str, int] = {}
    for level, count in zip(levels, counts[1:], strict=True):
        if count:
            key = category_key(level)
            merged[key] = merged.get(key, 0) + int(count)
    if not column.exact:
        for key, first in spelled_alike(merged).items():
            merged[first] += merged.pop(key)
        if len(counts) - 1 > len(merged) and {key.casefold() for key in merged} <= BOOLEAN_WORDS:
            merged = {key.casefold(): count for key, count in merged.items()}
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

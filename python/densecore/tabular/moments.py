"""The inputs that a column of dates or times becomes: the parts that vary."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._base.dtypes import Array, Doubles
from .algebra import sine_and_cosine
from .columns import Column
from .json_fields import finite, flag, positive, text, texts
from .scaling import bent, robust_scale, scaled
from .surprises import Surprises

_DAY = 86400.0
_YEAR = 365.2425 * _DAY


@dataclass
class MomentFeature:
    """A column of dates or times, as the parts of it that vary.

    ``time``: the moment itself, scaled as numbers are; ``year``, ``week`` and ``day``: sine and
    cosine of the place in the year, the week and the day. `indicator`: whether it is missing.
    `order`: what came first in the training table's dates, ``"day"`` or ``"month"``; ``"compact"``
    for numbers such as 20210131.
    """

    kind: ClassVar[str] = "moment"

    name: str
    center: float
    scale: float
    parts: list[str]
    indicator: bool = False
    order: str = ""

    _PERIODS: ClassVar[dict[str, tuple[float, float]]] = {
        # 1970-01-01 was a Thursday.
        "year": (_YEAR, 0.0),
        "week": (7 * _DAY, 3 * _DAY),
        "day": (_DAY, 0.0),
    }

    @property
    def width(self) -> int:
        """The number of inputs of the network."""
        return sum(1 if part == "time" else 2 for part in self.parts) + int(self.indicator)

    @property
    def knows_missing(self) -> bool:
        """Whether a missing value has an input of its own."""
        return self.indicator

    @classmethod
    def fit(cls, column: Column, rows: NDArray[np.intp]) -> "MomentFeature":
        """Learn which parts vary, and the scale of the moment, from some rows."""
        compact = column.kind == "numbers"
        order = "compact" if compact else column.contents.order
        values = column.moments_as(order)[rows]
        center, scale = robust_scale(values)
        known = values[np.isfinite(values)]
        found = 1 if compact else column.contents.parts
        has_date, has_time = found & 1, found & 2
        parts = ["time"]
        if has_date:
            spread = known.max() - known.min() if known.size else 0.0
            parts += [
                part for part, least in (("year", 30 * _DAY), ("week", _DAY)) if spread > least
            ]
        if has_time and np.unique(known % _DAY).size > 1:
            parts.append("day")
        return cls(column.name, center, scale, parts, bool((~np.isfinite(values)).any()), order)

    def transform(self, column: Column, out: Array, bend: bool, seen: Surprises) -> None:
        """Write the inputs into `out` (rows, width)."""
        values = column.moments_as(self.order)
        unknown = ~np.isfinite(values)
        if unknown.any() and not self.indicator:
            seen.add(self.name, "missing dates, of which the training data had none",
                     int(unknown.sum()), [])  # fmt: skip
        self._write(values, unknown, out, bend)

    def transform_missing(self, out: Array) -> None:
        """The inputs of rows of a table that has no such column."""
        self._write(np.full(len(out), np.nan), np.ones(len(out), bool), out, True)

    def _write(self, values: Doubles, unknown: NDArray[np.bool_], out: Array, bend: bool) -> None:
        at = 0
        for part in self.parts:
            if part == "time":
                z = scaled(values, self.center, self.scale)
                z[unknown] = 0
                out[:, at] = bent(z) if bend else z
                at += 1
                continue
            period, shift = self._PERIODS[part]
            turns = np.where(unknown, 0, values + shift) % period / period
            sine, cosine = sine_and_cosine(turns)
            out[:, at] = np.where(unknown, 0, sine)
            out[:, at + 1] = np.where(unknown, 0, cosine)
            at += 2
        if self.indicator:
            out[:, at] = unknown

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "center": self.center,
            "scale": self.scale,
            "parts": self.parts,
            "indicator": self.indicator,
        } | ({"order": self.order} if self.order else {})

    @classmethod
    def from_dict(cls, entry: Any) -> "MomentFeature":
        """Read and check what `to_dict` wrote."""
        parts = texts(entry["parts"])
        unknown = [part for part in parts if part != "time" and part not in cls._PERIODS]
        if unknown:
            raise ValueError(f"unknown part of a date {unknown[0]!r}")
        return cls(
            text(entry["name"]),
            finite(entry["center"]),
            positive(entry["scale"]),
            parts,
            flag(entry["indicator"]),
            text(entry.get("order", "")),
        )

    def describe(self) -> str:
        return f"moment ({', '.join(self.parts)})"

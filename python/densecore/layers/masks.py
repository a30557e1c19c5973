"""Masks: which steps of rows (steps, features) count.

`Embedding(mask_zero=True)` and `Masking` say it, layers that take each vector by itself hand it on,
and `GlobalAveragePooling1D` takes the mean of what counts. Other layers forget it, as Keras's do.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._autodiff.traced import plain
from .._base import checks
from .._base.dtypes import Array
from .base import Layer
from .lowering import Plan, Row, Source
from .whole_function import WholeFunction


class Mask(NamedTuple):
    """Which steps count: a function of what is at a source.

    Attributes
    ----------
    source : Source
    counts : callable
        Rows of the source → booleans (rows, steps).
    """

    source: Source
    counts: Callable[[Array], Array]


def of_mean(plan: Plan, source: Source) -> Source:
    """Rows whose mean over all steps is that over the steps which count."""
    mask: Mask | None = plan.masks.get(source)
    if mask is None:
        return source

    def scaled(parts: list[Any], _: int) -> Any:
        x, given = parts
        counts = mask.counts(plain(given)).astype(np.float64)
        return x * (counts * (x.shape[1] / counts.sum(axis=1, keepdims=True)))[:, :, None]

    rows = [source.row, mask.source.row]
    width = source.width + mask.source.width
    plan.merge({"kind": "concatenate"}, [source, mask.source], (width,))
    plan.close()
    number = plan.add({"kind": "function", "units": source.width}, source.width)
    plan.functions[number] = WholeFunction(scaled, rows, [False, False], source.row, "rows")
    plan.close(source.row)
    return plan.here


class Masking(Layer):
    """Steps whose numbers are all `mask_value` become 0, and do not count in a mean over steps.

    Parameters
    ----------
    mask_value : float, default 0.0

    Raises
    ------
    ValueError
        In a model: rows of another number of dimensions than (steps, features).
    """

    config_names: ClassVar[tuple[str, ...]] = ("mask_value",)

    def __init__(self, mask_value: float = 0.0, **general: Any) -> None:
        super().__init__(**general)
        self.mask_value = checks.number("Masking: mask_value", mask_value)

    def _counts(self, x: Array) -> Array:
        return np.asarray(np.any(x != self.mask_value, axis=-1))

    def _output_row(self, row: Row | None) -> Row | None:
        if row is not None:
            self._steps_and_features(row)
        return row

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        source = plan.whole(sources[0])
        self._output_row(source.row)
        plan.go_to(source)
        plan.close((plan.width,))
        number = plan.add({"kind": "function", "units": plan.width}, plan.width)
        plan.functions[number] = WholeFunction(
            lambda parts, _: parts[0] * self._counts(plain(parts[0]))[:, :, None],
            [source.row], [False], source.row, "rows",
        )  # fmt: skip
        plan.close(source.row)
        plan.masks[plan.here] = Mask(source, self._counts)
        return [plan.here]

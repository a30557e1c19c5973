"""Layers that scale by numbers known beforehand: given, or taken from data by `adapt`."""

import math
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array, Network, floatx
from .._base.keras_arrays import Tensor
from .._data.interop import refuse_masked
from .arrays import Shapes
from .base import Layer
from .input import MAX_DIMENSIONS
from .lowering import Plan, Row


def last_axis(kind: str, axis: Any) -> int:
    """The axis of the features, which is the last one of rows: -1, or their number of dimensions.

    Raises
    ------
    ValueError
        It is no number that can be the last axis; `InCore._last` compares it with the rows.
    """
    found = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    number = checks.real(found)
    if number is None or (number != -1 and number not in range(1, MAX_DIMENSIONS + 1)):
        raise ValueError(f"{kind}: axis: found {checks.shown(axis)}, wanted -1 (the features)")
    return int(number)


def _moments(data: Any, whole: bool) -> tuple[Array, Array]:
    """Mean and variance of each feature of data (rows, ...), in double precision, by blocks.

    `whole`: of all numbers together. A feature that is the same in all rows gets the variance 1.
    """
    refuse_masked("adapt", data)
    array = np.asanyarray(data if hasattr(data, "shape") else np.asarray(data))
    if array.dtype.kind not in "biuf":
        raise TypeError(f"adapt: found dtype {array.dtype}, wanted real numbers")
    if array.size == 0:
        raise ValueError("adapt: found no rows, wanted at least one")
    features = 1 if whole or array.ndim == 1 else array.shape[-1]
    block = max(65536 // max(array[:1].size // features, 1), 1)
    parts = [slice(start, start + block) for start in range(0, len(array), block)]

    def rows_of(part: slice) -> Array:
        return np.asarray(array[part], np.float64).reshape(-1, features)

    count = array.size // features
    low, high = np.full(features, np.inf), np.full(features, -np.inf)
    total = np.zeros(features)
    for part in parts:
        rows = rows_of(part)
        bad = ~np.isfinite(rows)
        if bad.any():
            row, column = (int(place[0]) for place in np.nonzero(bad))
            row = part.start + row * len(array) // max(count, 1)
            raise ValueError(
                f"adapt: found {rows[bad][0]} in column {column}, row {row}, wanted finite "
                "numbers: leave out or fill what is missing"
            )
        total += rows.sum(axis=0)
        low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
    mean = total / count
    square = sum(((rows_of(part) - mean) ** 2).sum(axis=0) for part in parts)
    constant = low == high
    return np.where(constant, low, mean), np.where(constant, 1.0, square / count)


class Normalization(Layer):
    """(x - mean) / sqrt(variance) for each feature, with numbers taken from data beforehand.

    As the first layer it makes scaling of the inputs a part of the model; with ``invert=True`` as
    the last one it brings outputs to the targets' scale: ``adapt`` it to the targets then.

    Parameters
    ----------
    axis : {-1, None}, default -1
        -1: each feature (the last axis of the data) has a mean and a variance of its own. None: all
        numbers have the same.
    mean, variance : float or array_like (features,), optional
        Instead of `adapt`.
    invert : bool, default False
        Compute x · sqrt(variance) + mean instead.

    Attributes
    ----------
    mean, variance : ndarray (features,)

    Raises
    ------
    ValueError
        One of mean and variance, or numbers that are not finite, or a variance < 0.
    """

    state_names: ClassVar[tuple[str, ...]] = ("mean", "variance")
    _adapts: ClassVar[bool] = True
    config_names: ClassVar[tuple[str, ...]] = ("invert",)
    # Keras's smallest deviation: a feature of variance 0 becomes 0.
    _epsilon = 1e-7

    def __init__(
        self,
        axis: int | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **general: Any,
    ) -> None:
        found = None if axis is None else last_axis("Normalization", axis)
        if (mean is None) != (variance is None):
            raise ValueError("Normalization: found one of mean and variance, wanted both or none")
        super().__init__(**general)
        self.axis = found
        self.invert = checks.flag("Normalization: invert", invert)
        self._row: Row | None = None
        self._values: tuple[Array, Array] | None = None
        if mean is not None:
            self._values = (np.asarray(mean, np.float64), np.asarray(variance, np.float64))
            if not (np.isfinite(self._values[0]).all() and (self._values[1] >= 0).all()):
                raise ValueError("Normalization: wanted finite means and variances >= 0")

    @property
    def mean(self) -> Array:
        """The means, a view (elements of a row,); before there is a model, those of `adapt`."""
        return self._state("mean") if self._row is not None else self._adapted("mean", 0)

    @property
    def variance(self) -> Array:
        """The variances, a view (elements of a row,); before there is a model, those of `adapt`."""
        return self._state("variance") if self._row is not None else self._adapted("variance", 1)

    def _adapted(self, name: str, place: int) -> Array:
        if self._values is None:
            return self._state(name)  # raises
        return self._values[place].reshape(1, -1).astype(floatx()).view(Tensor)

    def adapt(self, data: Any) -> None:
        """Take mean and variance of each feature from data (rows, features), in double precision.

        Large arrays and memory maps are read in blocks. Of data with more dimensions the features
        are the last one. A feature that is the same in all rows gets the variance 1: it becomes 0,
        and a small change of it stays small.

        Raises
        ------
        TypeError, ValueError
            The data are not numbers, not finite, have no rows, or another number of features.
        """
        self.take(*_moments(data, self.axis is None))

    @property
    def shape_of_numbers(self) -> Row:
        """The shape of mean and variance: one number, or one of each feature."""
        return () if self.axis is None or self._row is None else self._row[-1:]

    def take(self, mean: Array, variance: Array) -> None:
        """Use these numbers, as `adapt` does those that it finds."""
        before = self._values
        self._values = (np.asarray(mean, np.float64), np.asarray(variance, np.float64))
        if self._views is not None:
            try:
                with self._reserved():
                    self._write_values()
            except (RuntimeError, ValueError):
                self._values = before
                raise

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal layer; JSON-able."""
        whole = {} if self.axis is not None or isinstance(self, Rescaling) else {"axis": None}
        return {**super().get_config(), **whole}

    def __reduce__(self) -> Any:
        # Before there is a model, the numbers of `adapt` are nowhere else.
        found = super().__reduce__()
        return found if self.built or isinstance(self, Rescaling) else (*found, self._values)

    def __setstate__(self, values: tuple[Array, Array] | None) -> None:
        self._values = values

    def _write_values(self) -> None:
        """Copy mean and variance to the network: one number, one of each feature, or of each
        element of a row."""
        assert self._values is not None
        assert self._row is not None
        views = (self.mean, self.variance)
        kind = type(self).__name__
        for view, values in zip(views, self._values, strict=True):
            if values.size not in (1, *self._row[-1:], view.size):
                raise ValueError(
                    f"{kind}: found numbers for {values.size} features, wanted {self._row[-1]}"
                )
            if np.abs(values).max(initial=0) > np.finfo(view.dtype).max:
                raise ValueError(
                    f"{kind}: found numbers that overflow {view.dtype}, wanted smaller ones (or a "
                    "model with dtype='float64')"
                )
        for view, values in zip(views, self._values, strict=True):
            view.reshape(-1, values.size)[...] = values.reshape(-1)

    def _plan(self, plan: Plan) -> None:
        if self.axis is not None:
            self._last(plan.row)
        self._row = plan.row
        epsilon = 0.0 if self.invert else self._epsilon
        plan.add({"kind": "normalization", "epsilon": epsilon, "invert": self.invert}, layer=self)

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        return {}, dict.fromkeys(self.state_names, (math.prod(row),))

    def _build(self, network: Network, places: list[int]) -> None:
        super()._build(network, places)
        if self._values is not None:
            self._write_values()


def _given(name: str, value: Any) -> Array:
    """A number or an array of them, given to Rescaling."""
    number = checks.real(value)
    found = np.asarray(value if number is None else number)
    if found.dtype.kind not in "iuf":
        raise TypeError(f"Rescaling: {name}: found {checks.shown(value)}, wanted numbers")
    if not np.isfinite(found).all():
        raise ValueError(f"Rescaling: {name}: found {checks.shown(value)}, wanted finite numbers")
    return found.astype(np.float64)


class Rescaling(Normalization):
    """x · scale + offset.

    Parameters
    ----------
    scale : float or array_like (features,)
        > 0.
    offset : float or array_like (features,), default 0.0

    Raises
    ------
    ValueError
        A number that is not finite, or a scale that is not > 0.
    """

    config_names: ClassVar[tuple[str, ...]] = ("scale", "offset")
    _epsilon = 0.0
    _shows_weights = False  # what the core keeps of it are its arguments

    def __init__(self, scale: Any, offset: Any = 0.0, **general: Any) -> None:
        factor, shift = _given("scale", scale), _given("offset", offset)
        if not (factor > 0).all():
            raise ValueError(f"Rescaling: scale: found {checks.shown(scale)}, wanted numbers > 0")
        self.scale, self.offset = factor.tolist(), shift.tolist()
        super().__init__(mean=-shift / factor, variance=1 / factor**2, **general)

    def adapt(self, data: Any) -> None:
        """Raises: the numbers are given."""
        raise TypeError("Rescaling: found adapt, wanted Normalization for numbers from data")

"""Which layer a function of rows is: it is computed on test rows, and compared with the layers and
activations that there are, however the writer of a file has spelled it.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import layers
from .._base.dtypes import Array
from ..activations import Activation, names
from ..layers.lowering import Row

#: A layer, and its arrays.
Made = tuple[layers.Layer, list[Array]]


@dataclass
class Affine:
    """x · scale + shift for each element of a row."""

    scale: Array
    shift: Array

    @property
    def is_identity(self) -> bool:
        """Whether nothing has to be computed."""
        return bool((self.scale == 1).all() and (self.shift == 0).all())

    def layer(self) -> Made | None:
        """A layer that computes it; None if there is none."""
        if (self.scale > 0).all():
            return layers.Rescaling(self.scale.ravel(), self.shift.ravel()), []
        if self.scale.ndim == 1:
            return layers.Dense(self.scale.size), [np.diag(self.scale), self.shift]
        return None


def identified(
    function: Callable[[Array], Array], row: Row, numbers: Sequence[float], normalizes: bool
) -> Affine | Made | None:
    """The layer that a function of rows is, and its arrays; None if there is none.

    Parameters
    ----------
    function : function (rows) -> rows
        In double precision.
    row : tuple of int
        The shape of a row.
    numbers : sequence of float
        That occur in the function: the parameters of layers are among them.
    normalizes : bool
        Whether it has means, sums or the like in it.

    Raises
    ------
    ValueError
        It cannot be computed, or gives rows of another shape.
    """
    found = function(np.zeros((2, *row))).shape  # before many rows are made
    if found != (2, *row):
        raise ValueError(
            f"found rows of shape {found[1:]} of such of {row}, wanted as many numbers"
        )
    x = _test_rows(row, numbers)
    wanted = function(x)
    affine = _affine(x, wanted)
    if affine is not None:
        return affine
    candidates: Iterator[Made] = _activations(x, wanted, numbers)
    if normalizes and x.ndim == 2:
        candidates = itertools.chain(candidates, _normalizations(x, wanted, numbers))
    return next(candidates, None)


def _affine(x: Array, wanted: Array) -> Affine | None:
    """A factor and an addend for each element, if that is all."""
    ones, zeros = x[0], x[1]  # as `_test_rows` makes them
    shift = wanted[1]
    scale = (wanted[0] - shift) / (ones - zeros)
    if np.isfinite(scale).all() and _same(x * scale + shift, wanted):
        return Affine(scale, shift)
    return None


def _normalizations(x: Array, wanted: Array, numbers: Sequence[float]) -> Iterator[Made]:
    """Nodes that divide each row by its own deviation, then scale and shift each feature."""
    width = x.shape[1]
    groups = {int(n) for n in numbers if n == int(n) and 1 < n < width and width % n == 0}
    for epsilon in sorted({n for n in numbers if 0 <= n <= 1e-2} | {0.0, 1e-5}):
        kinds: list[tuple[Any, Array]] = [
            (layers.LayerNormalization, _normal(x, epsilon, 1, True)),
            (layers.RMSNormalization, _normal(x, epsilon, 1, False)),
            *(((layers.GroupNormalization, g), _normal(x, epsilon, g, True)) for g in groups),
            (layers.UnitNormalization, _normal(x * np.sqrt(width), 0.0, 1, False) / width**0.5),
        ]
        for kind, normal in kinds:
            found = _scale_and_shift(normal, wanted)
            if found is None:
                continue
            scale, shift = found
            if kind is layers.UnitNormalization:
                if _same(normal, wanted):
                    yield kind(), []
            elif kind is layers.RMSNormalization:
                if np.abs(shift).max() <= 1e-7:
                    yield kind(epsilon=epsilon), [scale]
            elif kind is layers.LayerNormalization:
                yield kind(epsilon=epsilon), [scale, shift]
            else:
                yield kind[0](kind[1], epsilon=epsilon), [scale, shift]


def _same(a: Array, b: Array) -> bool:
    """Whether two results are the same up to single-precision constants."""
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= 2e-6 * np.maximum(np.abs(a), np.abs(b)) + 1e-7
    return bool((near | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def _normal(x: Array, epsilon: float, groups: int, centered: bool) -> Array:
    parts = x.reshape(len(x), groups, -1)
    if centered:
        parts = parts - parts.mean(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        parts = parts / np.sqrt((parts**2).mean(axis=-1, keepdims=True) + epsilon)
    return np.asarray(parts.reshape(x.shape))


def _scale_and_shift(normal: Array, wanted: Array) -> tuple[Array, Array] | None:
    """The factor and the addend for each feature that make one of the other."""
    rows = np.isfinite(normal).all(axis=1) & np.isfinite(wanted).all(axis=1)
    a, b = normal[rows], wanted[rows]
    if len(a) < 3:
        return None
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    spread = ((a - mean_a) ** 2).sum(axis=0)
    if not spread.all():
        return None
    scale = ((a - mean_a) * (b - mean_b)).sum(axis=0) / spread
    shift = mean_b - scale * mean_a
    return (scale, shift) if _same(a * scale + shift, b) else None


def _test_rows(row: Row, numbers: Sequence[float]) -> Array:
    """Rows of ones and of zeros, and rows of numbers of all sizes, near the given ones too."""
    near = [n + d for n in numbers if abs(n) < 1e6 for d in (-0.1, -1e-3, 0.0, 1e-3, 0.1)]
    near = near + [-n for n in near]
    far = [8.0, 20.0, 50.0, 100.0, 1e3, 1e4]
    values = np.array([*np.linspace(-7, 7, 57), *near, *far, *(-n for n in far)])
    size = int(np.prod(row))
    # Each feature meets each value, in another order than its neighbours do.
    rolled = np.stack([np.roll(values, 7 * i + i // 8) for i in range(size)], axis=1)
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(16, size)) * rng.choice([0.3, 1, 3], (16, 1))
    rows = np.concatenate([np.ones((1, size)), np.zeros((1, size)), rolled, mixed])
    return rows.reshape(-1, *row)


def _activations(x: Array, wanted: Array, numbers: Sequence[float]) -> Iterator[Made]:
    """Activations that compute the same, with their own parameters or some of the numbers."""
    choices = sorted({abs(n) for n in numbers} | {1 / n for n in map(abs, numbers) if n})
    for name in names():  # those that need no more than a name first
        if _same(Activation(name)(x), wanted):
            yield layers.Activation(name), []
    for name in names():
        for option in _options(name, choices):
            try:
                activation = Activation(name, **option)
            except (ValueError, TypeError):
                continue
            if _same(activation(x), wanted):
                yield layers.Activation(activation), []


def _options(name: str, choices: Sequence[float]) -> list[dict[str, Any]]:
    """The parameters that an activation may have, of some numbers."""
    if name == "gelu":
        return [{"approximate": True}]
    if name == "relu":
        most = [n for n in choices if n > 0]
        found: list[dict[str, Any]] = [{"max_value": n} for n in most]
        found += [{"threshold": n} for n in choices]
        for slope, largest, threshold in itertools.product(choices, [None, *most], [0.0, *choices]):
            found.append({"negative_slope": slope, "max_value": largest, "threshold": threshold})
        return found[:400]
    return [{key: n} for key in Activation(name).parameters for n in choices]

"""Layers that normalise: over the batch, over each row, or by numbers learnt beforehand."""

import math
from typing import Any, ClassVar

import numpy as np

from .. import constraints, initializers, regularizers
from .._base import checks
from .._base.dtypes import Array, Network, floatx
from .._base.keras_arrays import Tensor
from .arrays import Shapes, given_ones
from .base import Layer
from .lowering import Plan, Row


def _not_negative(what: str, value: Any) -> float:
    return checks.number(what, value, least=0)


def _moments(data: Any, whole: bool) -> tuple[Array, Array]:
    """Mean and variance of each feature of data (rows, ...), in double precision, by blocks.

    `whole`: of all numbers together. A feature that is the same in all rows gets the variance 1.
    """
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


def _last_axis(kind: str, axis: Any) -> int:
    found = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    if checks.real(found) not in (-1, 1):
        raise ValueError(f"{kind}: axis: found {checks.shown(axis)}, wanted -1 (the features)")
    return -1


class _ScaleAndCenter(Layer):
    """gamma and beta, as layer, group and batch normalisation have them."""

    parameter_names: ClassVar[tuple[str, ...]] = ("gamma", "beta")
    _kind: str

    def __init__(self, kind: str, numbers: dict[str, Any], general: dict[str, Any]) -> None:
        self.center = bool(numbers["center"])
        self.scale = bool(numbers["scale"])
        self.beta_initializer = initializers.get(numbers["beta_initializer"])
        self.gamma_initializer = initializers.get(numbers["gamma_initializer"])
        self.beta_regularizer = regularizers.get(numbers["beta_regularizer"])
        self.gamma_regularizer = regularizers.get(numbers["gamma_regularizer"])
        self.beta_constraint = constraints.get(general.pop("beta_constraint", None))
        self.gamma_constraint = constraints.get(general.pop("gamma_constraint", None))
        self._constraints = given_ones(gamma=self.gamma_constraint, beta=self.beta_constraint)
        self.epsilon = _not_negative(f"{kind}: epsilon", numbers["epsilon"])
        super().__init__(**general)

    @property
    def gamma(self) -> Array | None:
        return self._parameter("gamma")

    @property
    def beta(self) -> Array | None:
        return self._parameter("beta")

    def _spec(self) -> dict[str, Any]:
        return {
            "kind": self._kind,
            "epsilon": self.epsilon,
            "scale": self.scale,
            "center": self.center,
            "trainable": self._trainable,
            "penalties": [
                regularizers.factors(self.gamma_regularizer),
                regularizers.factors(self.beta_regularizer),
            ],
        }

    def _plan(self, plan: Plan) -> None:
        self._features(plan.row)
        plan.add(self._spec(), layer=self)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is not None:
            self._features(row)
        return row

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        width = self._features(row)
        parameters: Shapes = {}
        if self.scale:
            parameters["gamma"] = (width,)
        if self.center:
            parameters["beta"] = (width,)
        return parameters, dict.fromkeys(self.state_names, (width,))

    def _initialize(self, seed: int, number: int) -> None:
        # Tensor numbers that no dense layer has.
        tensor = 2**20 + 2 * (self._core_index or 0)
        for place, (array, initializer) in enumerate(
            [(self.gamma, self.gamma_initializer), (self.beta, self.beta_initializer)]
        ):
            if array is not None:
                initializer.fill(array, array.size, array.size, seed, tensor + place)


class LayerNormalization(_ScaleAndCenter):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta over each row (Ba, Kiros & Hinton, 2016).

    Parameters
    ----------
    epsilon : float
    center, scale : bool
        Whether there are a beta and a gamma.
    beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer
        As a dense layer's.

    Attributes
    ----------
    gamma, beta : ndarray (units,) or None
    """

    _kind = "layer_normalization"
    config_names: ClassVar[tuple[str, ...]] = (
        "epsilon",
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    )

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | initializers.Initializer = "zeros",
        gamma_initializer: str | initializers.Initializer = "ones",
        beta_regularizer: "str | regularizers.Regularizer | None" = None,
        gamma_regularizer: "str | regularizers.Regularizer | None" = None,
        **general: Any,
    ) -> None:
        _last_axis("LayerNormalization", axis)
        numbers = {key: value for key, value in locals().items() if key != "self"}
        super().__init__("LayerNormalization", numbers, general)


class RMSNormalization(Layer):
    """scale x / sqrt(mean of x² + epsilon) over each row (Zhang & Sennrich, 2019).

    Parameters
    ----------
    axis : int, default -1
        The features; there is no other.
    epsilon : float, default 1e-6

    Attributes
    ----------
    scale : ndarray (units,)
        Starts at 1.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("scale",)
    config_names: ClassVar[tuple[str, ...]] = ("epsilon",)

    def __init__(self, axis: int = -1, epsilon: float = 1e-6, **general: Any) -> None:
        _last_axis("RMSNormalization", axis)
        super().__init__(**general)
        self.epsilon = _not_negative("RMSNormalization: epsilon", epsilon)

    @property
    def scale(self) -> Array:
        """The factor of each feature."""
        return self._built_views()[0]["scale"]

    def _plan(self, plan: Plan) -> None:
        plan.add(
            {"kind": "rms_normalization", "epsilon": self.epsilon, "trainable": self._trainable},
            layer=self,
        )

    def _output_row(self, row: Row | None) -> Row | None:
        if row is not None:
            self._features(row)
        return row

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        return {"scale": (self._features(row),)}, {}

    def _initialize(self, seed: int, number: int) -> None:
        self.scale[...] = 1


class GroupNormalization(_ScaleAndCenter):
    """Layer normalisation of each of `groups` equal parts of a row (Wu & He, 2018).

    Parameters
    ----------
    groups : int, default 32
        Must divide the number of features; -1 is Keras's word for as many groups as features.
    axis, epsilon, center, scale, beta_initializer, …
        As in `LayerNormalization`.

    Attributes
    ----------
    gamma, beta : ndarray (units,) or None

    Raises
    ------
    TypeError, ValueError
        `groups` is not an integer > 0 or -1, or, in a model, does not divide the features.
    """

    _kind = "group_normalization"
    config_names: ClassVar[tuple[str, ...]] = ("groups", *LayerNormalization.config_names)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | initializers.Initializer = "zeros",
        gamma_initializer: str | initializers.Initializer = "ones",
        beta_regularizer: "str | regularizers.Regularizer | None" = None,
        gamma_regularizer: "str | regularizers.Regularizer | None" = None,
        **general: Any,
    ) -> None:
        _last_axis("GroupNormalization", axis)
        numbers = {key: value for key, value in locals().items() if key != "self"}
        one_each = checks.real(groups) == -1
        self.groups = -1 if one_each else checks.integer("GroupNormalization: groups", groups, 1)
        super().__init__("GroupNormalization", numbers, general)

    def _plan(self, plan: Plan) -> None:
        groups = plan.width if self.groups == -1 else self.groups
        if plan.width % groups:
            raise ValueError(
                f"GroupNormalization: found {plan.width} features in {groups} groups, wanted "
                "groups of equal size"
            )
        plan.add({**self._spec(), "groups": groups}, layer=self)


class UnitNormalization(Layer):
    """x / |x| for each row: rows of Euclidean length 1; a row of zeros stays 0.

    Parameters
    ----------
    axis : int, default -1
        The features; there is no other.
    """

    def __init__(self, axis: int = -1, **general: Any) -> None:
        _last_axis("UnitNormalization", axis)
        super().__init__(**general)

    @property
    def _takes_vectors(self) -> bool:
        return True

    def _plan(self, plan: Plan) -> None:
        plan.add({"kind": "unit_normalization"})


class BatchNormalization(_ScaleAndCenter):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta for each feature (Ioffe & Szegedy, 2015).

    Mean and variance are those of the batch in training, and their moving averages elsewhere; a
    layer that is not trainable uses the averages in training too. As in Keras, sample weights do
    not count here, and the variance is the biased one.

    Parameters
    ----------
    momentum : float
        Of the moving averages, in [0, 1].
    epsilon, center, scale, beta_initializer, …
        As in `LayerNormalization`.

    Attributes
    ----------
    gamma, beta : ndarray (units,) or None
    moving_mean, moving_variance : ndarray (units,)
    """

    _kind = "batch_normalization"
    state_names: ClassVar[tuple[str, ...]] = ("moving_mean", "moving_variance")
    config_names: ClassVar[tuple[str, ...]] = ("momentum", *LayerNormalization.config_names)

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | initializers.Initializer = "zeros",
        gamma_initializer: str | initializers.Initializer = "ones",
        beta_regularizer: "str | regularizers.Regularizer | None" = None,
        gamma_regularizer: "str | regularizers.Regularizer | None" = None,
        **general: Any,
    ) -> None:
        _last_axis("BatchNormalization", axis)
        numbers = {key: value for key, value in locals().items() if key != "self"}
        self.momentum = checks.number("BatchNormalization: momentum", momentum, least=0, most=1)
        super().__init__("BatchNormalization", numbers, general)

    @property
    def moving_mean(self) -> Array:
        return self._state("moving_mean")

    @property
    def moving_variance(self) -> Array:
        return self._state("moving_variance")

    def _spec(self) -> dict[str, Any]:
        return {**super()._spec(), "momentum": self.momentum}


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
        if axis is not None:
            _last_axis("Normalization", axis)
        if (mean is None) != (variance is None):
            raise ValueError("Normalization: found one of mean and variance, wanted both or none")
        super().__init__(**general)
        self.axis = axis
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
        before = self._values
        self._values = _moments(data, self.axis is None)
        if self._views is not None:
            try:
                with self._reserved():
                    self._write_values()
            except (RuntimeError, ValueError):
                self._values = before
                raise

    def _write_values(self) -> None:
        """Copy mean and variance to the network: one number, one of each feature, or of each
        element of a row."""
        assert self._values is not None
        assert self._row is not None
        views = (self.mean, self.variance)
        kind = type(self).__name__
        for view, values in zip(views, self._values, strict=True):
            if values.size not in (1, self._row[-1], view.size):
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

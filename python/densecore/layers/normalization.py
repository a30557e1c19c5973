"""Layers that normalise: over the batch, over each row, or by numbers learnt beforehand."""

from typing import Any, ClassVar

import numpy as np

from .. import initializers, regularizers
from .._base import checks
from .._base.dtypes import Array, Network
from .base import Layer, Shapes
from .lowering import Plan


def _not_negative(what: str, value: Any) -> float:
    return checks.number(what, value, least=0)


def _last_axis(kind: str, axis: Any) -> int:
    found = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    if found not in (-1, 1):
        raise ValueError(f"{kind}: axis: found {axis!r}, wanted -1 (the features)")
    return -1


class _ScaleAndCenter(Layer):
    """gamma and beta, as both learnt normalisations have them."""

    parameter_names: ClassVar[tuple[str, ...]] = ("gamma", "beta")
    _kind: str

    def __init__(self, kind: str, numbers: dict[str, Any], general: dict[str, Any]) -> None:
        self.center = bool(numbers["center"])
        self.scale = bool(numbers["scale"])
        self.beta_initializer = initializers.get(numbers["beta_initializer"])
        self.gamma_initializer = initializers.get(numbers["gamma_initializer"])
        self.beta_regularizer = regularizers.get(numbers["beta_regularizer"])
        self.gamma_regularizer = regularizers.get(numbers["gamma_regularizer"])
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
        self._core_index = plan.add(self._spec())

    def _shapes(self, width: int) -> tuple[int, Shapes, Shapes]:
        parameters: Shapes = {}
        if self.scale:
            parameters["gamma"] = (width,)
        if self.center:
            parameters["beta"] = (width,)
        return width, parameters, dict.fromkeys(self.state_names, (width,))

    def _initialize(self, seed: int, number: int) -> None:
        # Tensor numbers that no dense layer has.
        tensor = 2**20 + 2 * (self._core_index or 0)
        for place, (array, initializer) in enumerate(
            [(self.gamma, self.gamma_initializer), (self.beta, self.beta_initializer)]
        ):
            if array is not None:
                initializer.fill(array, array.size, array.size, seed, tensor + place)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        arguments = dict(config)
        arguments.pop("class", None)
        for key in ("beta_initializer", "gamma_initializer"):
            arguments[key] = initializers.deserialize(arguments[key])
        return cls(**arguments)


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
        self._core_index = plan.add(
            {"kind": "rms_normalization", "epsilon": self.epsilon, "trainable": self._trainable}
        )

    def _shapes(self, width: int) -> tuple[int, Shapes, Shapes]:
        return width, {"scale": (width,)}, {}

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
        self.groups = (
            -1 if groups == -1 else checks.integer("GroupNormalization: groups", groups, least=1)
        )
        super().__init__("GroupNormalization", numbers, general)

    def _plan(self, plan: Plan) -> None:
        groups = plan.width if self.groups == -1 else self.groups
        if plan.width % groups:
            raise ValueError(
                f"GroupNormalization: found {plan.width} features in {groups} groups, wanted "
                "groups of equal size"
            )
        self._core_index = plan.add({**self._spec(), "groups": groups})


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
    mean, variance : float or array_like (features,), optional
        Instead of `adapt`.
    invert : bool
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

    def __init__(
        self,
        axis: int = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **general: Any,
    ) -> None:
        _last_axis("Normalization", axis)
        if (mean is None) != (variance is None):
            raise ValueError("Normalization: found one of mean and variance, wanted both or none")
        super().__init__(**general)
        self.invert = bool(invert)
        self._values: tuple[Array, Array] | None = None
        if mean is not None:
            self._values = (np.asarray(mean, np.float64), np.asarray(variance, np.float64))
            if not (np.isfinite(self._values[0]).all() and (self._values[1] >= 0).all()):
                raise ValueError("Normalization: wanted finite means and variances >= 0")

    @property
    def mean(self) -> Array:
        return self._state("mean")

    @property
    def variance(self) -> Array:
        return self._state("variance")

    def adapt(self, data: Any) -> None:
        """Take mean and variance of each feature from data (rows, features), in double precision.

        Large arrays and memory maps are read in blocks.

        Raises
        ------
        TypeError, ValueError
            The data are not numbers, have no rows, or another number of features.
        """
        array = data if hasattr(data, "shape") and hasattr(data, "dtype") else np.asarray(data)
        array = np.asanyarray(array)
        if array.ndim == 1:
            array = array.reshape(-1, 1)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"adapt: found dtype {array.dtype}, wanted real numbers")
        if len(array) == 0:
            raise ValueError("adapt: found no rows, wanted at least one")
        array = array.reshape(len(array), -1)
        blocks = [slice(start, start + 65536) for start in range(0, len(array), 65536)]
        rows = len(array)
        mean = sum(np.asarray(array[b], np.float64).sum(axis=0) for b in blocks) / rows
        square = sum(((np.asarray(array[b], np.float64) - mean) ** 2).sum(axis=0) for b in blocks)
        self._values = (np.asarray(mean), np.asarray(square / rows))
        if self._views is not None:
            self._write_values()

    def _write_values(self) -> None:
        assert self._values is not None
        for view, values in zip((self.mean, self.variance), self._values, strict=True):
            if np.abs(values).max(initial=0) > np.finfo(view.dtype).max:
                raise ValueError(
                    f"{type(self).__name__}: found numbers that overflow {view.dtype}, wanted "
                    "smaller ones (or a model with dtype='float64')"
                )
            try:
                view[...] = values
            except ValueError:
                raise ValueError(
                    f"Normalization: found numbers for {values.size} features, wanted {view.size}"
                ) from None

    def _plan(self, plan: Plan) -> None:
        # Keras's smallest deviation: a constant feature becomes 0. The way back divides by nothing.
        epsilon = 0.0 if self.invert or isinstance(self, Rescaling) else 1e-7
        self._core_index = plan.add(
            {"kind": "normalization", "epsilon": epsilon, "invert": self.invert}
        )

    def _shapes(self, width: int) -> tuple[int, Shapes, Shapes]:
        return width, {}, dict.fromkeys(self.state_names, (width,))

    def _build(self, network: Network) -> None:
        super()._build(network)
        if self._values is not None:
            self._write_values()


class Rescaling(Normalization):
    """x · scale + offset.

    Parameters
    ----------
    scale : float or array_like (features,)
        > 0.
    offset : float or array_like (features,)

    Raises
    ------
    ValueError
        A number that is not finite, or a scale that is not > 0.
    """

    config_names: ClassVar[tuple[str, ...]] = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **general: Any) -> None:
        factor, shift = np.asarray(scale, np.float64), np.asarray(offset, np.float64)
        if not (np.isfinite(factor).all() and (factor > 0).all() and np.isfinite(shift).all()):
            raise ValueError(f"Rescaling: found scale {scale!r}, offset {offset!r}, wanted finite "
                             "numbers, scale > 0")  # fmt: skip
        self.scale, self.offset = factor.tolist(), shift.tolist()
        super().__init__(mean=-shift / factor, variance=1 / factor**2, **general)

    def adapt(self, data: Any) -> None:
        """Raises: the numbers are given."""
        raise TypeError("Rescaling: found adapt, wanted Normalization for numbers from data")

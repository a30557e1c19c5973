"""Layers that normalise: over the batch, or over each row."""

import math
from typing import Any, ClassVar

from .. import constraints, initializers, regularizers
from .._base import checks
from .._base.dtypes import Array, Network
from .arrays import Shapes, given_ones
from .base import Layer
from .lowering import Plan, Row
from .rescaling import Normalization as Normalization  # pickles of 0.1 look for them here
from .rescaling import Rescaling as Rescaling
from .rescaling import last_axis


def _not_negative(what: str, value: Any) -> float:
    return checks.number(what, value, least=0)


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
        """The factors, a view (units,); None with ``scale=False``."""
        return self._parameter("gamma")

    @property
    def beta(self) -> Array | None:
        """The summands, a view (units,); None with ``center=False``."""
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


class _OfVectors(Layer):
    """A layer that takes each vector along the last dimension of rows by itself."""

    _keeps_mask: ClassVar[bool | None] = True

    @property
    def _takes_vectors(self) -> bool:
        return True

    def _features(self, row: Row) -> int:
        return row[-1]


class LayerNormalization(_OfVectors, _ScaleAndCenter):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta over each row (Ba, Kiros & Hinton, 2016).

    Of rows of several dimensions each vector along the last one is normalised, with the same gamma
    and beta.

    Parameters
    ----------
    axis : int, default -1
        The last one.
    epsilon : float, default 0.001
    center, scale : bool, default True
        Whether there are a beta and a gamma.
    beta_initializer, gamma_initializer : str or Initializer, default "zeros" and "ones"
    beta_regularizer, gamma_regularizer : str or Regularizer, optional

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
        numbers = {key: value for key, value in locals().items() if key != "self"}
        self.axis = last_axis("LayerNormalization", axis)
        super().__init__("LayerNormalization", numbers, general)


class RMSNormalization(_OfVectors):
    """scale x / sqrt(mean of x² + epsilon) over each row (Zhang & Sennrich, 2019).

    Of rows of several dimensions each vector along the last one is normalised by itself.

    Parameters
    ----------
    axis : int, default -1
        The last one, as -1 or as its number; there is no other.
    epsilon : float, default 1e-6

    Attributes
    ----------
    scale : ndarray (units,)
        Starts at 1.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("scale",)
    config_names: ClassVar[tuple[str, ...]] = ("epsilon",)

    def __init__(self, axis: int = -1, epsilon: float = 1e-6, **general: Any) -> None:
        self.axis = last_axis("RMSNormalization", axis)
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
    axis, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, \
    gamma_regularizer
        As in `LayerNormalization`, with the same defaults.

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
        numbers = {key: value for key, value in locals().items() if key != "self"}
        self.axis = last_axis("GroupNormalization", axis)
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


class UnitNormalization(_OfVectors):
    """x / |x| for each row: rows of Euclidean length 1; a row of zeros stays 0.

    Parameters
    ----------
    axis : int, default -1
        The last one, as -1 or as its number; there is no other.
    """

    def __init__(self, axis: int = -1, **general: Any) -> None:
        self.axis = last_axis("UnitNormalization", axis)
        super().__init__(**general)

    def _plan(self, plan: Plan) -> None:
        plan.add({"kind": "unit_normalization"})


class BatchNormalization(_ScaleAndCenter):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta for each feature (Ioffe & Szegedy, 2015).

    Of rows of several dimensions the features are along the last one, and each vector counts as a
    row. Mean and variance are those of the batch in training, and their moving averages elsewhere;
    a layer that is not trainable uses the averages in training too. As in Keras, sample weights do
    not count here, and the variance is the biased one.

    Parameters
    ----------
    momentum : float, default 0.99
        Of the moving averages, in [0, 1].
    axis, epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, \
    gamma_regularizer
        As in `LayerNormalization`, with the same defaults.

    Attributes
    ----------
    gamma, beta : ndarray (units,) or None
    moving_mean, moving_variance : ndarray (units,)
    """

    _keeps_mask: ClassVar[bool | None] = None
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
        numbers = {key: value for key, value in locals().items() if key != "self"}
        self.axis = last_axis("BatchNormalization", axis)
        self.momentum = checks.number("BatchNormalization: momentum", momentum, least=0, most=1)
        super().__init__("BatchNormalization", numbers, general)

    @property
    def moving_mean(self) -> Array:
        """The moving average of the batches' means, a view (units,)."""
        return self._state("moving_mean")

    @property
    def moving_variance(self) -> Array:
        """The moving average of the batches' variances, a view (units,)."""
        return self._state("moving_variance")

    def _features(self, row: Row) -> int:
        return self._last(row)

    def _spec(self) -> dict[str, Any]:
        return {**super()._spec(), "momentum": self.momentum}

    def _plan(self, plan: Plan) -> None:
        spec, steps = self._spec(), math.prod(plan.row[:-1])
        vars(self)["_steps"] = steps
        if steps > 1:
            spec["steps"] = steps
        plan.add(spec, layer=self)

    def _views_in(self, network: Network, place: int) -> Any:
        # The core's arrays of averages are as long as a row; of several vectors it uses the first.
        parameters, gradients, states = network.layer_views(place)
        steps = vars(self).get("_steps", 1)
        return parameters, gradients, {k: v[: v.size // steps] for k, v in states.items()}

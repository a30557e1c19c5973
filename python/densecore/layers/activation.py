"""Activations as layers of their own."""

from typing import Any, ClassVar

from .. import activations, initializers
from .._base.dtypes import Array, Network
from . import activation_argument as functions
from .arrays import Shapes, of_shape
from .base import Layer
from .lowering import Plan, Row, Source
from .rescaling import last_axis
from .symbols import Symbol


class Activation(Layer):
    """a = f(x), element by element or row by row.

    Parameters
    ----------
    activation : str, Activation or (function, derivative)
        A name or an object of ``densecore.activations``; or two Python functions:
        ``function(x) -> a`` and ``derivative(x, a) -> ∂a/∂x``, both on arrays (rows, units). They
        are called for whole batches, with the GIL: a slow path, and such a model can
        be saved only without them. The derivative is trusted; ``densecore check`` cannot see it.
    """

    _keeps_mask: ClassVar[bool | None] = True
    config_names: ClassVar[tuple[str, ...]] = ("activation",)

    def __init__(self, activation: Any, **general: Any) -> None:
        super().__init__(**general)
        self.activation = functions.function_of(activation)

    @property
    def _takes_vectors(self) -> bool:
        return getattr(self.activation, "name", self.activation) in ("softmax", "log_softmax")

    def _plan(self, plan: Plan) -> None:
        functions.add_to(plan, self.activation)


Symbol.operators["activation"] = Activation


class _Named(Activation):
    """An activation whose class says which."""

    _function: str

    def __init__(self, **general: Any) -> None:
        parameters = {key: general.pop(key) for key in self.config_names if key in general}
        super().__init__(activations.Activation(self._function, **parameters), **general)
        for key, value in parameters.items():
            setattr(self, key, value)


class ReLU(_Named):
    """max(x, 0), with Keras's parameters.

    Parameters
    ----------
    max_value : float, optional
    negative_slope, threshold : float, default 0.0
    """

    config_names: ClassVar[tuple[str, ...]] = ("max_value", "negative_slope", "threshold")
    _function = "relu"

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **general: Any,
    ) -> None:
        super().__init__(
            max_value=max_value, negative_slope=negative_slope, threshold=threshold, **general
        )


class LeakyReLU(_Named):
    """x for x > 0, else negative_slope · x."""

    config_names: ClassVar[tuple[str, ...]] = ("negative_slope",)
    _function = "leaky_relu"

    def __init__(self, negative_slope: float = 0.3, **general: Any) -> None:
        super().__init__(negative_slope=general.pop("alpha", negative_slope), **general)


class ELU(_Named):
    """x for x > 0, else alpha (exp(x) - 1)."""

    config_names: ClassVar[tuple[str, ...]] = ("alpha",)
    _function = "elu"

    def __init__(self, alpha: float = 1.0, **general: Any) -> None:
        super().__init__(alpha=alpha, **general)


class Softmax(_Named):
    """exp(x_i) / Σ exp(x_j) along each row.

    Parameters
    ----------
    axis : int, default -1
        The last one, as -1 or as its number.

    Raises
    ------
    ValueError
        Another axis.
    """

    config_names: ClassVar[tuple[str, ...]] = ()
    _function = "softmax"

    def __init__(self, axis: int = -1, **general: Any) -> None:
        self.axis = last_axis("Softmax", axis)
        super().__init__(**general)


class PReLU(Layer):
    """x for x > 0, else alpha x, with an alpha of each feature that is learnt (He et al., 2015).

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "zeros"
    alpha_regularizer, alpha_constraint : optional
        As a dense layer's. With one of these or `shared_axes` it is a `SharedPReLU`.
    shared_axes : int or list of int, optional
        The axes, from 1, along which all elements have one slope.

    Attributes
    ----------
    alpha : ndarray of a row's shape
        A view.
    """

    _keeps_mask: ClassVar[bool | None] = True
    parameter_names: ClassVar[tuple[str, ...]] = ("scale",)
    config_names: ClassVar[tuple[str, ...]] = ("alpha_initializer",)

    def __new__(
        cls,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **general: Any,
    ) -> Any:
        options = (alpha_regularizer, alpha_constraint, shared_axes)
        if any(option is not None for option in options):
            return Symbol.operators["shared slopes"](alpha_initializer, *options, **general)
        return super().__new__(cls)

    def __init__(
        self,
        alpha_initializer: str | initializers.Initializer = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.alpha_initializer = initializers.get(alpha_initializer)

    @property
    def alpha(self) -> Array:
        """The slope of each feature for x < 0."""
        return self._built_views()[0]["scale"]

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        source = plan.whole(sources[0])
        vars(self)["_row"] = source.row
        plan.go_to(source)
        plan.close()
        plan.activate("relu", [])
        positive = plan.here
        plan.merge({"kind": "subtract"}, [source, positive], source.row)
        plan.add({"kind": "scale", "trainable": self._trainable}, layer=self)
        plan.merge({"kind": "add"}, [positive, plan.here], source.row)
        return [plan.here]

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        return {"scale": row}, {}

    def _views_in(
        self, network: Network, place: int
    ) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        return of_shape(vars(self)["_row"], *network.layer_views(place))

    def _initialize(self, seed: int, number: int) -> None:
        array = self.alpha
        tensor = 2**21 + 4 * (self._core_index or 0)
        self.alpha_initializer.fill(array, array.size, array.size, seed, tensor)

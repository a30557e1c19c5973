"""A mix of the identity and an activation, learnt for each unit."""

from typing import Any, ClassVar

from .. import activations, initializers
from .._base.dtypes import Array, Network
from . import activation_argument as functions
from .arrays import Shapes, of_shape
from .base import Layer
from .lowering import Plan, Row

_OF_ROWS = ("softmax", "log_softmax")


class ParametricActivation(Layer):
    """x + alpha (f(x) - x), with an alpha of each feature that is learnt.

    With alpha 1 it is the activation f, with alpha 0 the identity (Holzmüller, Grinsztajn &
    Steinwart, *Better by default*, 2024, where alpha learns at a tenth of the rate:
    ``learning_rate_multiplier=0.1``).

    Parameters
    ----------
    activation : str or Activation
        A name or an object of ``densecore.activations``, of single elements.
    alpha_initializer : str or Initializer, default "ones"
    name, trainable, learning_rate_multiplier, weight_decay_multiplier
        See `Layer`.

    Attributes
    ----------
    alpha : ndarray of a row's shape
        A view.

    Raises
    ------
    TypeError, ValueError
        Something else than one of the core's functions, or one of whole rows.

    Examples
    --------
    >>> import densecore as dc
    >>> layer = dc.layers.ParametricActivation("selu", learning_rate_multiplier=0.1)
    >>> model = dc.Sequential([dc.Input(3), dc.Dense(2), layer, dc.Dense(1)], seed=0)
    >>> layer.alpha
    array([1., 1.], dtype=float32)
    """

    _keeps_mask: ClassVar[bool | None] = True
    parameter_names: ClassVar[tuple[str, ...]] = ("alpha",)
    config_names: ClassVar[tuple[str, ...]] = ("activation", "alpha_initializer")

    def __init__(
        self,
        activation: Any,
        alpha_initializer: str | initializers.Initializer = "ones",
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.activation = functions.function_of(activation)
        if isinstance(self.activation, functions.UserActivation):
            raise TypeError(
                f"ParametricActivation: activation: found {self.activation!r}, wanted one of "
                + ", ".join(activations.names())
            )
        if activations.get(self.activation).name in _OF_ROWS:
            raise ValueError(
                f"ParametricActivation: activation: found {self.activation!r}, wanted a function "
                "of single elements"
            )
        self.alpha_initializer = initializers.get(alpha_initializer)

    @property
    def alpha(self) -> Array:
        """The share of the activation, of each feature."""
        return self._built_views()[0]["alpha"]

    def _plan(self, plan: Plan) -> None:
        vars(self)["_row"] = plan.row
        name, parameters = activations.get(self.activation)._kernel()
        spec = {
            "kind": "parametric_activation",
            "function": name,
            "function_parameters": parameters,
            "trainable": self._trainable,
        }
        row = plan.row
        plan.add(spec, layer=self)
        plan.close(row)

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        return {"alpha": row}, {}

    def _views_in(
        self, network: Network, place: int
    ) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        return of_shape(vars(self)["_row"], *network.layer_views(place))

    def _initialize(self, seed: int, number: int) -> None:
        array = self.alpha
        tensor = 2**21 + 4 * (self._core_index or 0)
        self.alpha_initializer.fill(array, array.size, array.size, seed, tensor)

"""The dense layer."""

from typing import Any, ClassVar

from .. import constraints, initializers, regularizers
from .._base import checks
from .._base.dtypes import Array
from . import activation_argument as functions
from .arrays import Shapes, given_ones
from .base import Layer
from .lowering import Plan, Row, Source
from .symbols import Symbol


class Dense(Layer):
    """A densely connected layer: a = f(W x + b), the note's Eq. 1 to 3.

    Of rows of several dimensions x is each vector along the last one.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str, Activation or (function, derivative), optional
        f, see ``densecore.activations``; by default linear. A pair of Python functions is the slow
        path: see ``densecore.layers.Activation``.
    use_bias : bool, default True
        Whether there is a b.
    kernel_initializer, bias_initializer : str or Initializer, default "glorot_uniform" and "zeros"
        The first values of W and b, see ``densecore.initializers``.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        What the loss grows by, see ``densecore.regularizers``.
    kernel_constraint, bias_constraint : str, Constraint or callable, optional
        What W and b are brought to after each update, see ``densecore.constraints``.
    name, trainable, input_shape, input_dim
        See `Layer`.

    Attributes
    ----------
    weight : ndarray (units, inputs)
        W, the note's and PyTorch's orientation. A view: writing to it changes the model.
    kernel : ndarray (inputs, units)
        The transposed view, Keras's orientation, and the one in memory.
    bias : ndarray (units,) or None
    weight_gradient, kernel_gradient, bias_gradient : ndarray
        ∂C/∂W and ∂C/∂b of the last backward pass, as views.
    """

    _keeps_mask: ClassVar[bool | None] = True
    parameter_names: ClassVar[tuple[str, ...]] = ("kernel", "bias")
    config_names: ClassVar[tuple[str, ...]] = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        kernel_regularizer: "str | regularizers.Regularizer | None" = None,
        bias_regularizer: "str | regularizers.Regularizer | None" = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.units = checks.width("Dense: units", units)
        self.activation = functions.function_of(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._constraints = given_ones(kernel=self.kernel_constraint, bias=self.bias_constraint)

    @property
    def kernel(self) -> Array:
        """The weights W of x W + b, a view (inputs, units)."""
        # In a `call` that is being described a name for it: other layers may be tied to it.
        described: Any = Symbol.operators["kernel"](self)
        return self._built_views()[0]["kernel"] if described is None else described

    @property
    def weights(self) -> list[Array]:
        described = Symbol.operators["kernel"](self)
        return super().weights if described is None else [described]

    @property
    def weight(self) -> Array:
        """The kernel transposed, as PyTorch has it: a view (units, inputs)."""
        return self.kernel.T

    @property
    def bias(self) -> Array | None:
        """b, a view (units,); None without one."""
        return self._parameter("bias")

    @property
    def kernel_gradient(self) -> Array:
        """∂C/∂kernel of the last backward pass, a view (inputs, units)."""
        return self._built_views()[1]["kernel"]

    @property
    def weight_gradient(self) -> Array:
        """`kernel_gradient` transposed: a view (units, inputs)."""
        return self.kernel_gradient.T

    @property
    def bias_gradient(self) -> Array | None:
        """∂C/∂bias of the last backward pass, a view (units,); None without a bias."""
        return self._gradient("bias")

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        self._checked(sources[0].row)
        return super()._lower(plan, sources)

    @property
    def _takes_vectors(self) -> bool:
        return True

    def _plan(self, plan: Plan) -> None:
        plan.add(
            {
                "kind": "dense",
                "units": self.units,
                "activation": "linear",
                "use_bias": self.use_bias,
                "trainable": self._trainable,
                "penalties": [
                    regularizers.factors(self.kernel_regularizer),
                    regularizers.factors(self.bias_regularizer),
                ],
            },
            self.units,
            layer=self,
        )
        functions.add_to(plan, self.activation)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return (self.units,)
        return (*self._checked(row)[:-1], self.units)

    def _checked(self, row: Row) -> Row:
        return row or (1,)  # a number is a vector of one

    def _fan_in(self, row: Row) -> int | None:
        return self._checked(row)[-1]

    def _set_kernel_penalty(self, l2: float) -> None:
        """Set the kernel's L2 penalty, in the network and in the configuration."""
        assert self._network is not None
        assert self._core_index is not None
        self._network.set_penalty(self._core_index, 0.0, l2)
        vars(self)["kernel_regularizer"] = regularizers.L2(l2) if l2 > 0 else None

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        shapes: Shapes = {"kernel": (self._checked(row)[-1], self.units)}
        if self.use_bias:
            shapes["bias"] = (self.units,)
        return shapes, {}

    def _initialize(self, seed: int, number: int) -> None:
        kernel = self._built_views()[0]["kernel"]
        fan_in, fan_out = kernel.shape
        self.kernel_initializer.fill(kernel, fan_in, fan_out, seed, 2 * number)
        if self.bias is not None:
            self.bias_initializer.fill(self.bias, fan_in, fan_out, seed, 2 * number + 1)

    def __repr__(self) -> str:
        name = "" if self.name is None else f", name={self.name!r}"
        bias = "" if self.use_bias else ", use_bias=False"
        return f"Dense({self.units}, activation={self.activation!r}{bias}{name})"


def TimeDistributed(layer: Layer, **general: Any) -> Layer:
    """The layer itself: a dense layer takes each vector along the last dimension anyway.

    Parameters
    ----------
    layer : Layer
    **general
        ``name`` and ``trainable`` become the layer's, if it has no name yet; others are without
        effect.
    """
    if general.get("name") is not None and layer.name is None:
        layer.name = general["name"]
    if "trainable" in general:
        layer.trainable = general["trainable"]
    return layer

"""Dense layers of several members side by side: networks that share a backbone."""

from typing import Any, ClassVar

from .. import initializers, regularizers
from .._base import checks
from .._base.dtypes import Array, Network
from . import activation_argument as functions
from .activation import Activation
from .arrays import Shapes
from .base import Layer
from .lowering import Plan, Row, Source


class EnsembleDense(Layer):
    """f(W_i x_i + b_i): a dense layer of its own for each of several members.

    A row of the outputs has a vector for each member, (members, units). That of the inputs is such
    a row, too, or one vector (features,) that all members take. As the last layer it gives members
    that share a backbone a head each (TabM: Gorishniy, Kotelnikov & Babenko, 2024); of a row of
    columns it transforms each by itself.

    Parameters
    ----------
    units : int
    activation : str or Activation, optional
        By default the identity. One of whole rows, softmax, is of each member's vector.
    members : int, optional
        By default as many vectors as a row of the inputs has.
    use_bias : bool, default True
    kernel_initializer : str or Initializer, default "glorot_uniform"
        Of each member's kernel by itself.
    bias_initializer : str or Initializer, default "zeros"
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
    name, trainable, learning_rate_multiplier, weight_decay_multiplier
        See `Layer`.

    Attributes
    ----------
    kernel : ndarray (members, inputs, units)
    bias : ndarray (members, units) or None

    Raises
    ------
    TypeError, ValueError
        An argument of another type or out of range. In a model: rows of other shapes, or of another
        number of members.

    Examples
    --------
    >>> import densecore as dc
    >>> heads = dc.layers.EnsembleDense(2, "softmax", members=4)
    >>> dc.Sequential([dc.Input(3), heads], seed=0).output_shape
    (None, 4, 2)
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("kernel", "bias")
    config_names: ClassVar[tuple[str, ...]] = (
        "units", "activation", "members", "use_bias", "kernel_initializer", "bias_initializer",
        "kernel_regularizer", "bias_regularizer",
    )  # fmt: skip
    _shared_kernel: ClassVar[bool] = False
    # What a subclass has besides.
    use_input_scale = use_output_scale = shared_bias = False

    def __init__(
        self,
        units: int,
        activation: Any = None,
        members: int | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        kernel_regularizer: "str | regularizers.Regularizer | None" = None,
        bias_regularizer: "str | regularizers.Regularizer | None" = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        kind = type(self).__name__
        self.units = checks.width(f"{kind}: units", units)
        self.activation = functions.function_of(activation)
        self.members = None if members is None else checks.width(f"{kind}: members", members)
        self.use_bias = checks.flag(f"{kind}: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    @property
    def kernel(self) -> Array:
        """The weights, a view."""
        return self._built_views()[0]["kernel"]

    @property
    def bias(self) -> Array | None:
        """The summands, a view; None without them."""
        return self._parameter("bias")

    def _sizes(self, row: Row) -> tuple[int, int, bool]:
        """Members, inputs of each, and whether one vector is that of all; ValueError for others."""
        name = self.name or self._default_name()
        if len(row) == 1 and self.members is not None:
            return self.members, row[0], True
        if len(row) == 1:
            raise ValueError(
                f"layer {name}: members: found none for rows of shape {row}, wanted a number, or "
                "rows of shape (members, features)"
            )
        if len(row) != 2 or self.members not in (None, row[0]):
            wanted = "members" if self.members is None else str(self.members)
            raise ValueError(
                f"layer {name}: found rows of shape {row}, wanted ({wanted}, features)"
                + (" or (features,)" if self.members is not None else "")
            )
        return (*row, False)

    def _output_row(self, row: Row | None) -> Row | None:
        if row is None:
            return None if self.members is None else (self.members, self.units)
        return (self._sizes(row)[0], self.units)

    def _lower(self, plan: Plan, sources: list[Source]) -> list[Source]:
        plan.go_to(self._only(sources))
        members, _, one_input = self._sizes(plan.row)
        vars(self)["_row"] = plan.row
        spec = {
            "kind": "member_dense",
            "members": members,
            "units": self.units,
            "one_input": one_input,
            "shared_kernel": self._shared_kernel,
            "use_bias": self.use_bias,
            "shared_bias": self.shared_bias,
            "input_scale": self.use_input_scale,
            "output_scale": self.use_output_scale,
            "trainable": self._trainable,
            "penalties": [
                regularizers.factors(self.kernel_regularizer),
                regularizers.factors(self.bias_regularizer),
            ],
        }
        plan.add(spec, members * self.units, layer=self)
        plan.close((members, self.units))
        found = [plan.here]
        if self.activation != "linear":
            found = Activation(self.activation)._lower(plan, found)
        if any(regularizers.factors(self.activity_regularizer)):
            plan.go_to(found[0])
            plan.penalise(regularizers.factors(self.activity_regularizer))
            found = [plan.here]
        return found

    def _fan_in(self, row: Row) -> int | None:
        return row[-1]

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        members, inputs, _ = self._sizes(row)
        own = () if self._shared_kernel else (members,)
        shapes: Shapes = {"kernel": (*own, inputs, self.units)}
        if self.use_bias:
            shapes["bias"] = (self.units,) if self.shared_bias else (members, self.units)
        if self.use_input_scale:
            shapes["input_scale"] = (members, inputs)
        if self.use_output_scale:
            shapes["output_scale"] = (members, self.units)
        return shapes, {}

    def _views_in(
        self, network: Network, place: int
    ) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        parameters, gradients, states = network.layer_views(place)
        shapes, _ = self._weight_shapes(vars(self)["_row"])
        first, second = (
            {name: array.reshape(shapes[name]) for name, array in arrays.items()}
            for arrays in (parameters, gradients)
        )
        return first, second, states

    def _initializer_of(self, name: str) -> initializers.Initializer:
        found: initializers.Initializer = getattr(self, f"{name}_initializer")
        return found

    def _initialize(self, seed: int, number: int) -> None:
        place, inputs = self._core_index or 0, vars(self)["_row"][-1]
        # Tensor numbers that no other layer has.
        for at, (name, array) in enumerate(self._built_views()[0].items()):
            initializer = self._initializer_of(name)
            if name == "kernel":
                for member, kernel in enumerate(array.reshape(-1, inputs, self.units)):
                    tensor = 2**40 + (place << 24) + member
                    initializer.fill(kernel, inputs, self.units, seed, tensor)
            else:
                initializer.fill(array, inputs, self.units, seed, 2**21 + 4 * place + at)


class BatchEnsembleDense(EnsembleDense):
    """f(s_i ∘ (W (r_i ∘ x_i)) + b_i): members that share W, with scales and a bias of their own.

    BatchEnsemble (Wen, Tran & Ba, 2020), as TabM builds its networks of it (Gorishniy, Kotelnikov &
    Babenko, *TabM: advancing tabular deep learning with parameter-efficient ensembling*, 2024):
    several networks for the weights, and the time of the optimizer, of one. TabM-mini has scales
    in its first layer only: there ``use_output_scale=False, shared_bias=True``, and
    ``use_input_scale=False`` besides in those after it. `EnsembleDense` gives each member a head.

    Parameters
    ----------
    units, activation, members, use_bias, kernel_initializer, bias_initializer
        As of `EnsembleDense`; there is one kernel.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
    use_input_scale, use_output_scale : bool, default True
        Whether there are r, and s.
    shared_bias : bool, default False
        Whether all members have one bias.
    input_scale_initializer : str or Initializer, optional
        By default "random_signs" where all members take one vector, so that they differ from the
        first step on, else "ones".
    output_scale_initializer : str or Initializer, default "ones"
    name, trainable, learning_rate_multiplier, weight_decay_multiplier
        See `Layer`.

    Attributes
    ----------
    kernel : ndarray (inputs, units)
    bias : ndarray (members, units), or (units,) with `shared_bias`; or None
    input_scale : ndarray (members, inputs) or None
    output_scale : ndarray (members, units) or None

    Raises
    ------
    TypeError, ValueError
        As of `EnsembleDense`.

    Examples
    --------
    >>> import densecore as dc
    >>> from densecore.layers import BatchEnsembleDense, EnsembleDense
    >>> stack = [dc.Input(8), BatchEnsembleDense(64, "relu", members=16)]
    >>> stack += [BatchEnsembleDense(64, "relu"), EnsembleDense(1)]
    >>> dc.Sequential(stack, seed=0).output_shape
    (None, 16, 1)
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("kernel", "bias", "input_scale", "output_scale")
    config_names: ClassVar[tuple[str, ...]] = (
        *EnsembleDense.config_names, "use_input_scale", "use_output_scale", "shared_bias",
        "input_scale_initializer", "output_scale_initializer",
    )  # fmt: skip
    _shared_kernel: ClassVar[bool] = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        members: int | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        kernel_regularizer: "str | regularizers.Regularizer | None" = None,
        bias_regularizer: "str | regularizers.Regularizer | None" = None,
        use_input_scale: bool = True,
        use_output_scale: bool = True,
        shared_bias: bool = False,
        input_scale_initializer: "str | initializers.Initializer | None" = None,
        output_scale_initializer: str | initializers.Initializer = "ones",
        **general: Any,
    ) -> None:
        super().__init__(
            units, activation, members, use_bias, kernel_initializer, bias_initializer,
            kernel_regularizer, bias_regularizer, **general,
        )  # fmt: skip
        kind = type(self).__name__
        self.use_input_scale = checks.flag(f"{kind}: use_input_scale", use_input_scale)
        self.use_output_scale = checks.flag(f"{kind}: use_output_scale", use_output_scale)
        self.shared_bias = checks.flag(f"{kind}: shared_bias", shared_bias)
        given = input_scale_initializer
        self.input_scale_initializer = None if given is None else initializers.get(given)
        self.output_scale_initializer = initializers.get(output_scale_initializer)

    @property
    def input_scale(self) -> Array | None:
        """r, a view (members, inputs); None without it."""
        return self._parameter("input_scale")

    @property
    def output_scale(self) -> Array | None:
        """s, a view (members, units); None without it."""
        return self._parameter("output_scale")

    def _initializer_of(self, name: str) -> initializers.Initializer:
        if name == "input_scale" and self.input_scale_initializer is None:
            one_input = len(vars(self)["_row"]) == 1
            return initializers.RandomSigns() if one_input else initializers.Ones()
        return super()._initializer_of(name)

"""PyTorch's modules as layers. The caller has PyTorch; this file does not import it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import layers
from .._base.dtypes import DTYPES, Array
from ..activations import Activation

if TYPE_CHECKING:
    from torch import Tensor, nn


# What PyTorch calls the modules that wrap others one after another, and those without effect.
CONTAINERS = ("Sequential", "ModuleList")
WITHOUT_EFFECT = ("Identity",)


def kind_of(module: "nn.Module") -> str:
    """The name of a module's class, without that of its parametrizations (weight_norm): its weight
    is what they make of their own."""
    kind = type(module).__name__
    return kind.removeprefix("Parametrized") if hasattr(module, "parametrizations") else kind


def array_of(place: str, tensor: "Tensor") -> Array:
    """A tensor's numbers.

    Raises
    ------
    ValueError
        It is of another type than float32 or float64.
    """
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in DTYPES:
        raise ValueError(
            f"{place}: found numbers of {kind}, wanted {' or '.join(DTYPES)} (module.float() or "
            "module.double() converts them)"
        )
    return np.asarray(tensor.detach().cpu().numpy())


def _axis(place: str, module: "nn.Module") -> int:
    """The axis of a softmax, as Keras counts it too; whether it is the last one, the rows show."""
    axis = 1 if module.dim is None else int(module.dim)
    if axis != -1 and axis < 1:
        raise ValueError(f"{place}: found dim={axis}, wanted -1 (the features)")
    return axis


class _Between(NamedTuple):
    """An activation of `factor` x + `shift`, times `scale`, plus `offset`."""

    activation: Activation
    factor: float
    shift: float
    scale: float
    offset: float


def _hard_tanh(place: str, module: "nn.Module") -> "Activation | _Between":
    if (module.min_val, module.max_val) == (-1, 1):
        return Activation("hard_tanh")
    if module.min_val == 0:
        return Activation("relu", max_value=float(module.max_val))
    half, middle = (module.max_val - module.min_val) / 2, (module.max_val + module.min_val) / 2
    return _Between(Activation("hard_tanh"), 1 / half, -middle / half, half, middle)


def _softplus(place: str, module: "nn.Module") -> "Activation | _Between":
    if module.beta != 1:
        return _Between(Activation("softplus"), module.beta, 0.0, 1 / module.beta, 0.0)
    return Activation("softplus")  # above its threshold PyTorch's is x, within 2e-9


def _own_function(place: str, module: "nn.Module") -> Activation:
    return Activation(module.name, **module.parameters_)


def _threshold(place: str, module: "nn.Module") -> Activation:
    return Activation(
        "threshold", threshold=float(module.threshold), default_value=float(module.value)
    )


def _named(name: str) -> Callable[[str, Any], Activation]:
    return lambda place, module: Activation(name)


ACTIVATIONS: dict[str, Callable[[str, Any], Activation | _Between]] = {
    "ActivationFunction": _own_function,  # of to_torch
    "CELU": lambda place, module: Activation("celu", alpha=module.alpha),
    "ELU": lambda place, module: Activation("elu", alpha=module.alpha),
    "GELU": lambda place, module: Activation("gelu", approximate=module.approximate == "tanh"),
    "Hardshrink": lambda place, module: Activation("hard_shrink", threshold=module.lambd),
    "Hardsigmoid": _named("hard_sigmoid"),
    "Hardswish": _named("hard_silu"),
    "Hardtanh": _hard_tanh,
    "LeakyReLU": lambda place, module: Activation(
        "leaky_relu", negative_slope=module.negative_slope
    ),
    "LogSigmoid": _named("log_sigmoid"),
    "LogSoftmax": _named("log_softmax"),
    "Mish": _named("mish"),
    "ReLU": _named("relu"),
    "ReLU6": _named("relu6"),
    "SELU": _named("selu"),
    "SiLU": _named("silu"),
    "Sigmoid": _named("sigmoid"),
    "Softmax": _named("softmax"),
    "Softplus": _softplus,
    "Softshrink": lambda place, module: Activation("soft_shrink", threshold=module.lambd),
    "Softsign": _named("softsign"),
    "Tanh": _named("tanh"),
    "Tanhshrink": _named("tanh_shrink"),
    "Threshold": _threshold,
}


_ELEMENTWISE = (
    layers.AlphaDropout, layers.Dropout, layers.GaussianDropout, layers.GaussianNoise,
    layers.Normalization,
)  # fmt: skip


def _element_by_element(layer: layers.Layer) -> bool:
    """Whether a layer applies one function to each element, for rows of any shape."""
    if isinstance(layer, layers.Activation):
        return str(layer.activation) not in ("softmax", "log_softmax")
    return isinstance(layer, _ELEMENTWISE)


class Reader:
    """Layers, and the arrays that they get once the model is built, as modules are read."""

    def __init__(self) -> None:
        self.layers: list[layers.Layer] = []
        self.weights: list[tuple[layers.Layer, dict[str, Array]]] = []
        self.inputs: int | None = None
        self.dtypes: set[str] = set()
        self._units = 1  # of the table of which each input is a row
        self._wider = 0  # features that layers have added to the inputs
        self._folded = False  # whether rows have several dimensions
        self._activates = False  # whether the last layer is a Dense without an activation

    def add(self, layer: layers.Layer, features: int | None, **arrays: Array) -> None:
        if self.inputs is None and features is not None:
            self.inputs = (features - self._wider) // self._units
        self.layers.append(layer)
        self.weights.append((layer, arrays))
        self.dtypes |= {array.dtype.name for array in arrays.values()}
        self._activates = isinstance(layer, layers.Dense)

    def activate(self, activation: Activation | _Between) -> None:
        if isinstance(activation, _Between):
            self.add(layers.Rescaling(activation.factor, activation.shift), None)
            self.add(layers.Activation(activation.activation), None)
            self.add(layers.Rescaling(activation.scale, activation.offset), None)
            return
        last = self.layers[-1] if self.layers else None
        if self._activates and isinstance(last, layers.Dense):
            # The same layer with an activation: a layer that is made does not change.
            function = activation.name if activation.is_default else activation
            self.layers[-1] = layers.Dense(
                last.units, function, use_bias=last.use_bias, trainable=last.trainable
            )
            self.weights[-1] = (self.layers[-1], self.weights[-1][1])
            self._activates = False
        else:
            self.add(layers.Activation(activation), None)

    def linear(self, place: str, module: "nn.Module") -> None:
        weight = array_of(f"{place}.weight", module.weight)
        arrays = {"kernel": weight.T}
        if module.bias is not None:
            arrays["bias"] = array_of(f"{place}.bias", module.bias)
        trainable = bool(module.weight.requires_grad)
        layer = layers.Dense(len(weight), use_bias=module.bias is not None, trainable=trainable)
        self.add(layer, weight.shape[1], **arrays)

    def _scaled(self, place: str, module: "nn.Module") -> tuple[dict[str, Any], dict[str, Array]]:
        """Arguments and arrays of a module with a gamma and a beta."""
        arrays, given = {}, {}
        for key, name, argument in (("weight", "gamma", "scale"), ("bias", "beta", "center")):
            tensor = getattr(module, key, None)
            given[argument] = tensor is not None
            if tensor is not None:
                arrays[name] = array_of(f"{place}.{key}", tensor)
        tensors = [tensor for tensor in (module.weight, module.bias) if tensor is not None]
        given["trainable"] = not tensors or any(each.requires_grad for each in tensors)
        return {**given, "epsilon": module.eps}, arrays

    def batch_normalization(self, place: str, module: "nn.Module") -> None:
        if module.running_mean is None:
            raise ValueError(f"{place}: found track_running_stats=False, wanted True")
        if module.momentum is None:
            raise ValueError(f"{place}: found momentum=None, wanted a number")
        arguments, arrays = self._scaled(place, module)
        arrays["moving_mean"] = array_of(f"{place}.running_mean", module.running_mean)
        arrays["moving_variance"] = array_of(f"{place}.running_var", module.running_var)
        layer = layers.BatchNormalization(momentum=1 - module.momentum, **arguments)
        self.add(layer, module.num_features, **arrays)

    def layer_normalization(self, place: str, module: "nn.Module") -> None:
        if len(module.normalized_shape) != 1:
            raise ValueError(
                f"{place}: found normalized_shape={tuple(module.normalized_shape)}, wanted one size"
            )
        arguments, arrays = self._scaled(place, module)
        self.add(layers.LayerNormalization(**arguments), module.normalized_shape[0], **arrays)

    def rms_normalization(self, place: str, module: "nn.Module") -> None:
        if len(module.normalized_shape) != 1:
            raise ValueError(
                f"{place}: found normalized_shape={tuple(module.normalized_shape)}, wanted one size"
            )
        if module.weight is None:
            raise ValueError(f"{place}: found elementwise_affine=False, wanted True")
        scale = array_of(f"{place}.weight", module.weight)
        epsilon = np.finfo(scale.dtype).eps if module.eps is None else module.eps
        trainable = bool(module.weight.requires_grad)
        layer = layers.RMSNormalization(epsilon=float(epsilon), trainable=trainable)
        self.add(layer, scale.size, scale=scale)

    def group_normalization(self, place: str, module: "nn.Module") -> None:
        arguments, arrays = self._scaled(place, module)
        layer = layers.GroupNormalization(module.num_groups, **arguments)
        self.add(layer, module.num_channels, **arrays)

    def prelu(self, place: str, module: "nn.Module") -> None:
        slopes = array_of(f"{place}.weight", module.weight)
        layer = layers.PReLU(trainable=bool(module.weight.requires_grad))
        self.add(layer, len(slopes) if len(slopes) > 1 else None, scale=slopes)

    def embedding(self, place: str, module: "nn.Module") -> None:
        table = array_of(f"{place}.weight", module.weight)
        if getattr(module, "max_norm", None) is not None:
            raise ValueError(f"{place}: found max_norm={module.max_norm}, wanted None")
        categories, units = table.shape
        layer = layers.Embedding(
            categories,
            units,
            missing=bool(getattr(module, "missing", False)),
            trainable=bool(module.weight.requires_grad),
        )
        self.add(layer, None, embeddings=table)
        self._units = int(units)
        self._folded = True

    def unit_normalization(self, place: str, module: "nn.Module") -> None:
        self.add(layers.UnitNormalization(), None)

    def scale(self, place: str, module: "nn.Module") -> None:
        scale = array_of(f"{place}.scale", module.scale)
        self.add(layers.Scale(trainable=module.scale.requires_grad), scale.size, scale=scale)

    def periodic(self, place: str, module: "nn.Module") -> None:
        names = ("frequencies", "phases", "kernel", "bias")
        arrays = {name: array_of(f"{place}.{name}", getattr(module, name)) for name in names}
        columns, further, frequencies = arrays["kernel"].shape
        arrays["kernel"] = arrays["kernel"].reshape(-1, frequencies)
        layer = layers.PeriodicEmbedding(
            columns, further + 1, frequencies, trainable=module.kernel.requires_grad
        )
        self.add(layer, None, **arrays)
        self._wider += columns * further

    def noise(self, place: str, module: "nn.Module") -> None:
        self.add(layers.GaussianNoise(module.stddev), None)

    def gaussian_dropout(self, place: str, module: "nn.Module") -> None:
        self.add(layers.GaussianDropout(module.rate), None)

    def alpha_dropout(self, place: str, module: "nn.Module") -> None:
        self.add(layers.AlphaDropout(module.p), None)

    def dropout(self, place: str, module: "nn.Module") -> None:
        self.add(layers.Dropout(module.p), None)

    def unflatten(self, place: str, module: "nn.Module") -> None:
        if module.dim != 1:
            raise ValueError(f"{place}: found dim={module.dim}, wanted 1 (the features)")
        self.add(layers.Reshape(tuple(module.unflattened_size)), None)
        self._folded = True

    def flatten(self, place: str, module: "nn.Module") -> None:
        if module.start_dim != 1 or module.end_dim != -1:
            raise ValueError(
                f"{place}: found start_dim={module.start_dim}, end_dim={module.end_dim}, wanted 1 "
                "and -1"
            )
        # Layers of single elements do not tell the shape of a row: a vector.
        if self._folded or not all(_element_by_element(layer) for layer in self.layers):
            self.add(layers.Flatten(), None)
            self._folded = False

    def fixed_normalization(self, place: str, module: "nn.Module") -> None:
        mean, factor, shift = (
            array_of(f"{place}.{key}", getattr(module, key)).astype(np.float64).ravel()
            for key in ("mean", "factor", "shift")
        )
        self.dtypes.add(str(module.factor.dtype).removeprefix("torch."))
        try:
            if shift.any():
                layer: layers.Layer = layers.Rescaling(factor, shift - mean * factor)
            else:
                layer = layers.Normalization(mean=mean, variance=1 / factor**2)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        self.add(layer, len(factor))

    def residual(self, place: str, module: "nn.Module") -> None:
        block = Reader()
        block.read(f"{place}.block", module.block)
        self.add(layers.Residual(block.layers or [layers.Identity()]), block.inputs)
        self.weights += block.weights
        self.dtypes |= block.dtypes

    def read(self, place: str, module: "nn.Module") -> None:
        """Read a module, and those that it holds.

        Raises
        ------
        ValueError
            One of them cannot be a layer; the message names its place.
        """
        kind = kind_of(module)
        if kind in CONTAINERS:
            for key, child in module.named_children():
                self.read(f"{place}.{key}" if place else key, child)
        elif kind in ACTIVATIONS:
            where = f"{place or 'module'} ({kind})"
            self.activate(ACTIVATIONS[kind](where, module))
            if kind in ("LogSoftmax", "Softmax"):
                self.layers[-1].axis = _axis(where, module)
        elif kind in LAYERS:
            LAYERS[kind](self, f"{place or 'module'} ({kind})", module)
        elif kind not in WITHOUT_EFFECT:
            known = sorted([*CONTAINERS, *LAYERS, *ACTIVATIONS, *WITHOUT_EFFECT])
            raise ValueError(
                f"from_torch: {place or 'module'}: found {kind}, wanted one of: {', '.join(known)}"
            )


LAYERS: dict[str, Callable[[Reader, str, Any], None]] = {
    "AlphaDropout": Reader.alpha_dropout,
    "BatchNorm1d": Reader.batch_normalization,
    "Dropout": Reader.dropout,
    "Embedding": Reader.embedding,
    "FixedNormalization": Reader.fixed_normalization,
    "Flatten": Reader.flatten,
    "GaussianDropout": Reader.gaussian_dropout,
    "GaussianNoise": Reader.noise,
    "GroupNorm": Reader.group_normalization,
    "LayerNorm": Reader.layer_normalization,
    "Linear": Reader.linear,
    "PReLU": Reader.prelu,
    "PeriodicEmbedding": Reader.periodic,
    "RMSNorm": Reader.rms_normalization,
    "Residual": Reader.residual,
    "Scale": Reader.scale,
    "Unflatten": Reader.unflatten,
    "UnitNormalization": Reader.unit_normalization,
}

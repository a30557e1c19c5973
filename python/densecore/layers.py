"""Layers: what a model is described with, and views of what it has learnt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core, activations, initializers

Array = NDArray[Any]

# One element more than the largest width that the core accepts.
_MAX_WIDTH = 2**24


def check_width(what: str, value: Any) -> int:
    """A number of units or inputs as an int; TypeError or ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{what}: found {value!r}, wanted an integer")
    if not 1 <= value <= _MAX_WIDTH:
        raise ValueError(f"{what}: found {value}, wanted 1 to {_MAX_WIDTH}")
    return int(value)


class Input:
    """The number of inputs of a model; stands first.

    Parameters
    ----------
    shape : int or tuple of one int
        The number of features in a row.
    name : str, optional
    """

    def __init__(self, shape: int | tuple[int, ...], *, name: str | None = None) -> None:
        size = shape
        if isinstance(shape, tuple | list):
            if len(shape) != 1:
                raise ValueError(
                    f"Input: found shape {tuple(shape)}, wanted one dimension, as in Input((64,)): "
                    "densecore has dense layers only"
                )
            size = shape[0]
        self.size = check_width("Input: shape", size)
        self.name = name

    @property
    def shape(self) -> tuple[None, int]:
        """(None, features): any number of rows."""
        return (None, self.size)

    def __repr__(self) -> str:
        return f"Input({self.size})"


class Dense:
    """A densely connected layer: a = f(W x + b), the note's Eq. 1 to 3.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str, Activation or dict, optional
        f: a name, see ``densecore.activations.names()``, or with parameters of its own an
        ``activations.Activation`` or its configuration; by default linear.
    use_bias : bool
        Whether there is a b.
    kernel_initializer, bias_initializer : str or Initializer
        What W and b start from, see ``densecore.initializers``.
    name : str, optional
        By default ``dense``, ``dense_1``, … in the order of the model.

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

    def __init__(
        self,
        units: int,
        activation: str | activations.Activation | dict[str, Any] | None = None,
        use_bias: bool = True,
        kernel_initializer: str | initializers.Initializer = "glorot_uniform",
        bias_initializer: str | initializers.Initializer = "zeros",
        *,
        name: str | None = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"Dense: name: found {type(name).__name__}, wanted a string")
        self.units = check_width("Dense: units", units)
        function = activations.get(activation)
        # A name says all of what has no parameters, or those that the name stands for.
        self.activation: str | activations.Activation = (
            function.name if function.is_default else function
        )
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.name = name
        self._views: tuple[Array, Array | None, Array, Array | None] | None = None

    @property
    def built(self) -> bool:
        """Whether the layer belongs to a model whose number of inputs is known."""
        return self._views is not None

    def _built_views(self) -> tuple[Array, Array | None, Array, Array | None]:
        if self._views is None:
            raise RuntimeError(
                f"layer {self.name or 'dense'} has no parameters yet: its model does not know its "
                "number of inputs (start with Input, call build, or fit first)"
            )
        return self._views

    @property
    def kernel(self) -> Array:
        return self._built_views()[0]

    @property
    def weight(self) -> Array:
        return self._built_views()[0].T

    @property
    def bias(self) -> Array | None:
        return self._built_views()[1]

    @property
    def kernel_gradient(self) -> Array:
        return self._built_views()[2]

    @property
    def weight_gradient(self) -> Array:
        return self._built_views()[2].T

    @property
    def bias_gradient(self) -> Array | None:
        return self._built_views()[3]

    def count_params(self) -> int:
        """Number of weights and biases."""
        kernel, bias, _, _ = self._built_views()
        return int(kernel.size + (0 if bias is None else bias.size))

    def get_weights(self) -> list[Array]:
        """Copies of kernel (inputs, units) and, if there is one, bias (units,): Keras's order."""
        kernel, bias, _, _ = self._built_views()
        return [kernel.copy()] if bias is None else [kernel.copy(), bias.copy()]

    def set_weights(self, weights: list[Any]) -> None:
        """Set kernel (inputs, units) and bias (units,); nothing changes when one does not fit."""
        kernel, bias, _, _ = self._built_views()
        assign([kernel] if bias is None else [kernel, bias], weights)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make an equal layer; JSON-able."""
        return {
            "class": "Dense",
            "name": self.name,
            "units": self.units,
            "activation": (
                self.activation
                if isinstance(self.activation, str)
                else self.activation.get_config()
            ),
            "use_bias": self.use_bias,
            "kernel_initializer": self.kernel_initializer.get_config(),
            "bias_initializer": self.bias_initializer.get_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Dense":
        """The layer that `get_config` describes."""
        arguments = dict(config)
        arguments.pop("class", None)
        for key in ("kernel_initializer", "bias_initializer"):
            arguments[key] = initializers.deserialize(arguments[key])
        return cls(**arguments)

    # What the model needs -----------------------------------------------------------------------

    def _spec(self) -> tuple[int, str, list[float], bool]:
        return (self.units, *activations.get(self.activation)._kernel(), self.use_bias)

    def _build(self, network: "_core.NetworkF32 | _core.NetworkF64", index: int) -> None:
        self._views = network.layer_views(index)

    def _forget(self) -> None:
        """The model's parameters are to be made anew: views of the old ones would mislead."""
        self._views = None

    def _initialize(self, seed: int, index: int) -> None:
        kernel, bias, _, _ = self._built_views()
        fan_in, fan_out = kernel.shape
        self.kernel_initializer.fill(kernel, fan_in, fan_out, seed, 2 * index)
        if bias is not None:
            self.bias_initializer.fill(bias, fan_in, fan_out, seed, 2 * index + 1)

    def __repr__(self) -> str:
        name = "" if self.name is None else f", name={self.name!r}"
        bias = "" if self.use_bias else ", use_bias=False"
        return f"Dense({self.units}, activation={self.activation!r}{bias}{name})"


def assign(targets: list[Array], values: list[Any]) -> None:
    """Copy arrays into views of equal shapes, all or none."""
    if len(values) != len(targets):
        raise ValueError(f"weights: found {len(values)} arrays, wanted {len(targets)}")
    arrays = []
    for number, (target, value) in enumerate(zip(targets, values, strict=True)):
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"weights[{number}]: found dtype {array.dtype}, wanted real numbers")
        if array.shape != target.shape:
            raise ValueError(f"weights[{number}]: found shape {array.shape}, wanted {target.shape}")
        arrays.append(array)
    for target, array in zip(targets, arrays, strict=True):
        target[...] = array

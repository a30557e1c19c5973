"""A stack of layers with its parameters: what there is before anything is trained."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._summary import table
from .initializers import check_seed
from .layers import Dense, Input, assign, check_width

Array = NDArray[Any]
AnyLayer = Input | Dense
Network = _core.NetworkF32 | _core.NetworkF64

MAX_LAYERS = 1000  # as the core

_NETWORKS: dict[str, type[_core.NetworkF32] | type[_core.NetworkF64]] = {
    "float32": _core.NetworkF32,
    "float64": _core.NetworkF64,
}


class Stack:
    """Layers one after another over one flat buffer of parameters; `Sequential` trains them."""

    def __init__(
        self, layers: Sequence[AnyLayer] | None, dtype: str, seed: int | None, name: str | None
    ) -> None:
        dtype_name = np.dtype(dtype).name if not isinstance(dtype, str) else dtype
        if dtype_name not in _NETWORKS:
            raise ValueError(f"dtype: found {dtype!r}, wanted 'float32' or 'float64'")
        self._dtype = np.dtype(dtype_name)
        self.seed = int.from_bytes(os.urandom(6)) if seed is None else check_seed(seed)
        self.name = name if name is not None else "sequential"
        self._input: Input | None = None
        self._layers: list[Dense] = []
        self._network_or_none: Network | None = None
        for layer in layers or ():
            self._append(layer)
        if self._input is not None and self._layers:
            self.build()

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``."""
        return self._dtype.name

    @property
    def layers(self) -> list[Dense]:
        """The layers that have parameters; ``Input`` is not one of them."""
        return list(self._layers)

    @property
    def built(self) -> bool:
        """Whether the parameters exist."""
        return self._network_or_none is not None

    @property
    def input_shape(self) -> tuple[None, int]:
        """(None, features)."""
        if self._input is None:
            raise RuntimeError("input_shape: the model does not know its number of inputs yet")
        return self._input.shape

    @property
    def output_shape(self) -> tuple[None, int]:
        """(None, units of the last layer)."""
        if not self._layers:
            raise RuntimeError("output_shape: the model has no layers yet")
        return (None, self._layers[-1].units)

    def add(self, layer: AnyLayer) -> None:
        """Append a layer, as long as the model has no parameters yet.

        A model that starts with ``Input`` gets its parameters at the first call that needs them.
        """
        if self.built and self._compiled:
            raise RuntimeError("add: the model is compiled already; its layers are fixed")
        self._append(layer)
        # Parameters that exist already were never used: they are made anew for the longer stack.
        self._network_or_none = None
        self._network_changed()
        for other in self._layers:
            other._forget()

    def _append(self, layer: AnyLayer) -> None:
        if isinstance(layer, Input):
            if self._input is not None or self._layers:
                raise ValueError("layers: found Input after the first place, wanted it to be first")
            self._input = layer
            return
        if not isinstance(layer, Dense):
            raise TypeError(
                f"layers: found {type(layer).__name__}, wanted one of Input, Dense (densecore has "
                "dense layers only)"
            )
        if layer.built or layer in self._layers:
            raise ValueError(
                f"layers: found {layer!r}, which belongs to a model already; wanted a new layer"
            )
        taken = {other.name for other in self._layers}
        if layer.name is None:
            number = 0
            while (name := "dense" if number == 0 else f"dense_{number}") in taken:
                number += 1
            layer.name = name
        elif layer.name in taken:
            raise ValueError(f"layers: found the name {layer.name!r} twice, wanted each once")
        self._layers.append(layer)

    def build(self, input_shape: int | tuple[int | None, ...] | None = None) -> None:
        """Make and initialise the parameters.

        Parameters
        ----------
        input_shape : int or tuple, optional
            Number of features, or Keras's (None, features). Not needed after ``Input``.
        """
        if input_shape is not None:
            size = input_shape[-1] if isinstance(input_shape, tuple | list) else input_shape
            size = check_width("build: input_shape", size)
            if self._input is not None and self._input.size != size:
                raise ValueError(f"build: found {size} inputs, wanted {self._input.size}, as Input")
            self._input = self._input or Input(size)
        self._make_parameters()
        for index, layer in enumerate(self._layers):
            layer._initialize(self.seed, index)

    def _make_parameters(self) -> None:
        if self._input is None:
            raise RuntimeError(
                "the model does not know its number of inputs: start with Input(features) or call "
                "build(features)"
            )
        if not self._layers:
            raise RuntimeError("the model has no layers: add(Dense(units)) first")
        specification = [layer._spec() for layer in self._layers]
        network = _NETWORKS[self.dtype](self._input.size, specification)
        for index, layer in enumerate(self._layers):
            layer._build(network, index)
        self._network_or_none = network
        self._network_changed()

    def _network_changed(self) -> None:
        """Called when there is a new network, or none any more."""

    @property
    def _network(self) -> Network:
        if self._network_or_none is None:
            self.build()
        assert self._network_or_none is not None
        return self._network_or_none

    @property
    def _compiled(self) -> bool:
        """Whether the layers are fixed by what has been built on them."""
        return False

    def _build_for(self, x: Any) -> None:
        """Takes the number of inputs from the first data, as Keras does."""
        if self._network_or_none is None and self._input is None:
            shape = np.shape(x)
            if len(shape) != 2:
                raise ValueError(f"x: found shape {shape}, wanted (rows, features)")
            self._input = Input(shape[1])

    # Parameters ---------------------------------------------------------------------------------

    @property
    def parameters(self) -> Array:
        """All parameters as one flat view (count,): per layer kernel (in, out), then bias."""
        return self._network.parameters

    @property
    def gradients(self) -> Array:
        """∂C/∂parameters of the last `backward` or `train_on_batch`, flat, in the same order.

        A view. After `fit` they are not defined: with plain SGD it keeps none.
        """
        return self._network.gradients

    def count_params(self) -> int:
        """Number of parameters."""
        return int(self._network.parameter_count)

    def get_weights(self) -> list[Array]:
        """Copies of all weights in Keras's order and shapes: kernel (in, out), bias (out,), …"""
        self._network  # noqa: B018 - builds
        return [array for layer in self._layers for array in layer.get_weights()]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights, in the order of `get_weights`; nothing changes when one does not fit."""
        self._network  # noqa: B018 - builds
        views = []
        for layer in self._layers:
            views.append(layer.kernel)
            if layer.bias is not None:
                views.append(layer.bias)
        assign(views, list(weights))

    # Display and configuration ------------------------------------------------------------------

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters."""
        (print_fn or print)(table(self.name, self.dtype, self._input, self._layers))

    def __repr__(self) -> str:
        parts = ([] if self._input is None else [repr(self._input)]) + [
            f"Dense({layer.units}, {layer.activation!r})" for layer in self._layers
        ]
        return f"Sequential([{', '.join(parts)}], dtype={self.dtype!r})"

    def get_config(self) -> dict[str, Any]:
        """The architecture as JSON can hold it: `from_config` reads it."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "seed": self.seed,
            "inputs": None if self._input is None else self._input.size,
            "layers": [layer.get_config() for layer in self._layers],
        }

    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        """Append the layers that `get_config` describes; raises for what it cannot be."""
        if not isinstance(config["layers"], list) or len(config["layers"]) > MAX_LAYERS:
            raise ValueError(f"layers: wanted a list of at most {MAX_LAYERS}")
        if config["inputs"] is not None:
            self._append(Input(config["inputs"]))
        for layer in config["layers"]:
            if layer["class"] != "Dense":
                raise ValueError(f"unknown layer {layer['class']!r}; known: Dense")
            self._append(Dense.from_config(layer))

    def _parameter_tensors(self) -> dict[str, Array]:
        """Every parameter array by its name in a model file, as views."""
        tensors: dict[str, Array] = {}
        for index, layer in enumerate(self._layers):
            tensors[f"layers.{index}.kernel"] = layer.kernel
            if layer.bias is not None:
                tensors[f"layers.{index}.bias"] = layer.bias
        return tensors

"""Sequential: layers one after another."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._data.arrays import single
from .._data.row_sources import Rows, as_rows
from ..layers import Dense, Input, Layer, assign, deserialize
from ..layers.arrays import total
from ..layers.lowering import Plan, Row
from .model import Model
from .summary import table

AnyLayer = Input | Layer

MAX_LAYERS = 1000  # as the core


class Sequential(Model):
    """A feed-forward network: layers one after another.

    Parameters
    ----------
    layers : sequence of Input and Layer, optional
        ``Input`` may stand first; without it the number of inputs is that of the first data.
    dtype : {"float32", "float64"}, optional
        Of parameters and computations; by default ``backend.floatx()``, which is "float32".
    seed : int, optional
        Fixes initial weights and shuffles. By default a fresh one is drawn, to be found in
        ``model.seed``.
    name : str, default "sequential"

    Attributes
    ----------
    layers : list of Layer
    metadata : dict
        Yours: anything that JSON can hold is saved with the model and restored by ``load_model``.
    optimizer, loss
        As compiled; None before. The optimizer's settings may be changed at any time.
    history : History or None
        Of the last call of ``fit``.
    stop_training : bool
        True, set by a callback or anything else, ends ``fit`` after the current epoch.

    Raises
    ------
    ValueError, TypeError
        Something that is not a layer, one that belongs to another model, or a name that occurs
        twice. The layers are then free for another model.

    Examples
    --------
    >>> import densecore as dc
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(1)], seed=0)
    >>> model.count_params()
    49
    """

    _not_pickled: ClassVar[frozenset[str]] = Model._not_pickled | {"_input"}
    _input: Input | None = None

    def __init__(
        self,
        layers: Sequence[AnyLayer] | None = None,
        *,
        dtype: str | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(dtype, seed, "sequential" if name is None else name)
        # The weights of layers whose stack has become shorter or longer.
        self._kept: list[tuple[Layer, list[Array]]] = []
        try:
            if layers is not None and not isinstance(layers, Iterable):
                raise TypeError(f"layers: found {checks.shown(layers)}, wanted a list of layers")
            for layer in layers or ():
                self._append(layer)
            if self._input is not None and self._layers:
                self.build()
        except BaseException:
            # Layers that did not become a model are free for another one.
            for layer in self._all_layers():
                layer._taken = False
                layer._forget()
            raise

    # Layers ---------------------------------------------------------------------------------------

    def add(self, layer: AnyLayer) -> None:
        """Append a layer, as long as the model is not compiled; the others keep their weights.

        A model that starts with ``Input`` gets its parameters at the first call that needs them.

        Raises
        ------
        RuntimeError
            The model is compiled already.
        ValueError, TypeError
            It is not a layer, it belongs to a model already, or its name or place is taken.
        """
        if self.built and self.optimizer is not None:
            raise RuntimeError("add: the model is compiled already; its layers are fixed")
        before = list(self._layers)
        self._append(layer)
        self._drop_parameters(before)

    def pop(self) -> Layer:
        """Remove the last layer and return it, as long as the model is not compiled.

        The others keep their weights.

        Raises
        ------
        RuntimeError
            The model is compiled already, or has no layers.
        """
        if self.built and self.optimizer is not None:
            raise RuntimeError("pop: the model is compiled already; its layers are fixed")
        if not self._layers:
            raise RuntimeError("pop: the model has no layers")
        self._drop_parameters(self._layers[:-1])
        layer = self._layers.pop()
        for part in layer._walk():
            part._taken = False
        return layer

    def _drop_parameters(self, layers: list[Layer]) -> None:
        """Let go of the network, but keep the weights of some layers for the next one."""
        if self.built:
            newer = [kept for kept in self._kept if kept[0] not in layers]
            self._kept = [_with_weights(layer) for layer in layers] + newer
        self._forget_network()

    def _append(self, layer: AnyLayer) -> None:
        if isinstance(layer, Input):
            if self._input is not None or self._layers:
                raise ValueError("layers: found Input after the first place, wanted it to be first")
            self._input = layer
            return
        if not isinstance(layer, Layer):
            raise TypeError(
                f"layers: found {type(layer).__name__}, wanted Input or a layer of "
                "densecore.layers (densecore has dense networks only)"
            )
        taken = {other.name for other in self._all_layers()}
        count = len(taken) + sum(1 for _ in layer._walk())
        if count > MAX_LAYERS:
            raise ValueError(f"layers: found {count}, wanted at most {MAX_LAYERS}")
        seen: set[int] = set()
        named: set[str | None] = set(taken)
        for part in layer._walk():
            if id(part) in seen:
                raise ValueError(f"layers: found {part!r} twice in a block, wanted each once")
            seen.add(id(part))
            if part._taken:
                raise ValueError(
                    f"layers: found {part!r}, which belongs to a model already; wanted a new layer"
                )
            if part.name is not None and part.name in named:
                raise ValueError(f"layers: found the name {part.name!r} twice, wanted each once")
            named.add(part.name)
        if layer._given_input is not None:
            if self._layers:
                raise ValueError("layers: found input_shape after the first layer")
            if self._input is not None and self._input.dimensions != layer._given_input.dimensions:
                raise ValueError(
                    f"layers: found input_shape {layer._given_input.dimensions}, wanted "
                    f"{self._input.dimensions}, as Input"
                )
            self._input = self._input or layer._given_input
        if layer.built:
            self._kept.append(_with_weights(layer))  # it has been called with an array before
        for part in layer._walk():
            if part.name is None:
                base, number = part._default_name(), 0
                while (name := base if number == 0 else f"{base}_{number}") in taken:
                    number += 1
                part.name = name
            part._taken = True
            taken.add(part.name)
        self._layers.append(layer)

    def build(self, input_shape: int | tuple[int | None, ...] | None = None) -> None:
        """Make and initialise the parameters, unless they are there already.

        Parameters
        ----------
        input_shape : int or tuple, optional
            Number of features, or Keras's (None, features). Not needed after ``Input``.

        Raises
        ------
        ValueError, TypeError
            Another shape than that of ``Input``, or one that cannot be.
        RuntimeError
            The model has no layers, or does not know its number of inputs.
        """
        before = self._input
        if input_shape is not None:
            shape: Any = input_shape
            if isinstance(shape, tuple | list) and len(shape) > 1:
                shape = shape[1:]
            found = Input(shape)
            if before is not None and before.dimensions != found.dimensions:
                raise ValueError(f"build: found {found}, wanted {before}")
            self._input = before or found
        try:
            if not self.built:
                self._build_network()
        except BaseException:
            self._input = before
            raise

    def _initialize_parameters(self, seed: int) -> None:
        super()._initialize_parameters(seed)
        for layer, values in self._kept:
            if layer in self._layers:
                assign(layer.weights, values)
        self._kept = []

    # Shapes ---------------------------------------------------------------------------------------

    @property
    def _input_row(self) -> Row | None:
        return None if self._input is None else self._input.dimensions

    @property
    def _output_row(self) -> Row | None:
        row = self._input_row
        for layer in self._layers:
            row = layer._output_row(row)
        return row

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, features)."""
        if self._input is None:
            raise RuntimeError("input_shape: the model does not know its number of inputs yet")
        return self._input.shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, units of the last layer)."""
        if not self._layers:
            raise RuntimeError("output_shape: the model has no layers yet")
        row = self._output_row
        if row is None:
            raise RuntimeError("output_shape: the model does not know its number of inputs yet")
        return (None, *row)

    def _take_inputs_of(self, x: Any) -> None:
        if self._input is None:
            shape = np.shape(single(x))
            if not shape:
                raise ValueError(f"x: found shape {shape}, wanted (rows, features)")
            self._input = Input(shape[1:] or 1)  # numbers are rows of one feature

    def _forget_inputs(self) -> None:
        self._input = None
        self._forget_network()

    def _rows(self, x: Any) -> Rows:
        return as_rows("x", single(x), self._dtype, self._input_row)

    def _plan(self) -> Plan:
        """What the layers are in the core.

        Raises
        ------
        RuntimeError
            There are no layers, or the number of inputs is not known.
        """
        if self._input is None:
            raise RuntimeError(
                "the model does not know its number of inputs: start with Input(features) or call "
                "build(features)"
            )
        if not self._layers:
            raise RuntimeError("the model has no layers: add(Dense(units)) first")
        plan = Plan(self._input.dimensions)
        for layer in self._layers:
            layer._plan(plan)
            layer._last_core = len(plan.specs) - 1 if plan.specs else None
        # A loss of logits is computed with the end of the last layer: there must be one.
        if not plan.specs or "activation" not in plan.specs[-1]:
            plan.add({"kind": "activation", "activation": "linear"})
        return plan

    def _tensor_shapes(self) -> tuple[dict[str, tuple[int, ...]], int]:
        """What `_parameter_tensors` will be, and the number of parameters, before they exist."""
        row, count, shapes = self._input_row, 0, {}
        for index, layer in enumerate(self._layers):
            assert row is not None
            parameters, states = layer._weight_shapes(row)
            count += total(parameters)
            for name, shape in {**parameters, **states}.items():
                shapes[f"layers.{index}.{name}"] = shape
            row = layer._output_row(row)
        return shapes, count

    # Display and configuration ------------------------------------------------------------------

    def summary(
        self,
        line_length: int | Callable[[str], Any] | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters.

        Parameters
        ----------
        line_length : int, optional
            Columns of the table, when they are more than it needs.
        print_fn : callable, optional
            Gets the table instead of ``print``.
        positions, expand_nested, show_trainable, layer_range
            Accepted for Keras's sake, and without effect: blocks are always shown with their
            layers, and layers that are not trained as such.
        """
        if callable(line_length):  # the first argument of version 0.1
            line_length, print_fn = None, line_length
        if print_fn is not None and not callable(print_fn):
            raise TypeError(f"print_fn: found {checks.shown(print_fn)}, wanted a callable")
        length = checks.optional("line_length", line_length) or 0
        (print_fn or print)(table(self.name, self.dtype, self._input, self._layers, length))

    def __repr__(self) -> str:
        parts = ([] if self._input is None else [repr(self._input)]) + [
            f"Dense({layer.units}, {layer.activation!r})"
            if isinstance(layer, Dense)
            else f"{type(layer).__name__}(…)"
            for layer in self._layers
        ]
        return f"Sequential([{', '.join(parts)}], dtype={self.dtype!r})"

    def _architecture(self) -> dict[str, Any]:
        inputs: Any = None
        if self._input is not None:
            dimensions = self._input.dimensions
            inputs = dimensions[0] if len(dimensions) == 1 else list(dimensions)
        return {
            "name": self.name,
            "dtype": self.dtype,
            "seed": self.seed,
            "inputs": inputs,
            "layers": [layer.get_config() for layer in self._layers],
        }

    def _add_from_config(self, config: Mapping[str, Any]) -> None:
        if not isinstance(config["layers"], list) or len(config["layers"]) > MAX_LAYERS:
            raise ValueError(f"layers: wanted a list of at most {MAX_LAYERS}")
        if config["inputs"] is not None:
            self._append(Input(config["inputs"]))
        for layer in config["layers"]:
            self._append(deserialize(layer))

    def __getstate__(self) -> dict[str, Any]:
        if self._kept:
            self.build()
        return super().__getstate__()


def _with_weights(layer: Layer) -> tuple[Layer, list[Array]]:
    return layer, [array.copy() for array in layer.weights]

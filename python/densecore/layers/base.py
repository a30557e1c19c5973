"""What all layers have in common: a name, a place in a model, weights as views, a configuration."""

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from .._base import checks
from .._base.dtypes import Array, Network
from .._base.lookup import unknown
from .arrays import Shapes, assign
from .eager import call
from .input import Input, row_shape
from .lowering import Plan, Row

# Keras's arguments that change nothing when they are None or False, and cannot be had otherwise.
_KERAS_ONLY = frozenset(
    {
        "activity_regularizer",
        "beta_constraint",
        "bias_constraint",
        "data_format",
        "gamma_constraint",
        "kernel_constraint",
        "lora_alpha",
        "lora_rank",
        "noise_shape",
        "quantization_config",
        "synchronized",
        "weights",
    }
)


def _refuse(kind: type, others: dict[str, Any]) -> None:
    """TypeError for arguments that no layer of this kind has."""
    for name, value in others.items():
        if name in _KERAS_ONLY and (value is None or value is False):
            continue
        import inspect  # only an error pays for it

        why = "which densecore's layers do not have" if name in _KERAS_ONLY else "which is unknown"
        known = list(inspect.signature(kind).parameters)
        known = [*known, *inspect.signature(Layer).parameters]
        public = dict.fromkeys(key for key in known if key not in ("general", "others"))
        raise TypeError(
            f"{kind.__name__}: found the argument {name}={checks.shown(value)}, {why}; known: "
            f"{', '.join(public)}"
        )


class Layer:
    """Base class of the layers.

    Parameters
    ----------
    name : str, optional
        By default the kind's name, with a number if needed: ``dense``, ``dense_1``, …
    trainable : bool
        Whether training changes the layer's weights.
    input_shape, input_dim, batch_input_shape
        The model's number of inputs, as Keras accepts it from the first layer.
    dtype
        Accepted for Keras's sake, and without effect: the model has one.

    Attributes
    ----------
    name : str
    trainable : bool
        May be changed at any time; holds from the next step on.

    Raises
    ------
    TypeError
        An argument that the layer does not have; the message lists those it has.
    """

    #: Names of the arrays of parameters, in Keras's order; of those that no gradient changes.
    parameter_names: ClassVar[tuple[str, ...]] = ()
    state_names: ClassVar[tuple[str, ...]] = ()
    #: The keyword arguments that describe a layer, besides its name and `trainable`.
    config_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        input_shape: tuple[int, ...] | None = None,
        input_dim: int | None = None,
        batch_input_shape: tuple[int | None, ...] | None = None,
        dtype: str | None = None,
        **others: Any,
    ) -> None:
        _refuse(type(self), others)
        kind = type(self).__name__
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{kind}: name: found {type(name).__name__}, wanted a string")
        self.name = name
        self._trainable = checks.flag(f"{kind}: trainable", trainable)
        shape = input_shape if input_shape is not None else row_shape(batch_input_shape)
        shape = shape if shape is not None else input_dim
        self._given_input = None if shape is None else Input(shape)
        self._views: tuple[dict[str, Array], dict[str, Array], dict[str, Array]] | None = None
        self._network: Network | None = None
        self._core_index: int | None = None
        self._last_core: int | None = None  # the core's layer that puts out what this one does
        self._taken = False  # by a model

    def __setattr__(self, name: str, value: Any) -> None:
        known = vars(self)
        fixed = name in ("activation", "axis", *self.config_names)
        if (fixed and name in known) or (name == "name" and known.get("_taken")):
            raise AttributeError(
                f"layer {self.name or type(self).__name__}: {name}: found {value!r} for a layer "
                "that is made, whose model computes with the value that it was made with; wanted "
                "a new layer, or a new model: Sequential.from_config makes one of a get_config()"
            )
        super().__setattr__(name, value)

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "call" in vars(cls):
            raise TypeError(
                f"class {cls.__name__}: found a method call, which the "
                "core cannot call; a function with its derivative can be an Activation"
            )

    def __call__(self, inputs: Any, training: bool | None = None) -> Array:
        """The layer's outputs for an array, at once.

        A layer that belongs to no model yet is built by the first array, in Keras's default dtype
        (``backend.floatx()``) and with a seed of its own; the weights stay when a model takes it.

        Parameters
        ----------
        inputs : array_like (rows, ...)
        training : bool, default False
            Whether units drop out, and batch normalisation uses the batch's statistics.

        Returns
        -------
        ndarray (rows, ...)

        Raises
        ------
        TypeError, ValueError
            Inputs that are no numbers, or of another shape than the layer was built for.
        """
        if isinstance(inputs, Input):
            raise TypeError(
                f"{self!r}: found a layer that is called with Input: densecore has no functional "
                "models; wanted Sequential([Input(features), layer, ...]), with Residual for what "
                "goes round a block"
            )
        return call(self, inputs, bool(training))

    # Weights ------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether the layer belongs to a model whose number of inputs is known."""
        return self._network is not None

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = checks.flag("trainable", value)
        if self._network is not None and self._core_index is not None:
            self._network.set_trainable(self._core_index, self._trainable)

    def _built_views(self) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
        if self._views is None:
            raise RuntimeError(
                f"layer {self.name or type(self).__name__.lower()} has no parameters yet: its "
                "model does not know its number of inputs (start with Input, call build, or fit "
                "first)"
            )
        return self._views

    def _parameter(self, name: str) -> Array | None:
        return self._built_views()[0].get(name)

    def _gradient(self, name: str) -> Array | None:
        return self._built_views()[1].get(name)

    def _state(self, name: str) -> Array:
        return self._built_views()[2][name]

    def _named_weights(self) -> dict[str, Array]:
        """All arrays as views, in Keras's order: parameters, then what no gradient changes."""
        if not (self.parameter_names or self.state_names):
            return {}
        parameters, _, states = self._built_views()
        return {**parameters, **states}

    @property
    def weights(self) -> list[Array]:
        """All weights, as views, in Keras's order."""
        return list(self._named_weights().values())

    @property
    def trainable_weights(self) -> list[Array]:
        """The weights that training changes by their gradient, as views."""
        if not (self._trainable and self.parameter_names):
            return []
        return list(self._built_views()[0].values())

    @property
    def non_trainable_weights(self) -> list[Array]:
        """The weights that no gradient changes, as views."""
        trained = {id(array) for array in self.trainable_weights}
        return [array for array in self.weights if id(array) not in trained]

    @property
    def variables(self) -> list[Array]:
        """As `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Array]:
        """As `trainable_weights`."""
        return self.trainable_weights

    def count_params(self) -> int:
        """Number of weights of all kinds."""
        return sum(int(array.size) for array in self.weights)

    def get_weights(self) -> list[Array]:
        """Copies of all weights, in Keras's order."""
        with self._reserved(reading=True):
            return [array.copy() for array in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights, in the order of `get_weights`; nothing changes when one does not fit.

        Raises
        ------
        ValueError, TypeError
            Another number of arrays, another shape, or something that is not real numbers.
        """
        with self._reserved():
            assign(self.weights, weights)

    def _reserved(self, reading: bool = False) -> AbstractContextManager[Any]:
        """Until the block ends, other threads cannot use the model; see the core's `reserved`."""
        return nullcontext() if self._network is None else self._network.reserved(reading)

    # Configuration ------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make an equal layer; JSON-able."""
        config: dict[str, Any] = {"class": type(self).__name__, "name": self.name}
        for key in self.config_names:
            value = getattr(self, key)
            config[key] = value.get_config() if hasattr(value, "get_config") else value
        if not self._trainable:
            config["trainable"] = False
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        """The layer that `get_config` describes."""
        arguments = dict(config)
        arguments.pop("class", None)
        return cls(**arguments)

    def __repr__(self) -> str:
        shown = [f"{key}={getattr(self, key)!r}" for key in self.config_names]
        shown += [] if self.name is None else [f"name={self.name!r}"]
        return f"{type(self).__name__}({', '.join(shown)})"

    # What the model needs -----------------------------------------------------------------------

    def _walk(self) -> Iterator["Layer"]:
        """The layer itself, and those within it."""
        yield self

    def _plan(self, plan: Plan) -> None:
        """Append what the layer is in the core, and remember where."""
        raise NotImplementedError

    def _output_row(self, row: Row | None) -> Row | None:
        """The shape of a row of the output, for that of a row of the input; None: not known yet.

        Raises
        ------
        ValueError
            The layer does not take such rows.
        """
        return row

    def _weight_shapes(self, row: Row) -> tuple[Shapes, Shapes]:
        """Shapes of the parameters, and of the other weights, for rows of that shape."""
        return {}, {}

    def _features(self, row: Row) -> int:
        """The number of features of rows that are vectors; ValueError for others."""
        if len(row) != 1:
            raise ValueError(
                f"layer {self.name or type(self).__name__}: found rows of shape {row}, wanted "
                "vectors: Flatten() before it makes them"
            )
        return row[0]

    def _build(self, network: Network) -> None:
        self._network = network
        if self._core_index is not None:
            self._views = network.layer_views(self._core_index)

    def _twin(self) -> "Layer":
        """A layer of the same description, which belongs to no network."""
        twin = copy.copy(self)
        twin._forget()
        return twin

    def _forget(self) -> None:
        """The model's parameters are to be made anew: views of the old ones would mislead."""
        self._views = None
        self._network = None

    def _initialize(self, seed: int, number: int) -> None:
        """Give the weights their initial values; `number` counts the dense layers."""

    def _default_name(self) -> str:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__)
        return name.replace("ReLU", "re_lu").lower()


def classes() -> dict[str, type[Layer]]:
    """Every kind of layer by its class's name."""
    known: dict[str, type[Layer]] = {}
    pending = list(Layer.__subclasses__())
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind.__module__.startswith(__package__) and not kind.__name__.startswith("_"):
            known[kind.__name__] = kind
    return dict(sorted(known.items()))


def deserialize(config: dict[str, Any]) -> Layer:
    """The layer that `Layer.get_config` describes.

    Raises
    ------
    ValueError
        The class is unknown; the message lists the known ones.
    """
    known = classes()
    if not isinstance(config, Mapping):
        raise TypeError(f"layer: found {checks.shown(config)}, wanted a dictionary")
    kind = config.get("class")
    if not isinstance(kind, str) or kind not in known:
        unknown("layer", kind, known)
    return known[kind].from_config(config)

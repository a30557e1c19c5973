"""The base class of layers: a name, a place in a model, weights as views, a configuration."""

import copy
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from .. import regularizers
from .._base import checks
from .._base.dtypes import floatx
from .._base.overriding import overridden
from .._base.registry import described
from .._base.warn import warn
from .._data.structures import leaves
from .arguments import MULTIPLIERS, multipliers, refuse_others
from .copied import Copied
from .eager import build_alone, call
from .input import Input, row_shape
from .lowering import Row
from .symbols import Node, Symbol, WhenTrained, are_symbols, connect, node_of
from .weight_views import WeightViews


class Layer(WeightViews, Copied):
    """Base class of the layers.

    Parameters
    ----------
    name : str, optional
        By default the kind's name, with a number if needed: ``dense``, ``dense_1``, …
    trainable : bool, default True
        Whether training changes the layer's weights.
    input_shape, input_dim, batch_input_shape
        The model's number of inputs, as Keras accepts it from the first layer.
    dtype
        Accepted for Keras's sake, and without effect: the model has one. Another one than
        ``backend.floatx()`` is warned of.
    activity_regularizer : str or Regularizer, optional
        What the loss grows by for the layer's outputs, over the rows of the batch.
    learning_rate_multiplier : float or dict, optional
        What the optimizer's learning rate is multiplied with for the layer's arrays, > 0: of all of
        them, or by their names, as in ``{"bias": 0.1}``. By default 1. Of dense layers also a text,
        ``"1/sqrt(fan_in)"``, ``"0.5/sqrt(fan_in)"`` or ``"2*sqrt(fan_in)"``, with the number of the
        layer's inputs as the fan-in.
    weight_decay_multiplier : float or dict, optional
        The same for the optimizer's weight decay, >= 0. Parameters shrink by the product of both
        multipliers, the learning rate and the decay.

    Attributes
    ----------
    name : str
    learning_rate_multiplier, weight_decay_multiplier : dict
        By the arrays' names; those of 1 are left out.
    trainable : bool
        May be changed at any time; holds from the next step on.

    Raises
    ------
    TypeError
        An argument that the layer does not have; the message lists those it has.

    Warns
    -----
    UserWarning
        `dtype` is another one than the default.
    """

    #: What weights are brought to after each update, by the names of their arrays.
    _constraints: Mapping[str, Any] = MappingProxyType({})
    #: The model that it stands for, if it does.
    _inner_model: Any = None
    #: Whether it adds to the loss of a model, and how many quantities.
    _adds_to_loss: Any = False
    _additions: Any = 0
    #: Whether the class is a user's; see `own.OwnLayer`.
    _is_own: ClassVar[bool] = False
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
        activity_regularizer: Any = None,
        learning_rate_multiplier: "float | str | dict[str, float | str] | None" = None,
        weight_decay_multiplier: "float | str | dict[str, float | str] | None" = None,
        **others: Any,
    ) -> None:
        refuse_others(type(self), Layer, others)
        kind = type(self).__name__
        if dtype is not None and getattr(dtype, "name", dtype) != floatx():
            warn(
                f"{kind}: dtype: found {checks.shown(dtype)}, which is without effect: a layer "
                "computes in its model's dtype, float32 or Sequential(..., dtype='float64')"
            )
        self.learning_rate_multiplier = multipliers(
            f"{kind}: learning_rate_multiplier",
            learning_rate_multiplier,
            self.parameter_names,
            above=0,
        )
        self.weight_decay_multiplier = multipliers(
            f"{kind}: weight_decay_multiplier",
            weight_decay_multiplier,
            self.parameter_names,
            least=0,
        )
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{kind}: name: found {type(name).__name__}, wanted a string")
        self.name = name
        self._automatic_name = name is None
        self._trainable = checks.flag(f"{kind}: trainable", trainable)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        shape = input_shape if input_shape is not None else row_shape(batch_input_shape)
        shape = shape if shape is not None else input_dim
        unknown = isinstance(shape, tuple | list) and None in shape  # the data will say
        self._given_input = None if shape is None or unknown else Input(shape)
        self._views = self._network = self._model = None
        self._core_indices, self._nodes = [], []
        self._taken_row: Row | None = None  # the shape of the rows that a model gave last

    def __setattr__(self, name: str, value: Any) -> None:
        known = vars(self)
        fixed = name in ("activation", "axis", *self.config_names, *MULTIPLIERS)
        if name == "activity_regularizer":  # a custom layer's __init__ may set it
            fixed = known.get("_network") is not None
            value = value if fixed else regularizers.get(value)
        if name == "name" and known.get("_model"):
            self._check_name(value)
            known["_automatic_name"] = False
        elif fixed and name in known:
            raise AttributeError(
                f"layer {self.name or type(self).__name__}: {name}: found {value!r} for a layer "
                "that is made: it cannot be changed any more; wanted a new layer, or a new model: "
                "Sequential.from_config makes one of a get_config()"
            )
        super().__setattr__(name, value)

    def _check_name(self, value: Any) -> None:
        """Raise unless a layer of a model can have that name from now on."""
        checks.text(f"layer {self.name}: name", value)
        model = None if self._model is None else self._model()
        parts = [] if model is None else [part for top in model._layers for part in top._walk()]
        if any(part is not self and part.name == value for part in parts):
            raise ValueError(
                f"layer {self.name}: name: found {value!r}, which another layer of the model has"
            )

    def __init_subclass__(cls, **named: Any) -> None:
        """Put a user's class below the class that runs its methods.

        A subclass of `Layer` becomes one of `own.OwnLayer`, whose `call` is traced. A subclass of
        a layer of the core with a `call` becomes one of a custom layer that holds the core's. Both
        import this module: they are found in `Symbol.operators`.

        Raises
        ------
        TypeError
            A method of the class would not be called.
        """
        super().__init_subclass__(**named)
        if cls.__module__.startswith(f"{__package__.partition('.')[0]}."):
            return
        if Layer in cls.__bases__:
            own = Symbol.operators["custom layer"]
            cls.__bases__ = tuple(own if base is Layer else base for base in cls.__bases__)
        elif not cls._is_own and (ignored := overridden(cls, ("call", "build", "add_weight"))):
            kind = next(base for base in cls.__mro__ if base.__module__ != cls.__module__)
            own = Symbol.operators["own class of"](kind) if kind in cls.__bases__ else None
            if own is None or ignored != ["call"]:
                raise TypeError(
                    f"class {cls.__name__}: found a method {ignored[0]} in a subclass of "
                    f"{kind.__name__}, which the core computes, and does not call; wanted a "
                    f"subclass of Layer, whose call may use {kind.__name__}"
                )
            cls.__bases__ = tuple(own if base is kind else base for base in cls.__bases__)

    def __call__(self, inputs: Any, training: Any = None) -> Any:
        """The layer's outputs for an array, at once; or, for a symbol, that of its outputs.

        A layer that belongs to no model yet is built by the first array, in Keras's default dtype
        (``backend.floatx()``) and with a seed of its own; the weights stay when a model takes it.

        Parameters
        ----------
        inputs : array_like (rows, ...), or Symbol
        training : bool, default False
            Whether units drop out, and batch normalisation uses the batch's statistics. Of symbols,
            only what the model does by itself: None.

        Returns
        -------
        ndarray (rows, ...), or Symbol

        Raises
        ------
        TypeError, ValueError
            Inputs that are no numbers, or of another shape than the layer was built for.
        """
        if are_symbols(inputs):
            self._refuse_training(training)
            found = self._called_with(inputs)
            return connect(self, inputs) if found is None else found
        return call(self, inputs, bool(training))

    def _refuse_training(self, training: Any) -> None:
        """Raise for a call with symbols that decides whether the model is trained."""
        if not isinstance(training, WhenTrained) and training:
            raise TypeError(
                f"{self!r}: training: found True for a symbol, wanted None or False: fit trains, "
                "and predict does not"
            )

    @property
    def input(self) -> Any:
        """The input of the layer's first call: a symbol, or a list of them.

        Raises
        ------
        AttributeError
            It has not been called with symbols, and is in no model that knows its inputs.
        """
        inputs = self._first_node("input").inputs
        return inputs[0] if len(inputs) == 1 else inputs

    @property
    def output(self) -> Any:
        """The symbol of the first call's result; a list of them if there are several."""
        outputs = self._first_node("output").outputs
        return outputs[0] if len(outputs) == 1 else outputs

    def _first_node(self, what: str) -> Node:
        model = None if self._model is None else self._model()
        if not self._nodes and model is not None:
            model._connect()
        if not self._nodes and model is None and self._taken_row is not None:
            return node_of(self, [Input(self._taken_row)])  # the model is gone
        if not self._nodes:
            raise AttributeError(
                f"layer {self.name or type(self).__name__}: it has no {what} yet, wanted a layer "
                "that was called with a symbol, or is in a model that knows its number of inputs"
            )
        return self._nodes[0]

    def build(self, input_shape: Any = None) -> None:
        """Make the weights of a layer that belongs to no model.

        Parameters
        ----------
        input_shape : tuple of int, optional
            That of its inputs, with the rows first: (None, features).

        Raises
        ------
        ValueError, TypeError
            A shape that the layer does not take, or something that is not a shape.
        """
        row = Input(row_shape(input_shape)).row
        if not self.built:
            build_alone(self, row)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for that of the inputs, without computing them.

        Parameters
        ----------
        input_shape : tuple, or list of tuples
            With the number of rows first, which may be None.

        Returns
        -------
        tuple, or list of tuples

        Raises
        ------
        ValueError
            The layer does not take such rows.
        """
        given = input_shape if isinstance(input_shape, list | tuple) else ()
        several = bool(given) and all(isinstance(one, list | tuple) for one in given)
        shapes = [tuple(one) for one in (given if several else [given])]
        if any(not one for one in shapes):
            raise ValueError(
                f"layer {self.name or type(self).__name__}: input_shape: found "
                f"{checks.shown(input_shape)}, wanted (rows, ...)"
            )
        rows = self._output_rows([one[1:] for one in shapes])
        found = [(shapes[0][0], *row) for row in rows]
        return found[0] if len(found) == 1 else found

    # Configuration ------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal layer; JSON-able."""
        config: dict[str, Any] = {"class": type(self).__name__, "name": self.name}
        for key in self.config_names:
            value = getattr(self, key)
            config[key] = described(value)
            if value is None and key.endswith(("_constraint", "_regularizer")):
                del config[key]  # files of models without them stay as they were
        if not self._trainable:
            config["trainable"] = False
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = self.activity_regularizer.get_config()
        for key in MULTIPLIERS:
            if getattr(self, key):
                config[key] = dict(getattr(self, key))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer that `get_config` describes.

        Raises
        ------
        KeyError
            An initializer is missing: a default would hide that a file is damaged.
        """
        arguments = {key: value for key, value in config.items() if key != "class"}
        for key in cls.config_names:
            if key.endswith("initializer") and key not in arguments:
                raise KeyError(key)
        return cls(**arguments)

    def saved(self) -> dict[str, Any]:
        """The layer's entry in a model's configuration, for `deserialize`."""
        return self.get_config()

    def __repr__(self) -> str:
        shown = [f"{key}={getattr(self, key)!r}" for key in self.config_names]
        shown += [] if self.name is None else [f"name={self.name!r}"]
        return f"{type(self).__name__}({', '.join(shown)})"

    # What the model needs -----------------------------------------------------------------------

    def _walk(self) -> Iterator["Layer"]:
        """The layer itself, and those within it."""
        yield self

    def _named_parts(self) -> Iterator["Layer"]:
        """The layer itself, and those within it whose names no other of a model may have."""
        yield self

    def _called_with(self, inputs: Any) -> Any:
        """A Python function applied to symbols; None: a node of this layer's own."""

    def _ordered(self, inputs: Any) -> list[Symbol]:
        """The symbols of a call, in the order in which the layer takes them."""
        return leaves(inputs)

    #: What a call returns, with anything in place of the outputs.
    _output_structure: Any = 0

    # How a layer was called matters to custom layers only; see `Node.form`.

    def _form_of(self, inputs: Any) -> Any:
        """The form of a call with symbols."""

    def _structure_of_call(self, node: Node) -> Any:
        return self._output_structure

    def _twin(self) -> "Layer":
        """A layer of the same description, which belongs to no network."""
        twin = copy.copy(self)
        twin._forget()
        twin._nodes, twin._model = [], None
        return twin

    def _default_name(self) -> str:
        """As Keras makes it of the class: RMSNormalization is rms_normalization, PReLU p_re_lu."""
        name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(self).__name__)
        return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()

"""The base class of users' layers and models: a `call`, weights, losses."""

from typing import Any, ClassVar, Self

from .._base import checks
from .._base.lazy import imports
from .._data.structures import leaves, packed
from .base import Layer
from .batch_numbers import added
from .body import Body, anchored, described
from .form import Form
from .symbols import CallError
from .weight import DESCRIBED, Weight, carried


class UserClass:
    """A mixin of classes whose `call` is described once, with symbols."""

    #: Attributes that hold layers which are no parts.
    _no_parts: ClassVar[frozenset[str]] = frozenset(
        ("_alone", "_arguments", "_bodies", "_model", "_nodes", "_weights")
    )

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Keep the arguments, which are the configuration of a class without `get_config`."""
        layer: Self = super().__new__(cls)
        with imports:
            import inspect

        signature = inspect.signature(cls.__init__)
        try:
            bound = signature.bind(layer, *given, **named).arguments
        except TypeError:  # `__init__` says it better
            return layer
        own, *_ = bound
        kept: dict[str, Any] = {}
        for key, value in bound.items():
            kind = signature.parameters[key].kind
            if kind is inspect.Parameter.VAR_KEYWORD:  # **kwargs, by whatever name
                kept |= value
            elif key != own and kind is not inspect.Parameter.VAR_POSITIONAL:
                kept[key] = value
        vars(layer)["_arguments"] = kept
        return layer

    def call(self, inputs: Any) -> Any:
        """The outputs for some inputs; only users' classes have it."""
        raise NotImplementedError(f"class {type(self).__name__}: wanted a method call(inputs)")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights, for inputs of that shape: (None, features)."""

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> Weight:
        """An array of parameters; `call` may multiply rows with it, see `Weight`.

        Parameters
        ----------
        shape : tuple of int
            Of a kernel (inputs, units), of a bias (units,), of factors (features,). Keras's older
            order, with the name first, is understood.
        initializer : str or Initializer, default "glorot_uniform"
        dtype, autocast, aggregation
            Without effect: the model has one dtype.
        trainable : bool, default True
        regularizer, constraint : optional
        name : str, optional

        Raises
        ------
        ValueError, TypeError
            A shape of other sizes than integers >= 1, or an unknown name.
        """
        if isinstance(shape, str):
            name, shape = shape, (initializer if not isinstance(initializer, str) else None)
            initializer = None if not isinstance(initializer, str) else initializer
        own = self._own_weights()
        name = f"weight_{len(own)}" if name is None else checks.text("add_weight: name", name)
        start = "glorot_uniform" if initializer is None else initializer
        weight = Weight(name, shape, start, regularizer, constraint, trainable)
        own.append(weight)
        return weight

    add_variable = add_weight

    def add_loss(self, *losses: Any) -> None:
        """Add a number of the batch to its loss; within `call` only.

        Parameters
        ----------
        *losses
            Sums and means over all rows, such as ``ops.mean(ops.square(x))``, times constants; of
            something with rows the sum over them. As in Keras they count in `evaluate`, too, and
            sample weights do not matter to them.

        Raises
        ------
        TypeError
            It is called outside `call`, or with something else.
        """
        if "_added" not in vars(self):
            raise CallError(
                f"class {type(self).__name__}: add_loss: found a call outside of the method call, "
                "wanted it there: what it adds follows from the inputs"
            )
        vars(self)["_added"] = vars(self)["_added"] + added(losses)

    @property
    def losses(self) -> list[Any]:
        """The losses that the layer adds: the penalties of weights, as numbers, and 0.0 for each
        quantity of a batch, which there is no number of outside of training."""
        tops: list[Any] = [self, *self._sublayers()]
        parts = [part for top in tops for part in top._walk()]
        found: list[Any] = []
        for part in dict.fromkeys(parts):
            if isinstance(part, UserClass):
                for weight in part._own_weights():
                    if weight.regularizer is not None:
                        found.append(float(weight.regularizer(weight.value)))
                bodies = vars(part).get("_bodies", {}).values()
                found += [0.0 for body in bodies if body is not None for _ in body.added]
            else:
                for name, array in part._named_weights().items() if part.built else ():
                    penalty = getattr(part, f"{name}_regularizer", None)
                    if penalty is not None:
                        found.append(float(penalty(array)))
        return found

    def _build_by_user(self, form: Form, symbols: list[Any]) -> None:
        """Call `build`; other layers' kernels are not made yet in it, as in `call`."""
        before = len(self._own_weights())
        described_layers, DESCRIBED.layers = DESCRIBED.layers, []  # its random numbers are numbers
        try:
            with anchored(symbols[0]):
                shapes = packed(form.structure, [symbol.shape for symbol in symbols])
                self.build(*([shapes] if _takes_shapes(self.build) else []))
        except BaseException:
            del self._own_weights()[before:]  # the next attempt makes them
            raise
        finally:
            DESCRIBED.layers = described_layers

    def _described(self, call: Any, symbols: list[Any], form: Form, own_weights: bool) -> Any:
        """The graph of a `call`; see `described`. Each weight then knows its layer."""
        body = described(self, call, symbols, form, own_weights)
        several = _used_in_several_ways(body)
        if several:
            for weight in several:
                if weight._carrier is not None:
                    raise TypeError(
                        f"weight {weight.name}: found it in other products or sums than in an "
                        "earlier call, wanted the same"
                    )
                weight.anyhow = True
            body = described(self, call, symbols, form, own_weights)
        self._check_weights(body)
        return body

    def _check_weights(self, body: Body | None) -> None:
        for layer in [] if body is None else body.layers:
            for name, weight in carried(layer).items():
                weight._carrier = (layer, name)
        for weight in self._own_weights():
            if weight._carrier is None and weight.trainable and not weight.held:
                raise TypeError(
                    f"class {type(self).__name__}: found the weight {weight.name}, which call does "
                    "not use, wanted weights that the outputs depend on (or trainable=False)"
                )
            if weight._carrier is None:
                weight.hold()

    def _own_weights(self) -> list[Weight]:
        found: list[Weight] = vars(self).setdefault("_weights", [])
        return found

    def _sublayers(self) -> list[Layer]:
        """The layers that are attributes, also within lists and dictionaries, in their order."""
        found: dict[Layer, None] = {}
        for name, value in vars(self).items():
            if name not in self._no_parts:
                for part in leaves(value):
                    part = part._as_layer() if hasattr(part, "_as_layer") else part
                    if isinstance(part, Layer):
                        found[part] = None
        return list(found)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Weight) and value not in self._own_weights():
            self._own_weights().append(value)  # a `Variable` is a weight of the layer that has it
        super().__setattr__(name, value)


def _takes_shapes(build: Any) -> bool:
    """Whether a `build` takes the shapes of the inputs: some have no argument."""
    with imports:
        import inspect

    return bool(inspect.signature(build).parameters)


def _used_in_several_ways(body: Body | None) -> list[Weight]:
    """The weights that several layers of a graph have, or another one than that of earlier ones."""
    known: dict[Weight, tuple[Any, str]] = {}
    found: dict[Weight, None] = {}
    for layer in [] if body is None else body.layers:
        for name, weight in carried(layer).items():
            if weight in known or weight._carrier not in (None, (layer, name)):
                found[weight] = None
            known[weight] = (layer, name)
    return list(found)

"""Optimizers of Keras and their states, both ways."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import optimizers
from .._base.dtypes import Array
from .._base.lazy import imports
from .trained_slices import slice_of, trained_slices

if TYPE_CHECKING:
    from ..models.compiled import Compiled

Order = tuple[tuple[str, ...], ...]

# Keras's arrays by our names: of each group the arrays of one variable after the other.
_ORDERS: tuple[Order, ...] = (
    (("m", "v"), ("v_max",)),
    (("m", "u"),),
    (("velocity",),),
    (("v",), ("velocity",), ("mean",)),
    (("sum",),),
    (("v", "step"),),
    (("n", "z"),),
)


def order_of(optimizer: optimizers.Optimizer) -> Order | None:
    """Our names of the arrays that Keras's optimizer has, in its order; None where it keeps
    something else."""
    states = set(optimizer.state_names())
    if not states:
        return ()
    if isinstance(optimizer, _OTHERS):
        return None
    for order in _ORDERS:
        found = tuple(tuple(name for name in group if name in states) for group in order)
        if {name for group in found for name in group} == states:
            return tuple(group for group in found if group)
    return None


def _places(order: Order, arrays: int) -> Iterator[tuple[int, int, str]]:
    """For each array of Keras's: its place, the number of its variable, and our name for it."""
    start = 0
    for group in order:
        for number in range(arrays):
            for at, name in enumerate(group):
                yield start + number * len(group) + at, number, name
        start += arrays * len(group)


# Keras's Nadam has a product of its own, Lamb and Adafactor other arrays.
_OTHERS = (optimizers.Nadam, optimizers.Lamb, optimizers.Adafactor)

Read = Callable[[Any, tuple[int, ...]], Array]


def take(model: "Compiled", variables: Sequence[Any], read: Read) -> None:
    """Take a Keras optimizer's state along, where its order is known here.

    Parameters
    ----------
    variables : sequence
        Iteration, perhaps the learning rate, then the arrays of each trained variable.
    read : function (variable, shape) -> ndarray
    """
    optimizer = model.optimizer
    if optimizer is None or not variables:
        return
    order = order_of(optimizer)
    if order is None:
        return
    slices = trained_slices(model)
    places = list(_places(order, len(slices)))
    first = len(variables) - len(places)
    if first not in (1, 2):  # without the learning rate where a schedule gives it
        return
    states = model._network.optimizer_states()
    for at, number, name in places:
        place, shape, _ = slices[number]
        states[name][place] = read(variables[first + at], shape).ravel()
    model._network.steps = int(read(variables[0], ()))


def give(
    keras: Any, model: "Compiled", theirs: Any, variables_of: Sequence[tuple[Any, Array]]
) -> None:
    """Compile a Keras model as a model is, with the optimizer's state.

    Parameters
    ----------
    variables_of : sequence of (variable, ndarray)
        Keras's variables, and the model's views of the same arrays.

    Raises
    ------
    ValueError
        Keras has no such optimizer, loss or metric; the message names it.
    """
    optimizer = model.optimizer
    assert optimizer is not None
    try:
        made = _of_config(keras.optimizers, optimizer)
        compiled = _objectives(keras, model)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"to_keras: the model is not compiled: {error}") from None
    theirs.compile(made, **compiled)
    steps, order = model._network.steps, order_of(optimizer)
    if not steps or order is None:
        return
    made.build(theirs.trainable_variables)
    variables = made.variables
    states = model._network.optimizer_states()
    # By the variables themselves: Keras may have the layers in another order.
    ours = {id(variable): array for variable, array in variables_of}
    slices = [slice_of(model, ours[id(each)]) for each in theirs.trainable_variables]
    places = list(_places(order, len(slices)))
    first = len(variables) - len(places)
    if first not in (1, 2):
        return
    made.iterations.assign(steps)
    for at, number, name in places:
        place = slices[number]
        shape = variables[first + at].shape
        # A copy: JAX may keep the memory of an array that it is given.
        variables[first + at].assign(np.array(states[name][place]).reshape(shape))


def _objectives(keras: Any, model: "Compiled") -> dict[str, Any]:
    """Keras's losses and metrics, as arguments of its ``compile``; of several outputs, of each."""

    def metrics(found: Any) -> list[Any]:
        return [_of_config(keras.metrics, each) for each in found]

    heads = getattr(model.loss, "heads", None)  # of several outputs
    if heads is None:
        return {"loss": _of_config(keras.losses, model.loss), "metrics": metrics(model._metrics)}
    losses = [None if h.loss is None else _of_config(keras.losses, h.loss) for h in heads]
    parts: dict[str, list[Any]] = {
        "loss": losses,
        "loss_weights": [head.weight for head in heads],
        "metrics": [metrics(head.metrics) for head in heads],
        "weighted_metrics": [metrics(head.weighted) for head in heads],
    }
    if isinstance(getattr(model, "_output_structure", 0), dict):
        names = [head.name for head in heads]
        return {key: dict(zip(names, values, strict=True)) for key, values in parts.items()}
    return parts


def argument_names(kind: type) -> set[str]:
    """The arguments that a class takes, those that it hands on to its bases among them."""
    known: set[str] = set()
    for each in kind.__mro__[:-1]:
        known |= set(inspect.signature(each).parameters)
    return known


def _of_config(module: Any, ours: Any) -> Any:
    """Keras's object of the same class and arguments."""
    kind = getattr(module, type(ours).__name__, None)
    if kind is None:
        raise ValueError(f"Keras has no {type(ours).__name__}")
    known = argument_names(kind)
    config = {key: value for key, value in ours.get_config().items() if key in known}
    config.pop("name", None)
    if isinstance(config.get("learning_rate"), dict):
        with imports:
            from .. import schedules

        schedule = schedules.deserialize(config["learning_rate"])
        config["learning_rate"] = _of_config(module.schedules, schedule)
    if isinstance(config.get("weight_decay"), dict):
        raise ValueError(
            f"weight_decay: found the schedule {ours.pipeline.weight_decay!r}, wanted a number: "
            "Keras's optimizers take no schedule of it"
        )
    return kind(**config)

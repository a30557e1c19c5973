"""A layer's activation as the exporters of layers take it."""

from collections.abc import Callable
from typing import Any

from .. import activations, layers
from .._base.lazy import imports
from ..layers.activation_argument import UserActivation
from .activation_table import FORMS
from .calls import name_of


def activation_of(layer: layers.Layer, activation: Any) -> activations.Activation | None:
    """A layer's activation, which `FORMS` has; None for linear.

    Raises
    ------
    ValueError
        `FORMS` has it not, or it is a pair of Python functions; the message names the layer.
    """
    if isinstance(activation, UserActivation):
        raise ValueError(
            f"layer {name_of(layer)}: found an activation that is a Python function of "
            "NumPy arrays, wanted one of: " + ", ".join(FORMS)
        )
    found = activations.get(activation)
    if found.name == "linear":
        return None
    if found.name not in FORMS:
        raise ValueError(
            f"layer {name_of(layer)}: found the activation {found.name}, wanted one of: "
            + ", ".join(FORMS)
        )
    return found


def in_jax(jax: Any, layer: layers.Layer, activation: Any) -> Callable[[Any], Any]:
    """A layer's activation as a function of JAX's arrays."""
    found = activation_of(layer, activation)
    if found is None:
        return lambda z: z
    forms, parameters = FORMS[found.name], dict(found.parameters)
    if forms.jax is not None:
        in_nn = forms.jax
        return lambda z: in_nn(jax.nn, parameters, z)
    function = forms.function
    assert function is not None
    return lambda z: function(jax.numpy, parameters, z)


def in_torch(torch: Any, layer: layers.Layer, activation: Any) -> list[Any]:
    """The PyTorch module of a layer's activation; none for linear."""
    found = activation_of(layer, activation)
    if found is None:
        return []
    make = FORMS[found.name].torch
    module = None if make is None else make(torch.nn, found.parameters)
    if module is None:
        with imports:
            from .torch_elements import ActivationFunction

        module = ActivationFunction(found.name, dict(found.parameters))
    return [module]


def in_keras(keras: Any, layer: layers.Layer, activation: Any) -> Any:
    """A layer's activation as Keras's layers take it: a name, a layer or a function.

    Raises
    ------
    ValueError
        Keras has it not with these parameters; the message names the layer.
    """
    found = activation_of(layer, activation)
    if found is None:
        return "linear"
    forms = FORMS[found.name]
    if found.is_default and forms.keras_knows_default:
        return found.name
    if forms.keras is None:
        raise ValueError(
            f"layer {name_of(layer)}: found {found}, wanted parameters of: "
            + ", ".join(name for name, each in FORMS.items() if each.keras is not None)
        )
    return forms.keras(keras, dict(found.parameters))

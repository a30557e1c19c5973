"""Layers in several models: whose network their weights lie in, and how the others get them.

A layer's weights are views of one network: that of its *owner*. Any other model that has the layer
*borrows* its weights: it has a network of its own, copies them in before each call, and back after
each that changes them. A model that is made of layers of one owner borrows all of them, such as the
encoder of an autoencoder; any other takes its layers over, such as one that joins two models, and
those that had them borrow from then on. Copies cost as much as reading the weights once; the
rejected alternative, networks that share memory, wants each model's weights in one piece, and an
optimizer's state beside them.
"""

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._base.dtypes import Array, Network
from ..layers import Layer

if TYPE_CHECKING:  # whose module imports this one
    from .layered_network import LayeredNetwork


class Loan(NamedTuple):
    """A layer of another network, and the places of its weights in the borrower's own."""

    layer: Layer
    places: list[int]
    copies: dict[str, Array]
    trained: list[bool]  # whether it is trained there, as last set


def owner_of(layer: Layer) -> Any:
    """The model that owns a layer's weights; None when there are none, or it is gone."""
    return None if layer._model is None or layer._network is None else layer._model()


def lender(model: "LayeredNetwork", layers: Iterable[Layer]) -> Any:
    """The other model that owns all the layers that have weights; None when there is not one, or
    when it would round the weights that this one learns to its own dtype."""
    weighted = [layer for layer in layers if layer.parameter_names or layer.state_names]
    owners = {id(owner): owner for owner in map(owner_of, weighted)}
    if len(owners) != 1:
        return None
    (owner,) = owners.values()
    if owner is not None and np.dtype(owner.dtype).itemsize < np.dtype(model.dtype).itemsize:
        return None
    return None if owner is model else owner


def adopt(model: "LayeredNetwork", layer: Layer) -> None:
    """Let a layer of no model know that it is in one: `layer.output` asks it."""
    if layer._model is None or layer._model() is None:
        layer._model = weakref.ref(model)


def release(model: "LayeredNetwork", layer: Layer) -> None:
    """Let a layer that only this model has be a layer of no model."""
    if layer._model is not None and layer._model() is model:
        layer._model = None
        if layer in model._fresh:
            layer._forget()


def weights_of(layer: Layer) -> dict[str, Array]:
    """A layer's arrays by name, without those of layers within it; empty before it is built."""
    if layer._views is None:
        return {}
    parameters, _, states = layer._views
    return {**parameters, **states}


def views_in(layer: Layer, network: Network, places: list[int]) -> dict[str, Array]:
    """The arrays of a layer in a network by name."""
    parameters, _, states = layer._views_in(network, places[0])
    return {**parameters, **states}


def check_shapes(layer: Layer, network: Network, places: list[int]) -> None:
    """Raise ValueError when a layer has weights, and the network wants others.

    Raises
    ------
    ValueError
        Naming the layer, its shapes and what is wanted.
    """
    for name, array in weights_of(layer).items():
        wanted = views_in(layer, network, places)[name].shape
        if array.shape != wanted:
            raise ValueError(
                f"layer {layer.name}: found {name} of shape {array.shape}, wanted {wanted}: it was "
                "built for other rows"
            )


def copy_in(network: Network, loans: list[Loan]) -> None:
    """Give a borrower's network the weights as they are."""
    for lent_by in {id(loan.layer._network): loan.layer._network for loan in loans}.values():
        if lent_by is not None:
            with lent_by.reserved(True):
                pass  # another thread that trains them is an error here, not a torn copy
    for layer, places, copies, trained in loans:
        for name, array in weights_of(layer).items():
            np.copyto(copies[name], array)
        if trained != [layer.trainable]:
            trained[:] = [layer.trainable]
            for place in places:
                network.set_trainable(place, layer.trainable)


def copy_back(loans: list[Loan]) -> None:
    """Give the owners what a borrower has learnt."""
    for layer, _, copies, _ in loans:
        for name, array in weights_of(layer).items():
            np.copyto(array, copies[name])

"""Where trained arrays lie among the flat parameters; an optimizer's state is laid out alike."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .._base.dtypes import Array
from ..layers import Dense

if TYPE_CHECKING:
    from ..models.compiled import Compiled


class TrainedSlice(NamedTuple):
    """An array that training changes.

    Attributes
    ----------
    place : slice
        Of the flat parameters.
    shape : tuple of int
    is_kernel : bool
        Whether it is a dense layer's kernel (inputs, units), which PyTorch has turned.
    """

    place: slice
    shape: tuple[int, ...]
    is_kernel: bool


def slice_of(model: "Compiled", array: Array) -> slice:
    """Where a view of a model's parameters lies in them."""
    start = model.parameters.__array_interface__["data"][0]
    offset = (array.__array_interface__["data"][0] - start) // array.itemsize
    return slice(offset, offset + array.size)


def trained_slices(model: "Compiled") -> list[TrainedSlice]:
    """Where the arrays that training changes lie in the flat parameters, and their shapes."""
    found: dict[int, TrainedSlice] = {}  # by place: models within a model may share layers
    for layer in model._all_layers():
        for array, is_kernel in _own(layer):
            place = slice_of(model, array)
            found.setdefault(place.start, TrainedSlice(place, array.shape, is_kernel))
    return list(found.values())


def _own(layer: Any) -> Iterator[tuple[Array, bool]]:
    """The arrays of a layer that training changes, without those of layers in it."""
    whole = getattr(layer, "_layers", None) is None and layer._inner_model is None
    if whole and not layer._is_own:
        for array in layer.trainable_weights:
            yield array, isinstance(layer, Dense) and array.ndim == 2

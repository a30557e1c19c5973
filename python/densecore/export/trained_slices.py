"""Where the arrays that training changes lie: what an optimizer's state is laid out like."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .._base.dtypes import Array
from ..layers import Dense

if TYPE_CHECKING:
    from ..models.model import Model


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


def trained_slices(model: "Model") -> list[TrainedSlice]:
    """Where the arrays that training changes lie in the flat parameters, and their shapes."""
    start = model.parameters.__array_interface__["data"][0]
    found: dict[int, TrainedSlice] = {}  # by place: models within a model may share layers
    for layer in model._all_layers():
        for array, is_kernel in _own(layer):
            offset = (array.__array_interface__["data"][0] - start) // array.itemsize
            place = slice(offset, offset + array.size)
            found.setdefault(offset, TrainedSlice(place, array.shape, is_kernel))
    return list(found.values())


def _own(layer: Any) -> Iterator[tuple[Array, bool]]:
    """The arrays of a layer that training changes, without those of layers in it."""
    if getattr(layer, "_layers", None) is None and layer._inner_model is None:
        for array in layer.trainable_weights:
            yield array, isinstance(layer, Dense) and array.ndim == 2

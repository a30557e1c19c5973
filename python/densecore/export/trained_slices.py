"""Where the arrays that training changes lie: what an optimizer's state is laid out like."""

from typing import TYPE_CHECKING, Any

from .._base.dtypes import Array

if TYPE_CHECKING:
    from ..models.sequential import Sequential


def trained_slices(model: "Sequential") -> list[tuple[slice, tuple[int, ...]]]:
    """Where the arrays that training changes lie in the flat parameters, and their shapes."""
    start = model.parameters.__array_interface__["data"][0]
    found = []
    for layer in model._all_layers():
        for array in _own(layer):
            offset = (array.__array_interface__["data"][0] - start) // array.itemsize
            found.append((slice(offset, offset + array.size), array.shape))
    return found


def _own(layer: Any) -> list[Array]:
    """The arrays of a layer that training changes, without those of layers in it."""
    return [] if getattr(layer, "_layers", None) is not None else list(layer.trainable_weights)

"""Arrays with the few methods that Keras's tensors and variables have besides."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from .dtypes import Array
from .subnormals import flush_subnormals


class Tensor(np.ndarray):
    """The result of a call of a model or a layer: an array with ``.numpy()``.

    Whatever is computed with it is a plain array.
    """

    def numpy(self) -> Array:
        """The same memory as a plain array."""
        return self.view(np.ndarray)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array).view(np.ndarray)
        return plain[()] if return_scalar or plain.ndim == 0 else plain


class Variable(Tensor):
    """An array of weights, a view: writing to it changes the model.

    Attributes
    ----------
    name : str or None
        ``"kernel"``, ``"bias"``, …
    path : str or None
        With the layer's name before it: ``"dense/kernel"``.
    """

    name: str | None = None
    path: str | None = None
    #: Whether a gradient changes it.
    trainable: bool = True
    #: What `add_weight` has returned for it.
    _weight: Any = None

    def __eq__(self, other: Any) -> Any:
        """Element by element; but ``layer.weights == [layer.w, layer.b]`` is one answer."""
        if self._weight is not None and type(other) is type(self._weight):
            return other is self._weight
        return super().__eq__(other)

    @property
    def value(self) -> "Variable":
        """Itself."""
        return self

    def assign(self, value: Any) -> "Variable":
        """Take these numbers; subnormal ones become 0, as in ``set_weights``.

        Raises
        ------
        ValueError
            An array of another shape.
        """
        if np.shape(value) not in ((), self.shape):
            raise ValueError(f"assign: found shape {np.shape(value)}, wanted {self.shape}")
        self[...] = value
        flush_subnormals(self)
        return self

    def assign_add(self, value: Any) -> "Variable":
        """Add these numbers."""
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> "Variable":
        """Subtract these numbers."""
        return self.assign(self - value)


def named(
    arrays: dict[str, Array], owner: str | None = None, trainable: bool = True
) -> dict[str, Array]:
    """Views of arrays that know their names, and that of the layer whose they are."""
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        variable = array.view(Variable)
        variable.name = name
        variable.trainable = trainable
        variable.path = name if owner is None else f"{owner}/{name}"
        found[name] = variable
    return found


def once(arrays: Iterable[Array]) -> list[Array]:
    """Arrays of weights, without those that have been there: several layers may have one."""
    found: dict[Any, Array] = {}
    for array in arrays:
        place = array.__array_interface__["data"][0] if array.size else id(array)
        found.setdefault((place, array.shape), array)
    return list(found.values())


def as_tensors(result: Any) -> Any:
    """A model's results, with each array as a `Tensor`."""
    if isinstance(result, dict):
        return {key: as_tensors(part) for key, part in result.items()}
    if isinstance(result, list):
        return [as_tensors(part) for part in result]
    return result.view(Tensor) if isinstance(result, np.ndarray) else result

"""Pickles and copies of a layer by itself, with its weights."""

import copy
from typing import Any, ClassVar, Self

import numpy as np

from .._base.dtypes import Array
from .._base.registry import CustomObjectScope
from .eager import build_alone
from .lowering import Row
from .symbols import Symbol


class Copied:
    """A mixin of layers: what pickle and copy make of one, whose arrays are views of a network."""

    _is_own: ClassVar[bool]
    _taken_row: Row | None

    @property
    def built(self) -> bool:
        """Whether there are weights."""
        raise NotImplementedError

    @property
    def weights(self) -> list[Array]:
        """All weights."""
        raise NotImplementedError

    def saved(self) -> dict[str, Any]:
        """What a model's configuration holds of the layer."""
        raise NotImplementedError

    def __copy__(self) -> Self:
        found = type(self).__new__(type(self))
        vars(found).update(vars(self))
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        make, arguments, *state = self.__reduce__()
        found = memo[id(self)] = make(*copy.deepcopy(arguments, memo))
        for one in state:
            found.__setstate__(copy.deepcopy(one, memo))
        return found

    def __reduce__(self) -> Any:
        weights = [np.array(array) for array in self.weights] if self.built else []
        row = self._taken_row if weights else None
        return _again, (type(self) if self._is_own else None, self.saved(), row, weights)


def _again(own: Any, config: dict[str, Any], row: Row | None, weights: list[Array]) -> Any:
    """The layer of a pickle or a copy."""
    with CustomObjectScope({} if own is None else {config["class"]: own}):
        layer = Symbol.operators["deserialize"](config)
    if row is not None:
        build_alone(layer, row)
        layer.set_weights(weights)
    return layer

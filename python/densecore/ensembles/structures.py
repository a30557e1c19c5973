"""Data of members whose networks have several inputs or outputs: lists or dictionaries of arrays.

Each array is for all members, or has one dimension more and is one for each.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._data.dataset import Data, prepare
from .._data.matching import matched
from .._data.row_sources import take
from .._data.structures import leaves, mapped
from ..models.batch_data import data_of_heads, only_array
from ..models.functional import Functional
from ..models.heads import HeadsLoss
from ..models.model import Model
from .dataset import MembersData


def is_structured(model: Model) -> TypeGuard[Functional]:
    """Whether a model has several inputs or outputs, or layers of preprocessing."""
    return isinstance(model, Functional) and model._parts != (1, 1)


def rows_of_members(model: Functional, x: Any, members: int) -> list[Array]:
    """x as the core takes it (rows, inputs): one array for all members, or one for each.

    Raises
    ------
    TypeError, ValueError
        As of `Model.predict`; for data of each member with its number.
    """
    if _one_each(x, members, model._input_structure):
        return _each(members, lambda i: take(model._rows(x[i]), slice(None)))
    parts = matched("x", x, model._input_structure, model.input_names)
    own = [
        len(np.shape(part)) == len(row) + 2 and len(part) == members
        for part, row in zip(parts, model._input_rows, strict=True)
    ]
    if not any(own):
        return [take(model._rows(x), slice(None))]

    def rows_of(i: int) -> Array:
        chosen = [part[i] if each else part for part, each in zip(parts, own, strict=True)]
        return take(model._rows(chosen[0] if len(chosen) == 1 else chosen), slice(None))

    return _each(members, rows_of)


def read(
    model: Functional,
    members: int,
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Mapping[int, float] | None,
) -> MembersData:
    """Check and convert; shared arrays are converted once.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the member if it has its own data, what was found and what is wanted.
    """
    xs = rows_of_members(model, x, members)
    rows = len(xs[0])

    def targets(part: Any) -> bool:
        shape = np.shape(part)
        return shape[:1] == (members,) and (
            len(shape) == 3 or (len(shape) == 2 and shape[1] == rows != 1)
        )

    def weights(part: Any) -> bool:
        return len(np.shape(part)) == 2

    of_y = _for_members(y, members, model._output_structure, targets)
    outputs = len(leaves(model._output_structure))
    of_weight = _for_members(sample_weight, members, [0] * outputs, weights)
    found = _each(
        1 if len(xs) == 1 and of_y is None and of_weight is None else members,
        lambda i: _data_of(
            model,
            xs[i if len(xs) > 1 else 0],
            y if of_y is None else of_y(i),
            sample_weight if of_weight is None else of_weight(i),
            class_weight,
        ),
    )
    own_y = len(xs) > 1 or of_y is not None
    given = [data.weight for data in found if data.weight is not None]
    return MembersData(
        xs, [data.y for data in (found if own_y else found[:1])], given or None, None
    )


def batch_of(data: MembersData) -> tuple[Array, Array, Array | None]:
    """The arrays of a step: those of each member as one of a dimension more."""
    x, y = (_stacked(name, arrays) for name, arrays in (("x", data.x), ("y", data.y)))
    if data.weight is None:
        return x, y, None
    heads = max((len(weight) for weight in data.weight if weight.ndim == 2), default=0)
    if heads == 0:
        return x, y, _stacked("sample_weight", data.weight)
    whole = [np.broadcast_to(weight, (heads, weight.shape[-1])) for weight in data.weight]
    return x, y, np.ascontiguousarray(np.stack(whole))


def stacked_rows(xs: list[Array]) -> Array:
    """x (rows, inputs) for all members, or (members, rows, inputs)."""
    return _stacked("x", xs)


def _stacked(name: str, arrays: list[Array]) -> Array:
    if len({len(array) for array in arrays}) > 1:
        counts = ", ".join(str(len(array)) for array in arrays[:5])
        raise ValueError(f"{name}: found members with {counts} … rows, wanted as many for each")
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def in_structure(model: Model, outputs: Array, function: Callable[[Array], Array]) -> Any:
    """`function` of each output of the members (members, rows, units), in the model's structure."""
    members, rows, _ = outputs.shape
    apart = model._shaped(outputs.reshape(members * rows, -1))
    return mapped(lambda part: function(part.reshape(members, rows, *part.shape[1:])), apart)


def _data_of(model: Functional, x: Array, y: Any, weight: Any, class_weight: Any) -> Data:
    loss = model._compiled_loss()
    if isinstance(loss, HeadsLoss):
        return data_of_heads(model, loss, x, y, weight, class_weight)
    return prepare(
        x,
        only_array(model, y),
        only_array(model, weight),
        class_weight,
        dtype=model._dtype,
        outputs=loss.target_columns(model._outputs),
        sparse=loss.sparse,
    )


def _one_each(given: Any, members: int, structure: Any) -> bool:
    """Whether data are a list of structures, one for each member."""
    if not isinstance(given, list | tuple) or len(given) != members:
        return False
    if not isinstance(structure, Mapping | list | tuple):
        return all(hasattr(part, "shape") for part in given)
    if isinstance(structure, list | tuple) and any(map(_is_nest, structure)):
        return False
    return all(map(_is_nest, given))


def _is_nest(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _for_members(
    given: Any, members: int, structure: Any, own: Callable[[Any], bool]
) -> Callable[[int], Any] | None:
    """A function that gives a member's part; None when the data are for all members."""
    if given is None:
        return None
    if _one_each(given, members, structure if len(leaves(structure)) > 1 else 0):
        return lambda i: given[i]
    if not any(map(own, leaves(given))):
        return None
    return lambda i: mapped(lambda part: part[i] if own(part) else part, given)


def _each(count: int, work: Callable[[int], Any]) -> list[Any]:
    """work(0), work(1), …: errors name the member, where there are several."""
    found = []
    for i in range(count):
        try:
            found.append(work(i))
        except (TypeError, ValueError) as error:
            if count == 1:
                raise
            raise checks.prefixed(f"member {i}", error) from None
    return found

"""Parameters and buffers that a ``forward`` of PyTorch uses itself, outside of modules."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import layers
from .._base.dtypes import Array
from ..layers.symbols import Symbol
from ..layers.weight import Zeros
from .torch_layers import array_of

if TYPE_CHECKING:  # whose module imports this one
    from .torch_graph import GraphReader


class Numbers:
    """A parameter or a buffer that a ``forward`` uses itself.

    Attributes
    ----------
    name : str
    trainable : bool
    key : int
        The same for all uses of one tensor.
    """

    def __init__(self, module: Any, name: str) -> None:
        for part in name.split("."):
            module = getattr(module, part)
        self.name, self.trainable = name, bool(getattr(module, "requires_grad", False))
        self._tensor, self.key = module, id(module)

    @property
    def array(self) -> Array:
        """The numbers.

        Raises
        ------
        ValueError
            They are of another type than float32 and float64.
        """
        return array_of(self.name, self._tensor)


def with_numbers(
    reader: "GraphReader",
    name: str,
    function: Any,
    taken: Sequence[Any],
    options: Mapping[str, Any],
) -> Any:
    """What a function of symbols and numbers is: a layer whose arrays the numbers are.

    Parameters
    ----------
    reader : GraphReader
    name : str
        The function's.
    function : ufunc or None
        NumPy's of that name, if it is one of single elements.
    taken, options
        Its arguments.

    Raises
    ------
    ValueError
        There is no such layer here.
    """
    symbols = [isinstance(each, Symbol) for each in taken]
    if not any(symbols):
        raise ValueError(f"found {name} of parameters or buffers alone, wanted a function of rows")
    if len(taken) == 2 and not all(symbols) and not options and getattr(function, "nin", 0) == 2:
        return _of_elements(reader, name, function, taken)
    (x, *rest) = taken
    numbers = [each for each in [*rest, *options.values()] if isinstance(each, Numbers)]
    others = [each for each in rest if not isinstance(each, Numbers | type(None))]
    if isinstance(x, Numbers) or others or name not in ("linear", "matmul"):
        raise ValueError("found numbers outside of modules, wanted them in Linear and such")
    arrays = [each.array for each in numbers]
    if arrays[0].ndim != 2 or len(arrays) > 2:
        shapes = " and ".join(str(each.shape) for each in arrays)
        raise ValueError(f"found numbers of shape {shapes} in {name}, wanted (units, features)")
    kernel = arrays[0].T if name == "linear" else arrays[0]
    biased = len(arrays) > 1
    given = {"kernel": kernel} | ({"bias": arrays[1]} if biased else {})
    return reader.parameters(
        (name, *(each.key for each in numbers)), given,
        lambda: layers.Dense(kernel.shape[1], use_bias=biased, trainable=numbers[0].trainable),
    )(x)  # fmt: skip


def _of_elements(reader: "GraphReader", name: str, function: Any, taken: Sequence[Any]) -> Any:
    """A function of single elements of a symbol and numbers: one, or one for each feature."""
    place = 0 if isinstance(taken[0], Numbers) else 1
    numbers, x = taken[place], taken[1 - place]
    array = numbers.array
    flat = array.ravel()
    fits = len(x.row) == 1 and array.shape in (x.row, (1, *x.row))
    if array.size != 1 and not fits:
        raise ValueError(
            f"found numbers of shape {array.shape} in {name} with rows of shape {x.row}, wanted "
            "one, or one for each feature"
        )
    if not numbers.trainable and array.size == 1:
        one = float(flat[0])
        return function(one, x) if place == 0 else function(x, one)
    if not numbers.trainable and (function is np.add or (function is np.subtract and place == 1)):
        reader.dtypes.add(array.dtype.name)
        return layers.Rescaling(1.0, flat if function is np.add else -flat)(x)
    if fits and function is np.multiply:
        return _scaled(reader, "scale", numbers, flat)(x)
    if fits and function is np.divide and place == 1 and not numbers.trainable:
        return _scaled(reader, "quotient", numbers, 1 / flat)(x)
    # A dense layer of zeros, whose bias they are.
    alone = reader.parameters(
        ("alone", numbers.key), {"kernel": np.zeros((1, flat.size), flat.dtype), "bias": flat},
        lambda: layers.Dense(flat.size, trainable=numbers.trainable),
    )(Zeros()(x))  # fmt: skip
    return function(alone, x) if place == 0 else function(x, alone)


def _scaled(reader: "GraphReader", kind: str, numbers: Numbers, factors: Array) -> layers.Layer:
    return reader.parameters(
        (kind, numbers.key), {"scale": factors}, lambda: layers.Scale(trainable=numbers.trainable)
    )

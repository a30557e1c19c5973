"""The input before the first layer: how many numbers a row has."""

import math
from typing import Any, ClassVar

from .._base import checks
from .._base.dtypes import Array
from .lowering import Row
from .symbols import Symbol

MAX_DIMENSIONS = 32  # of a row, as NumPy 1


class Input(Symbol):
    """The inputs of a model: stands first, or is the symbol that the first layer is called with.

    Parameters
    ----------
    shape : int or tuple of int, optional
        The number of features in a row. Rows of more dimensions, such as images (28, 28), need a
        ``Flatten`` next; rows of none, (), are single numbers.
    batch_shape, input_shape
        Keras's other names of the shape: with the number of rows first, and as it is.
    name : str, optional
    batch_size, dtype, sparse
        Accepted for Keras's sake, and without effect.

    Attributes
    ----------
    shape : tuple
        (None, features): any number of rows.
    weights : list
        Empty.

    Raises
    ------
    ValueError, TypeError
        No shape or several, or a size that is not an integer from 1 to 2^24.
    """

    weights: ClassVar[list[Array]] = []
    trainable_weights: ClassVar[list[Array]] = []
    non_trainable_weights: ClassVar[list[Array]] = []
    variables: ClassVar[list[Array]] = []
    trainable = True
    built = True

    def __init__(
        self,
        shape: int | tuple[int, ...] | None = None,
        *,
        name: str | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        sparse: bool | None = None,
        batch_shape: tuple[int | None, ...] | None = None,
        input_shape: tuple[int, ...] | None = None,
    ) -> None:
        given = [
            value for value in (shape, input_shape, row_shape(batch_shape)) if value is not None
        ]
        if len(given) != 1:
            raise ValueError(f"Input: found {len(given)} shapes, wanted one")
        shape = given[0]
        dimensions = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
        if len(dimensions) > MAX_DIMENSIONS:
            raise ValueError(
                f"Input: found a shape of {len(dimensions)} dimensions, wanted at most "
                f"{MAX_DIMENSIONS}, such as the number of features"
            )
        self.dimensions = tuple(checks.width("Input: shape", size) for size in dimensions)
        self.size = checks.width("Input: shape", math.prod(self.dimensions))
        self._name = name if name is None else checks.text("Input: name", name)

    @property
    def row(self) -> Row:
        """The shape of a row."""
        return self.dimensions

    @property
    def name(self) -> str | None:
        """As given, or by the model that it is an input of."""
        return self._name

    @property
    def input(self) -> "Input":
        """Itself: in the `layers` of a functional model it stands for Keras's InputLayer."""
        return self

    @property
    def output(self) -> "Input":
        """Itself."""
        return self

    def get_weights(self) -> list[Array]:
        """None: an empty list."""
        return []

    def set_weights(self, weights: list[Any]) -> None:
        """Nothing, of an empty list.

        Raises
        ------
        ValueError
            There are some.
        """
        if len(weights):
            raise ValueError(f"weights: found {len(weights)} arrays, wanted 0")

    def count_params(self) -> int:
        """0."""
        return 0

    def get_config(self) -> dict[str, Any]:
        """Its configuration; JSON-able."""
        sizes = list(self.dimensions)
        return {"class": "Input", "name": self.name, "shape": sizes, "batch_shape": [None, *sizes]}

    def __repr__(self) -> str:
        shape = self.size if len(self.dimensions) == 1 else self.dimensions
        return f"Input({shape})"


InputLayer = Input


def row_shape(batch_shape: Any) -> Any:
    """The shape of a row from that of a batch."""
    if batch_shape is None:
        return None
    if not isinstance(batch_shape, list | tuple):
        raise TypeError(
            f"batch_shape: found {checks.shown(batch_shape)}, wanted a tuple such as (None, 5)"
        )
    return tuple(batch_shape)[1:]

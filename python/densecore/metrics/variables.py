"""The variables of a user's metric, kept between batches: Keras's ``add_weight``."""

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .. import initializers
from .._autodiff.traced import plain
from .._base.dtypes import Array


class Variable(NDArrayOperatorsMixin):
    """A number or an array that can be assigned to, in double precision.

    Parameters
    ----------
    shape : tuple of int, default ()
    initializer : str or Initializer, default "zeros"
    name : str, optional
    """

    def __init__(
        self, shape: Any = (), initializer: Any = "zeros", name: str | None = None
    ) -> None:
        dimensions = (shape,) if isinstance(shape, int) else tuple(shape or ())
        self.name = name
        self._value: Array = np.zeros(dimensions)
        if initializer in ("ones", "one") or isinstance(initializer, initializers.Ones):
            self._value = np.ones(dimensions)
        elif callable(initializer) and not isinstance(initializer, type):
            self._value = np.array(initializer(dimensions), np.float64)

    @property
    def value(self) -> Array:
        """The present numbers."""
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""
        return self._value.shape

    @property
    def dtype(self) -> Any:
        """float64."""
        return self._value.dtype

    def numpy(self) -> Array:
        """The present numbers."""
        return self._value

    def assign(self, value: Any) -> "Variable":
        """Take other numbers."""
        self._value = np.array(np.broadcast_to(np.asarray(plain(value), np.float64), self.shape))
        return self

    def assign_add(self, value: Any) -> "Variable":
        """Add numbers."""
        return self.assign(self._value + np.asarray(plain(value), np.float64))

    def assign_sub(self, value: Any) -> "Variable":
        """Subtract numbers."""
        return self.assign(self._value - np.asarray(plain(value), np.float64))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._value, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        values = [given._value if isinstance(given, Variable) else given for given in inputs]
        options.pop("out", None)
        return getattr(ufunc, method)(*values, **options)

    def __getitem__(self, index: Any) -> Any:
        return self._value[index]

    def __len__(self) -> int:
        return len(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Variable({self._value!r}, name={self.name!r})"

"""Arrays that programs make by themselves, and custom layers may have."""

from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array, floatx
from .weight import Weight


class Variable(Weight):
    """An array with Keras's methods of variables; as an attribute of a custom layer a weight.

    Parameters
    ----------
    initializer : array_like, or str or callable with a `shape`, optional
        The first numbers.
    initial_value
        Another name of `initializer`.
    shape : tuple of int, optional
    dtype : str, optional
        Without effect in a layer: the model has one.
    trainable : bool, default True
    name : str, optional
    autocast, aggregation, **others
        Keras's, without effect.

    Raises
    ------
    TypeError, ValueError
        No numbers, or a shape that is none.
    """

    def __init__(
        self,
        initializer: Any = None,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        name: str | None = None,
        initial_value: Any = None,
        **others: Any,
    ) -> None:
        given = initializer if initial_value is None else initial_value
        if shape is None:
            if given is None or isinstance(given, str):
                raise ValueError(f"Variable: found {given!r} and no shape, wanted numbers, or both")
            values = np.asarray(_called(given) if callable(given) else given)
            if values.dtype.kind not in "biuf":
                raise TypeError(f"Variable: found dtype {values.dtype}, wanted real numbers")
            shape = values.shape

            def given(shape: Any, dtype: Any = None) -> Array:
                return values.astype(dtype or floatx())

        name = "variable" if name is None else name
        super().__init__(name, shape, given, None, None, trainable)
        self.hold()


def _called(initializer: Any) -> Any:
    try:
        return initializer()
    except TypeError as error:
        raise TypeError(
            f"Variable: found {checks.shown(initializer)} and no shape, wanted numbers, or a "
            f"function without arguments that returns them ({error})"
        ) from error

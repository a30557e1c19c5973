"""The parts of a C header: functions and constants, as its networks ask for them."""

import numpy as np

from .._base.dtypes import Array
from .c_functions import array, integers
from .c_names import identifier


class Parts:
    """The parts of a header, as functions append to it.

    Attributes
    ----------
    prefix : str
        Of every name in the header.
    dtype : str
        Of the networks' numbers.
    functions : list of str
        Functions of `c_functions` that are called.
    constants : list of str
        Definitions of arrays.
    bytes, stack : int
        Of the constants, and of the buffers of the largest function.
    """

    def __init__(self, prefix: str, dtype: str) -> None:
        self.prefix, self.dtype = prefix, dtype
        self.type = "float" if dtype == "float32" else "double"
        self.functions: list[str] = []
        self.constants: list[str] = []
        self.bytes = 0
        self.stack = 0
        self._count = 0
        self._arrays: dict[object, str] = {}  # names, by type and contents

    def constant(self, what: str, values: Array) -> str:
        """An array of the header, of float64 or int8 numbers or the networks' own, of a layer that
        is called several times one; its name.

        Raises
        ------
        ValueError
            Its numbers are not finite.
        """
        if not np.isfinite(values).all():
            raise ValueError(f"{what}: found numbers that are not finite, wanted finite ones")
        key = (what, values.dtype.str, values.shape, values.tobytes())
        if key in self._arrays:
            return self._arrays[key]
        name = self._arrays[key] = f"{self.prefix}{identifier(what)}_{self._count}"
        self._count += 1
        self.bytes += values.nbytes
        if values.dtype == np.int8:
            kind, text = "signed char", integers(values)
        else:
            dtype = values.dtype.name
            kind = "float" if dtype == "float32" else "double"
            text = array(values.ravel(), dtype)
        self.constants.append(f"static const {kind} {name}[{values.size}] = {text};")
        return name

    def bytes_of(self, numbers: int) -> int:
        """The size of so many of the networks' numbers."""
        return numbers * np.dtype(self.dtype).itemsize

    def use(self, *names: str) -> None:
        """Functions that a statement calls."""
        self.functions += names


def quantized(kernel: Array) -> tuple[Array, Array]:
    """Whole numbers from -127 to 127 and a factor per unit, nearest to the columns of a kernel."""
    largest = np.abs(kernel).max(axis=0, initial=0).astype(np.float64)
    scale = np.where(largest > 0, largest / 127, 1.0)
    levels = np.rint(kernel / scale).astype(np.int8)
    return levels, scale.astype(kernel.dtype)

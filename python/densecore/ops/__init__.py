"""Functions of arrays: the kernels one by one, and Keras's ``ops``.

`kernels` are the note's operations, in the core. The others are Keras's names for NumPy's functions
and a few more, for custom losses, metrics and layers: a loss that is written with them needs
no gradient, it is derived.
"""

import sys

from .._base import unsupported
from .._base.registry import public
from .kernels import *
from .more import *
from .numeric import *

globals()["__all__"] = public(globals())


def __getattr__(name: str) -> object:
    if name in ("nn", "numpy", "linalg"):  # where Keras has some of them, too
        return sys.modules[__name__]
    raise unsupported.error(__name__, name, globals()["__all__"])

"""NumPy's and SciPy's linear algebra by a single thread."""

import contextlib
from typing import Any

from .lazy import imports


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Within the block BLAS has one thread, if threadpoolctl is there to say so.

    The bits of a product depend on their number, and for the short vectors of a solver they cost
    many times what they save.
    """
    try:
        with imports:
            import threadpoolctl
    except ImportError:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = threadpoolctl.threadpool_limits(1, "blas")
    return limits

"""The compiled extension. This file alone imports it."""

import os

from .._core import *  # noqa: F403
from .._core import __version__ as __version__
from .._core import get_num_threads
from .lazy import imports


def _check_environment() -> None:
    """Warn of a DENSECORE_NUM_THREADS that the core cannot use; DENSECORE_ISA it refuses itself."""
    text = os.environ.get("DENSECORE_NUM_THREADS", "")
    first = text.split(",")[0].strip()
    if text and not (first.isascii() and first.isdigit() and 1 <= int(first[:9]) <= 1024):
        with imports:
            from .warn import warn  # only an error pays for its import

        warn(
            f"DENSECORE_NUM_THREADS: found {text[:40]!r}, wanted an integer from 1 to 1024; "
            f"computations use {get_num_threads()} threads"
        )


_check_environment()

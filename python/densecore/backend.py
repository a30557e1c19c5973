"""The few names of Keras's ``backend`` that scripts for dense networks call."""

from ._base.dtypes import floatx, set_floatx
from .utils import clear_session

__all__ = ["backend", "clear_session", "epsilon", "floatx", "set_floatx"]


def backend() -> str:
    """The name of the library that computes: ``"densecore"``."""
    return "densecore"


def epsilon() -> float:
    """The small number that keeps logarithms and quotients finite."""
    return 1e-7

"""The few names of Keras's ``backend`` that scripts for dense networks call."""

from .utils import clear_session

__all__ = ["backend", "clear_session", "epsilon", "floatx"]


def backend() -> str:
    """What computes: ``"densecore"``."""
    return "densecore"


def floatx() -> str:
    """The dtype of a model that is given none."""
    return "float32"


def epsilon() -> float:
    """The small number that keeps logarithms and quotients finite."""
    return 1e-7

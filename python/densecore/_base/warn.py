"""Warnings that point at the line of the user's program that led to them."""

import sys
import warnings

# scikit-learn's decorators stand between a user's call and densecore.sklearn.
_PASSED = ("densecore", "sklearn", "importlib")


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn as if the first caller outside this package and scikit-learn had done so."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            level -= 1  # the import system's frames, which `warnings` itself does not count
        elif frame.f_globals.get("__name__", "").split(".")[0] not in _PASSED:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)

"""Warnings that point at the line of the user's program, past scikit-learn's decorators."""

import sys
import warnings


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn as if the first caller outside densecore and scikit-learn had done so."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_inner(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def _is_inner(module: str) -> bool:
    return module.split(".")[0] in ("densecore", "sklearn")

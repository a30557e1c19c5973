"""Warnings that point at the line of the user's program that led to them."""

import sys
import warnings


def warn(
    text: str, category: type[Warning] = UserWarning, past: tuple[str, ...] = ("densecore",)
) -> None:
    """Warn as if the first caller outside these packages had done so: by default outside this."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            level -= 1  # the import system's frames, which `warnings` itself does not count
        elif frame.f_globals.get("__name__", "").split(".")[0] not in (*past, "importlib"):
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)

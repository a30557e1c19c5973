"""Warnings that point at the line of the user's program, past scikit-learn's decorators."""

from .._base import warn as _warn


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn as if the first caller outside densecore and scikit-learn had done so."""
    _warn.warn(text, category, past=("densecore", "sklearn"))

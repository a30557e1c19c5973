"""`utils.pad_sequences` under its older name."""

from .._base import unsupported
from ..utils import pad_sequences

__all__ = ["pad_sequences"]


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

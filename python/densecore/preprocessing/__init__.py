"""Keras's older place of what prepares sequences."""

from .._base import unsupported
from ..utils import timeseries_dataset_from_array
from . import sequence

__all__ = ["sequence", "timeseries_dataset_from_array"]


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)

"""The older home of `to_categorical` and `normalize` in Keras."""

from .arrays import normalize, to_categorical

__all__ = ["normalize", "to_categorical"]

"""The older home of Keras's plainest layers."""

from . import Activation, Dense, Dropout, Flatten, Layer, Reshape

__all__ = ["Activation", "Dense", "Dropout", "Flatten", "Layer", "Reshape"]

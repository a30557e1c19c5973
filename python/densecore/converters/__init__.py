"""Networks of other libraries, as models of this one.

Nothing in a foreign file is executed. What a model here cannot be is refused, by the layer's name.
"""

from typing import Any

from .._base.files import StrPath
from .._base.lazy import imports
from ..models.model import Model

__all__ = ["from_keras", "from_onnx", "from_torch"]


def from_keras(source: Any, *, name: str | None = None) -> Model:
    """The model of a Keras model or file; see `densecore.converters.keras.from_keras`."""
    with imports:
        from .keras import from_keras as convert

    return convert(source, name=name)


def from_onnx(path: StrPath, *, name: str | None = None) -> Model:
    """The model of an ONNX file; see `densecore.converters.onnx.from_onnx`."""
    with imports:
        from .onnx import from_onnx as convert

    return convert(path, name=name)


def from_torch(
    module: Any, *, optimizer: Any = None, loss: Any = None, metrics: Any = None,
    name: str | None = None, input_shape: Any = None,
) -> Model:  # fmt: skip
    """The model of a PyTorch module; see `densecore.converters.torch.from_torch`."""
    with imports:
        from .torch import from_torch as convert

    return convert(
        module, optimizer=optimizer, loss=loss, metrics=metrics, name=name, input_shape=input_shape
    )

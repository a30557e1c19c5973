"""The inputs of a custom model, which follow from data, from shapes or from a file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..layers import Input


def inputs_of_data(x: Any) -> Any:
    """An input for each array of x, in its structure."""
    if isinstance(x, Mapping):
        return {key: inputs_of_data(part) for key, part in x.items()}
    several = isinstance(x, list | tuple) and len(x) > 0
    if several and all(isinstance(part, Mapping) or getattr(part, "ndim", 0) > 0 for part in x):
        return [inputs_of_data(part) for part in x] if len(x) > 1 else inputs_of_data(x[0])
    shape = np.shape(x)
    if not shape:
        raise ValueError(f"x: found shape {shape}, wanted (rows, features)")
    return Input(shape[1:])


def inputs_of_shapes(shape: Any) -> Any:
    """An input for each shape that `build` gets, in their structure."""
    if isinstance(shape, Mapping):
        return {key: inputs_of_shapes(part) for key, part in shape.items()}
    if any(isinstance(part, list | tuple | Mapping) for part in shape):
        return [inputs_of_shapes(part) for part in shape]
    return Input(tuple(shape)[1:])


def inputs_of_config(saved: Any) -> Any:
    """The inputs of a model's configuration, in their structure."""
    if isinstance(saved, Mapping) and set(saved) == {"input"}:
        return Input(tuple(saved["input"]["shape"]), name=saved["input"]["name"])
    if isinstance(saved, Mapping):
        return {key: inputs_of_config(part) for key, part in saved.items()}
    return [inputs_of_config(part) for part in saved]

"""Losses by NumPy's functions, for targets that have a derivative, too: an entropy is the
cross-entropy of probabilities with themselves."""

from collections.abc import Callable
from typing import Any

import numpy as np

_SMALL = 1e-7


def _shares(p: Any) -> Any:
    return np.clip(p, _SMALL, 1 - _SMALL)


def _binary(y: Any, p: Any, from_logits: bool) -> Any:
    if from_logits:
        p = 1 / (1 + np.exp(-p))
    p = _shares(p)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p), axis=-1)


def _categorical(y: Any, p: Any, from_logits: bool) -> Any:
    if from_logits:
        p = np.exp(p - np.max(p.value, axis=-1, keepdims=True))
    p = p / np.sum(p, axis=-1, keepdims=True)
    return -np.sum(y * np.log(_shares(p)), axis=-1)


def _divergence(y: Any, p: Any, from_logits: bool) -> Any:
    y, p = np.clip(y, _SMALL, 1.0), np.clip(p, _SMALL, 1.0)
    return np.sum(y * np.log(y / p), axis=-1)


FORMULAS: dict[str, Callable[[Any, Any, bool], Any]] = {
    "mean_squared_error": lambda y, p, _: np.mean(np.square(y - p), axis=-1),
    "mean_absolute_error": lambda y, p, _: np.mean(np.abs(y - p), axis=-1),
    "binary_crossentropy": _binary,
    "categorical_crossentropy": _categorical,
    "kl_divergence": _divergence,
}

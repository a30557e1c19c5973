"""Losses of symbols, such as ``losses.MeanSquaredError()(x, y)`` in a `call`."""

from typing import Any

import numpy as np

from .symbol_functions import RowSum
from .symbols import CallError, Symbol

_SMALL = 1e-7


def _mean(x: Symbol) -> Symbol:
    found: Symbol = RowSum(mean=True)(x)
    return found


def _sum(x: Symbol) -> Symbol:
    found: Symbol = RowSum()(x)
    return found


def _probabilities(p: Any) -> Any:
    return np.minimum(np.maximum(p, _SMALL), 1 - _SMALL)


def _binary(y: Any, p: Any, from_logits: bool) -> Symbol:
    if from_logits:
        return _mean(p._activated("softplus") - y * p)
    p = _probabilities(p)
    return _mean(-(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _categorical(y: Any, p: Any, from_logits: bool) -> Symbol:
    p = p._activated("softmax") if from_logits else p
    found: Symbol = -_sum(y * np.log(_probabilities(p)))
    return found


_KNOWN: dict[str, Any] = {
    "mean_squared_error": lambda y, p, _: _mean(np.square(y - p)),
    "mean_absolute_error": lambda y, p, _: _mean(np.abs(y - p)),
    "binary_crossentropy": _binary,
    "categorical_crossentropy": _categorical,
    "kl_divergence": lambda y, p, _: _sum(
        np.maximum(y, _SMALL) * np.log(np.maximum(y, _SMALL) / np.maximum(p, _SMALL))
    ),
    "log_cosh": lambda y, p, _: _mean(np.log(np.cosh(y - p))),
    "poisson": lambda y, p, _: _mean(p - y * np.log(p + _SMALL)),
}


def _loss_of_rows(loss: Any, y_true: Any, y_pred: Any) -> Symbol:
    """The loss of each row.

    Raises
    ------
    CallError
        Another loss than those that are known here, or options of it.
    """
    function = _KNOWN.get(str(loss.kind))
    others = {key for key, value in loss._options.items() if value and key != "from_logits"}
    if function is None or others or not isinstance(y_pred, Symbol):
        raise CallError(
            f"loss {loss.name}: found symbols, wanted one of {', '.join(_KNOWN)} without options, "
            "or the formula by functions of densecore.ops"
        )
    found: Symbol = function(y_true, y_pred, loss.from_logits)
    return found


Symbol.operators["loss"] = _loss_of_rows

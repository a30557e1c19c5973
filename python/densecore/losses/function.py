"""A loss that is a Python function: slow, for losses that the core does not have."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .base import Loss, LossFunction

Function = Callable[[Array, Array], tuple[float, Array]]


class CallableLoss(Loss):
    """What `compile` makes of a function ``(y_true, y_pred) -> (loss, gradient)``.

    Parameters
    ----------
    function : callable
        Its ``loss`` is the batch's mean, its ``gradient`` ∂loss/∂y_pred, of the shape of y_pred. An
        attribute ``sparse = True`` says that it wants class numbers.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        # The loss that the core is compiled with: it decides the kind of targets only.
        self.kind = (  # type: ignore[misc]  # of this object
            "sparse_categorical_crossentropy"
            if getattr(function, "sparse", False)
            else "mean_squared_error"
        )
        super().__init__()

    @property
    def label(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def compute(self, y_true: Array, y_pred: Array) -> tuple[float, Array]:
        """The checked loss, and the gradient as the core wants it.

        Raises
        ------
        TypeError, ValueError
            The function did not return a number and an array of real numbers shaped as y_pred.
        """
        returned = self.function(y_true, y_pred)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise TypeError(
                f"loss {self.label}: found {type(returned).__name__} returned, wanted a tuple "
                "(loss, gradient)"
            )
        loss, gradient = np.asarray(returned[0]), np.asarray(returned[1])
        if loss.ndim != 0 or loss.dtype.kind not in "iuf":
            raise TypeError(
                f"loss {self.label}: found {loss.dtype} of shape {loss.shape} as the loss, wanted "
                "one number"
            )
        if gradient.dtype.kind != "f":
            raise TypeError(
                f"loss {self.label}: found a gradient of dtype {gradient.dtype}, wanted "
                f"{y_pred.dtype}"
            )
        if gradient.shape != y_pred.shape:
            raise ValueError(
                f"loss {self.label}: found a gradient of shape {gradient.shape}, wanted "
                f"{y_pred.shape}, as y_pred"
            )
        return float(loss), np.require(gradient, y_pred.dtype, ["C", "A"])

    def get_config(self) -> dict[str, Any]:
        """The function's name: it cannot be made from that."""
        return {"name": self.label, "callable": True}

    def __repr__(self) -> str:
        return f"CallableLoss({self.label})"


def custom_loss(loss: Any) -> CallableLoss | None:
    """The loss that a function given to `compile` is; None for a loss or the name of one."""
    function = callable(loss) and not isinstance(loss, str | dict | Loss | LossFunction | type)
    return CallableLoss(loss) if function else None

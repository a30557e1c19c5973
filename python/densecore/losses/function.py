"""Custom losses: functions and classes of Python, for what the core does not have."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._autodiff.derive import derive
from .._base.dtypes import Array
from .._base.registry import get_registered_name, get_registered_object
from .base import Loss, reduce_rows
from .in_python import IN_PYTHON
from .registry import LossFunction

Function = Callable[[Array, Array], Any]


class CallableLoss(Loss):
    """The loss that `compile` makes of a function, or of an object with a `call` of its own.

    Parameters
    ----------
    function : callable or Loss
        ``(y_true, y_pred) -> losses``, one for each row or one number, written with NumPy's
        functions or those of ``densecore.ops`` (or with JAX's, or PyTorch's): the gradient is
        derived. Or ``(y_true, y_pred) -> (loss, gradient)``: the batch's mean, and ∂loss/∂y_pred,
        of the shape of y_pred. An attribute ``sparse = True`` of such a function says that it wants
        class numbers.
    """

    in_core = False

    def __init__(self, function: Function | Loss) -> None:
        self.function = function
        # The loss that the core is compiled with: it decides the kind of targets only.
        self._expect_numbers(getattr(function, "sparse", False) is True)
        super().__init__()  # the core gets the batch's loss, whatever its reduction
        reduction = function.reduction if isinstance(function, Loss) else "sum_over_batch_size"
        self.rows_to_loss = reduction
        self._gives_gradient: bool | None = False if isinstance(function, Loss) else None
        #: Whether the last call returned a number for each row.
        self.is_by_rows = False
        self._label_columns = False  # whether class numbers are (rows, 1)
        self._flat = False  # whether values are (rows,), though there are several outputs

    def __getattr__(self, name: str) -> Any:
        """An attribute of the object that the user made: ``model.loss.delta``."""
        if name.startswith("__") or name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)

    def check_trainable(self) -> None:
        """Raise unless the reduction gives one number; see `Loss`."""
        if isinstance(self.function, Loss):
            self.function.check_trainable()

    @property
    def label(self) -> str:
        """The function's name."""
        if isinstance(self.function, Loss):
            return str(self.function.name)
        return getattr(self.function, "__name__", type(self.function).__name__)

    def value(self, y_true: Array, y_pred: Array, weight: Array | None) -> float:
        """The loss of a batch."""
        return self._value_and_back(y_true, y_pred, weight)[0]

    def compute(
        self, y_true: Array, y_pred: Array, weight: Array | None = None
    ) -> tuple[float, Array]:
        """The checked loss, and the gradient as the core wants it.

        Parameters
        ----------
        y_true : ndarray (rows, ...)
        y_pred : ndarray (rows, outputs)
        weight : ndarray (rows,), optional

        Raises
        ------
        TypeError, ValueError
            The function did not return what it should, uses a function whose derivative is not
            known, or gives the gradient itself and there are weights.
        """
        loss, back = self._value_and_back(y_true, y_pred, weight)
        return loss, np.require(back(), y_pred.dtype, ["C", "A"])

    def take_targets(self, y: Any, rows: int, outputs: int) -> bool:
        """Look at the first targets: whether they are class numbers, as of Keras's sparse losses.

        Returns
        -------
        bool
            Whether the core must be compiled anew.
        """
        if getattr(self.function, "sparse", None) is not None or outputs == 1:
            return False
        shape = np.shape(y)
        numbers = shape == (rows,) or shape == (rows, 1)
        if numbers:  # values else
            values = np.asarray(y)
            numbers = values.dtype.kind in "biuf" and bool(
                ((values >= 0) & (values < outputs) & (values == np.floor(values))).all()
            )
        self._label_columns = len(shape) == 2
        self._flat = len(shape) == 1 and not numbers
        before = self.kind
        self._expect_numbers(numbers)
        return self.kind != before

    def _expect_numbers(self, classes: bool) -> None:
        """Let the core take class numbers as targets, or values."""
        vars(self)["kind"] = "sparse_categorical_crossentropy" if classes else "mean_squared_error"

    def _value_and_back(
        self, y_true: Array, y_pred: Array, weight: Array | None
    ) -> tuple[float, Callable[[], Array]]:
        if y_true.ndim == 1 and self._label_columns:
            y_true = y_true.reshape(-1, 1)
        if self._flat and y_true.ndim == 2:
            y_true = y_true.reshape(-1)
        returned = None
        if self._gives_gradient is None:
            returned = self._try(y_true, y_pred)
        if self._gives_gradient:
            if weight is not None:
                raise ValueError(
                    f"sample_weight: the loss {self.label} gives its gradient itself, of y_true "
                    "and y_pred; wanted none"
                )
            vars(self)["is_by_rows"] = False
            loss, gradient = self._checked_pair(returned or self._call(y_true, y_pred), y_pred)
            return loss, lambda: gradient
        double = y_true if y_true.dtype.kind in "iu" else y_true.astype(np.float64)

        def whole(outputs: Any, targets: Any) -> Any:
            return self._call(targets, outputs)

        try:
            rows, back = derive(whole, y_pred.astype(np.float64), double)
        except TypeError as error:
            raise TypeError(f"loss {self.label}: {error}") from None
        if rows.ndim and rows.shape[0] != len(y_pred):
            raise ValueError(
                f"loss {self.label}: found shape {rows.shape} returned, wanted one number, or one "
                f"for each of {len(y_pred)} rows"
            )
        vars(self)["is_by_rows"] = rows.ndim > 0
        loss = float(reduce_rows(rows, weight, self.rows_to_loss))
        seed = derive(lambda x: reduce_rows(x, weight, self.rows_to_loss), rows)[1]
        return loss, lambda: back(seed(np.ones(())))

    def _call(self, y_true: Any, y_pred: Any) -> Any:
        if not isinstance(self.function, Loss):
            return self.function(y_true, y_pred)
        if self.function.is_own and type(self.function).call is Loss.call:  # a __call__ of its own
            return self.function(y_true, y_pred)
        return self.function.call(y_true, y_pred)

    def _try(self, y_true: Array, y_pred: Array) -> Any:
        """Find out, by a call with numbers, whether the function gives its gradient."""
        try:
            with np.errstate(all="ignore"):
                returned = self._call(y_true, y_pred)
        except (TypeError, RuntimeError):  # another library's function, which wants its own arrays
            self._gives_gradient = False
            return None
        if returned is None:
            raise TypeError(f"loss {self.label}: found None returned, wanted numbers")
        if isinstance(returned, tuple) and len(returned) != 2:
            raise TypeError(
                f"loss {self.label}: found a tuple of {len(returned)} returned, wanted losses, or "
                "(loss, gradient)"
            )
        self._gives_gradient = isinstance(returned, tuple)
        return returned

    def _checked_pair(self, returned: Any, y_pred: Array) -> tuple[float, Array]:
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
        return float(loss), gradient

    def get_config(self) -> dict[str, Any]:
        """The function's name, or the class's and its options: `custom_objects` have the rest."""
        if isinstance(self.function, Loss):
            kind = type(self.function)
            return {
                "name": get_registered_name(kind),
                "callable": True,
                "config": self.function.get_config(),
            }
        registered = self.label
        if hasattr(self.function, "__name__"):
            registered = get_registered_name(self.function)
        return {"name": registered, "callable": True}

    def __repr__(self) -> str:
        return f"CallableLoss({self.label})"


def custom_loss(loss: Any) -> CallableLoss | None:
    """The loss that a custom function, class or object is; None for any other."""
    if isinstance(loss, str):
        loss = get_registered_object(loss) or IN_PYTHON.get(loss)
    if isinstance(loss, type) and issubclass(loss, Loss) and loss.is_own:
        loss = loss()
    if isinstance(loss, CallableLoss):
        return loss
    if isinstance(loss, Loss):
        return CallableLoss(loss) if loss.is_own else None
    function = callable(loss) and not isinstance(loss, dict | LossFunction | type)
    return CallableLoss(loss) if function else None


def from_names(config: Mapping[str, Any]) -> CallableLoss | None:
    """The loss that `CallableLoss.get_config` describes, if its function or class is registered."""
    found = get_registered_object(str(config["name"])) or IN_PYTHON.get(str(config["name"]))
    if found is None:
        found = get_registered_object(str(config["name"]).rpartition(">")[2])
    if isinstance(found, type) and issubclass(found, Loss):
        return custom_loss(found.from_config(config.get("config", {})))
    return custom_loss(found) if callable(found) else None

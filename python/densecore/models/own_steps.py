"""The methods of a subclass of a model that replace Keras's: `compute_loss` and its like.

A model whose class has one of these methods trains batch by batch in Python: the core makes the
forward pass, the method the loss, its gradient by the outputs is derived, and the core goes back
from there.
"""

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import losses
from .._autodiff.traced import Traced
from .._base.dtypes import Array
from .._base.overriding import overridden
from .._data.structures import leaves, packed
from ..losses.base import Loss, reduce_rows
from ..losses.function import CallableLoss
from ..metrics import Metric

if TYPE_CHECKING:
    from .compiled import Compiled

#: The methods that are called for each batch.
CALLED = ("compute_loss", "compute_metrics", "train_step", "test_step")


#: Calls that make a step, or a part of one, on arrays.
_STEPS = frozenset(
    (
        "train_step", "test_step", "forward", "train_on_batch", "test_on_batch", "evaluate",
        "loss_and_gradients",
    )
)  # fmt: skip
#: What other libraries' gradients begin with, and what stands in for them here.
_ELSEWHERE = {
    "GradientTape": "TensorFlow's tape",
    "value_and_grad": "JAX's derivative",
    "stateless_call": "JAX's stateless call",
    "stateless_compute_loss": "JAX's stateless call",
    "zero_grad": "PyTorch's derivative",
    "no_grad": "PyTorch's derivative",
}


def names_of(method: Any) -> set[str]:
    """The names of attributes and globals that a method uses, also in functions within it."""
    code = getattr(method, "__code__", None)
    found: set[str] = set()
    pending = [] if code is None else [code]
    for one in pending:
        found |= set(one.co_names)
        pending += [part for part in one.co_consts if hasattr(part, "co_names")]
    return found


def leaves_it_to_super(method: Any) -> bool:
    """Whether a step can be made by ``super()`` alone."""
    return not names_of(method) & (_STEPS - {"train_step", "test_step"})


def refused(cls: type, names: tuple[str, ...]) -> list[tuple[str, str]]:
    """The methods of a class that no loop calls, or whose gradients are another library's.

    Parameters
    ----------
    cls : type
    names : tuple of str
        Those that are never called.

    Returns
    -------
    list of (str, str)
        Each with what was found in it.
    """
    found = [(name, "which the loop in the core does not call") for name in overridden(cls, names)]
    for name in overridden(cls, ("train_step", "test_step")):
        method = getattr(cls, name)
        used = names_of(method)
        foreign = next((word for word in _ELSEWHERE if word in used), None)
        code = getattr(method, "__code__", None)
        if foreign is not None:
            found.append((name, f"with {_ELSEWHERE[foreign]} ({foreign}), which does not see what "
                                "the core computes"))  # fmt: skip
        elif code is None or code.co_argcount - len(method.__defaults__ or ()) > 2:
            found.append((name, "which the loop in the core calls with (self, data)"))
        elif not used & _STEPS:
            found.append((name, "which makes no step that the core knows"))
    return found


class ModelLoss(CallableLoss):
    """The loss that a model's own `compute_loss` computes, or its steps.

    Parameters
    ----------
    model : Model
    given : Loss, optional
        What it was compiled with: that of ``super().compute_loss``.
    """

    def __init__(self, model: "Compiled", given: Loss | None) -> None:
        self.given = given
        super().__init__(_compute_loss)
        self._model = weakref.ref(model)
        self._gives_gradient = False
        # Of the present batch: x as the core has it, and the weights of its rows; the structure of
        # several targets, and the shapes of their rows.
        self._present: dict[str, Any] = {"x": None, "weight": None, "y": False, "form": None}
        if given is not None and given.in_core:
            vars(self).update(kind=given.kind, from_logits=given.from_logits)

    @property
    def x(self) -> Any:
        """The present batch, in the structure of the model's inputs."""
        x, model = self._present["x"], self._model()
        return None if x is None or model is None else model._like_x(x)

    @property
    def weight(self) -> Any:
        """The weights of its rows, or None."""
        return self._present["weight"]

    def see(self, x: Array) -> None:
        """Take the x of a batch, as the core has it."""
        self._present["x"] = x

    def suit(self, metrics: list[Metric]) -> None:
        """Without a loss that was given, metrics say whether targets are class numbers."""
        if self.given is None and any(metric.kind.startswith("sparse_") for metric in metrics):
            self._expect_numbers(True)

    @property
    def label(self) -> str:
        """The method's name."""
        return "compute_loss"

    def _parameters(self) -> list[float]:
        in_core = self.given is not None and self.given.in_core
        return self.given._parameters() if in_core and self.given else super()._parameters()

    def take_targets(self, y: Any, rows: int, outputs: int) -> bool:
        """As of `CallableLoss`, unless the loss that was given says what it wants."""
        if self.given is not None and self.given.in_core:
            self._label_columns = len(np.shape(y)) == 2
            return False
        if isinstance(self.given, CallableLoss):
            self.given.take_targets(y, rows, outputs)
        return super().take_targets(y, rows, outputs)

    def prepared(self, y: Any, rows: int) -> Any:
        """Targets as one array: zeros where there are none, several side by side.

        Parameters
        ----------
        y : array_like, a structure of arrays, or None
        rows : int
        """
        self._present.update(y=y is not None, form=None)
        if y is None:
            return np.zeros((rows, 1))
        several = isinstance(y, Mapping) or (
            isinstance(y, list | tuple) and all(np.ndim(part) > 0 for part in y)
            and bool(y) and np.shape(y)[:1] != (rows,)
        )  # fmt: skip
        if not several:
            return y
        parts = [np.asarray(part) for part in leaves(y)]
        self._present["form"] = (packed(y, [0] * len(parts)), [part.shape[1:] for part in parts])
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)

    def _value_and_back(
        self, y_true: Array, y_pred: Array, weight: Array | None
    ) -> tuple[float, Callable[[], Array]]:
        self._present["weight"] = weight
        return super()._value_and_back(y_true, y_pred, None)  # the method has the weights

    def _call(self, y_true: Any, y_pred: Any) -> Any:
        model: Any = self._model()
        vars(model)["_in_loss"] = True
        try:
            return model.compute_loss(
                x=self.x,
                y=self.targets(y_true),
                y_pred=outputs_of(model, y_pred),
                sample_weight=self.weight,
            )
        finally:
            del vars(model)["_in_loss"]

    def targets(self, y: Array) -> Any:
        """The targets of a batch as they were given."""
        if not self._present["y"]:
            return None
        if self._present["form"] is None:
            return y
        structure, shapes = self._present["form"]
        parts, first = [], 0
        for shape in shapes:
            size = int(np.prod(shape, dtype=np.int64))
            parts.append(y[:, first : first + size].reshape(len(y), *shape))
            first += size
        return packed(structure, parts)

    def of_given(self, y: Any, y_pred: Any, weight: Any) -> Any:
        """The loss that the model was compiled with.

        Raises
        ------
        ValueError
            It was compiled without one.
        """
        if self.given is None:
            raise ValueError("compute_loss: found no loss that the model is compiled with, wanted "
                             "one, or no call of super().compute_loss")  # fmt: skip
        if isinstance(self.given, CallableLoss):
            rows, reduction = self.given._call(y, y_pred), self.given.rows_to_loss
        else:
            if not self.given.sparse and np.ndim(y) == 1 and y_pred.ndim == 2:
                y = np.reshape(y, (-1, 1))
            rows, reduction = self.given.call(y, y_pred), self.given.reduction
        return reduce_rows(rows, weight, reduction)


def _compute_loss(y_true: Any, y_pred: Any) -> Any:
    raise AssertionError("the model's method is called instead")


def outputs_of(model: "Compiled", y_pred: Any) -> Any:
    """Outputs of the core, or their record for a derivative, in the structure of the model's."""
    if not isinstance(y_pred, Traced):
        return model._shaped(y_pred)
    rows = getattr(model, "_output_rows", None) or [model._output_row or (y_pred.shape[-1],)]
    parts, first = [], 0
    for row in rows:
        size = int(np.prod(row, dtype=np.int64))
        part = y_pred if size == y_pred.shape[-1] else y_pred[:, first : first + size]
        parts.append(part if len(row) == 1 else np.reshape(part, (len(y_pred), *row)))
        first += size
    return packed(getattr(model, "_output_structure", 0), parts)


def loss_of_model(model: "Compiled", loss: Any) -> ModelLoss:
    """The loss of a compiled model with methods of its own, from a loss or from none."""
    given = None if loss is None else losses.function.custom_loss(loss) or losses.get(loss)
    if given is not None:
        given.check_trainable()
    return ModelLoss(model, given)


def trackers(model: "Compiled") -> list[Metric]:
    """The metrics that are attributes of a model, which its own methods update."""
    found = [part for name, value in vars(model).items() if not name.startswith("_")
             for part in leaves(value) if isinstance(part, Metric)]  # fmt: skip
    return list(dict.fromkeys(found))


class OwnRunningMetrics:
    """Running loss and metrics, with a model's trackers and the results of its own methods.

    Parameters
    ----------
    inner : RunningMetrics, FreeRunningMetrics
    model : Model
    names : list of str
        Of the inner numbers.
    """

    def __init__(self, inner: Any, model: "Compiled", names: list[str]) -> None:
        self.inner, self._model, self._names = inner, model, names
        self.logs: dict[str, float] | None = None
        self.stepped = False  # whether a method of the user's has left the work to the model's
        self.reset()

    def reset(self) -> None:
        """Forget the batches so far."""
        vars(self._model)["_running"] = self
        self.inner.reset()
        self.logs = None
        for metric in self._model.metrics:
            metric.reset_state()

    def current(self) -> dict[str, float]:
        """The present numbers by their names."""
        found = dict(zip(self._names, self.inner.results(), strict=True))
        for tracker in trackers(self._model):
            found[tracker.name] = float(tracker.result())
        return found

    def note(self, logs: Any) -> None:
        """Take what a method has returned.

        Raises
        ------
        TypeError
            It is no dictionary of numbers.
        """
        if not isinstance(logs, Mapping):
            raise TypeError(
                f"{type(self._model).__name__}: found {type(logs).__name__} returned by a step or "
                "compute_metrics, wanted a dictionary of numbers by their names"
            )
        self.logs = {str(name): float(np.asarray(value)) for name, value in logs.items()}

    def results(self) -> list[float]:
        """The numbers in the order of ``metrics_names``."""
        logs = self.current() if self.logs is None else self.logs
        vars(self._model)["_logged"] = list(logs)
        return list(logs.values())

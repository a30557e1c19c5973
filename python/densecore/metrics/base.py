"""The base of all metrics, and their registry."""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from .._autodiff.traced import plain
from .._base import checks, core
from .._base.dtypes import Array, floatx
from .._base.overriding import overridden
from .._base.registry import Registry
from .._data.arrays import as_labels, as_matrix, as_targets, as_weights
from ..losses.base import CORE, Loss
from ..losses.registry import LOSSES
from .variables import Variable

# A metric as the core takes it: its name (or a function of a whole pass), and its options.
Description = tuple[str | Callable[..., float], dict[str, Any]]


class Metric:
    """Base class: a named metric, and its sums when it is used by itself.

    Parameters
    ----------
    name : str, optional
        Under which results are reported; by default Keras's for the metric.
    dtype
        Accepted for Keras's sake, and without effect: sums are in double precision.

    Attributes
    ----------
    kind : str
        The core's name.
    larger_is_better : bool

    Raises
    ------
    ValueError, TypeError
        An option that is out of its range, or a name that is not a string.

    Examples
    --------
    >>> import densecore as dc
    >>> metric = dc.metrics.AUC()
    >>> metric.update_state([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> metric.result()
    0.75
    """

    kind: ClassVar[str] = ""
    larger_is_better: bool = True
    #: Whether sums or results are a user's, in Python.
    is_own: ClassVar[bool] = False

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if overridden(cls, ("update_state", "result")):
            cls.is_own = True

    def __init__(self, name: str | None = None, dtype: str | None = None, **options: Any) -> None:
        if not self.kind:  # neither the core nor a class of the library computes it
            for method in ("update_state", "result"):
                if getattr(type(self), method) is getattr(Metric, method):
                    raise TypeError(
                        f"{type(self).__name__}: found no method {method}, wanted update_state and "
                        "result, or one of the library's metrics, such as AUC"
                    )
        default = self.kind
        if self.is_own:
            default = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()
        self.name = default if name is None else checks.text("metric: name", name)
        self._options = options
        self._variables: list[Variable] = []
        self._sums: core.Metric | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        known = vars(self)
        if name in known and (name == "name" or name in known.get("_options", ())):
            raise AttributeError(
                f"{type(self).__name__}: {name}: found {checks.shown(value)} for a metric that is "
                "made, which models may be compiled with; wanted a new metric"
            )
        super().__setattr__(name, value)

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` and `get` make an equal one; JSON-able."""
        if self.is_own:  # as Keras: a subclass adds its own options
            return {"name": self.name, **self._options}
        return {"metric": self.kind, "name": self.name, **self._options}

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: str | None = None,
        name: str | None = None,
        **others: Any,
    ) -> Variable:
        """A number or an array that a custom metric keeps between batches.

        Parameters
        ----------
        shape : tuple of int, default ()
            Keras's older order, with the name first, is understood.
        initializer : str, default "zeros"
        dtype
            Without effect: it is float64.
        name : str, optional
        """
        if isinstance(shape, str):
            shape, name = (() if initializer == "zeros" else initializer), shape
            initializer = "zeros"
        variable = Variable(shape, initializer, name)
        self._variables.append(variable)
        return variable

    add_variable = add_weight

    @property
    def dtype(self) -> str:
        """What functions of one's own may cast to: ``backend.floatx()``. Sums are float64."""
        return floatx()

    @property
    def variables(self) -> list[Variable]:
        """The variables that `add_weight` has made."""
        return list(self._variables)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Metric":
        """The metric that `get_config` describes.

        Parameters
        ----------
        config : dict
            Its ``metric`` may be missing.
        """
        return cls(**{key: value for key, value in config.items() if key != "metric"})

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add some rows.

        Parameters
        ----------
        y_true : array_like (rows, outputs), or (rows,) class numbers for several outputs
        y_pred : array_like (rows, outputs); a vector is one output
        sample_weight : array_like (rows,), optional

        Raises
        ------
        ValueError, TypeError
            Shapes that do not fit each other, or something that is not real numbers.
        """
        outputs, targets, labels = matched(plain(y_true), plain(y_pred))
        weight = weights(sample_weight, len(outputs))
        if self._sums is None:
            options = {**self._core_options(), "weighted": True}
            kind = self._alone(labels)
            self._sums = core.Metric(kind, options, outputs.shape[1], labels)
        self._sums.update(outputs, targets, weight)

    def result(self) -> float:
        """The metric of all rows since the last `reset_state`; 0 when there were none."""
        return 0.0 if self._sums is None else self._sums.result()

    def reset_state(self) -> None:
        """Forget all rows."""
        self._sums = None
        for variable in self._variables:
            variable.assign(0)

    reset_states = reset_state

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """`update_state`, then `result`."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def _core_options(self) -> dict[str, Any]:
        names = {"thresholds": "threshold", "k": "top_k"}
        return {names.get(option, option): value for option, value in self._options.items()}

    def _alone(self, labels: bool) -> str:
        """The core's name of a metric that is used by itself, without a loss."""
        return self.kind

    def _describe(self, loss: Loss, outputs: int, weighted: bool) -> Description:
        """The metric of a model with a loss, for the core; raises when the two do not suit."""
        if self.is_own:
            return self._of_pass, {"weighted": weighted}
        kind = by_loss(self.kind, loss.kind, outputs)
        options = {**self._core_options(), "weighted": weighted}
        if loss.link and self._of_probabilities(kind):
            options["link"] = loss.link
        core.Metric(kind, options, outputs, loss.sparse)
        return kind, options

    def _of_pass(self, y_true: Array, y_pred: Array, weight: Array | None) -> float:
        """The result for all rows of an epoch or an evaluation, which the core has collected."""
        self.reset_state()
        if weight is None:
            self.update_state(y_true, y_pred)
        else:
            self.update_state(y_true, y_pred, sample_weight=weight)
        found = np.asarray(self.result(), np.float64)
        if found.ndim:
            raise TypeError(f"metric '{self.name}': found a result of shape {found.shape}, wanted "
                            "one number")  # fmt: skip
        return float(found)

    def _of_probabilities(self, kind: str) -> bool:
        """Whether logits, which a loss with ``from_logits`` takes, must become probabilities."""
        return False

    def __repr__(self) -> str:
        options = {**self._options, **({"name": self.name} if self.name != self.kind else {})}
        shown = ", ".join(f"{option}={value!r}" for option, value in options.items())
        return f"{type(self).__name__}({shown})"


def matched(y_true: Any, y_pred: Any) -> tuple[Array, Array, bool]:
    """Outputs as a matrix, targets as the core wants them, and whether they are class numbers."""
    double = np.dtype(np.float64)
    pred = np.asarray(y_pred)
    outputs = as_matrix("y_pred", pred.reshape(-1, 1) if pred.ndim == 1 else y_pred, double)
    rows, width = outputs.shape
    shape = np.shape(y_true)
    labels = width > 1 and (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1))
    if labels:
        return outputs, as_labels(y_true, rows, width, "y_true"), True
    return outputs, as_targets(y_true, double, rows, width, "y_true"), False


def weights(sample_weight: Any, rows: int) -> Array | None:
    """Weights as a vector of float64, or None."""
    if sample_weight is None:
        return None
    return as_weights(sample_weight, np.dtype(np.float64), rows, allow_zeros=True)


def softmax(x: Array) -> Array:
    """The shares that logits (rows, classes) stand for."""
    grown = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def by_loss(kind: str, loss: str, outputs: int) -> str:
    """``"accuracy"`` and ``"crossentropy"`` become what they mean for a loss, as in Keras."""
    if kind not in ("accuracy", "crossentropy"):
        return kind
    if CORE[LOSSES.canonical(loss) or loss]["sparse"]:
        return f"sparse_categorical_{kind}"
    if kind == "accuracy":  # goes by the shapes alone, also of several answers of yes or no
        return "binary_accuracy" if outputs == 1 else "categorical_accuracy"
    binary = outputs == 1 or loss.startswith("binary_")
    return "binary_crossentropy" if binary else "categorical_crossentropy"


METRICS = Registry("metric", Metric, key="metric")

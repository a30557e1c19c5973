"""The base class of losses: options, checks, the reduction to one number."""

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._autodiff.traced import Traced
from .._base import checks
from .._base.dtypes import DTYPES, KERNELS, Array, floatx, real_dtype
from .._base.fixed import Fixed
from .._base.lookup import unknown
from .._base.overriding import overridden
from .._base.warn import warn
from .._data.arrays import as_labels
from .._data.interop import refuse_masked
from .formulas import FORMULAS

# Keras's words, and what each means here.
REDUCTIONS: dict[str | None, str] = {
    "sum_over_batch_size": "sum_over_batch_size",
    "mean_with_sample_weight": "mean_with_sample_weight",
    "sum": "sum",
    "sum_over_outputs": "sum_over_outputs",
    "none": "none",
    "mean": "sum_over_batch_size",
    None: "none",
}
# The two of version 0.1, whose words meant something else.
OF_VERSION_0_1 = {"mean": "mean_with_sample_weight", "sum": "sum_over_outputs"}
# The core's description of each loss: parameters, kind of targets, fused activation.
CORE = KERNELS.losses()


class Loss(Fixed):
    """Base class: a named loss, its reduction and its options.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        How the losses l of the rows and their weights w become one number, in Keras's words:

        - ``"sum_over_batch_size"``, also ``"mean"``: Σ w l / rows. Weights change how large the
          gradient is, in every batch.
        - ``"mean_with_sample_weight"``: Σ w l / Σ w. A common factor of a batch's weights has no
          effect, and in a batch of one row no weight has.
        - ``"sum"``: Σ w l.
        - ``"sum_over_outputs"``, not in Keras: Σ w l, and where the loss of a row is a mean over
          the outputs their sum instead: for the mean squared error the note's gradient 2 (a - y).
        - ``"none"``, also None: w l for each row. `compile` refuses it.
    name : str, optional
        By default the loss's own, `kind`.
    from_logits : bool, default False
        Whether outputs are logits, to which the loss applies its own sigmoid or softmax.
    axis, ignore_class, dtype
        Accepted for Keras's sake with their defaults -1 (the last axis), None and None only.

    Attributes
    ----------
    kind : str
        The core's name, such as ``"huber"``.
    from_logits : bool

    Raises
    ------
    ValueError, TypeError
        An unknown reduction, or an option that is no number or out of its range.
    """

    #: The loss that the core is compiled with: for a custom class, one with its kind of
    #: targets.
    kind: ClassVar[str] = "mean_squared_error"
    #: Whether `call` is a user's, in Python, whose gradient is derived.
    is_own: ClassVar[bool] = False
    #: Whether the core computes it, and its gradient.
    in_core: bool = True

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if overridden(cls, ("call", "__call__")):
            cls.is_own = True

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        *,
        from_logits: bool = False,
        axis: int = -1,
        ignore_class: int | None = None,
        dtype: str | None = None,
        **options: Any,
    ) -> None:
        if not self.is_own and not any("kind" in names for names in self._own_names()):
            raise TypeError(
                f"{type(self).__name__}: found no method call(y_true, y_pred), wanted one, or one "
                "of the library's losses, such as Huber"
            )
        if reduction is not None and (
            not isinstance(reduction, str) or reduction not in REDUCTIONS
        ):
            unknown("reduction", reduction, [word for word in REDUCTIONS if word is not None])
        self.reduction = REDUCTIONS[reduction]
        default = type(self).__name__.lower() if self.is_own else self.kind
        self.name = default if name is None else checks.text("name", name)
        self.from_logits = checks.flag(f"{self.kind}: from_logits", from_logits)
        if checks.integer(f"{self.kind}: axis", axis, -1) != -1:
            raise ValueError(
                f"{self.kind}: axis: found {checks.shown(axis)}, wanted -1, the last one"
            )
        for option, value in (("ignore_class", ignore_class), ("dtype", dtype)):
            if value is not None:
                raise ValueError(f"{self.kind}: {option}: found {checks.shown(value)}, wanted None")
        self._options = {key: self._checked(key, value) for key, value in options.items()}
        vars(self).update(self._options)
        KERNELS.check_loss(self.kind, self._parameters())

    def _own_names(self) -> list[Mapping[str, Any]]:
        """The attributes of the object and of its classes up to this one."""
        classes = type(self).__mro__
        return [vars(self), *(vars(cls) for cls in classes[: classes.index(Loss)])]

    def _checked(self, key: str, value: Any) -> Any:
        check = checks.flag if key == "apply_class_balancing" else checks.number
        return check(f"{self.kind}: {key}", value)

    def _parameters(self) -> list[float]:
        """The parameters in the core's order."""
        return [float(self._options[key]) for key in CORE[self.kind]["parameters"]]

    @property
    def dtype(self) -> str:
        """What functions of one's own may cast to: ``backend.floatx()``."""
        return floatx()

    #: Whether a model applies an activation before: its outputs are no logits to metrics.
    _activated: ClassVar[bool] = False

    @property
    def link(self) -> str | None:
        """What makes probabilities of logits; None: outputs are what metrics take."""
        if not self.from_logits or self._activated:
            return None
        found: str | None = CORE[self.kind]["link"]
        return found

    def behind(self, activation: str) -> "Loss":
        """The loss as that of outputs of an activation, which logits do not have: as in Keras it
        applies its own all the same.

        Parameters
        ----------
        activation : str
            The core's name; a warning is given for that which the loss applies.
        """
        activated = self.from_logits and activation != "linear"
        if activated and activation == CORE[self.kind]["link"]:
            warn(
                f"loss {self.name}: found from_logits=True for outputs of {activation}, wanted "
                f"from_logits=False, or outputs without activation: {activation} is applied twice"
            )
        if activated == self._activated:
            return self
        found = copy(self)
        vars(found)["_activated"] = activated
        return found

    @property
    def sparse(self) -> bool:
        """Whether targets are class numbers instead of a value per output."""
        return bool(CORE[self.kind]["sparse"])

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` and `get` make an equal one; JSON-able."""
        if self.is_own:  # as Keras: a subclass adds its own options
            return {"name": self.name, "reduction": self.reduction, **self._options}
        config = {"name": self.kind, "reduction": self.reduction, **self._options}
        if self.from_logits:
            config["from_logits"] = True
        if self.name != self.kind:
            config["label"] = self.name
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Loss":
        """The loss that `get_config` describes.

        Parameters
        ----------
        config : dict
            Its ``name`` may be missing.
        """
        options = dict(config)
        name = options.pop("name", None)
        options.setdefault("name", options.pop("label", name))
        return cls(**options)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> Any:
        """The loss of some rows, reduced to one number.

        Parameters
        ----------
        y_true : array_like
            Targets like `y_pred`, or as the loss describes them.
        y_pred : array_like (rows, outputs)
            Or of one dimension: a single row. More than two are flattened to rows.
        sample_weight : array_like (rows,), optional
            Also (rows, 1), or one number for all.

        Returns
        -------
        float
            Or an array of y_pred's shape without its last axis, with ``reduction="none"``.

        Raises
        ------
        ValueError, TypeError
            Targets or weights of another shape, or something that is not real numbers.
        """
        operators = getattr(y_pred, "operators", None) or getattr(y_true, "operators", None)
        if operators is not None:  # symbols of a model that is being described
            if sample_weight is not None:
                raise TypeError("sample_weight: found one for symbols, wanted None")
            own = self.call(y_true, y_pred) if self.is_own else None
            of_rows = operators["loss"](self, y_true, y_pred) if own is None else own
            reduction = _OF_SYMBOLS.get(self.reduction)
            return of_rows if reduction is None else operators[reduction](of_rows)
        refuse_masked("y_true", y_true)
        refuse_masked("y_pred", y_pred)
        refuse_masked("sample_weight", sample_weight)
        if self.is_own:  # of lists, too
            y_true, y_pred = (
                given if isinstance(given, Traced) else np.asarray(given)
                for given in (y_true, y_pred)
            )
        rows = self.call(y_true, y_pred)
        if isinstance(rows, Traced) or self.is_own:
            return reduce_rows(rows, sample_weight, self.reduction)
        weight = np.ones(rows.size) if sample_weight is None else np.asarray(sample_weight)
        if weight.dtype.kind not in "biuf":
            raise TypeError(f"sample_weight: found dtype {weight.dtype}, wanted real numbers")
        if weight.ndim > 0 and weight.size != rows.size:
            raise ValueError(
                f"sample_weight: found shape {weight.shape}, wanted one weight for each of "
                f"{rows.size} rows"
            )
        weight = np.broadcast_to(weight.astype(np.float64).reshape(-1), rows.shape)
        if self.reduction == "none":
            return (weight * rows).reshape(np.shape(y_pred)[:-1])
        total = float(np.sum(weight * rows))
        if self.reduction == "sum":
            return total
        if self.reduction == "sum_over_outputs":
            return total * self._terms(np.shape(y_pred)[-1] if np.ndim(y_pred) else 1)
        if self.reduction == "mean_with_sample_weight":
            return total / float(weight.sum() or 1.0)
        return total / max(rows.size, 1)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of every row; a custom class defines it.

        Parameters
        ----------
        y_true : array_like
        y_pred : array_like (rows, outputs)

        Returns
        -------
        ndarray (rows,)
        """
        return self._rows(y_true, y_pred)

    def row_factor(self, weight: Array | None, rows: int, outputs: int) -> float:
        """The factor of Σ w l of a batch that gives its loss.

        Parameters
        ----------
        weight : ndarray (rows,), optional
        rows, outputs : int
            The batch's shape.

        Raises
        ------
        ValueError
            The reduction is ``"none"``.
        """
        if self.reduction == "sum":
            return 1.0
        if self.reduction == "sum_over_outputs":
            return float(self._terms(outputs))
        self.check_trainable()
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            total = float(weight.sum(dtype=np.float64))
            return 1 / total if total else 0.0
        return 1 / rows

    def check_trainable(self) -> None:
        """Raise unless the reduction gives one number, which training can minimise.

        Raises
        ------
        ValueError
            The reduction is ``"none"``.
        """
        if self.reduction == "none":
            raise ValueError(
                f"loss {self.name}: found reduction='none', a loss for each row; wanted one number "
                "to minimise: 'sum_over_batch_size' (the default), 'mean_with_sample_weight' or "
                "'sum'"
            )

    def depends_on_batches(self, weighted: bool) -> bool:
        """Whether the loss of many rows depends on how they are cut into batches.

        Parameters
        ----------
        weighted : bool
            Whether the rows have weights.
        """
        if self.reduction == "mean_with_sample_weight":
            return weighted
        return self.reduction != "sum_over_batch_size"

    def _terms(self, outputs: int) -> int:
        """How many terms a row's loss is the mean of."""
        return outputs if CORE[self.kind]["averaged"] else 1

    def target_columns(self, outputs: int) -> int:
        """How many columns of targets belong to so many outputs.

        Raises
        ------
        ValueError
            They cannot be divided among targets.
        """
        return outputs

    def _rows(self, y_true: ArrayLike, y_pred: Any) -> Any:
        """The loss of every row; within a custom loss, with its derivative."""
        if isinstance(y_true, Traced):
            formula = FORMULAS.get(self.kind)
            if formula is None or any(self._options.values()):
                raise TypeError(
                    f"loss {self.name}: found targets that a derivative is wanted of, wanted one "
                    f"of {', '.join(FORMULAS)} without options, or ops.stop_gradient(y_true)"
                )
            outputs = y_pred if isinstance(y_pred, Traced) else Traced(y_pred)
            return formula(y_true, outputs, self.from_logits)
        if not isinstance(y_pred, Traced):
            return self._rows_and_gradient(y_true, y_pred, None)
        gradient = np.empty(y_pred.shape)
        rows = self._rows_and_gradient(y_true, y_pred.value, gradient)
        return Traced(rows, [(y_pred, lambda g: g.reshape(-1, 1) * gradient.reshape(g.size, -1))])

    def _rows_and_gradient(
        self, y_true: ArrayLike, y_pred: ArrayLike, gradient: Array | None
    ) -> NDArray[np.float64]:
        output = np.asarray(y_pred)
        if output.dtype.kind not in "biuf":
            raise TypeError(f"y_pred: found dtype {output.dtype}, wanted real numbers")
        dtype = real_dtype(output.dtype)
        columns = output.shape[-1] if output.ndim else 1
        if columns == 0:
            raise ValueError(f"y_pred: found shape {output.shape}, wanted at least one output")
        matrix = np.require(output, dtype, ["C", "A"]).reshape(-1, columns)
        if self.sparse:
            found = np.asarray(y_true)
            if found.size != len(matrix):
                raise ValueError(
                    f"y_true: found shape {found.shape}, wanted {len(matrix)} class numbers"
                )
            target = as_labels(found.reshape(-1), len(matrix), columns, "y_true")
        else:
            found = np.asarray(y_true)
            wanted = (len(matrix), self.target_columns(columns))
            if found.dtype.kind not in "biuf":
                raise TypeError(f"y_true: found dtype {found.dtype}, wanted real numbers")
            if (
                found.size != wanted[0] * wanted[1]
                or found.shape[: output.ndim - 1] != (output.shape[:-1])
            ):
                raise ValueError(
                    f"y_true: found shape {found.shape}, wanted {wanted} for y_pred of shape "
                    f"{output.shape}"
                )
            target = np.require(found, dtype, ["C", "A"]).reshape(wanted)
        rows = np.empty(len(matrix))
        DTYPES[dtype].kernels.loss_rows(
            self.kind, self.from_logits, matrix, target, rows, self._parameters()
        )
        if gradient is not None:
            slopes = np.empty_like(matrix)
            DTYPES[dtype].kernels.loss(
                self.kind, self.from_logits, matrix, target, None, 1.0, slopes, self._parameters()
            )
            gradient[...] = slopes.reshape(gradient.shape)
        return rows

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "name" not in state:  # pickled by version 0.1, whose words meant something else
            state = {**state, "name": self.kind}
            state["reduction"] = OF_VERSION_0_1[state["reduction"]]
        vars(self).update(state)

    def __repr__(self) -> str:
        shown = {key: value for key, value in self.get_config().items() if key != "name"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def reduce_rows(rows: Any, weight: Any, reduction: str) -> Any:
    """The losses of rows as one number, with Keras's meaning of the reduction.

    Parameters
    ----------
    rows : ndarray or Traced (rows, ...), or one number
    weight : array_like (rows,), optional
    reduction : str
    """
    if isinstance(rows, list | tuple):
        rows = np.asarray(rows)
    shape = np.shape(rows) if not isinstance(rows, Traced) else rows.shape
    factors = np.ones(shape)
    if weight is not None:
        try:
            given = np.asarray(weight, np.float64)
        except (TypeError, ValueError):
            raise TypeError(
                f"sample_weight: found {checks.shown(weight)}, wanted real numbers"
            ) from None
        if not shape:
            factors = np.asarray(given.mean())
        elif given.ndim and given.size != shape[0]:
            raise ValueError(
                f"sample_weight: found shape {given.shape}, wanted one weight for each of "
                f"{shape[0]} losses"
            )
        else:
            tail = (1,) * (len(shape) - 1)
            factors = np.broadcast_to(given.reshape(-1, *tail) if given.ndim else given, shape)
    weighted = rows * factors
    if reduction == "none":
        return weighted
    total = np.sum(weighted)
    if reduction in ("sum", "sum_over_outputs"):
        return total
    if reduction == "mean_with_sample_weight":
        return total / float(factors.sum() or 1.0)
    return total / max(int(np.prod(shape)), 1)


#: What a reduction makes of the losses of symbols.
_OF_SYMBOLS = {
    "sum_over_batch_size": "mean",
    "mean": "mean",
    "mean_with_sample_weight": "mean",
    "sum": "sum",
}

"""What all losses have in common: options, checks, the reduction to one number."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._base import core
from .._base.lookup import unknown

_REDUCTIONS = {"mean": "mean", "sum_over_batch_size": "mean", "sum": "sum"}
KERNELS: dict[str, core.KernelsF32 | core.KernelsF64] = {
    "float32": core.KernelsF32(),
    "float64": core.KernelsF64(),
}
# What the core knows of each loss.
CORE = KERNELS["float64"].losses()


class Loss:
    """Base class: a named loss, its reduction and its options.

    Parameters
    ----------
    reduction : {"mean", "sum"}
        ``"mean"`` (also under Keras's name ``"sum_over_batch_size"``) divides the sum of the rows'
        losses by the sum of their weights. ``"sum"`` does not, and where the loss of a row is a
        mean over the outputs sums over them too: for the mean squared error that is the note's
        gradient 2 (a - y).

    Attributes
    ----------
    from_logits : bool
        Whether outputs are what the loss's own sigmoid or softmax is still to be applied to.

    Raises
    ------
    ValueError, TypeError
        An unknown reduction, or an option that is no number or out of its range.
    """

    name: str

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for method in ("call", "__call__"):
            if method in vars(cls):
                raise TypeError(
                    f"class {cls.__name__}: found a method {method}, which the core does not call; "
                    "compile takes a function (y_true, y_pred) -> (loss, gradient) as the loss"
                )

    def __init__(
        self, reduction: str = "mean", *, from_logits: bool = False, **options: Any
    ) -> None:
        if reduction not in _REDUCTIONS:
            unknown("reduction", reduction, _REDUCTIONS)
        self.reduction = _REDUCTIONS[reduction]
        if not isinstance(from_logits, bool | np.bool_):
            raise TypeError(
                f"{self.name}: from_logits: found {from_logits!r}, wanted True or False"
            )
        self.from_logits = bool(from_logits)
        self._options = {key: self._checked(key, value) for key, value in options.items()}
        vars(self).update(self._options)
        KERNELS["float64"].check_loss(self.name, self._parameters())

    def _checked(self, key: str, value: Any) -> Any:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"{self.name}: {key}: found {type(value).__name__}, wanted a number"
            ) from None
        return bool(number) if key == "apply_class_balancing" else number

    def _parameters(self) -> list[float]:
        """What the core takes; none when they are the initial values."""
        return [float(self._options[key]) for key in CORE[self.name]["parameters"]]

    @property
    def sparse(self) -> bool:
        """Whether targets are class numbers instead of a value per output."""
        return bool(CORE[self.name]["sparse"])

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able."""
        config = {"name": self.name, "reduction": self.reduction, **self._options}
        if self.from_logits:
            config["from_logits"] = True
        return config

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """The loss of some rows, reduced to one number.

        Parameters
        ----------
        y_true : array_like
            Targets like `y_pred`, or as the loss describes them.
        y_pred : array_like (rows, outputs)
            Or of one dimension: a single row. More than two are flattened to rows.
        sample_weight : array_like (rows,), optional

        Raises
        ------
        ValueError, TypeError
            Targets or weights of another shape, or something that is not real numbers.
        """
        rows = self._rows(y_true, y_pred)
        weight = np.ones(rows.size) if sample_weight is None else np.asarray(sample_weight)
        if weight.ndim > 0 and weight.size != rows.size:
            raise ValueError(
                f"sample_weight: found shape {weight.shape}, wanted one weight for each of "
                f"{rows.size} rows"
            )
        weight = np.broadcast_to(weight.astype(np.float64).reshape(-1), rows.shape)
        total = float(np.sum(weight * rows))
        if self.reduction == "sum":
            return total * self._terms(np.shape(y_pred)[-1] if np.ndim(y_pred) else 1)
        return total / float(weight.sum() or 1.0)

    def _terms(self, outputs: int) -> int:
        """How many terms a row's loss is the mean of."""
        return outputs if CORE[self.name]["averaged"] else 1

    def target_columns(self, outputs: int) -> int:
        """How many columns of targets belong to so many outputs.

        Raises
        ------
        ValueError
            They cannot be divided among targets.
        """
        return outputs

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The loss of every row."""
        output = np.asarray(y_pred)
        if output.dtype.kind not in "biuf":
            raise TypeError(f"y_pred: found dtype {output.dtype}, wanted real numbers")
        dtype = "float32" if output.dtype.name == "float32" else "float64"
        columns = output.shape[-1] if output.ndim else 1
        matrix = np.require(output, dtype, ["C", "A"]).reshape(-1, columns)
        if self.sparse:
            target = self._labels(np.asarray(y_true), len(matrix))
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
        KERNELS[dtype].loss_rows(
            self.name, self.from_logits, matrix, target, rows, self._parameters()
        )
        return rows

    @staticmethod
    def _labels(labels: NDArray[Any], rows: int) -> NDArray[np.int32]:
        if labels.size != rows:
            raise ValueError(f"y_true: found shape {labels.shape}, wanted {rows} class numbers")
        whole = labels.reshape(-1).astype(np.int32)
        if not np.array_equal(whole, labels.reshape(-1)):
            raise ValueError("y_true: found numbers that are not whole, wanted class numbers")
        return whole

    def __repr__(self) -> str:
        shown = {key: value for key, value in self.get_config().items() if key != "name"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

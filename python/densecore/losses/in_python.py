"""Losses of sets of pixels or pairs of rows: in Python, with derived gradients.

The core's losses are sums over rows. These look at all elements, or all pairs of rows, of a batch;
training with them goes batch by batch in Python, as with a custom loss.
"""

from typing import Any, ClassVar

import numpy as np

from .._autodiff.traced import Traced, plain
from .._base import checks
from .base import Loss

_SMALL = 1e-7


class InPython(Loss):
    """Base class of the losses that Python computes.

    Parameters
    ----------
    reduction, name, dtype
        As for `Loss`.
    **options
        Those of the loss.
    """

    is_own = True
    label: ClassVar[str]

    def __init__(
        self, reduction: str | None, name: str | None, dtype: Any = None, **options: Any
    ) -> None:
        super().__init__(reduction, self.label if name is None else name, dtype=dtype)
        self._own_options = options
        vars(self).update(options)

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` makes an equal one; JSON-able."""
        return {"name": self.name, "reduction": self.reduction, **self._own_options}


def _axes(name: str, axis: Any, ndim: int = 32) -> tuple[int, ...] | None:
    if axis is None:
        return None
    given = axis if isinstance(axis, list | tuple) else (axis,)
    return tuple(checks.integer(f"{name}: axis", one, -ndim, ndim - 1) for one in given)


class Dice(InPython):
    """1 - 2 Σ y a / (Σ y + Σ a), over all elements of a batch (Milletari et al., 2016).

    Parameters
    ----------
    reduction, name, dtype
        As for `Loss`.
    axis : int or tuple of int, optional
        The axes that are summed over; by default all, the rows among them.
    """

    label = "dice"

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype, axis=_axes("Dice", axis))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of what is not summed over."""
        return dice(y_true, y_pred, self._own_options["axis"])


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """The loss of `Dice` as a function.

    Parameters
    ----------
    y_true, y_pred : array_like of one shape
    axis : int or tuple of int, optional
    """
    y_true, y_pred = _floats(y_true, y_pred)
    axis = _axes("dice", axis, y_pred.ndim)
    both = np.sum(y_true * y_pred, axis=axis)
    return 1 - 2 * both / (np.sum(y_true, axis=axis) + np.sum(y_pred, axis=axis) + _SMALL)


class Tversky(InPython):
    """1 - S / (S + alpha Σ y (1 - a) + beta Σ (1 - y) a), S = Σ y a (Salehi et al., 2017).

    Parameters
    ----------
    alpha, beta : float, default 0.5
        The weights of ones that are missed, and of zeros that are taken for ones: in the places
        where Keras has them.
    reduction, name, dtype
        As for `Loss`.
    axis : int or tuple of int, optional
        As of `Dice`.
    """

    label = "tversky"

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        alpha = checks.number("Tversky: alpha", alpha, least=0)
        beta = checks.number("Tversky: beta", beta, least=0)
        axes = _axes("Tversky", axis)
        super().__init__(reduction, name, dtype, alpha=alpha, beta=beta, axis=axes)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of what is not summed over."""
        return tversky(y_true, y_pred, **self._own_options)


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None
) -> Any:
    """The loss of `Tversky` as a function.

    Parameters
    ----------
    y_true, y_pred : array_like of one shape
    alpha, beta : float, default 0.5
    axis : int or tuple of int, optional
    """
    y_true, y_pred = _floats(y_true, y_pred)
    alpha = checks.number("tversky: alpha", alpha, least=0)
    beta = checks.number("tversky: beta", beta, least=0)
    axis = _axes("tversky", axis, y_pred.ndim)
    both = np.sum(y_true * y_pred, axis=axis)
    missed = np.sum(y_true * (1 - y_pred), axis=axis)
    wrong = np.sum((1 - y_true) * y_pred, axis=axis)
    return 1 - both / (both + alpha * missed + beta * wrong + _SMALL)


def _reals(name: str, given: Any) -> Any:
    """An array of numbers, or its record for a derivative."""
    found = given if isinstance(given, Traced) else np.asarray(given)
    if found.dtype.kind not in "biuf" or not found.ndim:
        raise TypeError(f"{name}: found {checks.shown(given)}, wanted an array of real numbers")
    return found


def _floats(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    targets, outputs = plain(_reals("y_true", y_true)), _reals("y_pred", y_pred)
    if targets.shape != outputs.shape:
        raise ValueError(f"y_true: found shape {targets.shape}, wanted {outputs.shape}, as y_pred")
    return np.asarray(targets, np.float64), outputs


class Circle(InPython):
    """The circle loss of pairs of rows, whose outputs are vectors of length 1 (Sun et al., 2020).

    Rows of one class are drawn together, others pushed apart. A row that is alone with its class,
    or meets no other one, does not count.

    Parameters
    ----------
    gamma : float, default 80.0
        The scale of similarities.
    margin : float, default 0.4
        The relaxation.
    remove_diagonal : bool, default True
        Whether a row is no pair with itself.
    reduction, name, dtype
        As for `Loss`.
    """

    label = "circle"
    sparse = None  # type: ignore[assignment]  # class numbers, also beyond the number of outputs

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        options = {
            "gamma": checks.number("Circle: gamma", gamma, least=0),
            "margin": checks.number("Circle: margin", margin, least=0),
            "remove_diagonal": checks.flag("Circle: remove_diagonal", remove_diagonal),
        }
        super().__init__(reduction, name, dtype, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, with all others."""
        rows = circle(y_true, y_pred, **self._own_options)
        if self.reduction != "sum_over_batch_size":
            return rows
        counts = plain(rows) > 0  # the mean is that of the rows that count
        return rows * (len(counts) / (counts.sum() + _SMALL))


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """The loss of `Circle` as a function.

    Parameters
    ----------
    y_true : array_like (rows,) or (rows, 1) of class numbers
    y_pred : array_like (rows, features), of vectors of length 1
    ref_labels, ref_embeddings : array_like, optional
        What each row is compared with; by default the rows themselves.
    remove_diagonal : bool, default True
    gamma : float, default 80
    margin : float, default 0.4

    Returns
    -------
    array (rows,)
    """
    gamma = checks.number("circle: gamma", gamma, least=0)
    margin = checks.number("circle: margin", margin, least=0)
    remove_diagonal = checks.flag("circle: remove_diagonal", remove_diagonal)
    outputs = _reals("y_pred", y_pred)
    others = outputs if ref_embeddings is None else _reals("ref_embeddings", ref_embeddings)
    labels = _labels("y_true", y_true, "y_pred", outputs)
    known = (
        labels
        if ref_labels is None and ref_embeddings is None
        else _labels(
            "ref_labels", labels if ref_labels is None else ref_labels, "ref_embeddings", others
        )
    )
    if outputs.shape[1] != others.shape[1]:
        raise ValueError(
            f"ref_embeddings: found shape {others.shape}, wanted {outputs.shape[1]} features"
        )
    alike = labels[:, None] == known[None, :]
    different = ~alike
    if remove_diagonal and len(labels) == len(known):
        alike = alike & ~np.eye(len(labels), dtype=bool)
    distances = np.maximum(1 - np.matmul(outputs, np.transpose(others)), 0.0)
    near = -gamma * np.maximum(margin + distances, 0.0) * (margin - distances)
    far = gamma * np.maximum(1 + margin - distances, 0.0) * (1 - margin - distances)
    pairs = alike.any(axis=1) & different.any(axis=1)
    return np.logaddexp(0.0, _log_sum(near, alike) + _log_sum(far, different)) * pairs


def _labels(name: str, given: Any, of: str, vectors: Any) -> Any:
    """The class numbers of some vectors."""
    labels = plain(_reals(name, given)).reshape(-1)
    if vectors.ndim != 2 or len(labels) != len(vectors):
        raise ValueError(
            f"{name}: found {len(labels)} class numbers for {of} of shape {vectors.shape}, wanted "
            "one for each vector (rows, features)"
        )
    return labels.astype(np.int64)


def _log_sum(x: Any, which: Any) -> Any:
    """log Σ exp(x) of some elements of each row; 0 where there are none."""
    some = which.any(axis=1)
    largest = np.where(which, plain(x), -np.inf).max(axis=1, initial=-np.inf)
    largest = np.where(some, largest, 0.0)
    shares = np.exp(np.where(which, x - largest[:, None], -np.inf))
    return (np.log(np.sum(shares, axis=1) + ~some) + largest) * some


IN_PYTHON: dict[str, type[InPython]] = {
    word: cls for cls in (Dice, Tversky, Circle) for word in (cls.label, cls.__name__)
}

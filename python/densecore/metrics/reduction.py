"""Means and sums of numbers that a program computes itself: Keras's ``metrics.Mean``."""

from typing import Any

import numpy as np

from .._autodiff.traced import plain
from .._data.interop import refuse_masked
from ..losses.base import Loss
from .base import Description, Metric


class Sum(Metric):
    """The (weighted) sum of values, for a custom loop; `compile` does not take it.

    Parameters
    ----------
    name : str, optional
        By default ``"sum"``.
    dtype
        Accepted for Keras's sake, and without effect: sums are in double precision.

    Examples
    --------
    >>> import densecore as dc
    >>> metric = dc.metrics.Sum()
    >>> metric.update_state([1.0, 2.0])
    >>> metric.result()
    3.0
    """

    larger_is_better = False

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name if name is not None or self.is_own else type(self).__name__.lower())
        self._sum = self._weight = 0.0

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one; JSON-able."""
        return {"name": self.name}

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add some values.

        Parameters
        ----------
        values : array_like
            Of any shape.
        sample_weight : array_like, optional
            One number for all, or of a shape that broadcasts with that of `values`: a weight per
            row weights all that is in the row.

        Raises
        ------
        ValueError, TypeError
            The shapes do not fit each other, or something is not real numbers.
        """
        refuse_masked(f"{self.name}: values", values)
        refuse_masked(f"{self.name}: sample_weight", sample_weight)
        found = np.asarray(plain(values))  # within a loss its numbers
        if found.dtype.kind not in "biuf":
            raise TypeError(f"{self.name}: values: found dtype {found.dtype}, wanted real numbers")
        found = found.astype(np.float64)
        weight = np.asarray(1.0 if sample_weight is None else sample_weight)
        if weight.dtype.kind not in "biuf":
            raise TypeError(
                f"{self.name}: sample_weight: found dtype {weight.dtype}, wanted real numbers"
            )
        if 0 < weight.ndim < found.ndim:
            weight = weight.reshape(weight.shape + (1,) * (found.ndim - weight.ndim))
        try:
            weight = np.broadcast_to(weight.astype(np.float64), found.shape)
        except ValueError:
            raise ValueError(
                f"{self.name}: sample_weight: found shape {weight.shape}, wanted that of the "
                f"values, {found.shape}, or of their rows"
            ) from None
        self._sum += float((weight * found).sum())
        self._weight += float(weight.sum())

    def result(self) -> float:
        """The sum since the last `reset_state`."""
        return self._sum

    def reset_state(self) -> None:
        """Forget all values."""
        self._sum = self._weight = 0.0
        super().reset_state()

    def __call__(self, values: Any, sample_weight: Any = None) -> float:  # type: ignore[override]
        """`update_state`, then `result`."""
        self.update_state(values, sample_weight)
        return self.result()

    def _describe(self, loss: Loss, outputs: int, weighted: bool) -> Description:
        if self.is_own:
            return super()._describe(loss, outputs, weighted)
        raise TypeError(
            f"metrics: found {type(self).__name__}, which has no targets: it is used by itself"
        )


class Mean(Sum):
    """The (weighted) mean of values, for a custom loop; `compile` does not take it.

    Parameters as for `Sum`; by default its name is ``"mean"``.

    Examples
    --------
    >>> import densecore as dc
    >>> metric = dc.metrics.Mean()
    >>> metric.update_state([1.0, 3.0], sample_weight=[1.0, 0.0])
    >>> metric.result()
    1.0
    """

    def result(self) -> float:
        """The mean since the last `reset_state`; 0 when there were no values."""
        return self._sum / self._weight if self._weight else 0.0

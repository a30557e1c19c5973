"""Functions of whole batches that Python computes, as the core calls them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._autodiff.derive import ConstantError, derive
from .._base.dtypes import Array
from .lowering import Plan, Row


class WholeFunction:
    """The pair of functions that the core calls with a batch, for one layer of kind "function".

    Parameters
    ----------
    compute : callable
        The arrays of the inputs, and the number of rows → an array.
    rows : list of tuple of int
        The shapes of the inputs' rows; the core puts them side by side.
    fixed : list of bool
        Of which inputs all rows are the same: weights. The function gets one of them.
    output : tuple of int
        The shape of an output's row.
    use : str
        "rows": the function's result has the rows of the batch. "repeated": it has none, and every
        row gets it. "once": likewise, and the first row alone gets it, the others zeros.
    """

    def __init__(
        self,
        compute: Callable[[list[Any], int], Any],
        rows: Sequence[Row],
        fixed: Sequence[bool],
        output: Row,
        use: str,
    ) -> None:
        self._compute, self._rows, self._fixed = compute, list(rows), list(fixed)
        self._output, self._use = output, use
        self._ends = np.cumsum([math.prod(row) for row in rows])[:-1].tolist()

    def function(self, x: Array) -> Array:
        """The outputs (rows, elements) for inputs side by side."""
        with np.errstate(all="ignore"):
            found = np.asarray(self._of(x))
        return np.asarray(self._placed(found, len(x)), x.dtype)

    def derivative(self, x: Array, gradient: Array) -> Array:
        """∂C/∂x from the gradient by the outputs."""
        try:
            value, back = derive(self._of, x.astype(np.float64))
        except ConstantError:  # a step, such as numpy.sign or x > 0
            return np.zeros(x.shape)
        seed = gradient.astype(np.float64)
        if self._use == "repeated":
            seed = seed.sum(axis=0)
        elif self._use == "once":
            seed = seed[0]
        return back(seed.reshape(value.shape))

    def takes_rows_alone(self) -> bool:
        """Whether each row's output follows from that row: tried with some random rows."""
        if self._use != "rows":
            return False
        random = np.random.default_rng(0)
        sizes = [math.prod(row) for row in self._rows]
        x = random.normal(size=(3, sum(sizes)))
        x[:, np.repeat(self._fixed, sizes)] = random.normal(size=sum(sizes))[
            np.repeat(self._fixed, sizes)
        ]
        try:
            alone = [self.function(x[[number]]) for number in range(len(x))]
            return np.allclose(self.function(x), np.concatenate(alone), 1e-9, equal_nan=True)
        except Exception:  # whatever a user's function raises
            return False

    def _of(self, x: Any) -> Any:
        count = len(x)
        starts = [0, *self._ends]
        parts = []
        for first, row, fixed in zip(starts, self._rows, self._fixed, strict=True):
            part = x[:, first : first + math.prod(row)]
            parts.append(part[0].reshape(row) if fixed else part.reshape((count, *row)))
        return self._compute(parts, count)

    def _placed(self, found: Array, count: int) -> Array:
        if self._use == "rows":
            if found.shape[:1] != (count,) or found.size != count * math.prod(self._output):
                raise ValueError(
                    f"found shape {found.shape} computed for {count} rows, wanted "
                    f"{(count, *self._output)}"
                )
            return found.reshape(count, -1)
        if self._use == "repeated":
            return np.broadcast_to(found.reshape(1, -1), (count, found.size))
        placed = np.zeros((count, found.size))
        placed[:1] = found.reshape(1, -1)
        return placed


def penalise(plan: Plan, penalty: Callable[[Any], Any]) -> None:
    """Add a function of the present outputs to the loss, divided by the number of rows."""
    here = plan.here
    plan.close()

    def compute(parts: list[Any], rows: int) -> Any:
        return penalty(parts[0]) / max(rows, 1)

    number = plan.add({"kind": "function", "units": 1}, 1)
    plan.functions[number] = WholeFunction(compute, [here.row], [False], (1,), "once")
    plan.close()
    plan.add_loss(plan.here, 1.0, True)
    plan.go_to(here)

"""Categorical: the head of a policy with discrete actions."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._base import core
from .._base.dtypes import Array
from .base import Distribution, checked_seed, parameters, real_array


class Categorical(Distribution[Array]):
    """A class for each row, with probabilities softmax(logits).

    Gradients are arrays (rows, classes): by the logits.

    Parameters
    ----------
    logits : array_like (rows, classes), optional
        By name: the first argument of PyTorch's class is probabilities. Minus infinity stands for
        a class that cannot be, such as a move that the rules forbid; its gradient is 0.

    Raises
    ------
    ValueError
        NaN, plus infinity, a row in which no class can be, or another shape.
    TypeError
        An argument without its name, or something that is not real numbers.

    Examples
    --------
    >>> import densecore as dc
    >>> pi = dc.distributions.Categorical(logits=[[0.0, 0.0, 0.0, 0.0]])
    >>> pi.entropy().round(3)
    array([1.386])
    """

    def __init__(self, *given: Any, logits: ArrayLike | None = None) -> None:
        if given or logits is None:
            raise TypeError(
                "Categorical: found an argument without a name, wanted logits=...: what a linear "
                "layer puts out, not probabilities"
                if given
                else "Categorical: found no logits, wanted logits=..."
            )
        found = parameters("logits", logits)
        if found.ndim != 2 or found.shape[1] == 0:
            raise ValueError(f"logits: found shape {found.shape}, wanted (rows, classes)")
        self._dtype = found.dtype
        self.shape = found.shape
        self._core = core.Categorical(found)

    @property
    def probs(self) -> Array:
        """The probabilities (rows, classes)."""
        found: Array = self._core.probabilities()[0]
        return found

    @property
    def logits(self) -> Array:
        """The logarithms of the probabilities (rows, classes), as PyTorch's: normalised."""
        found: Array = self._core.probabilities()[1]
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_core": self._core.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._core = core.Categorical.from_state(*state["_core"])

    def sample(self, seed: int | None = None) -> Array:
        """A class for each row, (rows,) int64, which follow from the seed.

        Parameters
        ----------
        seed : int, optional
            By default a new one.
        """
        found: Array = self._core.sample(checked_seed(seed))
        return found

    def sample_and_log_prob(self, seed: int | None = None) -> tuple[Array, Array]:
        """Classes (rows,) and their log_prob (rows,); `seed` as for `sample`."""
        action = self.sample(seed)
        return action, self.log_prob(action)

    def _actions(self, action: Any) -> Array:
        return as_classes("action", action, self.shape[0])

    def _gradient(self, found: Any) -> Array:
        result: Array = found
        return result


def as_classes(name: str, given: Any, rows: int) -> Array:
    """Class numbers (rows,) as the core takes them.

    Raises
    ------
    TypeError
        They are not integers.
    ValueError
        Another shape.
    """
    found = real_array(name, given)
    if found.dtype == np.int64 and found.shape == (rows,) and found.flags.c_contiguous:
        return found
    if found.shape == (rows, 1):
        found = found.reshape(rows)
    if found.shape != (rows,):
        raise ValueError(f"{name}: found shape {found.shape}, wanted {(rows,)}")
    if found.dtype.kind not in "iu":
        whole = found.dtype.kind == "f" and np.array_equal(found, np.trunc(found))
        if not whole:
            raise TypeError(f"{name}: found dtype {found.dtype}, wanted class numbers (integers)")
    return np.ascontiguousarray(found, np.int64)

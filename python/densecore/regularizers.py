"""Regularizers with Keras's names: penalties on weights that are added to the loss."""

from typing import Any

import numpy as np

from ._base.lookup import unknown


class Regularizer:
    """l1 · Σ|w| + l2 · Σw².

    Parameters
    ----------
    l1, l2 : float
        Finite, >= 0.

    Raises
    ------
    TypeError
        Something that is not a number.
    ValueError
        It is not finite, or < 0.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        for name, value in (("l1", l1), ("l2", l2)):
            if not isinstance(value, int | float | np.number) or isinstance(value, bool):
                raise TypeError(f"{name}: found {value!r}, wanted a number")
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: found {value}, wanted a finite number >= 0")
        self.l1, self.l2 = float(l1), float(l2)

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if "__call__" in vars(cls):
            raise TypeError(
                f"class {cls.__name__}: found a method __call__, which the core does not call; "
                "wanted L1, L2 or L1L2"
            )

    def __call__(self, weights: Any) -> float:
        """The penalty of an array."""
        array = np.asarray(weights, np.float64)
        return float(self.l1 * np.abs(array).sum() + self.l2 * np.square(array).sum())

    def get_config(self) -> dict[str, Any]:
        """What `get` needs to make an equal one; JSON-able."""
        return {"l1": self.l1, "l2": self.l2}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regularizer) and (self.l1, self.l2) == (other.l1, other.l2)

    def __hash__(self) -> int:
        return hash((self.l1, self.l2))

    def __repr__(self) -> str:
        return f"L1L2(l1={self.l1:g}, l2={self.l2:g})"


class L1(Regularizer):
    """l1 · Σ|w|."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(Regularizer):
    """l2 · Σw²."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


class L1L2(Regularizer):
    """l1 · Σ|w| + l2 · Σw²."""


def l1(l1: float = 0.01) -> Regularizer:
    """As `L1`."""
    return L1(l1)


def l2(l2: float = 0.01) -> Regularizer:
    """As `L2`."""
    return L2(l2)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> Regularizer:
    """Both, with 0.01 as default."""
    return L1L2(l1, l2)


_NAMES = {"l1": l1, "l2": l2, "l1_l2": l1_l2, "L1": l1, "L2": l2, "L1L2": l1_l2}


def get(regularizer: Any) -> Regularizer | None:
    """A regularizer from its name, its configuration, or itself; None stays None.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if regularizer is None or isinstance(regularizer, Regularizer):
        return regularizer
    if isinstance(regularizer, dict):
        return L1L2(**regularizer)
    if not isinstance(regularizer, str) or regularizer not in _NAMES:
        unknown("regularizer", regularizer, _NAMES)
    return _NAMES[regularizer]()


def factors(regularizer: Regularizer | None) -> list[float]:
    """(l1, l2) for the core."""
    return [0.0, 0.0] if regularizer is None else [regularizer.l1, regularizer.l2]

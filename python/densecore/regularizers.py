"""Regularizers with Keras's names: penalties on weights that are added to the loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._base import checks
from ._base.fixed import Fixed
from ._base.registry import Registry


class Regularizer(Fixed):
    """l1 · Σ|w| + l2 · Σw².

    Parameters
    ----------
    l1, l2 : float, default 0.0
        Finite, >= 0.

    Raises
    ------
    TypeError
        Something that is not a number.
    ValueError
        It is not finite, or < 0.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = checks.number("l1", l1, least=0)
        self.l2 = checks.number("l2", l2, least=0)

    def __call__(self, weights: Any) -> float:
        """The penalty of an array."""
        array = np.asarray(weights, np.float64)
        return float(self.l1 * np.abs(array).sum() + self.l2 * np.square(array).sum())

    def get_config(self) -> dict[str, Any]:
        """What `from_config` and `get` need to make an equal one; JSON-able."""
        return {"l1": self.l1, "l2": self.l2}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Regularizer":
        """The regularizer that `get_config` describes, or the configuration of one of Keras."""
        return L1L2(**config)

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


REGULARIZERS = Registry("regularizer", Regularizer)
for _maker, *_aliases in ((l1, "L1"), (l2, "L2"), (l1_l2, "L1L2")):
    REGULARIZERS.add(_maker.__name__, _maker, *_aliases)

names = REGULARIZERS.names
serialize = REGULARIZERS.serialize


def get(regularizer: Any, custom_objects: Mapping[str, Any] | None = None) -> Regularizer | None:
    """A regularizer from its name, its class, its configuration, a function, or itself; None stays
    None.

    Parameters
    ----------
    regularizer : str, type, dict, callable, Regularizer or None
        A function, or an object of a class with ``__call__``, must be l1 · Σ|w| + l2 · Σw²: which
        one is found out by calls with numbers.
    custom_objects : dict, optional
        Further classes by name; they come first.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    TypeError
        A function of another kind.
    """
    if regularizer is None:
        return None
    if isinstance(regularizer, type) and "__call__" in vars(regularizer):
        regularizer = regularizer()
    own = callable(regularizer) and not isinstance(regularizer, type)
    if own and type(regularizer).__call__ is not Regularizer.__call__:
        return _recognised(regularizer)
    return deserialize(regularizer, custom_objects)


def _recognised(function: Any) -> Regularizer:
    """The regularizer that a function of one's own is, found out by calls with numbers.

    Raises
    ------
    TypeError
        It is no sum over the elements of l1 · |w| + l2 · w²: the core has no other.
    """
    name = str(getattr(function, "__name__", type(function).__name__))
    refusal = TypeError(
        f"regularizer: found {name}, which is another function than l1 · Σ|w| + l2 · Σw², wanted "
        "such a one, L1, L2 or L1L2; a loss of one's own may hold any penalty of the outputs"
    )
    generator = np.random.default_rng(0)
    shapes = [(3, 4), (2, 5), (4, 3), (4, 4)]
    arrays = [generator.normal(size=shape) for shape in shapes]
    try:
        found = np.array([float(function(array)) for array in arrays])
    except (TypeError, ValueError, AttributeError) as error:
        raise refusal from error
    terms = np.array([[np.abs(array).sum(), np.square(array).sum()] for array in arrays])
    both, *_ = np.linalg.lstsq(terms, found, rcond=None)
    if not np.allclose(terms @ both, found, rtol=1e-5, atol=1e-12):
        raise refusal
    size = np.abs(both).max()
    l1, l2 = (0.0 if abs(factor) < 1e-6 * size else float(f"{factor:.7g}") for factor in both)
    return L1L2(l1, l2)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Regularizer:
    """The regularizer that a configuration describes: ``{"l1": ..., "l2": ...}``, or Keras's.

    Parameters
    ----------
    config : dict
        Or what else `get` takes, but for None.
    custom_objects : dict, optional
        Further classes by name; they come first.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(config, Mapping) and not {"name", "class_name"} & config.keys():
        return L1L2(**config)
    return REGULARIZERS.get(config, custom_objects)


def factors(regularizer: Regularizer | None) -> list[float]:
    """(l1, l2) for the core."""
    return [0.0, 0.0] if regularizer is None else [regularizer.l1, regularizer.l2]

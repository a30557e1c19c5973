"""Constraints with Keras's names: functions that change weights after each update.

A step of a model with constraints goes through Python, and costs some 20 µs more.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ._base import checks
from ._base.dtypes import Array
from ._base.registry import Registry, get_registered_name, get_registered_object


class Constraint:
    """Base class: a function of an array of weights; a custom class defines ``__call__``.

    Attributes
    ----------
    kind : str
        The name in a configuration.
    """

    kind: str = ""

    def __call__(self, w: Array) -> Any:
        """The nearest weights that are allowed.

        Parameters
        ----------
        w : ndarray
            Of a dense layer: the kernel (inputs, units), or the bias (units,).
        """
        raise NotImplementedError(f"{type(self).__name__}: wanted a method __call__(w)")

    def get_config(self) -> dict[str, Any]:
        """The configuration from which `from_config` and `get` make an equal one; JSON-able."""
        return {"name": self.kind or get_registered_name(type(self)), **self._options()}

    def _options(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Constraint":
        """The constraint that `get_config` describes.

        Parameters
        ----------
        config : dict
        """
        return cls(**{key: value for key, value in config.items() if key != "name"})

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self._options().items())
        return f"{type(self).__name__}({options})"


def _axis(axis: Any) -> int | tuple[int, ...]:
    if isinstance(axis, list | tuple):
        return tuple(checks.integer("axis", one, -8, 8) for one in axis)
    return checks.integer("axis", axis, -8, 8)


def _lengths(w: Array, axis: Any) -> Array:
    lengths: Array = np.sqrt(np.square(w).sum(axis=axis, keepdims=True))
    return lengths


class MaxNorm(Constraint):
    """The weights that go into each unit have at most a given Euclidean length.

    Srebro, Rennie & Jaakkola, *Maximum-margin matrix factorization*, 2005.

    Parameters
    ----------
    max_value : float, default 2
        >= 0.
    axis : int or tuple of int, default 0
        What is summed over: of a kernel (inputs, units) the inputs.
    """

    kind = "max_norm"

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value = checks.number("MaxNorm: max_value", max_value, least=0)
        self.axis = _axis(axis)

    def __call__(self, w: Array) -> Array:
        """w, shorter where it is too long."""
        lengths = _lengths(w, self.axis)
        return np.asarray(w * (np.clip(lengths, 0, self.max_value) / (1e-7 + lengths)))


class NonNeg(Constraint):
    """No weight is negative."""

    kind = "non_neg"

    def __call__(self, w: Array) -> Array:
        """max(w, 0)."""
        return np.maximum(w, 0)


class UnitNorm(Constraint):
    """The weights that go into each unit have the Euclidean length 1.

    Parameters
    ----------
    axis : int or tuple of int, default 0
    """

    kind = "unit_norm"

    def __init__(self, axis: Any = 0) -> None:
        self.axis = _axis(axis)

    def __call__(self, w: Array) -> Array:
        """w over its length."""
        return np.asarray(w / (1e-7 + _lengths(w, self.axis)))


class MinMaxNorm(Constraint):
    """The weights that go into each unit have a Euclidean length between two bounds.

    Parameters
    ----------
    min_value, max_value : float, default 0 and 1
    rate : float, default 1
        How much of the way to the bounds a step goes, in [0, 1].
    axis : int or tuple of int, default 0
    """

    kind = "min_max_norm"

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value = checks.number("MinMaxNorm: min_value", min_value, least=0)
        self.max_value = checks.number("MinMaxNorm: max_value", max_value, least=0)
        self.rate = checks.number("MinMaxNorm: rate", rate, least=0, most=1)
        self.axis = _axis(axis)

    def __call__(self, w: Array) -> Array:
        """w, shorter or longer."""
        lengths = _lengths(w, self.axis)
        wanted = np.clip(lengths, self.min_value, self.max_value)
        wanted = self.rate * wanted + (1 - self.rate) * lengths
        return np.asarray(w * (wanted / (1e-7 + lengths)))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
maxnorm = MaxNorm  # Keras 1's and 2's names
nonneg, unitnorm = NonNeg, UnitNorm

CONSTRAINTS = Registry("constraint", Constraint)
CONSTRAINTS.collect(globals(), lambda cls: cls.kind)
names = CONSTRAINTS.names
serialize = CONSTRAINTS.serialize
deserialize = CONSTRAINTS.deserialize


def get(
    constraint: Any, custom_objects: Mapping[str, Any] | None = None
) -> Constraint | Callable[[Array], Any] | None:
    """A constraint from its name, its class, its configuration, a function, or itself.

    Parameters
    ----------
    constraint : str, type, dict, callable, Constraint or None
        None stays None.
    custom_objects : dict, optional
        Further classes by name; they come first.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if constraint is None or (callable(constraint) and not isinstance(constraint, type)):
        return constraint
    if isinstance(constraint, Mapping) and "function" in constraint:
        name = constraint["function"]
        found = (custom_objects or {}).get(name) or get_registered_object(name)
        if found is None:
            raise ValueError(
                f"constraint: found the function {name!r}, which is not known here, wanted "
                "custom_objects with it"
            )
        return found  # type: ignore[no-any-return]
    return CONSTRAINTS.get(constraint, custom_objects)

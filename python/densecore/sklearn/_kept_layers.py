"""Parameters that a network's layers follow from: one that goes on keeps those of its first fit."""

from typing import Any

from ._build import hidden_functions, rates_of
from ._parameters import Parameters

_NAMES = ("activation", "dropout", "batch_normalization", "layer_normalization", "scale_inputs")
# They are compared as they are, which costs a `partial_fit` less.
_PLAIN = {str, float, int, bool}

Made = tuple[tuple[Any, ...] | None, list[Any]]


def _given(estimator: Parameters) -> tuple[Any, ...]:
    return (
        estimator.activation,
        estimator.dropout,
        estimator.batch_normalization,
        estimator.layer_normalization,
        estimator.scale_inputs,
    )


def _settings(estimator: Parameters, hidden: int) -> list[Any]:
    """The parameters in a form in which equal ones are equal."""
    functions = hidden_functions(estimator.activation, hidden)
    rates = rates_of(estimator.dropout, hidden)
    return [[repr(each) for each in functions], rates, *map(bool, _given(estimator)[2:])]


def made_with(estimator: Parameters, hidden: int) -> Made:
    """What a network of so many hidden layers is made with: `check` compares it."""
    given = _given(estimator)
    return given if {*map(type, given)} <= _PLAIN else None, _settings(estimator, hidden)


def check(estimator: Parameters, hidden: int) -> None:
    """Raise ValueError for parameters that the present network was not made with."""
    given, made = _given(estimator), estimator.__dict__.get("_made_with")
    # Of `from_sklearn` and older files it is unknown.
    if made is None or ({*map(type, given)} <= _PLAIN and given == made[0]):
        return
    for name, found, before in zip(_NAMES, _settings(estimator, hidden), made[1], strict=True):
        if found != before:
            raise ValueError(
                f"warm_start, partial_fit: {name}: found {getattr(estimator, name)!r}, wanted what "
                f"the first fit had ({before}): a network keeps its layers"
            )

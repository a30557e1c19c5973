"""How an answer is read out of the outputs for one row: what is known beforehand is bound."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import Array

# Makes, from the outputs (1, units) of a row, the function that reads the answer out of them.
MakeReader = Callable[[Array], Callable[[], Any]]


def classes(known: list[Any], binary: bool) -> MakeReader:
    """The most probable class."""
    first, last = known[0], known[-1]

    def of_two(out: Array) -> Callable[[], Any]:
        probability = out.item
        return lambda: last if probability() > 0.5 else first

    def of_many(out: Array) -> Callable[[], Any]:
        largest = out.argmax
        return lambda: known[largest()]

    return of_two if binary else of_many


def probabilities_of_two(out: Array) -> Callable[[], Array]:
    """Those of both classes, from that of the second."""

    def read() -> Array:
        probability = out[0, 0]
        return np.array((1 - probability, probability), out.dtype)

    return read


def scaled(scale: float, mean: float) -> MakeReader:
    """A number in the units of the targets."""

    def reader(out: Array) -> Callable[[], float]:
        number: Callable[[], float] = out.item
        return lambda: number() * scale + mean

    return reader

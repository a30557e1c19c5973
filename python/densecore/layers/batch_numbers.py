"""Numbers for a whole batch, made of symbols: `add_loss` adds them to the loss."""

from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .symbols import CallError, Symbol


class Term(NamedTuple):
    """A factor times the sum of a symbol's elements.

    Attributes
    ----------
    symbol : Symbol
    factor : float
    whole : bool
        False: the mean over the rows, not their sum.
    """

    symbol: Symbol
    factor: float
    whole: bool


class BatchNumber(NDArrayOperatorsMixin):
    """One number for all rows: sums and means of symbols over everything, added and scaled.

    The core adds it to the loss as such sums, so that it is a sum of them with factors, and nothing
    else can be made of it.

    Attributes
    ----------
    terms : list of Term
    constant : float
    """

    shape = ()
    ndim = 0

    def __init__(self, terms: list[Term], constant: float = 0.0) -> None:
        self.terms, self.constant = terms, constant

    def scaled(self, factor: float) -> "BatchNumber":
        """The number times a factor."""
        terms = [term._replace(factor=term.factor * factor) for term in self.terms]
        return BatchNumber(terms, self.constant * factor)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        one, two = (*inputs, None)[:2]  # loss += x makes another number
        if ufunc is np.negative:
            return self.scaled(-1.0)
        others = [part for part in inputs if not (isinstance(part, BatchNumber) or _is_plain(part))]
        if ufunc in (np.add, np.subtract) and two is not None and not others:
            a, b = _as_number(one), _as_number(two)
            b = b if ufunc is np.add else b.scaled(-1.0)
            return BatchNumber([*a.terms, *b.terms], a.constant + b.constant)
        if ufunc is np.multiply and _is_plain(one):
            return self.scaled(float(one))
        if ufunc in (np.multiply, np.divide) and _is_plain(two):
            return self.scaled(float(two) if ufunc is np.multiply else 1 / float(two))
        return Symbol.operators["computed"](ufunc, inputs, {})

    def __array_function__(self, function: Any, types: Any, given: Any, named: Any) -> Any:
        if function in (np.mean, np.sum) and len(given) == 1:
            return self
        if function is np.shape:
            return ()
        if function is np.ndim:
            return 0
        return Symbol.operators["computed"](function, given, named)

    def __array__(self, *arguments: Any, **named: Any) -> NoReturn:
        _refuse("an array")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return "<BatchNumber>"


def _is_plain(thing: Any) -> bool:
    return not isinstance(thing, BatchNumber | Symbol | None) and np.ndim(thing) == 0


def _as_number(thing: Any) -> BatchNumber:
    if isinstance(thing, BatchNumber):
        return thing
    if _is_plain(thing):
        return BatchNumber([], float(thing))
    return _refuse(f"a sum with {type(thing).__name__}")


def _refuse(what: str) -> NoReturn:
    raise CallError(
        f"found {what} of a number of the whole batch, wanted sums of means and sums over all "
        "rows, times constants, as arguments of add_loss"
    )


def added(losses: tuple[Any, ...]) -> BatchNumber:
    """The number that a call of `add_loss` adds.

    Raises
    ------
    CallError
        Something else than numbers of the batch and symbols, which are summed.
    """
    found = BatchNumber([])
    for loss in losses:
        for part in loss if isinstance(loss, list | tuple) else [loss]:
            if callable(part) and not isinstance(part, BatchNumber | Symbol):
                part = part()
            if isinstance(part, Symbol):
                part = Symbol.operators["added"](part)
            found = found + _as_number(part)
    return found


def total(symbol: Symbol) -> BatchNumber:
    """The sum of all elements of all rows."""
    return BatchNumber([Term(symbol, 1.0, True)])


def mean(symbol: Symbol) -> BatchNumber:
    """The mean of all elements of all rows."""
    return BatchNumber([Term(symbol, 1 / max(int(np.prod(symbol.row)), 1), False)])

"""Functions that the core does not know, applied to symbols: Python computes them.

Such a symbol remembers the function and its arguments. Functions of it are others such symbols, so
that a chain of them is one call of Python for a batch; a layer that takes one makes it a layer.
The shapes are those of results for a few made-up rows, once for three of them and once for five.
"""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .batch_numbers import BatchNumber, Term
from .lowering import Row
from .row_function import RowFunction
from .symbols import CallError, Node, Symbol, WhenTrained, node_of
from .weight import DESCRIBED, Weight, Zeros

_COUNTS = (3, 5)


class _Rows:
    """Among arguments: the number of rows, which a symbol's shape has None for."""


_ROWS = _Rows()


class Computed(Symbol):
    """A function of symbols and weights, with its arguments.

    Parameters
    ----------
    function : callable
    arguments, named
        Symbols and weights among them, also within lists, tuples and dictionaries.
    samples : tuple of ndarray
        The results for three and for five made-up rows.
    """

    _in_python = True

    def __init__(
        self, function: Callable[..., Any], arguments: Any, named: Any, samples: Any
    ) -> None:
        self._function, self._arguments, self._named = function, arguments, named
        self._samples = samples
        self._made: Node | None = None
        self._place = 0
        self._leaves = _leaves_of((arguments, named))
        self._fixed = [_is_fixed(leaf) for leaf in self._leaves]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """None where it is the number of rows."""
        return tuple(
            few if few == more else None
            for few, more in zip(*(sample.shape for sample in self._samples), strict=True)
        )

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return int(self._samples[0].ndim)

    @property
    def dtype(self) -> str:
        """The dtype of its numbers."""
        kind = self._samples[0].dtype
        return super().dtype if kind.kind == "f" else str(kind)

    @property
    def row(self) -> Row:
        """The shape of a row.

        Raises
        ------
        CallError
            It has the number of rows in other places than the first.
        """
        first, *sizes = (*self.shape, 0)[:-1] or (1,)
        others = [size for size in sizes if size is not None]
        if len(others) < len(sizes):
            raise CallError(
                f"found {_name(self._function)} of symbols with the result {self.shape}, wanted "
                "the rows first, for a layer: (None, ...)"
            )
        if first is None or first == 1:
            return tuple(others)
        return (first, *others)

    @property
    def _node(self) -> "Node | None":  # type: ignore[override]
        if self._made is None:
            use = "rows" if self.shape[:1] == (None,) else "repeated"
            self._made = self._as_node(use, self.row)
            self._made.outputs = [self]
        return self._made

    def once(self) -> Symbol:
        """Rows of which the first has this number, and the others 0."""
        if self.shape[:1] == (None,):
            return self
        return self._as_node("once", (self._samples[0].size,)).outputs[0]

    def _as_node(self, use: str, row: Row) -> Node:
        symbols = [leaf.symbol() if isinstance(leaf, Weight) else leaf for leaf in self._leaves]
        if not symbols:
            raise CallError(f"found {_name(self._function)}, which no input leads to")
        layer = RowFunction(self._compute, self._fixed, row, use, _name(self._function))
        return node_of(layer, symbols)

    def _compute(self, parts: list[Any], count: int) -> Any:
        shaped = [
            np.reshape(part, leaf.shape) if isinstance(leaf, Weight) else part
            for leaf, part in zip(self._leaves, parts, strict=True)
        ]
        known = dict(zip(map(id, self._leaves), shaped, strict=True))
        return self._value({**known, id(_ROWS): count})

    def _value(self, known: dict[int, Any]) -> Any:
        if id(self) not in known:
            arguments = _filled(self._arguments, known)
            named = _filled(self._named, known)
            known[id(self)] = self._function(*arguments, **named)
        return known[id(self)]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        options.pop("out", None)
        if ufunc is np.matmul and isinstance(inputs[-1], Weight) and self.shape[0] is None:
            return super().__array_ufunc__(ufunc, method, *inputs)
        return computed(ufunc if method == "__call__" else getattr(ufunc, method), inputs, options)

    def __array_function__(self, function: Any, types: Any, given: Any, named: Any) -> Any:
        if function is np.shape:
            return self.shape
        if function is np.ndim:
            return self.ndim
        return computed(function, given, named)

    def __getitem__(self, index: Any) -> Any:
        return computed(operator.getitem, (self, index), {})

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        count = self.shape[0] if self.ndim else None
        if count is None:
            return super().__iter__()
        return (self[place] for place in range(count))

    def _activated(self, activation: Any) -> Any:
        layer = self.operators["activation"](activation)
        return layer(self)

    def __repr__(self) -> str:
        return f"<Symbol shape={self.shape}, {_name(self._function)}>"


def computed(function: Callable[..., Any], given: Any, named: Any) -> Any:
    """A function of symbols that the core does not know, as one or several `Computed`.

    Raises
    ------
    TypeError, ValueError
        The function's own, of made-up numbers.
    """
    given, named = _known(tuple(given)), _known(dict(named))
    samples = []
    for count in _COUNTS:
        known: dict[int, Any] = {
            id(leaf): _sample(leaf, count) for leaf in _leaves_of((given, named))
        }
        known[id(_ROWS)] = count
        _with_samples((given, named), known, _COUNTS.index(count))
        with np.errstate(all="ignore"):
            samples.append(function(*_filled(given, known), **_filled(named, known)))
    if isinstance(samples[0], list | tuple):
        kind = type(samples[0])

        def part(place: int) -> Computed:
            def taken(*arguments: Any, **others: Any) -> Any:
                return function(*arguments, **others)[place]

            taken.__name__ = _name(function)
            found = tuple(np.asarray(sample[place]) for sample in samples)
            return Computed(taken, given, named, found)

        parts = [part(place) for place in range(len(samples[0]))]
        return parts if kind is list else tuple(parts)
    return Computed(function, given, named, tuple(map(np.asarray, samples)))


def _leaves_of(thing: Any) -> list[Any]:
    """The symbols and weights that something is computed of, each once."""
    found: dict[int, Any] = {}
    pending = [thing]
    while pending:
        one = pending.pop()
        if isinstance(one, Computed):
            for leaf in one._leaves:
                found[id(leaf)] = leaf
        elif isinstance(one, Symbol | Weight):
            found[id(one)] = one
        elif isinstance(one, list | tuple):
            pending += one
        elif isinstance(one, dict):
            pending += one.values()
    return list(found.values())


def _filled(thing: Any, known: dict[int, Any]) -> Any:
    """The same with numbers in place of symbols and weights."""
    if isinstance(thing, Computed):
        return thing._value(known)
    if isinstance(thing, Symbol | Weight | _Rows):
        return known[id(thing)]
    if isinstance(thing, list | tuple):
        return type(thing)(_filled(part, known) for part in thing)
    if isinstance(thing, dict):
        return {key: _filled(part, known) for key, part in thing.items()}
    return thing


def _with_samples(thing: Any, known: dict[int, Any], place: int) -> None:
    if isinstance(thing, Computed):
        known[id(thing)] = thing._samples[place]
    elif isinstance(thing, list | tuple):
        for part in thing:
            _with_samples(part, known, place)
    elif isinstance(thing, dict):
        _with_samples(list(thing.values()), known, place)


def _known(thing: Any) -> Any:
    """The same arguments, with numbers of the batch replaced by the symbols that they are computed
    from, and with `_ROWS` for the number of rows in a shape."""
    if isinstance(thing, BatchNumber):
        return _of_number(thing)
    if isinstance(thing, WhenTrained):
        raise CallError(
            "training: found it in a function of symbols, wanted it handed on to layers"
        )
    if isinstance(thing, list | tuple):
        sizes = any(part is None for part in thing) and all(
            part is None or isinstance(part, int) for part in thing
        )
        return type(thing)(_ROWS if sizes and part is None else _known(part) for part in thing)
    if isinstance(thing, dict):
        return {key: _known(part) for key, part in thing.items()}
    return thing


def _of_number(number: BatchNumber) -> Any:
    terms = number.terms

    def total(*arrays: Any) -> Any:
        found: Any = number.constant
        for term, array in zip(terms, arrays, strict=True):
            share = term.factor if term.whole else term.factor / len(array)
            found = found + share * np.sum(array)
        return found

    return computed(total, [term.symbol for term in terms], {})


def _sample(leaf: Any, count: int) -> Array:
    shape = leaf.shape if isinstance(leaf, Weight) else leaf.row
    whole = shape if _is_fixed(leaf) else (count, *shape)
    return np.random.default_rng(0).uniform(0.1, 0.9, whole)


def _is_fixed(leaf: Any) -> bool:
    """Whether all rows are the same: it is computed of weights alone."""
    if isinstance(leaf, Weight):
        return True
    if not DESCRIBED.anchors:
        return False
    pending, met = [leaf], set()
    while pending:
        symbol = pending.pop()
        if id(symbol) in met:
            continue
        met.add(id(symbol))
        node = symbol._node
        if node is None:
            return False
        if not isinstance(node.layer, Zeros):
            pending += node.inputs
    return True


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _added(symbol: Symbol) -> BatchNumber:
    """The loss that `add_loss` makes of a symbol: the sum over its elements."""
    part = symbol.once() if isinstance(symbol, Computed) else symbol
    return BatchNumber([Term(part, 1.0, True)])


Symbol.operators.update(computed=computed, added=_added, fixed=_is_fixed)

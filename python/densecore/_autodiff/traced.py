"""An array that records how it was computed, and the backward pass through that record.

NumPy hands its functions over to `Traced` by its protocols: a loss is written with NumPy's
functions, with those of ``densecore.ops``, or with operators, and knows nothing of derivatives.
`ufuncs` and `functions` have the rules.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .._base.dtypes import Array

# The gradient by an input, from that by the result.
Pullback = Callable[[Array], Array]


class Traced(NDArrayOperatorsMixin):
    """An array that knows which operation and arrays it was computed from.

    Parameters
    ----------
    value : ndarray
    sources : list of (Traced, callable), optional
        What it was computed from, each with the backward function to it.
    """

    #: ufunc → rule, and function → what stands in for it; filled by the modules with the rules.
    ufuncs: ClassVar[dict[Any, Callable[..., Any]]] = {}
    functions: ClassVar[dict[Any, Callable[..., Any]]] = {}

    def __init__(self, value: Any, sources: "Sequence[tuple[Any, Pullback]] | None" = None) -> None:
        self.value: Array = np.asarray(value)
        self.sources: list[tuple[Traced, Pullback]] = list(sources or ())

    # NumPy's protocols ----------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        if method == "reduce" and ufunc is np.add:
            options.setdefault("axis", 0)
            return np.sum(*inputs, **options)
        rule = self.ufuncs.get(ufunc)
        in_place = out is not None and len(out) == 1 and isinstance(out[0], Traced)
        if rule is None or method != "__call__" or options or (out is not None and not in_place):
            return _refuse(
                f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
            )
        return rule(*inputs)

    def __array_function__(self, function: Any, types: Any, given: Any, named: Any) -> Any:
        rule = self.functions.get(function)
        if rule is None:
            return _refuse(f"{function.__module__}.{function.__name__}")
        return rule(*given, **named)

    def __array__(self, *arguments: Any, **named: Any) -> NoReturn:
        raise TypeError(
            "found an array that a derivative is wanted of, where numbers alone can be used: its "
            "gradient would be lost; wanted functions of NumPy, of densecore.ops or of "
            "densecore.backend (ops.stop_gradient(x) takes the numbers)"
        )

    def __float__(self) -> NoReturn:
        self.__array__()

    def __bool__(self) -> bool:
        return bool(self.value)

    # What arrays have -----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """As of the array."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """As of the array."""
        return self.value.size

    @property
    def dtype(self) -> Any:
        """As of the array."""
        return self.value.dtype

    @property
    def T(self) -> Any:
        """The transposed array."""
        return _transposed(self)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: Any) -> "Traced":
        which = plain(index)

        parts = which if isinstance(which, tuple) else (which,)
        once = all(part is None or part is ... or isinstance(part, int | slice) for part in parts)

        def back(gradient: Array) -> Array:
            whole = np.zeros_like(self.value)
            if once:  # no element is taken twice
                whole[which] = gradient
            else:
                np.add.at(whole, which, gradient)
            return whole

        return Traced(self.value[which], [(self, back)])

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            "found an assignment to a part of an array that a derivative is wanted of, wanted "
            "numpy.where(condition, value, array)"
        )

    def astype(self, dtype: Any, **options: Any) -> Any:
        """The same numbers; of another type than floating point without a derivative."""
        return self if np.dtype(dtype).kind == "f" else self.value.astype(dtype)

    def __getattr__(self, name: str) -> Any:
        """NumPy's methods, such as ``x.mean(axis=1)``, are its functions."""
        function: Any = getattr(np, name, None)
        if name.startswith("_") or function not in self.functions:
            raise AttributeError(
                f"found .{name} of an array that a derivative is wanted of, wanted one of: "
                + ", ".join(sorted(known.__name__ for known in self.functions))
            )

        def method(*arguments: Any, **named: Any) -> Any:
            if name in ("reshape", "transpose") and len(arguments) > 1:
                arguments = (arguments,)
            return function(self, *arguments, **named)

        return method

    def __repr__(self) -> str:
        return f"Traced({self.value!r})"


def _refuse(name: str) -> NoReturn:
    raise TypeError(
        f"found {name}, whose derivative densecore does not know; wanted other functions of NumPy "
        "or densecore.ops, or a loss (y_true, y_pred) -> (loss, gradient)"
    )


def _transposed(thing: Any) -> Any:
    return np.transpose(thing)


def plain(value: Any) -> Any:
    """The numbers of an array, or of a structure of arrays, without their history."""
    if isinstance(value, Traced):
        return value.value
    if isinstance(value, tuple):
        return tuple(plain(part) for part in value)
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value


def reduced(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient by an array that was broadcast: summed over the axes of the repetition."""
    if gradient.shape == shape:
        return gradient
    lead = gradient.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + axis
        for axis, size in enumerate(shape)
        if size == 1 and gradient.shape[lead + axis] != 1
    )
    found: Array = gradient.sum(axis=axes, keepdims=True)
    return found.reshape(shape)


def gradient(result: Traced, by: Traced, seed: Array) -> Array:
    """The gradient by an array of the sum of `result` times `seed`.

    Parameters
    ----------
    result, by : Traced
    seed : ndarray of the result's shape
    """
    order: list[Traced] = []
    done: set[int] = set()
    pending = [(result, False)]
    while pending:
        thing, left = pending.pop()
        if left:
            order.append(thing)
        elif id(thing) not in done:
            done.add(id(thing))
            pending.append((thing, True))
            pending += [(source, False) for source, _ in thing.sources]
    gradients: dict[int, Array] = {id(result): seed}
    for thing in reversed(order):
        own = gradients.get(id(thing))
        if own is None:
            continue
        for source, back in thing.sources:
            part = back(own)
            before = gradients.get(id(source))
            gradients[id(source)] = part if before is None else before + part
    found = gradients.get(id(by))
    return np.zeros_like(by.value) if found is None else np.asarray(found)

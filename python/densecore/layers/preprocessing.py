"""Categories and numbers as a table has them, on their way to a model: arrays in, arrays out.

These layers are called with arrays, before a model; or they stand on the inputs of a functional
model, which then takes what they take, text included, and computes them before the core sees
numbers. What they learn is no weight. `get_config` holds it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array, floatx
from .._base.lookup import unknown
from .._data.interop import refuse_masked
from .base import Layer
from .lowering import Plan, Row
from .symbols import are_symbols, connect

_MODES = ("int", "one_hot", "multi_hot", "count")


class Preprocessing(Layer):
    """Base class of the layers that see arrays before the core does.

    Raises
    ------
    TypeError
        In a model: another layer than one of these stands before it, or it is a stack.
    """

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """The numbers for an array, at once; or, for a symbol, that of the numbers."""
        if are_symbols(inputs):
            return connect(self, inputs)
        return self.compute(np.asarray(inputs))

    def compute(self, values: Array) -> Array:
        """The numbers for an array."""
        raise NotImplementedError

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take what is to be learnt from data."""
        raise NotImplementedError

    def _output_row(self, row: Row | None) -> Row | None:
        mode = getattr(self, "output_mode", "int")
        if row is None or mode == "int":
            return row
        if mode == "one_hot":
            return (*(row[:-1] if row[-1:] == (1,) else row), self._size())
        return (*row[:-1], self._size())

    def _size(self) -> int:
        """The number of columns of rows that are no numbers of categories."""
        raise NotImplementedError

    def _plan(self, plan: Plan) -> None:
        raise TypeError(
            f"{type(self).__name__}: found it on what a layer computes, or in a stack, wanted it "
            "on an input of Model(inputs, outputs), or a call with an array before the model"
        )


def mode_of(kind: str, given: Any, known: Sequence[str] = _MODES) -> str:
    """A known `output_mode`; ValueError for another one."""
    if given not in known:
        unknown(f"output_mode of {kind}", given, known)
    return str(given)


def encoded(numbers: Array, size: int, mode: str) -> Array:
    """Numbers of categories as they are, or as rows with a column for each category."""
    if mode == "int":
        return numbers
    if mode == "one_hot":
        if numbers.ndim > 1 and numbers.shape[-1] == 1:
            numbers = numbers[..., 0]
        found: Array = (numbers[..., None] == np.arange(size)).astype(floatx())
        return found
    rows = numbers.reshape(-1, numbers.shape[-1]) if numbers.ndim > 1 else numbers.reshape(1, -1)
    counts = np.zeros((len(rows), size), floatx())
    places = np.repeat(np.arange(len(rows)), rows.shape[1])
    np.add.at(counts, (places, rows.reshape(-1)), 1)
    counts = counts if mode == "count" else np.minimum(counts, 1)
    return counts.reshape(*numbers.shape[:-1], size)


class CategoryEncoding(Preprocessing):
    """Numbers of categories as rows with a column for each.

    Parameters
    ----------
    num_tokens : int, optional
        The number of categories.
    output_mode : {"multi_hot", "one_hot", "count"}, default "multi_hot"
        "one_hot": a row for each number. The others: a row for all numbers along the last axis,
        with a 1 for each that occurs, or how often it does.

    Raises
    ------
    ValueError
        A number that is not whole, < 0 or >= num_tokens.
    """

    config_names: ClassVar[tuple[str, ...]] = ("num_tokens", "output_mode")

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", **general: Any
    ) -> None:
        super().__init__(**general)
        self.num_tokens = checks.width("CategoryEncoding: num_tokens", num_tokens)
        self.output_mode = mode_of("CategoryEncoding", output_mode, _MODES[1:])

    def _size(self) -> int:
        return self.num_tokens

    def compute(self, values: Array) -> Array:
        """Rows (..., num_tokens)."""
        numbers = np.asarray(values, np.float64)
        bad = (numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= self.num_tokens)
        if bad.any():
            raise ValueError(
                f"CategoryEncoding: found {numbers[bad].flat[0]:g}, wanted whole numbers from 0 to "
                f"{self.num_tokens - 1}"
            )
        return encoded(numbers.astype(np.int64), self.num_tokens, self.output_mode)


class Discretization(Preprocessing):
    """Numbers as the numbers of the intervals that they are in.

    Parameters
    ----------
    bin_boundaries : list of float, optional
        In increasing order; the intervals are closed on the left.
    num_bins : int, optional
        Instead: `adapt` takes as many quantiles.
    epsilon
        Keras's; quantiles are exact here.
    output_mode : {"int", "one_hot", "multi_hot", "count"}, default "int"
    """

    config_names: ClassVar[tuple[str, ...]] = ("bin_boundaries", "num_bins", "output_mode")

    def __init__(
        self,
        bin_boundaries: Iterable[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        **general: Any,
    ) -> None:
        super().__init__(**general)
        if (bin_boundaries is None) == (num_bins is None):
            found = "neither" if num_bins is None else "both"
            raise ValueError(f"Discretization: found {found}, wanted bin_boundaries or num_bins")
        self.epsilon = checks.number("Discretization: epsilon", epsilon)
        self.num_bins = checks.optional("Discretization: num_bins", num_bins, 2)
        self.output_mode = mode_of("Discretization", output_mode)
        self._boundaries: list[float] | None = None
        if bin_boundaries is not None:
            name = "Discretization: bin_boundaries"
            values = checks.listed(name, bin_boundaries)
            self._boundaries = [checks.number(name, value) for value in values]
            if sorted(set(self._boundaries)) != self._boundaries:
                raise ValueError("Discretization: bin_boundaries: wanted them in increasing order")

    @property
    def bin_boundaries(self) -> list[float] | None:
        """Where an interval ends and the next one begins."""
        return self._boundaries

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if config["bin_boundaries"] is not None:
            config["num_bins"] = None
        return config

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take the boundaries from the quantiles of numbers, all at once.

        `batch_size` and `steps` are Keras's, without effect.
        """
        if self.num_bins is None:
            raise ValueError("Discretization: adapt: found bin_boundaries, wanted num_bins")
        refuse_masked("Discretization: adapt", data)
        values = np.asarray(data, np.float64).reshape(-1)
        if not values.size or not np.isfinite(values).all():
            raise ValueError("Discretization: adapt: wanted finite numbers, at least one")
        shares = np.linspace(0, 1, self.num_bins + 1)[1:-1]
        self._boundaries = np.unique(np.quantile(values, shares)).tolist()

    def _size(self) -> int:
        if self._boundaries is None:
            raise RuntimeError("Discretization: wanted a call of adapt first")
        return len(self._boundaries) + 1

    def compute(self, values: Array) -> Array:
        """The numbers of the intervals, from 0."""
        if self._boundaries is None:
            raise RuntimeError("Discretization: wanted a call of adapt first")
        numbers = np.searchsorted(self._boundaries, np.asarray(values, np.float64), side="right")
        return encoded(np.asarray(numbers), len(self._boundaries) + 1, self.output_mode)


class Hashing(Preprocessing):
    """Anything as a number below `num_bins`, which follows from its text; not Keras's numbers.

    Parameters
    ----------
    num_bins : int
    mask_value : optional
        What becomes 0, and nothing else then.
    salt : int, optional
        Another one gives other numbers.
    output_mode : {"int", "one_hot", "multi_hot", "count"}, default "int"
    """

    config_names: ClassVar[tuple[str, ...]] = ("num_bins", "mask_value", "salt", "output_mode")

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: int | None = None,
        output_mode: str = "int",
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.num_bins = checks.width("Hashing: num_bins", num_bins)
        self.mask_value = mask_value
        self.salt = salt
        self.output_mode = mode_of("Hashing", output_mode)

    def _size(self) -> int:
        return self.num_bins

    def compute(self, values: Array) -> Array:
        """The numbers, of the shape of the values."""
        first = 0 if self.mask_value is None else 1

        def number(value: Any) -> int:
            if self.mask_value is not None and value == self.mask_value:
                return 0
            text = f"{self.salt}:{value}".encode()
            digest = hashlib.blake2b(text, digest_size=8).digest()
            return first + int.from_bytes(digest, "little") % (self.num_bins - first)

        known = {value: number(value) for value in set(values.reshape(-1).tolist())}
        numbers = np.array([known[value] for value in values.reshape(-1).tolist()], np.int64)
        return encoded(numbers.reshape(values.shape), self.num_bins, self.output_mode)

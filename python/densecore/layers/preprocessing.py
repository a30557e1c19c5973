"""Categories and numbers as a table has them, on their way to a model: arrays in, arrays out.

These layers are called with arrays, before a model; or they stand on the inputs of a functional
model, which then takes what they take, text included, and computes them before the core sees
numbers. What they learn is no weight. `get_config` holds it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array, floatx
from .._base.lookup import unknown
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


def _mode(kind: str, given: Any, known: Sequence[str] = _MODES) -> str:
    if given not in known:
        unknown(f"output_mode of {kind}", given, known)
    return str(given)


def _encoded(numbers: Array, size: int, mode: str) -> Array:
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
        self.output_mode = _mode("CategoryEncoding", output_mode, _MODES[1:])

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
        return _encoded(numbers.astype(np.int64), self.num_tokens, self.output_mode)


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
        self.output_mode = _mode("Discretization", output_mode)
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
        """Take the boundaries from the quantiles of numbers."""
        if self.num_bins is None:
            raise ValueError("Discretization: adapt: found bin_boundaries, wanted num_bins")
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
        return _encoded(np.asarray(numbers), len(self._boundaries) + 1, self.output_mode)


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
        self.output_mode = _mode("Hashing", output_mode)

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
        return _encoded(numbers.reshape(values.shape), self.num_bins, self.output_mode)


class _Lookup(Preprocessing):
    """What both look-ups have in common."""

    config_names: ClassVar[tuple[str, ...]] = (
        "max_tokens", "num_oov_indices", "mask_token", "oov_token", "vocabulary", "invert",
        "output_mode",
    )  # fmt: skip

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Iterable[Any] | None,
        invert: bool,
        output_mode: str,
        general: dict[str, Any],
    ) -> None:
        super().__init__(**general)
        kind = type(self).__name__
        self.max_tokens = checks.optional(f"{kind}: max_tokens", max_tokens)
        self.num_oov_indices = checks.integer(f"{kind}: num_oov_indices", num_oov_indices, 0)
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert = checks.flag(f"{kind}: invert", invert)
        self.output_mode = _mode(kind, output_mode)
        self._tokens: list[Any] | None = None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)

    def _token(self, value: Any) -> Any:
        return value

    @property
    def vocabulary(self) -> list[Any] | None:
        """The tokens that are known, without the special ones; None before `adapt`."""
        return self._tokens

    def set_vocabulary(self, vocabulary: Iterable[Any], idf_weights: None = None) -> None:
        """Take tokens in their order; the special ones may stand first.

        Raises
        ------
        ValueError
            A token occurs twice.
        """
        given = checks.listed(f"{type(self).__name__}: vocabulary", vocabulary)
        tokens = [self._token(token) for token in np.asarray(given).tolist()]
        special = (self.mask_token, self.oov_token)
        while tokens and tokens[0] in special and tokens[0] is not None:
            tokens = tokens[1:]
        if len(set(tokens)) < len(tokens):
            raise ValueError(f"{type(self).__name__}: vocabulary: found a token twice")
        self._tokens = tokens

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take the tokens of data: the more frequent first, of equal ones the larger one."""
        values = np.asarray(data).reshape(-1).tolist()
        counts = Counter(self._token(value) for value in values)
        for special in (self.mask_token, self.oov_token):
            counts.pop(special, None)
        tokens = sorted(counts, key=lambda token: (counts[token], token), reverse=True)
        if self.max_tokens is not None:
            tokens = tokens[: max(self.max_tokens - self._first, 0)]
        self._tokens = tokens

    @property
    def _first(self) -> int:
        """The number of the first token."""
        return self.num_oov_indices + (self.mask_token is not None)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their numbers."""
        mask = [] if self.mask_token is None else [self.mask_token]
        special = [*mask, *[self.oov_token] * self.num_oov_indices]
        return [*(special if include_special_tokens else ()), *self._known()]

    def vocabulary_size(self) -> int:
        """The number of tokens, with the special ones."""
        return self._first + len(self._known())

    def _known(self) -> list[Any]:
        if self._tokens is None:
            raise RuntimeError(f"{type(self).__name__}: wanted a vocabulary, or adapt first")
        return self._tokens

    def _size(self) -> int:
        return self.vocabulary_size()

    def compute(self, values: Array) -> Array:
        """The numbers of tokens, or, inverted, the tokens of numbers."""
        if self.invert:
            names = self.get_vocabulary()
            found = [
                names[number] if 0 <= number < len(names) else self.oov_token
                for number in values.reshape(-1).tolist()
            ]
            return np.array(found).reshape(values.shape)
        known = {token: self._first + place for place, token in enumerate(self._known())}
        if self.mask_token is not None:
            known[self.mask_token] = 0
        numbers = [self._number(self._token(v), known) for v in values.reshape(-1).tolist()]
        whole = np.array(numbers, np.int64).reshape(values.shape)
        return _encoded(whole, self.vocabulary_size(), self.output_mode)

    def _number(self, token: Any, known: dict[Any, int]) -> int:
        if token in known:
            return known[token]
        if self.num_oov_indices == 0:
            raise ValueError(
                f"{type(self).__name__}: found {token!r}, which is not in the vocabulary, wanted "
                "num_oov_indices >= 1 for such"
            )
        begin = int(self.mask_token is not None)
        if self.num_oov_indices == 1:
            return begin
        digest = hashlib.blake2b(str(token).encode(), digest_size=8).digest()
        return begin + int.from_bytes(digest, "little") % self.num_oov_indices


class StringLookup(_Lookup):
    """Strings as numbers: those of a vocabulary, and 0 for all others.

    Parameters
    ----------
    max_tokens : int, optional
        The most numbers that there are, with the special ones.
    num_oov_indices : int, default 1
        How many numbers strings that are not known have.
    mask_token : str, optional
        A string with a number of its own, 0.
    oov_token : str, default "[UNK]"
        What unknown numbers become with `invert`.
    vocabulary : list of str, optional
        Otherwise that of `adapt`.
    invert : bool, default False
        Numbers to strings instead.
    output_mode : {"int", "one_hot", "multi_hot", "count"}, default "int"
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Iterable[str] | None = None,
        invert: bool = False,
        output_mode: str = "int",
        **general: Any,
    ) -> None:
        own = (max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, invert, output_mode)
        super().__init__(*own, general)

    def _token(self, value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else str(value)


class IntegerLookup(_Lookup):
    """Integers as numbers from 0: those of a vocabulary, and 0 for all others.

    Parameters as for `StringLookup`; `oov_token` is -1.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Iterable[int] | None = None,
        invert: bool = False,
        output_mode: str = "int",
        **general: Any,
    ) -> None:
        oov_token = checks.integer("IntegerLookup: oov_token", oov_token, -(2**62))
        own = (max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, invert, output_mode)
        super().__init__(*own, general)

    def _token(self, value: Any) -> Any:
        try:
            number = int(value)
        except (ValueError, TypeError, OverflowError):
            number = None
        if number is None or (isinstance(value, float | np.floating) and number != value):
            raise ValueError(f"found {checks.shown(value)}, wanted integers")
        return number

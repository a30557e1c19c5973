"""Strings and integers as the numbers that a vocabulary gives them."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .preprocessing import Preprocessing, encoded, mode_of


class _Lookup(Preprocessing):
    """The base class of both look-ups."""

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
        self.output_mode = mode_of(kind, output_mode)
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
        return encoded(whole, self.vocabulary_size(), self.output_mode)

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

    Parameters
    ----------
    max_tokens, num_oov_indices, mask_token, vocabulary, invert, output_mode, **general
        As for `StringLookup`.
    oov_token : int, default -1
        What `invert` gives for the number of unknown integers.
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

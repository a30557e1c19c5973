"""Texts as numbers: words of a vocabulary in their order, or a column for each."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array, floatx
from .._base.lookup import unknown
from .lookups import StringLookup
from .lowering import Row
from .preprocessing import Preprocessing

_PUNCTUATION = re.compile(r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']")
_STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLITS = ("whitespace", "character")
_MODES = ("int", "multi_hot", "count", "tf_idf")


class TextVectorization(Preprocessing):
    """Texts as rows of numbers, by the words that `adapt` has seen.

    Parameters
    ----------
    max_tokens : int, optional
        The most numbers that there are, with those of unknown words and of no word.
    standardize : str or callable, default "lower_and_strip_punctuation"
        The first change of a text: this, "lower" or "strip_punctuation"; a callable gets an array
        of strings.
        None: nothing.
    split : {"whitespace", "character"} or callable, default "whitespace"
        Into what a text is cut; a callable gets a string. None: it is one token.
    ngrams : int or list of int, optional
        Neighbouring words are tokens, too, up to so many, or so many at once.
    output_mode : {"int", "multi_hot", "count", "tf_idf"}, default "int"
        "int": the words' numbers in their order, 0 behind the last one, 1 for an unknown one. The
        others: a column for each word, the first for unknown ones: whether, or how often it occurs,
        or that times log(1 + texts / (1 + texts with it)).
    output_sequence_length : int, optional
        How many numbers of "int"; by default as many as the longest text has. Needed in a model.
    vocabulary : list of str, optional
        Otherwise that of `adapt`.
    idf_weights : array_like, optional
        Of the vocabulary, for "tf_idf".
    pad_to_max_tokens, encoding, sparse, ragged
        Keras's; without effect.

    Raises
    ------
    ValueError, TypeError
        An unknown option.
    """

    config_names: ClassVar[tuple[str, ...]] = (
        "max_tokens", "standardize", "split", "ngrams", "output_mode", "output_sequence_length",
        "vocabulary", "idf_weights",
    )  # fmt: skip

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[..., Any] | None = "lower_and_strip_punctuation",
        split: str | Callable[..., Any] | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Iterable[str] | None = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.max_tokens = checks.optional("TextVectorization: max_tokens", max_tokens)
        if not callable(standardize) and standardize not in (None, *_STANDARDS):
            unknown("standardize of TextVectorization", standardize, _STANDARDS)
        if not callable(split) and split not in (None, *_SPLITS):
            unknown("split of TextVectorization", split, _SPLITS)
        if output_mode not in _MODES:
            unknown("output_mode of TextVectorization", output_mode, _MODES)
        self.standardize, self.split, self.output_mode = standardize, split, output_mode
        self.ngrams = None if ngrams is None else _sizes(ngrams)
        self.output_sequence_length = checks.optional(
            "TextVectorization: output_sequence_length", output_sequence_length
        )
        mask = "" if output_mode == "int" else None
        self._lookup = StringLookup(self.max_tokens, mask_token=mask)
        self._idf: Array | None = None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    @property
    def vocabulary(self) -> list[str] | None:
        """The words, without the special ones; None before `adapt`."""
        return self._lookup.vocabulary

    @property
    def idf_weights(self) -> list[float] | None:
        """The inverse document frequencies of the words, for "tf_idf"; else None."""
        return None if self._idf is None else self._idf.tolist()

    def set_vocabulary(self, vocabulary: Iterable[str], idf_weights: Any = None) -> None:
        """Take words in their order; the special ones may stand first.

        Parameters
        ----------
        vocabulary : iterable of str
        idf_weights : sequence of float, optional
            The inverse document frequency of each word, which "tf_idf" needs.

        Raises
        ------
        ValueError
            A word occurs twice, or there are other numbers of weights.
        """
        given = checks.elements("vocabulary", vocabulary, "a list of words")
        self._lookup.set_vocabulary(given)
        if self.output_mode == "tf_idf":
            count = len(self._lookup.vocabulary or ())
            weights = np.asarray(idf_weights, np.float64)
            if weights.ndim != 1 or len(weights) < count:
                raise ValueError(
                    f"TextVectorization: idf_weights: found {checks.shown(idf_weights)}, wanted "
                    f"{count} numbers"
                )
            self._idf = weights[len(weights) - count :]

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their numbers, with or without the special ones.

        `include_special_tokens` is true by default.
        """
        return list(self._lookup.get_vocabulary(include_special_tokens))

    def vocabulary_size(self) -> int:
        """The number of words, with the special ones."""
        return self._lookup.vocabulary_size()

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take the words of texts: the more frequent first, of equal ones the larger one.

        `batch_size` and `steps` are Keras's, without effect.
        """
        texts = self._texts(data)
        tokens = [self._tokens(text) for text in texts]
        self._lookup.adapt([token for of_text in tokens for token in of_text] or [""])
        if self.output_mode == "tf_idf":
            among = {word: place for place, word in enumerate(self._lookup.vocabulary or ())}
            seen = np.zeros(len(among))
            for of_text in tokens:
                seen[[among[word] for word in set(of_text) if word in among]] += 1
            self._idf = np.log(1 + len(texts) / (1 + seen))

    def compute(self, values: Array) -> Array:
        """The numbers of texts.

        Parameters
        ----------
        values : ndarray of strings (rows,) or (rows, 1)
        """
        single = values.ndim == 0
        found = self._rows([self._tokens(text) for text in self._texts(values.reshape(-1))])
        return found[0] if single else found

    def _rows(self, tokens: list[list[str]]) -> Array:
        self._lookup._known()
        numbers = [self._lookup.compute(np.array(row, object)) for row in tokens]
        if self.output_mode == "int":
            longest = max(map(len, numbers), default=0)
            length = self.output_sequence_length or longest
            whole = np.zeros((len(numbers), length), np.int64)
            for row, found in zip(whole, numbers, strict=True):
                row[: min(len(found), length)] = found[:length]
            return whole
        counts = np.zeros((len(numbers), self.vocabulary_size()), floatx())
        for row, found in zip(counts, numbers, strict=True):
            np.add.at(row, found, 1)
        if self.output_mode == "tf_idf":
            assert self._idf is not None
            unknown_word = self._idf.mean() if len(self._idf) else 1.0  # as Keras
            return np.asarray(counts * np.array([unknown_word, *self._idf]), counts.dtype)
        return np.minimum(counts, 1) if self.output_mode == "multi_hot" else counts

    def _texts(self, data: Any) -> list[str]:
        array = np.asarray(data if isinstance(data, np.ndarray) else list(data)).reshape(-1)
        texts = [t.decode() if isinstance(t, bytes) else str(t) for t in array.tolist()]
        if callable(self.standardize):
            return [str(text) for text in np.asarray(self.standardize(np.array(texts))).tolist()]
        how = self.standardize or ""
        if "lower" in how:
            texts = [text.lower() for text in texts]
        if "strip" in how:
            texts = [_PUNCTUATION.sub("", text) for text in texts]
        return texts

    def _tokens(self, text: str) -> list[str]:
        if callable(self.split):
            words = [str(word) for word in self.split(text)]
        elif self.split is None:
            words = [text]
        else:
            words = list(text) if self.split == "character" else text.split()
        if self.ngrams is None:
            return words
        return [
            " ".join(words[first : first + size])
            for size in self.ngrams
            for first in range(len(words) - size + 1)
        ]

    def _output_row(self, row: Row | None) -> Row | None:
        if self.output_mode != "int":
            return (self.vocabulary_size(),)
        if self.output_sequence_length is None:
            raise ValueError(
                "TextVectorization: output_sequence_length: found None in a model, wanted how many "
                "numbers a row has"
            )
        return (self.output_sequence_length,)


def _sizes(ngrams: Any) -> list[int]:
    name = "TextVectorization: ngrams"
    if isinstance(ngrams, list | tuple):
        return [checks.integer(name, size, 1) for size in ngrams]
    return list(range(1, checks.integer(name, ngrams, 1) + 1))

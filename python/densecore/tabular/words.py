"""Keys of the texts of categories and classes, and words for true and false."""

import re
from collections.abc import Collection

TRUE_WORDS = {"true", "t", "yes", "y", "on", "ja", "wahr", "oui", "vrai", "si", "sí", "sì", "sim",
              "tak", "да"}  # fmt: skip
FALSE_WORDS = {"false", "f", "no", "n", "off", "nein", "falsch", "non", "faux", "não", "nee", "nej",
               "nei", "nie", "нет"}  # fmt: skip
BOOLEAN_WORDS = TRUE_WORDS | FALSE_WORDS

_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+\Z")


def category_key(text: str) -> str:
    """The key of a category or a class: its text, but 2.0 is 2.

    pandas writes whole numbers with a point when one of them is missing. ``007`` and ``1E3`` are
    other texts than ``7`` and ``1000``.
    """
    found = _WHOLE.match(text)
    return found.group(1) if found else text


def boolean(text: str) -> float | None:
    """1 for a word that says true, 0 for one that says false, else None."""
    word = text.lower()
    return 1.0 if word in TRUE_WORDS else 0.0 if word in FALSE_WORDS else None


def spelled_alike(rows: dict[str, int]) -> dict[str, str]:
    """Texts that are other spellings of one that more rows have: text → that one.

    They differ by capital letters only, and are words: of three letters or more, or those of
    booleans. ``a`` and ``A``, ``Co`` and ``CO`` stay apart.
    """
    words = {key.casefold() for key in rows} <= BOOLEAN_WORDS
    commonest: dict[str, str] = {}
    found: dict[str, str] = {}
    for key in sorted(rows, key=lambda key: (-rows[key], key)):
        if words or sum(letter.isalpha() for letter in key) >= 3:
            first = commonest.setdefault(key.casefold(), key)
            if first != key:
                found[key] = first
    return found


def booleans_and_digits(texts: Collection[str]) -> bool:
    """Whether texts are words of booleans, and 0 or 1 besides."""
    folded = {category_key(text).casefold() for text in texts}
    return (
        bool(folded & {"0", "1"})
        and bool(folded & BOOLEAN_WORDS)
        and (folded <= BOOLEAN_WORDS | {"0", "1"})
    )

"""Names of models and columns as identifiers of C."""

import re
from collections.abc import Collection

# Keywords of C, and of C++, which compiles headers too.
_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int
long register restrict return short signed sizeof static struct switch typedef union unsigned void
volatile while alignas alignof and asm bool catch class compl concept constexpr decltype delete
explicit export false friend mutable namespace new noexcept not nullptr operator or private
protected public requires template this throw true try typeid typename using virtual xor
"""
_RESERVED = frozenset(_KEYWORDS.split())


def identifier(name: str, taken: Collection[str] = (), default: str = "model") -> str:
    """A name in lower case as a C identifier, with a number behind it if it is taken."""
    found = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or default
    if found[0].isdigit() or found in _RESERVED:
        found = f"{default}_{found}"
    made, number = found, 1
    while made in taken:
        number += 1
        made = f"{found}_{number}"
    return made

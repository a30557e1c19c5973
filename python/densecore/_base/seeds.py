"""Seeds that were not given: from the system, or from one number for a whole program."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_source: "random.Random | None" = None


def set_global(seed: int | None) -> None:
    """Later fresh seeds follow from this one and their number; with None, from the system."""
    import random  # most programs name no seed here

    global _source
    _source = None if seed is None else random.Random(seed)


def fresh() -> int:
    """A new seed, for a model that was given none."""
    return int.from_bytes(os.urandom(6)) if _source is None else _source.getrandbits(48)

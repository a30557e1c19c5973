"""Seeds of models that are given none: from the system, or from one number for a whole program."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_source: "random.Random | None" = None
_local = threading.local()  # a thread's own source, within `fixed`


def set_global(seed: int | None) -> None:
    """From now on fresh seeds follow from this one and their number; None: from the system."""
    import random  # most programs name no seed here

    global _source
    _source = None if seed is None else random.Random(seed)


def fresh() -> int:
    """A seed for a model that was given none."""
    source = getattr(_local, "source", _source)
    return int.from_bytes(os.urandom(6)) if source is None else source.getrandbits(48)


@contextmanager
def fixed(seed: int) -> Iterator[None]:
    """Within the block, fresh seeds of this thread follow from `seed`."""
    import random

    before = vars(_local).copy()
    _local.source = random.Random(seed)
    try:
        yield
    finally:
        vars(_local).clear()
        vars(_local).update(before)

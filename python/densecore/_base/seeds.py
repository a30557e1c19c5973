"""Seeds of models that are given none: from the system, or from one number for a whole program."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .lazy import imports

if TYPE_CHECKING:
    import random

_source: "random.Random | None" = None
_local = threading.local()  # a thread's own source, within `fixed`


def set_global(seed: int | None) -> None:
    """Draw later fresh seeds from a generator with this seed; with None, from the system."""
    with imports:
        import random  # here: most programs set no global seed

    global _source
    _source = None if seed is None else random.Random(seed)


def fresh() -> int:
    """A seed for a model that was given none."""
    source = getattr(_local, "source", _source)
    return int.from_bytes(os.urandom(6)) if source is None else source.getrandbits(48)


@contextmanager
def fixed(seed: int) -> Iterator[None]:
    """Within the block, fresh seeds of this thread follow from `seed`."""
    with imports:
        import random

    before = vars(_local).copy()
    _local.source = random.Random(seed)
    try:
        yield
    finally:
        vars(_local).clear()
        vars(_local).update(before)

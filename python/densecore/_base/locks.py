"""Locks that a fork waits for: no child process has one that another thread of its parent held."""

import os
import threading
from contextlib import AbstractContextManager


def _across_forks() -> AbstractContextManager[bool]:
    """A new lock, which its own thread may take again.

    All are made when densecore is imported: one that a thread made while another one forks would be
    given back after the fork without having been taken before it.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock


#: ``with imports: from . import module``, see `lazy`.
imports = _across_forks()

#: One thread at a time describes custom layers: two that call one layer for the first time
#: would both make its weights. A thread that has it may import; one that imports describes nothing.
describing = _across_forks()

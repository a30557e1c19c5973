"""Locks that a fork waits for: no child process has one that another thread of its parent held."""

import os
import threading
from contextlib import AbstractContextManager


def across_forks() -> AbstractContextManager[bool]:
    """A new lock, which its own thread may take again."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock

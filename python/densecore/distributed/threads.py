"""Threads as ranks: for tests, and to see what a distributed training does without an engine."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .._base import checks
from .._base.dtypes import Array
from .comm import tree_sum

R = TypeVar("R")


class _Shared:
    """The memory that the threads of a group share: a place for an array of each, where they meet.

    Not `threading.Barrier`, which cannot tell a rank that has returned from one that is late.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self.places: list[Any] = [None] * size
        self._size, self._timeout = size, timeout
        self._changed = threading.Condition()
        self._waiting = 0
        self._meetings = 0
        self._why = ""

    def meet(self) -> str:
        """Wait for the other threads; why they will not come, or nothing."""
        with self._changed:
            if self._why:
                return self._why
            number = self._meetings
            self._waiting += 1
            if self._waiting == self._size:
                self._waiting = 0
                self._meetings += 1
                self._changed.notify_all()
                return ""
            self._changed.wait_for(
                lambda: self._meetings != number or bool(self._why), self._timeout
            )
            if self._meetings != number:
                return ""
            why = self._why or f"the others have not come within {self._timeout:g} s"
        self.end(why)
        return why

    def end(self, why: str) -> None:
        """There will be no more meetings."""
        with self._changed:
            self._why = self._why or why
            self._changed.notify_all()


class Threads:
    """A thread as a rank; `run_threads` makes them."""

    def __init__(self, shared: _Shared, rank: int, size: int) -> None:
        self.rank = rank
        self.size = size
        self._shared = shared

    def _meet(self) -> None:
        why = self._shared.meet()
        if why:
            raise RuntimeError(
                f"rank {self.rank}: another rank has ended, or does not call what this one calls: "
                + why
            )

    def _all(self, buf: Array) -> list[Array]:
        self._shared.places[self.rank] = buf
        self._meet()
        found: list[Array] = list(self._shared.places)
        kinds = {(array.shape, array.dtype) for array in found}
        if len(kinds) > 1:
            self._shared.end(f"found arrays of {len(kinds)} kinds in one call")
            raise ValueError(f"ranks: found arrays of {len(kinds)} kinds in one call, wanted one")
        return found

    def allreduce_(self, buf: Array) -> None:
        """The sum, pairwise in a binary tree."""
        total = tree_sum(self._all(buf))
        self._meet()  # all have read
        buf[...] = total

    def bcast_(self, buf: Array, root: int = 0) -> None:
        """The array of rank `root`."""
        found = self._all(buf)[root].copy()
        self._meet()
        buf[...] = found

    def sendrecv_(self, send: Array, receive: Array, peer: int) -> None:
        """The array that rank `peer` sends at the same time."""
        found = self._all(send)[peer].copy()
        self._meet()
        receive[...] = found


def run_threads(size: int, work: Callable[[Threads], R], timeout: float = 60.0) -> list[R]:
    """Call ``work(comm)`` in `size` threads, which are the ranks of a group.

    Parameters
    ----------
    size : int
    work : callable
        Gets its rank's communicator. Every rank needs a model of its own.
    timeout : float, default 60.0
        Seconds that a rank waits for the others.

    Returns
    -------
    list
        What the ranks returned, in their order.

    Raises
    ------
    BaseException
        That of the first rank that raised one; the others end, too.

    Examples
    --------
    >>> import numpy as np
    >>> from densecore.distributed import run_threads
    >>> def total(comm):
    ...     numbers = np.array([comm.rank, 1.0])
    ...     comm.allreduce_(numbers)
    ...     return numbers.tolist()
    >>> run_threads(2, total)
    [[1.0, 2.0], [1.0, 2.0]]
    """
    size = checks.integer("size", size, 1)
    shared = _Shared(size, timeout)
    results: list[Any] = [None] * size
    errors: list[tuple[int, BaseException]] = []

    def run(rank: int) -> None:
        try:
            results[rank] = work(Threads(shared, rank, size))
            shared.end(f"rank {rank} has returned")
        except BaseException as error:
            errors.append((rank, error))
            shared.end(f"rank {rank} has raised {type(error).__name__}")

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0][1]
    return results

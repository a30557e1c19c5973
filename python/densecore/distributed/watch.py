"""No rank of MPI waits for ever for another one.

MPI's own calls wait as long as it takes. A thread looks now and then whether this rank has waited
too long: longer than a limit, for a rank that has ended its program, or for one that makes another
call. The program then ends, on all ranks, with a message: a call of MPI that waits cannot be given
up.

Sums of arrays and what ranks tell each other go through copies of the communicator, so that neither
takes the other's numbers for its own, nor those of the program's own calls: MPI need not notice.
Ranks that wait in different copies, at the same number of calls, would wait for ever.
"""

import atexit
import contextlib
import functools
import json
import os
import sys
import threading
import time
from typing import Any

from .._base import checks

#: The environment's limit, in seconds; 0: none.
VARIABLE = "DENSECORE_COMM_TIMEOUT"
#: As that of torch.distributed: a rank may read a large file first.
_USUAL = 1800.0
#: Seconds before a rank asks whether another one has ended.
_GRACE = 2.0
#: Seconds that a rank that ends waits for the one before it to end, too.
_PARTING = 1.0
_TAG = 32749  # of the message that a rank leaves when it ends
_WAITS = 32748  # of what a rank waits for, to rank 0


def limit() -> float:
    """The seconds that a rank waits for the others; 0: without end.

    Raises
    ------
    ValueError
        The environment has something else than a number >= 0.
    """
    given = os.environ.get(VARIABLE, "")
    try:
        seconds = float(given or _USUAL)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{VARIABLE}: found {checks.shown(given)}, wanted a number of seconds")
    return seconds


@functools.cache
def _key() -> int:
    """Under which a communicator has its watch, which is freed with it."""
    key: int = sys.modules["mpi4py.MPI"].Comm.Create_keyval(delete_fn=lambda _, __, it: it.free())
    return key


class Waits:
    """Whether a rank waits in a call on one copy of a communicator, and in the how many-eth."""

    __slots__ = ("count", "since")

    def __init__(self) -> None:
        #: When the call began that waits now; 0: there is none.
        self.since = 0.0
        self.count = 0


class Watch:
    """The calls on one communicator.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
    """

    def __init__(self, comm: Any) -> None:
        self.limit = limit()
        #: The call of densecore that this rank is in.
        self.call = "its first call"
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._mpi = sys.modules["mpi4py.MPI"]
        self._comm = comm
        self._threads = self._mpi.Query_thread() == self._mpi.THREAD_MULTIPLE
        world = self._mpi.COMM_WORLD
        ranks = world.group.Translate_ranks(range(world.Get_size()), comm.group)
        #: The numbers of its ranks among all processes.
        self._members = {i for i, rank in enumerate(ranks) if rank != self._mpi.UNDEFINED}
        self._ended = threading.Event()
        self._told = 0  # the number of the call that rank 0 has been told of
        self._sent: list[Any] = []
        self._heard: dict[int, tuple[int, int, str]] = {}
        self._copying = Waits()
        self._thread: threading.Thread | None = None
        #: The copies for arrays and for words, and what this rank waits for there.
        self.copies: list[tuple[Any, Waits]] = []
        atexit.register(self._leave, os.getpid())
        if self.size > 1:
            self._thread = threading.Thread(target=self._look, name="densecore-ranks", daemon=True)
            self._thread.start()
        self._copying.since = time.monotonic()
        copies = [(comm.Dup(), Waits()) for _ in range(2)]
        self._copying.since = 0.0
        self.copies = copies
        if comm not in (world, self._mpi.COMM_SELF):  # which are not freed before the end
            comm.Set_attr(_key(), self)

    def _look(self) -> None:
        often = min(0.5, self.limit / 4 or 0.5)
        while not self._ended.wait(often):
            waits = [self._copying, *(waits for _, waits in self.copies)]
            kind, here = next(((i, w) for i, w in enumerate(waits) if w.since), (0, self._copying))
            since = here.since
            waited = time.monotonic() - since if since else 0.0
            if self.limit and waited > self.limit:
                self._end(
                    f"has waited for the others for {waited:.0f} s in {self.call}: they do not "
                    f"call what this one calls, or are slow ({VARIABLE} sets the limit, in seconds)"
                )
            elif waited > _GRACE and (other := self._gone()) is not None and here.since == since:
                self._end(f"waits in {self.call} for rank {other}, which has ended its program")
            elif waited > _GRACE and self._threads and self.copies:
                self._compare(kind, sum(each.count for each in waits))

    def _compare(self, kind: int, count: int) -> None:
        """Tell rank 0 what this rank waits for; there, end when ranks wait for each other."""
        comm = self.copies[-1][0]
        if self.rank > 0:
            if self._told != count:
                self._told = count
                said = json.dumps([kind, count, self.call]).encode()
                self._sent = [said, comm.Isend([said, self._mpi.BYTE], 0, _WAITS)]
            return
        status = self._mpi.Status()
        while comm.Iprobe(self._mpi.ANY_SOURCE, _WAITS, status):
            got = bytearray(status.Get_count(self._mpi.BYTE))
            comm.Recv([got, self._mpi.BYTE], status.Get_source(), _WAITS)
            self._heard[status.Get_source()] = tuple(json.loads(got))
        other = {rank: call for rank, (their, at, call) in sorted(self._heard.items())
                 if at == count and their != kind}  # fmt: skip
        if other:
            rank, call = next(iter(other.items()))
            others = f", as {len(other) - 1} more do" if len(other) > 1 else ""
            self._end(f"waits in {self.call}, and rank {rank} in {call}{others}: wanted the same "
                      "calls in the same order on all ranks")  # fmt: skip

    def _gone(self) -> int | None:
        """The number of a rank that has ended its program and said so to this one."""
        if not self._threads:
            return None
        status = self._mpi.Status()
        for comm, is_world in ((self._comm, False), (self._mpi.COMM_WORLD, True)):
            with contextlib.suppress(self._mpi.Exception):
                if comm.Iprobe(self._mpi.ANY_SOURCE, _TAG, status):
                    source: int = status.Get_source()
                    if not is_world or source in self._members:
                        return source
        return None

    def _end(self, why: str) -> None:
        print(f"densecore: rank {self.rank} of {self.size} {why}", file=sys.stderr, flush=True)
        if self._threads:
            self._mpi.COMM_WORLD.Abort(1)
        os._exit(1)

    def free(self) -> None:
        """The program frees the communicator, on all ranks."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        atexit.unregister(self._leave)
        for copy, _ in self.copies:
            copy.Free()
        self.copies = []

    def _leave(self, process: int) -> None:
        """Before the program ends: the next rank is told, and need not wait for this one."""
        if os.getpid() != process:
            return
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if not self._mpi.Is_initialized() or self._mpi.Is_finalized():
            return
        with contextlib.suppress(self._mpi.Exception):
            for comm in (self._comm, self._mpi.COMM_WORLD):
                rank, size = comm.Get_rank(), comm.Get_size()
                if size > 1:
                    comm.Isend([bytearray(1), 0, self._mpi.BYTE], (rank + 1) % size, _TAG)
            self._take_messages()

    def _take_messages(self) -> None:
        """Receive the message of the rank before this one, which ends at about the same time.

        MPICH now and then kills a program that ends with a message that no rank has received,
        after all its work was done.
        """
        world = self._mpi.COMM_WORLD
        is_world = self._mpi.Comm.Compare(self._comm, world) == self._mpi.IDENT
        # Among all processes the rank before this one may have no watch, and send nothing.
        comms = [(world, 2)] if is_world else [(self._comm, 1), (world, 0)]
        end = time.monotonic() + _PARTING
        for comm, wanted in comms:
            received = 0
            while comm.Get_size() > 1:
                if comm.Iprobe(self._mpi.ANY_SOURCE, _TAG):
                    comm.Recv([bytearray(1), 0, self._mpi.BYTE], self._mpi.ANY_SOURCE, _TAG)
                    received += 1
                elif received >= wanted or time.monotonic() > end:
                    break
                else:
                    time.sleep(0.001)

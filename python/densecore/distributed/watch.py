"""No rank of MPI waits for ever for another one.

MPI's own calls wait as long as it takes. A thread looks now and then whether this rank has waited
too long: longer than a limit, or for a rank that has ended its program. The program then ends, on
all ranks, with a message: a call of MPI that waits cannot be given up.
"""

import atexit
import contextlib
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
_TAG = 32749  # of the message that a rank leaves when it ends


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


class Watch:
    """The calls of one communicator.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
    """

    def __init__(self, comm: Any) -> None:
        self.limit = limit()
        #: When the call began that waits now; 0: there is none.
        self.since = 0.0
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._mpi = sys.modules["mpi4py.MPI"]
        self._comm = comm
        self._threads = self._mpi.Query_thread() == self._mpi.THREAD_MULTIPLE
        world = self._mpi.COMM_WORLD
        ranks = world.group.Translate_ranks(range(world.Get_size()), comm.group)
        #: The numbers of its ranks among all processes.
        self._members = {i for i, rank in enumerate(ranks) if rank != self._mpi.UNDEFINED}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        atexit.register(self._leave, os.getpid())
        if self.size > 1:
            self._thread = threading.Thread(target=self._look, name="densecore-ranks", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        often = min(0.5, self.limit / 4 or 0.5)
        while not self._ended.wait(often):
            since = self.since
            waited = time.monotonic() - since if since else 0.0
            if self.limit and waited > self.limit:
                self._end(
                    f"has waited for the others for {waited:.0f} s: they do not call what this one "
                    f"calls, or are slow ({VARIABLE} sets the limit, in seconds)"
                )
            elif waited > _GRACE and (other := self._gone()) is not None and self.since == since:
                self._end(f"waits for rank {other}, which has ended its program")

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


_watches: dict[int, Watch] = {}


def watch(comm: Any) -> Watch:
    """That of a communicator; one for each."""
    handle = sys.modules["mpi4py.MPI"]._handleof(comm)
    found = _watches.get(handle)
    if found is None or found._comm != comm:
        found = _watches[handle] = Watch(comm)
    return found

"""The interface of a communicator, and those of MPI, PyTorch and threads in that form."""

import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .watch import Waits, Watch


@runtime_checkable
class Comm(Protocol):
    """A group of processes (ranks) that call the same functions in the same order.

    A class of your own with these four names will do. Arrays are contiguous, of float32 or float64,
    and of the same size on all ranks. An engine that can also exchange arrays between two ranks
    says so by a method ``sendrecv_(send, receive, peer)``: with it, sums have the same bits for
    every number of ranks that is a power of two, whatever order the engine's own reduction has.

    Attributes
    ----------
    rank : int
        This process's number, from 0.
    size : int
        The number of processes.
    """

    rank: int
    size: int

    def allreduce_(self, buf: Array) -> None:
        """Replace `buf` on every rank by the sum of all ranks' arrays."""

    def bcast_(self, buf: Array, root: int = 0) -> None:
        """Replace `buf` on every rank by that of rank `root`."""


def tree_sum(parts: list[Array]) -> Array:
    """The sum of arrays, pairwise in a binary tree: a new array."""
    parts = [parts[0].copy()] if len(parts) == 1 else list(parts)
    while len(parts) > 1:
        pairs = [a + b for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = pairs + parts[2 * len(pairs) :]
    return parts[0]


class Serial:
    """One process by itself."""

    rank = 0
    size = 1

    def allreduce_(self, buf: Array) -> None:
        """The sum of one array is that array."""

    def bcast_(self, buf: Array, root: int = 0) -> None:
        """Nothing: rank 0, the only `root`, has the array."""


class _Copy:
    """A copy of an intracommunicator of mpi4py: arrays are reduced where they lie."""

    def __init__(self, comm: Any, waits: Waits, watch: Watch) -> None:
        mpi = sys.modules["mpi4py.MPI"]
        self.rank, self.size = watch.rank, watch.size
        self.watch = watch
        self._waits = waits
        self._comm = comm
        self._cut = mpi.ERR_TRUNCATE
        #: Replaces an array by its sum over the ranks.
        self.allreduce_ = self._made_allreduce()

    def prepared(self, buf: Array) -> Any:
        """The array as MPI takes it, so that it is not looked at in every call."""
        mpi = sys.modules["mpi4py.MPI"]
        memory = mpi.memory if hasattr(mpi, "memory") else mpi.buffer
        kind = mpi.FLOAT if buf.dtype == np.float32 else mpi.DOUBLE
        return (memory.frombuffer(buf), buf.size, kind)

    def _made_allreduce(self) -> Callable[[Array], None]:
        """A function of what it needs alone: a method looks its object's attributes up, which takes
        a tenth of the time of the sum of a small gradient."""
        mpi = sys.modules["mpi4py.MPI"]
        waits, allreduce, in_place = self._waits, self._comm.Allreduce, mpi.IN_PLACE
        error, explain = mpi.Exception, self._explain

        # An error of MPI leaves `since` as it is: the others may wait for this rank.
        def allreduce_(buf: Array) -> None:
            waits.count += 1
            waits.since = monotonic()
            try:
                allreduce(in_place, buf)
            except error as found:
                explain(found)
            waits.since = 0.0

        return allreduce_

    def bcast_(self, buf: Array, root: int = 0) -> None:
        self._waits.count += 1
        self._waits.since = monotonic()
        self._comm.Bcast(buf, root)
        self._waits.since = 0.0

    def sendrecv_(self, send: Array, receive: Array, peer: int) -> None:
        self._waits.count += 1
        self._waits.since = monotonic()
        self._comm.Sendrecv(send, peer, 0, receive, peer, 0)
        self._waits.since = 0.0

    def _explain(self, error: Any) -> None:
        """MPI says "message truncated" where another rank has added up something else."""
        if error.Get_error_class() != self._cut:
            raise error
        raise ValueError(
            f"comm: rank {self.rank} got numbers of another call in {self.watch.call}, wanted the "
            "same calls in the same order on all ranks"
        ) from error


class _Mpi(_Copy):
    """An intracommunicator of mpi4py, by two copies of it: this one is for arrays.

    Attributes
    ----------
    talk : _Copy
        For what ranks tell each other besides.
    """

    def __init__(self, comm: Any) -> None:
        mpi = sys.modules["mpi4py.MPI"]
        if comm == mpi.COMM_NULL or comm.Is_inter():
            kind = "an intercommunicator" if comm != mpi.COMM_NULL else "MPI.COMM_NULL"
            raise ValueError(f"comm: found {kind}, wanted an intracommunicator of MPI")
        watch = Watch(comm)
        self.given = comm
        super().__init__(*watch.copies[0], watch)
        self.talk = _Copy(*watch.copies[1], watch)


_mpis: dict[int, _Mpi] = {}


def _mpi(comm: Any) -> _Mpi:
    """The engine of a communicator; one for each, so that its ranks count their calls alike."""
    handle = sys.modules["mpi4py.MPI"]._handleof(comm)
    found = _mpis.get(handle)
    if found is None or found.given != comm or not found.watch.copies:
        found = _mpis[handle] = _Mpi(comm)
    return found


class _LikeMpi:
    """An object with mpi4py's names that is none of its communicators: a wrapper, for instance."""

    def __init__(self, comm: Any) -> None:
        self.rank = checks.integer("comm.Get_rank()", comm.Get_rank(), 0)
        self.size = checks.integer("comm.Get_size()", comm.Get_size(), 1)
        self._comm = comm

    def allreduce_(self, buf: Array) -> None:
        self._comm.Allreduce(buf.copy(), buf)

    def bcast_(self, buf: Array, root: int = 0) -> None:
        self._comm.Bcast(buf, root=root)


class _Torch:
    """A process group of torch.distributed on the CPU (gloo); tensors share the arrays' memory."""

    def __init__(self, group: Any) -> None:
        torch = sys.modules["torch"]
        self._torch, self._dist = torch, torch.distributed
        if not self._dist.is_available() or not self._dist.is_initialized():
            raise ValueError(
                "comm: found torch.distributed that is not initialised, wanted "
                "torch.distributed.init_process_group('gloo') before"
            )
        self._group = None if group is self._dist else group
        backend = self._dist.get_backend(self._group)
        if "gloo" not in str(backend) and "mpi" not in str(backend):
            raise ValueError(f"comm: found the backend {backend}, wanted 'gloo', that of the CPU")
        self.rank: int = self._dist.get_rank(self._group)
        self.size: int = self._dist.get_world_size(self._group)
        if self.rank < 0:
            raise ValueError("comm: found a process group without this process, wanted one with it")
        self.key = group

    def _peer(self, rank: int) -> int:
        found: int = rank if self._group is None else self._dist.get_global_rank(self._group, rank)
        return found

    def allreduce_(self, buf: Array) -> None:
        self._dist.all_reduce(self._torch.from_numpy(buf), group=self._group)

    def bcast_(self, buf: Array, root: int = 0) -> None:
        self._dist.broadcast(self._torch.from_numpy(buf), self._peer(root), group=self._group)

    def sendrecv_(self, send: Array, receive: Array, peer: int) -> None:
        other = self._peer(peer)
        sent = self._dist.isend(self._torch.from_numpy(send), other, group=self._group)
        self._dist.recv(self._torch.from_numpy(receive), other, group=self._group)
        sent.wait()


def as_comm(comm: Any = None) -> Comm:
    """A communicator as training takes it.

    Parameters
    ----------
    comm : mpi4py communicator, torch ProcessGroup, or Comm, optional
        By default one process by itself. The module ``torch.distributed`` stands for its default
        group.

    Returns
    -------
    Comm

    Raises
    ------
    TypeError
        It is none of these.
    ValueError
        An intercommunicator, a null communicator, or a group of another backend than gloo.
    """
    if comm is None:
        return Serial()
    for cls in type(comm).__mro__:
        if cls.__module__ == "mpi4py.MPI" and cls.__name__ == "Comm":
            return _mpi(comm)
    if "torch.distributed" in sys.modules:
        torch = sys.modules["torch"]
        process_group = getattr(torch.distributed, "ProcessGroup", ())
        if comm is torch.distributed or isinstance(comm, process_group):
            return _Torch(comm)
    if isinstance(comm, Comm) and not isinstance(comm, type):
        rank, size = (
            checks.integer("comm.rank", comm.rank, 0),
            checks.integer("comm.size", comm.size, 1),
        )
        if rank >= size:
            raise ValueError(f"comm: found rank {rank} of {size}, wanted a smaller rank than size")
        return comm
    names = ("Get_rank", "Get_size", "Allreduce", "Bcast")
    if not isinstance(comm, type) and all(callable(getattr(comm, name, None)) for name in names):
        return _LikeMpi(comm)
    raise TypeError(
        f"comm: found {checks.shown(comm)}, wanted a communicator of mpi4py, a process group of "
        "torch.distributed, or an object with rank, size, allreduce_ and bcast_"
    )

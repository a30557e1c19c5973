"""A group of ranks that agree: on sums, on texts, on errors.

Everything is made of the two calls of `Comm`, and of arrays of floats.
"""

import builtins
import json
import sys
import zlib
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .comm import Comm, Serial, as_comm, tree_sum

R = TypeVar("R")


class RankError(RuntimeError):
    """Another rank has raised an exception of a class that this one does not know."""


class Group:
    """The ranks of a communicator.

    Parameters
    ----------
    comm
        As of `as_comm`.
    strict : bool, default True
        Whether sums must have the bits of a binary tree over the ranks when their number is a
        power of two.

    Attributes
    ----------
    rank, size : int
    order : str
        How `sum_` adds up: ``"engine"`` where the engine's reduction is such a tree, as a test
        finds; else ``"doubling"``, where ranks exchange arrays in pairs, or ``"gathered"``.
    """

    def __init__(self, comm: Any, strict: bool = True) -> None:
        self.given = comm
        self.comm: Comm = as_comm(comm)
        # What ranks tell each other is kept apart from arrays where the engine can.
        self._talk: Comm = getattr(self.comm, "talk", self.comm)
        #: Has the name of the call that this rank is in, as `call`.
        self.noted: Any = getattr(self.comm, "watch", None) or SimpleNamespace()
        self.rank, self.size = self.comm.rank, self.comm.size
        self.order = "engine"
        self._strict = strict and self.size > 2 and self.size & (self.size - 1) == 0
        self._tested: set[tuple[int, str]] = set()
        #: Replaces an array by its sum over the ranks, in the order that `settle` has chosen. The
        #: engine's own is called without a function in between: the sum of a small network's
        #: gradient takes no longer than a few of those.
        self.sum_: Callable[[Array], None] = self.comm.allreduce_

    # Sums -----------------------------------------------------------------------------------------

    def settle(self, length: int, dtype: np.dtype[Any]) -> None:
        """Choose how arrays of this kind are added up: engines choose by their length.

        The engine's reduction is taken when it gives the bits of a binary tree on several arrays of
        very different numbers. Of two ranks every sum is one.
        """
        if not self._strict or self.order != "engine" or (length, dtype.name) in self._tested:
            return
        self._tested.add((length, dtype.name))
        tree = True
        for trial in range(2):
            parts = [_numbers(length, rank, trial, dtype) for rank in range(self.size)]
            total = parts[self.rank].copy()
            self.comm.allreduce_(total)
            tree = tree and total.tobytes() == tree_sum(parts).tobytes()
        if self.total(0.0 if tree else 1.0) > 0:
            if hasattr(self.comm, "sendrecv_"):
                self.order, self.sum_ = "doubling", self._sum_by_doubling
            else:
                self.order, self.sum_ = "gathered", self._sum_of_gathered

    def prepared(self, buf: Array) -> Any:
        """What `sum_` takes in place of an array that is added up again and again."""
        prepare = getattr(self.comm, "prepared", None)
        return buf if prepare is None or self.order != "engine" else prepare(buf)

    def _sum_by_doubling(self, buf: Array) -> None:
        received = np.empty_like(buf)
        distance = 1
        while distance < self.size:
            self.comm.sendrecv_(buf, received, self.rank ^ distance)  # type: ignore[attr-defined]
            np.add(buf, received, out=buf)
            distance *= 2

    def _sum_of_gathered(self, buf: Array) -> None:
        # Every sum has one summand that is not -0, which changes no bits.
        parts = np.full((self.size, buf.size), -0.0, buf.dtype)
        parts[self.rank] = buf
        self.comm.allreduce_(parts)
        buf[...] = tree_sum(list(parts))

    def total(self, value: float) -> float:
        """The sum of one number of each rank."""
        found = np.array([value])
        self._talk.allreduce_(found)
        return float(found[0])

    def vector(self, *values: float) -> Array:
        """Every rank's numbers, (size, numbers)."""
        found = np.zeros((self.size, len(values)))
        found[self.rank] = values
        self._talk.allreduce_(found)
        return found

    # Texts ----------------------------------------------------------------------------------------

    def gather(self, data: bytes) -> list[bytes]:
        """Every rank's bytes."""
        lengths = self.vector(float(len(data)))[:, 0].astype(np.int64)
        if (lengths < 0).any():
            raise ValueError(f"comm: rank {self.rank} got numbers of another call, wanted the same "
                             "calls in the same order on all ranks")  # fmt: skip
        ends = np.cumsum(-(-lengths // 4))
        words = np.zeros(int(ends[-1]))
        own = np.frombuffer(data + b"\0" * (-len(data) % 4), "<u4")
        words[ends[self.rank] - len(own) : ends[self.rank]] = own
        if len(words):
            self._talk.allreduce_(words)
        parts = np.split(words.astype("<u4"), ends[:-1])
        return [part.tobytes()[:length] for part, length in zip(parts, lengths, strict=True)]

    def broadcast(self, data: bytes | None) -> bytes | None:
        """The bytes of rank 0, or None if it has none."""
        found = self.gather(b"\1" + data if self.rank == 0 and data is not None else b"")[0]
        return found[1:] if found else None

    # Errors ---------------------------------------------------------------------------------------

    def together(self, work: Callable[[], R]) -> R:
        """Call `work` on every rank; an exception on one of them is raised on all.

        Raises
        ------
        Exception
            That of the first rank that raised one, with the rank's number.
        """
        result: Any = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        self.raise_any(error)
        found: R = result
        return found

    def raise_any(self, error: BaseException | None) -> None:
        """Raise the error that any rank has found on all ranks; None: this rank has found none."""
        if error is not None and (self.size == 1 or getattr(error, "on_all_ranks", False)):
            raise error
        if self.size > 1 and self.total(0.0 if error is None else 1.0) > 0:
            self.raise_known(error)

    def raise_known(self, error: BaseException | None) -> None:
        """The same when it is known that a rank has raised."""
        if error is not None and (self.size == 1 or getattr(error, "on_all_ranks", False)):
            raise error
        text = "" if error is None else json.dumps(_described(error))
        found = [json.loads(said) if said else None for said in self.gather(text.encode())]
        if error is not None and all(each == found[0] for each in found):
            error.on_all_ranks = True  # type: ignore[attr-defined]
            raise error  # the same on all: no rank differs
        rank, (kind, name, said) = next((r, pair) for r, pair in enumerate(found) if pair)
        others = sum(pair is not None for pair in found) - 1
        more = f" (and {others} more ranks)" if others else ""
        if name == "SystemExit" and error is not None:
            raise error
        known = getattr(builtins, kind)
        try:
            made: BaseException = known(f"rank {rank}: {said}{more}")
        except TypeError:  # one that is not made of a text
            known = Exception
        if known in (Exception, BaseException, SystemExit):
            made = RankError(f"rank {rank}: {name}: {said}{more}")
        made.on_all_ranks = True  # type: ignore[attr-defined]
        raise made from error

    def leave(self, error: BaseException) -> None:
        """End the other ranks of an MPI program too, unless they have raised the same.

        Without it they would wait for this one for ever.
        """
        mpi = sys.modules.get("mpi4py.MPI")
        if mpi is None or self.size == 1 or getattr(error, "on_all_ranks", False):
            return
        print(f"rank {self.rank}: {type(error).__name__}: {_text(error)}", file=sys.stderr)
        mpi.COMM_WORLD.Abort(1)

    def enter(self, call: str) -> None:
        """Note the call that this rank makes: it is named when the rank waits for too long."""
        self.noted.call = call

    def begin(self, call: str) -> None:
        """Raise on all ranks when they are not all about to make this call.

        Sums of other calls would be of other arrays, which an engine need not notice.

        Raises
        ------
        ValueError
            Which rank makes another call.
        """
        if self.size > 1:
            # Less than zero, which no rank takes for the length of a text.
            found = self.vector(-1.0 - zlib.crc32(call.encode()))
            if (found != found[0]).any():
                self.agree({"call": call})

    def agree(self, what: Mapping[str, Any]) -> None:
        """Raise on all ranks when they differ in what must be the same.

        Parameters
        ----------
        what : mapping
            Name → value that JSON can hold.

        Raises
        ------
        ValueError
            Which rank differs, and how.
        """
        if self.size == 1:
            return
        text = json.dumps(what, sort_keys=True, default=str)
        found = [json.loads(said) for said in self.gather(text.encode())]
        for name in what:
            values = [json.dumps(each.get(name), sort_keys=True) for each in found]
            usual = max(values, key=lambda value: (values.count(value), -values.index(value)))
            other = [rank for rank, value in enumerate(values) if value != usual]
            if other:
                here = values.index(usual)
                differ = "; ".join(f"rank {rank}: {name}: found {_brief(values[rank], usual)}"
                                   for rank in other[:3])  # fmt: skip
                more = f", and {len(other) - 3} more ranks differ" if len(other) > 3 else ""
                raise ValueError(
                    f"comm: {differ}, wanted {_brief(usual, values[other[0]])} as on rank {here}"
                    + more
                )


def group_of(comm: Any, call: str) -> Group:
    """The group of a user's `comm`, for a call of that name.

    A rank that was given something else must not leave the others waiting: when MPI runs, its
    error is raised on the ranks that were given the communicator of all processes.
    """
    try:
        group = Group(comm)
        group.enter(call)
        return group
    except (TypeError, ValueError) as error:
        mpi = sys.modules.get("mpi4py.MPI")
        if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
            Group(mpi.COMM_WORLD).raise_any(error)
        raise


def serial() -> Group:
    """The group of one process."""
    return Group(Serial())


def _numbers(length: int, rank: int, trial: int, dtype: np.dtype[Any]) -> Array:
    """Numbers that every rank can make for every rank, of very different size."""
    phase = np.arange(length, dtype=np.float64) * 0.618033988749895 + rank * 0.414213562 + trial
    numbers = (phase % 1 - 0.4) * 2.0 ** ((phase * 7).astype(np.int64) % 12)
    return numbers.astype(dtype)


def _described(error: BaseException) -> list[str]:
    """The built-in class that an exception is of, its own class, and its message."""
    kind = next(cls for cls in type(error).__mro__ if cls.__module__ == "builtins")
    return [kind.__name__, type(error).__name__, _text(error)]


def _text(error: BaseException) -> str:
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    return checks.one_line(str(error), 2000) or type(error).__name__


def _brief(value: str, other: str, limit: int = 120) -> str:
    """A value as JSON, or the part of it where it differs from another."""
    if len(value) <= limit:
        return value
    place = next(
        (i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b),
        min(len(value), len(other)),
    )
    begin = max(0, place - limit // 3)
    return ("…" if begin else "") + value[begin : begin + limit] + "…"

"""What test_distributed_mpi.py runs under mpiexec: one case by its name, then its arguments.

Rank 0 prints the result.
"""

import atexit
import hashlib
import os
import signal
import sys
import threading
import time
from typing import Any

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
if sys.argv[1] == "levels":  # ranks of other processors
    os.environ["DENSECORE_ISA"] = ("scalar", "sse2")[world.rank % 2]

import densecore as dc  # noqa: E402
from densecore.callbacks import BackupAndRestore, Callback  # noqa: E402


def model(units: int = 24, **how: Any) -> dc.Sequential:
    layers = [dc.Input(6), dc.Dense(units, "relu"), dc.Dense(units, "tanh"), dc.Dense(3, "softmax")]
    made = dc.Sequential(layers, seed=3, dtype=how.pop("dtype", "float32"))
    made.compile("adam", "sparse_categorical_crossentropy", **how)
    return made


def data(rows: int, dtype: str = "float32") -> tuple[Any, Any]:
    random = np.random.default_rng(3)
    return random.normal(size=(rows, 6)).astype(dtype), random.integers(0, 3, rows)


def digest(made: dc.Sequential) -> str:
    arrays = [made.parameters, *made._network.optimizer_states().values()]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def say(text: Any) -> None:
    if world.rank == 0:
        print(text, flush=True)


def bits(units: str, dtype: str) -> None:
    """All rows on all ranks."""
    x, y = data(1500, dtype)
    made = model(int(units), dtype=dtype, metrics=["accuracy"])
    history = made.fit(x, y, batch_size=1100, epochs=2, comm=world, verbose=0)
    assert len(set(world.allgather(digest(made)))) == 1
    say(f"{digest(made)} {history.history['loss']}")


def levels() -> None:
    """Ranks whose processors have other instruction sets."""
    x, y = data(600)
    made = model()
    made.fit(x, y, batch_size=200, epochs=2, comm=world, verbose=0)
    found = world.allgather((digest(made), made._network.isa))
    assert len(set(found)) == 1, found
    say(found[0][1])


def own_rows() -> None:
    x, y = data(300)
    bounds = [0, *(250 for _ in range(world.size - 1)), 300]
    own = slice(bounds[world.rank], bounds[world.rank + 1])
    made = model()
    made.fit(x[own], y[own], batch_size=64, epochs=2, comm=world, verbose=0)
    assert len(set(world.allgather(digest(made)))) == 1
    say(f"{made.progress['steps']}")


class At(Callback):
    """Does something at a step of one rank."""

    def __init__(self, rank: int, step: int, act: Any) -> None:
        super().__init__()
        self.left = step if world.rank == rank else -1
        self.act = act
        self.on_train_batch_end = self.count  # type: ignore[method-assign]

    def count(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def raises() -> None:
    x, y = data(600)

    def act() -> None:
        raise OSError("the disk is gone")

    try:
        model().fit(x, y, epochs=3, comm=world, callbacks=[At(1, 5, act)], verbose=0)
    except OSError as error:
        for line in world.allgather(f"rank {world.rank} has: {error}"):
            say(line)


def other_comm() -> None:
    x, y = data(600)
    try:
        model().fit(x, y, comm=world if world.rank != 1 else "world", verbose=0)
    except TypeError as error:
        for line in world.allgather(f"rank {world.rank} has: {error}"):
            say(line)


def ended(number: str, rank: str, step: str, directory: str, files: str = "") -> None:
    """A training that a signal to one rank ends, at a step; or that goes on from there. Its rows
    are arrays, or in files of that folder."""
    x, y = data(640)
    if files:
        x, y = dc.data.Shards(files + "/*.parquet", target="y", window=4000), None
    made = model()
    acts = At(int(rank), int(step), lambda: os.kill(os.getpid(), getattr(signal, number)))
    callbacks = [BackupAndRestore(directory), acts]
    history = made.fit(x, y, epochs=6, comm=world, callbacks=callbacks, verbose=0)
    say(f"{digest(made)} {history.history['loss']}")


def leaves_no_message(which: str) -> None:
    """After its end a rank has none of the messages that ranks send when they end."""
    comm = world if which == "all" else world.Split(world.rank % 2)
    x, y = data(64)
    made = model()
    made.train_on_batch(x, y, comm=comm)
    world.Barrier()  # they end at the same time


def _look_for_messages() -> None:
    """Before MPI's own end, as it is registered before anything that densecore registers."""
    left = [each for each in (world,) if each.Iprobe(MPI.ANY_SOURCE, 32749)]
    print(f"rank {world.rank}: {len(left)} left", file=sys.stderr, flush=True)


if sys.argv[1] == "leaves_no_message":
    atexit.register(_look_for_messages)


def goes_its_own_way(how: str) -> None:
    """Rank 1 does something else, which the others would wait for without end."""
    x, y = data(256)
    made = model()
    made.train_on_batch(x, y, comm=world)
    if world.rank == 1 and how == "ends":
        return
    if world.rank == 1 and how == "raises":
        raise RuntimeError("outside of fit")
    if world.rank == 1 and how == "sleeps":
        time.sleep(60)
    if world.rank == 1 and how == "alone":
        made.fit(x, y, comm=MPI.COMM_SELF, verbose=0)
    else:
        made.fit(x, y, comm=world, verbose=0)


def other_calls(first: str, other: str) -> None:
    """In the middle of a loop the last rank makes another call than the others."""
    x, y = data(64)
    made = model()
    for _ in range(5):
        made.train_on_batch(x, y, comm=world)
    calls: dict[str, Any] = {
        "step": lambda: made.train_on_batch(x, y, comm=world),
        "gradients": lambda: made.loss_and_gradients(x, y, comm=world),
        "fit": lambda: made.fit(x, y, comm=world, verbose=0),
        "new": lambda: model().fit(x, y, comm=world, verbose=0),
        "own": lambda: world.allreduce(1.0),
        "solver": lambda: model().fit(x, y, comm=world, solver="lbfgs", verbose=0),
    }
    for _ in range(3):
        try:
            calls[other if world.rank == world.size - 1 else first]()
        except ValueError as error:
            print(f"rank {world.rank}: {error}", file=sys.stderr, flush=True)
            raise


def freed(times: str) -> None:
    """Communicators that are made and freed, more often than MPI has numbers for them."""
    x, y = data(64)
    for _ in range(int(times)):
        comm = world.Dup()
        dc.distributed.Group(comm).total(1.0)
        comm.Free()
    model().fit(x, y, comm=world, verbose=0)
    say(threading.active_count())


globals()[sys.argv[1]](*sys.argv[2:])

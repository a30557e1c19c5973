"""Two processes beside two threads on one machine: what sums of gradients between processes cost.

    python benchmarks/ranks.py [--quick] [--json FILE]
    mpiexec -n 4 python -m mpi4py benchmarks/ranks.py

Without mpiexec it starts itself with two ranks. All ranks train together with one thread each, then
rank 0 alone with as many threads as there are ranks, while the others sleep; these rounds take
turns. Both train the same network on the same rows by `train_on_batch`, and their parameters after
a step are compared before anything is timed. The quickest step counts: another program that takes
a processor away from one rank makes all of them wait.

Then what ranks add to a step of a small network, whose gradient is 4 kB: the time of a step on rows
of all ranks, less that of a step of one process on its own rows. The same sum by MPI alone is the
least that it can be.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import densecore as dc
import frame
from densecore.distributed.launched import launched


def alone(world: Any, call: Callable[[], float]) -> float:
    """What rank 0's call returns. The others sleep: MPI's barrier would keep processors busy."""
    if world.rank == 0:
        found = call()
        for rank in range(1, world.size):
            world.send(found, rank)
        return found
    while not world.iprobe(0):
        time.sleep(0.01)
    return float(world.recv(source=0))


def quickest(call: Callable[[], Any], count: int) -> float:
    """Seconds of the quickest of so many calls."""
    best = float("inf")
    for _ in range(count):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def added_to_a_small_step(world: Any, rounds: int) -> dict[str, float]:
    """Seconds of a step of 16-32-14 on 8 rows, on 8 rows of each rank, and of the sum alone."""
    from mpi4py import MPI

    def model() -> dc.Sequential:
        new = dc.Sequential([dc.Input(16), dc.Dense(32, "tanh"), dc.Dense(14)], seed=0)
        new.compile("sgd", "mse")
        return new

    rng = np.random.default_rng(world.rank)
    x, y = rng.normal(size=(8, 16)).astype(np.float32), np.zeros((8, 14), np.float32)
    one, many = model(), model()
    gradient = np.zeros(one.count_params() + 4, np.float32)
    calls: dict[str, Callable[[], Any]] = {
        "one process": lambda: one.train_on_batch(x, y),
        "ranks": lambda: many.train_on_batch(x, y, comm=world),
        "sum alone": lambda: world.Allreduce(MPI.IN_PLACE, gradient),
    }
    dc.set_num_threads(1)

    def hundred(call: Callable[[], Any]) -> None:
        for _ in range(100):
            call()

    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            world.Barrier()
            best[name] = min(best[name], quickest(lambda call=call: hundred(call), 5) / 100)
    return best


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--network", default="784-512-512-10")
    made.add_argument("--batch", type=int, default=1024, help="rows of a step, of all ranks")
    made.add_argument("--rounds", type=int, default=20)
    made.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    made.add_argument("--json", metavar="FILE", help="write all numbers")
    options = made.parse_args(arguments)
    ranks_of_this_program = launched()
    if ranks_of_this_program is None:
        beside = Path(sys.executable).with_name("mpiexec")
        command = [str(beside) if beside.exists() else "mpiexec", "-n", "2"]
        command += [sys.executable, "-m", "mpi4py", __file__]
        given = sys.argv[1:] if arguments is None else arguments
        return subprocess.run([*command, *given], check=False).returncode
    world = ranks_of_this_program.given
    inputs, *units = map(int, options.network.split("-"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(options.batch, inputs)).astype(np.float32)
    y = rng.integers(0, units[-1], len(x))
    own = slice(*(len(x) * rank // world.size for rank in (world.rank, world.rank + 1)))

    def model() -> dc.Sequential:
        hidden = [dc.Dense(n, "relu") for n in units[:-1]]
        new = dc.Sequential([dc.Input(inputs), *hidden, dc.Dense(units[-1], "softmax")], seed=0)
        new.compile("sgd", "sparse_categorical_crossentropy")
        return new

    one, many = model(), model()

    def with_threads(count: int) -> float:
        dc.set_num_threads(world.size)
        return quickest(lambda: one.train_on_batch(x, y), count)

    def with_ranks(count: int) -> float:
        dc.set_num_threads(1)
        return quickest(lambda: many.train_on_batch(x[own], y[own], comm=world), count)

    alone(world, lambda: with_threads(1))
    with_ranks(1)
    difference = np.abs(one.parameters - many.parameters).max() / np.abs(one.parameters).max()
    if world.rank == 0 and not difference < 1e-5:
        print(f"the parameters differ by {difference:.2g} of the largest")
        world.Abort(1)
    steps, rounds = (2, 2) if options.quick else (20, options.rounds)
    found = [(alone(world, lambda: with_threads(steps)), with_ranks(steps)) for _ in range(rounds)]
    if world.rank == 0:
        threads, ranks = (min(times) for times in zip(*found, strict=True))
        middle = statistics.median(ranks / threads for threads, ranks in found)
        print(f"{options.network}, {options.batch} rows: {world.size} threads "
              f"{threads * 1e3:.2f} ms, {world.size} ranks {ranks * 1e3:.2f} ms; "
              f"{ranks / threads:.3f} times as long, median of {rounds} rounds {middle:.3f}; "
              f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    small = added_to_a_small_step(world, rounds)
    if world.rank == 0:
        added = small["ranks"] - small["one process"]
        print(f"a gradient of 4 kB adds {added * 1e6:.2f} µs to a step of "
              f"{small['one process'] * 1e6:.2f} µs; its sum by MPI alone takes "
              f"{small['sum alone'] * 1e6:.2f} µs")  # fmt: skip
        frame.write(options.json, {"network": options.network, "batch": options.batch,
                                   "rounds": found, "small": small})  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What more processors would give: a simulation, where there are few.

A training step is cut into regions of tasks as for that many threads, but all tasks run one after
another, and each is timed. The simulated step is what runs outside of regions, and of each region
the time of its busiest thread, with tasks dealt out as the thread pool deals them, and a barrier.
For as many threads as there are processors the step is measured, too: how far the simulation can be
believed.

What it does not know: clocks that fall when all cores work, caches and memory that they share (the
bytes that a step moves, over the machine's bandwidth, are a lower limit of its time), and a system
that takes processors away. What it exaggerates: one core's cache holds what many cores' would.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# A barrier: its beginning is seen, and its end reported, by one thread after another through one
# cache line. Measured between two cores of an AMD EPYC: 0.4 us for both.
BARRIER_SECONDS, BARRIER_SECONDS_PER_THREAD = 0.2e-6, 0.1e-6

# How many threads a region may use, and the seconds of each of its tasks.
Regions = list[tuple[int, list[float]]]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--count", type=int, default=24, help="networks (default: %(default)s)")
    made.add_argument("--kind", action="append", choices=["small", "medium", "large"])
    made.add_argument("--threads", default="1,2,8,16,64", help="(default: %(default)s)")
    made.add_argument(
        "--bandwidth",
        type=float,
        default=200,
        help="of memory in GB/s, of the whole machine (default: %(default)g)",
    )
    made.add_argument("--seconds", type=float, default=0.3, help="for each number of threads")
    made.add_argument("--quick", action="store_true", help="three networks, to see that it works")
    made.add_argument("--json", metavar="FILE", help="write all numbers")
    return made


def busiest(tasks: list[float], threads: int) -> float:
    """Seconds until all tasks are done. A thread begins with a stretch of its own, then takes what
    the next threads have left."""
    left = [
        list(range(len(tasks) * t // threads, len(tasks) * (t + 1) // threads))
        for t in range(threads)
    ]
    ready = [(0.0, t) for t in range(threads)]
    end = 0.0
    while ready:
        now, thread = heapq.heappop(ready)
        for i in range(threads):
            share = left[(thread + i) % threads]
            if share:
                now += tasks[share.pop(0)]
                heapq.heappush(ready, (now, thread))
                end = max(end, now)
                break
    return end


def simulated(serial: float, regions: Regions) -> float:
    """Of a step, `serial` seconds of which are outside of regions."""
    seconds = serial
    for threads, tasks in regions:
        barrier = BARRIER_SECONDS + BARRIER_SECONDS_PER_THREAD * threads
        seconds += busiest(tasks, threads) + barrier
    return seconds


def quickest(call: Callable[[], Any], seconds: float) -> float:
    """Seconds of the quickest call."""
    best = float("inf")
    end = time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def record(call: Callable[[], Any], seconds: float) -> tuple[float, Regions]:
    """Seconds outside of regions, and the regions, of which each task is at its quickest: what else
    the machine does falls upon other tasks each time."""
    from densecore._base import core

    serial = float("inf")
    best: Regions = []
    end = time.perf_counter() + seconds
    core.record_regions(on=True)
    while serial == float("inf") or time.perf_counter() < end:
        core.take_region_records()
        start = time.perf_counter()
        call()
        spent = time.perf_counter() - start
        found = core.take_region_records()
        if [len(tasks) for _, tasks in found] != [len(tasks) for _, tasks in best]:
            serial, best = float("inf"), []  # cut in another way
        serial = min(serial, spent - sum(sum(tasks) for _, tasks in found))
        best = [
            (threads, [min(pair) for pair in zip(tasks, before, strict=True)])
            for (threads, tasks), (_, before) in zip(found, best or found, strict=True)
        ]
    core.record_regions(on=False)
    return serial, best


def moved_bytes(network: Any) -> int:
    """Parameters read forward and back, and rewritten; Adam's moments rewritten; what caches hold
    does not count."""
    size = network.parameter_count * np.dtype(network.dtype).itemsize
    return size * (8 if network.optimizer == "adam" else 4) if 4 * size > 32e6 else 0


def study(network: Any, threads: list[int], options: argparse.Namespace) -> dict[int, Any]:
    """By number of threads: a step's seconds, simulated, `alone` with all tasks in one thread, and
    (with so many processors) measured; its regions, and the share of it outside of them."""
    import densecore as dc

    batches = max(2, min(64, int(3e7 // network.multiply_adds)))
    x, y = network.data(batches)
    model = network.model()

    def epoch() -> None:
        model.fit(x, y, batch_size=network.batch, shuffle=False, verbose=0)

    found: dict[int, Any] = {}
    for count in threads:
        dc.set_num_threads(count)
        epoch()
        serial, regions = record(epoch, options.seconds)
        memory = moved_bytes(network) * batches / options.bandwidth / 1e9
        tasks = sum(sum(tasks) for _, tasks in regions)
        found[count] = {
            "simulated": max(simulated(serial, regions), memory) / batches,
            "regions": len(regions) / batches,
            "serial": serial / (serial + tasks),
            "alone": (serial + tasks) / batches,
        }
        if count <= processors():
            found[count]["measured"] = quickest(epoch, options.seconds) / batches
    return found


def processors() -> int:
    """How many this process may use."""
    from densecore._base import core

    return int(core.usable_processors())


def speed_ups(some: list[dict[int, Any]], first: int, count: int) -> str:
    """Of several networks with `count` threads: the geometric mean, and the least."""
    said = []
    for what in ("measured", "simulated"):
        ratios = [
            (
                one[first][what]
                if what == "measured"
                else min(each["alone"] for each in one.values())
            )
            / one[count][what]
            for one in some
            if what in one[count]
        ]
        if ratios:
            mean = np.exp(np.log(ratios).mean())
            said.append(f"{what} {mean:.2f} (least {min(ratios):.2f})")
    return f"{count} threads: " + ", ".join(said)


def main() -> int:
    options = parser().parse_args()
    if options.quick:
        options.count, options.seconds = 3, 0.02

    import frame
    from densecore.cli.random_networks import draw

    threads = [int(count) for count in options.threads.split(",")]
    kinds = options.kind or ["small", "medium", "large"]
    rows: list[dict[str, Any]] = []
    for network in draw(options.seed, options.count, kinds):
        found = study(network, threads, options)
        first = found[threads[0]]
        ratios = "  ".join(f"{speed_ups([found], threads[0], n)}" for n in threads[1:])
        print(f"{network.shape:28} b{network.batch:<5}{network.optimizer:5}{network.dtype:8} "
              f"{first['simulated'] * 1e6:9.1f} us  {ratios}", flush=True)  # fmt: skip
        rows.append({"shape": network.shape, "batch": network.batch, "threads": found,
                     "multiply_adds": network.multiply_adds})  # fmt: skip
    for low, high in itertools.pairwise([0, 2e6, 2e7, 1e8, float("inf")]):
        some = [row["threads"] for row in rows if low <= row["multiply_adds"] < high]
        if some:
            print(f"{low / 1e6:.0f} to {high / 1e6:.0f} million multiply-adds, {len(some)}:")
            for count in threads[1:]:
                regions = np.mean([one[count]["regions"] for one in some])
                serial = np.mean([one[count]["serial"] for one in some])
                print(f"  {speed_ups(some, threads[0], count)}; {regions:.1f} regions, "
                      f"{serial:.0%} outside of them")  # fmt: skip
    frame.write(options.json, {"seed": options.seed, "bandwidth": options.bandwidth, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())

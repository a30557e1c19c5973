"""``densecore bench --comm``: what a communicator costs, and what many machines would gain."""

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import densecore as dc
from densecore.distributed import Group, Serial, launched

# Latency in seconds and bytes per second of networks that many have, for comparison. Assumed.
NETWORKS = {"25 Gb Ethernet (TCP)": (30e-6, 2.8e9), "100 Gb InfiniBand": (2.5e-6, 11e9)}
SIZES = (4, 4 << 10, 64 << 10, 1 << 20, 4 << 20)  # bytes
RANKS = (1, 2, 4, 8, 16, 64, 256, 1024)


def add_options(parser: Any) -> None:
    """Add the options of the communicator's part."""
    parser.add_argument("--comm", action="store_true", help="instead, measure the communicator "
                        "(start it with mpiexec), and predict how a network scales")  # fmt: skip
    parser.add_argument("--network", metavar="N-N-N", default="784-512-512-10", help="with --comm: "
                        "inputs, hidden units, outputs (default: 784-512-512-10)")  # fmt: skip
    parser.add_argument("--batch", metavar="ROWS", type=int, default=1024, help="with --comm: rows "
                        "of a step, of all ranks together (default: 1024)")  # fmt: skip


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, predict, print on rank 0; returns the numbers."""
    widths = _widths(options.network)
    if not 1 <= options.batch <= 1 << 24:
        raise ValueError(f"--batch: found {options.batch}, wanted 1 to {1 << 24} rows")
    ranks = launched() or Group(Serial())
    if options.batch < ranks.size:
        raise ValueError(f"--batch: found {options.batch} rows for {ranks.size} ranks")
    seconds = 0.05 if options.quick else 0.3
    say: Callable[[str], None] = print if ranks.rank == 0 else _silent
    say(f"{_counted(ranks.size, 'rank')}, {_counted(dc.get_num_threads(), 'thread')} each, "
        f"sums by {ranks.order}")  # fmt: skip
    found: dict[str, Any] = {"ranks": ranks.size, "threads": dc.get_num_threads(), "sums": []}
    for size in SIZES if ranks.size > 1 else ():
        spent = _allreduce(ranks, size, seconds)
        found["sums"].append({"bytes": size, "seconds": spent})
        say(f"  sum of {_bytes(size):>7}: {_time(spent):>9}, {size / spent / 1e9:6.2f} GB/s")
    model, x, y = _model(widths, options.batch)
    gradient = 4 * model.count_params()
    shares = [count for count in RANKS if count <= options.batch]
    alone = {p: _step(ranks, model, x[: options.batch // p], y[: options.batch // p], seconds)
             for p in shares if options.batch // p >= 1}  # fmt: skip
    found["steps"] = {str(options.batch // p): spent for p, spent in alone.items()}
    say(f"network {options.network}: a gradient of {_bytes(gradient)}, a batch of {options.batch} "
        f"rows takes a rank {_time(alone[1])} by itself")  # fmt: skip
    networks = dict(NETWORKS)
    if ranks.size > 1:
        networks = {"measured here": _fitted(found["sums"], ranks.size), **networks}
    found["predictions"] = _predictions(networks, alone, gradient, say)
    if ranks.size > 1:
        found["check"] = _check(ranks, widths, options.batch, alone, found["sums"], seconds, say)
    return found if ranks.rank == 0 else {}


def _predictions(
    networks: dict[str, tuple[float, float]],
    alone: dict[int, float],
    gradient: int,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Efficiency: what a rank does of its own, and with the same batch as now on each rank."""
    made = []
    for name, (latency, bandwidth) in networks.items():
        say(f"\n{name}: {_time(latency)} per message, {bandwidth / 1e9:.1f} GB/s")
        say(f"{'ranks':>7}{'sum':>12}{'this batch':>12}{'efficiency':>12}"
            f"{'such a batch on each rank':>27}")  # fmt: skip
        for ranks in RANKS:
            spent = cost(ranks, gradient, latency, bandwidth)
            weak = alone[1] / (alone[1] + spent)
            row: dict[str, Any] = {"network": name, "ranks": ranks, "sum": spent, "weak": weak}
            strong = "" if ranks not in alone else _time(alone[ranks] + spent)
            share = ""
            if ranks in alone:
                row["step"] = alone[ranks] + spent
                row["efficiency"] = alone[1] / (ranks * row["step"])
                share = f"{row['efficiency']:.0%}"
            shown = _time(spent) if spent else "-"
            say(f"{ranks:>7}{shown:>12}{strong:>12}{share:>12}{weak:>27.0%}")
            made.append(row)
    return made


def cost(ranks: int, size: int, latency: float, bandwidth: float) -> float:
    """Seconds of a sum over so many ranks, halving and doubling (Rabenseifner, 2004)."""
    if ranks == 1:
        return 0.0
    return 2 * math.log2(ranks) * latency + 2 * (ranks - 1) / ranks * size / bandwidth


def _fitted(sums: list[dict[str, float]], ranks: int) -> tuple[float, float]:
    """Latency and bandwidth that explain the shortest and the longest sum."""
    short, long = sums[0], sums[-1]
    latency = short["seconds"] / (2 * math.log2(ranks))
    rest = max(long["seconds"] - short["seconds"], 1e-9)
    return latency, 2 * (ranks - 1) / ranks * long["bytes"] / rest


def _check(
    ranks: Group,
    widths: list[int],
    batch: int,
    alone: dict[int, float],
    sums: list[dict[str, float]],
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, float]:
    """A step of these ranks, measured and predicted."""
    model, x, y = _model(widths, batch)
    begin, end = (batch * rank // ranks.size for rank in (ranks.rank, ranks.rank + 1))
    own_x, own_y = x[begin:end], y[begin:end]
    comm = ranks.given

    def step() -> None:
        model.train_on_batch(own_x, own_y, comm=comm)

    measured = _timed(ranks, step, seconds)
    latency, bandwidth = _fitted(sums, ranks.size)
    local = _step(ranks, model, own_x, own_y, seconds)
    predicted = local + cost(ranks.size, 4 * model.count_params(), latency, bandwidth)
    say(f"\nhere, {_counted(ranks.size, 'rank')}: a step takes {_time(measured)}, predicted "
        f"{_time(predicted)}")  # fmt: skip
    return {"measured": measured, "predicted": predicted, "by_itself": alone[1]}


def _allreduce(ranks: Group, size: int, seconds: float) -> float:
    buf = np.zeros(size // 4, np.float32)
    return _timed(ranks, lambda: ranks.comm.allreduce_(buf), seconds)


def _step(ranks: Group, model: dc.Sequential, x: Any, y: Any, seconds: float) -> float:
    """A step of each rank by itself, all at the same time."""
    return _timed(ranks, lambda: model.train_on_batch(x, y), seconds)


def _timed(ranks: Group, work: Callable[[], Any], seconds: float) -> float:
    """The best of several runs, about so many seconds together; that of the slowest rank.

    The best, because other programs disturb ranks that wait for each other more than anything else.
    """
    work()
    start = time.perf_counter()
    work()
    once = max(time.perf_counter() - start, 1e-7)
    # As often on all ranks.
    each = int(ranks.vector(max(1.0, 2e-4 / once))[:, 0].max())
    runs = int(ranks.vector(seconds / (each * once))[:, 0].max())
    best = math.inf
    for _ in range(max(5, min(runs, 2000))):
        start = time.perf_counter()
        for _ in range(each):
            work()
        best = min(best, (time.perf_counter() - start) / each)
    return float(ranks.vector(best)[:, 0].max())


def _model(widths: list[int], batch: int) -> tuple[Any, Any, Any]:
    inputs, *hidden, outputs = widths
    layers: list[Any] = [dc.Input(inputs), *(dc.Dense(units, "relu") for units in hidden)]
    model = dc.Sequential([*layers, dc.Dense(outputs)], seed=0)
    model.compile(dc.optimizers.Adam(1e-6), "mse")
    random = np.random.default_rng(0)
    x = random.normal(size=(batch, inputs)).astype(np.float32)
    return model, x, np.zeros((batch, outputs), np.float32)


def _widths(text: str) -> list[int]:
    try:
        widths = [int(part) for part in text.split("-")]
    except ValueError:
        widths = []
    if len(widths) < 2 or min(widths) < 1 or max(widths) > 1 << 20:
        raise ValueError(f"--network: found '{text}', wanted widths such as 784-512-512-10")
    return widths


def _silent(text: str) -> None:
    pass


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _bytes(count: int) -> str:
    for unit, scale in (("MB", 1 << 20), ("KB", 1 << 10)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} B"


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"

"""``densecore bench``: how fast this machine and its kernels are."""

import argparse
import json
import os
from typing import Any

import numpy as np

import densecore as dc
from densecore import roofline
from densecore.utils import atomic_writer, check_writable

from . import comm_bench
from .random_networks import draw, factor, neighbours
from .workloads import WORKLOADS, Workload

DTYPES = ("float32", "float64")
# (m, n, depth): the products of a small, a medium and a large layer, one row, and a skinny batch.
PRODUCTS = [(32, 64, 64), (128, 512, 512), (512, 512, 512), (1, 512, 512), (8, 1024, 1024)]
# A step of these takes seconds, or teaches nothing that another does not.
LEFT_OUT = {"large", "adam-mnist"}
QUICK = ["note", "control", "digits"]


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "bench",
        help="measure this machine and the compiled core on it",
        description="Measure the multiply-adds that this machine can do at best, the share of them "
        "that the matrix products reach, and the time of training steps: inside fit, and called "
        "from Python one by one.",
    )
    parser.add_argument("--quick", action="store_true", help="about two seconds instead of ten")
    parser.add_argument("--threads", type=int, metavar="N", help="for the training steps "
                        "(default: as densecore chooses)")  # fmt: skip
    parser.add_argument("--random", type=int, metavar="SEED", help="instead, time networks that "
                        "this seed draws, and their neighbours")  # fmt: skip
    comm_bench.add_options(parser)
    parser.add_argument("--json", metavar="FILE", help="write the numbers too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    if options.threads is not None and not 1 <= options.threads <= 1024:
        raise ValueError(f"--threads: found {options.threads}, wanted 1 to 1024")
    if options.random is not None and options.random < 0:
        raise ValueError(f"--random: found {options.random}, wanted a seed of at least 0")
    if options.json is not None:
        check_writable(options.json)
    before = dc.get_num_threads()
    if options.threads is not None:
        dc.set_num_threads(options.threads)
    try:
        if options.comm:
            found = comm_bench.run(options)
        else:
            found = _measure(options.quick) if options.random is None else _random(options)
    finally:
        dc.set_num_threads(before)
    if options.json is not None and found:
        with atomic_writer(options.json) as file:
            file.write(json.dumps(found, indent=1).encode() + b"\n")
    return 0


def _measure(quick: bool) -> dict[str, Any]:
    seconds = 0.02 if quick else 0.15
    config = dc.show_config("dicts") or {}
    print(f"densecore {config['densecore']}, {config['isa']}, {_count(dc.get_num_threads())}")
    peaks = _peaks(seconds)
    products = [] if quick else [_product(*size, peaks) for size in PRODUCTS]
    print(f"\n{'training step':<14}{'network':<22}{'batch':>6}{'in fit':>12}{'share':>8}"
          f"{'from Python':>14}")  # fmt: skip
    names = QUICK if quick else [name for name in WORKLOADS if name not in LEFT_OUT]
    steps = [_step(WORKLOADS[name], peaks, seconds) for name in names]
    return {"config": config, "multiply_adds_per_second": peaks, "products": products,
            "steps": steps}  # fmt: skip


def _random(options: argparse.Namespace) -> dict[str, Any]:
    """Each network's time, and by how much its neighbours' exceed the growth of their work."""
    seconds = 0.005 if options.quick else 0.05
    config = dc.show_config("dicts") or {}
    print(f"densecore {config['densecore']}, {config['isa']}, {_count(dc.get_num_threads())}, "
          f"seed {options.random}")  # fmt: skip
    networks: list[dict[str, Any]] = []
    for network in draw(options.random, 2 if options.quick else 8, ["tiny", "small"]):
        spent = _in_fit(network, seconds)
        print(f"\n{network.shape}, batch {network.batch}, {network.hidden}, {network.optimizer}, "
              f"{network.dtype}: {_time(spent)}")  # fmt: skip
        factors = {
            name: factor(_in_fit(other, seconds), other, spent, network)
            for name, other in neighbours(network).items()
        }
        for name, found in factors.items():
            print(f"  {name:<16}{found:6.2f}")
        networks.append({"shape": network.shape, "batch": network.batch, "seconds": spent,
                         "factors": factors})  # fmt: skip
    every = np.array([found for network in networks for found in network["factors"].values()])
    print(f"\n{len(every)} neighbours: median {np.median(every):.2f}, "
          f"90 % {np.quantile(every, 0.9):.2f}, worst {every.max():.2f}")  # fmt: skip
    return {"config": config, "seed": options.random, "networks": networks}


def _in_fit(workload: Workload, seconds: float) -> float:
    """Seconds per step inside `fit`, without those of the call."""
    model, count = workload.model(), workload.batches(2e7)
    x, y = workload.data(count)

    def train(epochs: int) -> float:
        return roofline.best_time(
            lambda: model.fit(x, y, workload.batch, epochs, shuffle=False, verbose=0), seconds
        )

    few, many = 1, 1 + max(1, int(2e7 / ((workload.multiply_adds + 3000) * count)))
    return max(train(many) - train(few), 1e-9) / ((many - few) * count)


def _count(threads: int) -> str:
    return f"{threads} thread{'s' * (threads != 1)}"


def _peaks(seconds: float) -> dict[str, dict[str, float]]:
    """dtype → number of threads (as text, for JSON) → multiply-adds per second."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    counts = sorted({1, dc.get_num_threads(), usable or 1})
    heads = "".join(f"{_count(n):>12}" for n in counts)
    print("\nmultiply-adds in registers, 10⁹ per second" + heads)
    peaks: dict[str, dict[str, float]] = {}
    for dtype in DTYPES:
        peaks[dtype] = {
            str(n): roofline.multiply_adds_per_second(dtype, n, seconds) for n in counts
        }
        print(f"{dtype:<42}" + "".join(f"{peaks[dtype][str(n)] / 1e9:12.1f}" for n in counts))
    return peaks


def _product(m: int, n: int, depth: int, peaks: dict[str, dict[str, float]]) -> dict[str, Any]:
    shares = {}
    for dtype in DTYPES:
        rate = m * n * depth / roofline.product_seconds(m, n, depth, dtype)
        shares[dtype] = rate / peaks[dtype]["1"]
    if (m, n, depth) == PRODUCTS[0]:
        print("\nmatrix product, share of that" + "".join(f"{dtype:>12}" for dtype in DTYPES))
    shape = f"({m}, {depth}) · ({depth}, {n})"
    print(f"{shape:<29}" + "".join(f"{shares[dtype]:12.0%}" for dtype in DTYPES))
    return {"m": m, "n": n, "depth": depth, "share": shares}


def _step(workload: Workload, peaks: dict[str, dict[str, float]], seconds: float) -> dict[str, Any]:
    model, count = workload.model(), workload.batches(2e8)
    x, y = workload.data(count)
    one_x, one_y = x[: workload.batch], y[: workload.batch]

    # Several epochs per call, or the call itself would make a tiny step look half as fast again.
    epochs = max(1, min(50, int(2e7 / (workload.multiply_adds * count))))

    def train() -> None:
        model.fit(x, y, epochs=epochs, batch_size=workload.batch, shuffle=False, verbose=0)

    in_fit = roofline.best_time(train, seconds) / (count * epochs)
    alone = roofline.best_time(lambda: model.train_on_batch(one_x, one_y), seconds)
    peak = peaks[workload.dtype][str(dc.get_num_threads())]
    share = workload.multiply_adds / in_fit / peak
    print(f"{workload.name:<14}{workload.shape:<22}{workload.batch:>6}{_time(in_fit):>12}"
          f"{share:>8.1%}{_time(alone):>14}")  # fmt: skip
    return {"name": workload.name, "fit": in_fit, "train_on_batch": alone, "share": share,
            "multiply_adds": workload.multiply_adds}  # fmt: skip


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"

"""Randomly generated networks, against their fastest peers.

Every library's step is checked, all take turns in one process, and what is printed is the
distribution of the ratio to the best peer: no chosen network stands for it. The seed is the date
unless given.

Beside it stands the wall: the ratio of a library that took no longer than this processor takes for
a step's multiply-adds in registers, or for reading the parameters twice and rewriting them once,
whichever is longer. No library can do better, and where activations, losses and Adam's moments
count, none as well.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from typing import Any

import numpy as np

import worker


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--seed", type=int, default=int(datetime.date.today().strftime("%Y%m%d")))
    made.add_argument("--count", type=int, default=32, help="networks (default: 32)")
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--kind", action="append", choices=["tiny", "small", "medium", "large"])
    made.add_argument("--peers", default="densecore,jax,torch", help="(default: %(default)s)")
    made.add_argument(
        "--no-compile",
        action="store_false",
        dest="compile",
        help="without PyTorch's compiled step: compilers take most of the time",
    )
    made.add_argument("--quick", action="store_true", help="four networks, see that all works")
    made.add_argument("--json", metavar="FILE", help="write all numbers")
    return made


def mean(ratios: Any) -> float:
    """The geometric one."""
    return float(np.exp(np.log(ratios).mean()))


def main() -> int:
    options = parser().parse_args()
    # Libraries take the number of threads from the environment when they are loaded.
    os.environ.update(worker.environment(options.threads))

    import contest
    import frame
    import peers
    from densecore.cli.random_networks import KINDS, draw
    from densecore.cli.workloads import WORKLOADS
    from rows import Row

    modules, missing = peers.load(options.peers.split(","))
    settings = contest.Settings(
        threads=options.threads,
        rounds=1 if options.quick else 4,
        seconds=0.05,
        multiply_adds=3e7,
        compile=options.compile,
    )
    kinds = options.kind or list(KINDS)
    found: list[dict[str, Any]] = []
    wrong = 0
    for i, network in enumerate(draw(options.seed, 4 if options.quick else options.count, kinds)):
        WORKLOADS[network.name] = network
        try:
            result = contest.run_row(Row(network.name, "train", network.name), modules, settings)
        except ValueError as error:  # no row that all libraries must agree on
            print(f"left out: {error}", flush=True)
            continue
        own, best = result.ours, result.best_peer
        wrong += len(result.wrong)
        ratio = result.times[best] / result.times[own] if own and best else float("nan")
        times = " ".join(f"{name} {spent * 1e6:.2f}" for name, spent in result.times.items())
        print(f"{kinds[i % len(kinds)]:7}{network.shape:30} b{network.batch:<5}{network.hidden:8}"
              f"{network.optimizer:5}{network.dtype:8} {times} us  x {ratio:.2f}",
              *result.wrong.values(), flush=True)  # fmt: skip
        least = max(result.multiply_adds / (result.peak or np.nan), result.floor or 0)
        wall = result.times[best] / least if best else float("nan")
        found.append({"kind": kinds[i % len(kinds)], "ratio": ratio, "wall": wall, **vars(result)})
    print(f"\nseed {options.seed}, {options.threads} thread(s), ratio to the best peer; "
          f"left out: {', '.join(missing) or 'none'}")  # fmt: skip
    for kind in ["all", *kinds]:
        ratios = np.array([row["ratio"] for row in found if kind in ("all", row["kind"])])
        ratios = ratios[np.isfinite(ratios)]
        walls = np.array([row["wall"] for row in found if kind in ("all", row["kind"])])
        walls = walls[np.isfinite(walls)]
        if len(ratios):
            print(f"{kind:8} n {len(ratios):3}  worst {ratios.min():.2f}  "
                  f"10 % {np.quantile(ratios, 0.1):.2f}  median {np.median(ratios):.2f}  "
                  f"geometric mean {mean(ratios):.2f}; wall: 10 % {np.quantile(walls, 0.1):.2f}  "
                  f"geometric mean {mean(walls):.2f}")  # fmt: skip
    frame.write(options.json, {"seed": options.seed, "rows": found})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

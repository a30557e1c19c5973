"""Compare the float32 functions of the kernels with NumPy's in double precision, for all arguments.

    python tools/sweep_math.py [--isa LEVEL] [--function NAME] [--stride N] [--workers N]

Every float32 there is goes through every function on every level that this processor has (or every
N-th: an odd N meets all exponents and the infinities' neighbourhoods). Prints the largest error in
units in the last place and where it is. An error beyond the function's limit, a NaN where there is
a number, or the reverse, is reported and gives status 1. A function and level take about two
minutes with two workers. Runs the densecore that is installed; erf needs scipy.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import densecore as dc

try:
    from scipy.special import erf  # type: ignore[import-untyped, unused-ignore]
except ImportError:
    erf = None

# In units in the last place, as in tests/test_math.py.
LIMITS = {
    "erf": 1.6,
    "exp": 1.1,
    "expm1": 2.2,
    "log": 0.9,
    "log1p": 1.5,
    "sigmoid": 2.5,
    "tanh": 2.6,
}
ORACLES: dict[str, Callable[[Any], Any] | None] = {
    "erf": erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    # For x < 0 as e^x / (1 + e^x): the other form loses what it adds to 1.
    "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
    "tanh": np.tanh,
}
BLOCK = 1 << 21  # arguments: what is compared stays within the cache of a few cores
OVERFLOW = 2.0**128  # what an infinite result stands for when its distance is taken


@dataclass
class Finding:
    """The largest error among some arguments, and what was NaN on one side only."""

    error: float = 0.0
    argument: float = 0.0
    wrong: str = ""

    def join(self, other: "Finding") -> "Finding":
        worse = other if other.error > self.error else self
        return Finding(worse.error, worse.argument, self.wrong or other.wrong)


def sweep(isa: str, name: str, stride: int, block: int) -> Finding:
    """Arguments number block * BLOCK and following, counted in steps of `stride`."""
    first, last = block * BLOCK * stride, min((block + 1) * BLOCK * stride, 1 << 32)
    x = np.arange(first, last, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
    if name == "log1p":  # its domain
        x = np.ascontiguousarray(x[(x > -1) & (x <= 1)])
        if x.size == 0:
            return Finding()
    found = np.empty_like(x)
    dc._core.KernelsF32(isa).function(name, x, found)
    oracle = ORACLES[name]
    assert oracle is not None
    with np.errstate(all="ignore"):
        exact = oracle(x.astype(np.float64))
        rounded = np.minimum(np.abs(exact), np.finfo(np.float32).max).astype(np.float32)
        unit = np.spacing(rounded).astype(np.float64)
        limited = np.clip(found.astype(np.float64), -OVERFLOW, OVERFLOW)
        error = np.abs(limited - np.clip(exact, -OVERFLOW, OVERFLOW)) / unit
    wrong = ""
    different = np.isnan(found) != np.isnan(exact)
    if different.any():
        i = int(np.argmax(different))
        wrong = f"{name}({x[i]!r}) is {found[i]!r} instead of {exact[i]!r}"
    error[np.isnan(error)] = 0
    worst = int(np.argmax(error))
    return Finding(float(error[worst]), float(x[worst]), wrong)


def main() -> int:
    levels = dc._core.available_isa_levels()
    names = dc._core.KernelsF32().functions()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--isa", choices=levels, action="append", help="this level only")
    parser.add_argument("--function", choices=names, action="append", help="this function only")
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="every N-th float")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    args = parser.parse_args()

    failed = False
    count = -(-(1 << 32) // (BLOCK * args.stride))
    with ProcessPoolExecutor(args.workers) as pool:
        for name in args.function or names:
            if ORACLES[name] is None:
                print(f"{name:8} skipped: needs scipy")
                continue
            for isa in args.isa or levels:
                total = Finding()
                for finding in pool.map(partial(sweep, isa, name, args.stride), range(count)):
                    total = total.join(finding)
                line = f"{name:8} {isa:8} {total.error:6.3f} ULP at {total.argument!r}"
                if total.error > LIMITS[name]:
                    line += f": more than {LIMITS[name]}"
                if total.wrong:
                    line += f"; {total.wrong}"
                failed |= total.error > LIMITS[name] or bool(total.wrong)
                print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

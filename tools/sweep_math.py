"""Compare every float32 function of the kernels with an oracle, for all 2^32 arguments.

    python tools/sweep_math.py [--isa LEVEL] [--function NAME] [--stride N] [--workers N]

Every float32 there is goes through exp, erf, ... and every smooth activation and its derivative,
on every level that this processor has (or every N-th float: an odd N meets all exponents and the
infinities' neighbourhoods). Prints the largest error in units in the last place and where it is.
An error beyond the function's limit, a NaN where there is a number, or the reverse, is reported
and gives status 1. With --float64, random float64 arguments of all exponents instead.

The oracles (tests/exact_functions.py) compute in float64, whose own errors are below 1e-4 units in
the last place of a float32; for float64 in long double, whose errors are below 0.02 units. A
function takes about five minutes of one processor for all levels. Runs the densecore that is
installed; needs scipy.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import densecore as dc

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import exact_functions as exact

BLOCK = 1 << 18  # arguments: what is compared stays within the cache


@dataclass
class Finding:
    """The largest error among some arguments, and a NaN that is on one side only."""

    error: float = 0.0
    argument: float = 0.0
    wrong: str = ""

    def join(self, other: "Finding") -> "Finding":
        worse = other if other.error > self.error else self
        return Finding(worse.error, worse.argument, self.wrong or other.wrong)


def arguments(name: str, dtype: str, stride: int, block: int) -> Any:
    """Floats number block * BLOCK and following, counted in steps of `stride`; or at random."""
    if dtype == "float64":
        return exact.random_arguments(name, dtype, BLOCK // 8, block)
    first, last = block * BLOCK * stride, min((block + 1) * BLOCK * stride, 1 << 32)
    numbers = np.arange(first, last, stride, dtype=np.uint64).astype(np.uint32)
    return exact.within_domain(name, numbers.view(np.float32))


def sweep(levels: list[str], name: str, dtype: str, stride: int, block: int) -> list[Finding]:
    x = arguments(name, dtype, stride, block)
    if x.size == 0:
        return [Finding()] * len(levels)
    expected, terms = exact.exact_values(name, x)
    found = []
    for level in levels:
        kernels = (dc._core.KernelsF32 if dtype == "float32" else dc._core.KernelsF64)(level)
        value = exact.computed(kernels, name, x)
        error = exact.ulp_error(value, expected, terms)
        different = np.isnan(value) != np.isnan(expected)
        wrong = ""
        if different.any():
            i = int(np.argmax(different))
            wrong = f"{name}({x[i]!r}) is {value[i]!r} instead of {expected[i]!r}"
        error[np.isnan(error)] = 0
        worst = int(np.argmax(error))
        found.append(Finding(float(error[worst]), float(x[worst]), wrong))
    return found


def main() -> int:
    known = dc._core.available_isa_levels()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--isa", choices=known, action="append", help="only this level")
    parser.add_argument(
        "--function", choices=exact.names(), action="append", help="this function only"
    )
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="every N-th float")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    parser.add_argument("--float64", type=int, metavar="N", help="N blocks of random float64")
    args = parser.parse_args()

    failed, levels = False, args.isa or known
    dtype = "float64" if args.float64 else "float32"
    count = args.float64 or -(-(1 << 32) // (BLOCK * args.stride))
    with ProcessPoolExecutor(args.workers) as pool:
        for name in args.function or exact.names():
            totals = [Finding()] * len(levels)
            one = partial(sweep, levels, name, dtype, args.stride)
            for findings in pool.map(one, range(count), chunksize=16):
                totals = [a.join(b) for a, b in zip(totals, findings, strict=True)]
            limit = exact.LIMITS.get(name, exact.LIMIT)
            for level, total in zip(levels, totals, strict=True):
                line = f"{name:14} {dtype} {level:8} {total.error:8.3f} ULP at {total.argument!r}"
                if total.error > limit:
                    line += f": more than {limit}"
                if total.wrong:
                    line += f"; {total.wrong}"
                failed |= total.error > limit or bool(total.wrong)
                print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

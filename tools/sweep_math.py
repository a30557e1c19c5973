"""Compare every float32 function of the kernels with an oracle, for all 2^32 arguments.

    python tools/sweep_math.py [--isa LEVEL] [--function NAME] [--stride N] [--workers N]

Every float32 there is goes through exp, erf, ... and every smooth activation and its derivative
(or every N-th float: an odd N meets all exponents and the infinities' neighbourhoods), on one level
with fused multiply-adds and one without: `check_isa_levels.py` shows that the others have the same
bits. Prints the largest error in units in the last place and where it is; 0.5 stands for all that
is rounded correctly. An error beyond the function's limit, a NaN where there is a number, or the
reverse, is reported and gives status 1. With --float64, random float64 arguments of all exponents
instead.

The oracles (tests/exact_functions.py) compute in float64, whose own errors are below 1e-4 units in
the last place of a float32; for float64 in long double, whose errors are below 0.02 units. Runs
the densecore that is installed; needs scipy.
"""

import argparse
import contextlib
import ctypes
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import densecore as dc

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from check_isa_levels import FUSED, SEPARATE

import exact_functions as exact

BLOCK = 1 << 16  # arguments: what is compared stays within the cache
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
CORRECT = 0.5  # the error of a value that is rounded correctly is at most this


@dataclass
class Finding:
    """The largest error among some arguments, and a NaN that is on one side only."""

    error: float = CORRECT
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


def keep_memory() -> None:
    """Arrays of this size come from the system each time otherwise, a page fault for every 4 KB."""
    with contextlib.suppress(OSError, AttributeError):  # glibc has it
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def one_of_each_kind(known: list[str]) -> list[str]:
    """The best level with fused multiply-adds that there is here, and the best without."""
    kinds = ([level for level in known if level in kind] for kind in (FUSED, SEPARATE))
    return [levels[0] for levels in kinds if levels]  # they are listed with the best first


def finding(name: str, x: Any, value: Any, expected: Any, terms: Any) -> Finding:
    """Of what was computed at x. Most values are rounded correctly, so only others are measured."""
    with np.errstate(all="ignore"):
        rounded = expected.astype(value.dtype)
    differs = value != rounded
    if np.isnan(value[-1]):  # whole blocks are outside the domain of log
        differs &= (value == value) | (rounded == rounded)
    (at,) = differs.nonzero()
    if at.size == 0:
        return Finding()
    x, value, expected = x[at], value[at], expected[at]
    error = exact.ulp_error(value, expected, terms[at] if np.ndim(terms) else terms)
    wrong = ""
    different = np.isnan(value) != np.isnan(expected)
    if different.any():
        i = int(np.argmax(different))
        wrong = f"{name}({x[i]!r}) is {value[i]!r} instead of {expected[i]!r}"
    error[np.isnan(error)] = 0
    worst = int(np.argmax(error))
    return Finding(max(float(error[worst]), CORRECT), float(x[worst]), wrong)


def sweep(levels: list[str], name: str, dtype: str, stride: int, block: int) -> list[Finding]:
    x = arguments(name, dtype, stride, block)
    if x.size == 0:
        return [Finding()] * len(levels)
    expected, terms = exact.exact_values(name, x)
    kernels = dc._core.KernelsF32 if dtype == "float32" else dc._core.KernelsF64
    return [
        finding(name, x, exact.computed(kernels(level), name, x), expected, terms)
        for level in levels
    ]


def main() -> int:
    known = dc._core.available_isa_levels()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--isa", choices=known, action="append", help="these levels")
    parser.add_argument(
        "--function", choices=exact.names(), action="append", help="this function only"
    )
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="every N-th float")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    parser.add_argument("--float64", type=int, metavar="N", help="N blocks of random float64")
    args = parser.parse_args()

    failed, levels = False, args.isa or one_of_each_kind(known)
    dtype = "float64" if args.float64 else "float32"
    count = args.float64 or -(-(1 << 32) // (BLOCK * args.stride))
    with ProcessPoolExecutor(args.workers, initializer=keep_memory) as pool:
        for name in args.function or exact.names():
            totals = [Finding()] * len(levels)
            one = partial(sweep, levels, name, dtype, args.stride)
            for findings in pool.map(one, range(count), chunksize=64):
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

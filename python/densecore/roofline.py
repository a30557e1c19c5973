"""The machine's peak speed, and how near the kernels come to it: the yardsticks of a benchmark.

All functions measure anew at each call, for a few milliseconds, and return the best of several
tries: other programs can only make a machine look slower than it is.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from ._base.dtypes import DTYPES, Array, Kernels
from ._base.lookup import unknown


def _kernels(dtype: str) -> Kernels:
    if dtype not in DTYPES:
        unknown("dtype", dtype, DTYPES)
    return DTYPES[dtype].kernels


def _best_of(tries: int, call: Callable[[], Any]) -> float:
    """Seconds of the quickest call."""
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def best_time(call: Callable[[], Any], seconds: float = 0.02, tries: int = 5) -> float:
    """Seconds per call: the best of `tries` loops that take `seconds` together.

    Examples
    --------
    >>> from densecore import machine
    >>> 0 < machine.best_time(lambda: sum(range(100)), seconds=0.001) < 1
    True
    """
    count = 1
    while (spent := _best_of(1, partial(_repeat, call, count))) < seconds / tries / 2:
        count = max(2 * count, int(count * seconds / tries / max(spent, 1e-9) / 2))
    return min(spent, _best_of(tries, partial(_repeat, call, count))) / count


def _repeat(call: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        call()


def multiply_adds_per_second(
    dtype: str = "float32", threads: int = 1, seconds: float = 0.02
) -> float:
    """Multiply-adds per second of numbers that are in registers already: no kernel can do more.

    Raises
    ------
    ValueError
        An unknown dtype, or fewer than one thread.
    """
    kernels = _kernels(dtype)
    if threads < 1:
        raise ValueError(f"threads: found {threads}, wanted at least 1")
    outs = [np.zeros(kernels.lanes, dtype) for _ in range(threads)]
    repeats = 1000
    while _best_of(1, partial(kernels.multiply_adds, repeats, outs[0])) < seconds / 8:
        repeats *= 2
    done = kernels.multiply_adds(1, outs[0]) * repeats * threads
    if threads == 1:
        return done / _best_of(5, partial(kernels.multiply_adds, repeats, outs[0]))
    with ThreadPoolExecutor(threads) as pool:
        work = partial(kernels.multiply_adds, repeats)
        return done / _best_of(5, lambda: list(pool.map(work, outs)))


def read_seconds(size: int, dtype: str = "float32") -> float:
    """Seconds to read an array of `size` elements once, when it was read just before."""
    kernels, array = _kernels(dtype), np.ones(size, dtype)
    out = np.zeros(kernels.lanes, dtype)
    return best_time(lambda: kernels.read_all(array, out))


def rewrite_seconds(size: int, dtype: str = "float32") -> float:
    """Seconds to read and write back an array of `size` elements, touched just before."""
    kernels, array = _kernels(dtype), np.ones(size, dtype)
    return best_time(lambda: kernels.rewrite_all(array))


def product_seconds(m: int, n: int, depth: int, dtype: str = "float32") -> float:
    """Seconds of the kernels' matrix product (m, depth)·(depth, n), on one thread."""
    kernels, rng = _kernels(dtype), np.random.default_rng(0)
    a, b, c = (_aligned(shape, dtype) for shape in ((m, depth), (depth, n), (m, n)))
    a[:], b[:] = rng.normal(size=a.shape), rng.normal(size=b.shape)
    return best_time(lambda: kernels.gemm(a, b, None, c))


def _aligned(shape: tuple[int, int], dtype: str) -> Array:
    """Memory that begins with a cache line, as a model's own does. NumPy's does so by chance, and
    where it does not, vectors lie in two lines each."""
    line = 64
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    memory = np.empty(size + line, np.uint8)
    begin = -memory.ctypes.data % line
    return memory[begin : begin + size].view(dtype).reshape(shape)

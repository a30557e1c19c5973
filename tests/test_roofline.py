"""The yardsticks of the benchmarks: do their kernels do what they are counted for?"""

from typing import Any

import numpy as np
import pytest

from conftest import DTYPES
from densecore import roofline


def test_multiply_adds_are_done_and_counted(kernels: Any, dtype: str) -> None:
    out = np.zeros(kernels.lanes, dtype)
    done = kernels.multiply_adds(200, out)
    chains = done / 200 / kernels.lanes
    assert chains == int(chains) >= 10
    assert (out == chains).all()  # every chain runs to exactly 1
    # Each step halves a chain's distance from 1: chain i started at i + 2.
    out = np.zeros(kernels.lanes, dtype)
    assert kernels.multiply_adds(3, out) == 3 * chains * kernels.lanes
    np.testing.assert_allclose(out, sum(1 + (i + 1) / 8 for i in range(int(chains))), rtol=1e-6)


@pytest.mark.parametrize("size", [0, 1, 7, 16, 127, 128, 129, 1000])
def test_memory_is_read_and_rewritten(kernels: Any, dtype: str, guarded: Any, size: int) -> None:
    x = guarded.filled(np.arange(size) % 100, dtype)
    out = np.zeros(kernels.lanes, dtype)
    kernels.read_all(x, out)
    assert out.sum() == x.sum()
    kernels.rewrite_all(x)
    assert (x == -(np.arange(size) % 100)).all()
    guarded.check()


def test_mistakes_are_refused(kernels: Any, dtype: str) -> None:
    with pytest.raises(ValueError, match="out: found"):
        kernels.multiply_adds(1, np.zeros(kernels.lanes + 1, dtype))
    with pytest.raises(ValueError, match="out: found"):
        kernels.read_all(np.zeros(8, dtype), np.zeros(kernels.lanes + 1, dtype))
    with pytest.raises(TypeError, match="x: found"):
        kernels.rewrite_all(np.zeros(8, "int32"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rates_are_plausible(dtype: str) -> None:
    peak = roofline.multiply_adds_per_second(dtype, seconds=0.005)
    assert 1e7 < peak < 1e12
    assert roofline.multiply_adds_per_second(dtype, 2, seconds=0.005) > 1e7
    # No product can beat it; the margin is for a clock that changes in between.
    assert 96**3 / roofline.product_seconds(96, 96, 96, dtype) < 1.5 * peak
    assert 0 < roofline.read_seconds(1000, dtype) < 0.1
    assert 0 < roofline.rewrite_seconds(1000, dtype) < 0.1


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"unknown dtype 'float16'.*known: float32, float64"):
        roofline.multiply_adds_per_second("float16")
    with pytest.raises(ValueError, match="threads: found 0, wanted at least 1"):
        roofline.multiply_adds_per_second(threads=0)

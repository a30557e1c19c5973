"""Accuracy of the vectorised functions, in units in the last place, on every ISA level."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import DTYPES, KERNELS, LEVELS

WIDE = np.longdouble
Function = Callable[[Any], Any]


def erf(x: Any) -> Any:
    """By a series without cancellation: 2/sqrt(pi) exp(-x^2) times sum 2^n x^(2n+1) / (2n+1)!!"""
    near = np.abs(x) < 7
    term = x[near]
    square, total = term**2, term.copy()
    for n in range(1, 200):
        term = term * (2 * square / (2 * n + 1))
        total += term
    pi = x.dtype.type("3.14159265358979323846264338327950288")
    exact = np.sign(x)
    exact[near] = 2 / np.sqrt(pi) * np.exp(-square) * total
    return exact


# More precise than the result, and what arguments to ask for (per dtype).
EXACT: dict[str, Function] = {
    "erf": erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    # For x < 0 as e^x / (1 + e^x): the other form loses what it adds to 1.
    "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
}

# Measured, in units in the last place, and hardly more.
LIMITS = {
    "erf": 1.6,
    "exp": 1.1,
    "expm1": 2.2,
    "log": 0.9,
    "log1p": 1.5,
    "sigmoid": 2.5,
    "tanh": 2.6,
}

needs_wide = pytest.mark.skipif(
    np.finfo(WIDE).nmant <= np.finfo(np.float64).nmant, reason="long double is double here"
)


def arguments(name: str, dtype: str) -> Any:
    rng = np.random.default_rng(7)
    low, high = {"float32": (-104.0, 89.0), "float64": (-746.0, 710.0)}[dtype]
    count = 200_000
    if name == "exp":
        x = np.concatenate([rng.uniform(low, high, count), rng.normal(size=count)])
    elif name == "log":
        tiny, huge = np.log(np.finfo(dtype).smallest_subnormal), np.log(np.finfo(dtype).max)
        x = np.exp(rng.uniform(tiny * 0.999, huge * 0.999, count))
        x = np.concatenate([x, rng.uniform(0.5, 2, count), 1 + rng.normal(size=count) * 1e-4])
    elif name == "log1p":
        x = np.concatenate([rng.uniform(-0.999, 1, count), np.exp(rng.uniform(-40, 0, count))])
    else:
        x = np.concatenate([rng.normal(size=count), rng.uniform(low, -low, count)])
        x = np.concatenate([x, rng.choice([-1, 1], count) * np.exp(rng.uniform(-30, 3, count))])
        x = np.concatenate([x, rng.uniform(-7, 7, count)])
    return x.astype(dtype)


def ulp_error(found: Any, exact: Any) -> Any:
    """Difference in units of the last place that the result's dtype has there."""
    with np.errstate(over="ignore", under="ignore"):  # the nearest float may be infinite or 0
        spacing = np.spacing(np.abs(exact.astype(found.dtype)))
    return np.abs(found.astype(WIDE) - exact) / spacing.astype(WIDE)


@cache
def exact_values(name: str, dtype: str) -> tuple[Any, Any]:
    """Arguments and values, the same for every level."""
    x = arguments(name, dtype)
    with np.errstate(over="ignore", under="ignore"):
        return x, EXACT[name](x.astype(WIDE))


@needs_wide
@pytest.mark.parametrize("name", dc._core.KernelsF64().functions())
def test_error_in_ulp(kernels: Any, dtype: str, name: str) -> None:
    x, exact = exact_values(name, dtype)
    found = np.empty_like(x)
    kernels.function(name, x, found)
    with np.errstate(over="ignore"):
        overflows = np.isinf(exact.astype(dtype))
    assert overflows.any() == (name in ("exp", "expm1")), "the arguments miss the overflow"
    np.testing.assert_array_equal(found[overflows], np.inf)
    error = ulp_error(found[~overflows], exact[~overflows])
    worst = int(np.argmax(error))
    assert error[worst] <= LIMITS[name], (x[~overflows][worst], float(error[worst]))


@pytest.mark.parametrize("name", dc._core.KernelsF64().functions())
def test_special_arguments(kernels: Any, dtype: str, name: str) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0], dtype)
    if name == "log1p":  # its domain is (-1, 1]
        x = np.array([0.0, np.nan, 1.0], dtype)
    found = np.empty_like(x)
    kernels.function(name, x, found)
    with np.errstate(all="ignore"):
        expected = EXACT[name](x.astype(np.float64)).astype(dtype)
        if name == "sigmoid":
            expected[3] = 0
    np.testing.assert_allclose(found, expected, rtol=4 * float(np.finfo(dtype).eps))
    if name in ("erf", "expm1", "tanh"):
        assert (np.signbit(found[:2]) == [False, True]).all()


def test_results_underflow_gradually(kernels: Any, dtype: str) -> None:
    smallest = float(np.finfo(dtype).smallest_subnormal)
    x = np.log(np.array([3.0, 1e3, 1e6]) * smallest).astype(dtype)
    found = np.empty_like(x)
    kernels.function("exp", x, found)
    exact = np.exp(x.astype(WIDE))
    assert (np.abs(found.astype(WIDE) - exact) <= 2 * WIDE(smallest) + 4e-7 * exact).all()
    assert (found > 0).all()
    assert (found < np.finfo(dtype).tiny).all()


@pytest.mark.parametrize("name", ["erf", "exp", "expm1", "tanh", "sigmoid"])
def test_functions_do_not_jump(kernels: Any, dtype: str, name: str) -> None:
    """Neighbouring arguments, across the seams of the range reduction."""
    seams = np.append(np.arange(-20, 21) * np.log(2) / 2, [-1, 1])
    x = np.sort((seams[:, None] + np.linspace(-1e-5, 1e-5, 41)).ravel()).astype(dtype)
    found = np.empty_like(x)
    kernels.function(name, x, found)
    step = np.diff(found.astype(np.float64)) / np.maximum(np.abs(found[1:]), 1e-30)
    assert (step >= -6 * np.finfo(dtype).eps).all()


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(LEVELS), reason="needs both levels")
@pytest.mark.parametrize("name", dc._core.KernelsF64().functions())
@pytest.mark.parametrize("dtype", DTYPES)
def test_avx2_and_avx512_give_the_same_bits(dtype: str, name: str) -> None:
    """Of numbers of every magnitude and sign, and of those outside the function's domain."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(3)
    unsigned = np.dtype(f"u{info.bits // 8}")
    anything = rng.integers(0, 2**info.bits, 100_000, unsigned, endpoint=False).view(dtype)
    edges = np.array([0, info.smallest_subnormal, info.tiny, 0.5, 1, info.max, np.inf], dtype)
    x = np.concatenate([arguments(name, dtype), anything, edges, -edges])
    one, other = np.empty_like(x), np.empty_like(x)
    KERNELS[dtype]("avx2").function(name, x, one)
    KERNELS[dtype]("avx512").function(name, x, other)
    # A NaN's own bits depend on which operand it came from.
    different = (one.view(unsigned) != other.view(unsigned)) & ~(np.isnan(one) & np.isnan(other))
    assert not different.any(), x[different][:5]

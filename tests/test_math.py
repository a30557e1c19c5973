"""Accuracy of the vectorised functions, in units in the last place, on every ISA level."""

from functools import cache
from typing import Any

import numpy as np
import pytest

import densecore as dc
import exact_functions as exact
from conftest import DTYPES, KERNELS, LEVELS

WIDE = np.longdouble

needs_wide = pytest.mark.skipif(
    np.finfo(WIDE).nmant <= np.finfo(np.float64).nmant, reason="long double is double here"
)


@cache
def exact_values(name: str, dtype: str) -> tuple[Any, Any, Any]:
    """Arguments and values, the same for every level."""
    x = exact.random_arguments(name, dtype, 20_000, 7)
    return x, *exact.exact_values(name, x)


def test_every_function_has_an_oracle() -> None:
    assert set(dc._core.KernelsF64().functions()) == set(exact.FUNCTIONS)
    straight = {"linear", "softmax", "log_softmax", "relu_general", "leaky_relu", "relu6"}
    straight |= {"relu", "hard_tanh", "hard_sigmoid", "hard_silu", "hard_shrink", "soft_shrink"}
    straight |= {"threshold", "sparse_plus", "sparse_sigmoid", "squareplus"}  # without exponentials
    smooth = set(dc._core.KernelsF64().activations()) - straight
    assert smooth == set(exact.FORWARD) == set(exact.OF_OUTPUT) | set(exact.BACKWARD)


@needs_wide
@pytest.mark.parametrize("name", exact.names())
def test_error_in_ulp(kernels: Any, dtype: str, name: str) -> None:
    """Of numbers of every magnitude and sign; tools/sweep_math.py does it for all float32."""
    x, values, terms = exact_values(name, dtype)
    found = exact.computed(kernels, name, x)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    if name in ("exp", "expm1"):
        beyond = values > 1.0001 * WIDE(np.finfo(dtype).max)
        assert beyond.any()
        np.testing.assert_array_equal(found[beyond], np.inf)
    error = exact.ulp_error(found, values, terms)
    worst = int(np.argmax(error))
    assert error[worst] <= exact.LIMITS.get(name, exact.LIMIT), (x[worst], float(error[worst]))


@pytest.mark.parametrize("name", ["gelu", "gelu'"])
@pytest.mark.parametrize(("low", "high"), [(-2.81, -2.77), (-1.84, -1.82), (-0.15, -0.13)])
def test_gelu_where_its_roundings_add_up(level: str, name: str, low: float, high: float) -> None:
    """Every third float32 where random ones hardly meet the worst: 4.1 units near -2.78, before the
    shift of the tail's denominator was chosen for it."""
    kernels = KERNELS["float32"](level)
    first, last = np.array([high, low], "f4").view("u4")
    x = np.arange(first, last, 3, dtype="u4").view("f4")
    error = exact.ulp_error(exact.computed(kernels, name, x), *exact.exact_values(name, x))
    assert error.max() <= 3.75, x[int(np.argmax(error))]


@pytest.mark.parametrize(
    ("low", "high"), [(-7.65, -7.55), (-5.96, -5.94), (-3.33, -3.3), (-0.24, -0.23)]
)
def test_mish_where_its_roundings_add_up(level: str, low: float, high: float) -> None:
    """As for gelu: 4.1 units near -7.62, when the exponential was rounded before its product."""
    first, last = np.array([high, low], "f4").view("u4")
    x = np.arange(first, last, 3, dtype="u4").view("f4")
    found = exact.computed(KERNELS["float32"](level), "mish", x)
    error = exact.ulp_error(found, *exact.exact_values("mish", x))
    assert error.max() <= 4, x[int(np.argmax(error))]


@pytest.mark.parametrize("name", exact.names())
def test_special_arguments(kernels: Any, dtype: str, name: str) -> None:
    """Infinities give the limits, a NaN passes, and zeros keep their sign where the function
    has one."""
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0], dtype)
    x = exact.within_domain(name, x) if name != "log" else x
    found = exact.computed(kernels, name, x)
    with np.errstate(over="ignore"):  # the oracle of exp ends beyond the range of the dtype
        expected = exact.exact_values(name, x)[0].astype(dtype)
    np.testing.assert_allclose(found, expected, rtol=4 * float(np.finfo(dtype).eps))
    if found[0] == 0 and name in exact.FORWARD | exact.FUNCTIONS and name != "log1p":
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
@pytest.mark.parametrize("name", exact.names())
@pytest.mark.parametrize("dtype", DTYPES)
def test_avx2_and_avx512_give_the_same_bits(dtype: str, name: str) -> None:
    """Of numbers of every magnitude and sign, and of those outside the function's domain."""
    unsigned = np.dtype(f"u{np.finfo(dtype).bits // 8}")
    info = np.finfo(dtype)
    edges = np.array([0, info.smallest_subnormal, info.tiny, 0.5, 1, info.max, np.inf], dtype)
    # Those outside the function's domain, too.
    x = np.concatenate([exact.random_arguments("exp", dtype, 40_000, 3), edges, -edges])
    one = exact.computed(KERNELS[dtype]("avx2"), name, x)
    other = exact.computed(KERNELS[dtype]("avx512"), name, x)
    # A NaN's own bits depend on which operand it came from.
    different = (one.view(unsigned) != other.view(unsigned)) & ~(np.isnan(one) & np.isnan(other))
    assert not different.any(), x[different][:5]

"""Every kernel on every ISA level against the NumPy reference, at awkward sizes."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import (
    ACTIVATIONS,
    CLASS_NUMBERS,
    DTYPES,
    KERNELS,
    LEVELS,
    LOSSES,
    OF_POSITIVE,
    OF_PROBABILITIES,
    OPTIMIZERS,
    assert_close,
    loss_of,
    targets_of,
)
from densecore import reference

# Around the vector widths 1, 4, 8, 16 and the tiles of up to 6 rows and 64 columns.
ROWS = [0, 1, 2, 3, 5, 6, 7, 13]
COLUMNS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 101, 127, 129]
DEPTHS = [0, 1, 2, 5, 17]
# Narrow rows are packed or transposed in blocks of up to 64.
BLOCKS = [
    (rows, columns) for rows in (4, 9, 16, 21, 67, 130) for columns in (1, 3, 4, 5, 8, 10, 16)
]


def eps(dtype: str) -> float:
    return float(np.finfo(dtype).eps)


def random(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("start", ["zero", "bias", "accumulate"])
@pytest.mark.parametrize("transposed", [False, True])
def test_gemm(kernels: Any, dtype: str, guarded: Any, start: str, transposed: bool) -> None:
    for m in ROWS:
        for n in COLUMNS:
            for k in DEPTHS:
                a = random((k, m), dtype).T if transposed else random((m, k), dtype)
                b = random((k, n), dtype, 1)
                bias = random((n,), dtype, 2) if start == "bias" else None
                old = random((m, n), dtype, 3)
                c = guarded.filled(old, dtype)
                kernels.gemm(a, b, bias, c, start == "accumulate")
                expected = a.astype(np.float64) @ b.astype(np.float64)
                magnitude = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
                if bias is not None:
                    expected, magnitude = expected + bias, magnitude + np.abs(bias)
                if start == "accumulate":
                    expected, magnitude = expected + old, magnitude + np.abs(old)
                # A chain of k fused multiply-adds: at most k + 1 roundings, each of a partial sum
                # bounded by the sum of magnitudes.
                assert (np.abs(c - expected) <= (k + 1) * eps(dtype) * magnitude).all(), (m, n, k)
    guarded.check()


# More than one block of rows and of depth; rows of B a page apart; a single row; few units; few
# rows beside the weights, for vectors of each length and for one depth too many; last columns that
# are half a vector or less of it.
SHAPES = [(280, 70, 400), (60, 1100, 40), (1, 600, 300), (50, 5, 33), (0, 3, 4), (13, 0, 4)]
SHAPES += [(560, 70, 400)]
SHAPES += [(3, 140, 64), (8, 300, 200), (15, 131, 70), (100, 300, 200), (9, 40, 12000)]
SHAPES += [(m, 16 * m + 5, 9 * m - 4) for m in range(1, 10)]
SHAPES += [(200, 64 + 20, 300), (200, 64 + 6, 300), (90, 48 + 3, 200), (67, 18, 70)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_large_and_transposed_products(kernels: Any, dtype: str, shape: Any, guarded: Any) -> None:
    """However operands lie and are packed, an element has the bits of its row by itself."""
    m, n, k = shape
    a, b = random((m, k), dtype), random((k, n), dtype, 1)
    a_turned, b_turned = np.ascontiguousarray(a.T).T, np.ascontiguousarray(b.T).T
    expected = a.astype(np.float64) @ b.astype(np.float64)
    magnitude = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    results = []
    for left in (a, a_turned):
        for right in (b, b_turned):
            c = guarded.empty((m, n), dtype)
            kernels.gemm(left, right, None, c)
            assert (np.abs(c - expected) <= (k + 1) * eps(dtype) * magnitude).all()
            results.append(c.tobytes())
    assert results == results[:1] * 4
    row = np.empty((1, n), dtype)
    for i in range(0, m, 37):
        kernels.gemm(a[i : i + 1], b, None, row)
        assert row.tobytes() == results[0][i * row.nbytes : (i + 1) * row.nbytes]
    guarded.check()


# Rows of B that lie so far apart that only so many are used at a time, and a packed B.
@pytest.mark.parametrize("shape", [(20, 1100, 300), (70, 3000, 150), (200, 300, 2100)], ids=str)
@pytest.mark.parametrize("start", ["zero", "bias", "accumulate"])
def test_a_cut_depth_goes_on_with_the_sum(
    kernels: Any, dtype: str, shape: Any, start: str, guarded: Any
) -> None:
    m, n, k = shape
    a, b, old = random((m, k), dtype), random((k, n), dtype, 1), random((m, n), dtype, 3)
    bias = random((n,), dtype, 2) if start == "bias" else None
    c = guarded.filled(old, dtype)
    kernels.gemm(a, b, bias, c, start == "accumulate")
    parts = old.copy()
    for i in range(0, k, 30):
        kernels.gemm(a[:, i : i + 30], b[i : i + 30], None if i else bias, parts,
                     i > 0 or start == "accumulate")  # fmt: skip
    assert c.tobytes() == parts.tobytes()
    guarded.check()


def test_gemm_reads_any_strides(kernels: Any, dtype: str) -> None:
    whole = random((40, 90), dtype)
    b = random((20, 33), dtype, 1)
    for a in (whole[:9, :20], whole[::2, ::4][:13, :20], whole[3:13, 5:65:3]):
        c = np.empty((len(a), 33), dtype)
        kernels.gemm(a, b, None, c)
        contiguous = np.empty_like(c)
        kernels.gemm(np.ascontiguousarray(a), b, None, contiguous)
        assert c.tobytes() == contiguous.tobytes()


def test_gemm_gives_a_row_the_same_bits_in_any_tile(kernels: Any, dtype: str) -> None:
    a, b, bias = random((14, 23), dtype), random((23, 131), dtype, 1), random((131,), dtype, 2)
    whole = np.empty((14, 131), dtype)
    kernels.gemm(a, b, bias, whole)
    for m in range(1, 14):
        for n in (1, 5, 16, 47, 64, 100, 131):
            part = np.empty((m, n), dtype)
            columns = np.ascontiguousarray(b[:, 131 - n :])
            kernels.gemm(a[14 - m :], columns, bias[131 - n :].copy(), part)
            assert part.tobytes() == whole[14 - m :, 131 - n :].tobytes(), (m, n)


def test_gemm_continues_a_sum(kernels: Any, dtype: str) -> None:
    """Depth may be cut anywhere: the second part goes on with the first one's chain."""
    a, b = random((7, 50), dtype), random((50, 19), dtype, 1)
    whole, parts = np.empty((7, 19), dtype), np.empty((7, 19), dtype)
    kernels.gemm(a, b, None, whole)
    kernels.gemm(a[:, :21], b[:21], None, parts)
    kernels.gemm(a[:, 21:], b[21:], None, parts, True)
    assert parts.tobytes() == whole.tobytes()


def test_transpose_and_sums(kernels: Any, dtype: str, guarded: Any) -> None:
    for rows in [0, 1, 3, 16, 17, 33]:
        for columns in COLUMNS:
            x = random((rows, columns), dtype)
            out = guarded.empty((columns, rows), dtype)
            kernels.transpose(x, out)
            assert (out == x.T).all()
            total = guarded.filled(np.ones(columns), dtype)
            for accumulate in (True, False):
                kernels.column_sum(x, total, accumulate)
                expected = x.astype(np.float64).sum(axis=0) + accumulate
                bound = (rows + 1) * eps(dtype) * (np.abs(x).sum(axis=0) + 1)
                assert (np.abs(total - expected) <= bound).all()
    for size in [0, *COLUMNS]:
        x, y = random((size,), dtype), random((size,), dtype, 1)
        out = guarded.filled(y, dtype)
        kernels.add(x, out)
        assert (out == y + x).all()


def test_every_activation_has_an_oracle() -> None:
    assert set(dc.activations.names()) <= set(reference.ACTIVATIONS)


@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_activation(
    kernels: Any, dtype: str, guarded: Any, name: str, parameters: dict[str, Any]
) -> None:
    oracle = reference.ACTIVATIONS[name]
    kernel, numbers = dc.activations.Activation(name, **parameters)._kernel()
    for rows, columns in [*((rows, c) for rows in (0, 1, 3) for c in COLUMNS), *BLOCKS]:
        z = 3 * random((rows, columns), dtype)
        g = random((rows, columns), dtype, 1)
        a, dz = guarded.empty(z.shape, dtype), guarded.empty(z.shape, dtype)
        kernels.activation(kernel, z, a, numbers)
        expected = oracle.forward(z.astype(np.float64), **parameters)
        # 4 ULP of the functions, and one rounding per term of a row's sum.
        limit = (8 + columns) * eps(dtype)
        assert_close(a, expected, limit, name)
        kernels.activation_gradient(kernel, z, a, g, dz, numbers)
        exact = oracle.backward(z.astype(np.float64), expected, g.astype(np.float64), **parameters)
        # The derivative is of order 1 and made of a: its absolute error is that of a.
        largest = max(float(np.abs(g).max(initial=0)), 1e-30)
        assert_close(dz / largest + 1, exact / largest + 1, 4 * limit, f"gradient of {name}")
        in_place = guarded.filled(z, dtype)
        kernels.activation(kernel, in_place, in_place, numbers)
        assert in_place.tobytes() == a.tobytes()
        in_place[...] = g
        kernels.activation_gradient(kernel, z, a, in_place, in_place, numbers)
        assert in_place.tobytes() == dz.tobytes()
        for i in range(0, rows, 7):  # the same bits by itself
            one, slope = np.empty_like(a[:1]), np.empty_like(a[:1])
            kernels.activation(kernel, z[i : i + 1], one, numbers)
            kernels.activation_gradient(kernel, z[i : i + 1], one, g[i : i + 1], slope, numbers)
            assert one.tobytes() == a[i].tobytes()
            assert slope.tobytes() == dz[i].tobytes()


EXTREMES = [
    [0.0, -0.0, 1e4, -1e4, 88.0, -88.0],
    ["max", 0.0, "-max", 1.0],
    [np.nan, 1.0, 2.0],
    [np.inf, 1.0, -1.0],
    [-np.inf, 1.0, -1.0],
    [-3.0, 3.0, 6.0, 0.5, 1.5, 2.0],
]


@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_activation_of_extreme_numbers(
    kernels: Any, dtype: str, name: str, parameters: dict[str, Any]
) -> None:
    largest = float(np.finfo(dtype).max)
    oracle = reference.ACTIVATIONS[name]
    kernel, numbers = dc.activations.Activation(name, **parameters)._kernel()
    for row in EXTREMES:
        named = {"max": largest, "-max": -largest}
        z = np.array([[named.get(str(x), x) for x in row] * 4], dtype)
        g = np.ones_like(z)
        a, dz = np.empty_like(z), np.empty_like(z)
        kernels.activation(kernel, z, a, numbers)
        kernels.activation_gradient(kernel, z, a, g, dz, numbers)
        with np.errstate(all="ignore"):
            expected = oracle.forward(z, **parameters)
            slope = oracle.backward(z, expected, g, **parameters)
        smallest = float(np.finfo(dtype).tiny)
        # tanh_shrink is a difference: its error is that of z.
        rtol = (64 if name == "tanh_shrink" else 16) * eps(dtype)
        np.testing.assert_allclose(a, expected, rtol=rtol, atol=smallest)
        np.testing.assert_allclose(dz, slope, rtol=rtol, atol=4 * eps(dtype))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [(n, {}) for n in ("softplus", "log_sigmoid", "mish", "silu", "gelu", "exponential", "elu")]
    + [("gelu", {"approximate": True}), ("celu", {"alpha": 2.0})],
)
def test_tails_keep_their_digits(
    kernels: Any, dtype: str, name: str, parameters: dict[str, Any]
) -> None:
    """Where the function has all but vanished, and so has its derivative: relative errors. An
    exponential of x has x times the rounding of its argument."""
    oracle = reference.ACTIVATIONS[name]
    kernel, numbers = dc.activations.Activation(name, **parameters)._kernel()
    end = {"gelu": 12.0 if dtype == "float32" else 36.0}.get(name, 80.0)
    if parameters.get("approximate"):
        end = 9.0  # the exponent is cubic
    z = np.linspace(-end, end, 2000)[None].astype(dtype)
    a, dz, g = np.empty_like(z), np.empty_like(z), np.ones_like(z)
    kernels.activation(kernel, z, a, numbers)
    kernels.activation_gradient(kernel, z, a, g, dz, numbers)
    exact = z.astype(np.float64)
    expected = oracle.forward(exact, **parameters)
    slope = oracle.backward(exact, expected, g.astype(np.float64), **parameters)
    fused = kernels.isa not in ("sse2", "scalar")
    exponent = 100 if fused or name != "gelu" else 1000
    normal = np.abs(expected) > 1e-36
    error = np.abs(a - expected)[normal] / np.abs(expected)[normal]
    assert error.max() <= 2 * exponent * eps(dtype)
    away = np.abs(slope) > 1e-36
    near_zero = np.abs(exact[away] + 1) < 1.5  # where it changes its sign
    error = np.abs(dz - slope)[away] / np.abs(slope)[away]
    assert error[~near_zero].max() <= 2 * exponent * eps(dtype)


def test_every_loss_has_an_oracle() -> None:
    assert set(dc.losses.names()) <= set(reference.LOSSES)
    for name, known in dc._core.KernelsF64().losses().items():
        assert reference.LOSSES[name].link == known["link"]


def columns_suit(name: str, parameters: list[float], columns: int) -> bool:
    if name in CLASS_NUMBERS or name == "cosine_similarity":  # constant with one output
        return columns > 1
    if name == "gaussian_nll":
        return columns % 2 == 0
    return name != "quantile" or columns % len(parameters) == 0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_loss(
    kernels: Any,
    dtype: str,
    guarded: Any,
    name: str,
    options: dict[str, Any],
    fused: bool,
    weighted: bool,
) -> None:
    oracle = reference.LOSSES[name]
    parameters, keywords = loss_of(name, options)
    rng = np.random.default_rng(4)
    if fused and oracle.link is None:
        target: Any = np.zeros_like(targets_of(rng, name, 1, 6, parameters))
        target = target if name in CLASS_NUMBERS else target.astype(dtype)
        with pytest.raises(ValueError, match="has no fused form"):
            kernels.loss(name, True, random((1, 6), dtype), target, None, 1, None, parameters)
        return
    for rows, columns in [*((rows, c) for rows in (0, 1, 5) for c in COLUMNS), *BLOCKS]:
        if not columns_suit(name, parameters, columns):
            continue
        output = random((rows, columns), dtype) * (5 if fused else 1)
        if not fused and name in OF_PROBABILITIES:
            output = reference.ACTIVATIONS[oracle.link or "softmax"].forward(output)
        elif not fused and name in OF_POSITIVE:
            output = np.abs(output)
        target = targets_of(rng, name, rows, columns, parameters)
        target = target if name in CLASS_NUMBERS else target.astype(dtype)
        weight = rng.uniform(0, 2, rows).astype(dtype) if weighted else None
        gradient = guarded.empty((rows, columns), dtype)
        value = kernels.loss(name, fused, output, target, weight, 0.25, gradient, parameters)
        alone = kernels.loss(name, fused, output, target, weight, 0.25, None, parameters)
        assert value == alone
        exact = output.astype(np.float64)
        exact_target = target if target.ndim == 1 else target.astype(np.float64)
        w = np.ones(rows) if weight is None else weight.astype(np.float64)
        with np.errstate(divide="ignore"):
            values = (oracle.fused_value if fused else oracle.value)(
                exact, exact_target, **keywords
            )
            slopes = (oracle.fused_gradient if fused else oracle.gradient)(
                exact, exact_target, **keywords
            )
        limit = (16 + columns) * eps(dtype)
        # Of a sum whose terms may cancel: relative to their sizes.
        size = float((w * np.abs(values)).sum())
        assert value == pytest.approx(float((w * values).sum()), abs=limit * (size + rows))
        # What is divided by a small target or length has its rounding.
        assert_close(gradient, 0.25 * w[:, None] * slopes, 2 * limit, f"gradient of {name}")
        own_rows = np.empty(rows)
        kernels.loss_rows(name, fused, output, target, own_rows, parameters)
        assert float((w * own_rows).sum()) == pytest.approx(value, rel=1e-5, abs=1e-5)
        for i in range(0, rows, 7):  # the same bits by itself
            one = np.empty_like(gradient[:1])
            own = None if weight is None else weight[i : i + 1]
            found = kernels.loss(
                name, fused, output[i : i + 1], target[i : i + 1], own, 0.25, one, parameters
            )
            assert one.tobytes() == gradient[i].tobytes()
            assert found == pytest.approx(own_rows[i] * w[i], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_losses_of_extreme_numbers(
    kernels: Any, dtype: str, name: str, options: dict[str, Any]
) -> None:
    """A NaN in the output is one in the loss and in its gradient, and passes no other row; what is
    large or right on an edge is what the reference makes of it."""
    parameters, keywords = loss_of(name, options)
    oracle = reference.LOSSES[name]
    rng = np.random.default_rng(0)
    target: Any = targets_of(rng, name, 3, 12, parameters)
    target = target if name in CLASS_NUMBERS else target.astype(dtype)
    forms = [(False, oracle.value, oracle.gradient)]
    if oracle.link is not None:
        forms.append((True, oracle.fused_value, oracle.fused_gradient))
    for fused, value_of, slope_of in forms:
        output = rng.uniform(0.1, 0.9, (3, 12)).astype(dtype)
        if name != "quantile" and target.shape == output.shape:
            output[2, 3:6] = target[2, 3:6]
        if name not in CLASS_NUMBERS:
            output[0] = [0, 1, -0.0, 1e-9, 1, 0.5, 2, -1, 30, 0, 1, 0.25]
        if name in OF_POSITIVE - OF_PROBABILITIES:
            output[0] = np.abs(output[0])
        gradient = np.empty_like(output)
        value = kernels.loss(name, fused, output, target, None, 1.0, gradient, parameters)
        with np.errstate(all="ignore"):
            rows = value_of(output, target, **keywords)
            slopes = slope_of(output, target, **keywords)
        assert value == pytest.approx(float(rows.sum(dtype=np.float64)), rel=64 * eps(dtype))
        assert_close(gradient, slopes, 64 * eps(dtype))
        place = int(target[1]) if name in CLASS_NUMBERS else 4
        output[1, place] = np.nan
        kernels.loss(name, fused, output, target, None, 1.0, gradient, parameters)
        rows = np.empty(3)
        kernels.loss_rows(name, fused, output, target, rows, parameters)
        assert np.isnan(rows).tolist() == [False, True, False]
        assert np.isnan(gradient[1, place]), name
        assert not np.isnan(gradient[[0, 2]]).any()


@pytest.mark.parametrize("name", [n for n in dc.losses.names() if reference.LOSSES[n].link])
def test_fused_losses_are_stable(kernels: Any, dtype: str, name: str) -> None:
    z = np.array([[1000.0, -1000.0, 0.0], [-80.0, 80.0, 3.0]], dtype)
    target: Any = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype)
    if name in CLASS_NUMBERS:
        target = np.array([1, 0], np.int32)
    gradient = np.empty_like(z)
    value = kernels.loss(name, True, z, target, None, 1.0, gradient)
    oracle = reference.LOSSES[name]
    exact_target = target if target.ndim == 1 else target.astype(np.float64)
    exact = oracle.fused_value(z.astype(np.float64), exact_target).sum()
    assert value == pytest.approx(exact, rel=8 * eps(dtype))
    assert np.isfinite(gradient).all()


def test_every_optimizer_has_an_oracle() -> None:
    assert set(dc.optimizers.names()) <= set(reference.OPTIMIZERS)
    assert set(dc._core.optimizer_names()) <= set(reference.OPTIMIZERS)
    # Each of the core's is reached from Python, and the list of the tests has them all.
    rules = {dc.optimizers.get(config)._rule() for config in OPTIMIZERS}
    assert rules == set(dc._core.optimizer_names())


# Those of which the kernel is the whole step.
ELEMENTWISE = [
    config
    for config in OPTIMIZERS
    if not reference.OPTIMIZERS[dc.optimizers.get(config)._rule()].whole
]


@pytest.mark.parametrize("config", ELEMENTWISE, ids=str)
def test_optimizer(kernels: Any, dtype: str, guarded: Any, config: dict[str, Any]) -> None:
    made = dc.optimizers.get({**config, "learning_rate": 0.03})
    rule, settings = made._rule(), made._settings.values()
    oracle = reference.OPTIMIZERS[rule]
    starts = oracle.starts(**settings)
    for size in (0, *COLUMNS):
        start = random((size,), dtype)
        p = guarded.filled(start, dtype)
        states = [guarded.filled(np.full(size, first), dtype) for first in starts]
        exact = start.astype(np.float64)
        exact_states = [np.full(size, first) for first in starts]
        for step in range(1, 6):
            g = random((size,), dtype, step)
            kernels.optimizer_update(rule, list(settings.values()), step, p, g, states)
            oracle.update(exact, g.astype(np.float64), exact_states, step, **settings)
            assert_close(p, exact, 20 * step * eps(dtype), f"parameter after step {step}")
        for state, expected in zip(states, exact_states, strict=True):
            assert_close(state, expected, 50 * eps(dtype), "state")


@pytest.mark.parametrize("config", ELEMENTWISE, ids=str)
def test_optimizer_of_extreme_numbers(kernels: Any, dtype: str, config: dict[str, Any]) -> None:
    """A gradient of 0 moves nothing at first, and a NaN stays in its place."""
    made = dc.optimizers.get(config)
    rule, settings = made._rule(), made._settings.values()
    oracle = reference.OPTIMIZERS[rule]
    starts = oracle.starts(**settings)
    states = [np.full(5, first).astype(dtype) for first in starts]
    p = np.ones(5, dtype)
    g = np.array([0, np.nan, 1e-30, 1e15, -1e15], dtype)
    kernels.optimizer_update(rule, list(settings.values()), 1, p, g, states)
    assert np.isnan(p).tolist() == [False, True, False, False, False]
    assert p[0] == (0 if rule == "ftrl" else 1)  # its leader starts from 0
    assert (p[[3, 4]] != 1).all()
    p[:] = 1
    late = 10**9  # bias corrections are 1 by now, and none of them is slow to find out
    kernels.optimizer_update(rule, list(settings.values()), late, p, np.zeros_like(g), states)
    assert np.isfinite(p[0])


@pytest.mark.parametrize("config", ELEMENTWISE, ids=str)
def test_optimizer_keeps_no_subnormal_state(
    kernels: Any, dtype: str, config: dict[str, Any]
) -> None:
    """Many processors are slow to compute with such numbers, and what decays ends among them."""
    made = dc.optimizers.get(config)
    rule, settings = made._rule(), made._settings.values()
    oracle = reference.OPTIMIZERS[rule]
    smallest = np.finfo(dtype).smallest_normal
    for size in (5, 37):
        start = np.resize([smallest / 4, -smallest / 3, 1e-3, 16 * smallest], size)
        start = np.abs(start) if rule == "ftrl" else start  # it takes the roots of its sums
        states = [start.astype(dtype) for _ in range(oracle.states)]
        exact = [state.copy() for state in states]
        p, g = np.ones(size, dtype), np.zeros(size, dtype)
        kernels.optimizer_update(rule, list(settings.values()), 3, p, g, states)
        with np.errstate(invalid="ignore"):  # a negative mean square: its root is not looked at
            oracle.update(p, g, exact, 3, **settings)
        for state, expected in zip(states, exact, strict=True):
            assert (state[:2] == 0).all()
            assert (state[2:4] != 0).all()
            assert_close(state, expected, 50 * eps(dtype), "state")


def test_all_inside(kernels: Any, dtype: str, guarded: Any) -> None:
    for n in (1, 2, 7, 16, 63, 64, 65, 131):
        x = guarded.empty((n,), dtype)
        x[:] = np.random.default_rng(n).uniform(1, 2, n)
        most = float(np.finfo(dtype).max)
        for low, high in ((1, 2), (1, most), (-most, 2), (-most, most)):
            assert kernels.all_inside(x, low, high)
            for i in range(n):
                kept = x[i]
                below = low - 1 if low == 1 else -np.inf
                for bad in (below, high + 1 if high == 2 else np.inf, np.nan, np.inf, -np.inf):
                    x[i] = bad
                    assert not kernels.all_inside(x, low, high), (n, i, bad)
                x[i] = kept


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(LEVELS), reason="needs both levels")
@pytest.mark.parametrize("dtype", DTYPES)
def test_avx2_and_avx512_give_the_same_bits(dtype: str) -> None:
    results = []
    for level in ("avx2", "avx512"):
        kernels = KERNELS[dtype](level)
        found: list[Any] = []
        a, b, bias = random((29, 70), dtype), random((70, 83), dtype, 1), random((83,), dtype, 2)
        c = np.empty((29, 83), dtype)
        kernels.gemm(a, b, bias, c)
        found.append(c)
        for function in kernels.functions():
            out = np.empty(1000, dtype)
            kernels.function(function, np.abs(random((1000,), dtype)), out)
            found.append(out)
        for name, parameters in ACTIVATIONS:
            kernel, numbers = dc.activations.Activation(name, **parameters)._kernel()
            out, slope = np.empty_like(c), np.empty_like(c)
            kernels.activation(kernel, c, out, numbers)
            kernels.activation_gradient(kernel, c, out, random(c.shape, dtype, 5), slope, numbers)
            found += [out, slope]
        labels = np.arange(29, dtype=np.int32)
        rng = np.random.default_rng(6)
        for name, options in LOSSES:
            parameters, _ = loss_of(name, options)
            columns = 82 - 82 % max(2, len(parameters) if name == "quantile" else 2)
            target: Any = labels
            if name not in CLASS_NUMBERS:
                target = targets_of(rng, name, 29, columns, parameters).astype(dtype)
            z = np.ascontiguousarray(c[:, :columns])
            for fused in (False, True) if reference.LOSSES[name].link else (False,):
                slope = np.empty_like(z)
                output = z if fused else 1 / (1 + np.exp(-z))
                value = kernels.loss(name, fused, output, target, None, 1.0, slope, parameters)
                found += [np.array(value), slope]
        for config in OPTIMIZERS:
            made = dc.optimizers.get(config)
            count = len(made.state_names())
            p, states = random((70,), dtype), [np.full(70, 0.5, dtype) for _ in range(count)]
            numbers = list(made._settings.values().values())
            g = random((70,), dtype, 1)
            kernels.optimizer_update(made._rule(), numbers, 3, p, g, states)
            found += [p, *states]
        results.append(found)
    for one, other in zip(*results, strict=True):
        assert one.tobytes() == other.tobytes()

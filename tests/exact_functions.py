"""The functions of the kernels, more precise than their results: oracles for tests and tools.

Every function takes arrays of a wider type than the kernels' (float64 for float32, long double for
float64), and is accurate to a small part of the narrower type's last place: what overflows, loses
or cancels in the textbook's formula is written differently here. Derivatives are those by z, but
where the kernel computes with the output a alone (`OF_OUTPUT`): there they are functions of a.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    from scipy import special  # type: ignore[import-untyped, unused-ignore]
except ImportError:
    special = None

Function = Callable[[Any], Any]
WIDE = np.longdouble
PI = WIDE("3.14159265358979323846264338327950288")
# sqrt(8 / pi) of gelu's approximation with tanh, in two parts.
TANH_FACTOR = "1.5957691216057307117597842397375274738"
SELU_SCALE, SELU_ALPHA = "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"


def limited(z: Any, limit: float = 2e4) -> Any:
    """A factor of what has vanished stays finite: infinity times 0 is NaN."""
    return np.clip(z, -limit, limit)


def exponential(z: Any) -> Any:
    """exp as far as the narrower type reaches and farther: beyond, each would take six times as
    long to overflow or underflow."""
    return np.exp(limited(z, 700.0 if z.dtype == np.float64 else 11000.0))


# The normal distribution ------------------------------------------------------------------------


def density(z: Any) -> Any:
    """φ(z). Of a float64's z the square is split: its rounding alone would be some units of φ in
    the tails. The square of a float32 is exact in float64."""
    z = limited(z, 200.0)
    if z.dtype == np.float64:
        return exponential(z * z / -2) * float(1 / np.sqrt(2 * PI))
    high = z.astype(np.float32).astype(z.dtype)  # half of the bits, so that its square is exact
    rest = (z - high) * (z + high)
    return np.exp(-high * high / 2) * np.exp(-rest / 2) / np.sqrt(2 * PI).astype(z.dtype)


def lower_tail(x: Any) -> Any:
    """Φ(-x) for x >= 0: by a series without cancellation, from 2 on by Laplace's fraction."""
    if x.dtype == np.float64 and special is not None:
        return special.ndtr(-np.minimum(x, 37.0))  # 1e-300: an underflow would be slow
    near = x < 2
    small, large = np.where(near, x, 0), np.where(near, 2, limited(x, 200.0))
    term = total = small
    for n in range(1, 40):
        term = term * (small * small / (2 * n + 1))
        total = total + term
    fraction = large
    for k in range(120, 0, -1):
        fraction = large + k / fraction
    return np.where(near, 0.5 - density(small) * total, density(large) / fraction)


def normal_cdf(z: Any) -> Any:
    tail = lower_tail(np.abs(z))
    return np.where(z < 0, tail, 1 - tail)


def erf(x: Any) -> Any:
    """2 Φ(sqrt(2) x) - 1 from 2 on; below, a series without cancellation:
    2/sqrt(pi) exp(-x²) times sum 2^n x^(2n+1) / (2n+1)!!"""
    if x.dtype == np.float64 and special is not None:
        return special.erf(x)
    size = np.abs(x)
    small = np.clip(x, -2, 2)
    square, term = small * small, small
    total = term
    for n in range(1, 50):
        term = term * (2 * square / (2 * n + 1))
        total = total + term
    near = 2 / np.sqrt(PI).astype(x.dtype) * np.exp(-square) * total
    far = np.copysign(1 - 2 * lower_tail(np.sqrt(x.dtype.type(2)) * np.maximum(size, 2)), x)
    return np.where(size < 2, near, far)


# Activations ------------------------------------------------------------------------------------


def sides(z: Any) -> tuple[Any, Any]:
    """1 / (1 + e) and e / (1 + e), e = exp(-|z|): the sigmoid of |z| and of -|z|."""
    e = exponential(-np.abs(z))
    return 1 / (1 + e), e / (1 + e)


def sigmoid(z: Any) -> Any:
    large, small = sides(z)
    return np.where(z < 0, small, np.where(np.isnan(z), z, large))


def softplus(z: Any) -> Any:
    return np.maximum(z, 0) + np.log1p(exponential(-np.abs(z)))


def silu(z: Any) -> Any:
    return np.maximum(z, 0) - np.abs(limited(z)) * sides(z)[1]


def silu_slope(z: Any) -> Any:
    large, small = sides(z)
    falling = small * (1 - np.abs(limited(z)) * large)  # of -|z|
    return np.where(z < 0, falling, 1 - falling)


def gelu(z: Any) -> Any:
    return np.maximum(z, 0) - np.abs(limited(z)) * lower_tail(np.abs(z))


def gelu_slope(z: Any) -> Any:
    falling = lower_tail(np.abs(z)) - np.abs(limited(z)) * density(z)
    return np.where(z < 0, falling, 1 - falling)


def product(a: Any, b: Any) -> tuple[Any, Any]:
    """a b as an unevaluated sum, by Dekker's method."""
    parts = []
    for x in (a, b):
        bits = np.finfo(x.dtype).nmant + 1
        scaled = x * x.dtype.type(2 ** (bits // 2 + bits % 2) + 1)
        high = scaled - (scaled - x)
        parts.append((high, x - high))
    (a1, a2), (b1, b2) = parts
    whole = a * b
    return whole, ((a1 * b1 - whole) + a1 * b2 + a2 * b1) + a2 * b2


def tanh_gelu_exponential(z: Any) -> tuple[Any, Any]:
    """x = -|z|, limited, and exp(u(x)): u = sqrt(8/pi) (x + 0.044715 x³), of long doubles in two
    parts, as an error of its last place would be hundreds of places of the exponential. A float64
    has 29 bits more than a float32: what u = -100 loses is below 1e-5 of a float32's last place."""
    x = -np.abs(limited(z, 40.0))
    if x.dtype == np.float64:
        return x, exponential(float(TANH_FACTOR) * x * (1 + 0.044715 * x * x))
    # What the constants lose when they are rounded, from their decimal digits.
    scale = WIDE(2) ** 70
    lost, cubic_lost = (WIDE(_digits_lost(digits)) / scale for digits in (TANH_FACTOR, "0.044715"))
    factor, cubic = (np.full_like(x, WIDE(digits)) for digits in (TANH_FACTOR, "0.044715"))
    square, square_lost = product(x, x)
    part, part_lost = product(cubic, square)
    part_lost = part_lost + cubic * square_lost + cubic_lost * square
    inner = 1 + part
    inner_lost = (part - (inner - 1)) + part_lost
    slope, slope_lost = product(factor, x)
    slope_lost = slope_lost + lost * x
    u, u_lost = product(slope, inner)
    u_lost = u_lost + slope * inner_lost + slope_lost * inner
    return x, np.exp(u) * (1 + u_lost)


def _digits_lost(digits: str) -> float:
    """2^70 times what a decimal number loses when it becomes a long double."""
    from fractions import Fraction

    mantissa, exponent = np.frexp(WIDE(digits))
    rounded = Fraction(int(mantissa * WIDE(2) ** 64)) * Fraction(2) ** (int(exponent) - 64)
    return float((Fraction(digits) - rounded) * 2**70)


def gelu_tanh(z: Any) -> Any:
    x, e = tanh_gelu_exponential(z)
    return np.maximum(z, 0) + x * e / (1 + e)


def gelu_tanh_slope(z: Any) -> Any:
    x, e = tanh_gelu_exponential(z)
    slope = x.dtype.type(TANH_FACTOR) * (1 + 3 * x.dtype.type("0.044715") * x * x)
    falling = e / (1 + e) * (1 + x * slope / (1 + e))
    return np.where(z < 0, falling, np.where(np.isnan(z), z, 1 - falling))


def mish(z: Any) -> Any:
    x = np.clip(z, -2e4, 50)
    e = exponential(x)
    n = e * (e + 2)
    return np.where(z > 50, z, x * n / (n + 2))


def mish_slope(z: Any) -> Any:
    x = np.clip(z, -2e4, 50)
    e = exponential(x)
    m = e * (e + 2) + 2
    return e * (4 * x * (e + 1) / m + (e + 2)) / m


def exponential_below(z: Any, scale: Any, alpha: Any) -> Any:
    return np.where(z > 0, scale * z, scale * alpha * np.expm1(np.minimum(z, 0)))


def exponential_below_slope(z: Any, scale: Any, alpha: Any) -> Any:
    slope = np.where(z > 0, scale, scale * alpha * exponential(np.minimum(z, 0)))
    return np.where(np.isnan(z), z, slope)


def selu_constants(z: Any) -> tuple[Any, Any]:
    return z.dtype.type(SELU_SCALE), z.dtype.type(SELU_ALPHA)


def softsign(z: Any) -> Any:
    size = np.minimum(np.abs(z), 1e300)
    return np.copysign(size / (1 + size), z)


def tanh_shrink(z: Any) -> Any:
    """z - tanh z as (z cosh z - sinh z) / cosh z, near 0 by a series without cancellation."""
    small = np.clip(z, -1, 1)
    total, term = np.zeros_like(small), small  # term: z^(2k+1) / (2k+1)!
    for k in range(1, 9 if z.dtype == np.float64 else 15):
        term = term * (small * small / ((2 * k) * (2 * k + 1)))
        total = total + 2 * k * term
    return np.where(np.abs(z) < 1, total / np.cosh(small), z - np.tanh(z))


# The functions of KernelTable, and every element-wise activation that is not of straight pieces.
FUNCTIONS: dict[str, Function] = {
    "erf": erf,
    "exp": exponential,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
}
FORWARD: dict[str, Function] = {
    "celu": lambda z: exponential_below(z, 1, 1),
    "elu": lambda z: exponential_below(z, 1, 1),
    "exponential": exponential,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "log_sigmoid": lambda z: -softplus(-z),
    "mish": mish,
    "selu": lambda z: exponential_below(z, *selu_constants(z)),
    "sigmoid": sigmoid,
    "silu": silu,
    "softplus": softplus,
    "softsign": softsign,
    "tanh": np.tanh,
    "tanh_shrink": tanh_shrink,
}
OF_OUTPUT: dict[str, Function] = {
    "exponential": lambda a: a,
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: (1 - a) * (1 + a),
}
BACKWARD: dict[str, Function] = {
    "celu": lambda z: exponential_below_slope(z, 1, 1),
    "elu": lambda z: exponential_below_slope(z, 1, 1),
    "gelu": gelu_slope,
    "gelu_tanh": gelu_tanh_slope,
    "log_sigmoid": lambda z: sigmoid(-z),
    "mish": mish_slope,
    "selu": lambda z: exponential_below_slope(z, *selu_constants(z)),
    "silu": silu_slope,
    "softplus": sigmoid,
    "softsign": lambda z: 1 / (1 + np.abs(z)) ** 2,
    "tanh_shrink": lambda z: np.tanh(z) ** 2,
}


def larger(first: Any, second: Any) -> Any:
    return np.maximum(np.abs(first), np.abs(second))


def sigmoid_terms(z: Any, weight: Any, slope: Any = 1) -> Any:
    return larger(weight, limited(z) * slope * weight * (1 - weight))


def mish_terms(z: Any) -> Any:
    x = np.clip(z, -2e4, 50)
    e = exponential(x)
    n = e * (e + 2)
    return larger(n / (n + 2), x * 4 * e * (e + 1) / (n + 2) ** 2)


def gelu_tanh_terms(z: Any) -> Any:
    x, e = tanh_gelu_exponential(z)
    slope = x.dtype.type(TANH_FACTOR) * (1 + 3 * x.dtype.type("0.044715") * x * x)
    return sigmoid_terms(x, e / (1 + e), slope)


# These derivatives are sums f / z + z (f / z)' of two terms, which cancel in part for z < 0 and
# wholly where the derivative crosses 0. No arithmetic of the terms can do better than some last
# places of the larger one: there an error is counted in those. Here is the size of the larger one.
TERMS: dict[str, Function] = {
    "gelu": lambda z: larger(normal_cdf(z), limited(z) * density(z)),
    "gelu_tanh": gelu_tanh_terms,
    "mish": mish_terms,
    "silu": lambda z: sigmoid_terms(z, sigmoid(z)),
}


def ulp_error(found: Any, exact: Any, smallest_unit_of: Any = 0.0) -> Any:
    """Difference in units of the last place that the result's dtype has at `exact`, or at
    `smallest_unit_of` where that is larger; an infinite result counts as the first power of 2
    that does not exist."""
    info = np.finfo(found.dtype)
    wide = exact.dtype.type
    beyond = wide(2) ** info.maxexp
    with np.errstate(all="ignore"):
        size = np.fmax(np.abs(exact), smallest_unit_of)
        exponent = np.frexp(np.minimum(size, wide(info.max)))[1] - 1
        unit = np.ldexp(wide(1), np.maximum(exponent, info.minexp) - info.nmant)
        limited_ones = [np.clip(a.astype(exact.dtype), -beyond, beyond) for a in (found, exact)]
        error = np.abs(limited_ones[0] - limited_ones[1]) / unit
    error[np.isnan(found) & np.isnan(exact)] = 0
    return error


# In units in the last place, on every level and for both dtypes. 4 is promised; one derivative
# misses it by a little, without fused multiply-adds only. For the functions that everything else
# is made of, the limit is what was measured and hardly more.
LIMIT = 4.0
LIMITS = {
    "erf": 1.6,
    "exp": 1.1,
    "expm1": 2.2,
    "log": 0.9,
    "log1p": 1.5,
    "mish'": 4.2,
    "sigmoid": 2.5,
    "tanh": 2.6,
}


# What is compared ---------------------------------------------------------------------------------


def names() -> list[str]:
    """Functions, activations, and derivatives of activations with a ' behind."""
    forward = [name for name in FORWARD if name not in FUNCTIONS]
    return [*FUNCTIONS, *forward, *(f"{name}'" for name in sorted({**OF_OUTPUT, **BACKWARD}))]


def within_domain(name: str, x: Any) -> Any:
    if name == "log1p":
        x = x[(x > -1) & (x <= 1)]
    if name in ("sigmoid'", "tanh'"):  # functions of an output
        x = x[(np.abs(x) <= 1) | np.isnan(x)]
    return np.ascontiguousarray(x)


def random_arguments(name: str, dtype: str, count: int, seed: int) -> Any:
    """Where the functions are neither 0 nor constant, around 0, near 0, and of all exponents."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)  # type: ignore[arg-type]
    edge = {"float32": 104.0, "float64": 746.0}[dtype]
    parts = [
        rng.uniform(-edge, edge, count),
        rng.uniform(-20, 20, count),
        rng.normal(size=count),
        rng.choice([-1, 1], count) * np.exp(rng.uniform(-30, 3, count)),
        1 + rng.normal(size=count) * 1e-4,
    ]
    unsigned = np.dtype(f"u{info.bits // 8}")
    anything = rng.integers(0, 2**info.bits, count, unsigned, endpoint=False).view(dtype)
    return within_domain(name, np.concatenate([*(p.astype(dtype) for p in parts), anything]))


def computed(kernels: Any, name: str, x: Any) -> Any:
    """What the kernels of a level make of x; activations with parameters have their usual ones."""
    found = np.empty_like(x)
    if name in FUNCTIONS:
        kernels.function(name, x, found)
        return found
    activation = name.rstrip("'")
    parameters = [1.0] if activation in ("elu", "celu") else []
    row, out = x.reshape(1, -1), found.reshape(1, -1)
    if name.endswith("'"):
        kernels.activation_gradient(activation, row, row, np.ones_like(row), out, parameters)
    else:
        kernels.activation(activation, row, out, parameters)
    return found


def exact_values(name: str, x: Any) -> tuple[Any, Any]:
    """The exact values, and what the unit in the last place is at least that of."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
        if name in FUNCTIONS:
            return FUNCTIONS[name](wide), 0.0
        if not name.endswith("'"):
            return FORWARD[name](wide), 0.0
        name = name[:-1]
        if name in OF_OUTPUT:
            return OF_OUTPUT[name](wide), 0.0
        if name not in TERMS or not (wide < 0).any():
            return BACKWARD[name](wide), 0.0
        return BACKWARD[name](wide), np.where(wide < 0, TERMS[name](wide), 0)

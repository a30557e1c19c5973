"""Fit the polynomials of the kernels and print their coefficients.

    python tools/fit_polynomials.py        (needs mpmath)

Each is the minimax polynomial of a function on an interval under a weight, found by Remez's
exchange in 60-digit arithmetic, so that the only error left in the kernels is that of rounding.
The maximum weighted error is printed beside the coefficients.
"""

from collections.abc import Callable
from functools import cache, partial

from mpmath import lu_solve, matrix, mp, mpf

mp.dps = 60
Function = Callable[[mpf], mpf]


def remez(f: Function, weight: Function, low: mpf, high: mpf, degree: int) -> tuple[list, mpf]:
    """Coefficients (constant term first) that minimise max |weight(x) (p(x) - f(x))|."""
    f, weight = cache(f), cache(weight)
    count = degree + 2
    middle, radius = (low + high) / 2, (high - low) / 2
    points = [middle - radius * mp.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    grid = [low + (high - low) * mpf(i) / 4000 for i in range(4001)]
    for _ in range(30):
        system = matrix(count, count)
        for i, x in enumerate(points):
            for j in range(degree + 1):
                system[i, j] = x**j
            system[i, degree + 1] = (-1) ** i / weight(x)
        solution = lu_solve(system, matrix([f(x) for x in points]))
        coefficients, level = list(solution)[:-1], abs(solution[degree + 1])

        def error(x: mpf, c: list = coefficients) -> mpf:
            return weight(x) * (mp.polyval(c[::-1], x) - f(x))

        values = [error(x) for x in grid]
        # One extremum per run of equal sign.
        extrema: list[tuple[mpf, mpf]] = []
        for x, value in zip(grid, values, strict=True):
            if extrema and (value > 0) == (extrema[-1][1] > 0):
                if abs(value) > abs(extrema[-1][1]):
                    extrema[-1] = (x, value)
            else:
                extrema.append((x, value))
        while len(extrema) > count:
            extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
        worst = max(abs(value) for _, value in extrema)
        if len(extrema) < count or worst < level * (1 + mpf(10) ** -6):
            return coefficients, worst
        points = [x for x, _ in extrema]
    return coefficients, worst


def exp_tail(r: mpf) -> mpf:
    """(exp(r) - 1 - r) / r^2"""
    return mpf(1) / 2 + r / 6 if abs(r) < mpf(10) ** -20 else (mp.expm1(r) - r) / r**2


def log_tail(z: mpf) -> mpf:
    """(2 atanh(s) - 2 s) / s^3 for z = s^2"""
    s = mp.sqrt(z)
    return mpf(2) / 3 if z < mpf(10) ** -20 else (2 * mp.atanh(s) - 2 * s) / s**3


def erf_near(z: mpf) -> mpf:
    """erf(x) / x - 1 for z = x^2"""
    x = mp.sqrt(z)
    return 2 / mp.sqrt(mp.pi) - 1 if z < mpf(10) ** -20 else mp.erf(x) / x - 1


ERF_CENTRE = mpf("1.75")


def erf_far(v: mpf) -> mpf:
    """-log(erfc(x)) for x = v + 1.75"""
    return -mp.log(mp.erfc(v + ERF_CENTRE))


# The polynomial then stays just below 1/2, where its last place is smallest beside it, and gelu's
# roundings are seldom at their worst together: of shifts from 3/4 to 5/4 and centres from 2 to 5
# this one and 3 had the smallest errors in float32. Doubles reach farther out, hence their 5.
NORMAL_SHIFT = mpf(57) / 64


def normal_tail(centre: int, t: mpf) -> mpf:
    """(z + 57/64) (1 - Φ(z)) exp(z^2 / 2) for t = (z - centre) / (z + centre), Φ of the normal
    distribution"""
    z = centre * (1 + t) / (1 - t)
    return (z + NORMAL_SHIFT) / 2 * mp.exp(z * z / 2) * mp.erfc(z / mp.sqrt(2))


def tanh_fraction(w: mpf) -> mpf:
    """k with tanh(z) = z k / (k + z^2), for w = z^2: 3 + w / (5 + w / (7 + ...))"""
    z = mp.sqrt(w)
    return 3 + w / 5 if w < mpf(10) ** -20 else w / (z * mp.coth(z) - 1)


def show(name: str, coefficients: list, error: mpf) -> None:
    print(f"{name}: weighted error {mp.nstr(error, 3)} = 2^{mp.nstr(mp.log(error, 2), 4)}")
    print("  {" + ", ".join(mp.nstr(c, 20) for c in coefficients) + "}")


def main() -> None:
    half_ln2 = mp.log(2) / 2 * mpf("1.0001")
    for name, degree in (("exp f32", 4), ("exp f64", 9)):
        show(name, *remez(exp_tail, lambda r: abs(r) + mpf("1e-9"), -half_ln2, half_ln2, degree))
    s_max = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mpf("1.0001")
    for name, degree in (("log f32", 2), ("log f64", 6)):
        show(name, *remez(log_tail, lambda z: z + mpf("1e-9"), mpf(0), s_max**2, degree))
    for name, degree in (("erf near f32", 6), ("erf near f64", 11)):
        show(name, *remez(erf_near, lambda z: 1 / (1 + erf_near(z)), mpf(0), mpf(1), degree))
    # Beyond the upper ends erf rounds to 1.
    for name, high, degree in (("erf far f32", "3.93", 6), ("erf far f64", "5.93", 17)):
        low, high_v = mpf("0.99") - ERF_CENTRE, mpf(high) - ERF_CENTRE
        show(name, *remez(erf_far, lambda v: mp.erfc(v + ERF_CENTRE), low, high_v, degree))
    for name, centre, limit, degree in (
        ("normal tail f32", 3, 15, 10),
        ("normal tail f64", 5, 40, 23),
    ):
        high, tail = mpf(limit - centre) / (limit + centre), cache(partial(normal_tail, centre))
        show(name, *remez(tail, lambda t, f=tail: 1 / f(t), mpf(-1), high, degree))
    for name, degree in (("tanh fraction f32", 4), ("tanh fraction f64", 10)):
        weight = cache(lambda w: 1 / (tanh_fraction(w) + w))
        show(name, *remez(tanh_fraction, weight, mpf(0), mpf("2.2501"), degree))


if __name__ == "__main__":
    main()

"""A network that obeys an equation: a damped oscillator, seen for a moment, continued by physics.

    python examples/loops/oscillator.py [--plot oscillator.png] [--compare] [--quick]

Some noisy measurements of the beginning of u'' + 2 d u' + w^2 u = 0 are given, w is known, the
friction d is not. The network fits the measurements, and where there are none what the equation
leaves over, after Raissi, Perdikaris and Karniadakis (J. Comput. Phys. 378, 2019); the friction is
at each step the value that leaves least. `input_derivatives` gives u, u' and u'', and
`backward_derivatives` is the backward pass from a loss of these.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from comparison import Array, Make, compare, densecore_network, parse

W, FRICTION = 20.0, 2.0
SEEN, END = 0.35, 1.0
WIDTHS, RATE = [1, 32, 32, 1], 1e-2
MEASURED, PLACES = 24, 101  # rows with a measurement, rows where only the equation holds
WEIGHT = 2e-5  # of the equation's residual, which is of the size of w^2 u


def solution(t: Array, friction: float = FRICTION) -> Array:
    """From u(0) = 1, u'(0) = 0."""
    root = np.sqrt(W**2 - friction**2)
    return np.exp(-friction * t) * (np.cos(root * t) + friction / root * np.sin(root * t))


def measurements(seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, SEEN, MEASURED))
    return t, solution(t) + 0.03 * rng.normal(size=MEASURED)


def rows_of(t: Array) -> Array:
    """The network's input, from -1 to 1."""
    return (2 * t / END - 1).astype(np.float32)[:, None]


def train(
    make: Make = densecore_network, steps: int = 8000, seed: int = 0, weight: float = WEIGHT
) -> tuple[Any, list[float]]:
    """The network, and the friction after each step."""
    network = make(WIDTHS, RATE, seed)
    t, wanted = measurements(seed)
    x = np.vstack([rows_of(t), rows_of(np.linspace(0, END, PLACES))])
    # Along this direction the derivatives by the network's input are those by the time.
    direction = np.array([2 / END], np.float32)
    y = wanted.astype(np.float32)[:, None]
    grad_u = np.zeros((len(x), 1), np.float32)
    grad_du, grad_d2u = np.zeros_like(grad_u), np.zeros_like(grad_u)
    law = slice(MEASURED, None)
    found = []
    for step in range(steps):
        u, du, d2u = network.input_derivatives(x, direction)
        # The residual is linear in the friction: least squares. As it is the best one for this
        # network, the loss does not change with it, and the gradient needs no term for it.
        rest = d2u[law] + W**2 * u[law]
        friction = float(np.clip(-(rest * du[law]).sum() / (2 * (du[law] ** 2).sum()), 0, 10))
        residual = rest + 2 * friction * du[law]
        slope = 2 * weight / PLACES * residual
        grad_u[:MEASURED] = 2 / MEASURED * (u[:MEASURED] - y)
        grad_u[law] = W**2 * slope
        grad_du[law] = 2 * friction * slope
        grad_d2u[law] = slope
        network.backward_derivatives(grad_u, grad_du, grad_d2u)
        network.optimizer.learning_rate = RATE * (1 - step / steps)
        network.apply_gradients()
        found.append(friction)
    return network, found


def error(network: Any, begin: float = 0.0) -> float:
    """Root of the mean squared distance to the solution, from a time on."""
    t = np.linspace(begin, END, 300)
    found = network.predict_on_batch(rows_of(t))[:, 0]
    return float(np.sqrt(((found - solution(t)) ** 2).mean()))


def draw(path: str, network: Any, plain: Any, frictions: dict[int, list[float]]) -> None:
    """Left the motion, right the friction."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(8.4, 3.2), dpi=100, gridspec_kw={"width_ratios": [1.7, 1]}
    )
    t = np.linspace(0, END, 400)
    left.plot(t, solution(t), color="#ced4da", lw=6, label="solution")
    for model, colour, style, label in (
        (plain, "#1c7ed6", ":", "network, measurements alone"),
        (network, "#d9480f", "-", "network, measurements and equation"),
    ):
        left.plot(t, model.predict_on_batch(rows_of(t))[:, 0], style, color=colour, label=label)
    left.plot(*measurements(0), ".", color="#212529", label="measurements")
    left.set(xlabel="time", ylabel="u", ylim=(-1.1, 1.8))
    left.legend(frameon=False, fontsize=8, loc="upper right")
    for seed, found in frictions.items():
        right.plot(np.arange(len(found)), found, lw=1.2, label=f"seed {seed}")
    right.axhline(FRICTION, color="#868e96", lw=1, ls=":")
    right.set(xlabel="step", ylabel="friction d", ylim=(0, 6))
    right.legend(frameon=False, fontsize=8)
    for axes, title in ((left, "the motion"), (right, "the friction")):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(__doc__, arguments)
    steps = 3000 if options.quick else 8000
    networks, frictions = {}, {}
    for seed in range(2 if options.quick else 3):
        start = time.perf_counter()
        networks[seed], frictions[seed] = train(steps=steps, seed=seed)
        seconds = time.perf_counter() - start
        print(f"seed {seed}: error {error(networks[seed]):.3f}, friction {frictions[seed][-1]:.2f} "
              f"(true: {FRICTION:.2f}) in {seconds:.2f} s")  # fmt: skip
    plain, _ = train(steps=steps, weight=0.0)
    print(f"without the equation: error {error(plain):.3f}")
    if options.plot:
        draw(options.plot, networks[0], plain, frictions)
    if options.compare:
        steps = 300 if options.quick else 2000
        print(f"{steps} steps:")
        compare(lambda make: train(make, steps)[1][-1], 1 if options.quick else 3)


if __name__ == "__main__":
    main()

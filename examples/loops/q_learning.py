"""A cart learns to balance a pole: double deep Q-learning with a replay buffer.

    python examples/loops/q_learning.py [--plot balance.png] [--compare] [--quick]

Cart and pole are those of Barto, Sutton and Anderson (1983), the method that of van Hasselt et al.
(arXiv 1509.06461): one network chooses the best next action, a copy that follows it slowly says
what that is worth. The replay buffer is a few NumPy arrays; the copy follows in one line, as a
model's parameters are one flat array.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from comparison import Array, Make, compare, densecore_network, parse

CARTS, LIMIT = 8, 500  # at once; steps that end an episode
DISCOUNT, FOLLOW, BATCH, STORED = 0.99, 0.02, 64, 50_000
WIDTHS, RATE = [4, 64, 64, 2], 1e-3
SCALE = np.array([2.4, 3, 0.21, 3])  # of position, speed, angle, angular speed


class Carts:
    """Carts on rails with a pole on each; a push of 10 N to the left (0) or right (1) per step."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.state = rng.uniform(-0.05, 0.05, (count, 4))
        self.age = np.zeros(count, int)

    def step(self, actions: Array) -> tuple[Array, Array]:
        """A fiftieth of a second. Returns which poles have fallen, and which episodes are over;
        the states are those before a new beginning, which `restart` makes."""
        _, v, angle, w = self.state.T
        cos, sin = np.cos(angle), np.sin(angle)
        # Cart 1 kg, pole 0.1 kg, its middle 0.5 m from the hinge.
        push = (20.0 * actions - 10.0 + 0.05 * w**2 * sin) / 1.1
        turn = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        rates = np.column_stack([v, push - 0.05 * turn * cos / 1.1, w, turn])
        self.state += 0.02 * rates
        self.age += 1
        fallen = (np.abs(self.state[:, 0]) > 2.4) | (np.abs(self.state[:, 2]) > 0.21)
        return fallen, fallen | (self.age == LIMIT)

    def restart(self, over: Array) -> None:
        count = np.count_nonzero(over)
        if count:
            self.state[over] = self.rng.uniform(-0.05, 0.05, (count, 4))
            self.age[over] = 0


class Replay:
    """The last transitions; the oldest give way."""

    def __init__(self) -> None:
        self.before = np.empty((STORED, 4), np.float32)
        self.after = np.empty((STORED, 4), np.float32)
        self.action = np.empty(STORED, np.int64)
        self.lives = np.empty(STORED, np.float32)
        self.count = 0

    def add(self, before: Array, action: Array, after: Array, fallen: Array) -> None:
        where = np.arange(self.count, self.count + len(before)) % STORED
        self.before[where], self.after[where] = before, after
        self.action[where], self.lives[where] = action, ~fallen
        self.count += len(before)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
        rows = rng.integers(0, min(self.count, STORED), BATCH)
        return self.before[rows], self.action[rows], self.after[rows], self.lives[rows]


def balanced(values: Callable[[Array], Array], seed: int = 99, carts: int = 32) -> float:
    """Steps until the pole falls, at most 500: the mean of some carts without exploration."""
    world = Carts(carts, np.random.default_rng(seed))
    alive = np.ones(carts, bool)
    total = 0
    for _ in range(LIMIT):
        fallen, _ = world.step(values((world.state / SCALE).astype(np.float32)).argmax(axis=1))
        alive &= ~fallen
        total += np.count_nonzero(alive)
    return total / carts


def train(
    make: Make = densecore_network, steps: int = 8000, seed: int = 0
) -> tuple[Any, list[tuple[int, int]]]:
    """The network (state -> worth of each action), and (step, length) of each episode."""
    rng = np.random.default_rng(seed)
    network = make(WIDTHS, RATE, seed)
    target = make(WIDTHS, RATE, seed)
    world, replay = Carts(CARTS, rng), Replay()
    rows = np.arange(BATCH)
    values = np.empty((CARTS, 2), np.float32)
    gradient = np.empty((BATCH, 2), np.float32)
    episodes = []
    seen = (world.state / SCALE).astype(np.float32)
    for step in range(steps):
        explore = max(0.02, 1 - 4 * step / steps)
        network.predict_on_batch(seen, out=values)
        chance = rng.random(CARTS) < explore
        actions = np.where(chance, rng.integers(0, 2, CARTS), values.argmax(axis=1))
        fallen, over = world.step(actions)
        replay.add(seen, actions, (world.state / SCALE).astype(np.float32), fallen)
        episodes += [(step, int(age)) for age in world.age[over]]
        world.restart(over)
        seen = (world.state / SCALE).astype(np.float32)

        before, action, after, lives = replay.sample(rng)
        best = network.predict_on_batch(after).argmax(axis=1)
        # A step is worth 1/100, in the middle of the rail, and nothing at its ends: a pole that
        # stands there for ever is worth 1, a size that suits the network.
        reward = 0.01 * (1 - after[:, 0] ** 2)
        wanted = reward + DISCOUNT * lives * target.predict_on_batch(after)[rows, best]
        error = network.forward(before)[rows, action] - wanted
        gradient[:] = 0
        gradient[rows, action] = error / BATCH
        network.backward(gradient)
        network.optimizer.learning_rate = RATE * (1 - step / steps)
        network.apply_gradients()
        target.parameters[:] += FOLLOW * (network.parameters - target.parameters)
    return network, episodes


def draw(path: str, learnt: dict[int, list[tuple[int, int]]], network: Any) -> None:
    """Left how long poles stood while it was learnt, right the carts that have learnt it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8.4, 3.2), dpi=100)
    for seed, episodes in learnt.items():
        steps, lengths = np.array(episodes).T
        smooth = np.convolve(lengths, np.full(20, 1 / 20), "valid")
        left.plot(steps[19:] * CARTS / 1000, smooth, lw=1.5, label=f"seed {seed}")
    left.axhline(LIMIT, color="#868e96", lw=1, ls=":")
    left.set(xlabel="thousand steps of a cart", ylabel="steps until the pole falls")
    left.legend(frameon=False, loc="lower right")

    world = Carts(12, np.random.default_rng(5))
    world.state *= 2.5  # further from the middle than where episodes of the training begin
    places = np.empty((250, 12))
    for t in range(len(places)):
        places[t] = np.degrees(world.state[:, 2])
        values = network.predict_on_batch((world.state / SCALE).astype(np.float32))
        world.step(values.argmax(axis=1))
    right.plot(0.02 * np.arange(len(places)), places, color="#d9480f", lw=1, alpha=0.5)
    right.axhline(0, color="#868e96", lw=1, ls=":")
    right.set(xlabel="seconds", ylabel="angle of the pole", ylim=(-13, 13))
    right.yaxis.set_major_formatter("{x:.0f}°")
    for axes, title in ((left, "learning"), (right, "twelve carts after it")):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(__doc__, arguments)
    steps = 3000 if options.quick else 8000
    learnt = {}
    for seed in range(2 if options.quick else 3):
        start = time.perf_counter()
        network, learnt[seed] = train(steps=steps, seed=seed)
        seconds = time.perf_counter() - start
        before = balanced(densecore_network(WIDTHS, RATE, seed).predict_on_batch)
        after = balanced(network.predict_on_batch)
        print(f"seed {seed}: {before:.0f} -> {after:.0f} of {LIMIT} steps balanced "
              f"in {seconds:.2f} s")  # fmt: skip
    if options.plot:
        draw(options.plot, learnt, network)
    if options.compare:
        steps = 500 if options.quick else steps
        print(f"{steps} steps:")
        compare(
            lambda make: balanced(train(make, steps)[0].predict_on_batch), 1 if options.quick else 3
        )


if __name__ == "__main__":
    main()

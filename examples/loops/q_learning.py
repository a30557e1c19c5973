"""A cart learns to balance a pole: double deep Q-learning with a replay buffer.

    python examples/loops/q_learning.py [--plot balance.png] [--compare] [--quick]

Cart and pole are those of Barto, Sutton and Anderson (1983), the method that of van Hasselt et al.
(arXiv 1509.06461): one network chooses the best next action, a copy that follows it slowly says
what that is worth. The replay buffer is a few NumPy arrays; the copy follows in one line, as a
model's parameters are one flat array.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from comparison import Array, Make, compare, densecore_network, parse

CARTS, LIMIT = 8, 500  # at once; steps that end an episode
DISCOUNT, FOLLOW, BATCH, STORED = 0.99, 0.02, 64, 50_000
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
        x, v, angle, w = self.state.T
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


def balanced(network: Any, seed: int = 99, carts: int = 32) -> float:
    """Steps until the pole falls, at most 500: the mean of some carts without exploration."""
    world = Carts(carts, np.random.default_rng(seed))
    alive = np.ones(carts, bool)
    total = 0
    for _ in range(LIMIT):
        values = network.predict_on_batch((world.state / SCALE).astype(np.float32))
        fallen, _ = world.step(values.argmax(axis=1))
        alive &= ~fallen
        total += np.count_nonzero(alive)
    return total / carts


def train(
    make: Make = densecore_network, steps: int = 8000, seed: int = 0
) -> tuple[Any, list[tuple[int, int]]]:
    """The network (state -> worth of each action), and (step, length) of each episode."""
    rng = np.random.default_rng(seed)
    network = make([4, 64, 64, 2], 1e-3, seed)
    target = make([4, 64, 64, 2], 1e-3, seed)
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
        # A step is worth 1/100, so that the worth of a pole that never falls is 1.
        wanted = 0.01 + DISCOUNT * lives * target.predict_on_batch(after)[rows, best]
        error = network.forward(before)[rows, action] - wanted
        gradient[:] = 0
        gradient[rows, action] = error / BATCH
        network.backward(gradient)
        network.apply_gradients()
        target.parameters[:] += FOLLOW * (network.parameters - target.parameters)
    return network, episodes


if __name__ == "__main__":
    for s in range(6):
        t = time.perf_counter()
        n, e = train(seed=s)
        print(s, time.perf_counter() - t, balanced(n), [int(np.mean([a for st, a in e if i*1000 <= st < i*1000+1000] or [0])) for i in range(8)],flush=True)

"""A pendulum learns to swing up: proximal policy optimization (PPO), an actor and a critic.

    python examples/loops/policy_gradient.py [--plot swing-up.png] [--compare] [--quick]

The loop is NumPy; the networks are called where they are needed: `predict_on_batch` to act,
`forward`, `backward` and `apply_gradients` to learn, with the derivatives of the objective of
Schulman et al. (arXiv 1707.06347) and of advantages of Schulman et al. (arXiv 1506.02438).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from comparison import Array, Make, compare, densecore_network, parse

PENDULUMS, STEPS = 32, 50  # of a rollout
EPISODE = 200  # steps until a pendulum starts anew
PARTS = EPISODE // STEPS
DISCOUNT, LAMBDA = 0.95, 0.95
PASSES, BATCH, CLIP, ENTROPY = 8, 200, 0.2, 0.01


class Pendulums:
    """Rods on a hinge, seen from upright (angle 0); a motor too weak to lift them at once."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.angle = np.empty(count)
        self.speed = np.empty(count)
        self.reset(slice(None))

    def reset(self, which: slice) -> None:
        count = len(self.angle[which])
        self.angle[which] = self.rng.uniform(-np.pi, np.pi, count)
        self.speed[which] = self.rng.uniform(-1, 1, count)

    def observe(self, out: Array) -> None:
        out[:, 0] = np.cos(self.angle)
        out[:, 1] = np.sin(self.angle)
        out[:, 2] = self.speed / 8

    def step(self, torque: Array) -> Array:
        """A twentieth of a second with a torque of -1 to 1; returns the reward, at most 0."""
        torque = 2 * np.clip(torque, -1, 1)
        error = (self.angle + np.pi) % (2 * np.pi) - np.pi
        cost = error**2 + 0.1 * self.speed**2 + 0.001 * torque**2
        self.speed += 0.05 * (15 * np.sin(self.angle) + 3 * torque)
        np.clip(self.speed, -8, 8, out=self.speed)
        self.angle += 0.05 * self.speed
        return -cost


def episode_return(best: Callable[[Array], Array], seed: int = 99, pendulums: int = 64) -> float:
    """The mean sum of rewards of an episode without exploration, from fixed beginnings; the first
    column of what `best` says of states is the torque."""
    world = Pendulums(pendulums, np.random.default_rng(seed))
    seen = np.empty((pendulums, 3), np.float32)
    total = np.zeros(pendulums)
    for _ in range(EPISODE):
        world.observe(seen)
        total += world.step(best(seen)[:, 0])
    return float(total.mean())


def train(
    make: Make = densecore_network, rollouts: int = 150, seed: int = 0
) -> tuple[Any, list[float]]:
    """The actor, which puts out mean and log standard deviation of the torque, and the mean reward
    per step of each rollout, as the return of an episode."""
    rng = np.random.default_rng(seed)
    actor = make([3, 32, 32, 2], 3e-3, seed)
    critic = make([3, 32, 32, 1], 3e-3, seed + 1)
    world = Pendulums(PENDULUMS, rng)
    states = np.empty((STEPS + 1, PENDULUMS, 3), np.float32)
    actions = np.empty((STEPS, PENDULUMS), np.float32)
    log_p = np.empty((STEPS, PENDULUMS), np.float32)
    rewards = np.empty((STEPS, PENDULUMS), np.float32)
    policy = np.empty((PENDULUMS, 2), np.float32)
    curve = []
    for rollout in range(rollouts):
        world.reset(slice(rollout % PARTS, None, PARTS))  # those whose episode is over
        for t in range(STEPS):
            world.observe(states[t])
            actor.predict_on_batch(states[t], out=policy)
            noise = rng.standard_normal(PENDULUMS, dtype=np.float32)
            actions[t] = policy[:, 0] + np.exp(policy[:, 1]) * noise
            log_p[t] = -0.5 * noise**2 - policy[:, 1]
            rewards[t] = world.step(actions[t])
        world.observe(states[STEPS])
        curve.append(EPISODE * float(rewards.mean()))
        # Rewards of about -10 to 0 become numbers of a size that suits the critic.
        values = critic.predict_on_batch(states.reshape(-1, 3)).reshape(STEPS + 1, PENDULUMS)
        advantages = np.empty_like(rewards)
        ahead = np.zeros(PENDULUMS, np.float32)
        for t in reversed(range(STEPS)):
            surprise = 0.1 * rewards[t] + DISCOUNT * values[t + 1] - values[t]
            ahead = surprise + DISCOUNT * LAMBDA * ahead
            advantages[t] = ahead
        targets = advantages + values[:-1]
        learn(actor, critic, states[:-1], actions, log_p, advantages, targets, rng)
    return actor, curve


def learn(
    actor: Any,
    critic: Any,
    states: Array,
    actions: Array,
    log_p: Array,
    advantages: Array,
    targets: Array,
    rng: np.random.Generator,
) -> None:
    """Some passes over a rollout in small batches."""
    x = states.reshape(-1, 3)
    u, before, wanted = actions.ravel(), log_p.ravel(), targets.ravel()
    a = advantages.ravel()
    a = (a - a.mean()) / (a.std() + 1e-8)
    grad_policy = np.empty((BATCH, 2), np.float32)
    grad_value = np.empty((BATCH, 1), np.float32)
    for _ in range(PASSES):
        order = rng.permutation(len(x)).reshape(-1, BATCH)
        for rows in order:
            seen, gain = x[rows], a[rows]
            policy = actor.forward(seen)
            mean, log_sd = policy[:, 0], policy[:, 1]
            z = (u[rows] - mean) * np.exp(-log_sd)
            ratio = np.exp(-0.5 * z**2 - log_sd - before[rows])
            # The objective is min(ratio gain, clip(ratio) gain): where the clipped one is less,
            # nothing is to be gained by going on.
            clipped = np.where(gain > 0, ratio > 1 + CLIP, ratio < 1 - CLIP)
            by_log_p = np.where(clipped, 0, -gain * ratio) / BATCH
            grad_policy[:, 0] = by_log_p * z * np.exp(-log_sd)
            grad_policy[:, 1] = by_log_p * (z**2 - 1) - ENTROPY / BATCH
            actor.backward(grad_policy)
            actor.apply_gradients()
            value = critic.forward(seen)[:, 0]
            grad_value[:, 0] = (value - wanted[rows]) / BATCH
            critic.backward(grad_value)
            critic.apply_gradients()


def draw(path: str, curves: dict[int, list[float]], actor: Any) -> None:
    """Left what was learnt, right how the pendulums move that have learnt it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8.4, 3.2), dpi=100)
    for seed, curve in curves.items():
        smooth = np.convolve(curve, np.full(PARTS, 1 / PARTS), "valid")
        steps = (np.arange(len(smooth)) + PARTS) * STEPS * PENDULUMS / 1000
        left.plot(steps, smooth, lw=1.5, label=f"seed {seed}")
    left.set(xlabel="thousand steps of a pendulum", ylabel="return of an episode")
    left.legend(frameon=False, loc="lower right")

    world = Pendulums(12, np.random.default_rng(5))
    seen = np.empty((12, 3), np.float32)
    angles = np.empty((120, 12))
    for t in range(len(angles)):
        angles[t] = world.angle
        world.observe(seen)
        world.step(actor.predict_on_batch(seen)[:, 0])
    # Of the ways to write the last angle, the one next to upright.
    angles -= 2 * np.pi * np.round(angles[-1] / (2 * np.pi))
    right.plot(0.05 * np.arange(len(angles)), angles / np.pi * 180, color="#d9480f", alpha=0.6)
    right.axhline(0, color="#868e96", lw=1, ls=":")
    right.set(xlabel="seconds", ylabel="angle from upright")
    right.yaxis.set_major_locator(pyplot.MultipleLocator(180))
    right.yaxis.set_major_formatter("{x:.0f}°")
    for axes, title in ((left, "learning"), (right, "twelve pendulums after it")):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(__doc__, arguments)
    rollouts = 60 if options.quick else 150
    curves = {}
    for seed in range(2 if options.quick else 3):
        start = time.perf_counter()
        actor, curves[seed] = train(rollouts=rollouts, seed=seed)
        seconds = time.perf_counter() - start
        before = episode_return(densecore_network([3, 32, 32, 2], 1e-3, seed).predict_on_batch)
        after = episode_return(actor.predict_on_batch)
        print(f"seed {seed}: return {before:.0f} -> {after:.0f} in {seconds:.2f} s")
    if options.plot:
        draw(options.plot, curves, actor)
    if options.compare:
        rollouts = 4 if options.quick else 40
        print(f"{rollouts} rollouts:")
        compare(
            lambda make: episode_return(train(make, rollouts)[0].predict_on_batch),
            1 if options.quick else 3,
        )


if __name__ == "__main__":
    main()

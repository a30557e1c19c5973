"""A pendulum learns to swing up: PPO with one trunk that actor and critic share.

    python examples/loops/ppo.py [--plot ppo.png] [--compare] [--quick]

One graph with two outputs: mean and log standard deviation of the torque, and the value of the
state. The losses and their gradients are ready-made, so that an update is six calls.
`policy_gradient.py` has the same method with two networks, and its formulas in NumPy.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from comparison import Array, parse
from learners import Agent, compare
from policy_gradient import EPISODE, PARTS, PENDULUMS, STEPS, Pendulums, episode_return

import densecore as dc
from densecore.distributions import Normal

RATE, BOUNDS = 1e-3, (-3.0, 1.0)
PASSES, BATCH, CLIP, ENTROPY, NORM, VALUE = 6, 64, 0.2, 0.003, 1.0, 1.0


class DensecoreAgent:
    """The agent in densecore."""

    def __init__(self, seed: int) -> None:
        state = dc.Input(3)
        trunk = dc.Dense(64, "tanh")(dc.Dense(64, "tanh")(state))
        self.model = dc.Model(
            state, [dc.Dense(2, name="policy")(trunk), dc.Dense(1, name="value")(trunk)], seed=seed
        )
        # The loss is a formality: `backward` gets the gradients of others.
        self.model.compile(dc.optimizers.Adam(RATE), "mse")

    def act(self, states: Array, seed: int) -> tuple[Array, Array, Array]:
        """Actions with their log_prob, and the values of the states."""
        outputs, values = self.model.predict_on_batch(states)
        policy = Normal.from_outputs(outputs, log_scale_bounds=BOUNDS)
        return *policy.sample_and_log_prob(seed), values[:, 0]

    def best(self, states: Array) -> Array:
        """Actions without exploration."""
        result: Array = self.model.predict_on_batch(states)[0][:, :1]
        return result

    def update(self, x: Array, u: Array, before: Array, gain: Array, wanted: Array) -> None:
        """One step on a batch: states, actions, their log_prob, advantages, targets of values."""
        outputs, values = self.model.forward(x)
        policy = Normal.from_outputs(outputs, log_scale_bounds=BOUNDS)
        actor = dc.rl.ppo_loss(policy, u, before, gain, clip=CLIP, entropy=ENTROPY)
        critic = dc.rl.value_loss(values, wanted)
        self.model.backward([actor.gradient.joined, VALUE * critic.gradient])
        self.model.clip_gradients(NORM)
        self.model.apply_gradients()


def torch_agent(seed: int) -> Any:
    """The same agent in PyTorch, from the same weights."""
    import torch
    from torch import nn
    from torch.distributions import Normal as TorchNormal

    torch.set_num_threads(1)

    class TorchAgent:
        def __init__(self) -> None:
            self.trunk = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
            self.policy, self.value = nn.Linear(64, 2), nn.Linear(64, 1)
            modules = nn.ModuleList([self.trunk, self.policy, self.value])
            self.parameters = list(modules.parameters())
            weights = DensecoreAgent(seed).model.get_weights()
            with torch.no_grad():
                for parameter, weight in zip(self.parameters, weights, strict=True):
                    parameter.copy_(torch.from_numpy(weight.T.copy()))
            self.optimizer = torch.optim.Adam(self.parameters, RATE, eps=1e-7, fused=True)

        def head(self, hidden: Any) -> Any:
            mean, log_sd = self.policy(hidden).chunk(2, dim=1)
            return TorchNormal(mean, log_sd.clamp(*BOUNDS).exp(), validate_args=False)

        def act(self, states: Array, seed: int) -> tuple[Array, Array, Array]:
            torch.manual_seed(seed)
            with torch.inference_mode():
                hidden = self.trunk(torch.from_numpy(states))
                head = self.head(hidden)
                action = head.sample()
                values = self.value(hidden)[:, 0]
                return action.numpy(), head.log_prob(action).sum(1).numpy(), values.numpy()

        def best(self, states: Array) -> Array:
            with torch.inference_mode():
                result: Array = self.policy(self.trunk(torch.from_numpy(states)))[:, :1].numpy()
            return result

        def update(self, x: Array, u: Array, before: Array, gain: Array, wanted: Array) -> None:
            gains = torch.from_numpy(gain)
            hidden = self.trunk(torch.from_numpy(x))
            head = self.head(hidden)
            log_prob = head.log_prob(torch.from_numpy(u)).sum(1)
            ratio = (log_prob - torch.from_numpy(before)).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            loss = -torch.min(ratio * gains, clipped * gains).mean()
            loss = loss - ENTROPY * head.entropy().sum(1).mean()
            error = self.value(hidden)[:, 0] - torch.from_numpy(wanted)
            self.optimizer.zero_grad(set_to_none=True)
            (loss + VALUE * 0.5 * error.square().mean()).backward()
            nn.utils.clip_grad_norm_(self.parameters, NORM)
            self.optimizer.step()

    return TorchAgent()


def train(
    make: Agent = DensecoreAgent, rollouts: int = 60, seed: int = 0
) -> tuple[Any, list[float]]:
    """The agent, and the mean reward per step of each rollout, as the return of an episode."""
    rng = np.random.default_rng(seed)
    agent = make(seed)
    world = Pendulums(PENDULUMS, rng)
    states = np.empty((STEPS + 1, PENDULUMS, 3), np.float32)
    actions = np.empty((STEPS, PENDULUMS, 1), np.float32)
    log_p = np.empty((STEPS, PENDULUMS), np.float32)
    rewards = np.empty((STEPS, PENDULUMS), np.float32)
    values = np.empty((STEPS + 1, PENDULUMS), np.float32)
    going_on = np.zeros((STEPS, PENDULUMS), bool)
    curve = []
    for rollout in range(rollouts):
        world.reset(slice(rollout % PARTS, None, PARTS))  # those whose episode is over
        for t in range(STEPS):
            world.observe(states[t])
            number = rollout * (STEPS + 1) + t
            actions[t], log_p[t], values[t] = agent.act(states[t], number)
            rewards[t] = world.step(actions[t, :, 0])
        world.observe(states[STEPS])
        values[STEPS] = agent.act(states[STEPS], rollout * (STEPS + 1) + STEPS)[2]
        curve.append(EPISODE * float(rewards.mean()))
        # Rewards of about -10 to 0 become numbers of a size that suits the critic.
        advantages, targets = dc.rl.generalized_advantages(
            0.1 * rewards, values, going_on, discount=0.95, lambda_=0.95
        )
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        x, u = states[:-1].reshape(-1, 3), actions.reshape(-1, 1)
        before, gain, wanted = log_p.ravel(), advantages.ravel(), targets.ravel()
        for _ in range(PASSES):
            for rows in rng.permutation(len(x)).reshape(-1, BATCH):
                agent.update(x[rows], u[rows], before[rows], gain[rows], wanted[rows])
    return agent, curve


def draw(path: str, curves: dict[int, list[float]], agent: Any) -> None:
    """Left what was learnt, right what the agent does and what it thinks that a state is worth."""
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

    angle, speed = np.meshgrid(np.linspace(-np.pi, np.pi, 81), np.linspace(-8, 8, 61))
    seen = np.stack([np.cos(angle), np.sin(angle), speed / 8], axis=-1).reshape(-1, 3)
    worth = agent.act(seen.astype(np.float32), 0)[2].reshape(angle.shape)
    shown = right.contourf(np.degrees(angle), speed, worth, 12, cmap="viridis")
    figure.colorbar(shown, ax=right, label="value of the state")
    world = Pendulums(6, np.random.default_rng(5))
    path_of = np.empty((120, 2, 6))
    states = np.empty((6, 3), np.float32)
    for t in range(len(path_of)):
        path_of[t] = (world.angle + np.pi) % (2 * np.pi) - np.pi, world.speed
        world.observe(states)
        world.step(agent.best(states)[:, 0])
    right.plot(np.degrees(path_of[:, 0]), path_of[:, 1], ".", ms=2, color="#ff922b")
    right.set(xlabel="angle from upright, degrees", ylabel="speed")
    left.set_title("learning", fontsize=10)
    right.set_title("the critic, and six pendulums", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(__doc__, arguments)
    rollouts = 30 if options.quick else 60
    curves = {}
    for seed in range(2 if options.quick else 3):
        start = time.perf_counter()
        agent, curves[seed] = train(rollouts=rollouts, seed=seed)
        seconds = time.perf_counter() - start
        before = episode_return(DensecoreAgent(seed).best)
        after = episode_return(agent.best)
        print(f"seed {seed}: return {before:.0f} -> {after:.0f} in {seconds:.2f} s")
    if options.plot:
        draw(options.plot, curves, agent)
    if options.compare:
        rollouts = 2 if options.quick else 10
        print(f"{rollouts} rollouts, batches of {BATCH}:")
        compare(
            lambda make: episode_return(train(make, rollouts)[0].best),
            DensecoreAgent,
            torch_agent,
            1 if options.quick else 3,
        )


if __name__ == "__main__":
    main()

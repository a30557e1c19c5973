"""A pendulum learns to swing up from few steps: soft actor-critic (SAC).

    python examples/loops/sac.py [--plot sac.png] [--compare] [--quick]

The method of Haarnoja et al. (arXiv 1812.05905): an actor whose actions are the tanh of normal
numbers, two critics as one graph, a target network of theirs that follows slowly, and a temperature
that keeps the entropy of the actions. Losses, targets and gradients are ready-made.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from comparison import Array, parse
from learners import Agent, compare
from policy_gradient import EPISODE, Pendulums, episode_return

import densecore as dc
from densecore.distributions import TanhNormal

RATE, BOUNDS, FOLLOW = 2e-3, (-5.0, 2.0), 0.01
PENDULUMS, BATCH, STORED, FIRST = 4, 64, 20_000, 200
DISCOUNT, SCALE, ENTROPY = 0.97, 0.1, -1.0


def actor_model(seed: int) -> Any:
    """State -> mean and log standard deviation of the action before the tanh."""
    layers = [dc.Input(3), dc.Dense(64, "relu"), dc.Dense(64, "relu"), dc.Dense(2)]
    model = dc.Sequential(layers, seed=seed)
    model.compile(dc.optimizers.Adam(RATE), "mse")
    return model


def critic_model(seed: int) -> Any:
    """State and action -> two opinions of what they are worth."""
    state, action = dc.Input(3), dc.Input(1)
    both = dc.layers.Concatenate()([state, action])
    towers = [dc.Dense(1)(dc.Dense(64, "relu")(dc.Dense(64, "relu")(both))) for _ in range(2)]
    model = dc.Model([state, action], towers, seed=seed)
    model.compile(dc.optimizers.Adam(RATE), "mse")
    return model


class DensecoreAgent:
    """The agent in densecore."""

    def __init__(self, seed: int) -> None:
        self.actor, self.critic = actor_model(seed), critic_model(seed + 1)
        self.target = critic_model(seed + 1)
        self.log_temperature = 0.0
        self.number = 2**32 * (seed + 1)  # of samples so far: a seed for each

    def policy(self, outputs: Array) -> TanhNormal:
        self.number += 1
        return TanhNormal.from_outputs(outputs, log_scale_bounds=BOUNDS)

    def act(self, states: Array) -> Array:
        policy = self.policy(self.actor.predict_on_batch(states))
        return policy.sample(self.number)

    def best(self, states: Array) -> Array:
        return np.tanh(self.actor.predict_on_batch(states)[:, :1])

    def update(self, x: Array, u: Array, reward: Array, after: Array, ended: Array) -> None:
        """One step of the critics, of the actor and of the temperature on a batch."""
        alpha = math.exp(self.log_temperature)
        # The critics learn what the actor will do next, as their slow copies see it.
        policy = self.policy(self.actor.predict_on_batch(after))
        action, log_prob = policy.sample_and_log_prob(self.number)
        wanted = dc.rl.soft_q_targets(
            reward, ended, *self.target.predict_on_batch([after, action]), log_prob,
            temperature=alpha, discount=DISCOUNT,
        )  # fmt: skip
        values = self.critic.forward([x, u])
        self.critic.backward([dc.rl.value_loss(value, wanted).gradient for value in values])
        self.critic.apply_gradients()
        # The actor climbs the smaller of their opinions.
        policy = self.policy(self.actor.forward(x))
        action, log_prob = policy.sample_and_log_prob(self.number)
        twins = dc.rl.twin_q_gradients(*self.critic.forward([x, action]))
        _, by_action = self.critic.backward(list(twins), input_gradient=True)
        self.actor.backward(policy.sample_gradient(by_action, alpha / len(x)).joined)
        self.actor.apply_gradients()
        _, slope = dc.rl.temperature_loss(self.log_temperature, log_prob, ENTROPY)
        self.log_temperature -= RATE * slope
        self.target.blend_from(self.critic, FOLLOW)


def torch_agent(seed: int) -> Any:
    """The same agent in PyTorch, from the same weights."""
    import torch
    from torch import nn
    from torch.distributions import Normal

    torch.set_num_threads(1)

    def layers(inputs: int, outputs: int) -> Any:
        widths = nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        return nn.Sequential(*widths, nn.Linear(64, outputs))

    def take(modules: Any, model: Any) -> None:
        """The weights of a model, whose arrays come in the order of its layers."""
        arrays = iter(model.layers)
        for module in modules:
            for linear in (part for part in module if isinstance(part, nn.Linear)):
                layer = next(part for part in arrays if isinstance(part, dc.Dense))
                linear.weight.data.copy_(torch.from_numpy(layer.kernel.T.copy()))
                linear.bias.data.copy_(torch.from_numpy(layer.bias.copy()))

    class TorchAgent:
        def __init__(self) -> None:
            self.actor = layers(3, 2)
            self.critics = nn.ModuleList([layers(4, 1), layers(4, 1)])
            self.targets = nn.ModuleList([layers(4, 1), layers(4, 1)])
            take([self.actor], actor_model(seed))
            self.targets.load_state_dict(self.critics.state_dict())
            for parameter in self.targets.parameters():
                parameter.requires_grad_(False)
            self.pairs = [list(m.parameters()) for m in (self.targets, self.critics)]
            self.of_actor, self.of_critics = (
                torch.optim.Adam(m.parameters(), RATE, eps=1e-7, fused=True)
                for m in (self.actor, self.critics)
            )
            self.log_temperature = torch.zeros(1)
            torch.manual_seed(seed)

        def choose(self, states: Any) -> Any:
            mean, log_sd = self.actor(states).chunk(2, dim=1)
            head = Normal(mean, log_sd.clamp(*BOUNDS).exp(), validate_args=False)
            u = head.rsample()
            squashing = 2 * (np.log(2) - u - nn.functional.softplus(-2 * u))
            return u.tanh(), (head.log_prob(u) - squashing).sum(1)

        def act(self, states: Array) -> Array:
            with torch.inference_mode():
                result: Array = self.choose(torch.from_numpy(states))[0].numpy()
            return result

        def best(self, states: Array) -> Array:
            with torch.inference_mode():
                result: Array = self.actor(torch.from_numpy(states))[:, :1].tanh().numpy()
            return result

        def update(self, *batch: Array) -> None:
            x, u, reward, after, ended = map(torch.from_numpy, batch)
            alpha = float(self.log_temperature.exp())
            with torch.no_grad():
                action, log_prob = self.choose(after)
                both = torch.cat([after, action], 1)
                least = torch.min(self.targets[0](both), self.targets[1](both))[:, 0]
                wanted = reward + DISCOUNT * ~ended * (least - alpha * log_prob)
            both = torch.cat([x, u], 1)
            errors = [critic(both)[:, 0] - wanted for critic in self.critics]
            self.of_critics.zero_grad(set_to_none=True)
            (0.5 * (errors[0].square().mean() + errors[1].square().mean())).backward()
            self.of_critics.step()
            action, log_prob = self.choose(x)
            both = torch.cat([x, action], 1)
            for parameter in self.pairs[1]:
                parameter.requires_grad_(False)
            least = torch.min(self.critics[0](both), self.critics[1](both))[:, 0]
            self.of_actor.zero_grad(set_to_none=True)
            (alpha * log_prob - least).mean().backward()
            self.of_actor.step()
            for parameter in self.pairs[1]:
                parameter.requires_grad_(True)
            with torch.no_grad():
                self.log_temperature += RATE * (log_prob.mean() + ENTROPY)
                torch._foreach_lerp_(self.pairs[0], self.pairs[1], FOLLOW)

    return TorchAgent()


class Replay:
    """The last transitions; the oldest give way."""

    def __init__(self) -> None:
        self.columns = [
            np.empty((STORED, 3), np.float32),
            np.empty((STORED, 1), np.float32),
            np.empty(STORED, np.float32),
            np.empty((STORED, 3), np.float32),
            np.zeros(STORED, bool),  # no pendulum ever ends: episodes are cut
        ]
        self.count = 0

    def add(self, *transitions: Array) -> None:
        where = np.arange(self.count, self.count + len(transitions[0])) % STORED
        for column, values in zip(self.columns, transitions, strict=False):
            column[where] = values
        self.count += len(transitions[0])

    def sample(self, rng: np.random.Generator) -> list[Array]:
        rows = rng.integers(0, min(self.count, STORED), BATCH)
        return [column[rows] for column in self.columns]


def train(
    make: Agent = DensecoreAgent, steps: int = 4000, seed: int = 0
) -> tuple[Any, list[float]]:
    """The agent, and the returns of episodes of training."""
    rng = np.random.default_rng(seed)
    agent = make(seed)
    world, replay = Pendulums(PENDULUMS, rng), Replay()
    seen, after = np.empty((2, PENDULUMS, 3), np.float32)
    world.observe(seen)
    returns = []
    total = 0.0
    for step in range(steps):
        early = step * PENDULUMS < FIRST
        action = rng.uniform(-1, 1, (PENDULUMS, 1)) if early else agent.act(seen)
        reward = world.step(action[:, 0])
        world.observe(after)
        replay.add(seen, action, SCALE * reward, after)
        seen[:] = after
        total += float(reward.mean())
        if (step + 1) % EPISODE == 0:
            returns.append(total)
            total = 0.0
            world.reset(slice(None))
            world.observe(seen)
        if not early:
            agent.update(*replay.sample(rng))
    return agent, returns


def draw(path: str, curves: dict[int, list[float]], agent: Any) -> None:
    """Left what was learnt, right the torque that the agent chooses."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8.4, 3.2), dpi=100)
    for seed, curve in curves.items():
        steps = (1 + np.arange(len(curve))) * EPISODE * PENDULUMS / 1000
        left.plot(steps, curve, ".-", lw=1.5, label=f"seed {seed}")
    left.set(xlabel="thousand steps of a pendulum", ylabel="return of an episode")
    left.legend(frameon=False, loc="lower right")
    angle, speed = np.meshgrid(np.linspace(-np.pi, np.pi, 121), np.linspace(-8, 8, 81))
    seen = np.stack([np.cos(angle), np.sin(angle), speed / 8], axis=-1).reshape(-1, 3)
    torque = agent.best(seen.astype(np.float32)).reshape(angle.shape)
    shown = right.contourf(np.degrees(angle), speed, torque, np.linspace(-1, 1, 9), cmap="coolwarm")
    figure.colorbar(shown, ax=right, label="torque")
    right.set(xlabel="angle from upright, degrees", ylabel="speed")
    left.set_title("learning", fontsize=10)
    right.set_title("what the actor has learnt", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(__doc__, arguments)
    steps = 3000 if options.quick else 4000
    curves = {}
    for seed in range(2 if options.quick else 3):
        start = time.perf_counter()
        agent, curves[seed] = train(steps=steps, seed=seed)
        seconds = time.perf_counter() - start
        before = episode_return(DensecoreAgent(seed).best)
        after = episode_return(agent.best)
        print(f"seed {seed}: return {before:.0f} -> {after:.0f} in {seconds:.2f} s")
    if options.plot:
        draw(options.plot, curves, agent)
    if options.compare:
        steps = 200 if options.quick else 1000
        print(f"{steps} steps, batches of {BATCH}:")
        compare(
            lambda make: episode_return(train(make, steps)[0].best),
            DensecoreAgent,
            torch_agent,
            1 if options.quick else 3,
        )


if __name__ == "__main__":
    main()

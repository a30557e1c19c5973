"""A cart learns to balance a pole: double deep Q-learning with a duelling head.

    python examples/loops/dqn.py [--plot duelling.png] [--compare] [--quick]

One graph whose trunk parts in the value of the state and the advantages of the actions, and comes
together again: Q = V + A - mean A (Wang et al., arXiv 1511.06581). Targets, loss and the slow copy
are ready-made; `q_learning.py` has the plain network, and its formulas in NumPy.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from comparison import Array, parse
from learners import Agent, compare
from q_learning import BATCH, CARTS, DISCOUNT, FOLLOW, LIMIT, SCALE, Carts, Replay, balanced

import densecore as dc

RATE, ACTIONS = 1e-3, 2


def q_model(seed: int) -> Any:
    """State -> the worth of each action."""
    state = dc.Input(4)
    trunk = dc.Dense(64, "tanh")(dc.Dense(64, "tanh")(state))
    value, advantage = dc.Dense(1, name="value")(trunk), dc.Dense(ACTIONS, name="advantage")(trunk)
    # What is left of the advantages without their mean: a matrix that is not trained.
    centre = dc.Dense(ACTIONS, use_bias=False, trainable=False, name="centre")
    model = dc.Model(state, dc.layers.Add()([value, centre(advantage)]), seed=seed)
    centre.kernel[:] = np.eye(ACTIONS) - 1 / ACTIONS
    model.compile(dc.optimizers.Adam(RATE), "mse")
    return model


class DensecoreAgent:
    """The agent in densecore."""

    def __init__(self, seed: int) -> None:
        self.model, self.target = q_model(seed), q_model(seed)

    def values(self, states: Array) -> Array:
        result: Array = self.model.predict_on_batch(states)
        return result

    def update(
        self, x: Array, action: Array, reward: Array, after: Array, ended: Array, rate: float
    ) -> None:
        """One step on a batch."""
        wanted = dc.rl.double_q_targets(
            reward, ended, self.model.predict_on_batch(after), self.target.predict_on_batch(after),
            discount=DISCOUNT,
        )  # fmt: skip
        loss = dc.rl.q_loss(self.model.forward(x), action, wanted, delta=1.0)
        self.model.backward(loss.gradient)
        self.model.optimizer.learning_rate = rate
        self.model.apply_gradients()
        self.target.blend_from(self.model, FOLLOW)


def torch_agent(seed: int) -> Any:
    """The same agent in PyTorch, from the same weights."""
    import torch
    from torch import nn

    torch.set_num_threads(1)

    class Duelling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
            self.value, self.advantage = nn.Linear(64, 1), nn.Linear(64, ACTIONS)
            model = q_model(seed)
            linear = [self.trunk[0], self.trunk[2], self.value, self.advantage]
            dense = [layer for layer in model.layers if isinstance(layer, dc.Dense)]
            dense = dense[:2] + [model.get_layer("value"), model.get_layer("advantage")]
            for to, of in zip(linear, dense, strict=True):
                to.weight.data.copy_(torch.from_numpy(of.kernel.T.copy()))
                to.bias.data.copy_(torch.from_numpy(of.bias.copy()))

        def forward(self, x: Any) -> Any:
            hidden = self.trunk(x)
            advantage = self.advantage(hidden)
            return self.value(hidden) + advantage - advantage.mean(dim=1, keepdim=True)

    class TorchAgent:
        def __init__(self) -> None:
            self.model, self.target = Duelling(), Duelling()
            for parameter in self.target.parameters():
                parameter.requires_grad_(False)
            self.pairs = list(self.target.parameters()), list(self.model.parameters())
            self.optimizer = torch.optim.Adam(self.pairs[1], RATE, eps=1e-7, fused=True)

        def values(self, states: Array) -> Array:
            with torch.inference_mode():
                result: Array = self.model(torch.from_numpy(states)).numpy()
            return result

        def update(self, *batch: Any) -> None:
            x, action, reward, after, ended = map(torch.from_numpy, batch[:-1])
            with torch.no_grad():
                best = self.model(after).argmax(dim=1, keepdim=True)
                worth = self.target(after).gather(1, best)[:, 0]
                wanted = reward + DISCOUNT * ~ended * worth
            found = self.model(x).gather(1, action[:, None])[:, 0]
            self.optimizer.zero_grad(set_to_none=True)
            nn.functional.smooth_l1_loss(found, wanted).backward()
            self.optimizer.param_groups[0]["lr"] = batch[-1]
            self.optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(*self.pairs, FOLLOW)

    return TorchAgent()


def train(
    make: Agent = DensecoreAgent, steps: int = 8000, seed: int = 0
) -> tuple[Any, list[tuple[int, int]]]:
    """The agent, and (step, length) of each episode."""
    rng = np.random.default_rng(seed)
    agent = make(seed)
    world, replay = Carts(CARTS, rng), Replay()
    episodes = []
    seen = (world.state / SCALE).astype(np.float32)
    for step in range(steps):
        explore = max(0.02, 1 - 4 * step / steps)
        chance = rng.random(CARTS) < explore
        actions = np.where(chance, rng.integers(0, 2, CARTS), agent.values(seen).argmax(axis=1))
        fallen, over = world.step(actions)
        replay.add(seen, actions, (world.state / SCALE).astype(np.float32), fallen)
        episodes += [(step, int(age)) for age in world.age[over]]
        world.restart(over)
        seen = (world.state / SCALE).astype(np.float32)

        before, action, after, lives = replay.sample(rng)
        # As in q_learning.py: a pole that stands for ever in the middle of the rail is worth 1.
        reward = 0.01 * (1 - after[:, 0] ** 2)
        agent.update(before, action, reward, after, lives == 0, RATE * (1 - step / steps))
    return agent, episodes


def draw(path: str, learnt: dict[int, list[tuple[int, int]]], agent: Any) -> None:
    """Left how long poles stood while it was learnt, right value and advantage of states."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(8.4, 2.9), dpi=100)
    for seed, episodes in learnt.items():
        steps, lengths = np.array(episodes).T
        smooth = np.convolve(lengths, np.full(20, 1 / 20), "valid")
        axes[0].plot(steps[19:] * CARTS / 1000, smooth, lw=1.5, label=f"seed {seed}")
    axes[0].axhline(LIMIT, color="#868e96", lw=1, ls=":")
    axes[0].set(xlabel="thousand steps of a cart", ylabel="steps until the pole falls")
    axes[0].legend(frameon=False, loc="lower right", fontsize=8)
    angle, speed = np.meshgrid(np.linspace(-0.2, 0.2, 61), np.linspace(-2, 2, 61))
    zero = np.zeros_like(angle)
    states = np.stack([zero, zero, angle, speed], axis=-1).reshape(-1, 4) / SCALE
    model = agent.model
    heads = dc.Model(
        model.input, [model.get_layer("value").output, model.get_layer("advantage").output]
    )
    value, advantage = heads.predict(states.astype(np.float32))
    right = advantage[:, 1] - advantage[:, 0]
    pictures = [
        (axes[1], value[:, 0], "viridis", "value"),
        (axes[2], right, "coolwarm", "advantage of right"),
    ]
    for place, numbers, colours, title in pictures:
        shown = place.contourf(
            np.degrees(angle), speed, numbers.reshape(angle.shape), 10, cmap=colours
        )
        figure.colorbar(shown, ax=place)
        place.set(xlabel="angle, degrees", ylabel="angular speed")
        place.set_title(title, fontsize=10)
    axes[0].set_title("learning", fontsize=10)
    for place in axes:
        place.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(__doc__, arguments)
    steps = 3000 if options.quick else 8000
    learnt = {}
    for seed in range(2 if options.quick else 3):
        start = time.perf_counter()
        agent, learnt[seed] = train(steps=steps, seed=seed)
        seconds = time.perf_counter() - start
        before = balanced(DensecoreAgent(seed).values)
        after = balanced(agent.values)
        print(f"seed {seed}: {before:.0f} -> {after:.0f} of {LIMIT} steps balanced "
              f"in {seconds:.2f} s")  # fmt: skip
    if options.plot:
        draw(options.plot, learnt, agent)
    if options.compare:
        steps = 300 if options.quick else 2000
        print(f"{steps} steps, batches of {BATCH}:")
        compare(
            lambda make: balanced(train(make, steps)[0].values),
            DensecoreAgent,
            torch_agent,
            1 if options.quick else 3,
        )


if __name__ == "__main__":
    main()

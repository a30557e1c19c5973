"""Losses, advantages and targets of reinforcement learning."""

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import rl
from densecore.distributions import Categorical, Normal, TanhNormal
from test_distributions import close, inputs, logits, slopes

ROWS = 7


def batch(seed: int = 0) -> tuple[Any, Any]:
    """Earlier log_probs, and advantages."""
    return tuple(np.random.default_rng(seed).normal(size=(2, ROWS)))


def ppo(log_prob: Any, before: Any, gain: Any, clip: float) -> float:
    ratio = np.exp(log_prob - before)
    return float(-np.minimum(ratio * gain, ratio.clip(1 - clip, 1 + clip) * gain).mean())


@pytest.mark.parametrize("entropy", [0.0, 0.1])
def test_ppo(entropy: float) -> None:
    loc, log_scale = inputs("float64")
    _, gain = batch()
    noise = 0.4 * np.random.default_rng(3).normal(size=ROWS)
    for kind in (Normal, TanhNormal):
        action = kind(loc, log_scale=log_scale).sample(0)
        before = kind(loc, log_scale=log_scale).log_prob(action) + noise

        def cost(
            mean: Any, spread: Any, kind: Any = kind, a: Any = action, b: Any = before
        ) -> float:
            head = kind(mean, log_scale=spread)
            return ppo(head.log_prob(a), b, gain, 0.2) - entropy * head.entropy().mean()

        found = rl.ppo_loss(
            kind(loc, log_scale=log_scale), action, before, gain, clip=0.2, entropy=entropy
        )
        assert found.loss == pytest.approx(cost(loc, log_scale), rel=1e-12)
        close(found.gradient.loc, slopes(lambda m, c=cost: c(m, log_scale), loc))  # type: ignore[misc]
        close(found.gradient.log_scale, slopes(lambda s, c=cost: c(loc, s), log_scale))  # type: ignore[misc]
        ratio = np.exp(-noise)
        assert found.clip_fraction == pytest.approx(np.mean(abs(ratio - 1) > 0.2))
        assert found.kl == pytest.approx(np.mean(ratio - 1 + noise))
        assert np.isnan(found.entropy) == (entropy == 0)


def test_discrete_policies() -> None:
    z = logits("float64")
    head = Categorical(logits=z)
    action = head.sample(0)
    noise, gain = batch()
    before = head.log_prob(action) + 0.3 * noise

    def cost(x: Any, plain: bool) -> float:
        now = Categorical(logits=x)
        log_prob = now.log_prob(action)
        first = -(log_prob * gain).mean() if plain else ppo(log_prob, before, gain, 0.1)
        return float(first - 0.2 * now.entropy().mean())

    found = rl.ppo_loss(head, action, before, gain, clip=0.1, entropy=0.2)
    assert found.loss == pytest.approx(cost(z, False))
    close(found.gradient, slopes(lambda x: cost(x, False), z))
    found = rl.policy_gradient_loss(head, action, gain, entropy=0.2)
    assert found.loss == pytest.approx(cost(z, True))
    close(found.gradient, slopes(lambda x: cost(x, True), z))


@pytest.mark.parametrize("delta", [None, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_q_loss(delta: float | None, weighted: bool) -> None:
    q = logits("float64")
    action = np.array([0, 1, 2, 3, 4, 0, 1])
    targets = batch()[0]
    weight = np.linspace(0.5, 2, ROWS) if weighted else None

    def cost(x: Any) -> float:
        error = abs(x[np.arange(ROWS), action] - targets)
        terms = error**2 / 2
        if delta is not None:
            terms = np.where(error <= delta, terms, delta * (error - delta / 2))
        return float((terms * (1 if weight is None else weight)).mean())

    found = rl.q_loss(q, action, targets, delta=delta, sample_weight=weight)
    assert found.loss == pytest.approx(cost(q))
    close(found.gradient, slopes(cost, q))
    close(found.errors, q[np.arange(ROWS), action] - targets)
    single = rl.q_loss(q.astype("f4"), action, targets, delta=delta)
    assert single.gradient.dtype == np.float32


def test_value_loss() -> None:
    values, targets = batch()
    for shape in ((ROWS,), (ROWS, 1)):
        found = rl.value_loss(values.reshape(shape), targets.reshape(shape))
        assert found.loss == pytest.approx(((values - targets) ** 2).mean() / 2)
        close(found.gradient, ((values - targets) / ROWS).reshape(shape))


def plain_advantages(
    rewards: Any, values: Any, ends: Any, cuts: Any, last: Any, discount: float, lambda_: float
) -> Any:
    """One run, by the sums of the definition."""
    steps = len(rewards)
    after = np.where(ends, 0, np.where(cuts, last, values[1:]))
    surprise = rewards + discount * after - values[:-1]
    found = np.zeros(steps)
    for t in range(steps):
        factor = 1.0
        for k in range(t, steps):
            found[t] += factor * surprise[k]
            factor *= discount * lambda_
            if ends[k] or cuts[k]:
                break
    return found


@pytest.mark.parametrize("runs", [None, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_advantages(runs: int | None, dtype: str) -> None:
    rng = np.random.default_rng(0)
    shape = (20,) if runs is None else (20, runs)
    rewards = rng.normal(size=shape).astype(dtype)
    values = rng.normal(size=(21, *shape[1:])).astype(dtype)
    last = rng.normal(size=shape).astype(dtype)
    ends, cuts = rng.random(shape) < 0.1, rng.random(shape) < 0.1
    cuts &= ~ends
    found, targets = rl.generalized_advantages(
        rewards, values, ends, truncated=cuts, final_values=np.where(cuts, last, np.nan),
        discount=0.9, lambda_=0.8,
    )  # fmt: skip
    assert found.dtype == targets.dtype == dtype
    assert ends.any()
    assert cuts.any()
    for column in range(runs or 1):
        one = [a.reshape(len(a), -1)[:, column] for a in (rewards, values, ends, cuts, last)]
        wanted = plain_advantages(*one, discount=0.9, lambda_=0.8)
        np.testing.assert_allclose(found.reshape(20, -1)[:, column], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(targets, found + values[:-1], rtol=1e-5, atol=1e-6)


def test_returns_and_targets() -> None:
    found = rl.discounted_returns([1.0, 1, 1, 5], [False, True, False, False], discount=0.5)
    np.testing.assert_allclose(found, [1.5, 1, 3.5, 5])
    next_q, slow = np.array([[1.0, 2], [4, 3]], "f4"), np.array([[20.0, 10], [30, 40]], "f4")
    ends = np.array([False, True])
    np.testing.assert_array_equal(rl.double_q_targets([1, 1], ends, next_q, discount=0.5), [2, 1])
    found = rl.double_q_targets([1, 1], [0, 0], next_q, slow, discount=0.5)
    np.testing.assert_array_equal(found, [6, 16])  # not the largest values of the target network
    assert found.dtype == np.float32
    found = rl.soft_q_targets(
        [1, 1], ends, [[4.0], [5]], [3.0, 6], [-2.0, 1], temperature=0.5, discount=0.5
    )
    np.testing.assert_allclose(found, [1 + 0.5 * (3 + 1), 1])


def test_what_sac_needs() -> None:
    q1, q2 = np.array([[1.0], [5], [2]], "f4"), np.array([[2.0], [4], [2]], "f4")
    first, second = rl.twin_q_gradients(q1, q2)
    np.testing.assert_allclose(first, [[-1 / 3], [0], [-1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(second, [[0], [-1 / 3], [0]], rtol=1e-6)
    assert first.dtype == np.float32
    loss, slope = rl.temperature_loss(-0.5, [1.0, 3.0], target_entropy=-1)
    assert (loss, slope) == (0.5, -1)


def test_a_policy_with_a_shared_scale_trains_it() -> None:
    """A vector that all rows share is a layer whose input is 0: its bias."""
    x = dc.Input(2)
    hidden = dc.Dense(8, "tanh")(x)
    log_scale = dc.Dense(1, name="log_scale")(dc.layers.Subtract()([x, x]))
    model = dc.Model(x, [dc.Dense(1)(hidden), log_scale], seed=0)
    model.compile(dc.optimizers.Adam(0.03), "mse")
    states = np.random.default_rng(0).normal(size=(256, 2)).astype("f4")
    wanted = states[:, :1] + 0.3 * np.random.default_rng(1).normal(size=(256, 1)).astype("f4")
    for _ in range(400):
        loc, log_scale = model.forward(states)
        head = Normal(loc, log_scale=log_scale)
        model.backward(list(head.log_prob_gradient(wanted, -1 / 256)))
        model.apply_gradients()
    _, log_scale = model.predict(states)
    assert np.ptp(log_scale) == 0
    assert 0.2 < np.exp(log_scale[0, 0]) < 0.35


GOOD = Categorical(logits=np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: rl.ppo_loss(np.zeros((2, 3)), [0, 0], [0, 0], [0, 0]), TypeError, "policy: found"),
        (lambda: rl.ppo_loss(GOOD, [0, 0], [0], [0, 0]), ValueError, r"old_log_prob: .* \(2,\)"),
        (lambda: rl.ppo_loss(GOOD, [0, 0], [0, 0], [0, np.nan]), ValueError, "advantages: found"),
        (lambda: rl.ppo_loss(GOOD, [0, 3], [0, 0], [0, 0]), ValueError, "found class 3 in row 1"),
        (lambda: rl.ppo_loss(GOOD, [0, 0], [0, 0], [0, 0], clip=0), ValueError, "clip: found 0"),
        (lambda: rl.q_loss(np.zeros(2), [0, 0], [0, 0]), ValueError, "q_values: found shape"),
        (lambda: rl.q_loss(np.zeros((2, 3)), [0, 5], [0, 0]), ValueError, "found class 5 in row 1"),
        (lambda: rl.q_loss(np.zeros((2, 3)), [0, 1], [0]), ValueError, "targets: found shape"),
        (lambda: rl.q_loss(np.zeros((2, 3)), [0, 1], [0, 0], delta=0), ValueError, "delta"),
        (
            lambda: rl.q_loss(np.full((2, 3), np.nan), [0, 1], [0, 0]),
            ValueError,
            "values: found -?nan in row 0",
        ),
        (lambda: rl.q_loss(np.zeros((0, 3)), [], []), ValueError, "found no rows"),
        (lambda: rl.value_loss(np.zeros((2, 3)), [0, 0]), ValueError, "values: found shape"),
        (
            lambda: rl.generalized_advantages([1.0], [1.0], [False]),
            ValueError,
            r"values: found shape \(1,\), wanted \(2,\): one state more",
        ),
        (
            lambda: rl.generalized_advantages([1.0], [1.0, 1.0], [False], truncated=[True]),
            ValueError,
            "wanted both",
        ),
        (lambda: rl.generalized_advantages([1.0], [1.0, 1], [0.5]), ValueError, "terminated"),
        (
            lambda: rl.generalized_advantages([1.0], [1.0, 1], [0], discount=1.5),
            ValueError,
            "discount: found 1.5",
        ),
        (lambda: rl.discounted_returns(1.0, False), ValueError, "rewards: found shape"),
        (
            lambda: rl.double_q_targets([1], [0], np.zeros((2, 3))),
            ValueError,
            r"terminated: found shape \(1,\), wanted \(2,\)",
        ),
        (
            lambda: rl.soft_q_targets([1], [0], [1.0], [1.0], [1.0], temperature=-1),
            ValueError,
            "temperature",
        ),
    ],
)
def test_bad_input(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_the_core_names_what_flags_are() -> None:
    """It said float64 of all that had no name."""
    ones, flags = np.ones(3), np.ones(3, np.int64)
    with pytest.raises(TypeError, match="ated: found dtype int64, wanted bool"):
        dc._core.policy_advantages(1, ones, np.ones(4), flags, flags, None, 0.9, 0.9)


def test_switches_are_no_weights_and_seeds_are_checked() -> None:
    pi = dc.distributions.Normal(np.zeros((2, 3)), log_scale=np.zeros(3))
    pi.sample(seed=1)
    for call in (pi.entropy_gradient, lambda weight: pi.kl_gradient(pi, weight)):
        with pytest.raises(TypeError, match="weight: found True, wanted numbers"):
            call(True)
    for seed in (decimal.Decimal("sNaN"), 1.5, "1", True):
        with pytest.raises((TypeError, ValueError), match="seed: found"):
            pi.sample_gradient(seed=seed)  # type: ignore[arg-type]

"""Heads of distributions: values against NumPy and PyTorch, gradients against differences."""

import copy
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.distributions import Categorical, Normal, TanhNormal

ROWS, ACTIONS, CLASSES = 7, 3, 5
DTYPES = ["float32", "float64"]


def inputs(dtype: str, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    loc, log_scale = rng.normal(size=(2, ROWS, ACTIONS))
    return loc.astype(dtype), (0.5 * log_scale - 0.5).astype(dtype)


def logits(dtype: str, seed: int = 0) -> Any:
    return (3 * np.random.default_rng(seed).normal(size=(ROWS, CLASSES))).astype(dtype)


def numpy_log_prob(loc: Any, log_scale: Any, action: Any, squashed: bool) -> Any:
    """In the plainest form."""
    loc, log_scale, action = (np.asarray(a, float) for a in (loc, log_scale, action))
    u = np.arctanh(action) if squashed else action
    terms = -((u - loc) ** 2) / (2 * np.exp(2 * log_scale)) - log_scale - np.log(2 * np.pi) / 2
    if squashed:
        terms = terms - np.log(1 - action**2)
    return terms.sum(axis=1)


def slopes(f: Callable[[Any], float], x: Any) -> Any:
    """Central differences, in float64."""
    found = np.empty_like(x)
    for i in np.ndindex(x.shape):
        there = x.copy()
        step = 1e-5 * max(1, abs(x[i]))
        there[i] = x[i] + step
        above = f(there)
        there[i] = x[i] - step
        found[i] = (above - f(there)) / (2 * step)
    return found


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8)


def tolerance(dtype: str) -> float:
    return 2e-6 if dtype == "float32" else 1e-12


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [Normal, TanhNormal])
def test_normal_values(kind: type[Normal], dtype: str) -> None:
    loc, log_scale = inputs(dtype)
    head = kind(loc, log_scale=log_scale)
    action, log_prob = head.sample_and_log_prob(3)
    assert action.dtype == log_prob.dtype == dtype
    assert action.shape == loc.shape
    limit = tolerance(dtype) * 10
    squashed = kind is TanhNormal
    wanted = numpy_log_prob(loc, log_scale, action, squashed)
    # An action near 1 has lost what its log_prob knows of the noise.
    np.testing.assert_allclose(head.log_prob(action), wanted, rtol=limit, atol=limit)
    np.testing.assert_allclose(log_prob, wanted, rtol=100 * limit, atol=100 * limit)
    np.testing.assert_array_equal(head.sample(3), action)
    assert not np.array_equal(head.sample(4), action)
    np.testing.assert_allclose(head.mode, np.tanh(loc) if squashed else loc, rtol=tolerance(dtype))
    other = kind(loc + 1, np.exp(log_scale + 0.3))
    p, q = np.exp(2 * log_scale.astype(float)), np.exp(2 * log_scale.astype(float) + 0.6)
    kl = (np.log(q / p) + (p + 1) / q - 1).sum(axis=1) / 2
    np.testing.assert_allclose(head.kl(other), kl, rtol=limit)
    np.testing.assert_allclose(head.kl(head), 0, atol=1e-6)
    if not squashed:
        entropy = (log_scale.astype(float) + np.log(2 * np.pi * np.e) / 2).sum(axis=1)
        np.testing.assert_allclose(head.entropy(), entropy, rtol=limit)


@pytest.mark.parametrize("scale", [0.01, 0.6, 3, 30])
def test_entropy_of_squashed_actions(scale: float) -> None:
    """Against a sum over many more places."""
    head = TanhNormal(np.array([[0.7]]), np.array([[scale]]))
    z = np.linspace(-12, 12, 20_001)
    u = 0.7 + scale * z
    weight = np.exp(-(z**2) / 2)
    logarithm = 2 * (np.log(2) - abs(u) - np.log1p(np.exp(-2 * abs(u))))
    wanted = (
        np.log(scale) + np.log(2 * np.pi * np.e) / 2 + (weight * logarithm).sum() / weight.sum()
    )
    np.testing.assert_allclose(head.entropy(), [wanted], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", [Normal, TanhNormal])
def test_normal_gradients(kind: type[Normal], shared: bool) -> None:
    loc, log_scale = inputs("float64")
    if shared:
        log_scale = log_scale[0]
    action = kind(loc, log_scale=log_scale).sample(1)
    other_loc, other_scale = inputs("float64", 5)
    weight = np.random.default_rng(1).normal(size=ROWS)
    by_action = np.random.default_rng(2).normal(size=loc.shape)

    def cost(what: str) -> Callable[[Any, Any], float]:
        def of(mean: Any, spread: Any) -> float:
            head = kind(mean, log_scale=spread)
            if what == "sample":
                found, log_prob = head.sample_and_log_prob(1)
                return float((by_action * found).sum() + weight @ log_prob)
            if what == "kl":
                return float(weight @ head.kl(kind(other_loc, log_scale=other_scale)))
            if what == "reverse kl":
                return float(weight @ kind(other_loc, log_scale=other_scale).kl(head))
            values = head.entropy() if what == "entropy" else head.log_prob(action)
            return float(weight @ values)

        return of

    head = kind(loc, log_scale=log_scale)
    other = kind(other_loc, log_scale=other_scale)
    head.sample(2)  # another one than that of the gradient below, which says its seed
    gradients = {
        "log_prob": head.log_prob_gradient(action, weight),
        "entropy": head.entropy_gradient(weight),
        "kl": head.kl_gradient(other, weight)[0],
        "reverse kl": other.kl_gradient(head, weight)[1],
        "sample": head.sample_gradient(by_action, weight, seed=1),
    }
    for what, gradient in gradients.items():
        by_loc, by_log_scale = gradient
        assert by_log_scale.shape == log_scale.shape
        function = cost(what)
        close(by_loc, slopes(lambda mean, f=function: f(mean, log_scale), loc))  # type: ignore[misc]
        close(by_log_scale, slopes(lambda s, f=function: f(loc, s), log_scale))  # type: ignore[misc]


@pytest.mark.parametrize("dtype", DTYPES)
def test_categorical_values(dtype: str) -> None:
    z = logits(dtype)
    head = Categorical(logits=z)
    p = np.exp(z.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    limit = tolerance(dtype)
    np.testing.assert_allclose(head.probs, p, rtol=limit)
    np.testing.assert_allclose(head.logits, np.log(p), rtol=limit, atol=limit)
    action = head.sample(3)
    assert action.dtype == np.int64
    assert action.shape == (ROWS,)
    np.testing.assert_array_equal(action, head.sample(3))
    drawn, log_prob = head.sample_and_log_prob(3)
    np.testing.assert_array_equal(drawn, action)
    np.testing.assert_array_equal(log_prob, head.log_prob(action))
    np.testing.assert_allclose(
        head.log_prob(action), np.log(p[np.arange(ROWS), action]), rtol=limit, atol=limit
    )
    np.testing.assert_allclose(head.entropy(), -(p * np.log(p)).sum(axis=1), rtol=limit)
    np.testing.assert_array_equal(head.mode, z.argmax(axis=1))
    other = logits(dtype, 1)
    q = np.exp(other.astype(float))
    q /= q.sum(axis=1, keepdims=True)
    kl = (p * np.log(p / q)).sum(axis=1)
    np.testing.assert_allclose(head.kl(Categorical(logits=other)), kl, rtol=20 * limit)


def test_categorical_gradients() -> None:
    z, other = logits("float64"), logits("float64", 1)
    weight = np.random.default_rng(1).normal(size=ROWS)
    head, q = Categorical(logits=z), Categorical(logits=other)
    action = head.sample(0)
    close(
        head.log_prob_gradient(action, weight),
        slopes(lambda x: float(weight @ Categorical(logits=x).log_prob(action)), z),
    )
    close(
        head.entropy_gradient(weight),
        slopes(lambda x: float(weight @ Categorical(logits=x).entropy()), z),
    )
    own, others = head.kl_gradient(q, weight)
    close(own, slopes(lambda x: float(weight @ Categorical(logits=x).kl(q)), z))
    close(others, slopes(lambda x: float(weight @ head.kl(Categorical(logits=x))), other))


def test_samples_are_distributed_so() -> None:
    n = 40_000
    head = Normal(np.full((n, 1), 2.0), log_scale=np.log([3.0]))
    sample = head.sample(0)
    assert abs(sample.mean() - 2) < 0.05
    assert abs(sample.std() - 3) < 0.05
    # Each row and each column has numbers of its own.
    two = Normal(np.zeros((n, 2)), log_scale=np.zeros(2)).sample(0)
    assert abs(np.corrcoef(two.T)[0, 1]) < 0.02
    classes = Categorical(logits=np.log(np.tile([0.1, 0.2, 0.7], (n, 1)))).sample(0)
    np.testing.assert_allclose(np.bincount(classes) / n, [0.1, 0.2, 0.7], atol=0.01)


def test_extremes_are_finite_and_right() -> None:
    """Tails in which the plain formulas give infinity or NaN."""
    head = TanhNormal(np.array([[30.0], [0.0]], "f4"), log_scale=np.zeros((2, 1), "f4"))
    action, log_prob = head.sample_and_log_prob(0)
    assert action[0, 0] == 1  # rounded: the log_prob is still that of the noise
    # -log(1 - tanh^2 u) is 2 (u - log 2) there, and the noise is less than 4.
    assert 2 * (30 - 4 - np.log(2)) - 10 < log_prob[0] < 2 * (30 + 4 - np.log(2))
    assert np.isfinite(head.log_prob(np.array([[1.0], [-1.0]], "f4"))).all()
    gradient = head.sample_gradient(np.ones((2, 1), "f4"), 1.0)
    np.testing.assert_allclose(gradient.loc[0], 2, rtol=1e-6)  # of -log(1 - tanh^2 u)
    big = Categorical(logits=np.array([[1e4, 0.0, -1e4], [-np.inf, 0.0, 0.0]]))
    np.testing.assert_array_equal(big.log_prob([1, 2]), [-1e4, -np.log(2)])
    np.testing.assert_array_equal(big.entropy(), [0, np.log(2)])
    assert np.isfinite(big.entropy_gradient()).all()
    assert big.entropy_gradient()[1, 0] == big.log_prob_gradient([0, 1])[1, 0] == 0
    assert big.sample(0)[1] != 0
    # 1 - p where p rounds to 1
    sure = Categorical(logits=np.array([[0.0, -40.0]]))
    np.testing.assert_allclose(sure.log_prob_gradient([0])[0], [np.exp(-40), -np.exp(-40)])


def test_bounds_of_the_scale() -> None:
    log_scale = np.array([[-30.0, 0.0, 5.0]])
    head = Normal(np.zeros((1, 3)), log_scale=log_scale, log_scale_bounds=(-20, 2))
    limited = Normal(np.zeros((1, 3)), log_scale=log_scale.clip(-20, 2))
    action = np.array([[1e-9, 0.5, 3.0]])
    np.testing.assert_array_equal(head.log_prob(action), limited.log_prob(action))
    for gradient in (
        head.log_prob_gradient(action),
        head.entropy_gradient(),
        head.kl_gradient(limited)[0],
    ):
        assert (gradient.log_scale[0, [0, 2]] == 0).all()
    assert head.entropy_gradient().log_scale[0, 1] == 1


@pytest.mark.parametrize("level", dc._core.available_isa_levels())
def test_levels_agree(level: str) -> None:
    loc, log_scale = inputs("float32")
    z = logits("float32")
    fused = {"avx2", "avx512", "neon"}
    found = []
    for isa in {level, dc._core.isa()}:
        head = dc._core.Normal(loc, log_scale, -20, 2, True, isa)
        sample = head.sample(7)
        classes = dc._core.Categorical(z, isa)
        found.append([*sample, head.log_prob(sample[0]), head.entropy(), classes.entropy()])
        found[-1] += classes.probabilities()
    for one, other in zip(found[0], found[-1], strict=True):
        if {level, dc._core.isa()} <= fused:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_parts_of_outputs_are_read_where_they_lie() -> None:
    outputs = np.random.default_rng(0).normal(size=(4, 6)).astype("f4")
    head = Normal.from_outputs(outputs, log_scale_bounds=(-5, 2))
    same = Normal(outputs[:, :3].copy(), log_scale=outputs[:, 3:].copy())
    action = head.sample(0)
    np.testing.assert_array_equal(action, same.sample(0))
    gradient = head.log_prob_gradient(action)
    assert gradient.joined.shape == (4, 6)
    assert gradient.joined.flags.c_contiguous
    np.testing.assert_array_equal(gradient.joined, np.hstack(tuple(gradient)))
    np.testing.assert_array_equal((gradient + gradient).joined, 2 * gradient.joined)
    np.testing.assert_array_equal((0.5 * gradient).log_scale, gradient.log_scale / 2)
    # It is a copy: the network may put out other numbers now.
    before = head.log_prob(action)
    outputs[:] = 0
    np.testing.assert_array_equal(head.log_prob(action), before)


def test_one_scale_for_all() -> None:
    loc = inputs("float32")[0]
    head, same = Normal(loc, 0.5), Normal(loc, np.full(loc.shape, 0.5, "f4"))
    action = head.sample(0)
    np.testing.assert_array_equal(action, same.sample(0))
    gradient = head.log_prob_gradient(action)
    assert gradient.log_scale.shape == (ACTIONS,)
    np.testing.assert_allclose(
        gradient.log_scale, same.log_prob_gradient(action).log_scale.sum(axis=0), rtol=1e-5
    )


COPIES = [copy.copy, copy.deepcopy, lambda head: pickle.loads(pickle.dumps(head))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_copies_are_equal_to_the_bit(dtype: str, copied: Any) -> None:
    loc, log_scale = inputs(dtype)
    bounds = (float(np.median(log_scale)) - 0.3, float(np.median(log_scale)) + 0.2)
    heads = [
        Categorical(logits=logits(dtype)),
        Normal(loc, log_scale=log_scale),
        Normal(loc, log_scale=log_scale, log_scale_bounds=bounds),  # limited on both sides
        TanhNormal(loc, log_scale=log_scale[0].copy(), log_scale_bounds=bounds),
    ]
    for head in heads:
        action = head.sample(3)
        twin = copied(head)
        assert repr(twin) == repr(head)
        assert twin.log_prob(action).tobytes() == head.log_prob(action).tobytes()
        assert twin.entropy().tobytes() == head.entropy().tobytes()
        gradients = [np.concatenate([np.ravel(part) for part in g.log_prob_gradient(action)])
                     for g in (head, twin)]  # fmt: skip
        assert gradients[0].tobytes() == gradients[1].tobytes()
        if isinstance(head, Normal):  # the last sample goes along
            one, other = (g.sample_gradient(by_action=action).loc for g in (head, twin))
            assert one.tobytes() == other.tobytes()
    assert repr(heads[0]) == f"Categorical({ROWS} x {CLASSES}, {dtype})"


@pytest.mark.slow
def test_large_heads_are_computed_beside_other_threads() -> None:
    rng = np.random.default_rng(0)
    head = TanhNormal(rng.normal(size=(20000, 8)), log_scale=np.zeros(8))
    ticks: list[float] = []
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(0.002):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    begin = time.perf_counter()
    head.entropy()  # a large integral
    end = time.perf_counter()
    ended.set()
    thread.join()
    assert sum(begin < when < end for when in ticks) >= 3


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    from torch import distributions as theirs

    loc, log_scale = inputs("float64")
    mean = torch.tensor(loc, requires_grad=True)
    spread = torch.tensor(log_scale, requires_grad=True)
    base = theirs.Normal(mean, spread.exp())
    head, squashed = (kind(loc, log_scale=log_scale) for kind in (Normal, TanhNormal))
    action = head.sample(0)
    wanted = base.log_prob(torch.tensor(action)).sum(1)
    close(head.log_prob(action), wanted.detach())
    wanted.sum().backward()
    close(head.log_prob_gradient(action).loc, mean.grad)
    close(head.log_prob_gradient(action).log_scale, spread.grad)
    close(head.entropy(), base.entropy().sum(1).detach())
    tanh = theirs.TransformedDistribution(base, [theirs.TanhTransform()])
    action = squashed.sample(0)
    close(squashed.log_prob(action), tanh.log_prob(torch.tensor(action)).sum(1).detach())
    z = torch.tensor(logits("float64"), requires_grad=True)
    classes = Categorical(logits=z.detach().numpy())
    action = classes.sample(0)
    categorical = theirs.Categorical(logits=z)
    close(classes.log_prob(action), categorical.log_prob(torch.tensor(action)).detach())
    close(classes.entropy(), categorical.entropy().detach())
    categorical.entropy().sum().backward()
    close(classes.entropy_gradient(), z.grad)


ONE = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Normal(ONE), TypeError, "neither of scale and log_scale"),
        (lambda: Normal(ONE, ONE + 1, log_scale=ONE), TypeError, "both of scale and log_scale"),
        (lambda: Normal(ONE[0], ONE[0] + 1), ValueError, r"loc: found shape \(3,\), wanted"),
        (lambda: Normal(ONE, ONE), ValueError, "scale: found 0, wanted standard deviations > 0"),
        (lambda: Normal(ONE, ONE - 1), ValueError, "scale: found -1, wanted"),
        (lambda: Normal(ONE, ONE * np.nan), ValueError, "scale: found nan"),
        (lambda: Normal(ONE * np.nan, ONE + 1), ValueError, "loc: found -?nan in row 0"),
        (lambda: Normal(ONE, log_scale=ONE + 400), ValueError, "log_scale: found 400 in row 0"),
        (lambda: Normal(ONE, log_scale=np.zeros(2)), ValueError, r"found shape \(2,\), wanted"),
        (lambda: Normal(ONE, log_scale=ONE[:1]), ValueError, r"\(1, 3\), wanted \(2, 3\)"),
        (lambda: Normal(ONE, log_scale=ONE, log_scale_bounds=(2, -20)), ValueError, "high"),
        (lambda: Normal(ONE, log_scale=ONE, log_scale_bounds=3), TypeError, "a pair"),
        (lambda: Normal(ONE * 1j, log_scale=ONE), TypeError, "loc: found dtype complex128"),
        (lambda: Normal([["a"]], log_scale=ONE), TypeError, "loc: found dtype <U1"),
        (lambda: Normal.from_outputs(ONE), ValueError, r"wanted \(rows, 2 actions\)"),
        (lambda: Normal(ONE, ONE + 1).log_prob(ONE[:1]), ValueError, r"action: found shape"),
        (lambda: Normal(ONE, ONE + 1).log_prob(ONE * np.inf), ValueError, "action: found -?nan"),
        (lambda: TanhNormal(ONE, ONE + 1).log_prob(ONE + 1.5), ValueError, "found 1.5 in row 0"),
        (
            lambda: Normal(ONE, ONE + 1).log_prob_gradient(ONE, [1.0]),
            ValueError,
            r"weight: found shape \(1,\), wanted \(2,\)",
        ),
        (lambda: Normal(ONE, ONE + 1).sample_gradient(ONE), RuntimeError, "found no sample"),
        (lambda: Normal(ONE, ONE + 1).sample(-1), ValueError, "seed: found -1"),
        (
            lambda: Normal(ONE, ONE + 1).kl(Normal(ONE[:1], ONE[:1] + 1)),
            ValueError,
            r"kl: found a distribution \(1, 3\) of float64, wanted one \(2, 3\) of float64",
        ),
        (lambda: Normal(ONE, ONE + 1).kl(TanhNormal(ONE, ONE + 1)), TypeError, "another Normal"),
        (lambda: Categorical(ONE), TypeError, "without a name, wanted logits"),
        (lambda: Categorical(), TypeError, "found no logits"),
        (lambda: Categorical(logits=ONE[0]), ValueError, r"logits: found shape \(3,\)"),
        (lambda: Categorical(logits=ONE * np.nan), ValueError, "logits: found -?nan in row 0"),
        (lambda: Categorical(logits=ONE + np.inf), ValueError, "logits: found inf in row 0"),
        (lambda: Categorical(logits=ONE - np.inf), ValueError, "minus infinity for all classes"),
        (lambda: Categorical(logits=ONE).log_prob([0, 3]), ValueError, "found class 3 in row 1"),
        (lambda: Categorical(logits=ONE).log_prob([0, -1]), ValueError, "found class -1 in row 1"),
        (lambda: Categorical(logits=ONE).log_prob([0.5, 1]), TypeError, "wanted class numbers"),
        (lambda: Categorical(logits=ONE).log_prob([0]), ValueError, r"wanted \(2,\)"),
        (
            lambda: Categorical(logits=ONE).kl_gradient(
                Categorical(logits=np.array([[0, 0, -np.inf]] * 2))
            ),
            ValueError,
            "cannot be in the other",
        ),
    ],
)
def test_bad_input(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(error, match=text):
        call()

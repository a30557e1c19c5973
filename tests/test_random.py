"""The counter-based generator: equal to NumPy's Philox, and the same numbers for ever."""

import statistics
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import _core


def test_philox_is_numpys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        key = [int(k) for k in rng.integers(0, 2**64, 2, dtype=np.uint64)]
        counter = [int(c) for c in rng.integers(1, 2**63, 4, dtype=np.uint64)]
        # NumPy counts up before it generates.
        before = [counter[0] - 1, *counter[1:]]
        words = np.array([*key, *before], np.uint64)  # a list would become floats
        expected = np.random.Philox(key=words[:2], counter=words[2:]).random_raw(4)
        assert _core.philox(key, counter) == [int(word) for word in expected]


def test_normal_quantile() -> None:
    normal = statistics.NormalDist()
    for p in [0.5, 0.1, 0.9, 0.0001, 0.9999, 1e-10, 1e-100, 1e-300, 0.42, 0.075, 1 - 1e-12]:
        assert _core.normal_quantile(p) == pytest.approx(normal.inv_cdf(p), rel=1e-13, abs=1e-15)


def test_permutation() -> None:
    for n in (0, 1, 2, 10, 1000):
        order = _core.permutation(n, 3, 4)
        assert sorted(order) == list(range(n))
    base = _core.permutation(1000, 3, 4)
    assert (base == _core.permutation(1000, 3, 4)).all()
    assert (base != _core.permutation(1000, 3, 5)).any()
    assert (base != _core.permutation(1000, 4, 4)).any()
    # Every element is everywhere about equally often.
    counts = np.zeros((5, 5))
    for epoch in range(5000):
        counts[np.arange(5), _core.permutation(5, 0, epoch)] += 1
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
    with pytest.raises(ValueError, match="found -1"):
        _core.permutation(-1, 0, 0)


# variance for fan_in 300, fan_out 200; bound
DISTRIBUTIONS: dict[str, tuple[float, float]] = {
    "glorot_uniform": (2 / 500, np.sqrt(6 / 500)),
    "glorot_normal": (2 / 500, 2 * np.sqrt(2 / 500) / 0.8796),
    "he_uniform": (2 / 300, np.sqrt(6 / 300)),
    "he_normal": (2 / 300, 2 * np.sqrt(2 / 300) / 0.8796),
    "lecun_normal": (1 / 300, 2 * np.sqrt(1 / 300) / 0.8796),
    "lecun_uniform": (1 / 300, np.sqrt(3 / 300)),
    "zeros": (0, 0),
    "ones": (0, 1),
    "constant": (0, 0),
    "random_normal": (0.05**2, 0.4),
    "random_uniform": (0.1**2 / 12, 0.05),
    "truncated_normal": ((0.8796 * 0.05) ** 2, 0.1),
    "variance_scaling": (1 / 300, 2 * np.sqrt(1 / 300) / 0.8796),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name: str) -> None:
    variance, bound = DISTRIBUTIONS[name]
    values = dc.initializers.get(name)((300, 200), "float64")
    mean = 1 if name == "ones" else 0
    assert np.abs(values).max() <= bound * (1 + 1e-12)
    assert abs(values.mean() - mean) <= 5 * np.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.03)
    if "normal" in name or "uniform" in name:
        assert np.unique(values).size == values.size


@pytest.mark.parametrize("name", dc.initializers.names())
def test_float32_is_rounded_float64(name: str) -> None:
    wide = dc.initializers.get(name)((30, 20), "float64")
    assert (dc.initializers.get(name)((30, 20), "float32") == wide.astype(np.float32)).all()


def test_tensors_and_seeds_differ() -> None:
    def weights(seed: int, **kwargs: Any) -> list[Any]:
        model = dc.Sequential(
            [dc.Input(8), dc.Dense(8, **kwargs), dc.Dense(8, **kwargs)], dtype="float64", seed=seed
        )
        return [layer.kernel for layer in model.layers]

    first, second = weights(1)
    assert (first != second).all()
    assert (first != weights(2)[0]).all()
    assert (first == weights(1)[0]).all()
    own = dc.initializers.GlorotUniform(seed=5)
    assert (weights(1, kernel_initializer=own)[0] == weights(2, kernel_initializer=own)[0]).all()


def test_arguments_of_initializers() -> None:
    values = dc.initializers.RandomUniform(2, 3, seed=1)((10, 10), "float64")
    assert ((values > 2) & (values < 3)).all()
    assert (dc.initializers.Constant(0.5)((3,), "float64") == 0.5).all()
    assert repr(dc.initializers.RandomNormal(0, 1)) == "RandomNormal(mean=0, stddev=1)"
    with pytest.raises(ValueError, match="stddev: found nan, wanted a finite"):
        dc.initializers.RandomNormal(stddev=float("nan"))((2, 2))


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 300), ("fan_out", 200), ("fan_avg", 250)])
@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling(mode: str, fan: int, distribution: str) -> None:
    chosen = dc.initializers.VarianceScaling(2.0, mode, distribution, seed=3)
    values = chosen((300, 200), "float64")
    assert values.var() == pytest.approx(2 / fan, rel=0.03)
    # The shape of the distribution: its fourth moment over the squared variance.
    kurtosis = {"truncated_normal": 2.37, "untruncated_normal": 3.0, "uniform": 1.8}[distribution]
    assert (values**4).mean() / values.var() ** 2 == pytest.approx(kurtosis, rel=0.03)
    again = dc.initializers.deserialize(chosen.get_config())
    assert repr(again) == f"VarianceScaling(2, '{mode}', '{distribution}', seed=3)"
    assert (again((300, 200), "float64") == values).all()
    for arguments, said in [((0.0,), "scale"), ((1.0, "fan"), "mode"), ((1, mode, "x"), "distr")]:
        with pytest.raises(ValueError, match=said):
            dc.initializers.VarianceScaling(*arguments)


def test_a_seed_means_the_same_weights_for_ever() -> None:
    """Frozen: a change here changes every model that is trained from a seed."""
    layers = [dc.Input(3), dc.Dense(2, kernel_initializer="he_normal")]
    model = dc.Sequential(layers, dtype="float64", seed=42)
    assert [value.hex() for value in model.layers[0].kernel.ravel()] == FROZEN_HE_NORMAL
    assert list(_core.permutation(10, 42, 0)) == FROZEN_PERMUTATION


FROZEN_HE_NORMAL = [
    "-0x1.258c5bb3e66ddp-2",
    "-0x1.836a81286ca7ap-1",
    "0x1.665bb5a6649f5p-2",
    "-0x1.67aeac6eafc23p-1",
    "-0x1.00a29477fd565p-3",
    "0x1.936222b209981p-1",
]
FROZEN_PERMUTATION = [1, 6, 0, 3, 2, 5, 4, 7, 9, 8]


# Initializers that are made in Python ----------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (3, 5, 6), (1, 3), (200, 120)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal(shape: tuple[int, ...], dtype: str) -> None:
    found = dc.initializers.Orthogonal(2.0, seed=3)(shape, dtype)
    assert found.dtype == dtype
    matrix = found.reshape(-1, shape[-1])
    product = matrix.T @ matrix if len(matrix) >= shape[-1] else matrix @ matrix.T
    bound = 4 * np.finfo(dtype).eps * np.sqrt(matrix.size)
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=4 * bound)


def test_orthogonal_matrices_are_of_every_direction() -> None:
    """Haar's measure: an element of an orthogonal 3 × 3 matrix has mean 0 and variance 1/3."""
    drawn = np.array(
        [dc.initializers.Orthogonal(seed=seed)((3, 3), "float64") for seed in range(3000)]
    )
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=5 * np.sqrt(1 / 3 / 3000))
    np.testing.assert_allclose(drawn.var(axis=0), 1 / 3, atol=0.03)


def test_orthogonal_and_identity_in_a_model() -> None:
    def make(seed: int, dtype: str = "float64", kernel: Any = "orthogonal") -> Any:
        layers = [dc.Input(4), dc.Dense(4, kernel_initializer=kernel)]
        return dc.Sequential(layers, dtype=dtype, seed=seed).layers[0].kernel

    assert (make(1) == make(1)).all()
    assert (make(1) != make(2)).any()
    np.testing.assert_array_equal(make(1, "float32"), make(1).astype("float32"))
    np.testing.assert_array_equal(make(1, kernel=dc.initializers.Identity(2)), 2 * np.eye(4))
    np.testing.assert_array_equal(dc.initializers.identity()((2, 3)), np.eye(2, 3))
    with pytest.raises(ValueError, match=r"orthogonal: found shape \(4,\), wanted at least two"):
        dc.Sequential([dc.Input(4), dc.Dense(4, bias_initializer="orthogonal")])
    with pytest.raises(ValueError, match=r"identity: found shape \(4,\), wanted two dimensions"):
        dc.initializers.Identity()((4,))


# Random arrays ---------------------------------------------------------------------------------


def test_random_arrays() -> None:
    seed = 5
    normal = dc.random.normal((4000,), 2.0, 3.0, seed=seed)
    assert normal.dtype == np.float32
    assert normal.mean() == pytest.approx(2, abs=5 * 3 / np.sqrt(4000))
    assert normal.std() == pytest.approx(3, rel=0.1)
    np.testing.assert_array_equal(normal, dc.random.normal((4000,), 2.0, 3.0, seed=seed))
    uniform = dc.random.uniform((100, 20), -1, 1, "float64", seed)
    assert uniform.dtype == np.float64
    assert -1 <= uniform.min() < -0.9 < 0.9 < uniform.max() < 1
    truncated = dc.random.truncated_normal((4000,), 1.0, 0.5, seed=seed)
    assert np.abs(truncated - 1).max() <= 1
    assert set(dc.random.randint((100,), 2, 5, seed=seed)) == {2, 3, 4}
    assert dc.random.binomial((1000,), 10, 0.3, seed=seed).mean() == pytest.approx(3, abs=0.3)
    logits = np.log([[0.2, 0.8, 1e-30], [0.5, 0.25, 0.25]])
    drawn = dc.random.categorical(logits, 4000, seed=seed)
    assert drawn.shape == (2, 4000)
    np.testing.assert_allclose((drawn == 1).mean(axis=1), [0.8, 0.25], atol=0.04)
    assert (drawn[0] < 2).all()
    mixed = dc.random.shuffle(np.arange(50), seed=seed)
    assert sorted(mixed) == list(range(50))
    assert (mixed != np.arange(50)).any()
    with pytest.raises(ValueError, match=r"logits: found shape \(3,\), wanted \(rows, classes\)"):
        dc.random.categorical(np.zeros(3), 1)


def test_seeds_of_random_arrays() -> None:
    first, second = dc.random.SeedGenerator(7), dc.random.SeedGenerator(7)
    ours = [dc.random.normal((3,), seed=first) for _ in range(2)]
    assert (ours[0] != ours[1]).any()
    np.testing.assert_array_equal(ours, [dc.random.normal((3,), seed=second) for _ in range(2)])
    assert (dc.random.normal((3,)) != dc.random.normal((3,))).any()
    dc.utils.set_random_seed(1)
    once = dc.random.normal((3,))
    dc.utils.set_random_seed(1)
    np.testing.assert_array_equal(once, dc.random.normal((3,)))
    dc._base.seeds.set_global(None)
    with pytest.raises(TypeError, match=r"seed: found 1.5, wanted an integer"):
        dc.random.uniform((3,), seed=1.5)  # type: ignore[arg-type]


def test_the_dtype_of_models_that_are_given_none() -> None:
    try:
        dc.backend.set_floatx("float64")
        assert dc.backend.floatx() == "float64"
        assert dc.Sequential([dc.Input(2), dc.Dense(1)]).dtype == "float64"
        assert dc.Sequential([dc.Input(2), dc.Dense(1)], dtype=None).dtype == "float64"
        assert dc.Sequential([dc.Input(2), dc.Dense(1)], dtype="float32").dtype == "float32"
        assert dc.random.normal((2,)).dtype == np.float64
        with pytest.raises(ValueError, match="floatx: found 'float16', wanted 'float32' or 'float"):
            dc.backend.set_floatx("float16")
    finally:
        dc.backend.set_floatx("float32")
    assert dc.Sequential([dc.Input(2), dc.Dense(1)]).dtype == "float32"

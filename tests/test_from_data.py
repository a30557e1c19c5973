"""Initial weights that follow from data."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers
from densecore.utils import initialize_from_data


def data(rows: int = 300, dtype: str = "float32") -> Any:
    return np.random.default_rng(0).normal([5, -1, 100], [3, 0.1, 40], (rows, 3)).astype(dtype)


def model_of(dtype: str = "float32", seed: int = 1) -> dc.Sequential:
    stack = [dc.Dense(20, "selu"), layers.Residual([dc.Dense(20, "tanh"), dc.Dense(20)])]
    return dc.Sequential([dc.Input(3), *stack, dc.Dense(2)], dtype=dtype, seed=seed)


def arguments(model: dc.Sequential, x: Any) -> list[np.ndarray]:
    """W x + b of each dense layer."""
    first, block, last = model.layers
    a = first.activation(x @ first.kernel + first.bias)
    inner, second = block.layers
    b = np.tanh(a @ inner.kernel + inner.bias)
    c = np.asarray(a) + b @ second.kernel + second.bias
    return [
        x @ first.kernel + first.bias, a @ inner.kernel + inner.bias,
        b @ second.kernel + second.bias, c @ last.kernel + last.bias,
    ]  # fmt: skip


def test_each_layer_has_unit_variance_and_bends_within_the_data(dtype: str) -> None:
    model, x = model_of(dtype), data(dtype=dtype)
    initialize_from_data(model, x)
    for z in arguments(model, x):
        np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-3)
        assert (z.min(axis=0) < 0).all()
        assert (z.max(axis=0) > 0).all()
        assert z.mean(axis=0).std() > 0.1  # not all of them in the middle


def test_a_mean_of_all_rows_and_biases_alone() -> None:
    x = data(dtype="float64")
    model = model_of("float64")
    kernels = [array.copy() for array in model.get_weights()]
    initialize_from_data(model, x[:1], points=1, scale=False)
    for z in arguments(model, x[:1]):
        np.testing.assert_allclose(z, 0, atol=1e-12)
    assert (model.layers[0].kernel == kernels[0]).all()
    model = model_of("float64")
    initialize_from_data(model, x, points=0)
    assert (model.layers[0].bias == 0).all()


def test_seeds_threads_and_frozen_layers() -> None:
    x, found = data(), []
    before = dc.get_num_threads()
    try:
        for threads in (1, 2):
            dc.set_num_threads(threads)
            model = model_of()
            initialize_from_data(model, x)
            found.append(model.parameters.tobytes())
    finally:
        dc.set_num_threads(before)
    other = model_of()
    initialize_from_data(other, x, seed=7)
    assert found[0] == found[1] != other.parameters.tobytes()
    frozen = model_of()
    frozen.layers[0].trainable = False
    weights = [array.copy() for array in frozen.layers[0].weights]
    initialize_from_data(frozen, x)
    assert all((a == b).all() for a, b in zip(weights, frozen.layers[0].weights, strict=True))


def test_members_vectors_and_graphs() -> None:
    x = data()
    ensemble = dc.Ensemble(model_of(), seeds=[1, 2])
    ensemble.compile("adam", "mse")
    for number in range(2):
        member = ensemble.member(number)
        initialize_from_data(member, x)
        ensemble.set_member(number, member)
        assert ensemble.predict(x)[number].tobytes() == member.predict(x).tobytes()
    inputs = dc.Input((4, 3))
    hidden = dc.Dense(5, name="each")(inputs)
    model = dc.Model(inputs, dc.Dense(1)(layers.Flatten()(hidden)), seed=0)
    rows = np.random.default_rng(1).normal(2, 9, (200, 4, 3)).astype(np.float32)
    initialize_from_data(model, rows)
    each = rows.reshape(-1, 3) @ model.get_layer("each").kernel
    np.testing.assert_allclose(each.std(axis=0), 1, rtol=1e-3)
    attention = dc.Model(
        inputs, dc.Dense(1)(layers.Flatten()(layers.MultiHeadAttention(2, 3)(inputs, inputs)))
    )
    initialize_from_data(attention, rows)
    assert abs(attention.predict(rows).std() - 1) < 1e-3
    constant = dc.Sequential([dc.Input(3), dc.Dense(2)], seed=0)
    initialize_from_data(constant, np.ones((5, 3), np.float32))
    assert np.isfinite(constant.parameters).all()
    np.testing.assert_allclose(constant.predict(np.ones((1, 3))), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: initialize_from_data(dc.Dense(2), data()), TypeError, "wanted a model"),
        (lambda: initialize_from_data(model_of(), data(0)), ValueError, "found no rows"),
        (lambda: initialize_from_data(model_of(), data() * np.nan), ValueError, "not finite"),
        (lambda: initialize_from_data(model_of(), np.ones((2, 4))), ValueError, "wanted"),
        (lambda: initialize_from_data(model_of(), data(), -1), ValueError, "points: found -1"),
        (
            lambda: initialize_from_data(model_of(), np.zeros((3_000_000, 3), "f4")),
            ValueError, "a sample is enough",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()

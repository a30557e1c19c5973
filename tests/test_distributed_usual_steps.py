"""Steps of a custom loop on several ranks, which the core makes when they are as the last one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.distributed import Serial
from test_distributed import data, on_ranks, small


def _row_wise(**how: Any) -> dc.Sequential:
    hidden = [dc.layers.Dense(9, "softmax"), dc.layers.Dense(7, "tanh")]
    model = dc.Sequential([dc.Input(6), *hidden, dc.layers.Dense(2)], seed=1, **how)
    model.compile(dc.optimizers.Adam(0.01), "mse")
    return model


def _merging(**how: Any) -> dc.Model:
    inputs = dc.Input(6)
    sides = [dc.layers.Dense(5, "relu")(inputs), dc.layers.Dense(5, "softmax")(inputs)]
    both = dc.layers.Dense(2)(dc.layers.Add()(sides))
    model = dc.Model(inputs, both, seed=1, **how)
    model.compile(dc.optimizers.Adam(0.01), "mse")
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [_row_wise, _merging])
@pytest.mark.parametrize("rows", [5, 16, 37])  # fewer than there are leaves: some are empty
def test_small_batches_have_the_bits_of_one_rank(
    make: Callable[..., Any], rows: int, dtype: str
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 6)).astype(dtype), rng.normal(size=(rows, 2)).astype(dtype)

    def train(model: Any, comm: Any) -> list[float]:
        cut = [rows * leaf // 8 for leaf in range(9)]
        size = 8 // comm.size
        own = slice(cut[comm.rank * size], cut[(comm.rank + 1) * size])
        return [model.train_on_batch(x[own], y[own], comm=comm) for _ in range(4)]

    def alone(make: Callable[..., Any]) -> Any:
        return on_ranks(1, make, train, dtype=dtype)[0]

    expected, losses = alone(make)
    for ranks in (2, 4, 8):
        for model, found in on_ranks(ranks, make, train, dtype=dtype):
            assert model.parameters.tobytes() == expected.parameters.tobytes()
            np.testing.assert_allclose(found, losses, rtol=1e-5)
    plain = make(dtype=dtype)
    np.testing.assert_allclose([plain.train_on_batch(x, y) for _ in range(4)], losses, rtol=1e-5)


def test_weights_on_one_rank_after_steps_without_them() -> None:
    x, y = data(64)

    def train(model: dc.Sequential, comm: Any) -> list[float]:
        own = slice(comm.rank * 32, comm.rank * 32 + 32)
        losses = [model.train_on_batch(x[own], y[own], comm=comm) for _ in range(2)]
        weight = np.full(32, 2.0, "f") if comm.rank else None
        losses.append(model.train_on_batch(x[own], y[own], weight, comm=comm))
        return [*losses, model.train_on_batch(x[own], y[own], comm=comm)]

    alone = small()
    weight = np.where(np.arange(64) < 32, 1.0, 2.0).astype("f")
    expected = [alone.train_on_batch(x, y, w) for w in (None, None, weight, None)]
    for _, found in on_ranks(2, small, train):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_usual_step_is_that_of_the_model_s_present_network() -> None:
    x, y = data(64)

    def train(model: dc.Sequential, comm: Any) -> list[float]:
        own = slice(comm.rank * 32, comm.rank * 32 + 32)
        step = model.train_on_batch
        for _ in range(3):
            step(x[own], y[own], comm=comm)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
        before = model.get_weights()
        step(x[own], y[own], comm=comm)
        assert not all(
            np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)
        )
        return [step(x[own], y[own], comm=comm) for _ in range(2)]

    (_, first), (_, second) = on_ranks(2, small, train)
    assert first == second


def test_a_model_that_nothing_refers_to_is_named() -> None:
    x, y = data(8)
    with pytest.raises(RuntimeError, match="nothing refers to any more"):
        small().train_on_batch(x, y, comm=Serial())

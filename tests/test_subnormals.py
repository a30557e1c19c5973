"""Parameters never hold a subnormal number: not after a step of any kind, nor set, nor loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled, stack
from conftest import OPTIMIZERS
from densecore import reference


def smallest(dtype: Any) -> Any:
    return np.dtype(dtype).type(np.finfo(dtype).smallest_normal)


def subnormals(array: Any) -> int:
    return int(np.count_nonzero((array != 0) & (np.abs(array) < smallest(array.dtype))))


@pytest.mark.parametrize("config", OPTIMIZERS, ids=str)
def test_an_update_keeps_none(kernels: Any, dtype: str, config: dict[str, Any]) -> None:
    """With a gradient of 0 the parameters stay, but for the subnormal ones, which become 0."""
    made = dc.optimizers.get(config)
    rule, settings = made._rule(), made._settings.values()
    oracle = reference.OPTIMIZERS[rule]
    tiny = smallest(dtype)
    start = np.resize(np.array([tiny / 2, -tiny / 3, tiny, -tiny, 1e-3, np.nan, 0], dtype), 37)
    states = [np.full(37, oracle.start(**settings)).astype(dtype) for _ in range(oracle.states)]
    p, expected, g = start.copy(), start.copy(), np.zeros(37, dtype)
    kernels.optimizer_update(rule, list(settings.values()), 1, p, g, states)
    oracle.update(expected, g, [state.copy() for state in states], 1, **settings)
    np.testing.assert_array_equal(p, expected)
    np.testing.assert_array_equal(p, np.where(np.abs(start) < tiny, 0, start))


def fit(model: dc.Sequential, x: Any, y: Any) -> None:
    model.fit(x, y, len(x), verbose=0)


def step(model: dc.Sequential, x: Any, y: Any) -> None:
    model.train_on_batch(x, y)


def bound_step(model: dc.Sequential, x: Any, y: Any) -> None:
    model.make_train_step(x, y)()


def own_loop(model: dc.Sequential, x: Any, y: Any) -> None:
    model.backward(model.forward(x) - y)
    model.apply_gradients()


WAYS: list[Callable[..., None]] = [fit, step, bound_step, own_loop]


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        dc.optimizers.SGD(0.1, momentum=0.9),
        dc.optimizers.SGD(0.1, weight_decay=0.1),
        dc.optimizers.SGD(0.1, clipnorm=1.0),
        "adam",
        dc.optimizers.Adam(use_ema=True, ema_overwrite_frequency=1),
    ],
    ids=lambda o: o if isinstance(o, str) else type(o).__name__,
)
@pytest.mark.parametrize(("rows", "width"), [(1, 8), (1, 40), (20, 40), (300, 40), (30, 300)])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_to_train_keeps_any(
    way: Callable[..., None], rows: int, width: int, optimizer: Any, dtype: str
) -> None:
    """Kernels for single rows, updates within the products, leaves, layer by layer."""
    model = stack(6, (width, "tanh"), (width, "tanh"), 3, dtype=dtype)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6)).astype(dtype)
    x[:, :3] = 0  # these weights get no gradient
    weights = model.layers[0].kernel
    weights[:3] = np.resize([0.5, -0.5], (3, width)) * smallest(dtype)
    assert subnormals(model.parameters) == 3 * width
    model.compile(optimizer, "mse")  # an average of the parameters starts from them
    way(model, x, rng.normal(size=(rows, 3)).astype(dtype))
    assert subnormals(model.parameters) == 0
    assert (model.layers[0].kernel[:3] == 0).all()
    assert (model.layers[0].kernel[3:] != 0).any()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("members", [1, 40])
def test_ensembles_keep_none(members: int, optimizer: str, dtype: str) -> None:
    model = compiled(6, (8, "tanh"), 3, optimizer=optimizer, dtype=dtype)
    ensemble = dc.Ensemble(model, members)
    ensemble.parameters[:, :24] = smallest(dtype) / 2
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 6)).astype(dtype), rng.normal(size=(50, 3)).astype(dtype)
    x[:, :3] = 0
    ensemble.fit(x, y, batch_size=1, verbose=0)
    assert subnormals(ensemble.parameters) == 0


def test_weights_that_decay_end_at_zero(dtype: str) -> None:
    """An L2 penalty is enough: without the rule they stay at some subnormal number for ever."""
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(1, kernel_regularizer=dc.regularizers.L2(1.0))], dtype=dtype, seed=0
    )
    model.compile(dc.optimizers.SGD(0.1), "mse")
    model.layers[0].kernel[:2] = 1e3 * smallest(dtype)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 4)).astype(dtype), rng.normal(size=(32, 1)).astype(dtype)
    x[:, :2] = 0
    model.fit(x, y, epochs=60, verbose=0)
    assert (model.layers[0].kernel[:2] == 0).all()


def test_weights_that_are_set_or_loaded_have_none(dtype: str, tmp_path: Path) -> None:
    tiny = smallest(dtype)
    model = compiled(4, (3, "tanh"), 1, dtype=dtype)
    model.set_weights([w * tiny for w in model.get_weights()])
    assert (model.parameters == 0).all()
    model.parameters = np.full(model.parameters.shape, tiny / 2)
    assert (model.parameters == 0).all()
    model.layers[0].set_weights([np.full((4, 3), tiny / 2), np.ones(3)])
    assert (model.layers[0].kernel == 0).all()
    assert (model.layers[0].bias == 1).all()
    model.parameters[:] = tiny / 2  # written into the memory itself: nothing sees it
    assert subnormals(model.parameters) == model.parameters.size
    model.save(tmp_path / "model.safetensors")
    model.save_weights(tmp_path / "weights.safetensors")
    loaded = dc.load_model(tmp_path / "model.safetensors")
    assert (loaded.parameters == 0).all()
    other = compiled(4, (3, "tanh"), 1, dtype=dtype)
    other.load_weights(tmp_path / "weights.safetensors")
    assert (other.parameters == 0).all()


def test_the_reference_has_the_rule(dtype: str) -> None:
    tiny = smallest(dtype)
    p, g = np.array([tiny / 2, 2 * tiny, 1], dtype), np.zeros(3, dtype)
    reference.sgd_update(p, g, 0.1)
    assert p.tolist() == [0, 2 * tiny, 1]
    p[0] = tiny / 2
    reference.adam_update(p, g, np.zeros(3, dtype), np.zeros(3, dtype), 1)
    assert p.tolist() == [0, 2 * tiny, 1]
    p[0] = tiny / 2
    dc.ops.sgd_update(p, g, 0.1)
    assert p.tolist() == [0, 2 * tiny, 1]

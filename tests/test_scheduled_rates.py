"""Weight decay and dropout rates that depend on the step, as learning rates do."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, optimizers, schedules

ROWS, BATCH, EPOCHS = 300, 64, 4
STEPS = EPOCHS * 5
RATE, DECAY = schedules.FlatCosine(0.3, STEPS), schedules.CosineCycles(0.5, STEPS)


class AlwaysDropped(layers.Dropout):
    """Monte Carlo dropout."""

    def call(self, inputs: Any, training: Any = None) -> Any:
        return super().call(inputs, training=True)


def data(dtype: str = "float32") -> Any:
    x = np.random.default_rng(0).normal(size=(ROWS, 5)).astype(dtype)
    return x, (x[:, :1] ** 2 + x[:, 1:2]).astype(dtype)


def model_of(
    rate: Any = 0.0, decay: Any = None, rule: Any = optimizers.AdamW, dtype: str = "float32"
) -> dc.Sequential:
    stack = [dc.Input(5), dc.Dense(8, "tanh"), layers.Dropout(rate), dc.Dense(6, "relu")]
    model = dc.Sequential([*stack, dc.Dense(1)], dtype=dtype, seed=3)
    model.compile(rule(0.01, weight_decay=decay), "mse")
    return model


def trained(model: dc.Sequential, first: int = 0, epochs: int = EPOCHS, **options: Any) -> Any:
    x, y = data(model.dtype)
    options = {"batch_size": BATCH, "verbose": 0, **options}
    model.fit(x, y, initial_epoch=first, epochs=epochs, **options)
    return model.parameters.copy()


@pytest.mark.parametrize("rule", [optimizers.AdamW, optimizers.SGD, optimizers.RMSprop])
def test_weight_decay_of_each_step_is_the_schedules(rule: Any, dtype: str) -> None:
    """The bits of a loop that sets the number before each step."""
    x, y = data(dtype)
    scheduled, by_hand = (model_of(decay=decay, rule=rule, dtype=dtype) for decay in (DECAY, 0.1))
    for step in range(STEPS):
        rows = slice(step % 5 * BATCH, (step % 5 + 1) * BATCH)
        assert scheduled.optimizer.weight_decay == DECAY(step)
        by_hand.optimizer.weight_decay = DECAY(step)
        for model in (scheduled, by_hand):
            model.train_on_batch(x[rows], y[rows])
        assert scheduled.parameters.tobytes() == by_hand.parameters.tobytes()


@pytest.mark.parametrize("batch", [1, BATCH, ROWS])
def test_constant_schedules_give_the_bits_of_numbers(batch: int) -> None:
    functions = model_of(lambda step: 0.3, lambda step: 0.5)
    numbers = model_of(0.3, 0.5)
    other = model_of(0.3, lambda step: 0.5 * (step < 3))
    found = [trained(m, epochs=1, batch_size=batch) for m in (functions, numbers, other)]
    assert found[0].tobytes() == found[1].tobytes()
    assert batch == ROWS or found[0].tobytes() != found[2].tobytes()


def test_multipliers_are_of_the_steps_decay() -> None:
    x, y = data()
    found = []
    for decay in (lambda step: 0.5 / (step + 1), 0.5):
        stack = [dc.Input(5), dc.Dense(4, weight_decay_multiplier={"bias": 0.0, "kernel": 3.0})]
        model = dc.Sequential([*stack, dc.Dense(1)], seed=1)
        model.compile(optimizers.AdamW(0.01, weight_decay=decay), "mse")
        for step in range(4):
            if not callable(decay):
                model.optimizer.weight_decay = 0.5 / (step + 1)
            model.train_on_batch(x, y)
        found.append(model.parameters.tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", [layers.Dropout, layers.SpatialDropout1D])
def test_masks_are_of_the_steps_rate(kind: Any) -> None:
    model = dc.Sequential([dc.Input((2, 500)), kind(RATE), layers.Flatten(), dc.Dense(1)], seed=1)
    model.build()
    for step in (0, STEPS // 2 + 3, STEPS - 2):
        factors = model._network.random_numbers(0, step, 4)
        kept = round((1 - RATE(step)) * 65536)
        assert set(np.unique(factors)) <= {0, np.float32(65536 / kept)}
        assert abs((factors == 0).mean() - RATE(step)) < 0.05
    fixed = dc.Sequential(
        [dc.Input((2, 500)), kind(RATE(3)), layers.Flatten(), dc.Dense(1)], seed=1
    )
    fixed.build()
    found = [m._network.random_numbers(0, 3, 4).tobytes() for m in (model, fixed)]
    assert found[0] == found[1]


def test_a_pass_outside_of_training_has_the_first_rate() -> None:
    model = model_of(lambda step: 0.5 if step == 0 else 0.0)
    trained(model, epochs=1)
    x = data()[0][:50]
    assert (model(x, training=True) != model(x, training=False)).any()
    assert (model(x, training=False) == model.predict(x)).all()


@pytest.mark.parametrize("batch", [1, BATCH])
def test_resumed_and_saved(tmp_path: Path, batch: int) -> None:
    whole = trained(model_of(RATE, DECAY), batch_size=batch)
    half = model_of(RATE, DECAY)
    trained(half, epochs=2, batch_size=batch)
    half.save(tmp_path / "half.safetensors")
    for model in (dc.load_model(tmp_path / "half.safetensors"), pickle.loads(pickle.dumps(half))):
        assert model.layers[1].rate == RATE
        assert model.optimizer.pipeline.weight_decay == DECAY
        assert trained(model, 2, batch_size=batch).tobytes() == whole.tobytes()


def test_any_number_of_threads() -> None:
    before, found = dc.get_num_threads(), []
    try:
        for threads in (1, 2):
            dc.set_num_threads(threads)
            found.append(trained(model_of(RATE, DECAY), batch_size=ROWS).tobytes())
    finally:
        dc.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("batch", [1, BATCH])
def test_members_of_an_ensemble(batch: int) -> None:
    ensemble = dc.Ensemble(model_of(RATE, DECAY), seeds=[3, 4])
    x, y = data()
    ensemble.fit(x, y, batch_size=batch, epochs=EPOCHS, verbose=0)
    alone = trained(model_of(RATE, DECAY), batch_size=batch)
    assert ensemble.member(0).parameters.tobytes() == alone.tobytes()


def test_configurations() -> None:
    model = model_of(RATE, DECAY)
    again = dc.Sequential.from_config(model.get_config())
    assert again.layers[1].rate == RATE
    assert again.layers[1].get_config() == model.layers[1].get_config()
    optimizer = optimizers.get(model.optimizer.get_config())
    assert optimizer.get_config() == model.optimizer.get_config()
    assert optimizers.AdamW(weight_decay=[0.1, 0.2]).weight_decay == 0.1
    optimizer.weight_decay = 0.25
    assert optimizer.weight_decay == 0.25
    with pytest.warns(UserWarning, match="weight_decay: the file holds the present rate"):
        config = optimizers.AdamW(weight_decay=lambda step: 0.5)._file_config()
    assert config["weight_decay"] == 0.5


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: layers.Dropout(lambda step: 1.0), ValueError, "Dropout: rate: found 1.0"),
        (lambda: layers.Dropout("0.5"), TypeError, "Dropout: rate: found"),
        (lambda: layers.Dropout(lambda: 0.1), TypeError, "cannot be called with the number"),
        (lambda: optimizers.AdamW(weight_decay=lambda step: -1), ValueError, "weight_decay: found"),
        (lambda: optimizers.AdamW(weight_decay="much"), TypeError, "weight_decay: found"),
        (lambda: model_of(lambda step: 0.1).get_config(), TypeError, "rate: found the function"),
        (
            lambda: optimizers.AdamW(weight_decay=lambda step: 0.5).get_config(),
            TypeError, "weight_decay: found the function",
        ),
        (lambda: AlwaysDropped(RATE)(np.ones((2, 3), np.float32)), ValueError, "wanted a number"),
        (lambda: trained(model_of(lambda step: 0.1 * step)), ValueError,
         "found the rate 1.0 for step 10, wanted a finite number >= 0 and < 1"),
    ],
)  # fmt: skip
def test_what_is_refused(make: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()


def test_an_error_of_a_schedule_leaves_the_model_as_it_was() -> None:
    def decay(step: int) -> float:
        if step >= 3:
            raise RuntimeError("no more")
        return 0.1

    x, y = data()
    model = model_of(decay=decay)
    for _ in range(3):
        model.train_on_batch(x, y)
    before = model.parameters.copy()
    with pytest.raises(RuntimeError, match="no more"):
        model.train_on_batch(x, y)
    assert (model.parameters == before).all()
    assert np.isfinite(model.predict(x)).all()

"""What surrounds an update: decay, clipping, penalties, accumulation, averages, schedules."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_close
from densecore import optimizers, regularizers, schedules

ROWS = 96


def data(dtype: str = "float64") -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 5))
    return x.astype(dtype), (3 * np.tanh(x[:, :2]) + 1).astype(dtype)


def network(hidden: int = 7, dtype: str = "float64", **options: Any) -> dc.Sequential:
    return dc.Sequential(
        [dc.Input(5), dc.Dense(hidden, "tanh", **options), dc.Dense(2)], dtype=dtype, seed=4
    )


def gradients_of(model: dc.Sequential, x: Any, y: Any) -> list[Any]:
    """The mean squared error's, of each array, by the open steps."""
    out = model.forward(x)
    model.backward(np.ascontiguousarray(2 * (out - y) / out.size))
    return [g.copy() for layer in model.layers for g in layer._views[1].values()]


def step(optimizer: Any, hidden: int = 7, **options: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Weights before and after a step of training, and the gradients in between."""
    x, y = data()
    model = network(hidden, **options)
    model.compile(optimizer, "mse")
    before = model.get_weights()
    gradients = gradients_of(model, x, y)
    model.train_on_batch(x, y)
    return before, model.get_weights(), gradients


def check(found: list[Any], before: list[Any], gradients: list[Any], rate: float) -> None:
    for new, old, gradient in zip(found, before, gradients, strict=True):
        assert_close(new, old - rate * gradient, 1e-12)


@pytest.mark.parametrize("hidden", [7, 300])
class TestOneStep:
    """300 units take the way of the large networks, which update while a block is hot."""

    def test_clipvalue(self, hidden: int) -> None:
        before, after, gradients = step(optimizers.SGD(0.1, clipvalue=0.02), hidden)
        assert max(np.abs(g).max() for g in gradients) > 0.02
        check(after, before, [g.clip(-0.02, 0.02) for g in gradients], 0.1)

    def test_clipnorm(self, hidden: int) -> None:
        before, after, gradients = step(optimizers.SGD(0.1, clipnorm=1.2), hidden)
        lengths = [np.linalg.norm(g) for g in gradients]
        assert min(lengths) < 1.2 < max(lengths)
        clipped = [g * min(1, 1.2 / n) for g, n in zip(gradients, lengths, strict=True)]
        check(after, before, clipped, 0.1)

    def test_global_clipnorm(self, hidden: int) -> None:
        before, after, gradients = step(optimizers.SGD(0.1, global_clipnorm=0.3), hidden)
        length = np.sqrt(sum((g**2).sum() for g in gradients))
        check(after, before, [g * (0.3 / length) for g in gradients], 0.1)

    def test_decoupled_weight_decay(self, hidden: int) -> None:
        before, after, gradients = step(optimizers.SGD(0.1, weight_decay=0.5), hidden)
        check(after, [w * (1 - 0.05) for w in before], gradients, 0.1)

    def test_adamw_is_adam_on_decayed_weights(self, hidden: int) -> None:
        before, after, _ = step(optimizers.AdamW(0.01, weight_decay=0.1), hidden)
        _, plain, _ = step(optimizers.Adam(0.01), hidden)
        for new, adam, old in zip(after, plain, before, strict=True):
            assert_close(new - old * (1 - 0.001), adam - old, 1e-9)

    def test_penalties(self, hidden: int) -> None:
        options = {"kernel_regularizer": regularizers.l1_l2(0.02, 0.03), "bias_regularizer": "l2",
                   "bias_initializer": "random_normal"}  # fmt: skip
        before, after, gradients = step(optimizers.SGD(0.1), hidden, **options)
        gradients[0] += 0.02 * np.sign(before[0]) + 0.06 * before[0]
        gradients[1] += 0.02 * before[1]
        check(after, before, gradients, 0.1)

    def test_average_of_the_parameters(self, hidden: int) -> None:
        x, y = data()
        model = network(hidden)
        model.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75), "mse")
        average = None
        for _ in range(3):
            model.train_on_batch(x, y)
            new = model.parameters
            average = new.copy() if average is None else 0.75 * average + 0.25 * new
        assert_close(model._network.optimizer_states()["average"], average, 1e-12)
        # At the end of `fit` the parameters are their average, as in Keras.
        twin = network(hidden)
        twin.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75), "mse")
        twin.fit(x, y, epochs=3, batch_size=ROWS, shuffle=False, verbose=0)
        assert_close(twin.parameters, average, 1e-12)

    def test_average_starts_with_the_first_update(self, hidden: int) -> None:
        """Whatever the weights were when the model was compiled: they may be loaded afterwards."""
        x, y = data()
        found = []
        for late in (False, True):
            model = network(hidden)
            loaded = [array + 1 for array in model.get_weights()]
            if not late:
                model.set_weights(loaded)
            model.compile(optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=1), "mse")
            if late:
                model.set_weights(loaded)
            model.fit(x, y, epochs=2, batch_size=ROWS, shuffle=False, verbose=0)
            found.append(model.parameters.tobytes())
        assert found[0] == found[1]

    def test_average_overwrites(self, hidden: int) -> None:
        x, y = data()
        model = network(hidden)
        model.compile(
            optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2), "mse"
        )
        model.train_on_batch(x, y)
        first = model.parameters.copy()
        assert_close(model._network.optimizer_states()["average"], first, 1e-15)
        model.train_on_batch(x, y)
        assert not np.allclose(model.parameters, first)
        assert (model.parameters == model._network.optimizer_states()["average"]).all()

    def test_accumulation_is_the_larger_batch(self, hidden: int) -> None:
        x, y = data()
        parts = network(hidden)
        parts.compile(optimizers.Adam(0.01, gradient_accumulation_steps=3), "mse")
        whole = network(hidden)
        whole.compile(optimizers.Adam(0.01), "mse")
        start = parts.parameters.copy()
        for number in range(6):
            part = slice(32 * (number % 3), 32 * (number % 3) + 32)
            parts.train_on_batch(x[part], y[part])
            if number == 1:
                assert (parts.parameters == start).all()
        whole.train_on_batch(x, y)
        whole.train_on_batch(x, y)
        assert_close(parts.parameters, whole.parameters, 1e-9)


def test_loss_contains_the_penalty() -> None:
    x, y = data()
    plain, penalized = network(), network(kernel_regularizer=regularizers.L2(0.1))
    for model in (plain, penalized):
        model.compile("sgd", "mse")
    expected = 0.1 * (plain.layers[0].kernel ** 2).sum()
    assert expected > 0.1
    for call in ("evaluate", "train_on_batch"):
        difference = getattr(penalized, call)(x, y) - getattr(plain, call)(x, y)
        assert abs(difference - expected) < 1e-12
    # Not counted more often for more batches.
    plain, penalized = network(), network(kernel_regularizer=regularizers.L2(0.1))
    for model in (plain, penalized):
        model.compile(optimizers.SGD(1e-12), "mse")
        model.history = model.fit(x, y, batch_size=10, verbose=0)
    found = [model.history.history["loss"][0] for model in (plain, penalized)]  # type: ignore[union-attr]
    assert abs(found[1] - found[0] - expected) < 1e-9


@pytest.mark.parametrize("hidden", [3, 7, 300])
@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_schedule_sets_the_rate_of_each_step(name: str, batch_size: int, hidden: int) -> None:
    """Against a loop that sets the number itself; 3 units and 1 row are the tiny kernels' way."""
    x, y = data("float32")
    schedule = schedules.ExponentialDecay(0.05, decay_steps=7, decay_rate=0.5)
    scheduled, by_hand = (network(hidden, "float32") for _ in range(2))
    scheduled.compile(optimizers.get({"name": name, "learning_rate": schedule}), "mse")
    by_hand.compile(name, "mse")
    scheduled.fit(x, y, epochs=2, batch_size=batch_size, shuffle=False, verbose=0)
    number = 0
    for _ in range(2):
        for begin in range(0, ROWS, batch_size):
            by_hand.optimizer.learning_rate = float(schedule(number))
            part = slice(begin, begin + batch_size)
            by_hand.train_on_batch(x[part], y[part])
            number += 1
    assert_close(scheduled.parameters, by_hand.parameters, 1e-6)
    # As in Keras the rate of the next step.
    assert scheduled.optimizer.learning_rate == pytest.approx(float(schedule(number)))


class TestSchedules:
    def test_thousands_of_steps(self) -> None:
        """More than are asked for at once."""

        class Inverse(schedules.LearningRateSchedule):
            def __call__(self, step: Any) -> Any:
                return 0.1 / (1 + np.asarray(step, np.float64))

            def get_config(self) -> dict[str, Any]:
                return {}

        x, y = data("float32")
        model = network(4, "float32")
        model.compile(optimizers.SGD(Inverse()), "mse")
        model.fit(x, y, epochs=40, batch_size=1, verbose=0)
        assert model.progress["steps"] == 40 * ROWS
        assert model.optimizer.learning_rate == pytest.approx(0.1 / (40 * ROWS + 1))

    def test_warm_up_from_zero(self) -> None:
        x, y = data("float32")
        model = network(4, "float32")
        rate = schedules.CosineDecay(0.0, 50, warmup_target=0.01, warmup_steps=10)
        model.compile(optimizers.Adam(rate), "mse")
        before = model.parameters.copy()
        model.train_on_batch(x, y)
        assert (model.parameters == before).all()
        model.train_on_batch(x, y)
        assert (model.parameters != before).any()

    def test_a_rate_for_each_step(self) -> None:
        x, y = data("float32")
        model = network(4, "float32")
        model.compile(optimizers.SGD(np.array([0.5, 0.25, 0.0])), "mse")
        before, _ = model.get_weights(), model.train_on_batch(x, y)
        model.train_on_batch(x, y)
        moved = model.parameters.copy()
        model.fit(x, y, verbose=0)
        assert (model.parameters == moved).all()
        assert (before[0] != model.get_weights()[0]).any()

    def test_an_error_in_it_leaves_the_model(self) -> None:
        def schedule(step: Any) -> float:
            if np.max(step) > 2000:
                raise ZeroDivisionError("mine")
            return 0.01

        x, y = data("float32")
        model = network(4, "float32")
        model.compile(optimizers.SGD(schedule), "mse")
        with pytest.raises(ZeroDivisionError, match="mine"):
            model.fit(x, y, epochs=100, batch_size=1, verbose=0)
        steps = model.progress["steps"]
        assert 0 < steps < 100 * ROWS
        assert np.isfinite(model.parameters).all()
        model.optimizer.learning_rate = 0.01
        model.fit(x, y, verbose=0)
        assert model.progress["steps"] == steps + 3

    def test_saved_and_resumed(self, tmp_path: Path) -> None:
        x, y = data("float32")
        whole, half = (network(7, "float32") for _ in range(2))
        for model in (whole, half):
            model.compile(optimizers.Adam(schedules.CosineDecay(0.01, 12), clipnorm=0.5), "mse")
        whole.fit(x, y, epochs=4, verbose=0)
        half.fit(x, y, epochs=2, verbose=0)
        half.save(tmp_path / "m.safetensors")
        again = dc.load_model(tmp_path / "m.safetensors")
        again.fit(x, y, epochs=4, initial_epoch=2, verbose=0)
        assert again.parameters.tobytes() == whole.parameters.tobytes()


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipvalue=0.1),
        optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.9),
        optimizers.Adam(0.01, gradient_accumulation_steps=2),
        optimizers.RMSprop(0.01, centered=True, momentum=0.5, global_clipnorm=1.0),
    ],
    ids=lambda o: type(o).__name__,
)
def test_resumes_to_the_bit_and_for_any_threads(optimizer: Any, tmp_path: Path) -> None:
    x, y = data("float32")
    results = []
    before = dc.get_num_threads()
    try:
        for threads in (1, 2, 3):
            dc.set_num_threads(threads)
            model = network(300, "float32", kernel_regularizer="l2")
            model.compile(optimizers.get(optimizer.get_config()), "mse")
            for _ in range(5):
                model.train_on_batch(x[:32], y[:32])
            if threads == 2:
                model.save(tmp_path / "m.safetensors")
                model = dc.load_model(tmp_path / "m.safetensors")
            model.train_on_batch(x, y)
            states = model._network.optimizer_states()
            results.append([model.parameters.tobytes(), *(s.tobytes() for s in states.values())])
    finally:
        dc.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_changes_after_compile() -> None:
    x, y = data()
    model = network()
    model.compile(optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    gradients = gradients_of(model, x, y)
    model.optimizer.clipvalue = 0.01
    model.train_on_batch(x, y)
    check(model.get_weights(), before, [g.clip(-0.01, 0.01) for g in gradients], 0.1)
    with pytest.raises(ValueError, match=r"use_ema: found True after compile.*compile again"):
        model.optimizer.use_ema = True
    model.optimizer.clipvalue = None
    before = model.get_weights()
    gradients = gradients_of(model, x, y)
    model.train_on_batch(x, y)
    check(model.get_weights(), before, gradients, 0.1)


def test_frozen_arrays_are_no_part_of_anything() -> None:
    x, y = data()
    model = network()
    model.layers[0].trainable = False
    optimizer = optimizers.SGD(0.1, weight_decay=0.5, global_clipnorm=0.1, use_ema=True)
    model.compile(optimizer, "mse")
    before = model.get_weights()
    gradients = gradients_of(model, x, y)[2:]
    length = np.sqrt(sum((g**2).sum() for g in gradients))
    model.train_on_batch(x, y)
    assert (model.get_weights()[0] == before[0]).all()
    decayed = [w * 0.95 for w in before[2:]]
    check(model.get_weights()[2:], decayed, [g * 0.1 / length for g in gradients], 0.1)


@pytest.mark.parametrize("hidden", [3, 7, 300])
@pytest.mark.parametrize("batch_size", [1, 16, 64, 96])
@pytest.mark.parametrize(
    "options",
    [
        {"weight_decay": 0.5},
        {"use_ema": True, "ema_momentum": 0.5},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"clipnorm": 0.1},
        {"gradient_accumulation_steps": 2},
    ],
    ids=str,
)
def test_fit_is_train_on_batch(options: dict[str, Any], batch_size: int, hidden: int) -> None:
    """Also where plain descent has ways of its own."""
    x, y = data("float32")
    fitted, stepped = (network(hidden, "float32") for _ in range(2))
    for model in (fitted, stepped):
        model.compile(optimizers.SGD(0.05, **options), "mse")
    fitted.fit(x, y, epochs=2, batch_size=batch_size, shuffle=False, verbose=0)
    for _ in range(2):
        for begin in range(0, ROWS, batch_size):
            part = slice(begin, begin + batch_size)
            stepped.train_on_batch(x[part], y[part])
    stepped._network.finish_training()
    assert fitted.parameters.tobytes() == stepped.parameters.tobytes()

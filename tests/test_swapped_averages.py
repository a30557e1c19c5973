"""The callback that evaluates with the moving average of the weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.callbacks import SwapEMAWeights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
Y = X[:, 0] * X[:, 1]


def trained(callbacks: list[Any], epochs: int, **options: Any) -> tuple[dc.Sequential, Any]:
    model = dc.Sequential([dc.Input(3), dc.Dense(4, "tanh"), dc.Dense(1)], seed=0)
    model.layers[0].trainable = options.pop("trainable", True)
    model.compile(dc.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8, **options), "mse")
    history = model.fit(
        X, Y, 5, epochs, verbose=0, shuffle=False, validation_data=(X, Y), callbacks=callbacks
    )
    return model, history


@pytest.mark.parametrize("swap_on_epoch", [False, True])
@pytest.mark.parametrize("trainable", [True, False])
def test_validation_sees_the_average(swap_on_epoch: bool, trainable: bool) -> None:
    swapped, history = trained([SwapEMAWeights(swap_on_epoch)], 3, trainable=trainable)
    usual, other = trained([], 3, trainable=trainable)
    np.testing.assert_array_equal(swapped.parameters, usual.parameters)  # fit leaves the average
    assert history.history["loss"] == other.history["loss"]
    assert history.history["val_loss"] != other.history["val_loss"]
    for epochs in (1, 2, 3):
        model, _ = trained([], epochs, trainable=trainable)
        expected = model.evaluate(X, Y)
        assert history.history["val_loss"][epochs - 1] == pytest.approx(expected, rel=1e-6)


def test_later_callbacks_see_the_average_at_the_end_of_an_epoch() -> None:
    seen: list[Any] = []

    class Look(dc.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(self.model.parameters.copy())

    trained([SwapEMAWeights(True), Look()], 2)
    for epochs, found in zip((1, 2), seen, strict=True):
        model, _ = trained([], epochs)
        np.testing.assert_allclose(found, model.parameters, rtol=1e-6)


def test_evaluate_and_predict() -> None:
    model, _ = trained([], 1)
    for _ in range(3):  # which leaves the weights as they are, not as the average
        model.train_on_batch(X, Y)
    weights = model.parameters.copy()
    before = model.evaluate(X, Y)
    average = model.evaluate(X, Y, callbacks=[SwapEMAWeights()])
    assert average != before
    np.testing.assert_array_equal(model.parameters, weights)
    outputs = model.predict(X, callbacks=[SwapEMAWeights()])
    assert np.mean((outputs[:, 0] - Y) ** 2) == pytest.approx(average, rel=1e-5)
    np.testing.assert_array_equal(model.parameters, weights)


def test_the_weights_come_back_when_an_evaluation_is_broken_off() -> None:
    class Fails(dc.callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

        on_predict_batch_end = on_test_batch_end

    model, _ = trained([], 1)
    model.train_on_batch(X, Y)
    weights = model.parameters.copy()
    hooks = [SwapEMAWeights(), Fails()]
    for call in (
        lambda: model.evaluate(X, Y, callbacks=hooks),
        lambda: model.predict(X, callbacks=hooks),
    ):
        with pytest.raises(KeyboardInterrupt):
            call()
        np.testing.assert_array_equal(model.parameters, weights)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=hooks)
    average = model._network.optimizer_states()["average"]
    assert (model.parameters != average).any()


def test_an_optimizer_without_an_average_is_refused() -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="found an optimizer without use_ema=True"):
        model.fit(X, Y, verbose=0, callbacks=[SwapEMAWeights()])
    untrained = dc.Sequential([dc.Input(3), dc.Dense(1)])
    untrained.compile(dc.optimizers.SGD(use_ema=True), "mse")
    expected = untrained.evaluate(X, Y)
    assert untrained.evaluate(X, Y, callbacks=[SwapEMAWeights()]) == expected


def test_a_backup_between_epochs_holds_the_weights_too(tmp_path: Path) -> None:
    """It sees the model with the average: a resumed training goes on with the weights."""
    expected, _ = trained([SwapEMAWeights(True)], 4)

    class Stop(dc.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    path = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        trained([SwapEMAWeights(True), dc.callbacks.BackupAndRestore(path), Stop()], 4)
    found, _ = trained([SwapEMAWeights(True), dc.callbacks.BackupAndRestore(path)], 4)
    np.testing.assert_array_equal(found.parameters, expected.parameters)
    damaged = SwapEMAWeights(True)
    damaged.set_model(found)
    with pytest.raises(
        ValueError, match=r"weights: found arrays of \[3\] numbers, wanted \[12, 4, "
    ):
        damaged.set_state({"weights": [np.zeros(3)]})

"""Penalties of a layer's outputs, in the core: the kind of layer behind `activity_regularizer`."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import DTYPES, LEVELS, assert_close
from densecore import layers, ops
from graphs import network_of_graph

L1, L2 = 0.25, 0.5
REDUCTIONS = ["sum_over_batch_size", "sum"]


def specs(hidden: int) -> list[dict[str, Any]]:
    return [
        {"kind": "dense", "units": hidden, "activation": "tanh"},
        {"kind": "activity_regularization", "l1": L1},
        {"kind": "dense", "units": 3},
        {"kind": "activity_regularization", "l2": L2},
    ]


def network_and_data(
    dtype: str, hidden: int, rows: int, reduction: str = REDUCTIONS[0], level: str | None = None
) -> tuple[Any, Any, Any]:
    network = network_of_graph(dtype, 4, specs(hidden), level)
    settings = dc.optimizers.SGD(0.01)._settings
    network.compile("mean_squared_error", reduction, settings, [], 0)
    rng = np.random.default_rng(1)
    return (
        network,
        rng.normal(size=(rows, 4)).astype(dtype),
        rng.normal(size=(rows, 3)).astype(dtype),
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("hidden", "rows"), [(5, 6), (40, 500), (9000, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_they_are_means_over_the_rows(
    dtype: str, hidden: int, rows: int, reduction: str, level: str
) -> None:
    network, x, y = network_and_data(dtype, hidden, rows, reduction, level)
    network.forward(x)
    first, _, _, out = (a.astype(np.float64) for a in network.layer_outputs())
    penalty = (L1 * np.abs(first).sum() + L2 * (out**2).sum()) / rows
    errors = ((out - y) ** 2).mean(axis=1)
    wanted = penalty + (errors.mean() if reduction == REDUCTIONS[0] else errors.sum())
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    assert_close(network.loss_and_gradients(x, y), wanted, tolerance)
    assert_close(network.evaluate(x, y, None)[0], wanted, tolerance)
    gradients, before = network.gradients.copy(), network.parameters.copy()
    assert_close(network.train_on_batch(x, y), wanted, tolerance)
    step = before - network.parameters
    assert_close(step, 0.01 * gradients, 1e-3 if dtype == "float32" else 1e-9)
    network.parameters[:] = before
    running_metrics = network.running_metrics()
    network.train_batch(x, y, None, running_metrics)
    assert_close(running_metrics.results()[0], wanted, tolerance)
    assert_close(before - network.parameters, step, 1e-3 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize(("hidden", "rows"), [(5, 6), (40, 300)])
def test_gradients_are_central_differences(hidden: int, rows: int) -> None:
    network, x, y = network_and_data("float64", hidden, rows)
    network.loss_and_gradients(x, y)
    found = network.gradients.copy()
    for i in np.random.default_rng(0).choice(found.size, 40, replace=False):
        kept, losses = network.parameters[i], []
        for shift in (-1e-5, 1e-5):
            network.parameters[i] = kept + shift
            losses.append(network.evaluate(x, y, None)[0])
        network.parameters[i] = kept
        assert found[i] == pytest.approx((losses[1] - losses[0]) / 2e-5, rel=1e-5, abs=1e-7)


def test_passes_without_a_loss_leave_them_out() -> None:
    network, x, _ = network_and_data("float64", 5, 6)
    out = network.forward(x, None, True, None, -1)
    g = np.ones_like(out)
    network.backward(g, False, False, None)
    plain = network_of_graph("float64", 4, [specs(5)[0], specs(5)[2]])
    plain.parameters[:] = network.parameters
    plain.forward(x, None, True, None, -1)
    plain.backward(g, False, False, None)
    assert_close(network.gradients, plain.gradients, 1e-14)


@dc.saving.register_keras_serializable("output penalties")
class AddsToLoss(layers.Layer):
    def call(self, x: Any) -> Any:
        self.add_loss(0.3 * ops.mean(ops.square(x)))
        return x


def model_of(losses: Any, outputs: int) -> dc.Model:
    x = dc.Input(4)
    h = dc.Dense(8, "tanh", activity_regularizer="l2", kernel_regularizer="l1")(x)
    h = AddsToLoss()(h)
    ends = [dc.Dense(3, activity_regularizer="l1")(h) for _ in range(outputs)]
    model = dc.Model(x, ends if outputs > 1 else ends[0], dtype="float64", seed=0)
    model.compile(dc.optimizers.SGD(0.1), losses if outputs > 1 else losses[0])
    return model


@pytest.mark.parametrize("outputs", [1, 2])
def test_they_count_beside_a_loss_that_is_a_function(outputs: int) -> None:
    """The same numbers as beside the core's loss: they were left out."""
    rng = np.random.default_rng(0)
    x, ys = rng.normal(size=(30, 4)), [rng.normal(size=(30, 3)) for _ in range(outputs)]
    y: Any = ys if outputs > 1 else ys[0]

    def squares(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    cored, own = model_of(["mse"] * 2, outputs), model_of([squares, "mse"], outputs)
    assert_close(own.evaluate(x, y), cored.evaluate(x, y), 1e-12, "evaluate")
    found, wanted = (model.loss_and_gradients(x, y) for model in (own, cored))
    assert_close(found, wanted, 1e-12, "loss")
    assert_close(own.gradients, cored.gradients, 1e-12, "gradients")
    found, wanted = (model.train_on_batch(x, y) for model in (own, cored))
    assert_close(found, wanted, 1e-12, "loss of a step")
    runs = [m.fit(x, y, 8, 3, 0, validation_data=(x, y)).history for m in (own, cored)]
    for name, numbers in runs[1].items():
        assert_close(runs[0][name], numbers, 1e-11, name)
    assert_close(own.parameters, cored.parameters, 1e-11, "parameters")

"""Batches of few rows through narrow layers have kernels of their own. The bits are those of the
general ones, which get the same rows here among many of weight 0. A layer of another kind, which
changes nothing, keeps the leaves of many rows from going the way of small batches."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import (
    ACTIVATIONS,
    LOSSES,
    NETWORKS,
    OF_POSITIVE,
    OPTIMIZERS,
    loss_of,
    network_of,
    targets_of,
)

# More rows than go the way of small batches. The other leaves of the gradient's sum are zeros.
MANY = 300
FEW = [1, 2, 3, 4, 5, 8, 13]


def padded(array: Any) -> Any:
    """The same rows, and more up to MANY."""
    more = MANY - len(array)
    return np.concatenate([array, np.repeat(array[:1], more, axis=0)])


def weights(rows: int, dtype: str) -> tuple[Any, Any]:
    few = np.linspace(0.5, 1.5, rows).astype(dtype)
    many = np.zeros(MANY, dtype)
    many[:rows] = few
    return few, many


def general_of(dtype: str, inputs: int, layers: list[tuple[int, Any, bool]], level: str) -> Any:
    specs: list[dict[str, Any]] = [{"kind": "dropout", "rate": 0.0}]
    for units, activation, bias in layers:
        name, parameters = dc.activations.get(activation)._kernel()
        specs.append({"kind": "dense", "units": units, "activation": name,
                      "activation_parameters": parameters, "use_bias": bias})  # fmt: skip
    return NETWORKS[dtype](inputs, specs, level)


def twins(dtype: str, inputs: int, layers: list[tuple[int, Any, bool]], level: str) -> list[Any]:
    networks = [network_of(dtype, inputs, layers, level), general_of(dtype, inputs, layers, level)]
    start = np.random.default_rng(5).normal(size=networks[0].parameter_count) * 0.2
    for network in networks:
        network.parameters[...] = start
    return networks


def check_steps(
    networks: list[Any],
    shape: tuple[int, int],
    loss: str,
    options: dict[str, Any],
    settings: Any,
    dtype: str,
) -> None:
    """`shape`: (inputs, outputs)."""
    rng = np.random.default_rng(4)
    inputs, outputs = shape
    parameters, _ = loss_of(loss, options)
    for network in networks:
        network.compile(loss, "mean_with_sample_weight", settings, [], 7, False, parameters)
    small, general = networks
    for rows in FEW:
        x = rng.normal(size=(rows, inputs)).astype(dtype)
        y = targets_of(rng, loss, rows, outputs, parameters)
        if y.dtype != np.int32:
            y = y.astype(dtype)
        few, many = weights(rows, dtype)
        found = small.train_on_batch(x, y, few)
        expected = general.train_on_batch(padded(x), padded(y), many)
        assert np.isfinite(found)
        assert found == expected, rows
        assert small.gradients.tobytes() == general.gradients.tobytes(), rows
        assert small.parameters.tobytes() == general.parameters.tobytes(), rows


def sgd() -> Any:
    return dc.optimizers.SGD(1e-4)._settings


@pytest.mark.parametrize(
    ("name", "options"), ACTIVATIONS, ids=lambda value: str(value).replace(" ", "")
)
def test_activations(name: str, options: dict[str, Any], dtype: str, level: str) -> None:
    activation = dc.activations.get({"name": name, **options})
    networks = twins(dtype, 5, [(7, activation, True), (3, activation, True)], level)
    check_steps(networks, (5, 3), "mean_squared_error", {}, sgd(), dtype)


@pytest.mark.parametrize(("name", "options"), LOSSES, ids=lambda value: str(value))
@pytest.mark.parametrize("outputs", [2, 6, 20])
def test_losses(name: str, options: dict[str, Any], outputs: int, dtype: str, level: str) -> None:
    if name == "quantile" and outputs % len(loss_of(name, options)[0]):
        pytest.skip("not a whole number of targets")
    last = "softmax" if "categorical" in name else ("sigmoid" if name in OF_POSITIVE else "linear")
    networks = twins(dtype, 4, [(5, "tanh", True), (outputs, last, True)], level)
    check_steps(networks, (4, outputs), name, options, sgd(), dtype)


@pytest.mark.parametrize("config", OPTIMIZERS, ids=str)
def test_optimizers(config: dict[str, Any], dtype: str, level: str) -> None:
    settings = dc.optimizers.get(config)._settings
    networks = twins(dtype, 5, [(6, "tanh", True), (3, "linear", True)], level)
    check_steps(networks, (5, 3), "mean_squared_error", {}, settings, dtype)


@pytest.mark.parametrize(
    "widths",
    [[1, 1], [9, 2], [40, 1], [70, 2, 1], [3, 8, 2, 2], [16, 16, 16], [5, 17, 9, 3], [2, 33, 2, 4],
     [6, 65, 1], [4, 130, 3], [33, 15, 31, 1]],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("bias", [False, True])
def test_widths(widths: list[int], bias: bool, dtype: str, level: str) -> None:
    layers = [(units, "silu", bias) for units in widths[1:-1]] + [(widths[-1], "linear", bias)]
    networks = twins(dtype, widths[0], layers, level)
    check_steps(networks, (widths[0], widths[-1]), "mean_squared_error", {}, sgd(), dtype)


@pytest.mark.parametrize("widths", [[3, 2], [5, 7, 1], [17, 9, 20, 4]], ids=str)
def test_open_steps(widths: list[int], dtype: str, level: str) -> None:
    rng = np.random.default_rng(1)
    layers = [(units, "gelu", True) for units in widths[1:]]
    networks = twins(dtype, widths[0], layers, level)
    for rows in FEW:
        x = rng.normal(size=(rows, widths[0])).astype(dtype)
        g = rng.normal(size=(rows, widths[-1])).astype(dtype)
        nothing = np.zeros((MANY, widths[-1]), dtype)
        nothing[:rows] = g
        for accumulate in (False, True):
            outputs, gradients = [], []
            for network, rows_of_x, grad in zip(
                networks, (x, padded(x)), (g, nothing), strict=True
            ):
                outputs.append(network.forward(rows_of_x, None, True)[:rows].tobytes())
                dx = network.backward(grad, True, accumulate)
                gradients.append((dx[:rows].tobytes(), network.gradients.tobytes()))
            assert outputs[0] == outputs[1]
            assert gradients[0] == gradients[1]


def blocks(extra: str) -> list[Any]:
    """Layers that are not dense, and what is asked of dense ones besides."""
    dense = dc.layers.Dense
    if extra == "l2":
        return [dense(9, "tanh", kernel_regularizer="l2"), dense(8, "gelu")]
    if extra == "frozen":
        return [dense(9, "tanh"), dense(8, "elu")]
    if extra == "softmax":
        return [dense(9, "softmax"), dense(8, "tanh")]
    if extra == "dropout":
        return [dense(9, "tanh"), dc.layers.Dropout(0.3), dense(8, "silu")]
    if extra == "layer_normalization":
        return [dense(9), dc.layers.LayerNormalization(), dc.layers.Activation("relu"), dense(8)]
    return [dense(8, "tanh"), dc.layers.Residual([dense(8, "tanh"), dense(8)])]


@pytest.mark.parametrize(
    "extra",
    ["l2", "frozen", "softmax", "dropout", "layer_normalization", "residual", "clipped", "average"],
)
def test_layers_and_steps_of_the_gradient(extra: str, dtype: str) -> None:
    rng = np.random.default_rng(2)

    def make(*more: Any) -> dc.Sequential:
        layers: list[Any] = [dc.Input(5), *blocks(extra), *more, dc.Dense(2)]
        model = dc.Sequential(layers, dtype=dtype, seed=1)
        keywords: dict[str, Any] = {}
        if extra == "clipped":
            keywords = {"global_clipnorm": 0.5, "weight_decay": 0.01}
        if extra == "average":
            keywords = {"use_ema": True, "gradient_accumulation_steps": 2}
        if extra == "frozen":
            model.layers[0].trainable = False
        loss = dc.losses.MeanSquaredError(reduction="mean_with_sample_weight")
        model.compile(dc.optimizers.Adam(0.01, **keywords), loss)
        return model

    small, general = make(), make(dc.layers.Dropout(0.0))
    for rows in FEW:
        x, y = (rng.normal(size=(rows, n)).astype(dtype) for n in (5, 2))
        few, many = weights(rows, dtype)
        found = small.train_on_batch(x, y, sample_weight=few)
        assert found == general.train_on_batch(padded(x), padded(y), sample_weight=many)
        assert small.parameters.tobytes() == general.parameters.tobytes()
        assert small.predict(x).tobytes() == general.predict(padded(x))[:rows].tobytes()


@pytest.mark.parametrize("batch", [2, 3, 7, 64, 300])
def test_fit_makes_the_steps_of_a_loop(batch: int, dtype: str) -> None:
    """Whole stretches of rows are gathered at once, and metrics see each batch's outputs."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(611, 4)).astype(dtype)
    y = rng.integers(0, 3, 611)
    weight = rng.uniform(0.5, 2, 611).astype(dtype)

    def make() -> dc.Sequential:
        layers = [dc.Input(4), dc.Dense(6, "gelu"), dc.Dense(3, "softmax")]
        model = dc.Sequential(layers, dtype=dtype, seed=1)
        model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        return model

    at_once, step_by_step = make(), make()
    order = np.random.default_rng(9).permutation(611)
    history = at_once.fit(
        x[order], y[order], batch, epochs=1, shuffle=False, sample_weight=weight[order], verbose=0
    ).history
    right = 0.0
    for begin in range(0, 611, batch):
        rows = order[begin : begin + batch]
        right += (step_by_step.predict(x[rows]).argmax(axis=1) == y[rows]).sum()
        step_by_step.train_on_batch(x[rows], y[rows], sample_weight=weight[rows])
    assert at_once.parameters.tobytes() == step_by_step.parameters.tobytes()
    assert history["accuracy"][0] == pytest.approx(right / 611, abs=2 / 611)


@pytest.mark.parametrize("rows", [200, 256, 257, 300, 512, 1000, 2048])
@pytest.mark.parametrize(
    ("widths", "last", "loss"),
    [
        ([4, 2, 12], "linear", "mean_squared_error"),
        ([3, 1], "linear", "huber"),
        ([7, 9, 2], "sigmoid", "binary_crossentropy"),
        ([9, 3, 4], "softmax", "sparse_categorical_crossentropy"),
        ([9, 3, 4], "softmax", "mean_squared_error"),
    ],
    ids=str,
)
def test_leaves_of_many_rows(
    widths: list[int], last: str, loss: str, rows: int, dtype: str, level: str
) -> None:
    """Of very small networks, batches of several leaves."""
    layers = [(units, "gelu", True) for units in widths[1:-1]] + [(widths[-1], last, True)]
    small = network_of(dtype, widths[0], layers, level)
    general = general_of(dtype, widths[0], layers, level)
    rng = np.random.default_rng(3)
    start = rng.normal(size=small.parameter_count) * 0.3
    x = rng.normal(size=(rows, widths[0])).astype(dtype)
    y = targets_of(rng, loss, rows, widths[-1], loss_of(loss, {})[0])
    if y.dtype != np.int32:
        y = y.astype(dtype)
    weight = rng.uniform(0.5, 1.5, rows).astype(dtype)
    for network in (small, general):
        network.parameters[...] = start
        rule = dc.optimizers.Adam(0.01)._settings
        network.compile(loss, "mean_with_sample_weight", rule, [], 7, False, loss_of(loss, {})[0])
    for _ in range(2):
        assert small.train_on_batch(x, y, weight) == general.train_on_batch(x, y, weight)
        assert small.gradients.tobytes() == general.gradients.tobytes()
        assert small.parameters.tobytes() == general.parameters.tobytes()
    results: list[Any] = [[], []]
    for network, found in zip((small, general), results, strict=True):
        network.fit(x, y, weight, None, 2, rows - 20, True, found)
    assert results[0] == results[1]
    assert small.parameters.tobytes() == general.parameters.tobytes()
    assert small.predict(x, None).tobytes() == general.predict(x, None).tobytes()


@pytest.mark.parametrize("batch", [200, 300])
def test_metrics_of_leaves(batch: int, dtype: str) -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(500, 4)).astype(dtype), rng.normal(size=(500, 2)).astype(dtype)
    seen = []
    for extra in ([], [dc.layers.Dropout(0.0)]):
        layers = [dc.Input(4), dc.Dense(3, "tanh"), *extra, dc.Dense(2)]
        model = dc.Sequential(layers, dtype=dtype, seed=4)
        model.compile("sgd", "mse", ["mae", "cosine_similarity"])
        seen.append(model.fit(x, y, batch, epochs=2, verbose=0).history)
    assert seen[0] == seen[1]

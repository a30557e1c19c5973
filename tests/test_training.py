"""Whole training runs against the NumPy reference, and against the same run done otherwise."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import CLASS_NUMBERS, OPTIMIZERS, loss_of, network_of, targets_of
from densecore import reference

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}

Layers = list[tuple[int, str, bool]]


def make(
    dtype: str,
    level: str | None,
    inputs: int,
    layers: Layers,
    loss: str,
    optimizer: str | dict[str, Any],
    seed: int = 0,
    options: dict[str, Any] | None = None,
    reduction: str = "sum_over_batch_size",
) -> tuple[Any, reference.Network]:
    """The compiled network, and the reference with the same parameters."""
    network = network_of(dtype, inputs, layers, level)
    rng = np.random.default_rng(seed)
    triples = []
    for index, (units, activation, _) in enumerate(layers):
        views = network.layer_views(index)[0]
        kernel, bias = views["kernel"], views.get("bias")
        kernel[...] = rng.normal(size=kernel.shape) / np.sqrt(len(kernel))
        if bias is not None:
            bias[...] = rng.normal(size=units) * 0.1
        triples.append((kernel.T.copy(), None if bias is None else bias.copy(), activation))
    parameters, _ = loss_of(loss, options or {})
    settings = dc.optimizers.get(optimizer)._settings
    network.compile(loss, reduction, settings, [], seed, False, parameters)
    return network, reference.Network(triples)


def targets(rng: Any, loss: str, rows: int, outputs: int, dtype: str) -> Any:
    if loss in CLASS_NUMBERS:
        return rng.integers(0, outputs, rows)
    return rng.dirichlet(np.ones(outputs), rows).astype(dtype)


def assert_same_parameters(network: Any, oracle: reference.Network, tolerance: float) -> None:
    for index, (weight, bias, _) in enumerate(oracle.layers):
        views = network.layer_views(index)[0]
        for found, expected in ((views["kernel"].T, weight), (views.get("bias"), bias)):
            if expected is not None:
                error = np.abs(found - expected).max() / np.abs(expected).max()
                assert error <= tolerance, (index, error)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("loss", "last"),
    [
        ("mean_squared_error", "linear"),
        ("binary_crossentropy", "sigmoid"),
        ("categorical_crossentropy", "softmax"),
        ("sparse_categorical_crossentropy", "softmax"),
    ],
)
@pytest.mark.parametrize("hidden", ["tanh", "sigmoid", "relu"])
def test_200_steps(
    level: str, dtype: str, loss: str, last: str, optimizer: str, hidden: str
) -> None:
    layers: Layers = [(19, hidden, True), (8, hidden, True), (5, last, True)]
    train(dtype, level, layers, loss, {"name": optimizer}, 200)


# Where a step is the gradient over its own size, that of next to nothing is made of rounding: after
# a while two runs go separate ways.
STEPS = {"rmsprop": 15, "lion": 5}


@pytest.mark.parametrize("config", OPTIMIZERS, ids=str)
def test_steps_of_every_optimizer(level: str, dtype: str, config: dict[str, Any]) -> None:
    layers: Layers = [(19, "tanh", True), (8, "tanh", True), (5, "softmax", True)]
    loss = "sparse_categorical_crossentropy"
    train(dtype, level, layers, loss, config, STEPS.get(config["name"], 30))


def train(
    dtype: str, level: str, layers: Layers, loss: str, config: dict[str, Any], steps: int
) -> None:
    """As many steps of the core and of the reference end in the same place."""
    network, oracle = make(dtype, level, 7, layers, loss, config)
    made = dc.optimizers.get(config)
    rule, settings = made._rule(), made._settings.values()
    rng = np.random.default_rng(1)
    x = rng.normal(size=(67, 7)).astype(dtype)
    y = targets(rng, loss, 67, 5, dtype)
    weight = rng.uniform(0.5, 2, 67).astype(dtype)
    decay = made.learning_rate * (made.weight_decay or 0)
    for _ in range(steps):
        before = [p.copy() for p in oracle.parameters]
        found = network.train_on_batch(x, y, weight)
        expected = oracle.train_on_batch(
            x, y, loss=loss, optimizer=rule, sample_weight=weight, **settings
        )
        for p, old in zip(oracle.parameters, before, strict=True):
            p -= (decay * old).astype(p.dtype)
    assert found == pytest.approx(expected, rel=TOLERANCE[dtype])
    assert_same_parameters(network, oracle, TOLERANCE[dtype])


@pytest.mark.parametrize("loss", dc.losses.names())
def test_50_steps_of_every_loss(level: str, dtype: str, loss: str) -> None:
    # The reference network knows no options of losses: the core's are those of its functions.
    options = {"quantiles": [0.5]} if loss == "quantile" else {}
    last = {"mean_squared_logarithmic_error": "softplus", "poisson": "softplus"}.get(loss, "linear")
    if "cross" in loss or loss == "kl_divergence":
        last = "sigmoid" if loss.startswith("binary") else "softmax"
    layers: Layers = [(19, "gelu", True), (8, "elu", True), (6, last, True)]
    parameters, _ = loss_of(loss, options)
    network, oracle = make(dtype, level, 7, layers, loss, {"name": "sgd"}, options=options)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(67, 7)).astype(dtype)
    y = targets_of(rng, loss, 67, 6, parameters)
    if loss == "mean_absolute_percentage_error":  # of next to nothing it is anything
        y = y + 1
    y = y if loss in CLASS_NUMBERS else y.astype(dtype)
    for _ in range(50):
        found = network.train_on_batch(x, y)
        expected = oracle.train_on_batch(x, y, loss=loss, optimizer="sgd")
    assert found == pytest.approx(expected, rel=10 * TOLERANCE[dtype])
    assert_same_parameters(network, oracle, 10 * TOLERANCE[dtype])


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 127, 129, 300, 700])
def test_batches_of_any_size(level: str, dtype: str, rows: int) -> None:
    """Across the blocks and the leaves of the batch's reduction."""
    layers: Layers = [(19, "tanh", True), (5, "softmax", True)]
    loss = "sparse_categorical_crossentropy"
    network, oracle = make(dtype, level, 7, layers, loss, "sgd")
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 7)).astype(dtype), rng.integers(0, 5, rows)
    for _ in range(3):
        network.train_on_batch(x, y)
        oracle.train_on_batch(x, y, loss=loss, optimizer="sgd")
    assert_same_parameters(network, oracle, TOLERANCE[dtype])


@pytest.mark.parametrize("rows", [1, 50, 200])
def test_large_layers(level: str, dtype: str, rows: int) -> None:
    """Above the size from which networks are computed layer by layer. Not with Adam: among 85 000
    gradients some are below its epsilon, and their rounding is divided by it."""
    layers: Layers = [(301, "tanh", True), (150, "tanh", False), (5, "linear", True)]
    network, oracle = make(dtype, level, 130, layers, "mean_squared_error", "sgd")
    assert network.parameter_count > 65536
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 130)).astype(dtype)
    y = rng.normal(size=(rows, 5)).astype(dtype)
    for _ in range(3):
        found = network.train_on_batch(x, y)
        expected = oracle.train_on_batch(x, y, loss="mean_squared_error", optimizer="sgd")
    assert found == pytest.approx(expected, rel=TOLERANCE[dtype])
    assert_same_parameters(network, oracle, TOLERANCE[dtype])


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("loss", ["mean_squared_error", "sparse_categorical_crossentropy"])
def test_fit_is_train_on_batch_in_a_loop(dtype: str, loss: str, shuffle: bool) -> None:
    """Bit by bit, with a smaller last batch, over several calls."""
    rng = np.random.default_rng(0)
    rows, batch = 101, 16
    x = rng.normal(size=(rows, 7)).astype(dtype)
    y = targets(rng, loss, rows, 5, dtype)
    weight = rng.uniform(0, 2, rows).astype(dtype)

    def model() -> dc.Sequential:
        made = dc.Sequential(
            [dc.Input(7), dc.Dense(9, "tanh"), dc.Dense(5, "softmax")], dtype=dtype, seed=6
        )
        made.compile("adam", loss)
        return made

    fitted, looped = model(), model()
    for epochs in (2, 1):
        fitted.fit(x, y, batch, epochs, verbose=0, shuffle=shuffle, sample_weight=weight)
    for epoch in range(3):
        order = dc._core.permutation(rows, 6, epoch) if shuffle else np.arange(rows)
        for begin in range(0, rows, batch):
            part = order[begin : begin + batch]
            looped.train_on_batch(x[part], y[part], weight[part])
    assert fitted.parameters.tobytes() == looped.parameters.tobytes()
    assert fitted.progress == {"steps": 21, "epochs": 3}
    assert looped.progress == {"steps": 21, "epochs": 0}


def test_integer_weights_are_repeated_rows(level: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 7)).astype(dtype), rng.integers(0, 5, 30)
    counts = rng.integers(0, 4, 30)
    rows = np.repeat(np.arange(30), counts)
    found = []
    for part, weight in ((np.arange(30), counts.astype(dtype)), (rows, None)):
        network, _ = make(dtype, level, 7, [(9, "tanh", True), (5, "softmax", True)],
                          "sparse_categorical_crossentropy", "sgd",
                          reduction="mean_with_sample_weight")  # fmt: skip
        loss = network.train_on_batch(x[part], y[part], weight)
        found.append((loss, network.parameters.copy()))
    assert found[0][0] == pytest.approx(found[1][0], rel=TOLERANCE[dtype])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=0, atol=TOLERANCE[dtype])


def test_spare_slots_of_the_gradient(dtype: str) -> None:
    """The divisor and the sum of a batch's losses, for engines that reduce over processes."""
    network, oracle = make(dtype, None, 3, [(2, "linear", True)], "mean_squared_error", "sgd")
    x = np.ones((4, 3), dtype)
    y, weight = np.zeros((4, 2), dtype), np.array([1, 2, 0.5, 0], dtype)
    expected = oracle.loss(x, y, sample_weight=weight)
    loss = network.train_on_batch(x, y, weight)
    assert loss == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(network.gradient_slots, [4, 4 * expected, 0, 0], rtol=1e-6)


def test_layers_that_are_not_trained_have_no_gradient(dtype: str) -> None:
    """Also in batches of many leaves, whose buffers an earlier batch has filled."""
    layers = [(20, "tanh", True), (2, "linear", True)]
    network, _ = make(dtype, None, 3, layers, "mean_squared_error", "sgd")
    rng = np.random.default_rng(4)
    x, y = (rng.normal(size=(1500, n)).astype(dtype) for n in (3, 2))
    network.loss_and_gradients(x, y, None)
    network.set_trainable(0, False)
    for _ in range(2):
        network.loss_and_gradients(x, y, None)
        first, last = (network.layer_views(number)[1] for number in range(2))
        assert not first["kernel"].any()
        assert not first["bias"].any()
        assert last["kernel"].any()

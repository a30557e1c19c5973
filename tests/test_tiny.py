"""Networks whose layers fit into one vector take whole steps in one kernel: the bits are those of
the general kernels, which get each row here with a second one of weight 0."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import ACTIVATIONS, OF_POSITIVE, OPTIMIZERS, loss_of, network_of, targets_of

LOSSES = [
    ("mean_squared_error", "sigmoid"),
    ("mean_squared_error", "linear"),
    ("binary_crossentropy", "sigmoid"),
    ("categorical_crossentropy", "softmax"),
    ("sparse_categorical_crossentropy", "softmax"),
]
ROWS = 300  # more than the kernel takes in one call


class Problem:
    def __init__(
        self,
        dtype: str,
        loss: str,
        last: str,
        hidden: str,
        weights: bool,
        units: tuple[int, int] = (4, 3),
    ) -> None:
        rng = np.random.default_rng(3)
        self.dtype, self.loss = dtype, loss
        bias = hidden != "tanh"
        self.layers = [(units[0], hidden, bias), (units[1], hidden, True), (2, last, bias)]
        self.x = rng.normal(size=(ROWS, 5)).astype(dtype)
        self.y: Any = rng.uniform(size=(ROWS, 2)).astype(dtype)
        if loss.startswith("sparse"):
            self.y = rng.integers(0, 2, ROWS).astype(np.int32)
        self.weight = rng.uniform(0, 2, ROWS).astype(dtype) if weights else None
        if self.weight is not None:
            self.weight[5] = 0
        self.start = 0.3 * rng.normal(size=600)

    def network(self, level: str, reduction: str) -> Any:
        network = network_of(self.dtype, 5, self.layers, level)
        network.parameters[...] = self.start[: network.parameter_count]
        settings = dc.optimizers.SGD(0.01)._settings
        network.compile(self.loss, reduction, settings, [], 7)
        return network

    def weights_of(self, row: int) -> Any:
        return None if self.weight is None else self.weight[row : row + 1]


def state(network: Any) -> tuple[bytes, bytes]:
    return network.parameters.tobytes(), network.gradients.tobytes()


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "sum_over_outputs"])
@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu", "linear"])
@pytest.mark.parametrize(("loss", "last"), LOSSES)
def test_same_bits_as_the_general_kernels(
    loss: str, last: str, hidden: str, reduction: str, weights: bool, dtype: str, level: str
) -> None:
    check_bits(Problem(dtype, loss, last, hidden, weights), level, reduction)


@pytest.mark.parametrize("units", [(1, 2), (2, 2), (5, 8), (8, 7), (9, 3), (16, 11), (3, 13)])
def test_vectors_of_every_length(units: tuple[int, int], dtype: str, level: str) -> None:
    check_bits(Problem(dtype, "mean_squared_error", "sigmoid", "tanh", False, units), level, "sum")


def check_bits(problem: Problem, level: str, reduction: str) -> None:
    x, y, dtype = problem.x, problem.y, problem.dtype
    by_call, by_fit = problem.network(level, reduction), problem.network(level, reduction)
    # Two rows, one of which has no weight, do not take the kernel for single rows.
    general = problem.network(level, reduction.replace("sum_over_batch_size", "sum"))
    losses = []
    for row in range(ROWS):
        pair = [row, (row + 1) % ROWS]
        one = problem.weights_of(row)
        both = np.array([1 if one is None else one[0], 0], dtype)
        expected = general.train_on_batch(x[pair], y[pair], both)
        found = by_call.train_on_batch(x[row : row + 1], y[row : row + 1], one)
        assert found == expected
        assert state(by_call) == state(general)
        losses.append(found)
    results: list[Any] = []
    by_fit.fit(x, y, problem.weight, None, 1, 1, False, results)
    assert by_fit.parameters.tobytes() == general.parameters.tobytes()
    assert by_fit.steps == ROWS
    assert results[0][0] == pytest.approx(sum(losses) / ROWS, rel=1e-6)


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_metrics_and_shuffles(loss: str, dtype: str) -> None:
    """Watching changes nothing, and what is seen is what the parameters before the step say."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 5)).astype(dtype)
    labels = rng.integers(0, 3, ROWS)
    y = labels if loss.startswith("sparse") else np.eye(3, dtype=dtype)[labels]

    def make(metrics: list[str], rate: float) -> dc.Sequential:
        layers = [dc.Input(5), dc.Dense(4, "tanh"), dc.Dense(3, "softmax" if y is labels else None)]
        model = dc.Sequential(layers, dtype=dtype, seed=1)
        model.compile(dc.optimizers.SGD(rate), loss, metrics)
        return model

    watched, alone = make(["accuracy"], 0.1), make([], 0.1)
    for model in (watched, alone):
        model.fit(x, y, 1, epochs=3, verbose=0)
    assert watched.parameters.tobytes() == alone.parameters.tobytes()
    assert watched.history is not None
    assert alone.history is not None
    assert watched.history.history["loss"] == alone.history.history["loss"]
    still = make(["accuracy"], 1e-12)
    seen = still.fit(x, y, 1, epochs=1, verbose=0).history["accuracy"][0]
    assert seen == pytest.approx(np.mean(still.predict(x).argmax(axis=1) == labels))


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model.optimizer, "learning_rate", 0.02),
        lambda model: setattr(model.optimizer, "weight_decay", 0.1),
        lambda model: setattr(model.optimizer, "global_clipnorm", 0.01),
        lambda model: setattr(model.layers[0], "trainable", False),
        lambda model: model.compile(dc.optimizers.SGD(0.1), "mae"),
        lambda model: model.compile(dc.optimizers.SGD(Decay()), "mse"),
    ],
)
def test_what_single_steps_have_in_common_follows_the_settings(change: Any, dtype: str) -> None:
    """Half of a model's steps before a change, half after it: another model with the same steps, of
    two equal rows each, finds out everything at each step."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 1, 3)).astype(dtype), rng.normal(size=(20, 1, 2)).astype(dtype)
    single, double = (
        dc.Sequential([dc.Input(3), dc.Dense(4, "tanh"), dc.Dense(2)], dtype=dtype, seed=0)
        for _ in range(2)
    )
    for model in (single, double):
        model.compile(dc.optimizers.SGD(0.1), "mse")
    for i in range(20):
        if i == 10:
            change(single)
            change(double)
        single.train_on_batch(x[i], y[i])
        double.train_on_batch(np.repeat(x[i], 2, 0), np.repeat(y[i], 2, 0))
    # The mean of two equal numbers is their sum's half, without rounding; sums of two products are.
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(single.parameters, double.parameters, tolerance, tolerance)


def test_members_of_an_ensemble_have_settings_of_their_own() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 1, 3)).astype("f"), rng.normal(size=(5, 1, 2)).astype("f")

    def model() -> dc.Sequential:
        return dc.Sequential([dc.Input(3), dc.Dense(4, "tanh"), dc.Dense(2)], seed=0)

    rules = [dc.optimizers.SGD(0.1), dc.optimizers.SGD(0.1, weight_decay=0.1)]
    ensemble = dc.Ensemble(model(), seeds=[0, 0])
    ensemble.compile(rules, "mse")
    alone = [model() for _ in rules]
    for one, rule in zip(alone, rules, strict=True):
        one.compile(type(rule).from_config(rule.get_config()), "mse")
    for i in range(5):
        ensemble.train_on_batch(x[i], y[i])
        for one in alone:
            one.train_on_batch(x[i], y[i])
    for number, one in enumerate(alone):
        assert ensemble.parameters[number].tobytes() == one.parameters.tobytes()


class Decay(dc.schedules.LearningRateSchedule):
    """So steep that one step more or less shows."""

    def __call__(self, step: Any) -> Any:
        return 0.2 / (1 + np.asarray(step))


# What the kernel does besides plain SGD: `fit` takes it for many rows at once, single steps of such
# networks go the way of small batches.

WIDTHS = [(2, 2), (5, 4), (8, 7), (16, 11)]


def check_rows(networks: list[Any], problem: Problem, settings: list[Any], y: Any) -> None:
    """One network by `fit`, its twin step by step."""
    x, weight = problem.x, problem.weight
    parameters = loss_of(problem.loss, {})[0]
    for network, rule in zip(networks, settings, strict=True):
        network.parameters[...] = problem.start[: network.parameter_count]
        network.compile(problem.loss, "sum_over_batch_size", rule, [], 7, False, parameters)
    by_fit, by_step = networks
    results: list[Any] = []
    by_fit.fit(x, y, weight, None, 2, 1, False, results)
    losses = []
    for row in [*range(ROWS), *range(ROWS)]:
        one = problem.weights_of(row)
        losses.append(by_step.train_on_batch(x[row : row + 1], y[row : row + 1], one))
    assert by_fit.parameters.tobytes() == by_step.parameters.tobytes()
    assert by_fit.steps == by_step.steps
    states = [network.optimizer_states() for network in networks]
    for name, values in states[0].items():
        assert values.tobytes() == states[1][name].tobytes(), name
    assert results[0][1] == pytest.approx(sum(losses[ROWS:]) / ROWS, rel=1e-6)


@pytest.mark.parametrize("units", WIDTHS)
@pytest.mark.parametrize("config", OPTIMIZERS, ids=str)
def test_every_optimizer(
    config: dict[str, Any], units: tuple[int, int], dtype: str, level: str
) -> None:
    problem = Problem(dtype, "mean_squared_error", "linear", "tanh", False, units)
    networks = [network_of(dtype, 5, problem.layers, level) for _ in range(2)]
    settings = [dc.optimizers.get(config)._settings for _ in range(2)]
    check_rows(networks, problem, settings, problem.y)


@pytest.mark.parametrize(
    "steps",
    [
        {"clipnorm": 0.05},
        {"global_clipnorm": 0.1},
        {"clipvalue": 0.01},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "global_clipnorm": 0.1},
        {"use_ema": True},
        {"gradient_accumulation_steps": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("units", WIDTHS)
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_steps_around_the_update(
    name: str, units: tuple[int, int], steps: dict[str, Any], dtype: str, level: str
) -> None:
    problem = Problem(dtype, "mean_squared_error", "linear", "tanh", True, units)
    networks = [network_of(dtype, 5, problem.layers, level) for _ in range(2)]
    settings = [dc.optimizers.get({"name": name, **steps})._settings for _ in range(2)]
    check_rows(networks, problem, settings, problem.y)


@pytest.mark.parametrize(
    ("name", "options"), ACTIVATIONS, ids=lambda value: str(value).replace(" ", "")
)
def test_every_activation(name: str, options: dict[str, Any], dtype: str, level: str) -> None:
    activation = dc.activations.get({"name": name, **options})
    problem = Problem(dtype, "mean_squared_error", "linear", "tanh", False)
    row_wise = name in ("softmax", "log_softmax")
    problem.layers[1:] = [(3, "tanh" if row_wise else activation, True), (2, activation, False)]
    for rule in ("sgd", "adam"):
        networks = [network_of(dtype, 5, problem.layers, level) for _ in range(2)]
        settings = [dc.optimizers.get({"name": rule})._settings for _ in range(2)]
        check_rows(networks, problem, settings, problem.y)


@pytest.mark.parametrize("outputs", [2, 4, 7, 16])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("loss", dc.losses.names())
def test_every_loss(loss: str, weights: bool, outputs: int, dtype: str, level: str) -> None:
    last = "softmax" if "categorical" in loss else "sigmoid" if loss in OF_POSITIVE else "linear"
    group = 2 if loss == "gaussian_nll" else len(loss_of(loss, {})[0])
    if loss in ("gaussian_nll", "quantile") and outputs % group:
        pytest.skip("not a whole number of targets")
    problem = Problem(dtype, loss, last, "tanh", weights, (5, 4))
    problem.layers[-1] = (outputs, last, True)
    rng = np.random.default_rng(2)
    y = targets_of(rng, loss, ROWS, outputs, loss_of(loss, {})[0])
    if y.dtype != np.int32:
        y = y.astype(dtype)
    networks = [network_of(dtype, 5, problem.layers, level) for _ in range(2)]
    settings = [dc.optimizers.SGD(0.01)._settings for _ in range(2)]
    check_rows(networks, problem, settings, y)


@pytest.mark.parametrize("penalty", ["l1", "l2", "l1_l2"])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_penalties_dropout_and_schedules(rule: str, rate: float, penalty: str, dtype: str) -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(ROWS, 5)).astype(dtype), rng.normal(size=(ROWS, 2)).astype(dtype)

    def make() -> dc.Sequential:
        layers: list[Any] = [dc.Input(5)]
        for units in (12, 3):
            layers += [dc.Dense(units, "gelu", kernel_regularizer=penalty), dc.layers.Dropout(rate)]
        model = dc.Sequential([*layers, dc.Dense(2)], dtype=dtype, seed=3)
        schedule = dc.schedules.ExponentialDecay(0.01, 10, 0.9)
        model.compile(dc.optimizers.get({"name": rule, "learning_rate": schedule}), "mse", ["mae"])
        return model

    by_fit, by_step = make(), make()
    history = by_fit.fit(x, y, 1, epochs=2, verbose=0, shuffle=False).history
    means = []
    for row in [*range(ROWS), *range(ROWS)]:
        means.append(by_step.train_on_batch(x[row : row + 1], y[row : row + 1]))
    assert by_fit.parameters.tobytes() == by_step.parameters.tobytes()
    assert by_fit.optimizer.learning_rate == by_step.optimizer.learning_rate
    expected = np.mean(means[ROWS:], axis=0)
    assert history["loss"][1] == pytest.approx(expected[0], rel=1e-6)
    assert history["mae"][1] == pytest.approx(expected[1], rel=1e-5)

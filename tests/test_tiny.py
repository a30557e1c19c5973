"""Networks whose layers fit into one vector take whole steps in one kernel: the bits are those of
the general kernels, which get each row here with a second one of weight 0."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import network_of

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
    by_fit.fit(x, y, problem.weight, None, 1, 1, False, None, results)
    assert by_fit.parameters.tobytes() == general.parameters.tobytes()
    assert by_fit.steps == ROWS
    assert results[0][0][0] == pytest.approx(sum(losses) / ROWS, rel=1e-6)


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

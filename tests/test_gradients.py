"""Every gradient against central differences in float64, on every ISA level."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import ACTIVATIONS, network_of

OUTPUTS = 3
STEP = 1e-5


def compiled(
    level: str, hidden: Any, last: Any, loss: str, reduction: str, dtype: str = "float64"
) -> Any:
    """A network 4-5-6-3 with parameters of order 1; inputs keep relu away from its kink."""
    network = network_of(
        dtype, 4, [(5, hidden, True), (6, hidden, False), (OUTPUTS, last, True)], level
    )
    network.parameters[:] = np.random.default_rng(8).normal(size=network.parameter_count) * 0.7
    network.compile(loss, reduction, dc.optimizers.SGD(1e-3)._settings, [], 0)
    return network


def data(loss: str, rows: int = 7) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(9)
    x = rng.normal(size=(rows, 4))
    y: Any = rng.dirichlet(np.ones(OUTPUTS), rows)
    if loss.startswith("sparse"):
        y = rng.integers(0, OUTPUTS, rows)
    return x, y, rng.uniform(0.5, 2, rows)


def central_differences(function: Any, at: Any) -> Any:
    """Fourth-order central differences: an error of step^4, below the rounding of function/step."""
    slopes = np.empty(at.size)
    flat = at.reshape(-1)
    for i in range(flat.size):
        kept, values = flat[i], []
        for shift in (-2, -1, 1, 2):
            flat[i] = kept + shift * 20 * STEP
            values.append(function())
        flat[i] = kept
        slopes[i] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (240 * STEP)
    return slopes.reshape(at.shape)


def assert_agree(found: Any, numeric: Any) -> None:
    scale = np.abs(numeric).max()
    worst = np.unravel_index(np.argmax(np.abs(found - numeric)), found.shape)
    error = abs(found[worst] - numeric[worst])
    assert error <= 1e-7 * scale, (worst, found[worst], numeric[worst])


def last_activations(loss: str) -> list[str]:
    # Cross-entropies are functions of probabilities; the plain form too, with another activation.
    return ["sigmoid", "softmax"] if "cross" in loss else ["linear", "tanh", "softmax"]


FUNCTIONS = [dc.activations.Activation(name, **parameters) for name, parameters in ACTIVATIONS]
TANH = dc.activations.tanh
CASES = [
    (TANH, last, loss, reduction)
    for loss in dc.losses.names()
    for last in last_activations(loss)
    for reduction in (["mean", "sum"] if loss == "mean_squared_error" else ["mean"])
]
CASES += [(hidden, "linear", "mean_squared_error", "mean") for hidden in FUNCTIONS]
CASES += [(TANH, last, "mean_squared_error", "mean") for last in FUNCTIONS]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("hidden", "last", "loss", "reduction"), CASES)
def test_gradient_of_the_loss(
    level: str, hidden: Any, last: Any, loss: str, reduction: str, weighted: bool
) -> None:
    network = compiled(level, hidden, last, loss, reduction)
    x, y, weight = data(loss)
    weight = weight if weighted else None
    start = network.parameters.copy()
    network.train_on_batch(x, y, weight)
    found = network.gradients.copy()
    network.parameters[:] = start
    numeric = central_differences(lambda: network.evaluate(x, y, weight)[0], network.parameters)
    assert_agree(found, numeric)


@pytest.mark.parametrize(
    ("hidden", "last"), [(f, TANH) for f in FUNCTIONS] + [(TANH, f) for f in FUNCTIONS], ids=str
)
def test_gradient_of_the_outputs(level: str, hidden: Any, last: Any) -> None:
    """Through forward and backward, also with respect to the inputs."""
    network = compiled(level, hidden, last, "mean_squared_error", "mean")
    x, _, _ = data("mean_squared_error")
    g = np.random.default_rng(2).normal(size=(7, OUTPUTS))
    network.forward(x)
    dx = network.backward(g, True)
    found = network.gradients.copy()
    numeric = central_differences(lambda: (network.predict(x) * g).sum(), network.parameters)
    assert_agree(found, numeric)
    assert_agree(dx, central_differences(lambda: (network.predict(x) * g).sum(), x))


@pytest.mark.parametrize("loss", dc.losses.names())
def test_float32_gradients_are_those_of_float64(level: str, loss: str) -> None:
    found = []
    for dtype in ("float32", "float64"):
        network = compiled(level, "tanh", "softmax", loss, "mean", dtype)
        x, y, weight = data(loss, 200)
        y = y if loss.startswith("sparse") else y.astype(dtype)
        network.train_on_batch(x.astype(dtype), y, weight.astype(dtype))
        found.append(network.gradients.astype(np.float64))
    assert np.abs(found[0] - found[1]).max() <= 1e-5 * np.abs(found[1]).max()


def test_the_check_finds_a_wrong_gradient() -> None:
    with pytest.raises(AssertionError):
        assert_agree(np.array([1.0, 2.0 + 1e-6]), np.array([1.0, 2.0]))

"""Every gradient against central differences in float64, on every ISA level."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import (
    ACTIVATIONS,
    CLASS_NUMBERS,
    LOSSES,
    OF_POSITIVE,
    OF_PROBABILITIES,
    loss_of,
    network_of,
    targets_of,
)
from densecore import reference

OUTPUTS = 6  # divisible by what some losses want for each target
STEP = 1e-5


def compiled(
    level: str,
    hidden: Any,
    last: Any,
    loss: str,
    reduction: str,
    dtype: str = "float64",
    options: Any = None,
    from_logits: bool = False,
) -> Any:
    """A network 4-5-6-6 with parameters of order 1; inputs keep relu away from its kink."""
    network = network_of(
        dtype, 4, [(5, hidden, True), (6, "tanh", False), (OUTPUTS, last, True)], level
    )
    network.parameters[:] = np.random.default_rng(8).normal(size=network.parameter_count) * 0.7
    parameters, _ = loss_of(loss, options or {})
    settings = dc.optimizers.SGD(1e-3)._settings
    network.compile(loss, reduction, settings, [], 0, from_logits, parameters)
    return network


def data(loss: str, rows: int = 7, options: Any = None) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(9)
    x = rng.normal(size=(rows, 4))
    y = targets_of(rng, loss, rows, OUTPUTS, loss_of(loss, options or {})[0])
    if "absolute" in loss:  # away from its kink, on both sides
        y = y + np.where(rng.random(y.shape) < 0.5, 9, -9)
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
    # The plain form too, with another activation than the loss is fused with.
    if loss in OF_PROBABILITIES:
        return ["sigmoid", "softmax"]
    return ["softplus", "softmax"] if loss in OF_POSITIVE else ["linear", "tanh"]


FUNCTIONS = [dc.activations.Activation(name, **parameters) for name, parameters in ACTIVATIONS]
TANH = dc.activations.tanh
CASES: list[tuple[Any, Any, str, dict[str, Any], str]] = [
    (TANH, last, loss, options, reduction)
    for loss, options in LOSSES
    for last in last_activations(loss)
    for reduction in ("sum_over_batch_size", "mean_with_sample_weight", "sum", "sum_over_outputs")
]
CASES += [
    (hidden, "linear", "mean_squared_error", {}, "sum_over_batch_size") for hidden in FUNCTIONS
]
CASES += [(TANH, last, "mean_squared_error", {}, "sum_over_batch_size") for last in FUNCTIONS]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("hidden", "last", "loss", "options", "reduction"), CASES, ids=str)
def test_gradient_of_the_loss(
    level: str,
    hidden: Any,
    last: Any,
    loss: str,
    options: dict[str, Any],
    reduction: str,
    weighted: bool,
) -> None:
    network = compiled(level, hidden, last, loss, reduction, options=options)
    x, y, weight = data(loss, options=options)
    check(network, x, y, weight if weighted else None)


def check(network: Any, x: Any, y: Any, weight: Any) -> None:
    start = network.parameters.copy()
    network.train_on_batch(x, y, weight)
    found = network.gradients.copy()
    network.parameters[:] = start
    numeric = central_differences(lambda: network.evaluate(x, y, weight)[0], network.parameters)
    assert_agree(found, numeric)


WITH_LOGITS = [(loss, options) for loss, options in LOSSES if reference.LOSSES[loss].link]


@pytest.mark.parametrize(("loss", "options"), WITH_LOGITS)
def test_gradient_of_logits(level: str, loss: str, options: dict[str, Any]) -> None:
    """A linear last layer, and the activation in the loss: the same numbers as with both apart."""
    x, y, weight = data(loss, options=options)
    losses, gradients = [], []
    for last, from_logits in (("linear", True), (reference.LOSSES[loss].link, False)):
        network = compiled(
            level, TANH, last, loss, "sum_over_batch_size", "float64", options, from_logits
        )
        losses.append(network.train_on_batch(x, y, weight))
        gradients.append(network.gradients.tobytes())
    assert losses[0] == losses[1]
    assert gradients[0] == gradients[1]
    check(
        compiled(level, TANH, "linear", loss, "sum_over_batch_size", "float64", options, True),
        x,
        y,
        weight,
    )


@pytest.mark.parametrize(
    ("hidden", "last"), [(f, TANH) for f in FUNCTIONS] + [(TANH, f) for f in FUNCTIONS], ids=str
)
def test_gradient_of_the_outputs(level: str, hidden: Any, last: Any) -> None:
    """Through forward and backward, also with respect to the inputs."""
    network = compiled(level, hidden, last, "mean_squared_error", "sum_over_batch_size")
    x, _, _ = data("mean_squared_error")
    g = np.random.default_rng(2).normal(size=(7, OUTPUTS))
    network.forward(x)
    dx = network.backward(g, True)
    found = network.gradients.copy()
    numeric = central_differences(lambda: (network.predict(x) * g).sum(), network.parameters)
    assert_agree(found, numeric)
    assert_agree(dx, central_differences(lambda: (network.predict(x) * g).sum(), x))


@pytest.mark.parametrize(("loss", "options"), LOSSES)
def test_float32_gradients_are_those_of_float64(
    level: str, loss: str, options: dict[str, Any]
) -> None:
    found = []
    for dtype in ("float32", "float64"):
        last = last_activations(loss)[-1]
        network = compiled(level, "tanh", last, loss, "sum_over_batch_size", dtype, options)
        x, y, weight = data(loss, 200, options)
        y = y if loss in CLASS_NUMBERS else y.astype(dtype)
        network.train_on_batch(x.astype(dtype), y, weight.astype(dtype))
        found.append(network.gradients.astype(np.float64))
    assert np.abs(found[0] - found[1]).max() <= 1e-5 * np.abs(found[1]).max()


def test_the_check_finds_a_wrong_gradient() -> None:
    with pytest.raises(AssertionError):
        assert_agree(np.array([1.0, 2.0 + 1e-6]), np.array([1.0, 2.0]))

"""Batches of no rows: every call gives arrays of no rows, and gradients of a sum over nothing."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled, stack
from densecore import layers

STACKS: dict[str, Any] = {
    "dense": lambda: [4],
    "deep": lambda: [(5, "tanh"), (4, "softmax")],
    "wide": lambda: [(300, "relu"), (300, "tanh"), 4],  # layer by layer
    "narrow layers": lambda: [(400, "relu"), (2, "tanh"), (400, "relu"), 4],
    "batch normalisation": lambda: [5, layers.BatchNormalization(), 4],
    "layer normalisation": lambda: [5, layers.LayerNormalization(), 4],
    "dropout": lambda: [5, layers.Dropout(0.5), 4],
    "residual": lambda: [layers.Residual([dc.Dense(5, "tanh"), dc.Dense(3)]), 4],
    "function": lambda: [5, layers.Activation((np.tanh, lambda x, a: 1 - a * a)), 4],
}


def make(name: str, dtype: str = "float32") -> dc.Sequential:
    return stack(3, *STACKS[name](), dtype=dtype)


def zeros(x: Any, *shape: int) -> Any:
    return np.zeros((0, *shape), x.dtype)


# What each call gives, and its shape; -1 stands for the number of parameters.
CALLS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "predict": (lambda m, x: m.predict(x), (0, 4)),
    "predict_on_batch": (lambda m, x: m.predict_on_batch(x), (0, 4)),
    "call": (lambda m, x: m(x), (0, 4)),
    "frozen": (lambda m, x: m.freeze()(x), (0, 4)),
    "predictor": (lambda m, x: m.make_predictor(x)(), (0, 4)),
    "forward": (lambda m, x: m.forward(x), (0, 4)),
    "forward in prediction": (lambda m, x: m.forward(x, training=False), (0, 4)),
    "forward on a tape": (lambda m, x: m.forward(x, tape=m.make_tape()), (0, 4)),
    "activations": (lambda m, x: m.activations(x)[-1], (0, 4)),
    "jacobian": (lambda m, x: m.jacobian(x), (0, 4, 3)),
    "vjp": (lambda m, x: m.vjp(x, zeros(x, 4))[0], (0, 3)),
    "gradient of vjp": (lambda m, x: m.vjp(x, zeros(x, 4))[1], (-1,)),
    "input_gradient": (lambda m, x: m.input_gradient(x), (0, 3)),
    "parameter_jacobian": (lambda m, x: m.parameter_jacobian(x), (0, 4, -1)),
    "an ensemble's predict": (lambda m, x: dc.Ensemble(m, 2).predict(x)[0], (0, 4)),
}
OF_ANY_LAYER: dict[str, tuple[Any, tuple[int, ...]]] = {
    "jvp": (lambda m, x: m.jvp(x, zeros(x, 3)), (0, 4)),
    "parameter_jvp": (lambda m, x: m.parameter_jvp(x, np.ones(len(m.parameters))), (0, 4)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STACKS)
def test_each_call_on_a_fresh_model(name: str, dtype: str) -> None:
    x = np.zeros((0, 3), dtype)
    calls = dict(CALLS)
    if name == "function":
        del calls["an ensemble's predict"]
    else:
        calls.update(OF_ANY_LAYER)
    for call, (run, shape) in calls.items():
        model = make(name, dtype)
        found = run(model, x)
        parameters = len(model.parameters)
        assert found.shape == tuple(parameters if n == -1 else n for n in shape), call
        assert found.dtype == dtype, call


@pytest.mark.parametrize("tape", [False, True])
@pytest.mark.parametrize("name", STACKS)
def test_backward_of_no_rows_is_zero(name: str, tape: bool) -> None:
    model = make(name)
    place = model.make_tape() if tape else None
    rows, g = np.ones((5, 3), np.float32), np.ones((5, 4), np.float32)
    before = [array.copy() for array in model.get_weights()]
    model.forward(rows[:0], tape=place)
    model.gradients[...] = 1  # of an earlier batch
    dx = model.backward(g[:0], input_gradient=True, tape=place)
    assert dx.shape == (0, 3)
    assert not model.gradients.any()
    # Moving averages have seen nothing.
    for array, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)
    # Added to those of a batch, they change nothing; and rows work after none.
    model.forward(rows, tape=place)
    model.backward(g, tape=place)
    full = model.gradients.copy()
    model.forward(rows[:0], tape=place)
    model.backward(g[:0], accumulate=True, tape=place)
    np.testing.assert_array_equal(model.gradients, full)


@pytest.mark.parametrize("name", [name for name in STACKS if name != "function"])
def test_derivatives_of_no_rows(name: str) -> None:
    model = make(name)
    x = np.zeros((0, 3), np.float32)
    u, du, d2u = model.input_derivatives(x, np.zeros((0, 3), np.float32), order=2)
    assert [array.shape for array in (u, du, d2u)] == [(0, 4)] * 3
    model.gradients[...] = 1
    model.backward_derivatives(u, du, d2u)
    assert not model.gradients.any()


@pytest.mark.parametrize("name", STACKS)
def test_training_on_no_rows_is_refused(name: str) -> None:
    model = make(name)
    model.compile("sgd", "mse")
    x, y = np.zeros((0, 3), np.float32), np.zeros((0, 4), np.float32)
    for call in (
        lambda: model.fit(x, y, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model.make_train_step(x, y),
        lambda: model.loss_and_gradients(x, y),
    ):
        with pytest.raises(ValueError, match="found no rows, wanted at least one"):
            call()


def test_evaluation_of_no_rows() -> None:
    model = compiled(3, 4, metrics=["mae"])
    with pytest.raises(ValueError, match="no rows"):
        model.evaluate(np.zeros((0, 3)), np.zeros((0, 4)))

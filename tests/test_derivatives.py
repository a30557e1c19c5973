"""Derivatives of outputs and losses, and what layers put out, against differences and NumPy."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_close
from densecore import layers


def make(wide: int = 6) -> dc.Sequential:
    block = [layers.LayerNormalization(), dc.Dense(wide, "tanh")]
    return dc.Sequential(
        [dc.Input(4), dc.Dense(wide), layers.Activation("silu"), layers.Residual(block),
         layers.Dropout(0.5), dc.Dense(3, "softmax")], dtype="float64", seed=1,
    )  # fmt: skip


X = np.random.default_rng(0).normal(size=(5, 4))


def differences(f: Any, at: Any, step: float = 1e-6) -> Any:
    """df/d(at), one element after the other, along a last axis."""
    flat = at.reshape(-1)
    columns = []
    for i in range(flat.size):
        keep = flat[i]
        flat[i] = keep + step
        high = f()
        flat[i] = keep - step
        low = f()
        flat[i] = keep
        columns.append((high - low) / (2 * step))
    return np.stack(columns, axis=-1)


def test_jacobian() -> None:
    model, x = make(), X.copy()
    full = differences(lambda: model.predict(x), x).reshape(5, 3, 5, 4)
    found = model.jacobian(x)
    assert found.shape == (5, 3, 4)
    assert_close(found, np.einsum("iuij->iuj", full), 1e-7)
    # A row's outputs do not depend on other rows: to the bit, hence the differences are 0.
    full[np.arange(5), :, np.arange(5)] = 0
    assert not full.any()


@pytest.mark.parametrize("wide", [6, 300])
def test_parameter_jacobian(wide: int) -> None:
    model = make(wide)
    found = model.parameter_jacobian(X[:2])
    assert found.shape == (2, 3, len(model.parameters))
    for i in np.random.default_rng(1).integers(0, len(model.parameters), 10):
        one = model.parameters[i : i + 1]
        expected = differences(lambda: model.predict(X[:2]), one)[..., 0]
        assert np.abs(found[..., i] - expected).max() < 1e-8


def test_input_gradient() -> None:
    model, g = make(), np.random.default_rng(2).normal(size=(5, 3))
    assert_close(model.input_gradient(X, g), np.einsum("iu,iuj->ij", g, model.jacobian(X)), 1e-12)
    model = dc.Sequential([dc.Input(4), dc.Dense(5, "tanh"), dc.Dense(3)], dtype="float64", seed=1)
    assert_close(model.input_gradient(X.tolist()), model.jacobian(X).sum(axis=1), 1e-12)
    with pytest.raises(ValueError, match=r"grad_output: found shape \(5, 2\), wanted \(5, 3\)"):
        model.input_gradient(X, g[:, :2])


def test_activations() -> None:
    model = make()
    found = model.activations(X)
    assert [a.shape for a in found] == [(5, 6)] * 4 + [(5, 3)]
    assert_close(found[-1], model.predict(X), 1e-15)
    assert_close(found[3], found[2], 0)  # nothing drops out
    z = X @ model.layers[0].kernel + model.layers[0].bias
    # A function right after a dense layer is computed with it.
    assert_close(found[1], z / (1 + np.exp(-z)), 1e-14)
    head = model.layers[-1]
    logits = found[3] @ head.kernel + head.bias
    assert_close(found[4], np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1e-14)
    found[0][:] = 0
    assert np.abs(model.predict(X)).max() > 0


@pytest.mark.parametrize("wide", [6, 300])
@pytest.mark.parametrize("rows", [1, 5, 200])
def test_loss_and_gradients(rows: int, wide: int) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)
    weight = rng.uniform(0.5, 1, rows)
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(wide, "tanh", kernel_regularizer="l2"), dc.Dense(3, "softmax")],
        dtype="float64", seed=1,
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.parameters.copy()
    loss = model.loss_and_gradients(x, y, weight)
    assert (model.parameters == before).all()
    assert model.progress["steps"] == 0
    assert loss == pytest.approx(model.evaluate(x, y, sample_weight=weight), rel=1e-12)
    model.loss_and_gradients(x, y, weight)
    gradients = model.gradients.copy()
    for i in rng.integers(0, len(before), 10):
        one = model.parameters[i : i + 1]
        expected = differences(lambda: model.evaluate(x, y, sample_weight=weight), one)[0]
        assert abs(gradients[i] - expected) < 1e-7 * max(1, np.abs(gradients).max())

"""Normalisation of rows of several dimensions, along the last one, as Keras does it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

STEPS, FEATURES = 4, 3
KINDS: dict[str, Any] = {
    "batch": lambda: layers.BatchNormalization(momentum=0.5),
    "batch without gamma": lambda: layers.BatchNormalization(scale=False, beta_regularizer="l2"),
    "layer": lambda: layers.LayerNormalization(center=False),
    "rms": layers.RMSNormalization,
}


def stack(kind: str, shape: Any, dtype: str = "float64") -> dc.Sequential:
    parts = [dc.Input(shape), dc.Dense(5, "tanh"), KINDS[kind](), dc.Dense(2)]
    model = dc.Sequential(parts, dtype=dtype, seed=3)
    model.compile(dc.optimizers.Adam(0.05), "mse")
    return model


def data(rows: int = 32) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, STEPS, FEATURES)), rng.normal(size=(rows, STEPS, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_each_vector_counts_as_a_row(kind: str) -> None:
    x, y = data()
    vectors, rows = x.reshape(-1, FEATURES), y.reshape(-1, 2)
    several, single = stack(kind, (STEPS, FEATURES)), stack(kind, FEATURES)
    assert [w.shape for w in several.weights] == [w.shape for w in single.weights]
    single.set_weights(several.get_weights())
    for _ in range(3):
        assert several.train_on_batch(x, y) == pytest.approx(single.train_on_batch(vectors, rows))
        for one, other in zip(several.get_weights(), single.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    wanted = single.predict(vectors).reshape(-1, STEPS, 2)
    np.testing.assert_allclose(several.predict(x), wanted, rtol=1e-9)
    several.layers[1].trainable = single.layers[1].trainable = False  # its averages in training
    assert several.train_on_batch(x, y) == pytest.approx(single.train_on_batch(vectors, rows))


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_gradients_by_differences(kind: str) -> None:
    x, y = data(6)
    model = stack(kind, (STEPS, FEATURES))
    model.loss_and_gradients(x, y)
    found = np.array(model.gradients)

    def loss(parameters: Any) -> float:
        other = stack(kind, (STEPS, FEATURES))
        other.parameters[...] = parameters
        return float(other.train_on_batch(x, y))

    for place in range(0, len(found), 3):
        step = np.zeros(len(found))
        step[place] = 1e-6
        slope = (loss(model.parameters + step) - loss(model.parameters - step)) / 2e-6
        assert found[place] == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_and_files(kind: str, tmp_path: Path) -> None:
    x, y = data()
    model = stack(kind, (STEPS, FEATURES), "float32")
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    wanted = model.predict(x)
    model.save(tmp_path / "model.keras")
    assert (dc.models.load_model(tmp_path / "model.keras").predict(x) == wanted).all()
    clone = dc.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert (clone.predict(x) == wanted).all()
    frozen = model.freeze()
    assert (frozen(x.astype("float32").reshape(32, -1)).reshape(wanted.shape) == wanted).all()
    first = dc.Input((STEPS, FEATURES))
    whole = dc.Model(first, layers.Flatten()(model(first)))
    assert (whole.predict(x) == wanted.reshape(32, -1)).all()
    whole.compile("adam", "mse")
    whole.fit(x, y.reshape(32, -1), epochs=1, verbose=0)
    assert (whole.predict(x) == model.predict(x).reshape(32, -1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_exports(kind: str, tmp_path: Path) -> None:
    x, y = data()
    model = stack(kind, (STEPS, FEATURES), "float32")
    model.fit(x, y, epochs=2, verbose=0)
    wanted = model.predict(x)
    onnx = pytest.importorskip("onnxruntime")
    model.export(tmp_path / "model.onnx")
    session = onnx.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: x.astype("float32")})
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=2e-6)
    if "batch" in kind:
        pytest.importorskip("torch")
        with pytest.raises(ValueError, match="batch normalisation of rows of shape"):
            model.to_torch()


def test_derivatives_are_refused() -> None:
    x, y = data()
    model = stack("batch", (STEPS, FEATURES))
    model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="rows of several vectors"):
        model.hessian_vector_product(x, y, np.ones(model.parameters.size))

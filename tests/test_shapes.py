"""Rows of several dimensions, of one number, and layers that change the shape of a row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(30, 4, 3)).astype(np.float32)
LABELS = np.arange(30) % 3


def compiled(*stack: Any, loss: str = "mse") -> dc.Sequential:
    model = dc.Sequential(list(stack), seed=0)
    model.compile("sgd", loss)
    return model


def test_rows_of_one_number() -> None:
    """As the first program of every course gives them."""
    pd = pytest.importorskip("pandas")
    x = np.arange(10.0)
    expected = compiled(dc.Input(1), dc.Dense(1)).fit(x[:, None], 2 * x, verbose=0).history
    for given in (x, x.tolist(), pd.Series(x)):
        for first in (dc.Dense(1, input_shape=(1,)), dc.Dense(1)):
            model = compiled(first)
            assert model.fit(given, 2 * x, verbose=0).history == expected
            assert model.input_shape == (None, 1)
            assert model.predict(given).shape == (10, 1)
            assert model.evaluate(given, 2 * x) == model.evaluate(x[:, None], 2 * x)
    with pytest.raises(ValueError, match=r"x: found shape \(10,\), wanted \(rows, 2\)"):
        compiled(dc.Input(2), dc.Dense(1)).predict(x)


def test_flatten_may_stand_anywhere(tmp_path: Path) -> None:
    pixels = [layers.Rescaling(0.5), layers.Dropout(0.1), layers.Activation("tanh")]
    model = compiled(
        dc.Input((4, 3)), *pixels, layers.Flatten(), dc.Dense(3, "softmax"),
        loss="sparse_categorical_crossentropy",
    )  # fmt: skip
    assert model.input_shape == (None, 4, 3)
    assert model.layers[0].count_params() == 0
    model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    kernel, bias = model.layers[-1].kernel, model.layers[-1].bias
    scores = np.exp(np.tanh(IMAGES / 2).reshape(30, 12) @ kernel + bias)
    np.testing.assert_allclose(
        model.predict(IMAGES), scores / scores.sum(axis=1, keepdims=True), rtol=2e-5
    )
    model.save(tmp_path / "model")
    loaded = dc.load_model(tmp_path / "model")
    assert (loaded.predict(IMAGES) == model.predict(IMAGES)).all()
    assert loaded.input_shape == (None, 4, 3)


def test_outputs_have_the_shape_of_the_last_layer() -> None:
    model = compiled(dc.Input(12), dc.Dense(6), layers.Reshape((2, -1)), layers.Identity())
    x = np.ascontiguousarray(IMAGES.reshape(30, 12))
    assert model.output_shape == (None, 2, 3)
    assert model.predict(x).shape == (30, 2, 3)
    assert model.predict_on_batch(x).shape == (30, 2, 3)
    assert model.predict(x[:0]).shape == (0, 2, 3)
    plain = compiled(dc.Input(12), dc.Dense(6))
    y = RNG.normal(size=(30, 2, 3)).astype(np.float32)
    flat = np.ascontiguousarray(y.reshape(30, 6))
    assert model.train_on_batch(x, y) == plain.train_on_batch(x, flat)
    assert model.fit(x, y, verbose=0).history == plain.fit(x, flat, verbose=0).history
    out = model.forward(x)
    assert out.shape == (30, 2, 3)
    gradient = model.backward(np.ones_like(out), input_gradient=True)
    assert gradient is not None
    assert gradient.shape == (30, 12)


def test_calls_on_batches_use_images_where_they_lie() -> None:
    model = compiled(dc.Input((4, 3)), layers.Flatten(), dc.Dense(1))
    assert (model.predict_on_batch(IMAGES) == model.predict(IMAGES)).all()
    y = np.zeros((30, 1), np.float32)
    assert model.train_on_batch(IMAGES, y) > 0
    assert model.make_train_step(IMAGES, y)() > 0
    with pytest.raises(ValueError, match="not contiguous"):
        model.make_train_step(IMAGES.transpose(0, 2, 1), y)
    gradient = model.input_gradient(IMAGES)
    assert gradient.shape == (30, 4, 3)


def test_shapes_that_do_not_fit() -> None:
    # As in Keras, along the last axis: no Flatten is no mistake.
    assert dc.Sequential([dc.Input((4, 3)), dc.Dense(1)]).output_shape == (None, 4, 1)
    with pytest.raises(ValueError, match=r"rows of shape \(4, 3\), which do not make \(5, -1\)"):
        dc.Sequential([dc.Input((4, 3)), layers.Reshape((5, -1))])
    for target in ((0, 2), (-1, -1), (-2,), (2,) * 33):
        with pytest.raises(ValueError, match="target_shape: found"):
            layers.Reshape(target)
    model = compiled(layers.Flatten(), dc.Dense(1))
    model.fit(IMAGES, LABELS, verbose=0)
    assert model.input_shape == (None, 4, 3)
    with pytest.raises(ValueError, match=r"x: found shape \(30, 5, 3\), wanted \(rows, 4, 3\)"):
        model.predict(np.zeros((30, 5, 3)))

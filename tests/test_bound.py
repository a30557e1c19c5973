"""Steps and predictions that are bound to their arrays."""

import gc
from typing import Any

import numpy as np
import pytest

import densecore as dc


def make(dtype: str = "float32", loss: str = "mse", optimizer: str = "sgd") -> dc.Sequential:
    model = dc.Sequential([dc.Input(4), dc.Dense(8, "tanh"), dc.Dense(3)], dtype=dtype, seed=0)
    model.compile(optimizer, loss)
    return model


def data(dtype: str = "float32", rows: int = 20) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)).astype(dtype), rng.normal(size=(rows, 3)).astype(dtype)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("rows", [1, 20])
def test_steps_are_those_of_train_on_batch(dtype: str, rows: int, optimizer: str) -> None:
    x, y = data(dtype, rows)
    weight = np.linspace(1, 2, rows).astype(dtype)
    bound, loose = make(dtype, optimizer=optimizer), make(dtype, optimizer=optimizer)
    step = bound.make_train_step(x, y, weight)
    for number in range(5):
        x[:] = np.random.default_rng(number).normal(size=x.shape)  # read anew at each call
        assert step() == loose.train_on_batch(x, y, weight)
    expected = [loose.train_on_batch(x, y, weight) for _ in range(10)]
    assert step.run(10) == expected[-1]
    assert bound.parameters.tobytes() == loose.parameters.tobytes()
    assert bound.progress["steps"] == 15


def test_class_numbers_are_read_and_checked_anew() -> None:
    x, labels = data()[0], np.arange(20) % 3
    bound, loose = (make(loss="sparse_categorical_crossentropy") for _ in range(2))
    step = bound.make_train_step(x, labels)
    assert step() == loose.train_on_batch(x, labels)
    labels[:] = labels[::-1].copy()
    assert step() == loose.train_on_batch(x, labels)
    labels[3] = 7
    with pytest.raises(ValueError, match="found class 7 in row 3"):
        step()


def test_prediction(dtype: str) -> None:
    model, x = make(dtype), data(dtype)[0]
    out = np.empty((20, 3), dtype)
    predict = model.make_predictor(x, out)
    assert predict() is out
    assert out.tobytes() == model.predict(x).tobytes()
    x[:] = 1
    model.train_on_batch(*data(dtype))
    predict()
    assert out.tobytes() == model.predict(x).tobytes()
    assert model.make_predictor(x)().shape == (20, 3)


@pytest.mark.slow
def test_arrays_and_model_are_kept_alive() -> None:
    model = make()
    step, predict = model.make_train_step(*data()), model.make_predictor(data()[0])
    del model
    gc.collect()
    assert np.isfinite(step())
    assert np.isfinite(predict()).all()


def test_errors() -> None:
    model, (x, y) = make(), data()
    with pytest.raises(TypeError, match="x: found dtype float64, wanted float32"):
        model.make_train_step(x.astype(float), y)
    with pytest.raises(ValueError, match="y: found shape"):
        model.make_train_step(x, y[:, :2].copy())
    memory = np.zeros(100, np.float32)
    with pytest.raises(ValueError, match="overlap"):
        model.make_predictor(memory[:80].reshape(20, 4), memory[40:].reshape(20, 3))
    step = model.make_train_step(x, y)
    with pytest.raises(TypeError, match=r"found an argument, wanted none|at most"):
        step(1)
    with pytest.raises(ValueError, match="steps: found 0, wanted an integer"):
        step.run(0)
    model.compile("adam", "mse")
    with pytest.raises(RuntimeError, match="compiled again"):
        step()
    with pytest.raises(RuntimeError, match="not compiled"):
        dc.Sequential([dc.Input(4), dc.Dense(3)]).make_train_step(x, y)

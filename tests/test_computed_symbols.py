"""Functions of symbols that the core does not know: Python computes them, and derives them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, ops

ROWS = 6


class OfInputs(layers.Layer):
    """A function of the inputs, and no more."""

    def __init__(self, function: Any, **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x)


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(ROWS, 4)), rng.normal(size=(ROWS, 1))


def stack(function: Any) -> dc.Sequential:
    parts = [dc.Input(4), dc.Dense(4, "tanh"), OfInputs(function), layers.Flatten(), dc.Dense(1)]
    model = dc.Sequential(parts, dtype="float64", seed=3)
    model.compile(dc.optimizers.SGD(1.0), "mse")
    return model


def check_gradient(model: Any, x: Any, y: Any, tolerance: float = 1e-6) -> None:
    """A step of SGD with the rate 1 subtracts the gradient of the loss, which differences give."""
    weights = model.get_weights()
    for number, array in enumerate(weights):
        for place in [next(iter(np.ndindex(array.shape))), tuple(s - 1 for s in array.shape)]:
            losses = []
            for step in (1e-5, -1e-5):
                moved = [w.copy() for w in weights]
                moved[number][place] += step
                model.set_weights(moved)
                losses.append(np.atleast_1d(model.evaluate(x, y, batch_size=len(x)))[0])
            model.set_weights(weights)
            model.train_on_batch(x, y)
            found = array[place] - model.get_weights()[number][place]
            assert found == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=tolerance)
            model.set_weights(weights)


FUNCTIONS = {
    "where": lambda x: ops.where(x > 0, x, 0.3 * x),
    "tensordot over the batch": lambda x: ops.tensordot(x, x, 2) + x,
    "mean over the batch": lambda x: x - ops.mean(x, axis=0),
    "sum along an axis of a product": lambda x: ops.sum(x[:, :2] * x[:, 2:], axis=1, keepdims=True),
    "sort": lambda x: ops.sort(x, axis=-1),
    "cumsum": lambda x: ops.cumsum(x, axis=-1),
    "outer product": lambda x: ops.einsum("bi,bj->bij", x, x),
    "logsumexp": lambda x: ops.logsumexp(x, axis=-1, keepdims=True),
    "split": lambda x: ops.split(x, 2, axis=-1)[1] * 2.0,
    "std": lambda x: (
        (x - ops.mean(x, axis=-1, keepdims=True)) / (ops.std(x, axis=-1, keepdims=True) + 0.1)
    ),
    "similarities of rows": lambda x: ops.matmul(ops.matmul(x, ops.transpose(x)), x),
    "every second column": lambda x: x[:, ::2] * x[:, 1::2],
    "a constant array": lambda x: x * np.arange(4.0),
    "power": lambda x: ops.power(ops.abs(x) + 0.1, 1.5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name: str) -> None:
    x, y = data()
    model = stack(FUNCTIONS[name])
    hidden = np.tanh(x @ model.layers[0].kernel + model.layers[0].bias)
    wanted = FUNCTIONS[name](hidden).reshape(ROWS, -1)
    kernel, bias = model.get_weights()[2:]
    assert np.allclose(model.predict(x, batch_size=ROWS), wanted @ kernel + bias, atol=1e-10)
    check_gradient(model, x, y)


def test_shapes_are_known_before_there_are_numbers() -> None:
    x = dc.Input(shape=(4,))
    assert ops.einsum("bi,bj->bij", x, x).shape == (None, 4, 4)
    assert ops.matmul(x, ops.transpose(x)).shape == (None, None)
    assert ops.mean(x, axis=0).shape == (4,)
    first, second = ops.split(x, 2, axis=-1)
    assert first.shape == second.shape == (None, 2)
    assert ops.one_hot(ops.argmax(x, axis=-1), 3).shape == (None, 3)


def test_functional_models_use_them() -> None:
    a, b = dc.Input(shape=(3,)), dc.Input(shape=(3,))
    largest = ops.max(ops.stack([a, b], axis=-1), axis=-1)
    model = dc.Model([a, b], dc.Dense(1)(ops.concatenate([largest, ops.sort(a)], axis=-1)))
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    assert np.isfinite(model.fit([x, y], x[:, 0], verbose=0).history["loss"]).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_divergence_of_mean_activations(weighted: bool) -> None:
    class Sparse(layers.Layer):
        def call(self, x: Any) -> Any:
            mean = ops.mean(x, axis=0)
            some = 0.1 * ops.log(0.1 / mean) + 0.9 * ops.log(0.9 / (1 - mean))
            self.add_loss(0.1 * ops.sum(some))
            return x

    x, y = data()
    parts = [dc.Input(4), dc.Dense(3, "sigmoid"), Sparse(), dc.Dense(1)]
    model = dc.Sequential(parts, dtype="float64", seed=2)
    model.compile(dc.optimizers.SGD(1.0), "mse")
    kernel, bias, *_ = model.get_weights()
    m = (1 / (1 + np.exp(-(x @ kernel + bias)))).mean(axis=0)
    penalty = 0.1 * np.sum(0.1 * np.log(0.1 / m) + 0.9 * np.log(0.9 / (1 - m)))
    mse = np.mean((model.predict(x) - y) ** 2)
    assert model.evaluate(x, y, batch_size=ROWS) == pytest.approx(mse + penalty, rel=1e-10)
    check_gradient(model, x, y)


def test_an_activity_regularizer_is_any_function() -> None:
    def penalty(a: Any) -> Any:
        return 0.3 * ops.sum(ops.power(ops.abs(a), 3))

    x, y = data()
    model = dc.Sequential([dc.Input(4), dc.Dense(3, activity_regularizer=penalty), dc.Dense(1)],
                          dtype="float64", seed=2)  # fmt: skip
    model.compile(dc.optimizers.SGD(1.0), "mse")
    kernel, bias, *_ = model.get_weights()
    wanted = np.mean((model.predict(x) - y) ** 2) + penalty(x @ kernel + bias) / ROWS
    assert model.evaluate(x, y, batch_size=ROWS) == pytest.approx(wanted, rel=1e-10)
    check_gradient(model, x, y)


def test_functions_of_weights_alone_count_once() -> None:
    class Weighted(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(4, 3), initializer="glorot_uniform")
            self.rho = self.add_weight(shape=(4, 3), initializer="zeros")

        def call(self, x: Any) -> Any:
            deviation = ops.softplus(self.rho)
            self.add_loss(0.2 * ops.sum(ops.square(self.w) - ops.log(deviation)))
            return ops.matmul(x, self.w * ops.sum(deviation, axis=0))

    x, y = data()
    model = dc.Sequential([dc.Input(4), Weighted(), dc.Dense(1)], dtype="float64", seed=2)
    model.compile(dc.optimizers.SGD(1.0), "mse")
    w, rho, *_ = model.get_weights()
    deviation = np.log1p(np.exp(rho))
    wanted = np.mean((model.predict(x) - y) ** 2)
    wanted += 0.2 * np.sum(w**2 - np.log(deviation))
    assert model.evaluate(x, y, batch_size=ROWS) == pytest.approx(wanted, rel=1e-10)
    kernel, bias = model.get_weights()[2:]
    hidden = x @ (w * deviation.sum(axis=0))
    assert np.allclose(model.predict(x), hidden @ kernel + bias)
    check_gradient(model, x, y)


def test_noise_of_a_weights_shape_is_new_in_each_step() -> None:
    class Bayesian(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(4, 2), initializer="zeros")

        def call(self, x: Any) -> Any:
            noise = dc.random.normal(ops.shape(self.w))
            return ops.matmul(x, self.w + noise)

    x, _ = data()
    model = dc.Sequential([dc.Input(4), Bayesian()], seed=2)
    assert not model.predict(x).any()
    first, second = (np.array(model(x, training=True)) for _ in range(2))
    assert (first != second).any()
    # One draw for all rows: the outputs are linear in x.
    assert np.linalg.matrix_rank(np.hstack([x, first]), tol=1e-4) == 4


def test_lambda_in_a_stack_may_look_at_a_whole_row() -> None:
    x, y = data()
    model = dc.Sequential(
        [dc.Input(4), layers.Lambda(lambda t: ops.normalize(t, axis=1)), dc.Dense(1)],
        dtype="float64",
    )
    model.compile("sgd", "mse")
    kernel, bias = model.get_weights()
    wanted = x / np.linalg.norm(x, axis=1, keepdims=True) @ kernel + bias
    assert np.allclose(model.predict(x), wanted)
    assert np.isfinite(model.train_on_batch(x, y))


def test_integers_have_no_gradient() -> None:
    class Classes(layers.Layer):
        def call(self, x: Any) -> Any:
            return ops.one_hot(ops.argmax(x, axis=-1), 4)

    x, y = data()
    model = dc.Sequential([dc.Input(4), dc.Dense(4), Classes(), dc.Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    assert np.isfinite(model.train_on_batch(x, y))
    assert (model.get_weights()[0] == before).all()


def test_a_file_names_what_it_cannot_hold(tmp_path: Path) -> None:
    x = dc.Input(shape=(4,))
    model = dc.Model(x, dc.Dense(1)(ops.sort(x, axis=-1)))
    with pytest.raises(TypeError, match=r"found .* of symbols, .* custom_objects"):
        model.save(tmp_path / "m.keras")


def test_what_neither_knows_is_said() -> None:
    x = dc.Input(shape=(4,))
    with pytest.raises((TypeError, ValueError)):
        ops.matmul(x, np.ones((3, 2)))
    with pytest.raises(TypeError, match="rows first"):
        dc.Dense(2)(ops.transpose(x))

"""What custom layers and models add to the loss, noise within a `call`, tied weights."""

from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, losses, ops, random

ROWS = 70
X = np.random.default_rng(0).uniform(-1, 1, (ROWS, 4))
Y = (X[:, :1] * X[:, 1:2] > 0).astype(np.float64)


class Penalised(layers.Layer):
    def __init__(self, penalty: Any, **general: Any) -> None:
        super().__init__(**general)
        self.penalty = penalty

    def call(self, x: Any) -> Any:
        self.add_loss(self.penalty(x))
        return x


def slopes(model: Any, x: Any, y: Any) -> Any:
    """The derivatives of the loss by the weights that are trained, by differences."""
    found = []
    for array in model.trainable_weights:
        flat = array.reshape(-1)
        for place in range(flat.size):
            before, sums = flat[place], []
            for step in (1e-6, -1e-6):
                flat[place] = before + step
                sums.append(model.evaluate(x, y))
            flat[place] = before
            found.append((sums[0] - sums[1]) / 2e-6)
    return np.array(found)


def step(model: Any, x: Any, y: Any) -> tuple[float, Any]:
    """The loss of a step, and the gradient: what a step of plain descent of rate 1 takes away."""
    before = np.concatenate([array.ravel() for array in model.trainable_weights])
    loss = model.train_on_batch(x, y)
    return loss, before - np.concatenate([array.ravel() for array in model.trainable_weights])


@pytest.mark.parametrize(
    "penalty",
    [
        lambda x: 0.3 * ops.mean(ops.square(x)),
        lambda x: ops.sum(x) * 0.01,
        lambda x: ops.mean(ops.sum(ops.abs(x), axis=-1)) / 4 + 0.25,
        lambda x: -0.5 * ops.mean(1 + x - ops.exp(x)),
        lambda x: 0.01 * ops.square(x[:, :2]),
    ],
)
@pytest.mark.parametrize("end", ["sigmoid", None])
def test_the_loss_grows_and_is_differentiated(penalty: Any, end: Any) -> None:
    hidden = dc.Dense(5, "tanh")
    stack = [dc.Input(4), hidden, Penalised(penalty), dc.Dense(1, end)]
    model = dc.Sequential(stack, dtype="float64", seed=1)
    loss = "binary_crossentropy" if end else "mse"
    model.compile(dc.optimizers.SGD(1.0), loss)
    h = np.tanh(X @ hidden.kernel + hidden.bias)
    plain = dc.Sequential([dc.Input(4), dc.Dense(5, "tanh"), dc.Dense(1, end)], dtype="float64")
    plain.set_weights(model.get_weights())
    plain.compile("sgd", loss)
    there = np.sum(np.asarray(penalty(h)))
    assert model.evaluate(X, Y) == pytest.approx(plain.evaluate(X, Y) + there, rel=1e-12)
    expected = slopes(model, X, Y)
    value, gradient = step(model, X, Y)
    assert value == pytest.approx(plain.evaluate(X, Y) + there, rel=1e-12)
    np.testing.assert_allclose(gradient, expected, atol=1e-8)
    assert model.predict(X).shape == (ROWS, 1)


def test_in_graphs_with_several_outputs_and_files(tmp_path: Any) -> None:
    i = dc.Input(4)
    h = Ridge()(dc.Dense(3, "tanh")(i))
    model = dc.Model(i, [dc.Dense(1, "sigmoid", name="a")(h), dc.Dense(2, name="b")(h)], seed=0)
    model.compile("adam", ["binary_crossentropy", "mse"])
    y = [Y, X[:, :2]]
    model.fit(X, y, epochs=2, verbose=0)
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m", custom_objects={"Ridge": Ridge})
    assert loaded.evaluate(X, y) == model.evaluate(X, y)


def _ridge(x: Any) -> Any:
    return 0.1 * ops.mean(ops.square(x))


class Ridge(Penalised):
    def __init__(self, **general: Any) -> None:
        super().__init__(_ridge, **general)


def test_nothing_but_what_is_added() -> None:
    class Autoencoder(dc.Model):
        def __init__(self) -> None:
            super().__init__(seed=0, dtype="float64")
            self.code, self.back = dc.Dense(3, "tanh"), dc.Dense(4)

        def call(self, x: Any) -> Any:
            y = self.back(self.code(x))
            self.add_loss(losses.MeanSquaredError()(x, y))
            return y

    model = Autoencoder()
    model.compile(dc.optimizers.SGD(1.0))
    found = model.predict(X)
    assert model.evaluate(X) == pytest.approx(np.mean((found - X) ** 2), rel=1e-12)
    expected = slopes(model, X, None)
    np.testing.assert_allclose(step(model, X, None)[1], expected, atol=1e-8)
    assert model.fit(X, epochs=3, verbose=0).history["loss"][-1] < np.mean((found - X) ** 2)
    plain = dc.Sequential([dc.Input(4), dc.Dense(1)])
    with pytest.raises(ValueError, match="compile: found no loss"):
        plain.compile("adam")


@pytest.mark.parametrize(
    "loss",
    [
        losses.MeanAbsoluteError(),
        losses.BinaryCrossentropy(),
        losses.BinaryCrossentropy(from_logits=True),
        losses.CategoricalCrossentropy(),
        losses.KLDivergence(),
        losses.Poisson(),
        losses.mean_squared_error,
    ],
)
def test_losses_of_symbols_are_those_of_arrays(loss: Any) -> None:
    class Endpoint(layers.Layer):
        def call(self, y: Any, p: Any) -> Any:
            self.add_loss(ops.mean(loss(y, p)))
            return p

    a, b = dc.Input(3), dc.Input(3)
    model = dc.Model([a, b], Endpoint()(a, b), dtype="float64")
    model.compile("sgd")
    rng = np.random.default_rng(2)
    y, p = rng.dirichlet(np.ones(3), (2, 20))
    assert model.evaluate([y, p]) == pytest.approx(np.mean(loss(y, p)), rel=1e-6)


class Sampling(layers.Layer):
    def call(self, inputs: Any) -> Any:
        mean, log_var = inputs
        batch, units = ops.shape(mean)
        noise = random.normal(shape=(batch, units), seed=random.SeedGenerator(1))
        return mean + ops.exp(0.5 * log_var) * noise


def test_sampling_is_by_the_seed_and_differentiated() -> None:
    def made(seed: int) -> Any:
        i = dc.Input(4)
        mean, log_var = dc.Dense(3)(i), dc.Dense(3)(i)
        return dc.Model(i, [mean, log_var, Sampling()([mean, log_var])], dtype="float64", seed=seed)

    model = made(1)
    mean, log_var, z = model.forward(X)
    noise = (z - mean) / np.exp(0.5 * log_var)
    assert abs(noise.mean()) < 0.3
    assert 0.8 < noise.std() < 1.2
    assert len(np.unique(noise.round(12))) == noise.size
    one = np.ones_like(z)
    model.backward([None, None, one])
    gradients = [layer.kernel_gradient for layer in model.layers if isinstance(layer, dc.Dense)]
    np.testing.assert_allclose(gradients[0], X.T @ one, atol=1e-10)
    np.testing.assert_allclose(gradients[1], X.T @ (0.5 * (z - mean)), atol=1e-10)
    other = made(1)
    other.set_weights(model.get_weights())
    assert (other.forward(X)[2] == z).all()
    assert (model.predict(X)[2] == model.predict(X)[0]).all()


def test_uniform_noise() -> None:
    class Noisy(layers.Layer):
        def call(self, x: Any) -> Any:
            return x + random.uniform(ops.shape(x), -1.0, 3.0)

    model = dc.Sequential([dc.Input(4), Noisy()], dtype="float64", seed=3)
    noise = model(np.zeros((500, 4)), training=True)
    assert -1 <= noise.min() < -0.9
    assert 2.9 < noise.max() <= 3
    np.testing.assert_allclose(model.predict(np.zeros((2, 4))), 1.0)
    with pytest.raises(TypeError, match="found noise of shape"):
        random.normal((None, 3))


class DenseTranspose(layers.Layer):
    def __init__(self, dense: Any, **general: Any) -> None:
        super().__init__(**general)
        self.dense = dense

    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight(shape=(self.dense.kernel.shape[0],), initializer="zeros")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, ops.transpose(self.dense.kernel)) + self.bias


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("rows", [9, 700])
def test_tied_weights(use_bias: bool, rows: int) -> None:
    x = np.random.default_rng(3).normal(size=(rows, 4))
    one, two = dc.Dense(6, "tanh", use_bias=use_bias), dc.Dense(3, use_bias=use_bias)
    i = dc.Input(4)
    code = two(one(i))
    model = dc.Model(i, DenseTranspose(one)(DenseTranspose(two)(code)), dtype="float64", seed=0)
    assert model.count_params() == 24 + 18 + (9 if use_bias else 0) + 10
    h = np.tanh(x @ one.kernel + (one.bias if use_bias else 0))
    z = h @ two.kernel + (two.bias if use_bias else 0)
    np.testing.assert_allclose(model.predict(x), z @ two.kernel.T @ one.kernel.T, atol=1e-12)
    model.compile(dc.optimizers.SGD(1.0), "mse")
    expected = slopes(model, x, x)
    np.testing.assert_allclose(step(model, x, x)[1], expected, atol=1e-8)
    assert dc.Model(i, code).predict(x).shape == (rows, 3)
    threads, bits = dc.get_num_threads(), []
    start = model.get_weights()
    try:
        for count in (1, 2):
            dc.set_num_threads(count)
            model.set_weights(start)
            model.compile(dc.optimizers.SGD(0.02), "mse")
            model.fit(x, x, batch_size=512, epochs=2, verbose=0, shuffle=False)
            bits.append(model.parameters.copy())
    finally:
        dc.set_num_threads(threads)
    assert (bits[0] == bits[1]).all()


def test_weights_tied_in_a_layer_and_used_in_several_ways() -> None:
    class Tied(layers.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1], 3), name="w")

        def call(self, x: Any) -> Any:
            h = ops.tanh(ops.matmul(x, self.w))
            return ops.matmul(h, ops.transpose(self.w))

    class Machine(layers.Layer):
        """A factorisation machine: the weights in a product and, squared, in another."""

        def build(self, shape: Any) -> None:
            self.v = self.add_weight(shape=(shape[-1], 3), name="v")

        def call(self, x: Any) -> Any:
            whole = ops.square(ops.matmul(x, self.v))
            return 0.5 * ops.sum(
                whole - ops.matmul(ops.square(x), ops.square(self.v)), axis=1, keepdims=True
            )

    class Centres(layers.Layer):
        def build(self, shape: Any) -> None:
            self.mu = self.add_weight(shape=(shape[-1], 5), initializer="uniform", name="mu")

        def call(self, x: Any) -> Any:
            return ops.exp(-ops.sum(ops.square(ops.expand_dims(x, -1) - self.mu), axis=1))

    def tied(w: Any) -> Any:
        return np.tanh(X @ w) @ w.T

    def machine(v: Any) -> Any:
        return 0.5 * ((X @ v) ** 2 - X**2 @ v**2).sum(axis=1, keepdims=True)

    def centres(mu: Any) -> Any:
        return np.exp(-((X[:, :, None] - mu) ** 2).sum(axis=1))

    for kind, formula in ((Tied, tied), (Machine, machine), (Centres, centres)):
        model = dc.Sequential([dc.Input(4), kind()], dtype="float64", seed=2)
        (w,) = model.weights
        np.testing.assert_allclose(model.predict(X), formula(w), atol=1e-12)
        model.compile(dc.optimizers.SGD(1.0), "mse")
        y = np.zeros_like(model.predict(X))
        expected = slopes(model, X, y)
        np.testing.assert_allclose(step(model, X, y)[1], expected, atol=1e-8)
    dense = dc.Dense(2)
    dense.build((None, 4))
    with pytest.raises(ValueError, match="does not call before, wanted a model that has both"):
        dc.Sequential([dc.Input(2), DenseTranspose(dense)])

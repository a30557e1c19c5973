"""Custom layers: `call` with weights, layers and functions becomes a part of a graph."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, ops

X = np.random.default_rng(0).normal(size=(48, 4)).astype(np.float32)
Y = X[:, :1] * X[:, 1:2]


class Linear(layers.Layer):
    def __init__(self, units: int, activation: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.activation = dc.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def call(self, inputs: Any) -> Any:
        return self.activation(ops.matmul(inputs, self.kernel) + self.bias)

    def get_config(self) -> dict[str, Any]:
        activation = dc.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}


class Block(layers.Layer):
    def __init__(self, units: int, rate: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.inner = [layers.Dense(units, "relu"), Linear(units)]
        self.normal = layers.BatchNormalization()
        self.dropout = layers.Dropout(rate)

    def call(self, x: Any, training: Any = None) -> Any:
        h = x
        for layer in self.inner:
            h = layer(h)
        return x + self.dropout(self.normal(h, training=training), training=training)


def compiled(*parts: Any, **options: Any) -> dc.Sequential:
    model = dc.Sequential([dc.Input(4), *parts], seed=0, **options)
    model.compile(dc.optimizers.Adam(0.01), "mse")
    return model


def test_a_layer_with_weights_is_a_dense_layer() -> None:
    own = compiled(Linear(8, "tanh"), Linear(1, name="end"))
    plain = compiled(dc.Dense(8, "tanh"), dc.Dense(1))
    plain.set_weights(own.get_weights())
    for model in (own, plain):
        model.fit(X, Y, epochs=3, verbose=0)
    assert (own.predict(X) == plain.predict(X)).all()
    assert [layer.name for layer in own.layers] == ["linear", "end"]
    assert [w.shape for w in own.layers[0].weights] == [(4, 8), (8,)]
    assert own.count_params() == plain.count_params() == 49
    assert len(own.trainable_weights) == 4
    own.layers[0].kernel.assign(np.zeros((4, 8)))
    assert not own.layers[0].kernel.numpy().any()
    assert (own.get_weights()[0] == 0).all()


def test_layers_within_a_layer() -> None:
    model = compiled(Block(4), Block(4, 0.5), dc.Dense(1))
    before = model.evaluate(X, Y)
    model.fit(X, Y, epochs=20, verbose=0)
    assert model.evaluate(X, Y) < before  # type: ignore[operator]
    first = model.layers[0]
    assert [w.shape for w in first.weights] == [(4, 4), (4,), (4, 4), (4,)] + [(4,)] * 4
    assert len(first.trainable_weights) == 6
    assert len(model.non_trainable_weights) == 4
    said: list[str] = []
    model.summary(print_fn=said.append)
    assert "block_1 (Block)" in said[0]
    assert "Total params: 117 (" in said[0]
    first.trainable = False
    model.compile("sgd", "mse")
    kept = first.get_weights()
    model.fit(X, Y, verbose=0)
    assert all((a == b).all() for a, b in zip(kept[:4], first.get_weights()[:4], strict=True))


def test_parts_come_in_the_order_of_the_attributes() -> None:
    class Swapped(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.second = layers.Dense(2)
            self.first = layers.Dense(3)

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    shapes = [w.shape for w in compiled(Swapped()).layers[0].weights]
    assert shapes == [(3, 2), (2,), (4, 3), (3,)]


def test_what_is_not_trained_from_the_start() -> None:
    class FixedKernel(Linear):
        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.kernel.trainable = False

    model = compiled(Linear(3, trainable=False), FixedKernel(1))
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    same = [(a == b).all() for a, b in zip(before, model.get_weights(), strict=True)]
    assert same == [True, True, True, False]


def test_several_inputs_and_outputs_and_shared_weights() -> None:
    class Towers(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.tower = layers.Dense(3, "tanh")

        def call(self, pair: Any) -> Any:
            left, right = (self.tower(part) for part in pair)
            return left * right, ops.abs(left - right)

    a, b = dc.Input(4), dc.Input(4)
    product, distance = Towers()([a, b])
    model = dc.Model([a, b], dc.Dense(1)(layers.Concatenate()([product, distance])), seed=0)
    assert model.count_params() == 15 + 7
    tower = model.layers[2].tower
    left, right = (
        np.tanh(X[rows] @ tower.kernel + tower.bias) for rows in (slice(24), slice(24, 48))
    )
    whole = np.hstack([left * right, np.abs(left - right)])
    kernel, bias = model.layers[-1].get_weights()
    found = model.predict([X[:24], X[24:]])
    np.testing.assert_allclose(found, whole @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_factors_of_features() -> None:
    class Gate(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones")

        def call(self, x: Any) -> Any:
            return x * self.factor

    model = compiled(Gate(), dc.Dense(1))
    model.layers[0].set_weights([np.array([1.0, 0.0, 2.0, -1.0])])
    np.testing.assert_allclose(
        dc.Model(model.input, model.layers[0].output).predict(X), X * [1, 0, 2, -1]
    )


def test_weights_of_features_and_single_numbers() -> None:
    """One step of plain descent is that of the derivative by hand."""

    class Curve(layers.Layer):
        def build(self, input_shape: Any) -> None:
            size = (input_shape[-1],)
            self.gamma = self.add_weight(name="gamma", shape=size, initializer="ones")
            self.beta = self.add_weight(name="beta", shape=size, initializer="zeros")
            self.rate = self.add_weight(name="rate", shape=(), initializer="zeros")

        def call(self, x: Any) -> Any:
            return (x * self.gamma + self.beta) * ops.exp(self.rate) - self.rate

    model = dc.Sequential([dc.Input(4), Curve()], dtype="float64", seed=0)
    model.compile(dc.optimizers.SGD(0.1), "mse")
    start = [np.array([1.0, 2.0, -1.0, 0.5]), np.array([0.1, 0.0, 0.2, -0.3]), np.array(0.4)]
    model.set_weights(start)
    x = X.astype(np.float64)
    target = np.cos(x)
    gamma, beta, rate = start
    inner, grown = x * gamma + beta, np.exp(rate)
    slope = 2 * (inner * grown - rate - target) / x.size
    model.fit(x, target, batch_size=len(x), epochs=1, verbose=0)
    for found, before, gradient in zip(
        model.get_weights(),
        start,
        [(slope * x * grown).sum(0), slope.sum(0) * grown, (slope * (inner * grown - 1)).sum()],
        strict=True,
    ):
        np.testing.assert_allclose(found, before - 0.1 * gradient, rtol=1e-12)
    assert [w.shape for w in model.weights] == [(4,), (4,), ()]
    assert model.count_params() == 9


def test_called_with_arrays() -> None:
    layer = Linear(3)
    found = layer(X)
    np.testing.assert_allclose(
        found, X @ layer.kernel.numpy() + layer.bias.numpy(), rtol=1e-4, atol=1e-5
    )
    assert len(layer.weights) == len(layer.trainable_weights) == 2
    model = compiled(layer, dc.Dense(1))
    assert (dc.Model(model.input, layer.output).predict(X) == found).all()


def test_files_copies_and_clones(tmp_path: Path) -> None:
    model = compiled(Linear(4, "relu"), Block(4), dc.Dense(1))
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="class 'Linear', which is not known here, wanted custom"):
        dc.load_model(tmp_path / "m.keras")
    loaded = dc.load_model(tmp_path / "m.keras", custom_objects={"Linear": Linear, "Block": Block})
    cloned = dc.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    for other in (loaded, cloned, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert (other.predict(X) == model.predict(X)).all()
    assert isinstance(loaded.layers[1], Block)
    loaded.fit(X, Y, verbose=0)
    members = dc.Ensemble(compiled(Linear(3), dc.Dense(1)), 2)
    members.fit(X, Y, epochs=1, verbose=0)
    assert members.member(0).predict(X).shape == (48, 1)


def test_what_a_call_cannot_do_is_said() -> None:
    def of(call: Any, **methods: Any) -> Any:
        return type("Mine", (layers.Layer,), {"call": call, **methods})()

    def build(self: Any, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], 2))

    with pytest.raises(ValueError, match=r"weight_0: found shape \(4, 2\) with rows of"):
        compiled(of(lambda self, x: x + self.w, build=build))
    for call, text in (
        (lambda self, x: ops.matmul(self.w, x), "of a weight from the left"),
        (lambda self, x: x * 2, "found the weight weight_0, which call does not use"),
    ):
        with pytest.raises(TypeError, match=text):
            compiled(of(call, build=build))
    with pytest.raises(TypeError, match="weight weight_0: found an assignment in a call"):
        compiled(of(lambda self, x: x * self.w.assign_add(1.0), build=build))
    with pytest.raises(TypeError, match="add_loss: found a call outside of the method call"):
        of(lambda self, x: x).add_loss(1.0)
    with pytest.raises(TypeError, match="add_loss: found a call"):
        compiled(dc.Dense(1)).add_loss(1.0)
    with pytest.raises(ValueError, match=r"found shape \(3, 2\) in a product with rows of shape"):
        compiled(
            of(
                lambda self, x: ops.matmul(x, self.w),
                build=lambda self, shape: vars(self).update(w=self.add_weight(shape=(3, 2))),
            )
        )
    with pytest.warns(UserWarning, match="dtype: found 'float16', which is without effect"):
        dc.Dense(1, dtype="float16")


def test_initializers_and_regularizers_of_one_s_own() -> None:
    def diagonal(shape: Any, dtype: Any = None) -> Any:
        return np.eye(*shape, dtype=dtype)

    class Sevenths(dc.initializers.Initializer):
        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            return np.full(shape, 1 / 7, dtype)

    def ridge(w: Any) -> Any:
        return 0.02 * ops.sum(ops.square(w)) + ops.sum(ops.abs(w)) * 0.5

    layer = dc.Dense(4, kernel_initializer=diagonal, bias_initializer=Sevenths(),
                     kernel_regularizer=ridge)  # fmt: skip
    model = compiled(layer)
    assert (layer.kernel == np.eye(4)).all()
    assert (layer.bias == np.float32(1 / 7)).all()
    assert layer.kernel_regularizer == dc.regularizers.L1L2(0.5, 0.02)
    assert model.losses == [pytest.approx(4 * 0.52)]
    other = dc.Dense(1, kernel_regularizer=lambda w: ops.mean(ops.square(w)))
    assert other.kernel_regularizer(np.ones((2, 2))) == 1.0
    with pytest.raises(ValueError, match=r"initializer <lambda>: found shape \(4,\) returned"):
        compiled(dc.Dense(3, kernel_initializer=lambda shape: np.zeros(4)))


def test_pooling_and_other_orders() -> None:
    x = np.random.default_rng(1).normal(size=(6, 5, 2)).astype(np.float32)
    words = np.random.default_rng(2).integers(0, 9, (6, 5))
    for layer, expected in (
        (layers.GlobalAveragePooling1D(), x.mean(axis=1)),
        (layers.GlobalMaxPooling1D(), x.max(axis=1)),
        (layers.Permute((2, 1)), x.transpose(0, 2, 1)),
    ):
        model = dc.Sequential([dc.Input((5, 2)), layer])
        np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
        assert model.count_params() == 0
    bag = dc.Sequential(
        [dc.Input(5), layers.Embedding(9, 3), layers.GlobalAveragePooling1D(), dc.Dense(1)], seed=0
    )
    bag.compile(dc.optimizers.SGD(0.5), "mse")
    table = bag.layers[0].embeddings
    mean = dc.Model(bag.input, bag.layers[1].output)
    np.testing.assert_allclose(mean.predict(words), table[words].mean(axis=1), atol=1e-6)
    y = (words == 3).sum(axis=1)
    before = bag.evaluate(words, y)
    bag.fit(words, y, epochs=30, verbose=0)
    assert bag.evaluate(words, y) < 0.5 * before  # type: ignore[operator]
    np.testing.assert_allclose(mean.predict(words), table[words].mean(axis=1), atol=1e-6)


class Scaled(layers.Layer):
    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.dense = layers.Dense(3)

    def call(self, x: Any, factor: float = 1.0, both: bool = False) -> Any:
        parts = list(x) if isinstance(x, list | tuple) else [x]
        found = [self.dense(part) * factor for part in parts]
        return found if both else found[0]


def test_calls_of_a_layer_differ_by_more_than_rows(tmp_path: Path) -> None:
    """By constants and by the structure of inputs: each has a graph of its own."""
    i, j = dc.Input(4), dc.Input(4)
    layer = Scaled()
    pair = layer([i, j], factor=3.0, both=True)
    outputs = [layer(i), layer(i, factor=2.0), layer(i, factor=-1), *pair, layer([j, i])]
    model = dc.Model([i, j], outputs, seed=0)
    x = [X, X[::-1].copy()]
    one, two = (part @ layer.dense.kernel for part in x)
    expected = [one, 2 * one, -one, 3 * one, 3 * two, two]
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m", custom_objects={"Scaled": Scaled})
    cloned = dc.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    assert model.count_params() == 15
    for other in (model, loaded, cloned, pickle.loads(pickle.dumps(model))):
        for found, right in zip(other.predict(x), expected, strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(X, factor=5.0), 5 * one, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(X), one, rtol=1e-4, atol=1e-5)


def test_a_call_that_was_refused_leaves_no_graph() -> None:
    class Bad(layers.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1], 2))

        def call(self, x: Any) -> Any:
            return x * 2

    layer = Bad()
    for _ in range(2):
        with pytest.raises(TypeError, match="which call does not use"):
            layer(dc.Input(4))


def test_variables_and_arrays_that_are_no_weights() -> None:
    class Standardised(layers.Layer):
        def __init__(self, mean: Any, **general: Any) -> None:
            super().__init__(**general)
            self.mean = dc.Variable(mean, trainable=False)
            self.gain = dc.Variable(initializer="ones", shape=(4,), name="gain")
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            return (x - self.mean) * self.gain

    layer = Standardised(X.mean(axis=0))
    model = compiled(layer, dc.Dense(1))
    first = dc.Model(model.input, layer.output)
    np.testing.assert_allclose(first.predict(X), X - X.mean(axis=0), atol=1e-6)
    assert [len(layer.weights), len(layer.trainable_weights)] == [3, 1]
    layer.calls.assign_add(2.0)
    again = copy.deepcopy(model)
    assert float(again.layers[0].calls.numpy()) == 2.0
    model.fit(X, Y, verbose=0)
    assert not (layer.gain.numpy() == 1).any()
    assert (layer.mean.numpy() == X.mean(axis=0)).all()

    class Total(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.total = self.add_weight(shape=(2,), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            self.total.assign_add(ops.sum(x, axis=0))
            return self.total

    total = Total()
    total(np.ones((2, 2)))
    assert total(np.ones((2, 2))).tolist() == [4.0, 4.0]


def test_columns_sums_and_products_of_what_layers_compute() -> None:
    class Parts(layers.Layer):
        def call(self, x: Any) -> Any:
            x -= ops.mean(x, axis=-1, keepdims=True)
            table = ops.reshape(x, (-1, 2, 2))
            product = ops.matmul(table, ops.transpose(table, (0, 2, 1)))
            sums = ops.sum(product, axis=1)
            return ops.concatenate([x[:, 1:3], sums, ops.expand_dims(x[:, 0], -1)], axis=-1)

    hidden = dc.Dense(4)
    model = dc.Sequential([dc.Input(4), hidden, Parts()], dtype="float64", seed=0)
    x = X.astype(np.float64) @ hidden.kernel
    x -= x.mean(axis=-1, keepdims=True)
    table = x.reshape(-1, 2, 2)
    sums = (table @ table.transpose(0, 2, 1)).sum(axis=1)
    np.testing.assert_allclose(model.predict(X), np.hstack([x[:, 1:3], sums, x[:, :1]]), atol=1e-12)

"""Kinds of programs of Keras's users that stopped, or gave other numbers than Keras."""

from typing import Any

import numpy as np
import pytest

import densecore as keras
from densecore import layers, ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")


def built(output: Any, inputs: Any, loss: Any = "mse", **options: Any) -> Any:
    model = keras.Model(inputs, output)
    model.compile("sgd", loss, **options)
    return model


def test_shapes_with_the_number_of_rows_in_functions() -> None:
    class Tokens(keras.Layer):
        def build(self, shape: Any) -> None:
            self.first = self.add_weight(shape=(1, 1, 3), initializer="ones")
            self.scale = self.add_weight(shape=(4, 3), initializer="ones")

        def call(self, x: Any) -> Any:
            tokens = ops.expand_dims(x, -1) * self.scale
            first = ops.broadcast_to(self.first, (ops.shape(x)[0], 1, 3))
            both = ops.concatenate([first, tokens], axis=1)
            return ops.reshape(both, [ops.shape(x)[0], -1, 5])

    layer = Tokens()
    inputs = keras.Input((4,))
    model = built(layer(inputs), inputs)
    wanted = np.concatenate([np.ones((60, 1, 3)), np.repeat(X[:, :, None], 3, 2)], 1)
    np.testing.assert_allclose(model.predict(X), wanted.reshape(60, 3, 5), 1e-6)
    model.fit(X, np.zeros((60, 3, 5)), epochs=2, verbose=0)
    assert (np.asarray(layer.first) < 1).all()


def test_reshape_with_two_unknown_sizes_and_tiled_rows() -> None:
    class Pairs(keras.Layer):
        def call(self, x: Any) -> Any:
            rows = ops.shape(x)[0]
            found = ops.tile(ops.reshape(x, [rows, -1, 1]), (1, 1, 2))
            return ops.reshape(ops.reshape(found, [rows, -1, 4]), [rows, 8])

    inputs = keras.Input((4,))
    model = built(layers.Dense(1)(Pairs()(inputs)), inputs)
    assert model.predict(X).shape == (60, 1)


def test_weights_whose_first_dimension_is_one() -> None:
    class Radial(keras.Layer):
        def build(self, shape: Any) -> None:
            self.centers = self.add_weight(shape=(3, shape[-1]), name="centers")
            self.width = self.add_weight(shape=(3,), initializer="ones", name="width")
            self.row = self.add_weight(shape=(1, 3), name="row")

        def call(self, x: Any) -> Any:
            away = ops.expand_dims(x, 1) - ops.expand_dims(self.centers, 0)
            near = ops.exp(-self.width * ops.sum(away**2, axis=-1))
            return near + self.row + ops.sum(ops.square(self.row), axis=0)

    layer = Radial()
    inputs = keras.Input((4,))
    model = built(layer(inputs), inputs)
    centers, width, row = (np.asarray(w) for w in layer.get_weights())
    near = np.exp(-width * ((X[:, None] - centers) ** 2).sum(-1))
    np.testing.assert_allclose(model.predict(X), near + row + (row**2).sum(0), 1e-5)
    model.fit(X, np.ones((60, 3)), verbose=0)


def test_function_of_a_kernel_with_one_input() -> None:
    class Exponential(keras.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1], 5), name="w")
            self.b = self.add_weight(shape=(shape[-1],), name="b", initializer="ones")

        def call(self, x: Any) -> Any:
            return ops.matmul(x - self.b, ops.exp(self.w))

    for count in (1, 4):
        layer = Exponential()
        inputs = keras.Input((count,))
        model = built(layer(inputs), inputs)
        wanted = (X[:, :count] - 1) @ np.exp(np.asarray(layer.get_weights()[0]))
        np.testing.assert_allclose(model.predict(X[:, :count]), wanted, 1e-5, 1e-6)
        model.fit(X[:, :count], np.ones((60, 5)), verbose=0)


def test_layer_that_returns_what_it_adds_to_the_loss() -> None:
    class Apart(keras.Layer):
        def call(self, given: Any) -> Any:
            one, other = given
            loss = ops.mean(ops.maximum(1 - ops.sum(ops.square(one - other), -1), 0))
            self.add_loss(loss)
            return loss

    one, other = keras.Input((4,)), keras.Input((4,))
    code = layers.Dense(2)
    model = keras.Model([one, other], Apart()([code(one), code(other)]))
    model.compile("adam", loss=None)
    a, b = X @ code.get_weights()[0], -X @ code.get_weights()[0]
    wanted = np.maximum(1 - ((a - b) ** 2).sum(1), 0).mean()
    assert model.train_on_batch([X, -X]) == pytest.approx(wanted, rel=1e-5)
    assert len(model.losses) == 1


def test_layer_that_several_others_share_counts_once() -> None:
    class Gated(keras.Layer):
        def __init__(self, shared: Any) -> None:
            super().__init__()
            self.shared, self.own = shared, layers.Dense(3, "sigmoid")

        def call(self, x: Any) -> Any:
            return self.shared(x) * self.own(x)

    shared = layers.Dense(3)
    inputs = keras.Input((4,))
    model = built(layers.Add()([Gated(shared)(inputs), Gated(shared)(inputs)]), inputs)
    assert model.count_params() == 3 * 15
    assert len(model.weights) == len(model.get_weights()) == len(model.trainable_weights) == 6
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert not model.predict(X).any()


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_logits_of_an_activation_are_computed_with_a_warning(kind: str) -> None:
    inputs = keras.Input((4,))
    output = layers.Dense(3, kind)(inputs)
    y = np.eye(3)[np.argmax(X[:, :3], 1)]
    name = "BinaryCrossentropy" if kind == "sigmoid" else "CategoricalCrossentropy"
    loss = getattr(keras.losses, name)(from_logits=True)
    with pytest.warns(UserWarning, match=f"{kind} is applied twice"):
        model = built(output, inputs, loss, metrics=["binary_accuracy"])
    p = model.predict(X).astype("float64")
    if kind == "sigmoid":
        wanted = (np.log1p(np.exp(p)) - y * p).mean()
    else:
        wanted = (np.log(np.exp(p).sum(1)) - (y * p).sum(1)).mean()
    found = model.evaluate(X, y)
    assert found[0] == pytest.approx(wanted, rel=1e-5)
    assert found[1] == pytest.approx(((p > 0.5) == y).mean())  # of outputs as they are
    numbers = model.get_weights()[0].copy()
    model.train_on_batch(X, y)
    slope = (1 / (1 + np.exp(-p)) - y) / 180 * p * (1 - p)
    if kind == "softmax":
        of_p = (np.exp(p) / np.exp(p).sum(1, keepdims=True) - y) / 60
        slope = p * (of_p - (of_p * p).sum(1, keepdims=True))
    np.testing.assert_allclose(numbers - model.get_weights()[0], 0.01 * X.T @ slope, 1e-3, 1e-7)


def test_area_of_several_outputs_is_one_by_default() -> None:
    y, p = (RNG.random((50, 3)) > 0.5).astype(int), RNG.random((50, 3))
    flat = keras.metrics.AUC()(y.reshape(-1), p.reshape(-1))
    assert keras.metrics.AUC()(y, p) == pytest.approx(flat)
    assert keras.metrics.AUC(multi_label=True)(y, p) != pytest.approx(flat, abs=1e-6)
    inputs = keras.Input((4,))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model = built(layers.Dense(3)(inputs), inputs, loss, metrics=["AUC"])
    y = np.eye(3)[np.argmax(X[:, :3], 1)]
    shares = ops.softmax(model.predict(X))
    assert model.evaluate(X, y)[1] == pytest.approx(keras.metrics.AUC()(y, shares))


def test_missing_targets_of_a_loss_of_ones_own() -> None:
    def masked(y: Any, p: Any) -> Any:
        known = ops.logical_not(ops.isnan(y))
        return ops.mean(ops.square(ops.where(known, y - p, ops.zeros_like(p))))

    y = X[:, :3].copy()
    y[::2, 1] = np.nan
    inputs = keras.Input((4,))
    model = built(layers.Dense(3)(inputs), inputs, masked)
    wanted = np.nansum((y - model.predict(X)) ** 2) / y.size
    assert model.evaluate(X, y) == pytest.approx(wanted, rel=1e-5)
    assert np.isfinite(model.fit(X, y, verbose=0).history["loss"][0])
    with pytest.raises(ValueError, match="found nan in row 0"):
        built(layers.Dense(3)(inputs), inputs, "mse").fit(X, y)


def test_one_target_for_all_outputs_of_a_metric() -> None:
    def likelihood(y: Any, p: Any) -> Any:
        return ops.mean(p[:, 1:] + ops.square(y - p[:, :1]) * ops.exp(-p[:, 1:]))

    inputs = keras.Input((4,))
    model = built(layers.Dense(2)(inputs), inputs, likelihood, metrics=["mse", "mae"])
    y = X[:, :1]
    p = model.predict(X)
    found = model.evaluate(X, y)
    assert found[1:] == pytest.approx([((y - p) ** 2).mean(), abs(y - p).mean()], rel=1e-5)
    assert "mae" in model.fit(X, y, verbose=0).history


def test_small_words() -> None:
    from densecore import mixed_precision

    before = keras.backend.epsilon()
    keras.backend.set_epsilon(1e-8)
    assert keras.backend.epsilon() == keras.config.epsilon() == 1e-8
    keras.backend.set_epsilon(before)
    with pytest.warns(UserWarning, match="without effect"):
        mixed_precision.set_global_policy("mixed_float16")
    assert keras.mixed_precision.global_policy().name == "float32"
    with pytest.raises(ValueError, match="unknown dtype policy 'half'"):
        keras.config.set_dtype_policy("half")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    assert not model.compiled
    assert model.compute_output_shape((None, 4)) == (None, 2)
    assert model.layers[0].dtype_policy.compute_dtype == "float32"
    assert keras.metrics.Mean().dtype == keras.losses.MeanSquaredError().dtype == "float32"


@pytest.mark.parametrize(
    ("equation", "shape", "size", "bias"),
    [
        ("ab,bc->ac", (4,), 3, "c"),
        ("abc,cd->abd", (4, 5), (4, 3), "d"),
        ("abc,cde->abde", (4, 5), (4, 2, 3), "de"),
        ("abcd,cde->abe", (2, 4, 5), (2, 3), None),
        ("abc,cd->abd", (4, 5), (None, 3), "bd"),
        ("...x,xy->...y", (2, 4, 5), 3, "y"),
        ("abc,bde->acde", (4, 5), (5, 2, 3), "d"),  # these in Python
        ("abc,bcd->abd", (4, 5), (4, 3), "bd"),
        ("ab...,bc->ac...", (4, 5), 3, "c"),
        ("abc,bc->ac", (4, 5), 5, None),
    ],
)
def test_einsum_dense(equation: str, shape: Any, size: Any, bias: Any) -> None:
    layer = layers.EinsumDense(equation, size, "tanh", bias, bias_initializer="normal")
    inputs = keras.Input(shape)
    model = built(layer(inputs), inputs)
    x = RNG.normal(size=(7, *shape)).astype("float32")
    wanted = np.einsum(equation, x, layer.kernel)
    last = () if layer.bias is None else layer.bias.shape
    if bias is not None and equation.endswith("..."):
        last = (*last, *(1,) * (wanted.ndim - 1 - len(last)))
    wanted = np.tanh(wanted + (0 if layer.bias is None else np.reshape(layer.bias, last)))
    np.testing.assert_allclose(model.predict(x), wanted, 1e-5, 1e-6)
    before = [w.copy() for w in model.get_weights()]
    model.fit(x, np.zeros_like(wanted), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    again = layers.EinsumDense.from_config(layer.get_config())
    assert again.get_config() == {**layer.get_config(), "name": again.name}


def test_what_einsum_dense_refuses() -> None:
    for equation in ("ab", "ab,bc->ad", "ab,bc->bc", "abc,cd->...d"):
        with pytest.raises(ValueError, match="EinsumDense: equation: found"):
            layers.EinsumDense(equation, 3)
    with pytest.raises(ValueError, match="bias_axes: found 'a'"):
        layers.EinsumDense("ab,bc->ac", 3, bias_axes="a")
    with pytest.raises(ValueError, match="wanted sizes that fit the equation"):
        layers.EinsumDense("abc,cd->abd", (5, 3))(keras.Input((4, 5)))


def test_groups_of_heads_share_keys_and_values() -> None:
    grouped = layers.GroupQueryAttention(3, 4, 2)
    whole = layers.MultiHeadAttention(4, 3)
    inputs = keras.Input((5, 6))
    model = built([grouped(inputs, inputs), whole(inputs, inputs)], inputs)
    arrays = grouped.get_weights()
    for place in range(2, 6):  # kernel and bias of keys, then of values
        arrays[place] = np.repeat(arrays[place], 2, axis=-2)
    whole.set_weights(arrays)
    x = RNG.normal(size=(7, 5, 6)).astype("float32")
    found, wanted = model.predict(x)
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)
    with pytest.raises(ValueError, match="found 3, wanted a divisor of num_query_heads, 4"):
        layers.GroupQueryAttention(3, 4, 3)


def test_names_of_functions_and_of_layers_for_each_step() -> None:
    inputs = keras.Input((4, 3))
    x = layers.TimeDistributed(layers.Dense(5, "relu"), name="steps")(inputs)
    before = layers.Dense(5)
    x = before(x)
    layers.Lambda(lambda _: x, name="given")(inputs)
    mean = layers.Lambda(lambda t: ops.mean(t, axis=1), name="mean")
    sorted_ = layers.Lambda(lambda t: ops.sort(t, axis=-1), name="sorted")
    y = layers.Lambda(lambda t: t + 0, name="same")(layers.Lambda(lambda t: t**2)(sorted_(mean(x))))
    model = built(layers.Add()([y, mean(x)]), inputs)
    assert before.name != "given"
    x = RNG.normal(size=(6, 4, 3)).astype("float32")
    for name, shape in (("steps", (4, 5)), ("mean", (5,)), ("sorted", (5,)), ("same", (5,))):
        part = keras.Model(model.input, model.get_layer(name).output)
        assert part.predict(x).shape == (6, *shape)
    wanted = keras.Model(model.input, model.get_layer("sorted").output).predict(x) ** 2
    found = keras.Model(model.input, model.get_layer("same").output).predict(x)
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)
    model.fit(x, np.zeros((6, 5)), verbose=0)

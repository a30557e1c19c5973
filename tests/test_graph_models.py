"""Models of several inputs and outputs, layers that merge, and layers that are called twice."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
A, B = np.ascontiguousarray(X[:, :1]), np.ascontiguousarray(X[:, 1:])
Y = X[:, :1] * 2 + 1
YES = (X[:, :1] > 0).astype(int)


def two_inputs(**options: Any) -> Any:
    a, b = dc.Input((1,), name="a"), dc.Input((3,), name="b")
    joined = layers.Concatenate()([layers.Dense(2, "relu")(a), layers.Dense(4, "relu")(b)])
    return dc.Model([a, b], layers.Dense(1)(joined), **options)


def compiled(model: Any, **options: Any) -> Any:
    model.compile("sgd", **{"loss": "mse", **options})
    return model


# Merging layers ----------------------------------------------------------------------------------

P, Q = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Add, P + Q),
        (layers.Subtract, P - Q),
        (layers.Multiply, P * Q),
        (layers.Average, (P + Q) / 2),
        (layers.Maximum, np.maximum(P, Q)),
        (layers.Minimum, np.minimum(P, Q)),
        (layers.Concatenate, np.hstack([P, Q])),
        (lambda: layers.Dot(axes=1), (P * Q).sum(axis=1, keepdims=True)),
        (
            lambda: layers.Dot(-1, normalize=True),
            ((P * Q).sum(1) / np.linalg.norm(P, axis=1) / np.linalg.norm(Q, axis=1))[:, None],
        ),
    ],
)
def test_merging_layers_compute(layer: Any, expected: Any) -> None:
    p, q = dc.Input(3), dc.Input(3)
    model = dc.Model([p, q], layer()([p, q]), dtype="float64")
    np.testing.assert_allclose(model.predict([P, Q]), expected, rtol=1e-12)
    np.testing.assert_allclose(layer()([P, Q]), expected, rtol=1e-12)
    assert model.output_shape == (None, expected.shape[1])
    gradient = model.input_gradient([P, Q])
    step = 1e-6
    up = model.predict([P + step * np.eye(3)[0], Q]).sum(axis=1)
    down = model.predict([P - step * np.eye(3)[0], Q]).sum(axis=1)
    np.testing.assert_allclose(gradient[0][:, 0], (up - down) / (2 * step), rtol=1e-5, atol=1e-8)


def test_functions_and_operators_make_layers() -> None:
    p, q = dc.Input(3), dc.Input(3)
    outputs = [
        layers.add([p, q]), layers.subtract([p, q]), layers.multiply([p, q]),
        layers.average([p, q]), layers.maximum([p, q]), layers.minimum([p, q]),
        layers.concatenate([p, q]), layers.dot([p, q], axes=1), p + q, p - q, p * q, p / q,
        np.maximum(p, q), 1 - p * 2,
        np.exp(p) ** 2, abs(-p), np.concatenate([p, q], axis=-1), dc.activations.relu(p),
    ]  # fmt: skip
    for symbol, width in zip(outputs, [3] * 6 + [6, 1] + [3] * 8 + [6, 3], strict=True):
        both = layers.Concatenate()([symbol, p, q])
        assert dc.Model([p, q], both).predict([P, Q]).shape == (5, width + 6)
    model = dc.Model([p, q], 1 - np.sqrt(abs(p - q)) / 2, dtype="float64")
    np.testing.assert_allclose(model.predict([P, Q]), 1 - np.sqrt(np.abs(P - Q)) / 2, rtol=1e-12)
    assert np.max(p).shape == ()


def test_shapes_of_several_dimensions() -> None:
    p, q = dc.Input((2, 3)), dc.Input((4, 3))
    a, b = RNG.normal(size=(5, 2, 3)), RNG.normal(size=(5, 4, 3))
    model = dc.Model([p, q], layers.Dot(axes=2)([p, q]), dtype="float64")
    assert model.output_shape == (None, 2, 4)
    np.testing.assert_allclose(model.predict([a, b]), np.einsum("nik,njk->nij", a, b))
    np.testing.assert_allclose(layers.Dot(2)([a, b]), np.einsum("nik,njk->nij", a, b))
    vector = dc.Input(2)
    model = dc.Model([vector, p], layers.Dot(axes=(1, 1))([vector, p]), dtype="float64")
    np.testing.assert_allclose(
        model.predict([a[:, :, 0], a]), np.einsum("nk,nkj->nj", a[:, :, 0], a)
    )
    joined = layers.Concatenate(axis=1)([p, q])
    assert joined.shape == (None, 6, 3)
    found = dc.Model([p, q], joined, dtype="float64").predict([a, b])
    assert (found == np.concatenate([a, b], axis=1)).all()
    one = dc.Input(3)
    repeated = dc.Model(one, layers.RepeatVector(2)(one), dtype="float64")
    assert (repeated.predict(P) == np.repeat(P[:, None], 2, axis=1)).all()


def test_one_number_of_a_row_is_that_of_all_columns() -> None:
    p, gate = dc.Input(3), dc.Input(1)
    model = dc.Model([p, gate], layers.Multiply()([p, gate]), dtype="float64")
    np.testing.assert_allclose(model.predict([P, Q[:, :1]]), P * Q[:, :1])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda p, q: layers.Add(name="sum")([p, q]),
            r"layer sum: found rows of shapes \(3,\), \(2,\)",
        ),
        (lambda p, q: layers.Concatenate()([p, layers.Reshape((2, 1))(q)]), "as many dimensions"),
        (lambda p, q: layers.Concatenate(axis=3)([p, q]), "as many dimensions in each, 3 among"),
        (lambda p, q: layers.Dot(1)([p, q]), "found 3 and 2 numbers along the axes"),
        (lambda p, q: layers.Dot(2)([p, q]), r"wanted vectors or matrices with these axes"),
        (lambda p, q: layers.Subtract()([p, p, p]), "layer subtract: found 3 inputs, wanted 2"),
        (lambda p, q: layers.Add()([p]), "layer add: found 1 inputs, wanted two or more"),
        (lambda p, q: layers.Add()(p), "layer add: found one input, wanted a list"),
        (lambda p, q: dc.Sequential([dc.Input(3), layers.Add()]), "found one input, wanted a list"),
        (lambda p, q: layers.Concatenate(axis=0), "found 0, the rows"),
    ],
)
def test_shapes_that_do_not_meet_are_refused(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(dc.Input(3), dc.Input(2))


# Several inputs ----------------------------------------------------------------------------------


def test_data_of_several_inputs_in_every_form() -> None:
    forms: list[Any] = [
        [A, B],
        (A, B),
        {"a": A, "b": B},
        {"b": B, "a": A},
        [A.tolist(), B.tolist()],
    ]
    histories = []
    for x in forms:
        model = compiled(two_inputs(seed=1), metrics=["mae"])
        histories.append(model.fit(x, Y, verbose=0, validation_data=(x, Y)).history)
        assert (model.predict(x) == model.predict([A, B])).all()
        assert model.evaluate(x, Y) == model.evaluate([A, B], Y)
        assert len(model.train_on_batch(x, Y)) == 2
    assert all(history == histories[0] for history in histories)
    model = compiled(two_inputs(seed=1))
    batches = [({"a": A[i : i + 32], "b": B[i : i + 32]}, Y[i : i + 32]) for i in (0, 32)]
    model.fit(batches, verbose=0, shuffle=False)
    other = compiled(two_inputs(seed=1))
    other.fit([A, B], Y, verbose=0, shuffle=False)
    assert (model.parameters == other.parameters).all()
    assert model.predict_on_batch([A, B]).shape == (60, 1)
    assert model([A, B]).shape == (60, 1)
    assert isinstance(model.train_on_batch([A, B], Y), float)


def test_own_loops_with_several_inputs() -> None:
    model = two_inputs(dtype="float64", seed=0)
    out = model.forward([A, B])
    gradient = model.backward(np.ones_like(out), input_gradient=True)
    assert [part.shape for part in gradient] == [(60, 1), (60, 3)]
    named = dc.Model({"a": model.inputs[0], "b": model.inputs[1]}, model.output, dtype="float64")
    named.set_weights(model.get_weights())
    assert set(named.input_gradient({"a": A, "b": B})) == {"a", "b"}
    assert (named.predict({"a": A, "b": B}) == model.predict([A, B])).all()
    with pytest.raises(TypeError, match="make_predictor: found a model of several inputs"):
        model.make_predictor([A, B])


def test_nested_structures_of_inputs() -> None:
    a, b, c = (dc.Input(1, name=name) for name in "abc")
    model = dc.Model({"x": [a, b], "z": c}, layers.Concatenate()([a, b, c]))
    values = [np.full((2, 1), number) for number in (1.0, 2.0, 3.0)]
    for x in (
        {"x": values[:2], "z": values[2]},
        {"a": values[0], "b": values[1], "c": values[2]},
        values,
    ):
        assert model.predict(x).tolist() == [[1, 2, 3]] * 2
    assert model.input_shape == {"x": [(None, 1), (None, 1)], "z": (None, 1)}


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        ({"a": A}, ValueError, "x: found no 'b' in a dictionary, wanted a, b"),
        (
            {"a": A, "b": B, "c": B},
            ValueError,
            "x: found the name 'c' in a dictionary, wanted a, b",
        ),
        ([A], ValueError, "x: found 1 parts, wanted a, b"),
        (X, TypeError, r"x: found one array of shape \(60, 4\), wanted 2 arrays: a, b"),
        ([A, B[:50]], ValueError, "input b: found 50 rows, wanted 60, as of a"),
        ([A, A], ValueError, r"input b: found shape \(60, 1\), wanted \(rows, 3\)"),
    ],
)
def test_wrong_inputs_are_refused(x: Any, error: Any, text: str) -> None:
    model = compiled(two_inputs())
    before = model.parameters.copy()
    for call in (lambda: model.fit(x, Y, verbose=0), lambda: model.predict(x)):
        with pytest.raises(error, match=text):
            call()
    assert (model.parameters == before).all()


# Graphs ------------------------------------------------------------------------------------------


def test_a_skip_is_a_residual_block() -> None:
    x = dc.Input(4)
    hidden = layers.Dense(4, "relu")(x)
    model = compiled(dc.Model(x, layers.Dense(1)(layers.Add()([hidden, x])), seed=2))
    stack = [dc.Input(4), layers.Residual([layers.Dense(4, "relu")]), layers.Dense(1)]
    block = compiled(dc.Sequential(stack, seed=2))
    for each in (model, block):
        each.fit(X, Y, epochs=3, verbose=0)
    assert (model.parameters == block.parameters).all()


def test_layers_that_are_called_twice_share_their_weights() -> None:
    tower = dc.Sequential([dc.Input(2), layers.Dense(3, "relu"), layers.Dense(2)], name="tower")
    a, b = dc.Input(2), dc.Input(2)
    distance = layers.Subtract()([tower(a), tower(b)])
    model = compiled(dc.Model([a, b], layers.Dense(1)(distance), dtype="float64", seed=0))
    assert model.count_params() == tower.count_params() + 3
    p, q = X[:, :2], X[:, 2:]
    assert (model.predict([p, p]) == model.layers[-1].bias).all()
    x, y = (p.astype(float), q.astype(float)), Y.astype(float)

    def loss() -> float:
        return float(model.evaluate([*x], y))

    model.loss_and_gradients(np.hstack(x), y)
    gradients = model.gradients.copy()
    for place in (0, 5, len(gradients) - 1):
        step = 1e-6
        model.parameters[place] += step
        up = loss()
        model.parameters[place] -= 2 * step
        assert gradients[place] == pytest.approx((up - loss()) / (2 * step), rel=1e-5, abs=1e-8)
        model.parameters[place] += step
    model.fit([*x], y, epochs=2, verbose=0)
    dense = layers.Dense(4, "tanh")
    z = dc.Input(4)
    twice = compiled(dc.Model(z, dense(dense(z))))
    assert len(twice.weights) == 2
    twice.fit(X, X, verbose=0)
    assert [symbol.shape for symbol in (dense.input, dense.output)] == [(None, 4)] * 2
    with pytest.raises(ValueError, match="layer 2"):
        dc.Model(z, layers.Dense(2)(dense(layers.Dense(3)(dense(z)))))


@pytest.mark.parametrize(
    ("make", "function"),
    [
        (lambda: layers.Permute((2, 1)), lambda x: x.transpose(0, 2, 1)),
        (layers.GlobalAveragePooling1D, lambda x: x.mean(axis=1)),
    ],
)
def test_a_fixed_product_is_called_with_rows_of_several_shapes(
    make: Any, function: Any, tmp_path: Path
) -> None:
    a, b = dc.Input((2, 3)), dc.Input((3, 2))
    layer = make()
    model = dc.Model([a, b], [layer(a), layer(b), layer(a)])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2, 3)).astype("f4"), rng.normal(size=(4, 3, 2)).astype("f4")
    model.save(tmp_path / "m.safetensors")
    for one in (model, dc.load_model(tmp_path / "m.safetensors"), copy.deepcopy(model)):
        found = one.predict([x, y], verbose=0)
        for each, wanted in zip(found, (x, y, x), strict=True):
            assert each == pytest.approx(function(wanted), rel=1e-6, abs=1e-6)


def test_graphs_are_saved_copied_frozen_and_drawn(tmp_path: Path) -> None:
    model = compiled(two_inputs(seed=4), metrics=["mae"])
    model.fit([A, B], Y, verbose=0)
    model.save(tmp_path / "m")
    x = [A, B]
    for again in (
        dc.load_model(tmp_path / "m"),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        assert (again.predict(x) == model.predict(x)).all()
        assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
        again.fit(x, Y, verbose=0)
    clone = dc.models.clone_model(model)
    assert clone.predict({"a": A, "b": B}).shape == (60, 1)
    assert dc.models.model_from_json(model.to_json()).input_names == ["a", "b"]
    frozen = model.freeze()
    assert (frozen(np.hstack(x)) == model.predict(x)).all()
    said: list[str] = []
    model.summary(print_fn=said.append)
    assert "Connected to" in said[0]
    assert "dense, dense_1" in said[0]
    pytest.importorskip("matplotlib")
    model.plot(tmp_path / "m.png")
    assert (tmp_path / "m.png").stat().st_size > 5000


def test_a_model_begins_anywhere() -> None:
    x = dc.Input(4)
    hidden = layers.Dense(3, "relu", name="hidden")(x)
    joined = layers.Concatenate()([hidden, layers.Dense(2)(hidden)])
    model = dc.Model(x, layers.Dense(1)(joined))
    rest = dc.Model(hidden, model.output)
    first = dc.Model(x, hidden)
    np.testing.assert_array_equal(rest.predict(first.predict(X)), model.predict(X))
    both = dc.Model([x], joined)
    assert both.predict(X).shape == (60, 5)


# The order of layers, as Keras has it ------------------------------------------------------------


def test_layers_and_weights_are_in_keras_s_order() -> None:
    a, b = dc.Input((2,), name="a"), dc.Input((3,), name="b")
    d1, d2 = layers.Dense(4, name="d1")(a), layers.Dense(4, name="d2")(b)
    out = layers.Dense(1, name="o")(layers.Concatenate(name="c")([d1, d2]))
    model = dc.Model([b, a], out)
    assert [layer.name for layer in model.layers] == ["a", "b", "d1", "d2", "c", "o"]
    assert [w.shape for w in model.weights] == [(2, 4), (4,), (3, 4), (4,), (8, 1), (1,)]


# Layers that are made of others ------------------------------------------------------------------


def test_prelu_learns_its_slopes() -> None:
    layer = layers.PReLU(alpha_initializer=dc.initializers.Constant(0.25))
    model = compiled(dc.Sequential([dc.Input(4), layer, dc.Dense(1)], dtype="float64", seed=0))
    x = X.astype(float)
    np.testing.assert_allclose(model.activations(x)[0], np.where(x > 0, x, 0.25 * x))
    before = layer.alpha.copy()
    model.fit(x, Y, verbose=0)
    assert (layer.alpha != before).all()
    assert layers.PReLU()(X).shape == X.shape
    again = dc.Sequential.from_config(model.get_config())
    assert again.layers[0].alpha_initializer.arguments == {"value": 0.25}


@pytest.mark.parametrize("layer", [layers.AlphaDropout, layers.GaussianDropout])
def test_dropouts_that_keep_moments(layer: Any) -> None:
    model = dc.Sequential([dc.Input(1000), layer(0.3)], dtype="float64", seed=0)
    x = np.random.default_rng(0).normal(size=(50, 1000))
    np.testing.assert_allclose(model.predict(x), x)
    found = model.forward(x)
    assert found.mean() == pytest.approx(x.mean(), abs=0.03)
    if layer is layers.AlphaDropout:
        assert found.std() == pytest.approx(1, abs=0.03)
    else:
        assert (found / x).std() == pytest.approx(np.sqrt(0.3 / 0.7), rel=0.02)
    model.compile("sgd", "mse")
    model.fit(x, x, verbose=0)
    with pytest.raises(ValueError, match="rate"):
        layer(1.0)


def test_dense_along_the_last_dimension() -> None:
    x = RNG.normal(size=(20, 5, 4))
    first, second = layers.Dense(6, "relu"), layers.Dense(2)
    stack = [dc.Input((5, 4)), first, second, layers.Flatten(), layers.Dense(1)]
    model = compiled(dc.Sequential(stack, dtype="float64", seed=0))
    assert first.kernel.shape == (4, 6)
    assert model.count_params() == 30 + 14 + 11
    hidden = np.maximum(x @ first.kernel + first.bias, 0) @ second.kernel + second.bias
    part = dc.Sequential([dc.Input((5, 4)), first, second], dtype="float64")
    np.testing.assert_allclose(part.predict(x), hidden)
    assert part.output_shape == (None, 5, 2)
    history = model.fit(x, x[:, 0, :1], epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]
    cut = [dc.Input(4), dc.Dense(6), layers.Reshape((2, 3)), dc.Dense(2, "tanh")]
    later = dc.Sequential(cut, dtype="float64", seed=1)
    x = RNG.normal(size=(7, 4))
    wide = (x @ cut[1].kernel).reshape(-1, 2, 3)  # type: ignore[union-attr]
    np.testing.assert_allclose(later.predict(x), np.tanh(wide @ cut[3].kernel))  # type: ignore[union-attr]


# Functions of Python -----------------------------------------------------------------------------


def test_functions_alone_are_activations() -> None:
    for activation in (lambda x: x * x, np.square, lambda x: dc.ops.square(x)):
        model = compiled(dc.Sequential([dc.Input(4), dc.Dense(2, activation), dc.Dense(1)]))
        np.testing.assert_allclose(
            model.activations(X)[0], (X @ model.layers[0].kernel) ** 2, rtol=1e-4, atol=1e-6
        )
        model.fit(X, Y, verbose=0)
    doubled = compiled(dc.Sequential([dc.Input(4), dc.Dense(2), layers.Lambda(lambda x: x * 2)]))
    np.testing.assert_allclose(doubled.predict(X), 2 * doubled.activations(X)[0])

    class Squared(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * inputs

    own = compiled(dc.Sequential([dc.Input(4), Squared(), dc.Dense(1)]))
    own.fit(X, Y, verbose=0)
    np.testing.assert_allclose(own.activations(X)[0], X * X)
    of_rows = dc.Dense(3, lambda x: x / x.sum(axis=1)[:, None])
    shares = compiled(dc.Sequential([dc.Input(4), of_rows], seed=0))
    np.testing.assert_allclose(shares.predict(X).sum(axis=1), 1, rtol=1e-4)
    shares.fit(X, X[:, :3], verbose=0)


def test_a_lambda_of_symbols_is_the_layers_that_it_calls() -> None:
    a, b = dc.Input(3), dc.Input(3)
    distance = layers.Lambda(lambda pair: dc.backend.abs(pair[0] - pair[1]))([a, b])
    model = compiled(dc.Model([a, b], layers.Dense(1)(distance)))
    p, q = X[:, :3], X[:, 1:]
    np.testing.assert_allclose(dc.Model([a, b], distance).predict([p, q]), np.abs(p - q))
    model.fit([p, q], Y, verbose=0)
    again = dc.models.model_from_json(model.to_json())
    assert again.output_shape == (None, 1)


# Embedding ---------------------------------------------------------------------------------------


def embedded(**options: Any) -> Any:
    user, item = dc.Input((1,), name="user"), dc.Input((1,), name="item")
    parts = [
        layers.Flatten()(layers.Embedding(10, 3, name="users")(user)),
        layers.Flatten()(layers.Embedding(7, 3)(item)),
    ]
    return dc.Model([user, item], layers.Dot(axes=1)(parts), **options)


def test_embeddings_are_rows_of_a_table() -> None:
    users, items = RNG.integers(0, 9, 60), RNG.integers(0, 7, 60)
    model = compiled(embedded(seed=0))
    table = model.get_layer("users").embeddings
    assert table.shape == (10, 3)
    assert np.abs(table).max() <= 0.05
    before = table.copy()
    history = model.fit([users, items], Y, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert (table[9] == before[9]).all()
    assert (table[users] != before[users]).any()
    u, v = model.get_weights()
    np.testing.assert_allclose(
        model.predict([users, items])[:, 0], (u[users] * v[items]).sum(axis=1), rtol=1e-4, atol=1e-6
    )


def test_embeddings_say_what_they_do_not_take() -> None:
    model = compiled(embedded(seed=0))
    for users, text in (([9, 10], "10"), ([0.5, 1], "0.5"), ([-1, 0], "-1")):
        with pytest.raises(ValueError, match=text):
            model.fit([np.array(users), np.zeros(2)], Y[:2], verbose=0)
    with pytest.raises(ValueError, match="found an input that a layer computes"):
        dc.Sequential([dc.Input(4), dc.Dense(2), layers.Embedding(3, 2)])


def test_an_embedding_begins_with_given_weights(tmp_path: Path) -> None:
    table = RNG.normal(size=(5, 2)).astype(np.float32)
    layer = layers.Embedding(5, 2, weights=[table], trainable=False, input_length=3)
    model = compiled(dc.Sequential([layer, layers.Flatten(), layers.Dense(1)]))
    ids = RNG.integers(0, 5, (60, 3))
    assert model.output_shape == (None, 1)
    np.testing.assert_array_equal(model.activations(ids)[0].reshape(60, 3, 2), table[ids])
    model.fit(ids, Y, verbose=0)
    assert (layer.embeddings == table).all()
    model.save(tmp_path / "m")
    assert (dc.load_model(tmp_path / "m").predict(ids) == model.predict(ids)).all()
    lenient = dc.Sequential([dc.Input(1), layers.Embedding(5, 2, missing=True)])
    found = lenient.predict(np.array([[np.nan], [7], [2]]))
    assert (found[0] == found[1]).all()
    single = dc.Sequential([dc.Input(()), layers.Embedding(5, 2)])
    assert single.predict(np.arange(4)).shape == (4, 2)


def test_penalties_of_what_layers_put_out() -> None:
    for hidden in (
        [layers.Dense(6, "relu", activity_regularizer=dc.regularizers.L1(0.1))],
        [layers.Dense(6, "relu"), layers.ActivityRegularization(l1=0.1)],
    ):
        model = compiled(dc.Sequential([dc.Input(4), *hidden, layers.Dense(1)], seed=0))
        plain = float(np.mean((model.predict(X) - Y) ** 2))
        penalty = 0.1 * np.abs(model.activations(X)[0]).sum() / len(X)
        assert model.evaluate(X, Y) == pytest.approx(plain + penalty, rel=1e-5)
        again = dc.Sequential.from_config(model.get_config())
        assert again.evaluate(X, Y) > 0


# Several outputs ---------------------------------------------------------------------------------


def two_outputs(**options: Any) -> Any:
    x = dc.Input(4)
    hidden = layers.Dense(8, "relu")(x)
    value = layers.Dense(1, name="value")(hidden)
    kind = layers.Dense(3, "softmax", name="kind")(hidden)
    return dc.Model(x, [value, kind], **options)


KINDS = RNG.integers(0, 3, 60)
LOSSES = ["mse", "sparse_categorical_crossentropy"]


def test_several_outputs_are_trained_together() -> None:
    model = compiled(
        two_outputs(seed=0),
        loss=LOSSES,
        loss_weights=[1.0, 0.5],
        metrics={"value": "mae", "kind": ["accuracy"]},
    )
    assert model.metrics_names == [
        "loss", "value_loss", "kind_loss", "value_mae", "kind_accuracy"
    ]  # fmt: skip
    history = model.fit(X, [Y, KINDS], epochs=3, verbose=0, validation_split=0.2).history
    assert set(history) == {
        prefix + name for prefix in ("", "val_") for name in model.metrics_names
    }
    found = model.evaluate(X, {"kind": KINDS, "value": Y}, return_dict=True)
    value, kind = model.predict(X)
    assert (value.shape, kind.shape) == ((60, 1), (60, 3))
    assert found["value_loss"] == pytest.approx(np.mean((value - Y) ** 2), rel=1e-5)
    expected = -np.log(kind[np.arange(60), KINDS]).mean()
    assert found["kind_loss"] == pytest.approx(expected, rel=1e-5)
    assert found["loss"] == pytest.approx(found["value_loss"] + 0.5 * expected, rel=1e-5)
    assert found["kind_accuracy"] == pytest.approx(np.mean(kind.argmax(axis=1) == KINDS))
    assert found["value_mae"] == pytest.approx(np.mean(np.abs(value - Y)), rel=1e-5)
    assert len(model.train_on_batch(X, [Y, KINDS])) == 5
    assert [metric.name for metric in model.metrics] == ["mae", "accuracy"]


def test_several_outputs_learn_what_single_ones_do() -> None:
    """Two outputs without a common layer are two models."""
    x = dc.Input(4)
    one, two = layers.Dense(1, name="one")(x), layers.Dense(2, name="two")(x)
    model = compiled(dc.Model(x, {"p": one, "q": two}, dtype="float64", seed=0), loss="mse")
    single = compiled(dc.Sequential([dc.Input(4), dc.Dense(2)], dtype="float64"))
    single.set_weights(model.get_layer("two").get_weights())
    q = X[:, :2].astype(float)
    model.fit(X, {"p": Y, "q": q}, epochs=3, verbose=0, shuffle=False)
    single.fit(X, q, epochs=3, verbose=0, shuffle=False)
    np.testing.assert_allclose(model.get_layer("two").kernel, single.layers[0].kernel, rtol=1e-12)
    assert set(model.predict(X)) == {"p", "q"}
    assert model.metrics_names == ["loss", "p_loss", "q_loss"]


def test_weights_of_rows_by_output() -> None:
    w = RNG.uniform(0.1, 2, 60)
    given: list[Any] = [{"value": w}, [w, np.ones(60)], [w, None]]
    histories = []
    for weights in given:
        model = compiled(two_outputs(seed=0), loss=LOSSES)
        histories.append(model.fit(X, [Y, KINDS], sample_weight=weights, verbose=0).history)
    assert histories[0] == histories[1] == histories[2]
    plain = compiled(two_outputs(seed=0), loss=LOSSES).fit(X, [Y, KINDS], verbose=0).history
    assert plain != histories[0]
    model = compiled(two_outputs(seed=0), loss=LOSSES)
    model.fit(X, [Y, KINDS], sample_weight=w, verbose=0, validation_split=0.2)
    with pytest.raises(ValueError, match="class_weight: found one for a model of several outputs"):
        model.fit(X, [Y, KINDS], class_weight={0: 1.0})
    with pytest.raises(
        ValueError, match="sample_weight: found the name 'kinds', wanted value, kind"
    ):
        model.fit(X, [Y, KINDS], sample_weight={"kinds": w})


def test_an_output_without_a_loss_is_not_trained() -> None:
    model = compiled(two_outputs(seed=0), loss={"kind": LOSSES[1]})
    before = model.get_layer("value").kernel.copy()
    for y in ({"kind": KINDS}, [None, KINDS], [KINDS]):
        model.fit(X, y, verbose=0)
    assert (model.get_layer("value").kernel == before).all()
    assert model.metrics_names == ["loss", "kind_loss"]


def test_own_losses_of_several_outputs() -> None:
    def squared(y_true: Any, y_pred: Any) -> Any:
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def crossed(y_true: Any, y_pred: Any) -> Any:
        return dc.ops.sparse_categorical_crossentropy(y_true, y_pred)

    metrics = [["mae"], ["accuracy"]]
    expected = compiled(two_outputs(seed=0), loss=LOSSES, metrics=metrics)
    for losses in ([squared, LOSSES[1]], [squared, crossed]):
        model = compiled(two_outputs(seed=0), loss=losses, metrics=metrics)
        found = model.fit(X, [Y, KINDS], verbose=0, validation_split=0.2).history
        other = compiled(two_outputs(seed=0), loss=LOSSES, metrics=metrics)
        wanted = other.fit(X, [Y, KINDS], verbose=0, validation_split=0.2).history
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4)
        np.testing.assert_allclose(model.parameters, other.parameters, rtol=1e-3, atol=1e-5)
    assert expected.metrics_names == model.metrics_names


def test_several_outputs_are_saved_and_copied(tmp_path: Path) -> None:
    options = {"loss": LOSSES, "loss_weights": {"kind": 2.0}, "metrics": [["mae"], "accuracy"]}
    model = compiled(two_outputs(seed=0), **options)
    model.fit(X, [Y, KINDS], verbose=0)
    model.save(tmp_path / "m")
    for again in (
        dc.load_model(tmp_path / "m"),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        assert again.evaluate(X, [Y, KINDS]) == model.evaluate(X, [Y, KINDS])
        again.fit(X, [Y, KINDS], verbose=0)
    model.fit(X, [Y, KINDS], verbose=0)
    assert again.evaluate(X, [Y, KINDS]) == model.evaluate(X, [Y, KINDS])


def test_own_loops_with_several_outputs() -> None:
    model = two_outputs(dtype="float64", seed=0)
    x = X.astype(float)
    value, kind = model.forward(x)
    model.backward([np.ones_like(value), None])
    gradients = model.gradients.copy()
    model.forward(x)
    model.backward({"value": np.ones_like(value), "kind": np.zeros_like(kind)})
    assert (model.gradients == gradients).all()
    assert (model.get_layer("kind").kernel_gradient == 0).all()
    with pytest.raises(ValueError, match=r"grad_output of kind: found shape \(60, 2\)"):
        model.backward([np.ones_like(value), kind[:, :2]])
    trunk = dc.Model(model.input, model.get_layer("value").output)
    assert (trunk.predict(x) == model.predict(x)[0]).all()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"loss": ["mse"]},
            ValueError,
            "loss: found 1 entries, wanted one for each of the outputs",
        ),
        (
            {"loss": {"kinds": "mse"}},
            ValueError,
            "loss: found the name 'kinds', wanted value, kind",
        ),
        ({"loss": LOSSES, "metrics": ["mae"]}, ValueError, "metrics: found 1 entries"),
        ({"loss": LOSSES, "metrics": "mae"}, TypeError, "metrics: found str, wanted a list"),
        ({"loss": LOSSES, "loss_weights": [1.0]}, ValueError, "loss_weights: found 1 entries"),
        (
            {"loss": LOSSES, "loss_weights": {"kind": -1}},
            ValueError,
            "loss_weights of kind: found -1",
        ),
        (
            {"loss": ["mse", None], "metrics": {"kind": "acc"}},
            ValueError,
            "kind, which has no loss",
        ),
        ({"loss": [None, None]}, ValueError, "compile: found no loss"),
    ],
)
def test_wrong_compilations_of_several_outputs(options: Any, error: Any, text: str) -> None:
    model = compiled(two_outputs(), loss=LOSSES)
    before = model.evaluate(X, [Y, KINDS])
    with pytest.raises(error, match=text):
        model.compile("sgd", **options)
    assert model.evaluate(X, [Y, KINDS]) == before


@pytest.mark.parametrize(
    ("y", "text"),
    [
        ({"value": Y}, "y: found no 'kind' in a dictionary"),
        ([Y], "y: found 1 parts, wanted value, kind"),
        ([Y[:5], KINDS], r"y of value: found shape \(5, 1\)"),
        ([Y, KINDS + 3], "y of kind: found class"),
    ],
)
def test_wrong_targets_of_several_outputs(y: Any, text: str) -> None:
    model = compiled(two_outputs(), loss=LOSSES)
    with pytest.raises(ValueError, match=text):
        model.fit(X, y, verbose=0)


def test_losses_of_a_single_output_by_name() -> None:
    model = compiled(two_inputs(), loss={"dense_2": "mse"}, metrics={"dense_2": "mae"})
    model.fit([A, B], {"dense_2": Y}, verbose=0)
    assert model.metrics_names == ["loss", "mae"]


def test_more_of_what_symbols_do() -> None:
    x = dc.Input(4)
    model = dc.Model(x, layers.Concatenate()([x[:, :2], x[:, 3], dc.ops.relu(x)]))
    expected = np.hstack([X[:, :2], X[:, 3:], np.maximum(X, 0)])
    np.testing.assert_array_equal(model.predict(X), expected)
    squares = dc.ops.sqrt(dc.ops.sum(dc.ops.square(x), axis=1, keepdims=True))
    np.testing.assert_allclose(
        dc.Model(x, squares).predict(X)[:, 0], np.linalg.norm(X, axis=1), rtol=1e-5
    )
    mean = dc.ops.mean(x, axis=-1)
    np.testing.assert_allclose(dc.Model(x, mean).predict(X), X.mean(axis=1), atol=1e-6)
    again = dc.models.model_from_json(model.to_json())
    np.testing.assert_array_equal(again.predict(X), expected)
    np.testing.assert_array_equal(dc.Model(x, x[:, ::2]).predict(X), X[:, ::2].astype("float32"))
    hidden = layers.Dense(3)(x)
    part = dc.Model(x, [hidden, hidden[:, 1:], hidden[:, 0]])
    whole, last, first = part.predict(X)
    np.testing.assert_array_equal(np.hstack([first[:, None], last]), whole)
    assert part.count_params() == 15
    assert layers.TimeDistributed(dc.Dense(2)).units == 2


def test_a_class_whose_constructor_gives_inputs_and_outputs() -> None:
    class Mine(dc.Model):
        def __init__(self, units: int) -> None:
            x = dc.Input(4)
            super().__init__(inputs=x, outputs=layers.Dense(1)(layers.Dense(units)(x)))

        def doubled(self, x: Any) -> Any:
            return 2 * self.predict(x)

    model = compiled(Mine(3))
    model.fit(X, Y, verbose=0)
    assert (model.doubled(X) == 2 * model.predict(X)).all()
    assert isinstance(model, dc.Model)


def test_results_of_a_batch_by_name() -> None:
    model = compiled(two_inputs(), metrics=["mae"])
    assert set(model.train_on_batch([A, B], Y, return_dict=True)) == {"loss", "mae"}

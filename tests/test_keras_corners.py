"""Corners of Keras's interface that scripts use, each of which stopped one."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, ops

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")


@pytest.mark.parametrize("kind", [layers.LayerNormalization, layers.RMSNormalization])
def test_each_vector_of_rows_is_normalised(kind: Any) -> None:
    x = np.random.default_rng(1).normal(size=(6, 4, 3)).astype("float32")
    model = dc.Sequential([dc.Input((4, 3)), kind(), layers.Flatten(), layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    alone = dc.Sequential([dc.Input(3), kind()], seed=0)
    weight = model.layers[0].weights[0]
    assert weight.shape == (3,)
    model.fit(x, x[:, 0, :1], epochs=2, verbose=0)
    assert (weight != 1).all()
    alone.layers[0].set_weights(model.layers[0].get_weights())
    inner = dc.Model(model.input, model.layers[0].output)
    np.testing.assert_array_equal(
        inner.predict(x), alone.predict(x.reshape(24, 3)).reshape(6, 4, 3)
    )


def test_inputs_of_merging_layers_broadcast() -> None:
    """The gates of a mixture of experts: (3, 4) times (3, 1)."""
    first = dc.Input(3)
    experts = layers.Reshape((3, 4))(layers.Dense(12)(first))
    gates = layers.Reshape((3, 1))(layers.Dense(3, "softmax")(first))
    for kind in (layers.Multiply, layers.Add, layers.Maximum):
        model = dc.Model(first, [kind()([experts, gates]), experts, gates])
        found, one, other = model.predict(X)
        np.testing.assert_allclose(found, kind()([one, other]), rtol=1e-6)
    again = dc.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert (again.predict(X)[0] == found).all()


def test_cosines_of_matrices() -> None:
    a, b = dc.Input((4, 3)), dc.Input((2, 3))
    x, y = np.random.default_rng(2).normal(size=(2, 5, 4, 3)).astype("float32")
    y = y[:, :2]
    model = dc.Model([a, b], layers.Dot(axes=(2, 2), normalize=True)([a, b]))
    unit = [part / np.linalg.norm(part, axis=-1, keepdims=True) for part in (x, y)]
    np.testing.assert_allclose(
        model.predict([x, y]), unit[0] @ unit[1].transpose(0, 2, 1), atol=1e-6
    )
    column = layers.Dot(axes=1, normalize=True)  # of a word, as an embedding of one gives it
    c = dc.Input((3, 1))
    model = dc.Model(c, column([c, c]))
    np.testing.assert_allclose(model.predict(x[:, 0, :, None]).ravel(), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="wanted vectors along the last axis"):
        dc.Model([a, b], layers.Dot(axes=(1, 1), normalize=True)([a, a])).predict([x, y])


def test_constants_may_be_arrays_of_one_and_initializers_none() -> None:
    layer = layers.Dense(1, bias_initializer=dc.initializers.Constant(np.log([0.25])))
    layer.build((None, 3))
    assert layer.bias[0] == pytest.approx(np.log(0.25))
    layer = layers.Dense(1, bias_initializer=None)
    layer.build((None, 3))
    assert (layer.bias != 0).all()


def test_targets_may_be_rounded_below_their_limit() -> None:
    model = dc.Sequential([dc.Input(3), layers.Dense(1, "softplus")], seed=0)
    model.compile("sgd", "mean_squared_logarithmic_error")
    y = np.full(12, -2e-15)
    model.fit(X, y, verbose=0)
    with pytest.raises(ValueError, match=r"found -0\.001 in row 3, wanted numbers >= 0"):
        model.fit(X, np.where(np.arange(12) == 3, -0.001, y), verbose=0)


def test_normalize_within_a_loss() -> None:
    def cosine(y_true: Any, y_pred: Any) -> Any:
        return -ops.sum(dc.utils.normalize(y_pred, axis=1) * y_true, axis=-1)

    model = dc.Sequential([dc.Input(3), layers.Dense(3)], seed=0)
    model.compile("sgd", cosine)
    y = dc.utils.normalize(X)
    history = model.fit(X, y, epochs=5, batch_size=12, verbose=0).history["loss"]
    outputs = model.predict(X)
    lengths = np.linalg.norm(outputs, axis=1)
    assert history[-1] < history[0]
    assert model.evaluate(X, y) == pytest.approx(-((outputs * y).sum(axis=1) / lengths).mean())


def test_build_without_shapes_and_stacks_within_layers() -> None:
    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = dc.Sequential([layers.Dense(4, "tanh"), layers.Dense(3)])

        def build(self) -> None:
            self.built = True

        def call(self, x: Any) -> Any:
            return x + self.inner(x)

    block = Block()
    model = dc.Sequential([dc.Input(3), block])
    assert block.inner.count_params() == 31
    assert [w.shape for w in block.inner.weights] == [(3, 4), (4,), (4, 3), (3,)]
    assert model.count_params() == 31


def test_variables_know_whether_they_are_trained() -> None:
    model = dc.Sequential([dc.Input(3), layers.BatchNormalization()])
    assert [v.trainable for v in model.variables] == [True, True, False, False]


def test_loaded_optimizers_count_on(tmp_path: Any) -> None:
    model = dc.Sequential([dc.Input(3), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, X[:, 0], batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    again = dc.models.load_model(tmp_path / "model.keras")
    assert again.optimizer is not None
    assert again.optimizer.iterations == 3


def test_several_thresholds_and_options_of_metrics() -> None:
    metric = dc.metrics.Precision(thresholds=[0.3, 0.6])
    y, scores = [0, 1, 1, 1], [1.0, 0, 1, 0.5]
    metric.update_state(y, scores)
    wanted = [dc.metrics.Precision(thresholds=t)(y, scores) for t in (0.3, 0.6)]
    assert metric.result().tolist() == wanted
    metric.reset_state()
    assert metric.result().tolist() == [0, 0]
    model = dc.Sequential([dc.Input(3), layers.Dense(1, "sigmoid")])
    with pytest.raises(ValueError, match="thresholds: found 2, wanted one"):
        model.compile("sgd", "bce", metrics=[metric])
    assert dc.metrics.CosineSimilarity(axis=1)([[0.0, 1.0]], [[0.0, 2.0]]) == pytest.approx(1)
    with pytest.raises(ValueError, match="axis: found 0, wanted -1"):
        dc.metrics.CosineSimilarity(axis=0)
    assert dc.metrics.R2Score(class_aggregation="uniform_average").name == "r2_score"
    with pytest.raises(ValueError, match="class_aggregation: found None, wanted 'uniform_average'"):
        dc.metrics.R2Score(class_aggregation=None)


def test_distributions_and_dropout_of_arrays() -> None:
    random = dc.random
    drawn = random.beta((4000,), 2.0, 6.0, seed=0)
    assert drawn.mean() == pytest.approx(0.25, abs=0.02)
    assert random.gamma((4000,), 3.0, seed=0).mean() == pytest.approx(3, abs=0.2)
    dropped = random.dropout(np.ones((1000, 4), "float32"), 0.25, (1000, 1), seed=0)
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(4 / 3)}
    assert (dropped == dropped[:, :1]).all()
    with pytest.raises(ValueError, match="alpha: found 0, wanted numbers > 0"):
        random.gamma((2,), 0)


class Bias(layers.Layer):
    """A column of ones, by the number of rows, and a vector for all rows."""

    def __init__(self, units: int = 2, **general: Any) -> None:
        super().__init__(**general)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(shape=(self.units,), initializer="ones")

    def call(self, x: Any) -> Any:
        rows = ops.shape(x)[0]
        ones = ops.ones((rows, 1))
        spread = ops.broadcast_to(ops.exp(self.w), (rows, self.units))
        return ops.concatenate([x, ones, spread, ops.full((rows, 1), 0.5)], axis=-1)


def test_the_number_of_rows_in_a_call() -> None:
    model = dc.Sequential([dc.Input(3), Bias(), layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.fit(X, X[:, 0], verbose=0)
    inner = dc.Model(model.input, model.layers[0].output).predict(X)
    weight = np.asarray(model.layers[0].w)
    assert (weight != 1).all()
    wanted = np.concatenate([X, np.tile([1.0, *np.exp(weight), 0.5], (12, 1))], axis=1)
    np.testing.assert_allclose(inner, wanted, rtol=1e-6)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize(
    "make",
    [lambda: layers.Dense(2, "tanh", name="d"), layers.BatchNormalization, Bias, layers.ReLU],
)
def test_layers_alone_are_copied(make: Any, again: Any) -> None:
    layer = make()
    assert type(again(layer)) is type(layer)
    outputs = layer(X)
    other = again(layer)
    assert other.name == layer.name
    assert (other(X) == outputs).all()
    model = dc.Sequential([dc.Input(3), make()], seed=1)
    assert (again(model.layers[0])(X) == model.predict(X)).all()
    assert (model(X) == model.predict(X)).all()


def test_files_without_an_optimizer(tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(3), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, X[:, 0], verbose=0)
    model.save(tmp_path / "model.keras", include_optimizer=False)
    again = dc.models.load_model(tmp_path / "model.keras")
    assert again.optimizer is None
    assert (again.predict(X) == model.predict(X)).all()

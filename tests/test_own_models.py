"""Custom models: subclasses of `Model` with a `call`, which becomes a graph of layers."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, ops

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = X[:, :1] * X[:, 1:2]


class Net(dc.Model):
    def __init__(self, units: int = 8, rate: float = 0.0, **general: Any) -> None:
        super().__init__(**general)
        self.hidden = [layers.Dense(units, "tanh"), layers.Dense(units, "relu")]
        self.drop = layers.Dropout(rate)
        self.end = layers.Dense(1, name="end")

    def call(self, x: Any, training: Any = False) -> Any:
        for layer in self.hidden:
            x = layer(x)
        if training:
            x = self.drop(x, training=training)
        return self.end(x)


def trained(model: Any, x: Any = X, y: Any = Y, **options: Any) -> Any:
    model.compile(dc.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(x, y, epochs=2, verbose=0, **options)
    return model


def test_it_is_the_functional_model() -> None:
    own = Net(seed=1)
    assert own.weights == []
    assert not own.built
    with pytest.raises(RuntimeError, match=r"model net: it does not know its inputs: call build"):
        own.save_weights("nowhere")
    own.build((None, 4))
    i = dc.Input(4)
    first, second, end = layers.Dense(8, "tanh"), layers.Dense(8, "relu"), layers.Dense(1)
    plain = dc.Model(i, end(second(first(i))), seed=1)
    plain.set_weights(own.get_weights())
    for model in (own, plain):
        trained(model)
    assert (own.predict(X) == plain.predict(X)).all()
    assert own.evaluate(X, Y) == plain.evaluate(X, Y)
    assert [layer.name for layer in own.layers] == ["dense", "dense_1", "dropout", "end"]
    assert own.get_layer("end") is own.end
    assert own.output_shape == (None, 1)
    assert own.name == "net"
    said: list[str] = []
    own.summary(print_fn=said.append)
    assert "dense_1 (Dense)" in said[0]
    assert "Total params: 121 (" in said[0]
    Net().summary(print_fn=said.append)
    assert "not built yet" in said[1]


def test_dropout_under_a_condition_drops_out_in_training_only() -> None:
    model = trained(Net(32, 0.5, seed=0))
    assert (model(X) == model.predict(X)).all()
    assert not (model(X, training=True) == model.predict(X)).all()


def test_files_copies_pickles_and_clones(tmp_path: Path) -> None:
    model = trained(Net(5))
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="found the class 'Net', which is not known here, wanted"):
        dc.load_model(tmp_path / "m.keras")
    loaded = dc.load_model(tmp_path / "m.keras", custom_objects={"Net": Net})
    model.save_weights(tmp_path / "w.weights.h5")
    other = Net(5)
    other.build((None, 4))
    other.load_weights(tmp_path / "w.weights.h5")
    cloned = dc.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    read = dc.models.model_from_json(model.to_json(), custom_objects={"Net": Net})
    read.set_weights(model.get_weights())
    copies = [loaded, other, cloned, read, copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for one in copies:
        assert isinstance(one, Net)
        assert (one.predict(X) == model.predict(X)).all()
    for one in (loaded, copies[-1]):  # training goes on where it stopped
        again = copy.deepcopy(model)
        for continued in (one, again):
            continued.seed = 5
            continued.fit(X, Y, verbose=0)
        assert (one.predict(X) == again.predict(X)).all()


def test_constructors_that_take_models(tmp_path: Path) -> None:
    class Pair(dc.Model):
        def __init__(self, encoder: Any, decoder: Any) -> None:
            super().__init__()
            self.encoder, self.decoder = encoder, decoder

        def call(self, x: Any) -> Any:
            return self.decoder(self.encoder(x))

    pair = Pair(dc.Sequential([dc.Dense(2, "tanh")]), dc.Sequential([dc.Dense(4)]))
    trained(pair, X, X)
    assert pair.encoder.predict(X).shape == (60, 2)
    np.testing.assert_allclose(
        pair.decoder.predict(pair.encoder.predict(X)), pair.predict(X), rtol=1e-5, atol=1e-6
    )
    pair.save(tmp_path / "p.keras")
    loaded = dc.load_model(tmp_path / "p.keras", custom_objects={"Pair": Pair})
    assert (loaded.predict(X) == pair.predict(X)).all()


def test_blocks_within_blocks() -> None:
    class Block(dc.Model):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.inner = Net(units)
            self.widen = layers.Dense(units)

        def call(self, x: Any, training: Any = None) -> Any:
            return x + self.widen(self.inner(x, training=training))

    model = trained(dc.Sequential([Block(4), Block(4), layers.Dense(1)]))
    assert len(model.weights) == 2 * 8 + 2
    assert [layer.name for layer in model.layers] == ["block", "block_1", "dense"]
    whole = trained(dc.Model(i := dc.Input(4), layers.Dense(1)(Block(4)(i))))
    assert whole.count_params() == 20 + 20 + 5 + 8 + 5
    frozen = Block(4)
    frozen.trainable = False
    model = dc.Sequential([frozen, layers.Dense(1)])
    model.build((None, 4))
    before = model.get_weights()
    trained(model)
    assert sum((a == b).all() for a, b in zip(before, model.get_weights(), strict=True)) >= 8


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    class Two(dc.Model):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = layers.Dense(6, "relu")
            self.value, self.kind = layers.Dense(1), layers.Dense(1, "sigmoid")

        def call(self, inputs: Any) -> Any:
            h = self.trunk(ops.concatenate([inputs["a"], inputs["b"]], axis=-1))
            return {"value": self.value(h), "kind": self.kind(h)}

    model = Two()
    kinds = (Y > 0).astype(np.float32)
    model.compile(
        "adam",
        {"value": "mse", "kind": "binary_crossentropy"},
        metrics={"kind": ["accuracy"]},
        loss_weights={"value": 0.5},
    )
    x = {"a": X[:, :1], "b": X[:, 1:], "unused": X}
    history = model.fit(x, {"value": Y, "kind": kinds}, epochs=2, verbose=0, validation_split=0.2)
    assert {"loss", "value_loss", "kind_accuracy", "val_value_loss"} <= history.history.keys()
    found = model.predict(x)
    assert {key: part.shape for key, part in found.items()} == {"value": (60, 1), "kind": (60, 1)}
    model.save(tmp_path / "two")
    loaded = dc.load_model(tmp_path / "two", custom_objects={"Two": Two})
    assert (loaded.predict(x)["kind"] == found["kind"]).all()

    class Listed(Two):
        def call(self, inputs: Any) -> Any:
            left, right = inputs
            out = super().call({"a": left, "b": right})
            return out["value"], out["kind"]

    model = Listed()
    model.compile("adam", ["mse", "binary_crossentropy"])
    model.fit((X[:, :1], X[:, 1:]), (Y, kinds), verbose=0)
    assert [part.shape for part in model.predict([X[:, :1], X[:, 1:]])] == [(60, 1), (60, 1)]


def test_batches_from_a_generator_and_own_loops() -> None:
    def batches() -> Any:
        while True:
            yield X[:20], Y[:20]

    model = Net()
    model.compile("adam", "mse")
    model.fit(batches(), steps_per_epoch=3, verbose=0)
    loop = Net(seed=2)
    loop.compile(dc.optimizers.SGD(0.1), "mse")
    first = loop.train_on_batch(X, Y)
    out = loop.forward(X)
    loop.backward((2 * (out - Y) / Y.size).astype(np.float32))
    loop.apply_gradients()
    assert loop.evaluate(X, Y) < first


def test_weights_of_the_model_and_build_of_the_user() -> None:
    class Linear(dc.Model):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(input_shape[-1], 2), name="w")
            self.b = self.add_weight(shape=(2,), initializer="zeros", name="b")
            self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)
            self.built = True

        def call(self, x: Any) -> Any:
            return ops.matmul(x, self.w) + self.b

    model = trained(Linear(), X, X[:, :2])
    np.testing.assert_allclose(
        model.predict(X), X @ model.w.numpy() + model.b.numpy(), rtol=1e-5, atol=1e-6
    )
    assert [w.shape for w in model.trainable_weights] == [(4, 2), (2,)]
    assert len(model.weights) == 3
    assert model.count_params() == 11
    model.seen.assign(3.0)
    assert float(copy.deepcopy(model).seen.numpy()) == 3.0


def test_data_that_are_refused_leave_no_graph() -> None:
    model = Net()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="y: "):
        model.fit(X, Y[:7], verbose=0)
    assert not model.built
    wide = np.hstack([X, X])
    model.fit(wide, Y, verbose=0)
    assert model.input_shape == (None, 8)
    with pytest.raises(ValueError, match=r"x: found"):
        model.predict(X)


def test_what_is_refused() -> None:
    class Strange(dc.Model):
        def __init__(self) -> None:
            super().__init__()
            self.norm = layers.BatchNormalization()

        def call(self, x: Any, training: Any = None) -> Any:
            return self.norm(x * 2) if training else x

    with pytest.raises(TypeError, match="class Strange: call: found a condition on training whose"):
        Strange().build((None, 3))
    with pytest.raises(TypeError, match="class Net: found the argument wide"):
        Net(wide=3)
    helper = type("Helper", (dc.Model,), {"double": lambda self, x: x + x})
    kind = type("Mine", (helper,), {"call": lambda self, x: self.double(x)})
    assert (kind().predict(X) == 2 * X).all()

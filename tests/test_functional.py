"""Models that are made by calls with symbols, and layers that several models have."""

import copy
import gc
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = X[:, :1] - X[:, 1:2]


def autoencoder(**options: Any) -> Any:
    x = dc.Input(shape=(4,))
    code = layers.Dense(2, activation="tanh", name="code")(layers.Dense(6, "relu")(x))
    return dc.Model(x, layers.Dense(4, name="out")(code), name="ae", **options)


def compiled(model: Any) -> Any:
    model.compile("sgd", "mse")
    return model


def same(model: Any, other: Any, x: Any = X) -> bool:
    return bool((model.predict(x) == other.predict(x)).all())


# Chains ------------------------------------------------------------------------------------------


def test_a_chain_is_the_same_as_a_stack() -> None:
    x = dc.Input((4,))
    h = layers.BatchNormalization()(layers.Dense(8, "relu")(x))
    model = dc.Model(inputs=x, outputs=dc.Dense(1)(layers.Dropout(0.2)(h)), seed=3)
    stack = dc.Sequential(
        [dc.Input(4), dc.Dense(8, "relu"), layers.BatchNormalization(), layers.Dropout(0.2)], seed=3
    )
    stack.add(dc.Dense(1))
    for each in (model, stack):
        each.compile("adam", "mse", metrics=["mae"])
    fitted = [each.fit(X, Y, epochs=3, verbose=0, validation_split=0.2) for each in (model, stack)]
    assert fitted[0].history == fitted[1].history
    assert (model.parameters == stack.parameters).all()
    assert same(model, stack)
    assert model.train_on_batch(X, Y) == stack.train_on_batch(X, Y)


def test_symbols_say_what_they_are() -> None:
    x = dc.Input(shape=(4,), name="features")
    hidden = layers.Dense(8, name="hidden")(x)
    assert x.shape == (None, 4)
    assert hidden.shape == (None, 8)
    assert (hidden.ndim, hidden.dtype, hidden.name) == (2, "float32", "hidden")
    model = dc.Model(x, layers.Dense(2)(hidden))
    assert model.input is x
    assert model.inputs == [x]
    assert model.output_shape == (None, 2)
    assert model.input_shape == (None, 4)
    assert model.input_names == ["features"]
    assert model.output_names == ["dense"]
    assert model.get_layer("hidden").output is hidden
    assert model.get_layer("hidden").input is x
    assert model.layers[0] is x
    assert [layer.name for layer in model.layers] == ["features", "hidden", "dense"]
    assert isinstance(model, dc.Model)
    with pytest.raises(TypeError, match=r"has no numbers: it describes a model"):
        np.asarray(hidden)
    with pytest.raises(TypeError, match="cannot be taken apart"):
        list(hidden)


def test_layers_have_weights_as_soon_as_they_are_called_with_a_symbol() -> None:
    layer = layers.Dense(3)
    symbol = layer(dc.Input((4,)))
    kernel = layer.kernel.copy()
    assert kernel.shape == (4, 3)
    layer.set_weights([kernel + 1, np.ones(3)])
    model = dc.Model(layer.input, symbol)
    assert (model.get_weights()[0] == kernel + 1).all()


def test_a_stack_has_symbols_too() -> None:
    stack = dc.Sequential([dc.Input(4), dc.Dense(3, "relu", name="h"), dc.Dense(1)])
    features = dc.Model(stack.inputs, stack.get_layer("h").output)
    np.testing.assert_array_equal(features.predict(X), stack.activations(X)[0])
    assert stack.output.shape == (None, 1)
    late = dc.Sequential([dc.Dense(3), dc.Dense(1)])
    with pytest.raises(RuntimeError, match="does not know its inputs and outputs yet"):
        late.outputs  # noqa: B018
    with pytest.raises(AttributeError, match="has no output yet"):
        late.layers[0].output if late.layers[0]._nodes else dc.Dense(2).output
    late.build(4)
    assert late.layers[0].output.shape == (None, 3)


def test_an_activation_that_others_do_not_see_is_fused_only_then() -> None:
    x = dc.Input(4)
    linear = layers.Dense(3)(x)
    model = dc.Model(x, layers.Activation("relu")(linear))
    before = dc.Model(x, linear)
    np.testing.assert_array_equal(np.maximum(before.predict(X), 0), model.predict(X))


# Models in models --------------------------------------------------------------------------------


def test_models_are_called_as_layers() -> None:
    encoder = dc.Sequential([dc.Input(4), dc.Dense(2, "tanh")], name="encoder")
    z = dc.Input(2)
    decoder = dc.Model(z, layers.Dense(4)(z), name="decoder")
    x = dc.Input(4)
    joint = compiled(dc.Model(x, decoder(encoder(x)), seed=0))
    assert [layer.name for layer in joint.layers][1:] == ["encoder", "decoder"]
    assert joint.layers[1] is encoder
    assert joint.get_layer("decoder") is decoder
    assert joint.count_params() == encoder.count_params() + decoder.count_params() == 22
    before = encoder.predict(X)
    joint.fit(X, X, epochs=2, verbose=0)
    assert (encoder.predict(X) != before).any()
    assert (decoder.predict(encoder.predict(X)) == joint.predict(X)).all()
    encoder.set_weights([array * 0 for array in encoder.get_weights()])
    assert (joint.predict(X) == joint.get_weights()[-1]).all()


def test_models_stand_in_stacks() -> None:
    inner = dc.Sequential([dc.Dense(5, "relu"), dc.Dense(3)])
    model = compiled(dc.Sequential([dc.Input(4), inner, dc.Dense(1)], seed=1))
    flat = [dc.Input(4), dc.Dense(5, "relu"), dc.Dense(3), dc.Dense(1)]
    plain = compiled(dc.Sequential(flat, seed=1))
    for each in (model, plain):
        each.fit(X, Y, epochs=2, verbose=0)
    assert (model.parameters == plain.parameters).all()
    assert inner.predict(X).shape == (40, 3)
    twice = dc.Sequential([dc.Sequential([dc.Input(4), dc.Dense(3)]), dc.Sequential([dc.Dense(2)])])
    assert twice.output_shape == (None, 2)
    assert [layer.name for layer in twice.layers] == ["sequential", "sequential_1"]
    assert [layer.name for layer in twice.layers[1].layers] == ["dense"]
    said: list[str] = []
    model.summary(print_fn=said.append)
    assert "sequential (Sequential)" in said[0]
    assert "Total params: 47" in said[0]


def test_nested_models_are_saved_and_copied(tmp_path: Path) -> None:
    inner = dc.Model(z := dc.Input(2), layers.Dense(4)(z))
    model = dc.Sequential([dc.Input(4), layers.Dense(2, "relu"), inner], seed=2)
    model.compile("adam", "mse")
    model.fit(X, X, verbose=0)
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m")
    for again in (loaded, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert same(again, model)
        assert isinstance(again.layers[1], dc.Model)
        assert again.layers[1].layers[1].units == 4
    model.fit(X, X, verbose=0)
    loaded.fit(X, X, verbose=0)
    assert same(loaded, model)
    clone = dc.models.clone_model(model)
    assert clone.count_params() == model.count_params()
    assert not same(clone, model)
    again = dc.models.model_from_json(model.to_json())
    assert again.output_shape == (None, 4)


def test_functional_models_are_saved_and_copied(tmp_path: Path) -> None:
    model = compiled(autoencoder(seed=1, dtype="float64"))
    model.fit(X, X, epochs=2, verbose=0)
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m")
    assert loaded.to_json() == model.to_json()
    assert loaded.name == "ae"
    assert loaded.dtype == "float64"
    for again in (loaded, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert same(again, model)
        again.fit(X, X, epochs=2, verbose=0)
    model.fit(X, X, epochs=2, verbose=0)
    assert same(loaded, model)
    model.save_weights(tmp_path / "w")
    other = autoencoder(dtype="float64")
    other.load_weights(tmp_path / "w")
    assert same(other, model)
    assert not same(dc.models.clone_model(model), model)


@pytest.mark.parametrize(
    "entry",
    [
        {"nodes": [[0, [5]]]},
        {"nodes": [[-1, [0]]]},
        {"nodes": [[0, []]]},
        {"nodes": 3},
        {"outputs": 17},
        {"outputs": []},
        {"outputs": {"a": None}},
        {"input_structure": [0, 0]},
        {"inputs": [{"name": "x", "shape": [0]}]},
        {"layers": []},
        {"layers": [{"class": "Functional"}]},
        {"class": "Graph"},
    ],
)
def test_a_wrong_configuration_is_refused(entry: dict[str, Any]) -> None:
    config = autoencoder().get_config()
    with pytest.raises(ValueError, match=r"found|wanted|known"):
        dc.models.model_from_config({**config, **entry})


# Shared weights ----------------------------------------------------------------------------------


def test_parts_of_a_model_share_its_weights() -> None:
    model = compiled(autoencoder())
    encoder = dc.Model(model.input, model.get_layer("code").output)
    z = dc.Input(2)
    decoder = dc.Model(z, model.layers[-1](z))
    other = dc.Model(model.get_layer("code").output, model.output)
    for _ in range(2):
        model.fit(X, X, verbose=0)
        code = encoder.predict(X)
        assert code.shape == (40, 2)
        assert (decoder.predict(code) == model.predict(X)).all()
        assert (other.predict(code) == model.predict(X)).all()
    # What the parts learn is the whole model's, too.
    compiled(decoder)
    before = model.get_layer("out").kernel.copy()
    assert isinstance(decoder.train_on_batch(code, X), float)
    assert (model.get_layer("out").kernel != before).any()
    decoder.fit(code, X, verbose=0, epochs=2)
    assert (decoder.predict(code) == model.predict(X)).all()
    step = decoder.make_train_step(code, X)
    step()
    step.run(3)
    assert (decoder.predict(code) == model.predict(X)).all()
    predict = decoder.make_predictor(code)
    model.set_weights([array * 2 for array in model.get_weights()])
    assert (predict() == decoder.predict(code)).all()
    out = decoder.forward(code)
    decoder.backward(np.ones_like(out))
    decoder.apply_gradients()
    assert (decoder.get_weights()[0] == model.get_layer("out").kernel).all()
    with pytest.raises(ValueError, match="read-only"):
        decoder.parameters[:] = 0
    decoder.parameters = np.zeros(12)
    assert (model.predict(X) == 0).all()


def test_layers_of_a_stack_are_shared() -> None:
    model = compiled(dc.Sequential([dc.Input(4), dc.Dense(3, "relu"), dc.Dense(2)]))
    head = dc.Sequential(model.layers[:1])
    model.fit(X, X[:, :2], verbose=0)
    assert head.layers[0] is model.layers[0]
    np.testing.assert_array_equal(head.predict(X), model.activations(X)[0])
    larger = compiled(dc.Sequential([*model.layers, dc.Dense(1, name="last")]))
    assert (larger.get_weights()[0] == model.get_weights()[0]).all()
    larger.fit(X, Y, verbose=0)
    assert (larger.get_weights()[0] == model.get_weights()[0]).all()
    np.testing.assert_array_equal(larger.activations(X)[1], model.predict(X))
    model.fit(X, X[:, :2], verbose=0)
    np.testing.assert_array_equal(larger.activations(X)[1], model.predict(X))
    np.testing.assert_array_equal(head.predict(X), model.activations(X)[0])


def test_a_callback_sees_what_is_learnt_so_far() -> None:
    model = autoencoder()
    encoder = dc.Model(model.input, model.get_layer("code").output)
    compiled(encoder)
    seen = []

    class Look(dc.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            codes = encoder.predict(X)
            inner = model.activations(X)[1]
            seen.append(bool((codes == inner).all()))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(bool((encoder.get_weights()[0] == model.get_weights()[0]).all()))

    encoder.fit(X, X[:, :2], epochs=2, verbose=0, callbacks=[Look()])
    compiled(model).fit(X, X, epochs=2, verbose=0, callbacks=[Look()])
    assert seen == [True] * 12


def test_best_weights_come_back_in_a_part() -> None:
    model = autoencoder()
    encoder = compiled(dc.Model(model.input, model.get_layer("code").output))
    stop = dc.callbacks.EarlyStopping(monitor="loss", patience=1, restore_best_weights=True)
    encoder.compile(dc.optimizers.SGD(10.0), "mse")
    encoder.fit(X, X[:, :2], epochs=5, verbose=0, callbacks=[stop])
    assert (encoder.get_weights()[0] == model.get_weights()[0]).all()


def test_a_frozen_base_stays_as_it_is_in_the_new_model() -> None:
    base = compiled(dc.Sequential([dc.Input(4), dc.Dense(3, "relu"), dc.Dense(2)]))
    base.trainable = False
    x = dc.Input(4)
    model = compiled(dc.Model(x, dc.Dense(1)(base(x, training=False))))
    assert len(model.trainable_weights) == 2
    before = base.get_weights()
    model.fit(X, Y, verbose=0)
    assert all((a == b).all() for a, b in zip(before, base.get_weights(), strict=True))
    base.trainable = True
    model.fit(X, Y, verbose=0)
    assert any((a != b).any() for a, b in zip(before, base.get_weights(), strict=True))
    part = compiled(dc.Model(x, base(x)))
    base.layers[0].trainable = False
    kernel = base.layers[0].kernel.copy()
    part.fit(X, X[:, :2], verbose=0)
    assert (base.layers[0].kernel == kernel).all()


def test_a_part_outlives_the_whole() -> None:
    model = autoencoder()
    encoder = dc.Model(model.input, model.get_layer("code").output)
    expected = encoder.predict(X)
    del model
    gc.collect()
    assert (encoder.predict(X) == expected).all()
    compiled(encoder).fit(X, X[:, :2], verbose=0)
    again = dc.Sequential([dc.Input(4), *encoder.layers[1:]])
    assert same(again, encoder)


def test_names_of_layers_of_several_models() -> None:
    a = dc.Sequential([dc.Input(4), dc.Dense(3)])
    b = dc.Sequential([dc.Input(3), dc.Dense(2)])
    joint = dc.Sequential([dc.Input(4), a.layers[0], b.layers[0]])
    assert [layer.name for layer in joint.layers] == ["dense", "dense_1"]
    with pytest.raises(ValueError, match="found the name 'h' twice"):
        dc.Sequential([dc.Input(4), dc.Dense(4, name="h"), dc.Dense(4, name="h")])
    x = dc.Input(4)
    with pytest.raises(ValueError, match="found the name 'h' twice"):
        dc.Model(x, dc.Dense(4, name="h")(dc.Dense(4, name="h")(x)))


def test_data_that_are_refused_cost_no_weights() -> None:
    base = dc.Sequential([dc.Input(4), dc.Dense(3), dc.Dense(2)])
    before = base.get_weights()
    new = compiled(dc.Sequential([*base.layers, dc.Dense(1)]))
    with pytest.raises(ValueError, match="y: found shape"):
        new.fit(X, Y[:3], verbose=0)
    assert all((a == b).all() for a, b in zip(before, base.get_weights(), strict=True))
    new.fit(X, Y, verbose=0)
    assert (new.get_weights()[0] == base.get_weights()[0]).all()
    with pytest.raises(ValueError, match=r"layer dense: found kernel of shape \(4, 3\), wanted"):
        dc.Sequential([dc.Input(7), base.layers[0]])
    assert same(base, base)


# Inputs that no output needs ---------------------------------------------------------------------


def parts_of_two_inputs() -> dict[str, dc.Model]:
    a, b = dc.Input(3, name="a"), dc.Input(2, name="b")
    left, right = layers.Dense(4, "tanh", name="left")(a), layers.Dense(4, name="right")(b)
    whole = dc.Model([a, b], layers.Dense(1)(layers.concatenate([left, right])), seed=0)
    return {
        "a layer of the first": dc.Model(whole.input, whole.get_layer("left").output),
        "a layer of the second": dc.Model(whole.input, whole.get_layer("right").output),
        "the first itself": dc.Model(whole.input, a),
        "the second itself": dc.Model(whole.input, b),
        "several": dc.Model(whole.input, [left, a]),
    }


@pytest.mark.parametrize("name", parts_of_two_inputs())
def test_a_part_takes_the_inputs_of_the_whole(name: str, tmp_path: Path) -> None:
    """As in Keras, where the usual way to a part is ``Model(model.input, layer.output)``."""
    model = parts_of_two_inputs()[name]
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 3)).astype("f"), rng.normal(size=(7, 2)).astype("f")
    found = model.predict({"a": a, "b": b})
    other = model.predict([a, b] if "second" not in name else [a + 1, b])
    last = model.predict([a, b + 1] if "second" not in name else [a, b])
    for one, two, three in zip(*map(as_list, (found, other, last)), strict=True):
        assert one.tobytes() == two.tobytes() == three.tobytes()
    if "itself" in name:
        assert found.tobytes() == (a if "first" in name else b).tobytes()
    if "layer" in name:
        model.save(tmp_path / "part")
        assert dc.load_model(tmp_path / "part").predict([a, b]).tobytes() == found.tobytes()
        model.compile("sgd", "mse")
        before = model.train_on_batch([a, b], np.zeros((7, 4), "f"))
        assert model.evaluate([a, b], np.zeros((7, 4), "f")) < before


@dc.saving.register_keras_serializable("functional")
class TwoEnds(layers.Layer):
    def __init__(self, **general: Any) -> None:
        super().__init__(**general)
        self.first, self.second = layers.Dense(2), layers.Dense(3, activity_regularizer="l2")

    def call(self, x: Any) -> Any:
        return self.first(x), self.second(x)


def encoder() -> dc.Model:
    x = dc.Input(4)
    h = layers.Dense(5, "tanh")(x)
    ends = [layers.Dense(2)(h), layers.Dense(3, "tanh", kernel_regularizer="l2")(h)]
    return dc.Model(x, ends, name="encoder", seed=2)


@pytest.mark.parametrize("kind", [encoder, TwoEnds])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("further", [False, True])
def test_one_of_several_outputs(further: bool, place: int, kind: Any, tmp_path: Path) -> None:
    """The others are there, as in Keras: their weights, and their penalties."""
    inner, x = kind(), dc.Input(4)
    end = inner(x)[place]
    model = dc.Model(x, layers.Dense(1)(end) if further else end, seed=3)
    assert model.count_params() == inner.count_params() + further * (end.row[0] + 1)
    if not further:
        assert model.predict(X).tobytes() == np.asarray(inner(X)[place]).tobytes()
    model.compile("sgd", "mse")
    y = np.zeros_like(model.predict(X))
    before = [array.copy() for array in model.get_weights()]
    plain = np.mean(model.predict(X) ** 2)
    assert model.train_on_batch(X, y) > plain  # the penalty of the second output
    moved = [(a != b).any() for a, b in zip(before, model.get_weights(), strict=True)]
    assert sum(moved) >= 2
    model.save(tmp_path / "model")
    assert dc.load_model(tmp_path / "model").predict(X).tobytes() == model.predict(X).tobytes()
    assert model.freeze()(X).tobytes() == model.predict(X).tobytes()


def as_list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


# What is refused ---------------------------------------------------------------------------------


def test_graphs_that_cannot_be_are_refused() -> None:
    x, other = dc.Input(4, name="x"), dc.Input(3, name="other")
    h = layers.Dense(2, name="h")(x)
    with pytest.raises(ValueError, match=r"output h \(2\): it needs the input x \(4\), which is"):
        dc.Model(other, h)
    with pytest.raises(TypeError, match="outputs: found Dense, wanted a symbol: "):
        dc.Model(x, layers.Dense(2))
    with pytest.raises(ValueError, match="outputs: found none"):
        dc.Model(x, [])
    with pytest.raises(ValueError, match="inputs: found one of them twice"):
        dc.Model([x, x], h)
    with pytest.raises(ValueError, match="layer dense: found 2 inputs, wanted one"):
        layers.Dense(2, name="dense")([x, other])
    with pytest.raises(TypeError, match="found symbols together with ndarray"):
        layers.Dense(2)([x, X])
    with pytest.raises(TypeError, match="training: found True for a symbol"):
        layers.Dropout(0.5)(x, training=True)
    model = dc.Model(x, h)
    with pytest.raises(ValueError, match=r"model functional: found rows of shapes \[\(3,\)\]"):
        model(other)
    with pytest.raises(ValueError, match=r"x: found shape \(40, 3\), wanted \(rows, 4\)"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="x: found no 'x' in a dictionary, wanted x"):
        model.predict({"y": X})
    assert model.predict({"x": X}).shape == (40, 2)
    assert model.predict([X]).shape == (40, 2)

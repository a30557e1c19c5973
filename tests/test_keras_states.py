"""Keras's files of nested models and of weights, and optimizers that go on, both ways."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")
pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 40)


def keras() -> Any:
    return pytest.importorskip("keras")


RULES = {
    "sgd": lambda o: o.SGD(0.01),
    "momentum": lambda o: o.SGD(0.01, momentum=0.9, nesterov=True),
    "amsgrad": lambda o: o.Adam(0.001, amsgrad=True),
    "adamw": lambda o: o.AdamW(0.001),
    "adamax": lambda o: o.Adamax(0.001),
    "adagrad": lambda o: o.Adagrad(0.01),
    "adadelta": lambda o: o.Adadelta(1.0),
    "ftrl": lambda o: o.Ftrl(0.001),
    "lion": lambda o: o.Lion(0.0001),
    "rmsprop": lambda o: o.RMSprop(0.0005, momentum=0.5, centered=True),
    "decay": lambda o: o.Adam(o.schedules.ExponentialDecay(0.001, 10, 0.9)),
}


def go_on(model: Any, epochs: int = 1) -> np.ndarray:
    model.fit(X, Y, epochs=epochs, batch_size=40, shuffle=False, verbose=0)
    return np.asarray(model.predict(X, verbose=0))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.slow
def test_every_optimizer_goes_on_both_ways(rule: str, tmp_path: Path) -> None:
    k = keras()
    k.utils.set_random_seed(0)
    theirs = k.Sequential([k.Input((4,)), k.layers.Dense(6, "tanh"), k.layers.LayerNormalization(),
                           k.layers.Dense(3, "softmax")])  # fmt: skip
    theirs.compile(RULES[rule](k.optimizers), "sparse_categorical_crossentropy")
    go_on(theirs, 3)
    theirs.save(tmp_path / "m.keras")
    theirs.save(tmp_path / "m.h5")
    models = [dc.from_keras(each) for each in (theirs, tmp_path / "m.keras", tmp_path / "m.h5")]
    wanted = go_on(theirs)
    for model in models:
        assert go_on(model) == pytest.approx(wanted, abs=1e-5)
    back = models[0].to_keras()
    assert type(back.optimizer) is type(theirs.optimizer)
    assert go_on(back) == pytest.approx(go_on(models[0]), abs=1e-5)


def test_nested_models_are_read_from_files(tmp_path: Path) -> None:
    k = keras()
    inner = k.Sequential([k.layers.Dense(5, "tanh"), k.layers.BatchNormalization(),
                          k.Sequential([k.layers.Dense(4)])])  # fmt: skip
    theirs = k.Sequential([k.Input((4,)), k.layers.Dense(6), inner, k.layers.Dense(3)])
    i = k.Input((4,))
    outer = k.Model(i, k.layers.Dense(2)(theirs(i)))
    theirs.compile("adam", "mse")
    theirs.fit(X, X[:, :3], verbose=0)
    for model in (theirs, outer):
        for name in ("m.keras", "m.h5"):
            model.save(tmp_path / name)
            found = dc.from_keras(tmp_path / name).predict(X, verbose=0)
            assert np.abs(found - model.predict(X, verbose=0)).max() < 1e-6


def test_weights_files_are_read_all_or_none(tmp_path: Path) -> None:
    k = keras()
    scaled = k.layers.Normalization()
    scaled.adapt(X)
    theirs = k.Sequential([k.Input((4,)), k.layers.Rescaling(0.5), scaled,
                           k.layers.Dense(5, "relu"),
                           k.layers.BatchNormalization(), k.layers.Dense(3)])  # fmt: skip
    ours = dc.Sequential([
        dc.Input(4), dc.layers.Rescaling(0.5), dc.layers.Normalization(), dc.Dense(5, "relu"),
        dc.layers.BatchNormalization(), dc.Dense(3),
    ])  # fmt: skip
    theirs.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    assert np.abs(ours.predict(X, verbose=0) - theirs.predict(X, verbose=0)).max() < 1e-6
    other = dc.Sequential([dc.Input(4), dc.Dense(5), dc.Dense(2)])
    before = other.parameters.copy()
    with pytest.raises(ValueError, match=r"dense_1/vars/0: found float32 of shape \(5, 3\)"):
        other.load_weights(tmp_path / "m.weights.h5")
    assert (other.parameters == before).all()
    other = dc.Sequential([dc.Input(4), dc.Dense(5), dc.Dense(3), dc.Dense(3)])
    with pytest.raises(ValueError, match="layer dense_2: found 0 arrays, wanted 2"):
        other.load_weights(tmp_path / "m.weights.h5")


def test_features_of_images_have_one_mean_each(tmp_path: Path) -> None:
    k = keras()
    rows = np.random.default_rng(0).normal(3, 2, (30, 2, 3)).astype(np.float32)
    scaled = k.layers.Normalization()
    scaled.adapt(rows)
    theirs = k.Sequential([k.Input((2, 3)), scaled, k.layers.Flatten(), k.layers.Dense(2)])
    theirs.save(tmp_path / "m.keras")
    wanted = theirs.predict(rows, verbose=0)
    for model in (dc.from_keras(theirs), dc.from_keras(tmp_path / "m.keras")):
        assert model.predict(rows, verbose=0) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_weights_files_of_graphs_and_of_models_in_models_are_read(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")

    def made(lib: Any) -> Any:
        """The same graph in both libraries: a model in it, and a layer that is called twice."""
        inner = lib.Sequential([lib.Input((4,)), lib.layers.Dense(4, "relu"),
                                lib.layers.BatchNormalization()])  # fmt: skip
        x = lib.Input((5,))
        h = inner(lib.layers.Dense(4)(x))
        return lib.Model(x, lib.layers.Dense(2)(lib.layers.Concatenate()([h, inner(h)])))

    theirs, ours = made(keras), made(dc)
    theirs.save_weights(tmp_path / "m.weights.h5")
    ours.load_weights(tmp_path / "m.weights.h5")
    x = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    assert ours.predict(x, verbose=0) == pytest.approx(np.asarray(theirs(x)), abs=1e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_constraints_go_both_ways(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    layers, limits = keras.layers, keras.constraints
    theirs = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(6, kernel_constraint=limits.MaxNorm(0.5), bias_constraint="non_neg"),
            layers.Dense(2, kernel_constraint=limits.MinMaxNorm(0.1, 0.4, rate=0.5)),
        ]
    )  # fmt: skip
    theirs.compile(keras.optimizers.SGD(0.5), "mse")
    ours = dc.from_keras(theirs)
    back = ours.to_keras()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 5)).astype("f4"), rng.normal(size=(32, 2)).astype("f4")
    for each in (theirs, ours, back):
        for _ in range(3):
            each.train_on_batch(x, y)
    wanted = np.asarray(theirs(x))
    assert ours.predict(x, verbose=0) == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    assert np.asarray(back(x)) == pytest.approx(wanted, rel=1e-5, abs=1e-5)

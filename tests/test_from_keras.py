"""Keras's models and files, both ways."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from test_export import ACTIVATIONS, trained

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")
h5py = pytest.importorskip("h5py")
# Keras's variables, where NumPy 2 makes arrays of them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 40)


def keras() -> Any:
    return pytest.importorskip("keras")


def test_spatial_dropout() -> None:
    k = keras()
    theirs = k.Sequential(
        [k.Input((5, 3)), k.layers.SpatialDropout1D(0.25), k.layers.GlobalAveragePooling1D()]
    )
    own = dc.from_keras(theirs)
    assert isinstance(own.layers[0], dc.layers.SpatialDropout1D)
    assert own.layers[0].rate == 0.25
    assert isinstance(own.to_keras().layers[0], k.layers.SpatialDropout1D)


def stack(k: Any) -> Any:
    """One of each layer that both libraries have."""
    scaled = k.layers.Normalization()
    scaled.adapt(X)
    return k.Sequential(
        [
            k.Input((4,)),
            k.layers.Rescaling(0.5, 1.0),
            scaled,
            # A bias before a normalisation has no gradient but noise, of which Adam makes steps.
            k.layers.Dense(8, use_bias=False, kernel_regularizer="l2", name="h"),
            k.layers.BatchNormalization(momentum=0.9),
            k.layers.Activation("relu"),
            k.layers.Dropout(0.0),
            k.layers.GaussianDropout(0.0),
            k.layers.AlphaDropout(0.0),
            k.layers.Dense(8, activation="gelu", use_bias=False, activity_regularizer="l2"),
            k.layers.ActivityRegularization(l1=0.01, l2=0.02),
            k.layers.LayerNormalization(center=False),
            k.layers.LeakyReLU(),
            k.layers.Dense(8, k.layers.LeakyReLU(0.1)),
            k.layers.ReLU(6.0),
            k.layers.ELU(0.5),
            k.layers.Dense(3),
            k.layers.Softmax(),
        ]
    )


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "rmsprop", "schedule"])
def test_models_and_files_predict_and_train_on_alike(optimizer: str, tmp_path: Path) -> None:
    k = keras()
    theirs = stack(k)
    decay = k.optimizers.schedules.CosineDecay(1e-2, 100)
    rule = {
        "adam": lambda: k.optimizers.Adam(1e-3),
        "momentum": lambda: k.optimizers.SGD(0.01, momentum=0.9),
        "rmsprop": lambda: k.optimizers.RMSprop(1e-3),
        "schedule": lambda: k.optimizers.Adam(decay),
    }[optimizer]()
    theirs.compile(rule, k.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    theirs.fit(X, Y, epochs=2, batch_size=10, shuffle=False, verbose=0)
    theirs.save(tmp_path / "model.keras")
    theirs.save(tmp_path / "model.h5")
    wanted = theirs.predict(X, verbose=0)
    ours = [dc.from_keras(each) for each in (theirs, tmp_path / "model.keras")]
    for model in [*ours, dc.from_keras(tmp_path / "model.h5")]:
        assert np.abs(model.predict(X, verbose=0) - wanted).max() < 1e-6
        assert model.metrics_names == ["loss", "accuracy"]
        assert model.layers[2].name == "h"
    theirs.fit(X, Y, epochs=1, batch_size=40, shuffle=False, verbose=0)
    after = theirs.predict(X, verbose=0)
    for model in ours:
        assert model.optimizer.get_config().keys() > {"learning_rate"}
        model.fit(X, Y, epochs=1, batch_size=40, shuffle=False, verbose=0)
        assert np.abs(model.predict(X, verbose=0) - after).max() < 1e-5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_to_keras_predicts_the_same(name: str, parameters: dict[str, Any], dtype: str) -> None:
    k = keras()
    model, x = trained(dc.activations.Activation(name, **parameters), dtype)
    theirs = model.to_keras()
    found = np.asarray(theirs(x))
    wanted = model.predict(x, verbose=0)
    # Keras's normalisations take their epsilon in single precision.
    tolerance = 2e-6 if dtype == "float32" else 1e-6
    assert found.dtype == wanted.dtype
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()
    assert k.config.dtype_policy().name == "float32"


def test_penalties_of_outputs_go_both_ways() -> None:
    k = keras()
    penalty = dc.regularizers.L1L2(0.5, 0.25)
    model = dc.Sequential([dc.Input(4), dc.Dense(3, activity_regularizer=penalty)], seed=0)
    theirs = model.to_keras()
    found = float(k.ops.convert_to_numpy(theirs.layers[-1].activity_regularizer(np.ones((2, 3)))))
    assert found == pytest.approx(6 * 0.75)
    again = dc.from_keras(theirs).layers[-1].activity_regularizer
    assert dc.regularizers.factors(again) == [0.5, 0.25]


def test_functional_stacks_and_nested_models() -> None:
    k = keras()
    i = k.Input((4,))
    inner = k.Sequential([k.layers.Dense(5, "tanh"), k.layers.Dense(6, "relu")])
    theirs = k.Model(i, k.layers.Dense(2)(inner(k.layers.Dense(3, "tanh")(i))))
    found = dc.from_keras(theirs).predict(X, verbose=0)
    assert np.abs(found - theirs.predict(X, verbose=0)).max() < 1e-6
    again = dc.from_keras(dc.from_keras(theirs).to_keras())
    assert np.abs(again.predict(X, verbose=0) - found).max() < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda k, i: k.Sequential([k.Input((4, 4)), k.layers.LSTM(3)]), r"\(LSTM\): found LSTM"),
        (lambda k, i: k.Sequential([k.layers.Dense(2)]), "does not know its number of inputs"),
        (
            lambda k, i: k.Sequential([i, k.layers.Dense(2, dtype="mixed_float16")]),
            "found the dtypes mixed_float16",
        ),
    ],
)
def test_what_cannot_be_a_stack_here_is_refused(
    make: Callable[[Any, Any], Any], message: str
) -> None:
    k = keras()
    with pytest.raises(ValueError, match=message):
        dc.from_keras(make(k, k.Input((4,))))


def test_an_unknown_compilation_is_left_out_with_a_warning() -> None:
    k = keras()
    theirs = k.Sequential([k.Input((4,)), k.layers.Dense(1)])
    theirs.compile("adam", k.losses.CTC())
    with pytest.warns(UserWarning, match="the model is not compiled: unknown loss"):
        model = dc.from_keras(theirs)
    with pytest.raises(RuntimeError, match="not compiled"):
        model.fit(X, X[:, :1], verbose=0)


# Files that Keras did not write ------------------------------------------------------------------


def archive(path: Path, config: Any, shape: tuple[int, ...] = (4, 2)) -> Path:
    """A file of one dense layer, with a configuration and a custom kernel."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/dense/vars/0"] = np.ones(shape, np.float32)
        file["layers/dense/vars/1"] = np.ones(2, np.float32)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("config.json", json.dumps(config) if not isinstance(config, str) else config)
        made.writestr("model.weights.h5", content.getvalue())
    return path


def one_dense(**changed: Any) -> dict[str, Any]:
    dense = {"name": "d", "units": 2, "activation": "linear", **changed}
    return {
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [{"class_name": "Dense", "config": dense}]},
        "build_config": {"input_shape": [None, 4]},
    }


def test_a_file_is_read_without_keras(tmp_path: Path) -> None:
    model = dc.from_keras(archive(tmp_path / "m.keras", one_dense()))
    assert model.predict(X[:1], verbose=0) == pytest.approx(X[:1].sum() + np.ones((1, 2)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no dictionary"),
        ({}, "model of class None"),
        ({"class_name": "Sequential"}, "model of class Sequential"),
        ({"class_name": "Sequential", "config": {"layers": [{}]}}, "Keras does not write"),
        ({"class_name": "Sequential", "config": {"layers": 3}}, "Keras does not write|wanted"),
        (one_dense(units=-1), "units"),
        (one_dense(units=10**9), "units"),
        (one_dense(units="2"), "units"),
        (one_dense(activation="os.system"), "unknown activation 'os.system'"),
        (one_dense(secret=1), "which Dense here lacks"),
    ],
)
def test_damaged_configurations_are_refused(config: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        dc.from_keras(archive(tmp_path / "m.keras", config))


def test_arrays_of_other_sizes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shape \(5, 2\), wanted .*\(4, 2\)"):
        dc.from_keras(archive(tmp_path / "m.keras", one_dense(), (5, 2)))
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(one_dense())
        group = file.create_group("model_weights/d")
        group.create_dataset("kernel", (2**30, 2**20), np.float32, chunks=(1, 1024))
        group.create_dataset("bias", (2,), np.float32)
        group.attrs["weight_names"] = ["kernel", "bias"]
    with pytest.raises(ValueError, match="found float32 of shape"):
        dc.from_keras(tmp_path / "huge.h5")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("no archive")
    (tmp_path / "text.h5").write_text("no HDF5")
    with zipfile.ZipFile(tmp_path / "empty.keras", "w"):
        pass
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones(3)
    for name, message in (
        ("text.keras", "no archive of Keras's"),
        ("text.h5", "no HDF5 file"),
        ("empty.keras", "no archive of Keras's"),
        ("m.weights.h5", "weights without a configuration"),
    ):
        with pytest.raises(ValueError, match=message):
            dc.from_keras(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        dc.from_keras(tmp_path / "none.keras")
    with pytest.raises(TypeError, match="found int, wanted a Keras model or a file's path"):
        dc.from_keras(3)


@pytest.mark.parametrize(("axis", "row"), [(None, (4,)), (-1, (3, 4)), (None, (3, 4))])
def test_normalization_has_one_mean_or_one_of_each_feature(
    axis: int | None, row: tuple[int, ...], tmp_path: Path
) -> None:
    k = keras()
    data = np.random.default_rng(0).normal(3, 2, size=(50, *row)).astype(np.float32)
    scaled = k.layers.Normalization(axis=axis)
    scaled.adapt(data)
    theirs = k.Sequential([k.Input(row), scaled, k.layers.Flatten(), k.layers.Dense(2)])
    theirs.save(tmp_path / "m.keras")
    theirs.save_weights(tmp_path / "m.weights.h5")
    wanted = theirs.predict(data, verbose=0)
    for source in (theirs, tmp_path / "m.keras"):
        ours = dc.from_keras(source)
        np.testing.assert_allclose(ours.predict(data, verbose=0), wanted, atol=1e-5)
    other = dc.Sequential([dc.Input(row), dc.layers.Normalization(axis=axis), dc.layers.Flatten(),
                           dc.Dense(2)], seed=0)  # fmt: skip
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(other.predict(data, verbose=0), wanted, atol=1e-5)

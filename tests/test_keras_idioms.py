"""Idioms of Keras scripts for stacks of dense layers, each with Keras's meaning."""

import gzip
import importlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = X[:, :1] * 2


def compiled(**options: Any) -> dc.Sequential:
    model = dc.Sequential([dc.Input(3), dc.Dense(4, "relu"), dc.Dense(1)], seed=0)
    model.compile("sgd", **{"loss": "mse", **options})
    return model


def test_lists_of_one_array_are_the_only_input_and_output() -> None:
    expected = compiled(metrics=["mae"]).fit(X, Y, verbose=0).history
    model = compiled(loss=["mse"], loss_weights=[1.0], metrics=[["mae"]])
    assert model.fit([X], [Y], verbose=0).history == expected
    assert model.evaluate([X], [Y]) == model.evaluate(X, Y)
    assert (model.predict([X]) == model.predict(X)).all()
    assert model.predict([[1.0, 2.0, 3.0]]).shape == (1, 1)  # still rows of numbers
    fresh = dc.Sequential([dc.Dense(1)])
    assert fresh.predict([X]).shape == (40, 1)
    with pytest.raises(TypeError, match=r"loss_weights: found list .*, wanted None"):
        compiled(loss_weights=[2.0])


def test_variables_and_metrics() -> None:
    norm = layers.BatchNormalization()
    model = dc.Sequential([dc.Input(3), dc.Dense(2, trainable=False), norm, dc.Dense(1)])
    model.compile("sgd", "mse", ["mae"], ["mse"])
    assert len(model.variables) == len(model.weights) == 8
    assert [v.shape for v in model.trainable_variables] == [(2,), (2,), (2, 1), (1,)]
    assert [v.shape for v in model.non_trainable_variables] == [(3, 2), (2,), (2,), (2,)]
    assert len(norm.variables) == 4
    assert len(norm.trainable_variables) == len(norm.non_trainable_weights) == 2
    assert [metric.name for metric in model.metrics] == ["mae", "mse"]
    model.reset_metrics()


def test_summary_takes_keras_s_arguments() -> None:
    said: list[str] = []
    compiled().summary(line_length=100, print_fn=said.append, expand_nested=True)
    assert max(map(len, said[0].splitlines())) == 100
    compiled().summary(None, None, said.append)
    assert said[1].splitlines()[-3:] == [
        "Total params: 21 (84.00 B)",
        "Trainable params: 21 (84.00 B)",
        "Non-trainable params: 0 (0.00 B)",
    ]


def test_verbose_above_2_shows_lines(capsys: pytest.CaptureFixture[str]) -> None:
    compiled().fit(X, Y, verbose=3, epochs=2)
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    "callback",
    [
        lambda folder: dc.callbacks.EarlyStopping("val_loss"),
        lambda folder: dc.callbacks.ReduceLROnPlateau("val_loss"),
        lambda folder: dc.callbacks.ModelCheckpoint(folder / "m", save_best_only=True),
    ],
)
def test_a_number_that_is_not_there_is_warned_of_once(callback: Any, tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match="found no 'val_loss' to monitor: fit was given no"
    ) as said:
        history = compiled().fit(X, Y, verbose=0, epochs=3, callbacks=[callback(tmp_path)])
    assert len(said) == 1
    assert history.epoch == [0, 1, 2]


# Layers that are called --------------------------------------------------------------------------


def test_a_layer_computes_when_it_is_called() -> None:
    layer = dc.Dense(3, "tanh")
    found = layer(X)
    assert found.shape == (40, 3)
    assert len(layer.weights) == 2
    np.testing.assert_allclose(found, np.tanh(X @ layer.kernel + layer.bias), rtol=1e-5, atol=1e-6)
    kernel = layer.kernel.copy()
    model = dc.Sequential([dc.Input(3), layer, dc.Dense(1)])
    assert (model.layers[0].kernel == kernel).all()
    assert (layer(X) == found).all()  # of a model's layer, too
    model.layers[0].kernel[:] = 0
    assert not np.array_equal(layer(X), found)
    model.add(layers.Activation("tanh"))
    model.build()
    assert (model.layers[0].kernel == 0).all()
    with pytest.raises(ValueError, match=r"found rows of shape \(2,\), wanted those that it was"):
        layer(X[:, :2])
    with pytest.raises(ValueError, match="found one number, wanted an array"):
        layer(1.0)


def test_layers_of_every_kind_compute() -> None:
    scaled = layers.Normalization()
    scaled.adapt(X)
    np.testing.assert_allclose(scaled(X).std(axis=0), 1, rtol=1e-5)
    assert layers.Flatten()(np.zeros((2, 4, 3))).shape == (2, 12)
    assert layers.Reshape((3, 1))(X).shape == (40, 3, 1)
    assert (layers.Identity()(X) == X).all()
    drop = layers.Dropout(0.5)
    assert (drop(X) == X).all()
    assert (drop(X, training=True) == 0).any()
    norm = layers.BatchNormalization(momentum=0.0)
    norm(X, training=True)
    np.testing.assert_allclose(norm.moving_mean, X.mean(axis=0), rtol=1e-4, atol=1e-6)
    square = layers.Activation((lambda x: x * x, lambda x, a: 2 * x))
    np.testing.assert_allclose(square(X), X**2)
    block = layers.Residual([dc.Dense(3)])
    kernel, bias = block(X) is not None and block.weights
    np.testing.assert_allclose(block(X), X + X @ kernel + bias, rtol=1e-4, atol=1e-5)
    assert (block.weights[0] == kernel).all()


# Modules -----------------------------------------------------------------------------------------


def test_older_and_other_homes_of_names() -> None:
    core = importlib.import_module("densecore.layers.core")
    assert core.Dense is dc.Dense
    np_utils = importlib.import_module("densecore.utils.np_utils")
    assert np_utils is dc.utils.np_utils
    assert np_utils.to_categorical([1]).tolist() == [[0, 1]]
    assert dc.saving.load_model is dc.load_model
    assert dc.saving.register_keras_serializable is dc.utils.register_keras_serializable
    with dc.utils.custom_object_scope({"mine": abs}):
        assert dc.utils.get_custom_objects()["mine"] is abs
    assert "mine" not in dc.saving.get_custom_objects()


def test_classes_that_are_not_there_may_be_imported_but_not_used() -> None:
    space: dict[str, Any] = {}
    exec("from densecore.layers import Dense, LSTM, Conv2D", space)
    with pytest.raises(TypeError, match=r"densecore.layers has no LSTM, which Keras has: a row"):
        space["LSTM"](32)
    with pytest.raises(AttributeError, match="has no Conv2D"):
        dc.layers.Conv2D  # noqa: B018


def test_save_model(tmp_path: Path) -> None:
    model = compiled()
    dc.models.save_model(model, tmp_path / "m.keras")
    assert (dc.load_model(tmp_path / "m.keras").predict(X) == model.predict(X)).all()
    with pytest.raises(FileExistsError):
        dc.models.save_model(model, tmp_path / "m.keras", overwrite=False)
    with pytest.raises(TypeError, match="save_model: found ndarray, wanted a model"):
        dc.models.save_model(X, tmp_path / "m.keras")  # type: ignore[arg-type]


def test_floatx() -> None:
    try:
        dc.backend.set_floatx("float64")
        assert dc.backend.floatx() == dc.Sequential([dc.Input(3), dc.Dense(1)]).dtype == "float64"
        assert dc.Dense(2)(X).dtype == np.float64
    finally:
        dc.backend.set_floatx("float32")
    assert dc.Sequential().dtype == "float32"
    with pytest.raises(ValueError, match="floatx: found 'float16'"):
        dc.backend.set_floatx("float16")


def test_random_numbers() -> None:
    random = dc.random
    assert (random.normal((2, 3), seed=1) == random.normal((2, 3), seed=1)).all()
    assert random.normal((1000,), mean=5.0, stddev=0.1, seed=1).mean() == pytest.approx(5, abs=0.02)
    assert random.uniform((5,), 2, 3, dtype="float64").dtype == np.float64
    assert set(random.randint((100,), 0, 3, seed=0).tolist()) == {0, 1, 2}
    assert sorted(random.shuffle(np.arange(9), seed=0).tolist()) == list(range(9))
    generator = random.SeedGenerator(3)
    first, second = random.uniform((4,), seed=generator), random.uniform((4,), seed=generator)
    assert not (first == second).any()
    dc.utils.set_random_seed(5)
    one = random.normal((3,))
    dc.utils.set_random_seed(5)
    assert (random.normal((3,)) == one).all()


def test_windows_of_a_series() -> None:
    series, targets = np.arange(20.0)[:, None] * [1, 10], np.arange(20)
    batches = dc.utils.timeseries_dataset_from_array(
        series, targets, sequence_length=3, sequence_stride=2, sampling_rate=2, batch_size=3
    )
    assert len(batches) == 3  # beginnings 0, 2, ..., 14
    windows, wanted = batches[1]
    assert windows.shape == (3, 3, 2)
    assert windows[0].tolist() == [[6, 60], [8, 80], [10, 100]]
    assert wanted.tolist() == [6, 8, 10]
    model = dc.Sequential([layers.Flatten(), dc.Dense(1)])
    model.compile("adam", "mse")
    model.fit(batches, epochs=2, verbose=0)
    assert model.input_shape == (None, 3, 2)
    (only,) = dc.utils.timeseries_dataset_from_array(series, None, 4, batch_size=None)[0]
    assert only.shape == (17, 4, 2)
    one = dc.utils.timeseries_dataset_from_array(series, targets, 3, shuffle=True, seed=1)
    two = dc.utils.timeseries_dataset_from_array(series, targets, 3, shuffle=True, seed=1)
    assert one[0][1].tolist() == two[0][1].tolist() != sorted(one[0][1].tolist())
    with pytest.raises(ValueError, match="data: found 20 times, wanted enough for a window of 30"):
        dc.utils.timeseries_dataset_from_array(series, targets, 30)


def test_data_sets_are_read_where_keras_has_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"mnist.npz: no such file: densecore downloads no"):
        dc.datasets.mnist.load_data()
    folder = tmp_path / "datasets"
    folder.mkdir()
    images, labels = np.zeros((5, 28, 28), np.uint8), np.arange(5, dtype=np.uint8)
    np.savez(
        folder / "mnist.npz", x_train=images, y_train=labels, x_test=images[:2], y_test=labels[:2]
    )
    (x, y), (x_test, _) = dc.datasets.mnist.load_data()
    assert (x.shape, y.tolist(), x_test.shape) == ((5, 28, 28), [0, 1, 2, 3, 4], (2, 28, 28))
    np.savez(folder / "boston_housing.npz", x=np.arange(10.0)[:, None], y=np.arange(10.0))
    (x, y), (x_test, y_test) = dc.datasets.boston_housing.load_data()
    assert sorted([*y, *y_test]) == list(range(10))
    assert (x[:, 0] == y).all()
    assert len(y_test) == 2
    clothes = folder / "fashion-mnist"
    clothes.mkdir()
    for part in ("train", "t10k"):
        header = struct.pack(">IIII", 2051, 5, 28, 28)
        with gzip.open(clothes / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(header + images.tobytes())
        with gzip.open(clothes / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, 5) + labels.tobytes())
    (x, y), _ = dc.datasets.fashion_mnist.load_data()
    assert x.shape == (5, 28, 28)
    assert y.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(AttributeError, match="has no cifar10, which Keras has: it would have to"):
        dc.datasets.cifar10  # noqa: B018


def test_dropout_of_a_model_that_is_called() -> None:
    """Monte Carlo dropout: each call drops others."""
    model = dc.Sequential([dc.Input(3), dc.Dense(50, "relu"), layers.Dropout(0.5), dc.Dense(1)])
    runs = np.stack([model(X, training=True) for _ in range(20)])
    assert (runs.std(axis=0) > 0).all()
    assert (model(X, training=False) == model.predict(X)).all()
    with pytest.raises(TypeError, match="training: found True for a symbol"):
        model(dc.Input(3), training=True)

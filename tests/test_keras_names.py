"""Names, arguments and errors as a user of Keras meets them."""

import importlib
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers, models, utils

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4))
LABELS = RNG.integers(0, 3, 20)


def small(**named: Any) -> dc.Sequential:
    stack = [layers.Dense(5, "tanh", input_shape=(4,)), layers.Dense(3, "softmax", name="out")]
    return models.Sequential(stack, **named)


# Names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("", "Sequential Model Input layers models optimizers losses metrics callbacks utils "
             "backend activations initializers regularizers version __version__"),
        ("layers", "Dense Dropout Activation Flatten BatchNormalization LayerNormalization ReLU "
                   "Normalization Rescaling LeakyReLU ELU Softmax Input InputLayer"),
        ("models", "Sequential Model load_model clone_model model_from_json"),
        ("utils", "to_categorical set_random_seed normalize plot_model Sequence PyDataset"),
        ("backend", "clear_session"),
        ("initializers", "HeNormal he_normal glorot_uniform VarianceScaling TruncatedNormal get"),
        ("regularizers", "l1 l2 l1_l2 L1 L2 L1L2 get"),
        ("optimizers", "SGD Adam RMSprop AdamW get schedules"),
        ("losses", "MeanSquaredError BinaryCrossentropy CategoricalCrossentropy get"),
        ("metrics", "AUC Precision Recall MeanAbsoluteError get"),
        ("callbacks", "EarlyStopping ModelCheckpoint CSVLogger LearningRateScheduler Callback"),
        ("activations", "relu tanh softmax sigmoid gelu swish get"),
    ],
)  # fmt: skip
def test_names_are_where_keras_has_them(module: str, names: str) -> None:
    found = importlib.import_module("densecore" + (f".{module}" if module else ""))
    for name in names.split():
        assert getattr(found, name) is not None, name


@pytest.mark.parametrize(
    ("module", "name", "reason"),
    [
        ("layers", "Conv2D", "without neighbourhood; Flatten"),
        ("layers", "MaxPooling2D", "without neighbourhood"),
        ("layers", "LSTM", "without order"),
        ("initializers", "STFT", "GlorotNormal"),
        ("utils", "get_file", "prepare the data"),
        ("", "applications", "no trained models"),
        ("", "GradientTape", "model.forward(x), then model.backward"),
        ("", "reduce_mean", "NumPy arrays"),
        ("", "keras", "import densecore as keras"),
    ],
)
def test_what_is_not_there_says_so(module: str, name: str, reason: str) -> None:
    full = "densecore" + (f".{module}" if module else "")
    found = importlib.import_module(full)
    with pytest.raises(AttributeError) as attribute:
        getattr(found, name)
    assert str(attribute.value).startswith(f"{full} has no {name}, which Keras has: ")
    assert reason in str(attribute.value)
    assert "There are: " in str(attribute.value)
    # An import keeps the text, and asking whether it is there is still no error.
    assert not hasattr(found, name)
    if module == "layers":  # scripts import layers that they do not use
        space: dict[str, Any] = {}
        exec(f"from {full} import {name}", space)
        with pytest.raises(TypeError) as used:
            space[name]()
        assert str(used.value) == str(attribute.value)
        return
    with pytest.raises(ImportError) as imported:
        exec(f"from {full} import {name}")
    assert str(imported.value) == str(attribute.value)


def test_unknown_names_are_python_s_own_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Dens'; did you mean 'Dense'"):
        layers.Dens  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Danse'"):
        exec("from densecore.layers import Danse")
    with pytest.raises(AttributeError, match="no attribute 'clear'"):
        models.clear  # noqa: B018


# What there is not ---------------------------------------------------------------------------


def test_models_with_python_code_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Model: found no inputs and outputs; wanted Model\(in"):
        dc.Model()
    with pytest.raises(TypeError, match=r"inputs: found int, wanted a symbol: "):
        dc.Model(inputs=1, outputs=2)
    for method in ("train_step", "test_step", "predict_step", "make_train_function"):
        with pytest.raises(TypeError, match=f"class Mine: found a method {method}, .*forward"):
            type("Mine", (models.Model,), {method: lambda self, x: x})
    with pytest.raises(TypeError, match="class Mine: found a method call in a subclass of Dense"):
        type("Mine", (layers.Dense,), {"call": lambda self, x: x})
    assert isinstance(small(), dc.Model)
    assert not isinstance(layers.Dense(2), dc.Model)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.Dense(2, noise_shape=(1,)), "Dense: found the argument noise_shape="),
        (lambda: layers.BatchNormalization(synchronized=True), "BatchNormalization: found the"),
        (
            lambda: layers.Dropout(0.5, noise_shape=(1, 2)),
            "noise_shape: found tuple .*, wanted None",
        ),
        (lambda: layers.Dense(2, unit=3), "unit=3, which is unknown; known: units, activation"),
        (lambda: small().compile("sgd", "mse", loss_weights=[2.0]), "loss_weights: found"),
        (lambda: utils.plot_model(small(), "x.png", colour=1), "argument 'colour', known: show_"),
    ],
)
def test_arguments_that_mean_something_are_refused(make: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        make()


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (dc.Sequential, "train_step"),
        (dc.Sequential, "call"),
    ],
)
def test_python_code_that_the_core_would_pass_over_is_refused(base: type, method: str) -> None:
    with pytest.raises(TypeError, match=f"class Mine: found a method {method}, which "):
        type("Mine", (base,), {method: lambda self, *arguments: 0})


@pytest.mark.parametrize(
    ("base", "methods"),
    [
        (dc.metrics.Metric, ["update_state", "result"]),
        (dc.metrics.BinaryAccuracy, ["update_state"]),
        (dc.metrics.BinaryAccuracy, ["result"]),
    ],
)
def test_metrics_with_sums_of_their_own_stand_alone(base: type, methods: list[str]) -> None:
    mine = type("Mine", (base,), dict.fromkeys(methods, lambda self, *arguments: 0.5))
    for method in methods:
        assert getattr(mine(), method)([0.0], [1.0]) == 0.5
    for metric in (mine, mine()):
        small().compile("sgd", "mse", metrics=[metric])


def test_loading_without_compilation(tmp_path: Path) -> None:
    model = small()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, LABELS, verbose=0)
    path = tmp_path / "m.keras"
    model.save(filepath=path)
    with pytest.raises(FileExistsError, match="found a file there, wanted none"):
        model.save(path, overwrite=False)
    loaded = models.load_model(filepath=path, compile=False, safe_mode=True)
    assert (loaded.optimizer, loaded.loss, loaded.metrics_names) == (None, None, ["loss"])
    assert (loaded.predict(X) == model.predict(X)).all()
    loaded.compile("sgd", "sparse_categorical_crossentropy")
    loaded.fit(X, LABELS, verbose=0)


def test_layers_that_are_not_there() -> None:
    assert small().get_layer(index=-1).name == "out"
    with pytest.raises(ValueError, match="index: found 2, wanted 0 to 1"):
        small().get_layer(index=2)


def test_arguments_that_change_nothing_are_accepted() -> None:
    first = layers.Dense(
        3, kernel_constraint=None, bias_constraint=None, activity_regularizer=None,
        dtype="float32", batch_input_shape=(None, 4),
    )  # fmt: skip
    stack = [first, layers.BatchNormalization(synchronized=False), layers.Softmax(axis=-1)]
    model = dc.Sequential(stack)
    model.compile(loss="mse", metrics=["mae"], optimizer="sgd", run_eagerly=False,
                  steps_per_execution=2, jit_compile=False)  # fmt: skip
    assert model.input_shape == (None, 4)
    for name in ({"shape": 4}, {"input_shape": (4,)}, {"batch_shape": (None, 4)}):
        assert layers.InputLayer(**name).shape == (None, 4)
    with pytest.raises(ValueError, match="found 2 shapes, wanted one"):
        dc.Input(4, input_shape=4)
    with pytest.raises(ValueError, match="axis: found 0"):
        layers.Softmax(axis=0)


# Models ---------------------------------------------------------------------------


def test_calls_and_results_have_keras_s_shapes() -> None:
    model = small(seed=1)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    assert (model(X) == model.predict(X)).all()
    assert model.metrics_names == ["loss", "accuracy"]
    evaluated = model.evaluate(X, LABELS, verbose=0)
    assert model.test_on_batch(X, LABELS) == evaluated
    assert set(model.evaluate(X, LABELS, return_dict=True)) == {"loss", "accuracy"}
    # With metrics, arrays of any dtype are converted, and a list comes back: before the update.
    trained = model.train_on_batch(X, LABELS)
    assert trained == pytest.approx(evaluated, rel=1e-6)
    assert model.evaluate(X, LABELS)[0] < evaluated[0]
    model.compile("adam", "sparse_categorical_crossentropy")
    assert isinstance(model.evaluate(X, LABELS), float)
    assert isinstance(model.train_on_batch(X.astype("float32"), LABELS), float)


def test_train_on_batch_with_metrics_is_the_same_step() -> None:
    plain, measured = small(seed=1), small(seed=1)
    plain.compile("adam", "sparse_categorical_crossentropy")
    measured.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(3):
        loss = plain.train_on_batch(X.astype("float32"), LABELS)
        assert measured.train_on_batch(X, LABELS)[0] == loss
    assert (plain.parameters == measured.parameters).all()


def test_layers_as_activations() -> None:
    model = dc.Sequential([dc.Input(4), layers.Dense(3, activation=layers.LeakyReLU(0.1))])
    assert model.layers[0].activation.parameters == {"negative_slope": 0.1}
    assert layers.Dense(3, activation=layers.ReLU()).activation == "relu"
    with pytest.raises(TypeError, match="Dense"):
        layers.Dense(3, activation=layers.Dense(3))


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", "", ".keras"])
def test_weights_files(ending: str, tmp_path: Path) -> None:
    model, other = small(seed=1), small(seed=2)
    model.save_weights(tmp_path / f"w{ending}")
    assert (other.parameters != model.parameters).any()
    other.load_weights(tmp_path / f"w{ending}")
    assert (other.parameters == model.parameters).all()
    wide = small(seed=3, dtype="float64")
    wide.load_weights(tmp_path / f"w{ending}")
    assert (wide.parameters == model.parameters).all()
    # A model file holds weights too, and states besides.
    model.compile("adam", "mse")
    model.save(tmp_path / f"m{ending}")
    third = small(seed=4)
    third.load_weights(tmp_path / f"m{ending}")
    assert (third.parameters == model.parameters).all()
    assert (dc.load_model(tmp_path / f"m{ending}").parameters == model.parameters).all()
    with pytest.raises(FileExistsError, match="found a file there"):
        model.save_weights(tmp_path / f"w{ending}", overwrite=False)


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w"
    dc.Sequential([dc.Input(4), dc.Dense(5), dc.Dense(2)], seed=0).save_weights(path)
    model = small(seed=1)
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"'layers.1.kernel': found shape \(5, 2\), the model has"):
        model.load_weights(path)
    dc.Sequential([dc.Input(4), dc.Dense(5)], seed=0).save_weights(path)
    with pytest.raises(ValueError, match=r"'layers.1.kernel': found none, the model has shape"):
        model.load_weights(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises((ValueError, ImportError), match=r"found no HDF5 file|h5py"):
        model.load_weights(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a safetensors file"):
        model.load_weights(path)
    with pytest.raises(FileNotFoundError):
        model.load_weights(tmp_path / "none")
    assert (model.parameters == before).all()


def test_models_as_text_and_as_clones() -> None:
    model = small(seed=1)
    model.compile("adam", "mse", metrics=["mae"])
    again = models.model_from_json(model.to_json(indent=2))
    assert again.to_json() == model.to_json()
    assert (again.parameters == model.parameters).all()  # the seed is in the text
    clone = models.clone_model(model)
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert clone.optimizer is None
    assert clone.get_weights()[0].shape == (4, 5)
    assert (clone.get_weights()[0] != model.get_weights()[0]).any()
    for text, said in [("{", "not JSON"), ("[]", "found a list"), ("{}", "found no entry")]:
        with pytest.raises(ValueError, match=said):
            models.model_from_json(text)
    with pytest.raises(TypeError, match="wanted a model"):
        models.clone_model(3)  # type: ignore[arg-type]


# Utilities ---------------------------------------------------------------------------


@pytest.fixture
def seeds() -> Any:
    from densecore._base import seeds as _seeds

    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    _seeds.set_global(None)
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002


@pytest.mark.usefixtures("seeds")
def test_a_seed_for_the_whole_program() -> None:
    def run(seed: int) -> list[Any]:
        utils.set_random_seed(seed)
        numbers = [random.random(), np.random.random()]  # noqa: NPY002
        numbers += [small().seed, small().seed, models.clone_model(small()).seed]
        return [*numbers, small(seed=7).seed]

    first = run(1)
    assert run(1) == first
    assert len(set(first)) == len(first)
    other = run(2)
    assert not set(first[:-1]) & set(other)
    assert other[-1] == 7
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match="seed: found"):
            utils.set_random_seed(seed)


def test_seeds_differ_without_one() -> None:
    assert small().seed != small().seed


def test_to_categorical() -> None:
    found = utils.to_categorical([0, 2, 1])
    assert found.dtype == np.float32
    assert (found == np.eye(3)[[0, 2, 1]]).all()
    assert utils.to_categorical(np.array([[1.0], [0.0]]), 4).tolist() == [
        [0, 1, 0, 0],
        [1, 0, 0, 0],
    ]
    assert utils.to_categorical([[0, 1], [1, 2]]).shape == (2, 2, 3)
    for wrong, said in [
        ([0.5], "no integers"),
        ([-1], "no integers"),
        ([3], "class 3, wanted 0 to 1"),
    ]:
        with pytest.raises(ValueError, match=said):
            utils.to_categorical(wrong, 2)
    with pytest.raises(TypeError, match="wanted class numbers"):
        utils.to_categorical(["a"])


def test_normalize() -> None:
    assert utils.normalize([[3.0, 4.0], [0.0, 0.0]]).tolist() == [[0.6, 0.8], [0, 0]]
    assert utils.normalize([[3.0, 4.0], [1.0, 0.0]], axis=0, order=1)[0].tolist() == [0.75, 1]


def test_datasets_of_batches() -> None:
    class Batches(utils.Sequence):
        ends = 0

        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            rows = slice(4 * index, 4 * index + 4)
            return X[rows], LABELS[rows]

        def on_epoch_end(self) -> None:
            self.ends += 1

    batches = Batches(workers=2, use_multiprocessing=True)
    model = small(seed=1)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(batches, epochs=3, verbose=0)
    assert batches.ends == 3
    assert batches.num_batches == 5
    assert model.evaluate(batches) == pytest.approx(model.evaluate(X, LABELS), rel=1e-6)
    for missing in (lambda: utils.PyDataset()[0], lambda: len(utils.PyDataset())):
        with pytest.raises(NotImplementedError, match="PyDataset: wanted a method __"):
            missing()


def test_plot_model(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    utils.plot_model(small(), to_file=tmp_path / "m.png", show_shapes=True)
    assert (tmp_path / "m.png").stat().st_size > 1000


def test_small_things() -> None:
    assert dc.version() == dc.__version__
    dc.backend.clear_session()
    assert dc.backend.backend() == "densecore"
    assert dc.backend.floatx() == small().dtype
    for name in ("uniform", "he_normal", "HeNormal", dc.initializers.HeNormal):
        assert isinstance(dc.initializers.get(name), dc.initializers.Initializer)
    assert dc.initializers.he_normal(seed=1).seed == 1
    assert "densecore.models" in sys.modules


def test_names_in_the_places_where_keras_3_has_them() -> None:
    from densecore.optimizers.schedules import ExponentialDecay

    assert ExponentialDecay is dc.schedules.ExponentialDecay
    assert dc.optimizers.schedules.ExponentialDecay is ExponentialDecay
    assert (dc.Layer, dc.Metric, dc.Loss) == (layers.Layer, dc.metrics.Metric, dc.losses.Loss)
    assert dc.ops.nn.relu is dc.ops.relu
    assert dc.ops.full((2,), 3.0).tolist() == [3.0, 3.0]
    assert dc.ops.ones(shape=(1, 2)).shape == (1, 2)
    assert dc.config.floatx() == dc.backend.floatx()
    assert layers.GlobalAvgPool1D is layers.GlobalAveragePooling1D
    targets, outputs = np.array([2, 0]), np.array([[0.1, 0.2, 0.7], [0.3, 0.5, 0.2]])
    assert dc.metrics.sparse_categorical_accuracy(targets, outputs).tolist() == [1, 0]
    assert dc.metrics.sparse_top_k_categorical_accuracy(targets, outputs, 2).tolist() == [1, 1]
    assert dc.metrics.categorical_accuracy(np.eye(3)[targets], outputs).tolist() == [1, 0]
    assert dc.metrics.binary_accuracy([[1.0], [0.0]], [[0.7], [0.6]]).tolist() == [1, 0]
    np.testing.assert_allclose(dc.metrics.mean_squared_error([[1.0]], [[3.0]]), [4.0])

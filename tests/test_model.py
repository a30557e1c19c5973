"""Sequential as its users know it from Keras: structure, training, evaluation, errors."""

import copy
from typing import Any

import numpy as np
import pytest

import densecore as dc


def make(*layers: Any, **kwargs: Any) -> dc.Sequential:
    return dc.Sequential([dc.Input(5), *(layers or (dc.Dense(4, "tanh"), dc.Dense(3)))], **kwargs)


def blobs(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three well separated clouds in five dimensions."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows)
    centres = np.array([[2, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 2, 0, 0]])
    return (centres[labels] + 0.5 * rng.normal(size=(rows, 5))).astype(np.float32), labels


# Structure ---------------------------------------------------------------------------------------


def test_layers_and_shapes() -> None:
    model = make(dc.Dense(4, "relu", name="hidden"), dc.Dense(3, use_bias=False), name="net")
    assert [layer.name for layer in model.layers] == ["hidden", "dense"]
    assert model.input_shape == (None, 5)
    assert model.output_shape == (None, 3)
    assert model.count_params() == 5 * 4 + 4 + 4 * 3
    assert model.layers[1].bias is None
    assert [w.shape for w in model.get_weights()] == [(5, 4), (4,), (4, 3)]
    assert repr(model) == (
        "Sequential([Input(5), Dense(4, 'relu'), Dense(3, 'linear')], dtype='float32')"
    )


def test_model_without_input_is_built_by_the_first_data() -> None:
    model = dc.Sequential([dc.Dense(4, "tanh"), dc.Dense(3)], seed=0)
    assert not model.built
    with pytest.raises(RuntimeError, match="does not know its number of inputs"):
        model.parameters  # noqa: B018
    model.compile("sgd", "mse")
    x, _ = blobs(10)
    model.fit(x, np.zeros((10, 3)), verbose=0)
    other = make(seed=0)
    other.compile("sgd", "mse")
    other.fit(x, np.zeros((10, 3)), verbose=0)
    np.testing.assert_array_equal(model.parameters, other.parameters)


def test_layers_added_one_by_one() -> None:
    model = dc.Sequential(seed=0)
    model.add(dc.Input((5,)))
    model.add(dc.Dense(4, "tanh"))
    assert model.count_params() == 24  # built, and then built anew
    kernel = model.layers[0].kernel.copy()
    model.add(dc.Dense(3))
    assert (model.layers[0].kernel == kernel).all()
    np.testing.assert_array_equal(model.parameters, make(seed=0).parameters)


def test_a_compiled_model_takes_and_gives_layers() -> None:
    x, labels = blobs()
    model = make(seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, labels, epochs=1, verbose=0)
    kernel = model.layers[0].kernel.copy()
    removed = model.pop()
    assert removed.units == 3  # type: ignore[attr-defined]
    model.add(dc.Dense(5, "softmax"))
    assert model.predict(x).shape == (len(x), 5)
    assert (model.layers[0].kernel == kernel).all()
    assert model.optimizer is not None
    assert model.optimizer.iterations == 0
    model.fit(x, labels, batch_size=len(x), epochs=2, verbose=0)  # compiled as it was
    assert model.optimizer.iterations.numpy() == 2


def test_seed_fixes_weights_and_shuffles() -> None:
    x, labels = blobs()

    def run(seed: int | None) -> bytes:
        model = make(seed=seed)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, labels, epochs=2, verbose=0)
        return model.parameters.tobytes()

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(None) != run(None)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: make(dtype="float16"), ValueError, "dtype: found 'float16', wanted 'float32'"),
        (lambda: dc.Dense(0), ValueError, "units: found 0, wanted an integer from 1 to"),
        (lambda: dc.Dense(2.5), TypeError, "units: found 2.5, wanted an integer"),
        (
            lambda: dc.Dense(2, "rellu"),
            ValueError,
            r"'rellu' \(did you mean 'relu'\?\); known: lin",
        ),
        (lambda: dc.Dense(2, kernel_initializer="he"), ValueError, "unknown initializer 'he'"),
        (lambda: make(dc.Dense(2), dc.Input(2)), ValueError, "found Input after the first place"),
        (lambda: make("relu"), TypeError, "found str, wanted Input or a layer"),
        (lambda: make(dc.Dense(1, name="a"), dc.Dense(1, name="a")), ValueError, "'a' twice"),
        (lambda: make(seed=-1), ValueError, "seed: found -1"),
        (lambda: make(seed=1.5), TypeError, "seed: found 1.5"),
        (lambda: make().compile("adamm", "mse"), ValueError, "unknown optimizer 'adamm'"),
        (lambda: make().compile("adam", "mst"), ValueError, "unknown loss 'mst'"),
        (lambda: make().compile("adam"), ValueError, "found no loss, wanted one of "),
        (lambda: make().compile("adam", "mse", ["acuracy"]), ValueError, "unknown metric 'acura"),
        (lambda: make().compile("adam", "mse", "accuracy"), TypeError, "wanted a list of names"),
        (lambda: dc.losses.MeanSquaredError("some"), ValueError, "unknown reduction 'some'"),
        (lambda: dc.optimizers.SGD(-1), ValueError, "learning_rate: found -1, wanted a finite"),
        (lambda: dc.optimizers.SGD(-0.1), ValueError, "learning_rate: found -0.1"),
        (lambda: dc.optimizers.SGD(float("nan")), ValueError, "learning_rate: found nan"),
        (lambda: dc.optimizers.SGD("fast"), TypeError, "learning_rate: found 'fast'"),
        (lambda: dc.optimizers.Adam(beta_1=1.0), ValueError, "beta_1: found 1, wanted .* < 1"),
        (lambda: dc.optimizers.Adam(epsilon=0), ValueError, "epsilon: found 0"),
        (lambda: make().fit(np.zeros((2, 5)), np.zeros((2, 3))), RuntimeError, "not compiled"),
        (lambda: make().backward(np.zeros((2, 3))), RuntimeError, "no forward pass"),
        (lambda: dc.Sequential().build(3), RuntimeError, "has no layers"),
    ],
)
def test_errors_say_what_is_wanted(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_weights_in_keras_order() -> None:
    model = make()
    weights = [np.full(w.shape, i, np.float64) for i, w in enumerate(model.get_weights())]
    model.set_weights(weights)
    for i, w in enumerate(model.get_weights()):
        assert (w == i).all()
    before = model.parameters.copy()
    for wrong, text in [
        (weights[:-1], "found 3 arrays, wanted 4"),
        ([*weights[:-1], np.zeros(2)], r"weights\[3\]: found shape \(2,\), wanted \(3,\)"),
        ([*weights[:-1], ["a", "b", "c"]], r"weights\[3\]: found dtype"),
    ]:
        with pytest.raises((ValueError, TypeError), match=text):
            model.set_weights(wrong)
        np.testing.assert_array_equal(model.parameters, before)


def test_build_makes_what_is_not_there_yet() -> None:
    """After `compile`, as many scripts do, and again: what is trained stays."""
    x, y = np.ones((8, 5)), np.ones((8, 3))
    for stack in ([dc.Dense(3)], [dc.Input(5), dc.Dense(3)]):
        model = dc.Sequential(stack, seed=0)
        model.compile("adam", "mse")
        model.build((None, 5))
        model.fit(x, y, epochs=2, verbose=0)
        kernel, before = model.layers[0].kernel, model.parameters.copy()
        model.build()
        assert (model.parameters == before).all()
        assert model.layers[0].kernel.base is kernel.base
        assert model.progress == {"steps": 2, "epochs": 2}
        with pytest.raises(ValueError, match=r"build: found Input\(6\), wanted Input\(5\)"):
            model.build((None, 6))
    image = dc.Sequential([dc.layers.Flatten(), dc.Dense(3)])
    image.build((None, 2, 5))
    assert image.count_params() == 33
    assert image.predict(np.ones((4, 2, 5))).shape == (4, 3)
    model = dc.Sequential([dc.Dense(3)])
    for wrong in ((), (None, None), "5"):
        with pytest.raises((TypeError, ValueError), match=r"wanted \(None, f|wanted an integer"):
            model.build(wrong)  # type: ignore[arg-type]
    assert model.predict(x).shape == (8, 3)


@pytest.mark.parametrize("late", [False, True])
def test_layers_keep_their_weights_when_others_come_and_go(late: bool) -> None:
    parts = [dc.layers.BatchNormalization(), dc.Dense(4), dc.Dense(3)]
    model = dc.Sequential([*([] if late else [dc.Input(5)]), *parts], seed=0)
    model.build((None, 5))
    for i, weights in enumerate(model.weights):
        weights[...] = i
    model.pop()
    model.add(dc.Dense(2, kernel_initializer="zeros"))
    model.add(dc.Dense(2, kernel_initializer="ones"))
    twin = copy.deepcopy(model)
    for each in (model, twin):
        firsts = [np.unique(array).tolist() for array in each.get_weights()]
        assert firsts == [[0], [1], [2], [3], [4], [5], [0], [0], [1], [0]]


def test_summary_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    model = make(dc.Dense(4, "relu"), dc.Dense(3, "softmax"), name="net")
    model.summary()
    printed = capsys.readouterr().out
    assert printed.splitlines() == [
        'Model: "net", float32',
        "-" * 53,
        "Layer (type)     Output shape  Activation  Parameters",
        "-" * 53,
        "input (Input)    (None, 5)                          0",
        "dense (Dense)    (None, 4)     relu                24",
        "dense_1 (Dense)  (None, 3)     softmax             15",
        "-" * 53,
        "Total params: 39 (156.00 B)",
        "Trainable params: 39 (156.00 B)",
        "Non-trainable params: 0 (0.00 B)",
    ]
    lines: list[str] = []
    model.summary(lines.append)
    assert lines[0] + "\n" == printed


# Training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_learns_to_classify(dtype: str, optimizer: str) -> None:
    x, labels = blobs()
    test_x, test_labels = blobs(seed=1)
    model = make(dc.Dense(8, "relu"), dc.Dense(3, "softmax"), dtype=dtype, seed=0)
    rate = {"sgd": 0.1, "adam": 0.01}[optimizer]
    chosen = dc.optimizers.get({"name": optimizer, "learning_rate": rate})
    model.compile(chosen, "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(x, labels, epochs=20, verbose=0, validation_data=(test_x, test_labels))
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    assert history.history["val_accuracy"][-1] > 0.95
    predicted = model.predict(test_x)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-6)
    accuracy = (predicted.argmax(axis=1) == test_labels).mean()
    loss = -np.log(predicted[np.arange(300), test_labels]).mean()
    result = model.evaluate(test_x, test_labels, return_dict=True)
    assert result["accuracy"] == pytest.approx(accuracy)
    assert result["loss"] == pytest.approx(loss, rel=1e-5)
    assert history.history["val_loss"][-1] == result["loss"]
    assert history.history["val_accuracy"][-1] == result["accuracy"]


def test_history_has_one_number_per_epoch() -> None:
    x, labels = blobs(40)
    model = make(dc.Dense(3, "softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(x, labels, epochs=7, initial_epoch=3, verbose=0, validation_split=0.25)
    assert history.epoch == [3, 4, 5, 6]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(len(values) == 4 for values in history.history.values())
    assert model.history is history
    empty = model.fit(x, labels, epochs=0, verbose=0)
    assert empty.history == {"loss": [], "accuracy": []}


def test_epoch_loss_is_the_mean_over_rows_whatever_the_last_batch() -> None:
    x, labels = blobs(50)
    y = np.eye(3)[labels]
    for batch in (50, 32, 7):
        model = make(seed=0)
        model.compile(dc.optimizers.SGD(1e-12), "mse", ["mae", "accuracy"])
        history = model.fit(x, y, batch, epochs=1, verbose=0)
        predicted = model.predict(x).astype(np.float64)
        assert history.history["loss"][0] == pytest.approx(((predicted - y) ** 2).mean(), rel=1e-5)
        assert history.history["mae"][0] == pytest.approx(np.abs(predicted - y).mean(), rel=1e-5)
        right = (predicted.argmax(axis=1) == labels).mean()
        assert history.history["accuracy"][0] == pytest.approx(right)


@pytest.mark.parametrize(
    ("loss", "units", "resolved"),
    [
        ("mse", 3, "categorical_accuracy"),
        ("mse", 1, "binary_accuracy"),
        ("binary_crossentropy", 3, "categorical_accuracy"),
        ("categorical_crossentropy", 3, "categorical_accuracy"),
        ("sparse_categorical_crossentropy", 3, "sparse_categorical_accuracy"),
    ],
)
def test_accuracy_means_what_it_means_in_keras(loss: str, units: int, resolved: str) -> None:
    assert dc.metrics.resolve("accuracy", dc.losses.get(loss).name, units) == resolved


def test_binary_accuracy_is_over_all_outputs() -> None:
    x, labels = blobs(60)
    y = np.eye(3)[labels]
    model = make(dc.Dense(3, "sigmoid"), seed=0)
    model.compile("sgd", "binary_crossentropy", ["binary_accuracy"])
    value = model.evaluate(x, y)
    assert isinstance(value, list)
    assert value[1] == pytest.approx(((model.predict(x) > 0.5) == (y > 0.5)).mean())


@pytest.mark.parametrize("reduction", ["sum", "sum_over_outputs"])
def test_sums_are_those_of_batches(reduction: str) -> None:
    """As in Keras: of several batches the mean of their sums, weighted by their rows."""
    x, labels = blobs(30)
    y = np.eye(3)[labels]
    model = make(seed=0, dtype="float64")
    model.compile(dc.optimizers.SGD(1e-9), dc.losses.MeanSquaredError(reduction))
    squares = ((model.predict(x) - y) ** 2).sum(axis=1) / (3 if reduction == "sum" else 1)
    batches = [squares[begin : begin + 8] for begin in range(0, 30, 8)]
    expected = sum(len(batch) * batch.sum() for batch in batches) / 30
    assert model.evaluate(x, y, 30) == pytest.approx(squares.sum())
    assert model.evaluate(x, y, 8) == pytest.approx(expected)
    history = model.fit(x, y, 8, epochs=1, verbose=0, shuffle=False, validation_data=(x, y))
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert history.history["val_loss"][0] == pytest.approx(expected, rel=1e-5)


def test_weights_equal_repeated_rows() -> None:
    x, labels = blobs(40)
    counts = np.random.default_rng(3).integers(0, 4, 40)
    repeated = np.repeat(np.arange(40), counts)
    results = []
    for rows, weight in ((np.arange(40), counts), (repeated, None)):
        model = make(dc.Dense(3, "softmax"), seed=0, dtype="float64")
        loss = dc.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
        model.compile("sgd", loss)
        history = model.fit(
            x[rows], labels[rows], 500, epochs=5, verbose=0, sample_weight=weight, shuffle=False
        )
        results.append((history.history["loss"], model.parameters.copy()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-10)


def test_class_weight_equals_sample_weight() -> None:
    x, labels = blobs(60)
    factors = {0: 1.0, 1: 3.0, 2: 0.5}
    weight = np.array([factors[label] for label in labels])
    for targets, loss in ((labels, "sparse_categorical_crossentropy"), (np.eye(3)[labels], "mse")):
        a, b = make(dc.Dense(3, "softmax"), seed=0), make(dc.Dense(3, "softmax"), seed=0)
        for model, extra in ((a, {"class_weight": factors}), (b, {"sample_weight": weight})):
            model.compile("sgd", loss)
            model.fit(x, targets, epochs=2, verbose=0, **extra)
        np.testing.assert_array_equal(a.parameters, b.parameters)
    a, b = make(dc.Dense(3, "softmax"), seed=0), make(dc.Dense(3, "softmax"), seed=0)
    for model, some in ((a, {1: 3.0}), (b, {0: 1.0, 1: 3.0, 2: 1.0})):  # others have 1, as in Keras
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(x, labels, verbose=0, class_weight=some)
    np.testing.assert_array_equal(a.parameters, b.parameters)


def test_learning_rate_can_change_at_any_time() -> None:
    x, _ = blobs(10)
    y = np.zeros((10, 3), np.float32)
    model = make(seed=0)
    optimizer = dc.optimizers.SGD(0.5)
    model.compile(optimizer, "mse")
    optimizer.learning_rate = 0.125
    assert model.optimizer is optimizer
    assert optimizer.learning_rate == 0.125
    before = model.parameters.copy()
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.parameters, before - np.float32(0.125) * model.gradients)
    with pytest.raises(ValueError, match="learning_rate: found -1"):
        optimizer.learning_rate = -1
    with pytest.raises(ValueError, match="unknown hyperparameter 'momentun'"):
        optimizer.momentun = 0.9
    assert optimizer.learning_rate == 0.125


def test_open_step_equals_train_on_batch() -> None:
    x, _ = blobs(100)
    y = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    a, b = make(seed=0), make(seed=0)
    for model in (a, b):
        model.compile("adam", "mse")
    for _ in range(3):
        a.train_on_batch(x, y)
        out = b.forward(x)
        assert b.backward(dc.ops.mse_gradient(out, y)) is None
        b.apply_gradients()
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=1e-5, atol=1e-7)


def test_backward_gives_the_input_gradient() -> None:
    x, _ = blobs(7)
    x = x.astype(np.float64)
    model = make(dc.Dense(6, "tanh"), dc.Dense(2, "sigmoid"), seed=0, dtype="float64")
    g = np.random.default_rng(0).normal(size=(7, 2))
    model.forward(x)
    gradient = model.backward(g, input_gradient=True)
    assert gradient is not None
    numeric = np.zeros_like(x)
    for i in range(7):
        for j in range(5):
            step = np.zeros_like(x)
            step[i, j] = 1e-6
            difference = model.predict(x + step) - model.predict(x - step)
            numeric[i, j] = (difference * g).sum() / 2e-6
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-9)


def test_backward_is_refused_after_training_discarded_the_forward_pass() -> None:
    x, _ = blobs(7)
    y = np.zeros((7, 3), np.float32)
    model = make()
    model.compile("sgd", "mse")
    for discard in (
        lambda: model.train_on_batch(x, y),
        lambda: model.predict(x),
        lambda: model.fit(x, y, verbose=0),
        lambda: model.evaluate(x, y),
    ):
        model.forward(x)
        discard()
        with pytest.raises(RuntimeError, match="wanted a call of forward first"):
            model.backward(y)
    model.forward(x)
    with pytest.raises(ValueError, match=r"grad_output: found shape \(6, 3\), wanted \(7, 3\)"):
        model.backward(y[:6])
    model.backward(y)


def test_evaluate_has_keras_shapes() -> None:
    x, labels = blobs(20)
    model = make(dc.Dense(3, "softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert isinstance(model.evaluate(x, labels), float)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    assert isinstance(model.evaluate(x, labels), list)
    assert set(model.evaluate(x, labels, return_dict=True)) == {"loss", "accuracy"}
    assert model.metrics_names == ["loss", "accuracy"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"y": np.zeros((10, 2))}, r"y: found shape \(10, 2\), wanted \(10, 3\)"),
        ({"y": np.zeros(10)}, r"y: found shape \(10,\), wanted \(10, 3\)"),
        ({"y": None}, "y: found None"),
        ({"x": np.zeros((10, 4))}, r"x: found shape \(10, 4\), wanted \(rows, 5\)"),
        ({"epochs": -1}, "epochs: found -1, wanted an integer >= 0"),
        ({"epochs": 2.0}, "epochs: found 2.0, wanted an integer"),
        ({"batch_size": 0}, "batch_size: found 0, wanted an integer >= 1"),
        ({"validation_split": 1.0}, "validation_split: found 1.0, wanted a number >= 0 and < 1"),
        ({"validation_split": -0.1}, "validation_split: found -0.1"),
        ({"validation_split": 0.99}, "found 10 rows, too few to split off"),
        ({"validation_data": np.zeros((2, 5))}, "validation_data: found .*, wanted"),
        (
            {"validation_data": (np.zeros((2, 4)), np.zeros((2, 3)))},
            r"validation_data: x: found shape \(2, 4\)",
        ),
        ({"sample_weight": np.ones(9)}, r"sample_weight: found shape \(9,\), wanted \(10,\)"),
        ({"sample_weight": -np.ones(10)}, "sample_weight: found -1 in row 0"),
        ({"sample_weight": np.zeros(10)}, "found only zeros"),
        ({"sample_weight": np.full(10, 1e-60)}, "found at most 1e-60, which float32 takes for 0"),
        ({"sample_weight": np.full(10, np.nan)}, "sample_weight: found nan in row 0"),
        ({"class_weight": [1, 2, 3]}, "class_weight: found list, wanted a dictionary"),
        ({"class_weight": {0: -1, 1: 1, 2: 1}}, "class_weight: found -1 for class 0, wanted a fin"),
        ({"class_weight": {0: 1, 1: np.nan, 2: 1}}, "class_weight: found nan for class 1"),
        ({"class_weight": {0: 1, 1: "a", 2: 1}}, "class_weight: found 'a' for class 1"),
        ({"class_weight": {0: 1, 1: "2", 2: 1}}, "class_weight: found '2' for class 1"),
        ({"class_weight": {0: 10**400}}, "class_weight: found 1000"),
        ({"class_weight": {"1": 2}}, "class_weight: found the class '1', wanted class numbers"),
        ({"class_weight": {0.5: 2}}, "class_weight: found the class 0.5"),
        ({"class_weight": {-1: 2}}, "class_weight: found the class -1"),
        ({"verbose": "loud"}, "verbose"),
    ],
)
def test_fit_refuses_before_it_trains(arguments: dict[str, Any], text: str) -> None:
    x, labels = blobs(10)
    model = make(seed=0)
    model.compile("sgd", "mse")
    before = model.parameters.copy()
    with pytest.raises((TypeError, ValueError), match=text):
        model.fit(**{"x": x, "y": np.eye(3)[labels], "verbose": 0, **arguments})
    np.testing.assert_array_equal(model.parameters, before)


def test_failed_compile_leaves_the_model_as_it_was() -> None:
    x, labels = blobs(10)
    model = make(seed=0)
    model.compile("sgd", "mse")
    optimizer = model.optimizer
    with pytest.raises(ValueError, match="unknown metric"):
        model.compile("adam", "mse", ["nonsense"])
    with pytest.raises(ValueError, match="wants class numbers"):
        model.compile("adam", "mse", ["sparse_categorical_accuracy"])
    assert model.optimizer is optimizer
    model.train_on_batch(x, np.eye(3, dtype=np.float32)[labels])


def test_vector_targets_for_one_output() -> None:
    x, labels = blobs(30)
    a, b = (make(dc.Dense(1), seed=0) for _ in range(2))
    for model, y in ((a, labels), (b, labels.reshape(-1, 1))):
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0)
    np.testing.assert_array_equal(a.parameters, b.parameters)


def test_float_labels_must_be_whole() -> None:
    x, labels = blobs(10)
    model = make()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, labels.astype(float), verbose=0)
    with pytest.raises(ValueError, match=r"found class 0.5 in row 3, wanted class numbers 0 to 2"):
        model.fit(x, np.where(np.arange(10) == 3, 0.5, labels), verbose=0)


def test_every_loss_and_optimizer_has_a_class() -> None:
    assert {dc.losses.get(name).name for name in dc.losses.names()} == set(dc.losses.names())
    for name in dc.optimizers.names():
        optimizer = dc.optimizers.get(name)
        assert optimizer.name == name
        assert dc.optimizers.get(optimizer.get_config()).get_config() == optimizer.get_config()


def test_verbose_prints_a_line_per_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    x, labels = blobs(20)
    model = make()
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(x, labels, epochs=3, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "loss" in lines[0]
    assert "accuracy" in lines[0]
    model.fit(x, labels, epochs=3, verbose=0)
    assert capsys.readouterr().out == ""


class TestHotCalls:
    """`predict_on_batch` and `train_on_batch` skip Python's methods, with no other difference."""

    def test_a_subclass_keeps_its_own(self) -> None:
        class Logged(dc.Sequential):
            def predict_on_batch(self, x: Any, out: Any = None) -> Any:
                calls.append("predict")
                return super().predict_on_batch(x, out)

        calls: list[str] = []
        model = Logged([dc.Input(2), dc.Dense(1)])
        model.predict_on_batch(np.ones((1, 2), np.float32))
        assert calls == ["predict"]

    def test_errors_of_arguments(self) -> None:
        model = dc.Sequential([dc.Input(2), dc.Dense(1)])
        model.compile("sgd", "mse")
        x, y = np.ones((3, 2), np.float32), np.ones((3, 1), np.float32)
        with pytest.raises(ValueError, match="y: found None, wanted the targets"):
            model.train_on_batch(x)
        with pytest.raises(TypeError, match=r"unexpected.*'z'"):
            model.train_on_batch(x, y, z=1)
        with pytest.raises(TypeError, match="'y'"):
            model.train_on_batch(x, y, y=y)
        with pytest.raises(TypeError, match="7"):
            model.train_on_batch(x, y, None, None, False, None)
        assert model.train_on_batch(y=y, x=x, sample_weight=None) > 0

    def test_an_object_that_was_not_initialised(self) -> None:
        with pytest.raises(TypeError, match="found a call of __new__"):
            dc._core.NetworkF32.__new__(dc._core.NetworkF32)


def test_data_that_are_refused_do_not_build_the_model() -> None:
    model = dc.Sequential([dc.Dense(2), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3)), np.ones(4)
    for wrong in (y[:3], [np.nan] * 4, ["a"] * 4):
        with pytest.raises((TypeError, ValueError), match="y: found"):
            model.fit(x, wrong, verbose=0)
        assert not model.built
    model.fit(x[:, :2], y, verbose=0)
    assert model.input_shape == (None, 2)


def test_weights_may_be_views_of_each_other() -> None:
    """The second layer got the first one's weights after these had been written over."""
    model = dc.Sequential([dc.Input(3), dc.Dense(3), dc.Dense(3)], seed=0)
    first, _, second, _ = kernels = model.get_weights()
    views = model.weights
    model.set_weights([views[2], views[3], views[0], views[1]])
    np.testing.assert_array_equal(model.get_weights()[0], second)
    np.testing.assert_array_equal(model.get_weights()[2], first)
    model.set_weights([views[0].T, *kernels[1:]])
    np.testing.assert_array_equal(model.get_weights()[0], second.T)


def test_weights_beyond_float32_are_refused() -> None:
    """They became infinite, and NumPy alone warned of it."""
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], seed=0)
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"weights\[1\]: found 1e\+300, which overflows float32"):
        model.set_weights([np.zeros((3, 1)), [1e300]])
    with pytest.raises(ValueError, match=r"parameters: found 1e\+300, which overflows float32"):
        model.parameters = np.full(4, 1e300)
    np.testing.assert_array_equal(model.parameters, before)

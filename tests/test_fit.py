"""`fit`, `evaluate` and `predict` as Keras has them: what they accept, and two loops agree."""

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.callbacks import Callback, LambdaCallback

ROWS = 53


def blobs(rows: int = ROWS, classes: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, rows)
    return rng.normal(size=(rows, 4)) + labels[:, None], labels


def make(
    loss: Any = "sparse_categorical_crossentropy",
    metrics: list[str] | None = None,
    outputs: int = 3,
    dtype: str = "float32",
    optimizer: Any = "adam",
    activation: str = "softmax",
) -> dc.Sequential:
    model = dc.Sequential(
        [dc.Input(4), dc.Dense(7, "tanh"), dc.Dense(outputs, activation)], seed=5, dtype=dtype
    )
    model.compile(optimizer, loss, ["accuracy"] if metrics is None else metrics)
    return model


def state(model: dc.Sequential) -> bytes:
    parts = [model.parameters, *model._network.optimizer_states().values()]
    return b"".join(part.tobytes() for part in parts)


# Two loops, one training ------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 8, 100])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("weighted", [False, True])
def test_both_loops_have_the_same_bits(
    dtype: str, batch_size: int, shuffle: bool, optimizer: str, weighted: bool
) -> None:
    x, y = blobs()
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle, "verbose": 0}
    options["validation_data"] = (x[:9], y[:9])
    if weighted:
        options["sample_weight"] = np.linspace(0.5, 2, ROWS)
    native, looped = (make(dtype=dtype, optimizer=optimizer) for _ in range(2))
    by_core = native.fit(x, y, epochs=3, **options)
    by_batch = looped.fit(
        x, y, epochs=3, callbacks=LambdaCallback(on_batch_end=lambda b, logs: None), **options
    )
    assert state(native) == state(looped)
    assert by_core.history == by_batch.history
    assert native.progress == looped.progress


def test_rows_one_by_one_have_the_same_metrics(dtype: str) -> None:
    """The core has kernels for batches of one row, and reports of many of them at once."""
    x, y = blobs(600)
    core, looped = (make("mse", ["mae"], 3, dtype, "sgd", "tanh") for _ in range(2))
    watch = LambdaCallback(on_batch_end=lambda b, logs: None)
    expected = core.fit(x, np.eye(3)[y] / 7, 1, 3, verbose=0)
    assert looped.fit(x, np.eye(3)[y] / 7, 1, 3, 0, watch).history == expected.history
    assert state(core) == state(looped)


def test_the_network_is_the_same_with_a_wide_layer() -> None:
    """Layer by layer, with descent inside the backward pass."""
    x, y = blobs()
    trained = []
    for callbacks in (None, LambdaCallback(on_batch_begin=lambda b, logs: None)):
        model = dc.Sequential([dc.Input(4), dc.Dense(301, "relu"), dc.Dense(301), dc.Dense(3)])
        model.seed = 1
        model = dc.Sequential.from_config(model.get_config())
        model.compile("sgd", "mse")
        model.fit(x, np.eye(3)[y], 10, 2, verbose=0, callbacks=callbacks)
        trained.append(state(model))
    assert trained[0] == trained[1]


def test_calls_may_mix_the_loops() -> None:
    x, y = blobs()
    whole, parts = make(), make()
    whole.fit(x, y, epochs=4, verbose=0)
    parts.fit(x, y, epochs=1, verbose=0)
    parts.fit(x, y, epochs=2, verbose=0, callbacks=LambdaCallback(on_batch_end=lambda b, g: None))
    parts.fit(x, y, epochs=1, verbose=0)
    assert state(whole) == state(parts)


def test_an_evaluation_in_the_middle_of_an_epoch_disturbs_nothing() -> None:
    x, y = blobs()
    plain, disturbed = make(), make()
    expected = plain.fit(x, y, epochs=2, verbose=0)
    found = disturbed.fit(
        x,
        y,
        epochs=2,
        verbose=0,
        callbacks=LambdaCallback(on_batch_end=lambda b, logs: disturbed.evaluate(x[:5], y[:5])),
    )
    assert found.history == expected.history
    assert state(plain) == state(disturbed)


# Batches from elsewhere -------------------------------------------------------------------------


def parts(x: Any, y: Any, size: int = 8) -> list[tuple[Any, Any]]:
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


class Indexed:
    """As keras.utils.PyDataset."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches
        self.asked: list[int] = []
        self.ended = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        return self.batches[index]

    def on_epoch_end(self) -> None:
        self.ended += 1


class Iterable:
    """As a data loader: a new iteration each time."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def endless(batches: list[Any]) -> Iterator[Any]:
    while True:
        yield from batches


@pytest.mark.parametrize("kind", ["list", "indexed", "iterable", "generator"])
def test_batches_train_as_arrays_do(kind: str) -> None:
    x, y = blobs()
    arrays, batches = make(), make()
    expected = arrays.fit(x, y, 8, 3, verbose=0, shuffle=False)
    given: Any = parts(x, y)
    given = {
        "list": lambda: given,
        "indexed": lambda: Indexed(given),
        "iterable": lambda: Iterable(given),
        "generator": lambda: endless(given),
    }[kind]()
    steps = 7 if kind == "generator" else None
    found = batches.fit(given, epochs=3, verbose=0, shuffle=False, steps_per_epoch=steps)
    assert state(arrays) == state(batches)
    assert found.history == expected.history
    assert found.params["steps"] == (7 if kind != "iterable" else None)


def test_batches_with_weights_and_class_weights() -> None:
    x, y = blobs()
    weight = np.linspace(0.5, 2, ROWS)
    arrays, batches = make(), make()
    classes = {0: 1, 1: 2, 2: 3}
    arrays.fit(x, y, 8, verbose=0, shuffle=False, sample_weight=weight, class_weight=classes)
    given = [(*part, weight[i * 8 : i * 8 + 8]) for i, part in enumerate(parts(x, y))]
    batches.fit(Iterable(given), verbose=0, class_weight=classes)
    assert state(arrays) == state(batches)


def test_indexed_batches_are_shuffled_and_told_of_the_epoch() -> None:
    x, y = blobs()
    given = Indexed(parts(x, y))
    make().fit(given, epochs=2, verbose=0)
    first, second = given.asked[:7], given.asked[7:]
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert first == dc._core.permutation(7, 5, 0).tolist()
    assert given.ended == 2


def test_a_generator_that_runs_out_ends_the_training() -> None:
    x, y = blobs()
    model = make()
    with pytest.warns(UserWarning, match="ran out after 3 of 4 steps: training ends here"):
        history = model.fit(iter(parts(x, y)), epochs=5, steps_per_epoch=4, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="ran out after epoch 1 of 2"):
        history = model.fit(iter(parts(x, y)), epochs=2, verbose=0)
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match="ran out before epoch 2 of 3"):
        history = model.fit(iter(parts(x, y)), epochs=3, steps_per_epoch=7, verbose=0)
    assert history.epoch == [0]


def test_more_steps_than_batches_end_with_the_data() -> None:
    x, y = blobs()
    for given in ((x, y), (parts(x, y), None)):
        with pytest.warns(UserWarning, match="7 batches.* fewer than the 9 steps asked for"):
            history = make().fit(
                *given, batch_size=8 if given[1] is not None else None, epochs=2, verbose=0,
                steps_per_epoch=9,
            )  # fmt: skip
        assert history.epoch == [0, 1]


def test_fewer_steps_than_batches() -> None:
    x, y = blobs()
    found, expected = make(), make()
    found.fit(x, y, 8, verbose=0, steps_per_epoch=2, shuffle=False)
    expected.fit(x[:16], y[:16], 8, verbose=0, shuffle=False)
    assert state(found) == state(expected)
    shuffled, looped = make(), make()
    shuffled.fit(x, y, 8, 2, verbose=0, steps_per_epoch=2)
    for number, begins in ((0, (0, 8)), (0, (16, 24))):
        order = dc._core.permutation(ROWS, 5, number)
        for begin in begins:
            part = order[begin : begin + 8]
            looped.train_on_batch(x[part].astype(np.float32), y[part])
    assert state(shuffled) == state(looped)


@pytest.mark.parametrize("given", ["arrays", "batches", "iterable"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_epochs_of_fewer_steps_go_through_all_batches(given: str, shuffle: bool) -> None:
    """As in Keras: on where the epoch before ended, and the last batch ends its epoch."""
    x, y = blobs()
    count = -(-ROWS // 8)
    epochs = -(-count // 3)

    def fitted(**arguments: Any) -> dc.Sequential:
        model = make()
        model.fit(np.ones((4, x.shape[1])), np.zeros(4, int), verbose=0)  # an earlier call
        if given == "arrays":
            model.fit(x, y, 8, verbose=0, shuffle=shuffle, **arguments)
        elif given == "batches":
            model.fit(Indexed(parts(x, y)), verbose=0, shuffle=shuffle, **arguments)
        else:
            model.fit(Iterable(parts(x, y)), verbose=0, **arguments)
        return model

    assert state(fitted(epochs=epochs, steps_per_epoch=3)) == state(fitted(epochs=1))


def test_an_iterable_starts_again_after_its_last_batch() -> None:
    """Seven batches: epochs of 3, 3, 1, 3, 3, 1; of six, 3, 3, 3; validation always the first."""
    x, y = blobs()
    for there, steps in ((7, [3, 3, 1, 3, 3, 1]), (6, [3, 3, 3, 3])):
        given, found = parts(x, y)[:there], make()
        seen: list[int] = []
        count = dc.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_, seen=seen: seen.append(0),
            on_train_batch_end=lambda *_, seen=seen: seen.__setitem__(-1, seen[-1] + 1),
        )
        found.fit(Iterable(given), epochs=len(steps), steps_per_epoch=3, verbose=0, callbacks=count)
        assert seen == steps
        expected = make()
        expected.fit(Iterable(given), epochs=2, verbose=0)
        assert state(found) == state(expected)
    checked = make()
    checked.compile("sgd", "sparse_categorical_crossentropy")
    for layer in checked.layers:
        layer.trainable = False
    history = checked.fit(
        x, y, 8, 3, verbose=0, validation_data=Iterable(parts(x, y)), validation_steps=2
    )
    assert len(set(history.history["val_loss"])) == 1


def test_batches_build_a_model_without_input() -> None:
    x, y = blobs()
    for given in (parts(x, y), iter(parts(x, y)), Iterable(parts(x, y))):
        model = dc.Sequential([dc.Dense(3, "softmax")], seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(given, verbose=0)
        assert model.progress == {"steps": 7, "epochs": 1}


def test_a_batch_size_beside_batches_is_warned_of() -> None:
    x, y = blobs()
    with pytest.warns(UserWarning, match="batch_size: it has no effect: x gives its batches"):
        make().fit(parts(x, y), batch_size=3, verbose=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample_weight": [1]}, "sample_weight: wanted None"),
        ({"validation_split": 0.2}, "validation_split: wanted None"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: found 0, wanted an integer >= 1"),
        ({"validation_freq": 0}, "validation_freq: found 0, wanted an integer >= 1"),
        ({"validation_data": 3}, "validation_data: found .*, wanted"),
        ({"verbose": "loud"}, "verbose: found 'loud'"),
    ],
)
def test_unsuitable_arguments_are_refused(options: dict[str, Any], said: str) -> None:
    x, y = blobs()
    model = make()
    before = state(model)
    with pytest.raises(ValueError, match=said):
        model.fit(parts(x, y), **options)
    assert state(model) == before


def test_no_batches_are_an_error() -> None:
    for given in (iter(()), Iterable([]), Indexed([])):
        with pytest.raises(ValueError, match="found no batches, wanted at least one"):
            make().fit(given)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ("ab", "found a batch of str"),
        ((1, 2, 3, 4), "found a batch of 4 parts"),
        ((np.zeros((2, 5)), [0, 1]), r"batch 1: x: found shape \(2, 5\), wanted \(rows, 4\)"),
        ((np.zeros((2, 4)), None), "batch 1: y: found None"),
    ],
)
def test_unsuitable_batches_are_named(batch: Any, said: str) -> None:
    x, y = blobs()
    with pytest.raises(ValueError, match=said):
        make().fit(Iterable([(x, y), batch]), verbose=0)


# Validation -------------------------------------------------------------------------------------


def test_validation_now_and_then() -> None:
    x, y = blobs()
    every, second = make(), make()
    expected = every.fit(x, y, epochs=5, verbose=0, validation_data=(x, y)).history
    found = second.fit(x, y, epochs=5, verbose=0, validation_data=(x, y), validation_freq=2)
    assert found.history["val_loss"] == expected["val_loss"][1::2]
    assert found.history["loss"] == expected["loss"]
    assert found.epochs_of("val_loss") == [1, 3]
    assert state(every) == state(second)


@pytest.mark.parametrize("kind", ["list", "indexed", "iterable", "weights", "steps"])
def test_validation_from_batches(kind: str) -> None:
    x, y = blobs()
    weight = np.linspace(0, 1, ROWS)
    options: dict[str, Any] = {}
    if kind == "weights":
        given: Any = (x, y, weight)
        expected = (x, y, weight)
    elif kind == "steps":
        given, expected = (x, y), (x[:16], y[:16])
        options = {"validation_steps": 2, "validation_batch_size": 8}
    else:
        given = {"list": list, "indexed": Indexed, "iterable": Iterable}[kind](parts(x, y))
        expected = (x, y)
    found = make().fit(x, y, epochs=2, verbose=0, validation_data=given, **options).history
    wanted = make().fit(x, y, epochs=2, verbose=0, validation_data=expected).history
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-7)


def test_validation_from_a_used_up_generator_is_an_error() -> None:
    x, y = blobs()
    with pytest.raises(ValueError, match="evaluation: found no batches; an iterator gives each"):
        make().fit(x, y, epochs=2, verbose=0, validation_data=iter(parts(x, y)))


# Numbers that are none --------------------------------------------------------------------------


@pytest.mark.parametrize("callback", [None, Callback(), LambdaCallback(on_epoch_end=print)])
def test_divergence_is_said_once_where_it_happens(callback: Any) -> None:
    x, y = blobs()
    model = make("mse", [], activation="linear")

    class Spoil(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                self.model.parameters[:] = math.nan

    if callback is None:
        model.parameters[:] = math.nan
    with pytest.warns(RuntimeWarning) as caught:
        history = model.fit(
            x,
            np.eye(3)[y],
            epochs=5,
            verbose=0,
            callbacks=[callback, Spoil()] if callback else None,
        )
    assert len(caught) == 1
    epoch = 3 if callback else 1
    assert str(caught[0].message).startswith(f"epoch {epoch}: loss is nan: training has diverged")
    assert caught[0].filename == __file__
    assert len(history.epoch) == 5


def test_a_validation_without_a_number_is_said_too() -> None:
    x, y = blobs()
    spoilt = x.copy()
    spoilt[0] = math.nan
    with pytest.warns(RuntimeWarning, match="epoch 1: val_loss is nan"):
        make().fit(x, y, epochs=2, verbose=0, validation_data=(spoilt, y))


# A loss that is a function ----------------------------------------------------------------------


def squared(y_true: Any, y_pred: Any) -> tuple[float, Any]:
    difference = y_pred - y_true
    return float((difference**2).mean()), 2 * difference / difference.size


def test_a_function_trains_as_the_loss_that_it_is(dtype: str) -> None:
    x, y = blobs()
    y = np.eye(3)[y]
    own, function = (
        make(loss, ["mae"], dtype=dtype, activation="tanh") for loss in ("mse", squared)
    )
    wanted = own.fit(x, y, epochs=3, verbose=0, validation_split=0.2)
    found = function.fit(x, y, epochs=3, verbose=0, validation_split=0.2)
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(function.parameters, own.parameters, rtol=0, atol=tolerance)
    for name in wanted.history:
        np.testing.assert_allclose(found.history[name], wanted.history[name], rtol=tolerance)
    np.testing.assert_allclose(
        function.evaluate(x, y, batch_size=7), own.evaluate(x, y), rtol=tolerance
    )
    batch = x[:8].astype(dtype), y[:8].astype(dtype)
    assert function.train_on_batch(*batch) == pytest.approx(own.train_on_batch(*batch), rel=1e-4)


def test_a_function_may_want_class_numbers() -> None:
    x, labels = blobs()

    def loss(y_true: Any, y_pred: Any) -> tuple[float, Any]:
        assert y_true.dtype == np.int32
        rows = np.arange(len(y_true))
        gradient = np.zeros_like(y_pred)
        gradient[rows, y_true] = -1 / y_pred[rows, y_true] / len(y_true)
        return -float(np.log(y_pred[rows, y_true]).mean()), gradient

    loss.sparse = True  # type: ignore[attr-defined]
    own, function = make(), make(loss)
    own.fit(x, labels, epochs=2, verbose=0)
    function.fit(x, labels, epochs=2, verbose=0)
    np.testing.assert_allclose(function.parameters, own.parameters, atol=1e-4)


@pytest.mark.parametrize(
    ("returned", "kind", "said"),
    [
        (1.0, TypeError, r"loss bad: found a result that does not depend on the outputs"),
        (
            (1.0, 2.0, 3.0),
            TypeError,
            r"loss bad: found a tuple of 3 returned, wanted losses, or",
        ),
        ((np.zeros(2), np.zeros((8, 3))), TypeError, r"of shape \(2,\) as the loss"),
        ((0.0, np.zeros((8, 2))), ValueError, r"gradient of shape \(8, 2\), wanted \(8, 3\)"),
        ((0.0, np.zeros((8, 3), int)), TypeError, "gradient of dtype int64, wanted float32"),
    ],
)
def test_what_a_function_returns_is_checked(returned: Any, kind: Any, said: str) -> None:
    def bad(y_true: Any, y_pred: Any) -> Any:
        return returned

    x, y = blobs()
    model = make(bad, [])
    before = state(model)
    with pytest.raises(kind, match=said):
        model.fit(x[:8], np.eye(3)[y[:8]], verbose=0)
    assert state(model) == before


def test_a_function_takes_no_weights() -> None:
    x, y = blobs()
    with pytest.raises(ValueError, match="sample_weight: the loss squared gives its gradient"):
        make(squared, []).fit(x, np.eye(3)[y], sample_weight=np.ones(ROWS))


def test_a_function_is_not_saved(tmp_path: Any) -> None:
    x, y = blobs()
    model = make(squared, [])
    model.fit(x, np.eye(3)[y], verbose=0)
    model.save(tmp_path / "m")
    with pytest.warns(UserWarning, match="the loss 'squared' is not known here"):
        loaded = dc.load_model(tmp_path / "m")
    assert loaded.parameters.tobytes() == model.parameters.tobytes()
    assert loaded.optimizer is None
    with pytest.raises(RuntimeError, match="not compiled"):
        loaded.fit(x, np.eye(3)[y])


def test_compiling_with_a_name_again_is_fast_again() -> None:
    model = make(squared, [])
    assert "train_on_batch" not in vars(model)
    model.compile("sgd", "mse")
    assert "train_on_batch" in vars(model)


# Evaluation and prediction ----------------------------------------------------------------------


def test_evaluate_in_steps_and_from_batches() -> None:
    x, y = blobs()
    model = make()
    whole = model.evaluate(x, y)
    assert model.evaluate(Iterable(parts(x, y))) == pytest.approx(whole)
    assert model.evaluate(x, y, 8, steps=2) == pytest.approx(model.evaluate(x[:16], y[:16]))
    assert model.evaluate(endless(parts(x, y)), steps=7) == pytest.approx(whole)
    assert model.evaluate(x, y, return_dict=True) == dict(
        zip(["loss", "accuracy"], whole, strict=True)  # type: ignore[arg-type]
    )


def test_evaluate_and_predict_print_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = blobs()
    model = make()
    loss, accuracy = model.evaluate(x, y, verbose=1)  # type: ignore[misc]
    out = capsys.readouterr().out
    assert out.startswith(f"loss: {loss:.4f} - accuracy: {accuracy:.4f} - ")
    model.predict(x, verbose=1)
    assert capsys.readouterr().out.startswith("53 rows - ")
    model.evaluate(x, y)
    model.predict(x)
    assert capsys.readouterr().out == ""


def test_predict_in_steps_and_from_batches() -> None:
    x, y = blobs()
    model = make()
    whole = model.predict(x)
    assert (model.predict(x, batch_size=8, steps=2) == whole[:16]).all()
    assert (model.predict(Iterable(parts(x, y))) == whole).all()
    assert (model.predict(iter([x[:3], x[3:]])) == whole).all()
    assert (model.predict(Indexed(parts(x, y)), steps=2) == whole[:16]).all()
    assert (model.predict(x.tolist()) == whole).all()
    assert (model.predict([tuple(row) for row in x]) == whole).all()  # rows, not batches
    assert model.predict(x[:0].tolist() or x[:0]).shape == (0, 3)
    seen = []
    model.predict(x, 10, callbacks=LambdaCallback(
        on_predict_batch_end=lambda step, logs: seen.append(logs["outputs"])))  # fmt: skip
    assert (np.concatenate(seen) == whole).all()
    assert len(seen) == 6


# Others at the same time ------------------------------------------------------------------------


def test_the_model_is_free_in_a_hook_only() -> None:
    x, y = blobs()
    model = make()
    model.fit(x, y, verbose=0, epochs=2, callbacks=LambdaCallback(
        on_epoch_end=lambda e, logs: model.predict(x)))  # fmt: skip
    errors: list[Exception] = []

    def meanwhile() -> None:
        try:
            model.evaluate(x, y)
        except RuntimeError as error:
            errors.append(error)

    rows = 200_000
    large = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    thread = threading.Timer(0.02, meanwhile)
    thread.start()
    model.fit(large, np.zeros(rows, int), verbose=0)
    thread.join()
    assert len(errors) <= 1  # a fast machine is done before


def test_compiling_in_a_hook_ends_nothing_badly() -> None:
    x, y = blobs()
    model = make()
    with pytest.raises(RuntimeError, match="compile: found a call during the model's own fit"):
        model.fit(x, y, verbose=0, epochs=3, callbacks=LambdaCallback(
            on_epoch_end=lambda e, logs: model.compile("sgd", "sparse_categorical_crossentropy",
                                                       ["accuracy"])))  # fmt: skip
    assert model.fit(x, y, verbose=0).epoch == [0]

    def other_targets(batch: int, logs: Any) -> None:
        model.compile("sgd", "mse")

    with pytest.raises(RuntimeError, match="compile: found"):
        model.fit(x, y, 10, verbose=0, callbacks=LambdaCallback(on_batch_end=other_targets))
    running_metrics = make()._network.running_metrics()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="running_metrics: found one for other targets"):
        model._network.train_batch(
            x.astype(np.float32), np.eye(3, dtype=np.float32)[y], None, running_metrics
        )

"""Callbacks: when each hook is called and with what, what each of the ready-made ones does."""

import csv
import math
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import callbacks as cb
from densecore import schedules

X = np.random.default_rng(0).normal(size=(40, 4))
Y = X.sum(axis=1)


def make(metrics: list[str] | None = None, optimizer: Any = "sgd") -> dc.Sequential:
    model = dc.Sequential([dc.Input(4), dc.Dense(5, "tanh"), dc.Dense(1)], seed=3)
    model.compile(optimizer, "mse", ["mae"] if metrics is None else metrics)
    return model


class Script(cb.Callback):
    """Puts a given number into each epoch's logs, under the name `score_loss`."""

    def __init__(self, values: list[float], name: str = "own") -> None:
        super().__init__()
        self.values, self.name = values, name

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs[self.name] = self.values[epoch]


def fit(model: dc.Sequential, epochs: int, *callbacks: Any, **options: Any) -> dc.History:
    options.setdefault("verbose", 0)
    return model.fit(X, Y, 10, epochs, callbacks=list(callbacks), **options)


# Hooks ------------------------------------------------------------------------------------------

HOOKS = [name for name in dir(cb.Callback) if name.startswith("on_")]


class Recorder(cb.Callback):
    """Notes every call; `watch` hooks are overridden, the others are not."""

    def __init__(self, watch: list[str]) -> None:
        super().__init__()
        self.calls: list[tuple[str, Any]] = []
        for name in watch:
            setattr(self, name, self.noting(name))

    def noting(self, name: str) -> Any:
        def hook(*arguments: Any) -> None:
            self.calls.append((name.removeprefix("on_"), arguments))

        return hook

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


def test_hooks_in_their_order() -> None:
    recorder = Recorder([name for name in HOOKS if name not in ("on_batch_begin", "on_batch_end")])
    model = make()
    model.fit(X[:20], Y[:20], 10, 2, verbose=0, callbacks=recorder, validation_data=(X, Y))
    steps = ["train_batch_begin", "train_batch_end"] * 2
    test = ["test_begin", *["test_batch_begin", "test_batch_end"] * 4, "test_end"]
    epoch = ["epoch_begin", *steps, *test, "epoch_end"]
    assert recorder.names() == ["train_begin", *epoch, *epoch, "train_end"]
    numbers = [arguments[0] for name, arguments in recorder.calls if name == "train_batch_end"]
    assert numbers == [0, 1, 0, 1]
    assert recorder.model is model
    assert recorder.params["epochs"] == 2
    assert recorder.params["steps"] == 2
    assert recorder.params["metrics"] == ["loss", "mae", "val_loss", "val_mae"]


def test_hooks_of_epochs_leave_the_loop_in_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(["on_epoch_begin", "on_epoch_end", "on_train_begin", "on_train_end"])
    monkeypatch.setattr("densecore.models.run.train_batch", None)
    history = fit(make(), 2, recorder)
    epoch = ["epoch_begin", "epoch_end"]
    assert recorder.names() == ["train_begin", *epoch, *epoch, "train_end"]
    logs = [arguments[1] for name, arguments in recorder.calls if name == "epoch_end"]
    assert [log["loss"] for log in logs] == history.history["loss"]
    assert recorder.calls[-1][1][0] == logs[-1]


def test_logs_of_batches_are_means_so_far() -> None:
    recorder = Recorder(["on_train_batch_end"])
    model = make()
    history = fit(model, 1, recorder, shuffle=False)
    losses, again = [], make()
    for begin in range(0, 40, 10):
        part = slice(begin, begin + 10)
        losses.append(
            again.train_on_batch(
                X[part].astype(np.float32), Y[part].reshape(-1, 1).astype(np.float32)
            )[0]
        )
    found = [arguments[1]["loss"] for _, arguments in recorder.calls]
    np.testing.assert_allclose(found, np.cumsum(losses) / [1, 2, 3, 4], rtol=1e-12)
    assert recorder.calls[-1][1][1] == {name: v[0] for name, v in history.history.items()}


def test_batch_hooks_by_their_other_names() -> None:
    class Old(cb.Callback):
        seen: list[Any]

        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.seen.append(batch)

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seen.append(logs["loss"])

    old = Old()
    old.seen = []
    fit(make(), 1, old)
    assert old.seen[::2] == [0, 1, 2, 3]
    assert all(isinstance(loss, float) for loss in old.seen[1::2])


def test_evaluate_and_predict_call_their_hooks() -> None:
    recorder = Recorder(HOOKS)
    model = make()
    values = model.evaluate(X, Y, 20, callbacks=recorder)
    assert recorder.names() == [
        "test_begin", *["test_batch_begin", "test_batch_end"] * 2, "test_end",
    ]  # fmt: skip
    assert list(recorder.calls[-1][1][0].values()) == values
    recorder.calls = []
    model.predict(X, 20, callbacks=[recorder])
    assert recorder.names() == [
        "predict_begin", *["predict_batch_begin", "predict_batch_end"] * 2, "predict_end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([3], "callbacks: found int, wanted a Callback"),
        ([cb.EarlyStopping], "found EarlyStopping, wanted a Callback, an instance of it: call it"),
    ],
)
def test_what_is_no_callback_is_refused(given: Any, said: str) -> None:
    model = make()
    with pytest.raises(TypeError, match=said):
        model.fit(X, Y, callbacks=given)
    assert model.progress["steps"] == 0


def test_a_list_can_be_used_by_itself() -> None:
    recorder = Recorder(["on_epoch_end"])
    several = cb.CallbackList([recorder], make(), epochs=3)
    several.on_epoch_end(0, {"loss": 1.0})
    assert recorder.calls == [("epoch_end", (0, {"loss": 1.0}))]
    assert recorder.params == {"epochs": 3}
    fit(make(), 1, *several.callbacks)
    assert make().fit(X, Y, verbose=0, callbacks=several).epoch == [0]


# Stopping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hook", "epochs", "steps"), [
    ("on_epoch_end", 1, 4), ("on_epoch_begin", 1, 1), ("on_train_batch_end", 1, 1),
    ("on_train_batch_begin", 1, 1), ("on_train_begin", 0, 0),
])  # fmt: skip
def test_stop_training(hook: str, epochs: int, steps: int) -> None:
    model = make()

    def stop(*_: Any) -> None:
        model.stop_training = True

    history = fit(model, 5, cb.LambdaCallback(**{hook: stop}))
    assert history.epoch == list(range(epochs))
    assert model.progress == {"steps": steps, "epochs": epochs}
    assert fit(model, 2).epoch == [0, 1]  # the next call begins anew


def test_a_stop_when_a_later_epoch_begins_trains_one_batch_of_it() -> None:
    """With hooks of batches or in the core's own loop: the same batch, and Keras's number."""
    found = []
    for hooks in ({}, {"on_train_batch_begin": lambda batch, logs: None}):
        model = make()

        def stop(epoch: int, logs: Any, model: Any = model) -> None:
            model.stop_training = epoch == 2

        history = fit(model, 5, cb.LambdaCallback(on_epoch_begin=stop, **hooks))
        assert model.progress == {"steps": 9, "epochs": 3}
        assert history.epoch == [0, 1, 2]
        found.append((history.history["loss"], model.parameters.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_train_batch_end"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_exception_leaves_the_model_usable(hook: str, error: type[BaseException]) -> None:
    calls = 0

    def fail(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise error

    model, twin = make(), make()
    with pytest.raises(error):
        fit(model, 5, cb.LambdaCallback(**{hook: fail}))
    assert model.history is not None
    done = {"on_epoch_begin": 2, "on_epoch_end": 3, "on_train_batch_end": 0}[hook]
    assert model.history.epoch == list(range(done))
    assert len(model.history.history["loss"]) == done
    assert model.progress["steps"] == (3 if done == 0 else 4 * done)
    if done:
        fit(twin, 5)
        fit(model, 5, initial_epoch=done)
        assert model.parameters.tobytes() == twin.parameters.tobytes()


def test_early_stopping_waits_and_restores() -> None:
    values = [5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 1.0]
    stop = cb.EarlyStopping("own", patience=3, restore_best_weights=True)
    model, twin = make(), make()
    history = fit(model, 7, Script(values), stop)
    assert history.epoch == [0, 1, 2, 3, 4, 5]
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (3.0, 2, 5)
    fit(twin, 3)
    assert model.parameters.tobytes() == twin.parameters.tobytes()
    assert history.history["own"] == values[:6]


@pytest.mark.parametrize(
    ("options", "values", "epochs"),
    [
        ({}, [1.0, 1.0, 0.5], 2),
        ({"patience": 2}, [1.0, 2.0, 0.5, 2.0, 2.0, 2.0], 5),
        ({"mode": "max"}, [1.0, 2.0, 3.0, 2.0, 9.0], 4),
        ({"monitor": "own_accuracy"}, [1.0, 2.0, 3.0, 2.0, 9.0], 4),
        ({"min_delta": 0.5}, [5.0, 4.6, 4.0, 4.0], 2),
        ({"min_delta": -0.5, "patience": 2}, [5.0, 4.6, 4.0, 4.0, 4.0, 4.0], 5),
        ({"baseline": 2.0, "patience": 2}, [5.0, 4.0, 4.5, 1.0], 3),
        ({"baseline": 2.0, "patience": 3}, [5.0, 4.0, 1.0, 0.5], 4),
        ({"start_from_epoch": 3}, [1.0, 2.0, 3.0, 4.0, 5.0], 5),
        ({"patience": 1}, [math.nan, 3.0, 2.0, math.nan, math.nan], 4),
    ],
)
def test_early_stopping_options(options: dict[str, Any], values: list[float], epochs: int) -> None:
    options = {"monitor": "own", **options}
    script = Script([*values, *[values[-1]] * 9][: len(values)], options["monitor"])
    history = fit(make(), len(values), script, cb.EarlyStopping(**options))
    assert len(history.epoch) == epochs


def test_early_stopping_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    stop = cb.EarlyStopping("own", verbose=1, restore_best_weights=True)
    fit(make(), 3, Script([1.0, 2.0, 3.0]), stop)
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 2: early stopping",
        "Restoring model weights from the best epoch: 1",
    ]


@pytest.mark.parametrize("kind", [
    cb.EarlyStopping, cb.ReduceLROnPlateau,
    lambda name: cb.ModelCheckpoint("never", name, save_best_only=True),
])  # fmt: skip
def test_of_an_unknown_name_a_warning_lists_the_known(kind: Any) -> None:
    model = make()
    with pytest.warns(UserWarning, match=r"found no 'val_loss' to monitor: fit was given no valid.*"
                      "; known: loss, mae"):  # fmt: skip
        fit(model, 3, kind("val_loss"))
    with pytest.warns(
        UserWarning, match="found no 'lost' to monitor, .*known: loss, mae, val_loss"
    ):
        fit(model, 3, kind("lost"), validation_data=(X, Y))
    assert not os.path.exists("never")


def test_a_validation_that_is_not_due_is_waited_for() -> None:
    stop = cb.EarlyStopping("val_loss", mode="max", patience=2)  # it falls all the time
    history = fit(make(), 9, stop, validation_data=(X, Y), validation_freq=2)
    assert len(history.epoch) == 6
    with pytest.raises(ValueError, match="mode: found 'up', wanted 'auto', 'min' or 'max'"):
        cb.EarlyStopping(mode="up")


@pytest.mark.parametrize("every_batch", [False, True])
@pytest.mark.filterwarnings("ignore:epoch")
def test_terminate_on_nan(every_batch: bool, capsys: pytest.CaptureFixture[str]) -> None:
    model = make([])

    def spoil(epoch: int, logs: Any) -> None:
        if epoch == 1:
            model.parameters[:] = math.nan

    history = fit(model, 5, cb.LambdaCallback(on_epoch_begin=spoil), cb.TerminateOnNaN(every_batch))
    assert history.epoch == [0, 1]
    assert model.progress["steps"] == (5 if every_batch else 8)
    what = "Batch 0" if every_batch else "Epoch 2"
    assert capsys.readouterr().out == f"{what}: the loss is nan, training is stopped\n"


@pytest.mark.parametrize("every_batch", [False, True])
def test_time_limit(every_batch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr("densecore.callbacks.stopping.time.monotonic", lambda: next(clock))
    model = make()
    history = fit(model, 50, cb.TimeLimit(6, every_batch))
    assert len(history.epoch) == (2 if every_batch else 6)
    assert model.progress["steps"] == (5 if every_batch else 24)
    with pytest.raises(ValueError, match="TimeLimit: seconds: found 0, wanted a finite number > 0"):
        cb.TimeLimit(0)


# Learning rates ---------------------------------------------------------------------------------


def test_scheduler_sets_each_epochs_rate(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []

    def halve(epoch: int, rate: float) -> float:
        seen.append((epoch, rate))
        return rate / 2

    model = make(optimizer=dc.optimizers.SGD(0.5))
    history = fit(model, 3, cb.LearningRateScheduler(halve, verbose=1))
    assert history.history["learning_rate"] == [0.25, 0.125, 0.0625]
    assert seen == [(0, 0.5), (1, 0.25), (2, 0.125)]
    assert capsys.readouterr().out.splitlines()[1] == "Epoch 2: learning rate 0.125"
    history = fit(model, 2, cb.LearningRateScheduler(lambda epoch: 1 / (1 + epoch)))
    assert history.history["learning_rate"] == [1.0, 0.5]


def test_a_changed_rate_holds_from_the_next_step() -> None:
    model, twin = make(), make()

    def change(batch: int, logs: Any) -> None:
        model.optimizer.learning_rate = 0.5  # type: ignore[union-attr]

    fit(model, 1, cb.LambdaCallback(on_train_batch_end=change), shuffle=False)
    for number, begin in enumerate(range(0, 40, 10)):
        twin.optimizer.learning_rate = 0.01 if number == 0 else 0.5  # type: ignore[union-attr]
        part = slice(begin, begin + 10)
        twin.train_on_batch(X[part].astype(np.float32), Y[part, None].astype(np.float32))
    assert model.parameters.tobytes() == twin.parameters.tobytes()


@pytest.mark.parametrize("returned", [None, "a", [0.1, 0.2]])
def test_a_schedule_must_return_a_number(returned: Any) -> None:
    with pytest.raises(TypeError, match=r"the schedule returned .* for epoch 0, wanted a number"):
        fit(make(), 1, cb.LearningRateScheduler(lambda epoch: returned))
    with pytest.raises(ValueError, match="learning_rate: found -1"):
        fit(make(), 1, cb.LearningRateScheduler(lambda epoch: -1.0))

    def broken(epoch: int, rate: float) -> float:
        raise TypeError("of its own")

    with pytest.raises(TypeError, match="of its own"):
        fit(make(), 1, cb.LearningRateScheduler(broken))


@pytest.mark.parametrize(
    ("options", "values", "rates"),
    [
        ({"patience": 2}, [3, 2, 2, 2, 2, 2], [1, 1, 1, 1, 0.5, 0.5]),
        ({"patience": 1}, [3, 2, 2, 1, 1, 1], [1, 1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "min_delta": 1.5}, [3, 2, 1, 1, 1, 1], [1, 1, 0.5, 0.5, 0.25, 0.125]),
        ({"patience": 1, "cooldown": 2}, [1, 1, 1, 1, 1, 1], [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 1, "min_lr": 0.4}, [1, 1, 1, 1, 1, 1], [1, 1, 0.5, 0.4, 0.4, 0.4]),
        ({"patience": 1, "mode": "max"}, [1, 2, 3, 3, 4, 5], [1, 1, 1, 1, 0.5, 0.5]),
    ],
)
def test_plateaus_reduce_the_rate(
    options: dict[str, Any], values: list[float], rates: list[float]
) -> None:
    model = make(optimizer=dc.optimizers.SGD(1e-3))
    reduce = cb.ReduceLROnPlateau("own", factor=0.5, **{**options, "min_lr": options.get("min_lr", 0) * 1e-3})  # fmt: skip # noqa: E501
    history = fit(model, 6, Script([float(value) for value in values]), reduce)
    np.testing.assert_allclose(history.history["learning_rate"], np.array(rates) * 1e-3)
    with pytest.raises(ValueError, match="factor: found 1, wanted a number > 0 and < 1"):
        cb.ReduceLROnPlateau(factor=1)


# Files ------------------------------------------------------------------------------------------


def test_checkpoints_have_names_of_epochs_and_numbers(tmp_path: Path) -> None:
    model = make()
    pattern = tmp_path / "new" / "{epoch:02d}-{own:.2f}.model"
    fit(model, 3, Script([3.0, 1.0, 2.0]), cb.ModelCheckpoint(pattern))
    assert sorted(os.listdir(tmp_path / "new")) == [
        "01-3.00.model", "02-1.00.model", "03-2.00.model",
    ]  # fmt: skip
    loaded = dc.load_model(tmp_path / "new" / "03-2.00.model")
    assert loaded.parameters.tobytes() == model.parameters.tobytes()
    assert loaded.progress == model.progress
    with pytest.raises(ValueError, match=r"filepath: found .* with 'nothing', known: loss, mae"):
        fit(model, 1, cb.ModelCheckpoint(tmp_path / "{nothing}"))


def test_checkpoints_of_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {"monitor": "own", "save_best_only": True, "verbose": 1}
    path = tmp_path / "{epoch}"
    fit(make(), 4, Script([3.0, 1.0, 2.0, 0.5]), cb.ModelCheckpoint(path, **options))
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "4"]
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("Epoch 2: own improved from 3.00000 to 1.00000, model saved to ")
    path = tmp_path / "threshold" / "{epoch}"
    options["initial_value_threshold"] = 1.0
    fit(make(), 4, Script([3.0, 1.0, 2.0, 0.5]), cb.ModelCheckpoint(path, **options))
    assert os.listdir(tmp_path / "threshold") == ["4"]


def test_checkpoints_after_batches(tmp_path: Path) -> None:
    path = tmp_path / "{epoch}-{batch}-{loss:.0e}"
    fit(make(), 3, cb.ModelCheckpoint(path, save_freq=3))
    assert sorted(name[:3] for name in os.listdir(tmp_path)) == ["1-3", "2-2", "3-1", "3-4"]
    for bad in (0, "batch", True):
        with pytest.raises(
            (ValueError, TypeError), match=r"save_freq: found .*, wanted 'epoch' or a number of"
        ):
            cb.ModelCheckpoint(path, save_freq=bad)


def read(path: Path, separator: str = ",") -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_csv_logger(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    model = make()
    history = fit(model, 3, cb.CSVLogger(path, ";"), validation_data=(X, Y), validation_freq=2)
    rows = read(path, ";")
    assert rows[0] == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2"]
    assert [float(row[1]) for row in rows[1:]] == history.history["loss"]
    assert [row[3] for row in rows[1:]] == ["NA", str(history.history["val_loss"][0]), "NA"]
    fit(model, 1, cb.CSVLogger(path, ";", append=True))
    assert read(path, ";")[-1][3:] == ["NA", "NA"]
    assert len(read(path, ";")) == 5
    fit(model, 1, cb.CSVLogger(path))
    assert read(path)[0] == ["epoch", "loss", "mae"]
    assert len(read(path)) == 2


def test_csv_has_each_epoch_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    seen: list[int] = []
    look = cb.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(
        len(read(path)) if path.exists() else 0))  # fmt: skip
    fit(make(), 3, look, cb.CSVLogger(path))
    assert seen == [0, 2, 3]


def test_lambda_callback_knows_its_hooks() -> None:
    with pytest.raises(TypeError, match="unknown hook 'on_fire'; known: on_train_begin"):
        cb.LambdaCallback(on_fire=print)
    with pytest.raises(TypeError, match="on_epoch_end: found int, wanted a callable"):
        cb.LambdaCallback(on_epoch_end=3)  # type: ignore[arg-type]


class Writer:
    """As SummaryWriter; keeps what it is given."""

    written: list[tuple[Any, ...]]

    def __init__(self, folder: str) -> None:
        self.folder = os.path.basename(folder)

    def add_scalar(self, tag: str, value: float, epoch: int) -> None:
        self.written.append((self.folder, tag, value, epoch))

    def add_histogram(self, tag: str, values: Any, epoch: int) -> None:
        self.written.append((self.folder, tag, values.shape, epoch))

    def flush(self) -> None: ...
    def close(self) -> None: ...


def test_tensorboard_writes_both_curves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("tensorboardX")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    Writer.written = []
    history = fit(make([]), 2, cb.TensorBoard(tmp_path), validation_data=(X, Y)).history
    assert Writer.written == [
        ("train", "epoch_loss", history["loss"][0], 0),
        ("validation", "epoch_loss", history["val_loss"][0], 0),
        ("train", "epoch_loss", history["loss"][1], 1),
        ("validation", "epoch_loss", history["val_loss"][1], 1),
    ]


def test_tensorboard_writes_histograms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("tensorboardX")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    Writer.written = []
    board = cb.TensorBoard(
        log_dir=tmp_path, histogram_freq=2, write_graph=True, update_freq="epoch"
    )
    model = make([])
    fit(model, 4, board)
    found = [entry for entry in Writer.written if entry[1] != "epoch_loss"]
    assert [entry[3] for entry in found] == [1] * len(model.weights) + [3] * len(model.weights)
    assert [entry[2] for entry in found[: len(model.weights)]] == [w.shape for w in model.weights]
    assert len({entry[1] for entry in found}) == len(model.weights)
    with pytest.raises(ValueError, match="found embeddings_freq"):
        cb.TensorBoard(tmp_path, embeddings_freq=1)


def test_tensorboard_with_the_real_writer(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    fit(make(), 2, cb.TensorBoard(tmp_path, histogram_freq=1), validation_data=(X, Y))
    assert sorted(os.listdir(tmp_path)) == ["train", "validation"]
    assert len(os.listdir(tmp_path / "train")) == 1


def test_without_tensorboard_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch.utils.tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        cb.TensorBoard()


@pytest.mark.parametrize(
    "callback",
    [cb.ReduceLROnPlateau("loss"), cb.LearningRateScheduler(lambda epoch: 0.1)],
    ids=lambda c: type(c).__name__,
)
def test_only_one_sets_the_learning_rate(callback: Any) -> None:
    model = make()
    rate = schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(dc.optimizers.SGD(rate), "mse")
    with pytest.raises(ValueError, match="learning_rate is a schedule, wanted a number"):
        model.fit(X, Y, verbose=0, callbacks=[callback])
    assert model.optimizer.schedule is rate


def test_direction_is_the_metric_s() -> None:
    """Its name may be anything."""
    model = dc.Sequential([dc.Input(2), dc.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", [dc.metrics.AUC(curve="PR", name="ap")])
    callback = cb.EarlyStopping("val_ap")
    callback.set_model(model)
    assert callback._direction.grows
    assert cb.EarlyStopping("val_specificity")._direction.grows
    assert not cb.EarlyStopping("val_loss")._direction.grows
    # Pictures and the best epoch go by the same.
    y = (X[:, :1] > 0).astype(np.float32)
    history = model.fit(X[:, :2], y, epochs=3, verbose=0, validation_split=0.5)
    found = history.history["val_ap"]
    assert history.best_epoch("val_ap") == int(np.argmax(found))
    assert history._grows("val_ap")


def test_a_validation_is_not_known_within_an_epoch() -> None:
    with pytest.raises(ValueError, match="known at the end of an epoch only"):
        cb.ModelCheckpoint("k.st", "val_loss", save_best_only=True, save_freq=1)

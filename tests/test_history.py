"""What training shows: the history, its picture, and the progress line in terminals and in logs."""

import copy
import io
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from builders import compiled
from densecore.callbacks import LambdaCallback
from densecore.callbacks.progress import EpochProgress, ProgressBar


def falling(epochs: int = 20) -> dc.History:
    """Losses over three decades; the validation part is best in epoch 11."""
    numbers = list(range(epochs))
    return dc.History(
        {
            "loss": [10.0 ** (-3 * i / epochs) for i in numbers],
            "accuracy": [i / epochs for i in numbers],
            "val_loss": [0.5 + (i - 10) ** 2 / 100 for i in numbers],
            "val_accuracy": [0.9 - (i - 5) ** 2 / 1000 for i in numbers],
        },
        numbers,
        {"epochs": epochs},
    )


def test_repr_shows_the_last_numbers() -> None:
    assert repr(dc.History({"loss": []}, [])) == "History(no epochs)"
    assert repr(dc.History({"loss": [2.0, 0.5]}, [0, 1])) == "History(2 epochs; last: loss=0.5)"


def test_best_epochs() -> None:
    history = falling()
    assert history.best_epoch() == 10
    assert history.best_epoch("val_accuracy") == 5
    assert history.best_epoch("accuracy") == 19
    with pytest.raises(ValueError, match="best_epoch: found no 'val_lost'; known: loss, accuracy"):
        history.best_epoch("val_lost")
    with pytest.raises(ValueError, match="best_epoch: found no finite 'loss'"):
        dc.History({"loss": [float("nan")]}, [0]).best_epoch("loss")


def now_and_then() -> dc.History:
    """A validation every second epoch, and a learning rate."""
    return dc.History(
        {"loss": [3.0, 2.0, 1.0], "val_loss": [2.5], "learning_rate": [0.1, 0.01, 0.01]},
        [0, 1, 2],
        {"validation_freq": 2},
    )


def test_frame_has_a_row_per_epoch() -> None:
    pandas = pytest.importorskip("pandas")
    frame = now_and_then().to_pandas()
    assert list(frame.columns) == ["loss", "val_loss", "learning_rate"]
    assert frame.index.tolist() == [0, 1, 2]
    assert frame.index.name == "epoch"
    assert frame["val_loss"].isna().tolist() == [True, False, True]
    assert frame.loc[1, "val_loss"] == 2.5
    assert len(dc.History().to_pandas()) == 0
    assert isinstance(dc.History({"loss": []}, []).to_pandas(), pandas.DataFrame)


def test_the_old_name_of_the_frame_warns() -> None:
    pytest.importorskip("pandas")
    with pytest.warns(DeprecationWarning, match="to_pandas"):
        found = falling().to_frame()
    assert found.equals(falling().to_pandas())


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'densecore\[tables\]'"):
        falling().to_pandas()


def test_notebooks_get_a_table() -> None:
    shown = now_and_then()._repr_html_()
    assert "<caption>History: 3 epochs</caption>" in shown
    assert "<tr><td>1</td><td>3</td><td></td><td>0.1</td></tr>" in shown
    assert "<tr><td>2</td><td>2</td><td>2.5</td><td>0.01</td></tr>" in shown
    long = falling(100)._repr_html_()
    assert long.count("<tr>") == 12
    assert "<td>…</td>" in long
    assert dc.History({"a<b": [1.0]}, [0])._repr_html_().count("a&lt;b") == 1
    assert "no epochs" in dc.History()._repr_html_()


# The picture -----------------------------------------------------------------------------------


def test_picture_has_a_panel_for_each_number() -> None:
    pytest.importorskip("matplotlib")
    figure = falling().plot()
    loss, accuracy = figure.axes
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("epoch", "loss")
    assert accuracy.get_ylabel() == "accuracy"
    assert loss.get_yscale() == "log"
    assert accuracy.get_yscale() == "linear"
    labels = [text.get_text() for text in loss.get_legend().get_texts()]
    assert labels == ["training", "validation", "best: 0.5 (epoch 11)"]
    labels = [text.get_text() for text in accuracy.get_legend().get_texts()]
    assert labels[2] == "best: 0.9 (epoch 6)"
    training, validation, best = loss.get_lines()
    assert list(training.get_xdata()) == list(range(1, 21))
    assert list(validation.get_ydata()) == falling().history["val_loss"]
    assert best.get_xydata().tolist() == [[11, 0.5]]


def test_picture_has_a_panel_for_the_learning_rate() -> None:
    pytest.importorskip("matplotlib")
    figure = now_and_then().plot()
    loss, rate = figure.axes
    assert rate.get_ylabel() == "learning rate"
    assert rate.get_yscale() == "log"
    assert rate.get_legend() is None
    assert list(loss.get_lines()[1].get_xdata()) == [2]
    assert loss.get_legend().get_texts()[2].get_text() == "best: 2.5 (epoch 2)"


def test_many_panels_stand_in_rows() -> None:
    pytest.importorskip("matplotlib")
    figure = dc.History({name: [1.0, 2.0] for name in "abcde"}, [0, 1]).plot()
    places = [axes.get_subplotspec().rowspan.start for axes in figure.axes]
    assert places == [0, 0, 0, 1, 1]


def test_picture_of_a_flat_loss_is_linear() -> None:
    pytest.importorskip("matplotlib")
    figure = dc.History({"loss": [2.0, 1.5, 1.2]}, [0, 1, 2]).plot()
    assert figure.axes[0].get_yscale() == "linear"
    assert len(figure.axes[0].get_lines()) == 1


@pytest.mark.parametrize("values", [[1.0], [1.0, float("nan")], [float("inf")] * 3, [0.0] * 4])
def test_picture_of_strange_numbers(values: list[float], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    epochs = list(range(len(values)))
    dc.History({"loss": values, "val_loss": values}, epochs).plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_the_ending_decides_the_format(name: str, start: bytes, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    falling().plot(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert os.listdir(tmp_path) == [name]


def test_a_bad_path_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(
        ValueError, match=r"a\.txt: found the ending '\.txt', wanted one of .*\.png"
    ):
        falling().plot(tmp_path / "a.txt")
    with pytest.raises(OSError, match="there is no directory"):
        falling().plot(tmp_path / "none" / "a.png")
    with pytest.raises(ValueError, match="found no epochs"):
        dc.History({"loss": []}, []).plot(tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_drawing_touches_no_global_state() -> None:
    pytest.importorskip("matplotlib")
    code = (
        "import sys, densecore as dc; dc.History({'loss': [1.0]}, [0]).plot(); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'densecore\[plot\]'"):
        falling().plot()


# The progress line -----------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """The lines as they stand on the screen in the end."""
        return [line.split("\r")[-1].rstrip() for line in self.getvalue().split("\n")]


def run(progress: EpochProgress, epochs: int, first: int = 0) -> None:
    for epoch in range(first, epochs):
        progress(epoch, {"loss": 1 / (epoch + 1), "val_loss": 2.0})
    progress.close()


@pytest.mark.parametrize("verbose", [1, "auto"])
@pytest.mark.parametrize(
    ("epochs", "first"), [(1, 0), (3, 0), (10, 0), (100, 0), (1003, 0), (50, 40)]
)
def test_a_log_gets_about_ten_lines(verbose: Any, epochs: int, first: int) -> None:
    stream = io.StringIO()
    run(EpochProgress(epochs, verbose, stream), epochs, first)
    lines = stream.getvalue().splitlines()
    assert min(epochs - first, 10) <= len(lines) <= 12
    assert "\r" not in stream.getvalue()
    assert lines[0].lstrip("Epoch ").startswith(f"{first + 1}/{epochs} - loss: ")
    assert lines[-1].startswith(f"Epoch {epochs}/{epochs} - loss: {1 / epochs:.4f} - val_loss: 2.0")


def test_one_line_for_each_epoch() -> None:
    stream = io.StringIO()
    run(EpochProgress(25, 2, stream), 25)
    assert len(stream.getvalue().splitlines()) == 25


def test_silence() -> None:
    for stream in (io.StringIO(), Terminal()):
        run(EpochProgress(5, 0, stream), 5)
        assert stream.getvalue() == ""


def test_a_terminal_gets_one_line_that_ends_whole() -> None:
    stream = Terminal()
    run(EpochProgress(1000, 1, stream), 1000)
    assert len(stream.shown()) == 2
    assert stream.shown()[0].startswith("Epoch 1000/1000 - loss: 0.0010 - val_loss: 2.0000")
    assert stream.shown()[1] == ""
    # More than twenty updates a second cannot be read.
    assert stream.getvalue().count("\r") < 20


def test_a_terminal_sees_the_last_epoch_of_an_interrupted_training() -> None:
    stream = Terminal()
    progress = EpochProgress(1000, 1, stream)
    run(progress, 7)
    assert stream.shown()[0].startswith("Epoch    7/1000")
    assert re.search(r"left$", stream.shown()[0])
    assert stream.getvalue().endswith("\n")
    progress.close()  # twice does no harm
    assert stream.getvalue().count("\n") == 1


def test_nothing_trained_shows_nothing() -> None:
    for stream in (io.StringIO(), Terminal()):
        EpochProgress(5, 1, stream).close()
        assert stream.getvalue() == ""


@pytest.mark.parametrize("columns", [5, 20, 40, 80])
def test_a_line_never_wraps(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("densecore.callbacks.progress._columns", lambda stream: columns)
    stream = Terminal()
    run(EpochProgress(10, 1, stream), 10)
    for line in re.split(r"[\r\n]", stream.getvalue()):
        assert len(line) < columns


def test_a_longer_line_is_wiped_out() -> None:
    stream = Terminal()
    progress = EpochProgress(2, 1, stream)
    progress.interval = 0
    progress(0, {"loss": 1.0, "a_metric_with_a_name": 1.0})
    progress(1, {"loss": 1.0})
    progress.close()
    assert "metric" not in stream.getvalue().split("\r")[-1]
    assert len({len(line) for line in stream.getvalue().rstrip("\n").split("\r")[1:]}) == 1


def test_a_closed_stream_stops_nothing() -> None:
    class Broken(Terminal):
        tried = False

        def write(self, text: str) -> int:
            self.tried = True
            raise BrokenPipeError

    for verbose in (1, 2):
        broken = Broken()
        run(EpochProgress(5, verbose, broken), 5)
        assert broken.tried
    closed = io.StringIO()
    progress = EpochProgress(5, 2, closed)
    closed.close()
    run(progress, 5)


@pytest.mark.parametrize("verbose", [-1, "loud", None])
def test_unknown_verbosity_is_refused(verbose: Any) -> None:
    with pytest.raises(ValueError, match=r"verbose: found .*, wanted 'auto', 0, 1"):
        EpochProgress(5, verbose)


def test_long_trainings_show_hours() -> None:
    from densecore.callbacks.progress import _duration

    assert [_duration(s) for s in (0, 59.94, 60, 3599, 3661, 90_000)] == [
        "0.0s",
        "59.9s",
        "1:00",
        "59:59",
        "1:01:01",
        "25:00:00",
    ]


def test_fit_shows_progress_and_returns_history(capsys: pytest.CaptureFixture[str]) -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x, y = [[0.0, 1.0], [1.0, 0.0]], [[1.0], [0.0]]
    history = model.fit(x, y, epochs=3, verbose=2, validation_data=(x, y))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert f"loss: {history.history['loss'][0]:.4f} - val_loss" in lines[0]
    assert history.epoch == [0, 1, 2]
    assert set(history.history) == {"loss", "val_loss"}
    model.fit(x, y, epochs=3, verbose=0)
    assert capsys.readouterr().out == ""


# Progress of other kinds -----------------------------------------------------------------------


def train(bar: ProgressBar, epochs: int = 3) -> None:
    bar.set_params({"epochs": epochs})
    bar.on_train_begin()
    for epoch in range(epochs):
        bar.on_epoch_end(epoch, {"loss": 1 / (1 + epoch)})
    bar._release()


def test_a_bar_in_a_terminal_is_tqdms() -> None:
    pytest.importorskip("tqdm")
    stream = Terminal()
    train(ProgressBar("bar", stream))
    assert stream.shown()[0].startswith("100%|")
    assert "3/3" in stream.shown()[0]
    assert "loss=0.3333" in stream.shown()[0]


def test_a_bar_elsewhere_is_lines() -> None:
    stream = io.StringIO()
    train(ProgressBar("bar", stream))
    assert len(stream.getvalue().splitlines()) == 3
    assert stream.getvalue().startswith("Epoch 1/3 - loss: 1.0000 - ")


def test_a_bar_without_tqdm_is_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    stream = Terminal()
    train(ProgressBar("bar", stream))
    assert stream.shown()[0].startswith("Epoch 3/3 - loss: 0.3333 - ")


def test_notebooks_rewrite_the_line() -> None:
    notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    train(ProgressBar(1, notebook))
    assert notebook.getvalue().count("\r") >= 1
    assert notebook.getvalue().count("\n") == 1


def test_small_numbers_keep_their_exponent() -> None:
    stream = io.StringIO()
    progress = EpochProgress(1, 2, stream)
    progress(0, {"loss": 0.0, "learning_rate": 1e-5})
    assert "loss: 0.0000 - learning_rate: 1.0000e-05 - " in stream.getvalue()


@pytest.mark.parametrize("verbose", [0, 1, 2, "bar"])
def test_a_bar_of_ones_own_replaces_fits(verbose: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    stream = io.StringIO()
    model.fit([[0.0, 1.0]], [1.0], epochs=2, verbose=verbose, callbacks=ProgressBar(2, stream))
    assert len(stream.getvalue().splitlines()) == 2
    assert capsys.readouterr().out == ""


def test_the_line_ends_when_a_callback_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")

    def fail(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.fit([[0.0, 1.0]], [1.0], epochs=5, callbacks=dc.callbacks.LambdaCallback(
            on_epoch_begin=fail))  # fmt: skip
    assert stream.getvalue().endswith("\n")
    assert stream.shown()[0].startswith("Epoch 2/5")


def test_a_number_of_some_epochs_stays_in_them() -> None:
    class Sometimes(dc.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                logs["extra"] = 1.0

    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x, y = np.ones((4, 2)), np.ones((4, 1))
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[Sometimes()])
    assert history.epochs_of("extra") == [1]
    assert history.best_epoch("extra") == 1
    assert history.epochs_of("loss") == [0, 1, 2, 3]


@pytest.mark.parametrize("by_batch", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.slow
def test_a_long_epoch_shows_how_far_it_is(
    by_batch: bool, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal, without a loop in Python: nothing was shown before the epoch had ended."""
    monkeypatch.setattr(EpochProgress, "within", 0.01)
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    rng = np.random.default_rng(0)
    # An epoch of a few tenths of a second: the thread that looks may be late.
    rows = (200_000 if by_batch else 400_000) * (4 if batch_size == 64 else 1)
    x = rng.normal(size=(rows, 8)).astype(np.float32)
    models = [compiled(8, (64, "tanh"), 64, 8, optimizer="adam") for _ in range(2)]
    listener = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    callbacks = [listener] if by_batch else []
    threads = threading.active_count()
    models[0].fit(x, x, batch_size, epochs=2, callbacks=callbacks, verbose=1)
    text = stream.getvalue()
    shares = [int(found) for found in re.findall(r"Epoch 1/2 - (\d+)% of the epoch", text)]
    assert len(shares) >= 2, text[-500:]
    assert shares == sorted(shares)
    assert shares[-1] <= 100
    assert re.search(r"Epoch 2/2 - loss: ", text.rsplit("\r", 1)[-1])
    assert threading.active_count() == threads
    models[1].fit(x, x, batch_size, epochs=2, verbose=0)
    assert models[0].parameters.tobytes() == models[1].parameters.tobytes()


def test_no_part_of_an_epoch_is_shown_behind_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was "Epoch 3/2 - 100% of the epoch" as long as another callback took its time."""
    monkeypatch.setattr(EpochProgress, "within", 0.01)
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    slow = LambdaCallback(on_train_end=lambda logs: time.sleep(0.1))
    x = np.ones((64, 8), np.float32)
    compiled(8, 4, 8).fit(x, x, epochs=2, callbacks=[slow], verbose=1)
    assert "of the epoch" not in stream.getvalue()


def test_a_log_shows_whole_epochs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EpochProgress, "within", 0.001)
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    x = np.ones((20_000, 8), np.float32)
    compiled(8, 64, 8).fit(x, x, 8, epochs=2, verbose=1)
    assert "% of the epoch" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 2


def test_the_model_of_a_history() -> None:
    """It is there as long as the model is, and keeps it not alive; copies have none."""
    x = np.random.default_rng(0).normal(size=(20, 3))
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    history = model.fit(x, x[:, 0], epochs=2, verbose=0)
    assert history.model is model
    assert pickle.loads(pickle.dumps(history)).model is None
    assert copy.deepcopy(history).epoch == [0, 1]
    gone = weakref.ref(model)
    del model
    assert gone() is None
    assert history.model is None

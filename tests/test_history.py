"""What a user sees of a training: the progress display and the loss curves."""

import io
import re
from pathlib import Path

import pytest

from densecore.history import History
from densecore.progress import EpochProgress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal, of 80 columns as it has no descriptor."""

    def isatty(self) -> bool:
        return True


def run(verbose: int | str, stream: io.StringIO, epochs: int = 50, start: int = 0) -> str:
    progress = EpochProgress(epochs, verbose, stream)
    for epoch in range(start, epochs):
        progress(epoch, {"loss": 1 / (epoch + 1), "accuracy": 0.5})
    progress.close()
    return stream.getvalue()


def test_log_gets_about_ten_whole_lines() -> None:
    lines = run("auto", io.StringIO()).splitlines()
    assert 10 <= len(lines) <= 12
    assert lines[0].startswith("Epoch  1/50 - loss: 1.0000 - accuracy: 0.5000 - 0.0s")
    assert lines[-1].startswith("Epoch 50/50 - ")
    assert "\r" not in "".join(lines)
    assert len(run(1, io.StringIO(), 3).splitlines()) == 3
    assert len(run(1, io.StringIO(), 100, 90).splitlines()) == 10


def test_verbose_2_is_a_line_per_epoch_and_0_is_silence() -> None:
    assert len(run(2, io.StringIO()).splitlines()) == 50
    assert len(run(2, Terminal()).splitlines()) == 50
    assert run(0, io.StringIO()) == ""


def test_terminal_gets_one_line_rewritten() -> None:
    text = run("auto", Terminal())
    assert text.endswith("\n")
    assert text.count("\n") == 1
    updates = text.rstrip("\n").split("\r")[1:]
    assert all(len(update) == 79 for update in updates)
    assert "Epoch 50/50" in updates[-1]


def test_terminal_shows_the_last_epoch_even_if_interrupted() -> None:
    stream = Terminal()
    progress = EpochProgress(50, 1, stream)
    progress(0, {"loss": 1.0})
    progress(1, {"loss": 0.5})  # too soon after the first to be drawn at once
    progress.close()
    assert "Epoch  2/50 - loss: 0.5000" in stream.getvalue()
    assert stream.getvalue().endswith("\n")


def test_long_lines_are_cut_to_the_terminal() -> None:
    stream = Terminal()
    progress = EpochProgress(1, 1, stream)
    progress(0, {f"metric_{i}": 0.1 for i in range(20)})
    progress.close()
    assert re.fullmatch(r"\r.{78}…\n", stream.getvalue())


def test_a_closed_stream_does_not_stop_the_training() -> None:
    stream = io.StringIO()
    progress = EpochProgress(10, 2, stream)
    progress(0, {"loss": 1.0})
    stream.close()
    progress(1, {"loss": 1.0})
    progress.close()


@pytest.mark.parametrize("verbose", [3, "loud", None, -1])
def test_unknown_verbosity(verbose: object) -> None:
    with pytest.raises(ValueError, match=r"verbose: found .*, wanted 'auto', 0, 1 or 2"):
        EpochProgress(1, verbose)  # type: ignore[arg-type]


HISTORY = {
    "loss": [3.0, 0.5, 0.01],
    "accuracy": [0.3, 0.8, 0.9],
    "val_loss": [3.0, 0.4, 0.6],
    "val_accuracy": [0.3, 0.85, 0.8],
}


def test_repr() -> None:
    assert repr(History({"loss": [1.0, 0.5]}, [0, 1])) == "History(2 epochs; last: loss=0.5)"
    assert repr(History({"loss": []}, [])) == "History(no epochs)"


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = History(HISTORY, [0, 1, 2])
    figure = history.plot(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    loss, accuracy = figure.axes
    assert loss.get_ylabel() == "loss"
    assert loss.get_yscale() == "log"  # it falls by more than a factor of 30
    assert accuracy.get_yscale() == "linear"
    labels = [text.get_text() for text in loss.get_legend().get_texts()]
    assert labels == ["training", "validation", "best: 0.4 (epoch 2)"]
    assert loss.lines[0].get_xydata().tolist() == [[1, 3.0], [2, 0.5], [3, 0.01]]
    assert accuracy.lines[2].get_xydata().tolist() == [[2, 0.85]]
    history.plot(tmp_path / "loss.svg")
    assert b"<svg" in (tmp_path / "loss.svg").read_bytes()


def test_plot_without_validation_or_with_nan(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    History({"loss": [1.0]}, [0]).plot(tmp_path / "a.png")
    nan = float("nan")
    History({"loss": [1.0, nan], "val_loss": [nan, nan]}, [0, 1]).plot(tmp_path / "b.png")


def test_plot_refuses(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = History(HISTORY, [0, 1, 2])
    with pytest.raises(ValueError, match="found no epochs"):
        History({"loss": []}, []).plot()
    with pytest.raises(ValueError, match=r"found the ending '.xyz', wanted one of .*\.png"):
        history.plot(tmp_path / "loss.xyz")
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        history.plot(tmp_path / "missing" / "loss.png")

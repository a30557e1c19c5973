"""The progress of custom loops, and the parts of batches."""

import io
import sys
from typing import Any

import numpy as np
import pytest

from densecore import utils


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_means_over_steps_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    bar = utils.Progbar(4, stateful_metrics=["lr"])
    bar.update(1, [("loss", 1.0), ("lr", 0.5)])
    bar.add(2, [("loss", np.float32(4.0)), ("lr", 0.25)])
    assert stream.getvalue() == ""
    bar.update(4, [("loss", 3.0)])
    line = stream.getvalue()
    assert line.startswith("4/4 " + "━" * 20 + " - 0s ")
    assert line.endswith("ms/step - loss: 3 - lr: 0.25\n")  # (1 + 2 · 4 + 3) / 4


def test_a_terminal_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    bar = utils.Progbar(None, interval=0)
    bar.update(1, [("loss", 0.5)])
    bar.update(2, finalize=True)
    first, second, third = stream.getvalue().split("\r")
    assert (first, second[:9], third[:9]) == ("", "1/Unknown", "2/Unknown")
    assert stream.getvalue().rstrip().endswith("loss: 0.5")
    quiet = Terminal()
    monkeypatch.setattr(sys, "stdout", quiet)
    utils.Progbar(1, verbose=0).update(1)
    assert quiet.getvalue() == ""


def test_parts_of_batches() -> None:
    x, y, weight = np.zeros(2), np.ones(2), np.ones(2)
    for given in (x, (x,), (x, y), [x, y, weight]):
        parts: Any = utils.unpack_x_y_sample_weight(given)
        assert parts[0] is x
        assert len(parts) == 3
    assert utils.unpack_x_y_sample_weight((x, y, weight)) == (x, y, weight)
    assert utils.pack_x_y_sample_weight(x) is x
    assert utils.pack_x_y_sample_weight(x, y) == (x, y)
    assert utils.pack_x_y_sample_weight([x]) == ([x],)
    with pytest.raises(ValueError, match="found 4 parts"):
        utils.unpack_x_y_sample_weight((x, y, weight, x))

"""The comparison with other libraries: that it runs, and that it catches a wrong result."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs the source tree")


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def contest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module that runs a row, in this process."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    import contest

    yield contest
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_quick_run(tmp_path: Path) -> None:
    """With whichever peers are installed; NumPy always is."""
    done = run("--quick", "--only", "note", "--json", tmp_path / "speed.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "speed.json").read_text())
    assert set(report) == {"machine", "versions", "missing", "rows"}
    assert report["machine"]["processor"]
    assert report["machine"]["date"]
    assert report["machine"]["command"][:3] == ["run.py", "--quick", "--only"]
    assert {"densecore", "numpy"} <= set(report["versions"])
    peers = ["densecore", "numpy", "torch", "jax", "sklearn", "onnxruntime"]
    assert set(report["versions"]) | set(report["missing"]) == set(peers)
    for name in report["missing"]:
        assert f"{name}: left out, not installed" in done.stdout
    [row] = report["rows"]
    assert row["name"] == "note"
    assert row["wrong"] == {}
    assert {"densecore fit", "densecore train_on_batch", "NumPy"} <= set(row["times"])
    assert set(row["errors"]) == set(row["times"])
    for name, rounds in row["rounds"].items():
        assert len(rounds) == 3
        assert row["times"][name] == min(rounds) > 0
    assert row["peak"] > 1e7
    [goal] = row["goals"]
    assert goal["goal"] == "times the best peer's speed ≥ 10"
    assert goal["reached"] == (goal["found"][0] >= 10)


def test_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run("--quick", "--only", "predict-note", "--peers", "numpy", "--rounds", 1,
               "--plot", tmp_path / "speed.png")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def quick(contest: Any) -> Any:
    return contest.Settings(threads=1, rounds=1, seconds=0.001, compile=False)


def modules(contest: Any) -> Any:
    import peers

    return peers.load(["densecore", "numpy"])[0]


@pytest.mark.parametrize("row", ["note", "control", "digits", "f64-small", "adam-control"])
def test_contestants_agree(contest: Any, row: str) -> None:
    result = contest.run_row(contest_row(row), modules(contest), quick(contest))
    assert result.wrong == {}
    assert set(result.times) == {"densecore fit", "densecore train_on_batch", "NumPy"}


@pytest.mark.parametrize("row", ["predict-note", "predict-control"])
def test_predictions_agree(contest: Any, row: str) -> None:
    result = contest.run_row(contest_row(row), modules(contest), quick(contest))
    assert result.wrong == {}
    assert set(result.times) == {"densecore predict_on_batch", "NumPy"}


def contest_row(name: str) -> Any:
    from rows import ROWS

    return ROWS[name]


def test_a_wrong_step_is_caught(contest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that is off by two thousandths, in one layer."""
    found = modules(contest)
    steps = found["numpy"].Steps
    right = steps._gradients

    def wrong(self: Any, x: Any, y: Any) -> None:
        right(self, x, y)
        self.gradients[0] *= 1.002

    monkeypatch.setattr(steps, "_gradients", wrong)
    result = contest.run_row(contest_row("note"), found, quick(contest))
    assert list(result.wrong) == ["NumPy"]
    assert "found an error of 2.0e-03, wanted at most 1e-04" in result.wrong["NumPy"]
    assert "NumPy" not in result.times
    assert "densecore fit" in result.times
    assert result.goals[0]["reached"] is None  # there is nobody left to compare with


@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_a_wrong_prediction_is_caught(
    contest: Any, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    found = modules(contest)
    monkeypatch.setattr(found["numpy"].Predict, "output", lambda self: np.full((1, 2), value))
    result = contest.run_row(contest_row("predict-note"), found, quick(contest))
    assert list(result.wrong) == ["NumPy"]
    assert list(result.times) == ["densecore predict_on_batch"]


def test_an_exception_is_no_success(contest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = modules(contest)
    monkeypatch.setattr(found["numpy"].Steps, "epoch", lambda self: 1 / 0)
    result = contest.run_row(contest_row("note"), found, quick(contest))
    assert "ZeroDivisionError" in result.wrong["NumPy"]


def test_a_check_that_cannot_fail_is_refused(contest: Any) -> None:
    """A learning rate so small that every step would pass."""
    from dataclasses import replace

    from contestant import Problem, expected_step, step_error
    from densecore.cli.workloads import WORKLOADS

    problem = Problem.of(replace(WORKLOADS["note"], learning_rate=1e-9), 1, 1)
    with pytest.raises(ValueError, match="too little to see an error"):
        step_error(problem, expected_step(problem), problem.weights)


def test_no_relu_of_a_checked_step_is_next_to_its_kink(contest: Any) -> None:
    from contestant import KINK, Problem
    from densecore.cli.workloads import WORKLOADS

    problem = Problem.of(WORKLOADS["skinny"], 1, 3)
    x, y = problem.batch(0)
    kernel, bias = problem.weights[:2]
    # Unit 5 gets 1e-7 from row 2.
    bias[5] = 1e-7 - x[2] @ kernel[:, 5]
    step = problem.first_batch()
    z = step.x.astype(np.float64) @ kernel + bias
    assert np.abs(z).min() > KINK * np.finfo(np.float32).eps
    assert np.array_equal(step.y, y)
    changed = (step.x != x).any(axis=1)
    assert changed[2]
    assert changed.sum() < 4


MISTAKES = [
    (["--only", "nothing"], "--only: unknown name 'nothing'; known: note, control"),
    (["--peers", "keras"], "--peers: unknown name 'keras'; known: densecore, numpy"),
    (["--threads", "0"], "--threads: found '0', wanted whole numbers"),
    (["--threads", "x"], "--threads: found 'x', wanted whole numbers"),
    (["--only", "busy-note"], "--only: found busy-note, which has no row for 1 threads"),
    (["--rounds", "0"], "--rounds: found 0, wanted at least 1"),
]


@pytest.mark.parametrize(("arguments", "text"), MISTAKES, ids=[row[1][:30] for row in MISTAKES])
def test_mistakes(arguments: list[str], text: str) -> None:
    done = run("--quick", *arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_serving(tmp_path: Path) -> None:
    """The latencies of one row: that it runs, checks the outputs, and watches the memory."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "serving.py"), "--quick", "--json", str(tmp_path / "s.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "s.json").read_text())
    found = {(row["network"], row["threads"], row["contestant"]) for row in report["rows"]}
    for network in ("note", "control", "mnist"):
        for threads in (1, 4):
            assert {(network, threads, name) for name in ("densecore", "NumPy")} <= found
    for row in report["rows"]:
        assert 0 < row["p50_ns"] <= row["p99_ns"] <= row["p99.9_ns"]
    assert report["growth"]["calls"] == 100_000

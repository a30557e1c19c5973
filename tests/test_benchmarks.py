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


@pytest.mark.slow
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
    peers = ["densecore", "numpy", "torch", "jax", "sklearn", "onnxruntime", "keras"]
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


@pytest.mark.slow
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
    assert result.goals[0]["reached"] is None  # no peer is left to compare with


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
    (["--peers", "mxnet"], "--peers: unknown name 'mxnet'; known: densecore, numpy"),
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


@pytest.mark.slow
def test_overheads(tmp_path: Path) -> None:
    """Of a step and of a prediction: every call is checked, timed and compared with its
    arithmetic."""
    path = tmp_path / "overheads.json"
    command = [sys.executable, str(FOLDER / "overheads.py"), "--quick", "--peers", "numpy"]
    command += ["--only", "train-control-1,predict-control-32", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    assert report["machine"]["command"][0] == "overheads.py"
    assert {"densecore", "numpy"} == set(report["versions"])
    step, prediction = report["rows"]
    calls = ["make_train_step()()", "train_on_batch", "forward, backward, apply"]
    parts = ["forward", "backward", "apply_gradients"]
    for row, names, arithmetic in (
        (step, ["step.run(n)", *calls, *parts], "densecore step.run(n)"),
        (prediction, ["predict, n rows", "make_predictor()()", "predict_on_batch"],
         "densecore predict, n rows"),
    ):  # fmt: skip
        assert row["wrong"] == {}
        assert {"NumPy", *(f"densecore {name}" for name in names)} == set(row["times"])
        assert row["floor"] == row["times"][arithmetic] > 0
        assert row["median"].keys() == row["times"].keys()
        assert set(row["times"]) - set(row["errors"]) <= {f"densecore {name}" for name in parts}
    assert (step["batch"], prediction["batch"]) == (1, 32)
    assert "arithmetic" in done.stdout
    assert "alone: forward" in done.stdout


@pytest.mark.parametrize("row", ["train-note-1", "predict-control-32"])
def test_a_wrong_call_is_caught(contest: Any, monkeypatch: pytest.MonkeyPatch, row: str) -> None:
    import calls
    from rows import CALLS

    kind = calls.OpenStep if row.startswith("train") else calls.Predictor
    monkeypatch.setattr(kind, "repeat", lambda self, count: None)
    result = calls.measure(CALLS[row], modules(contest), quick(contest))
    assert list(result.wrong) == [kind.name]
    assert kind.name not in result.times
    assert "NumPy" in result.times


PART = """
import argparse, json, os
made = argparse.ArgumentParser()
made.add_argument("--quick", action="store_true")
made.add_argument("--json")
options = made.parse_args()
assert os.environ["OMP_NUM_THREADS"] == "1"
with open(options.json, "w") as file:
    json.dump({"quick": options.quick}, file)
"""


@pytest.fixture
def everything(contest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program that runs all parts, with parts of its own."""
    import everything

    (tmp_path / "good.py").write_text(PART)
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    (tmp_path / "silent.py").write_text("")
    parts = {name: everything.Part((f"{name}.py",), 1, f"what {name} is") for name in
             ("good", "bad", "silent", "absent")}  # fmt: skip
    monkeypatch.setattr(everything, "PARTS", parts)
    monkeypatch.setattr(everything, "FOLDER", tmp_path)
    return everything


def test_one_report_of_all_parts(everything: Any, tmp_path: Path, capfd: Any) -> None:
    path = tmp_path / "all.json"
    assert everything.main(["--only", "good", "--quick", "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    assert set(report) == {"machine", "versions", "quick", "missing", "parts"}
    assert report["machine"]["date"]
    assert {"densecore", "numpy"} <= set(report["versions"])
    assert report["quick"] is True
    part = report["parts"]["good"]
    assert part["report"] == {"quick": True}
    assert part["command"] == ["good.py", "--quick"]
    assert part["status"] == 0
    capfd.readouterr()
    # One that fails keeps no other from running; one that writes nothing has failed.
    assert everything.main(["--json", str(path)]) == 1
    report = json.loads(path.read_text())
    assert {name: part["status"] for name, part in report["parts"].items()} == {
        "good": 0, "bad": 3, "silent": 0,
    }  # fmt: skip
    assert report["parts"]["good"]["report"] == {"quick": False}
    printed = capfd.readouterr().out
    assert "left out: absent.py is not there" in printed
    assert report["missing"] == {"absent": "absent.py is not there"}
    assert "bad: FAILED with status 3, no report" in printed
    assert "silent: FAILED with status 0, no report" in printed


def test_parts_are_listed(everything: Any, capsys: Any) -> None:
    assert everything.main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "good             1 min  what good is",
        "bad              1 min  what bad is",
        "silent           1 min  what silent is",
        "absent        left out  what absent is",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--only", "nothing"], "--only: unknown name 'nothing'; known: good, bad"),
        (["--json", "missing/all.json"], "--json: there is no directory missing"),
    ],
)
def test_mistakes_of_everything(
    everything: Any, arguments: list[str], text: str, capsys: Any
) -> None:
    assert everything.main(arguments) == 2
    printed = capsys.readouterr()
    assert text in printed.err
    assert printed.out == ""


@pytest.mark.slow
def test_every_part_has_the_two_options(contest: Any) -> None:
    """And every program of the folder that measures is a part."""
    import everything

    scripts = {part.command[0] for part in everything.PARTS.values()} - {"-m"}
    measuring = {path.name for path in FOLDER.glob("*.py") if "__main__" in path.read_text()}
    # tables.py wants a folder of tables.
    assert measuring - {"worker.py", "everything.py", "tables.py"} <= scripts
    started = []
    for part in everything.PARTS.values():
        if part.missing:
            continue
        start = part.command if part.command[0] == "-m" else [str(FOLDER / part.command[0])]
        command = [sys.executable, *start, "--help"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    for process in started:
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0, process.args
        assert "--quick" in printed
        assert "--json" in printed


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_solvers_picture_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(str(FOLDER))
    import solvers

    curves = {}
    for name in ("densecore lm", "densecore adam", "SciPy least_squares"):
        curves[name] = solvers._thinned(solvers.CONTESTANTS[name](solvers.concrete(), 0.2))
        seconds, losses = zip(*curves[name], strict=True)
        assert list(seconds) == sorted(seconds)
        assert list(losses) == sorted(losses, reverse=True)
    tables = [{"name": "t", "rows": 1, "parameters": 1, "curves": curves}] * 3
    solvers.draw({"tables": tables}, tmp_path / "images" / "picture.png")
    assert (tmp_path / "images" / "picture.png").stat().st_size > 1000
    many = [(float(i), 1.0) for i in range(1, 5000)]
    assert len(solvers._thinned(many)) <= 200
    assert solvers._thinned(many)[-1] == many[-1]


@pytest.mark.slow
def test_many_networks(tmp_path: Path) -> None:
    """All compute the same step, and the file says what was found."""
    target = tmp_path / "many.json"
    done = subprocess.run(
        [sys.executable, str(FOLDER / "ensembles.py"), "--quick", "--only", "tiny-adam",
         "--threads", "1", "--json", str(target)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(target.read_text())["rows"]
    assert set(row["times"]) >= {"densecore fit", "densecore train_on_batch"}
    assert max(row["errors"].values()) <= 1e-4
    assert "128 networks 5-4-3-2 sigmoid, mse, adam, batch 1" in done.stdout


def test_many_networks_notice_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import ensembles

    class Wrong(ensembles.Fit):  # type: ignore[name-defined, misc]
        name = "wrong"

        def step(self) -> None:
            super().step()
            self.ensemble.parameters[-1] *= 1.001

    workload = ensembles.Workload("t", 4, (3, 4, 2), "tanh", "sgd", 2, 0.1, 2, 1.0)
    row = ensembles.run(workload, [ensembles.Fit, Wrong], 1, 0.001, 1)
    assert list(row["times"]) == ["densecore fit"]
    assert "wanted 1e-04" in row["wrong"]["wrong"]


@pytest.mark.slow
def test_tables(contest: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Both tasks, each peer that scikit-learn has, and results that are kept."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    import tables

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    frame["k"] = np.where(frame["b"] > 0, "x", "y")
    frame["y"] = frame["a"] + (frame["k"] == "x")
    kinds = {"numbers": ("y", "regression"), "kinds": ("k", "classification")}
    entries = [{"name": n, "target": t, "task": task} for n, (t, task) in kinds.items()]
    (tmp_path / "tables.json").write_text(json.dumps(entries))
    for name in kinds:
        frame.to_csv(tmp_path / f"{name}.csv.gz", index=False)
    cache, out = tmp_path / "cache.json", tmp_path / "out.json"
    command = [str(tmp_path), "--recipes", "quick", "--peers", "mlp,hgb"]
    command += ["--cache", str(cache), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["tables.py", *command])
    tables.main()
    printed = capsys.readouterr().out
    assert "| tables refused | 0 | 0 | 0 |" in printed
    kept = json.loads(cache.read_text())
    assert sorted(kept) == sorted(f"{n}/80/{w}/0" for n in kinds for w in ("quick", "mlp", "hgb"))
    assert set(kept["kinds/80/quick/0"]) == {"error", "logloss", "train_s"}
    report = json.loads(out.read_text())
    assert report["tables"] == {"numbers": 64, "kinds": 64}
    assert set(report["results"]) == {"quick", "mlp", "hgb"}
    # What is kept is not run again.
    kept["numbers/80/mlp/0"]["error"] = 7.0
    cache.write_text(json.dumps(kept))
    monkeypatch.setattr(tables, "ours", None)
    monkeypatch.setattr(tables, "peer", None)
    tables.main()
    assert "| mlp | 7.0000 |" in capsys.readouterr().out

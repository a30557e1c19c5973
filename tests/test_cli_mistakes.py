"""Every kind of mistake at the command line, and what disturbs it from outside."""

import gzip
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import densecore as dc
from command_line import command, flowers, table
from conftest import assert_refused
from densecore.cli import main

pytestmark = pytest.mark.usefixtures("in_empty_folder")

XY = "x,y\n" + "\n".join(f"{i},{i * 0.5}" for i in range(40)) + "\n"


def replaced(line: int, text: str) -> str:
    lines = XY.splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


# (contents of data.csv or None, further arguments, what the message says)
TRAINING_MISTAKES: list[tuple[str | bytes | None, list[str], str]] = [
    (None, [], "data.csv: no such file"),
    ("", [], "data.csv: the file is empty"),
    ("\n\n", [], "data.csv: the file is empty"),
    ("x,y\n", [], "found column names but no rows"),
    (XY, ["--target", "z"], "no column 'z'; known: x, y"),
    (XY, ["--target", "y"], "--target: the same column twice"),
    (XY, ["--ignore", "q"], "no column 'q'; known: x, y"),
    (XY, ["--ignore", "y"], "--ignore: 'y' is the target"),
    (XY, ["--ignore", "x"], "no column besides the target"),
    (replaced(7, "3,oops"), [], "found 'oops', wanted a number (--task classification"),
    (replaced(9, ",3"), ["--missing", "error"], "row 9, column 'x': the value is missing"),
    ("x,y\n" + "1,\n2,\n", [], "the target 'y' is missing in all rows"),
    (replaced(9, "3,inf"), [], "row 9, column 'y': found inf, wanted a finite number"),
    (replaced(9, "3,1e308"), [], "row 9, column 'y': found 1e308, too large to be scaled"),
    (replaced(5, "1,2,3"), [], "row 5: found 3 values, wanted 2"),
    (replaced(5, "1"), [], "row 5: found 1 value, wanted 2"),
    (replaced(5, '1,"2'), [], "row 5: a quote is opened and never closed"),
    ("x,y\n" + "1,a\n" * 30, [], "the target 'y' has one class only, 'a'"),
    ("x,y\n1,2.5\n2,3.5\n", [], "found 2 rows with a target, too few to hold some out"),
    ("x,y\n" + "1,a\n2,b\n3,c\n4,d\n", [], "has 4 classes in 4 rows, wanted several rows of each"),
    ("x,y\n" + ",1.5\n,2\n" * 9, [], "no usable column besides the target ('x': no value at all)"),
    ("x,y\n" + "\n".join(f"t{i},{i}.5" for i in range(200)), [], "(200 in 200 rows)"),
    (b"\x00\x01\x02" * 100, [], "not a text file"),
    (b"\x1f\x8b\x08garbage", [], "damaged gzip file"),
    (gzip.compress(XY.encode())[:-20], [], "damaged gzip file"),
    (XY, ["--epochs", "0"], "--epochs: found '0', wanted a whole number of at least 1"),
    (XY, ["--epochs", "many"], "--epochs: found 'many'"),
    (XY, ["--batch-size", "-3"], "--batch-size: found '-3'"),
    (XY, ["--learning-rate", "-1"], "learning_rate: found -1, wanted a finite number > 0"),
    (XY, ["--learning-rate", "nan"], "learning_rate: found nan"),
    (XY, ["--hidden", "a,b"], "--hidden: found 'a,b', wanted widths such as 64,32"),
    (XY, ["--hidden", "0"], "units: found 0, wanted an integer from 1 to"),
    (XY, ["--activation", "rellu"], "unknown activation 'rellu' (did you mean 'relu'?); known"),
    (XY, ["--optimizer", "adamm"], "unknown optimizer 'adamm'"),
    (XY, ["--recipe", "slow"], "invalid choice: 'slow'"),
    (XY, ["--time-limit", "0"], "--time-limit: found '0', wanted a number above 0"),
    (XY, ["--metric", "auc"], "metric: found 'auc', wanted one of rmse, mae, r2 (regression)"),
    (XY, ["--class-weight", "balanced"], "class_weight: found a regression"),
    (XY, ["--weight", "w"], "no column 'w'; known: x, y"),
    (XY, ["--group", "y"], "--group: 'y' is the target"),
    (XY, ["--cv", "1"], "--cv: found 1, wanted at least 2 parts"),
    (XY, ["--cv", "3", "--validation-split", "0.3"], "together with --validation-split"),
    (XY, ["--test", "none.csv"], "none.csv: no such file"),
    (XY, ["--json", "missing/report"], "missing/report: there is no directory missing"),
    (XY, ["--validation-split", "1"], "--validation-split: found 1.0, wanted a share between"),
    (XY, ["--validation-split", "0"], "--validation-split: found 0.0"),
    (XY, ["--separator", "abc"], "--separator: found 'abc', wanted one of"),
    (XY, ["--seed", "-1"], "--seed: found '-1', wanted a whole number"),
    (XY, ["--threads", "0"], "--threads: found '0'"),
    (XY, ["--task", "guess"], "invalid choice: 'guess'"),
    (XY, ["--nonsense"], "unrecognized arguments: --nonsense"),
    (XY, ["--save", "missing/model"], "missing/model: there is no directory missing"),
    (XY, ["--save", "."], ".: is a directory"),
    (XY, ["--save", "./data.csv"], "data.csv: is both --save and DATA"),
    (XY, ["--optimizer", "sgd", "--learning-rate", "1e30"], "training diverged"),
]


@pytest.mark.parametrize(("data", "arguments", "text"), TRAINING_MISTAKES,
                         ids=[row[2][:40] for row in TRAINING_MISTAKES])  # fmt: skip
def test_training_mistakes(
    data: str | bytes | None,
    arguments: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if data is not None:
        Path("data.csv").write_bytes(data.encode() if isinstance(data, str) else data)
    base = ["train", "data.csv", "--target", "y", "--epochs", "3", "--quiet", "--recipe", "quick"]
    assert_refused([*base, *arguments], text, capsys)


def saved_model() -> Path:
    """A good model of x for y."""
    table(XY)
    base = ["train", "data.csv", "--target", "y", "--epochs", "2", "--quiet", "--recipe", "quick"]
    assert main(base) == 0
    return Path("model.safetensors")


def rewrite_metadata(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    user = json.loads(header["__metadata__"]["config"])
    change(user)
    header["__metadata__"]["config"] = json.dumps(user)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


def feature(**entries: Any) -> Callable[[Path], Any]:
    return lambda path: rewrite_metadata(path, lambda m: m["table"]["features"][0].update(entries))


# (what happens to the model, contents of new.csv, further arguments, what the message says)
PREDICTION_MISTAKES: list[tuple[Callable[[Path], Any], str, list[str], str]] = [
    (lambda p: p.unlink(), "x\n1\n", [], "model.safetensors: no such file"),
    (lambda p: p.write_bytes(b""), "x\n1\n", [], "model.safetensors: the file is empty"),
    (lambda p: p.write_text(XY), "x\n1\n", [], "model.safetensors: not a safetensors file"),
    (lambda p: p.write_bytes(p.read_bytes()[:-9]), "x\n1\n", [], "truncated"),
    (lambda p: p.write_bytes(p.read_bytes()[:99]), "x\n1\n", [], "truncated"),
    (
        lambda p: p.write_bytes(
            p.read_bytes().replace(b'"format_version":"1"', b'"format_version":"9"')
        ),
        "x\n1\n",
        [],
        "this version",
    ),
    (lambda p: dc.Sequential([dc.Input(1), dc.Dense(1)]).save(p), "x\n1\n", [], "nothing of a tab"),
    (feature(scale=0), "x\n1\n", [], "found scale 0.0, wanted > 0"),
    (feature(center="big"), "x\n1\n", [], "found 'big', wanted a finite number"),
    (feature(kind="image"), "x\n1\n", [], "unknown kind of feature 'image'"),
    (feature(name=5), "x\n1\n", [], "found 5, wanted text"),
    (
        feature(
            kind="categorical", categories=["a", "b"], other=False, missing=False, single=False
        ),
        "x\n1\n",
        [],
        "found 2 inputs",
    ),
    (lambda p: rewrite_metadata(p, lambda m: m.update(table=[])), "x\n1\n", [], "is damaged"),
    (lambda p: rewrite_metadata(p, lambda m: m["table"].update(version=9)), "x\n1\n", [], "newer"),
    (lambda p: None, "z,y\n1,2\n", [], "no column 'x', which the model needs; found: z, y"),
    (lambda p: rewrite_metadata(p, lambda m: m.update(power=0)), "x\n1\n", [], "wanted > 0"),
    (lambda p: rewrite_metadata(p, lambda m: m.update(seeds=[1])), "x\n1\n", [], "damaged"),
    (lambda p: rewrite_metadata(p, lambda m: m.update(card=1)), "x\n1\n", [], "card: wanted"),
    (lambda p: None, "x\n", [], "found column names but no rows"),
    (lambda p: None, "x\n1\n", ["--out", "missing/out.csv"], "there is no directory missing"),
    (lambda p: None, "x\n1\n", ["--probabilities"], "the model is a regression"),
    (lambda p: None, "x\n1\n", ["--interval", "1"], "interval: found 1.0, wanted a share"),
]


@pytest.mark.parametrize(("damage", "data", "arguments", "text"), PREDICTION_MISTAKES,
                         ids=[row[3][:40] for row in PREDICTION_MISTAKES])  # fmt: skip
def test_prediction_mistakes(
    damage: Callable[[Path], Any],
    data: str,
    arguments: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = saved_model()
    damage(model)
    Path("new.csv").write_text(data)
    Path("out.csv").write_text("old")
    capsys.readouterr()
    before = sorted(os.listdir())
    assert main(["predict", str(model), "new.csv", "--out", "out.csv", *arguments]) == 2
    printed = capsys.readouterr()
    assert text in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert sorted(os.listdir()) == before
    assert Path("out.csv").read_text() == "old"


@pytest.mark.parametrize("name", ["model.safetensors", "new.csv"])
def test_predictions_replace_no_input(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    saved_model()
    table("x\n1\n", "new.csv")
    before = Path(name).read_bytes()
    capsys.readouterr()
    assert main(["predict", "model.safetensors", "new.csv", "--out", f"./{name}"]) == 2
    assert "wanted different files" in capsys.readouterr().err
    assert Path(name).read_bytes() == before


def test_predictions_replace_a_file_in_one_step() -> None:
    saved_model()
    table("old", "out.csv")
    os.link("out.csv", "kept.csv")
    assert main(["predict", "model.safetensors", "data.csv", "--out", "out.csv"]) == 0
    assert Path("out.csv").read_text().startswith("y\n")
    assert Path("kept.csv").read_text() == "old"  # a new file took the name; none was overwritten


def test_a_folder_is_not_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", ".", "--target", "y"]) == 2
    assert ".: is a directory, wanted a file" in capsys.readouterr().err


@pytest.mark.slow
def test_mistakes_end_the_process_with_status_2() -> None:
    done = command("train", "data.csv", "--target", "y")
    assert done.returncode == 2
    assert done.stderr == "densecore train: data.csv: no such file\n"
    done = command()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_closed_pipe_is_no_traceback() -> None:
    saved_model()
    table("x\n" + "1\n" * 200_000, "long.csv")
    program = f"{sys.executable} -m densecore predict model.safetensors long.csv | head -1"
    done = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "y\n"
    assert done.stderr == ""


@pytest.mark.slow
def test_closed_streams_are_no_traceback() -> None:
    saved_model()
    program = f"{sys.executable} -m densecore predict model.safetensors"
    for arguments, text in (
        ("data.csv >&-", "found no standard output, wanted --out FILE"),
        ("data.csv --out answers.csv >&- 2>&-", ""),
        ("- <&-", "-: the standard input is closed"),
    ):
        done = subprocess.run(
            f"{program} {arguments}", shell=True, capture_output=True, text=True, check=False
        )
        assert done.returncode == (2 if text else 0), done.stderr
        assert text in done.stderr
        assert done.stderr.count("\n") == (1 if text else 0)
    assert Path("answers.csv").read_text().startswith("y\n")


@pytest.mark.slow
def test_the_model_is_saved_whatever_reads_the_output() -> None:
    data = table(flowers())
    for buffered in ("", "1"):
        arguments = (
            f"train {data} --recipe quick --target weight --epochs 30 --save piped{buffered}"
        )
        process = subprocess.Popen(
            f"{sys.executable} -m densecore {arguments}".split(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": buffered},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        process.wait()
        assert Path(f"piped{buffered}").exists()
    done = command(
        "train",
        data,
        "--recipe",
        "quick",
        "--target",
        "weight",
        "--epochs",
        1,
        PYTHONIOENCODING="ascii",
    )
    assert done.returncode == 0, done.stderr
    assert "R? " in done.stdout
    assert Path("model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.measures
def test_help_and_version_are_quick() -> None:
    code = "import sys, densecore.cli; print([m for m in {optional} if m in sys.modules])"
    optional = ["matplotlib", "pandas", "scipy", "sklearn", "importlib.metadata"]
    done = subprocess.run(
        [sys.executable, "-c", code.format(optional=optional)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupt_is_one_line_and_saves_nothing() -> None:
    import signal
    import time

    table(XY)
    process = subprocess.Popen(
        f"{sys.executable} -m densecore train data.csv --target y --epochs 200000".split(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "networks of" in line:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors == "densecore train: interrupted, nothing was saved\n"
    assert os.listdir() == ["data.csv"]

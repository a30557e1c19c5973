"""The command line as its users meet it: the whole path on real data, and every kind of mistake."""

import argparse
import csv
import gzip
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from conftest import assert_refused
from densecore.cli import main

DATA = Path(__file__).parents[1] / "examples" / "data"
DIGITS, CONCRETE = DATA / "digits.csv", DATA / "concrete.csv"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the source tree")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test runs in a folder of its own: what it leaves there is all that it wrote."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def command(*arguments: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "densecore", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def table(text: str, name: str = "data.csv") -> str:
    Path(name).write_text(text)
    return name


def flowers(rows: int = 60, seed: int = 0) -> str:
    """A small table with numbers, categories, and classes that depend on both."""
    rng = np.random.default_rng(seed)
    lines = ["length,colour,wild,species,weight"]
    for _ in range(rows):
        colour = rng.choice(["red", "blue"])
        length = rng.normal(3 if colour == "red" else 6, 1)
        species = "rose" if length < 4.5 else "iris"
        wild = rng.choice(["true", "false"])
        weight = 2 * length + (1 if wild == "true" else 0) + rng.normal(0, 0.1)
        lines.append(f"{length:.3f},{colour},{wild},{species},{weight:.3f}")
    return "\n".join(lines) + "\n"


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


# The whole path --------------------------------------------------------------------------------


@needs_data
def test_digits_from_table_to_predictions() -> None:
    done = command("train", DIGITS, "--target", "digit", "--save", "digits.safetensors")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "classification of 'digit' into 10 classes" in done.stdout
    assert "1438 rows to train on, 359 to validate" in done.stdout
    accuracy = float(done.stdout.split("validation accuracy ")[1].split("%")[0])
    assert accuracy >= 97
    done = command("predict", "digits.safetensors", DIGITS, "--out", "out.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = [row["digit"] for row in read_csv(Path("out.csv").read_text())]
    truth = [row["digit"] for row in read_csv(DIGITS.read_text())]
    assert np.mean([a == b for a, b in zip(found, truth, strict=True)]) > 0.99
    done = command("info", "digits.safetensors")
    assert "128" in done.stdout
    assert "predicts the class 'digit': 0, 1, 2" in done.stdout


@needs_data
def test_concrete_beats_the_linear_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(CONCRETE), "--target", "compressive_strength", "--quiet"]) == 0
    line = capsys.readouterr().out
    ours, linear = (float(part.split()[0].strip("()")) for part in line.split("R² ")[1:])
    assert ours > 0.85
    assert ours > linear + 0.2
    model = dc.load_model("model.safetensors")
    assert model.layers[-1].activation == "linear"
    assert main(["predict", "model.safetensors", str(CONCRETE)]) == 0
    found = [float(row["compressive_strength"]) for row in read_csv(capsys.readouterr().out)]
    truth = [float(row["compressive_strength"]) for row in read_csv(CONCRETE.read_text())]
    assert np.sqrt(np.mean((np.array(found) - truth) ** 2)) < 5


def test_numbers_categories_and_booleans(capsys: pytest.CaptureFixture[str]) -> None:
    data = table(flowers())
    assert main(["train", data, "--target", "species", "--epochs", "60"]) == 0
    out = capsys.readouterr().out
    assert "3 numeric and 1 categorical features" in out
    assert "classification of 'species' into 2 classes (iris, rose)" in out
    assert main(["predict", "model.safetensors", data, "--probabilities"]) == 0
    rows = read_csv(capsys.readouterr().out)
    assert list(rows[0]) == ["species", "probability_iris", "probability_rose"]
    for row in rows:
        iris, rose = float(row["probability_iris"]), float(row["probability_rose"])
        assert iris + rose == pytest.approx(1, abs=1e-5)
        assert row["species"] == ("iris" if iris > rose else "rose")
    truth = [row["species"] for row in read_csv(Path(data).read_text())]
    assert np.mean([row["species"] == t for row, t in zip(rows, truth, strict=True)]) > 0.9


def test_without_hidden_layers_the_model_is_linear(capsys: pytest.CaptureFixture[str]) -> None:
    data = table("x,y\n" + "\n".join(f"{i},{3 * i - 7}" for i in range(100)))
    base = ["train", data, "--target", "y", "--hidden", "", "--epochs", "1000", "--quiet"]
    assert main([*base, "--learning-rate", "0.01", "--dtype", "float64"]) == 0
    assert "R² 1.0000 (linear model: R² 1.0000)" in capsys.readouterr().out


def test_several_targets(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    y = np.column_stack([100 + 20 * x[:, 0], 0.01 * (x[:, 0] - x[:, 1]) ** 2])
    lines = ["p,q,a,b"] + [",".join(f"{v:.6f}" for v in row) for row in np.hstack([x, y])]
    data = table("\n".join(lines))
    arguments = ["train", data, "--target", "b", "--target", "a", "--epochs", "300"]
    assert main([*arguments, "--hidden", "32"]) == 0
    out = capsys.readouterr().out
    assert "regression of 'b', 'a'" in out
    assert "validation of 'b': RMSE" in out
    assert main(["predict", "model.safetensors", data]) == 0
    rows = read_csv(capsys.readouterr().out)
    assert list(rows[0]) == ["b", "a"]
    np.testing.assert_allclose([float(r["a"]) for r in rows], y[:, 0], atol=12)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["yes", "no"], "classification"),
        (["true", "false"], "classification"),
        (["True", "False"], "classification"),
        (["0", "1", "2"], "classification"),
        (["0.0", "1.0"], "classification"),
        (["0.5", "1.5", "2.5"], "regression"),
        ([str(i) for i in range(30)], "regression"),
        ([str(i) for i in range(15)], "regression"),  # 15 different values in 60 rows
    ],
)
def test_task_is_told_by_the_target(
    values: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{i % 7},{values[i % len(values)]}" for i in range(60)]
    data = table("x,y\n" + "\n".join(rows))
    assert main(["train", data, "--target", "y", "--epochs", "1"]) == 0
    assert f"{expected} of 'y'" in capsys.readouterr().out


def test_the_linear_model_is_an_honest_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 2))
    y = 50 + x @ [3.0, -200.0]
    rows = [f"{a!r},{b!r},{c!r}" for (a, b), c in zip(x.tolist(), y.tolist(), strict=True)]
    data = table("a,b,y\n" + "\n".join(rows))
    assert main(["train", data, "--target", "y", "--epochs", "1", "--quiet"]) == 0
    assert "(linear model: R² 1.0000)" in capsys.readouterr().out


def test_results_are_those_of_the_validation_rows(capsys: pytest.CaptureFixture[str]) -> None:
    # Only the rows that are held out have this error, so the printed numbers tell which were used.
    from densecore.cli.problem import _split
    from densecore.tables import read_table

    data = table("x,y\n" + "\n".join(f"{i},{i * 0.25}" for i in range(50)))
    options = argparse.Namespace(seed=4, validation_split=0.3)
    _, held_out = _split(read_table(data), None, options)
    assert len(held_out) == 15
    base = ["--seed", "4", "--validation-split", "0.3", "--epochs", "3", "--quiet"]
    assert main(["train", data, "--target", "y", *base]) == 0
    printed = capsys.readouterr().out
    assert main(["predict", "model.safetensors", data]) == 0
    found = np.array([float(row["y"]) for row in read_csv(capsys.readouterr().out)])
    truth = np.arange(50) * 0.25
    error, spread = (found - truth)[held_out], (truth - truth[held_out].mean())[held_out]
    expected = (
        f"RMSE {np.sqrt((error**2).mean()):.4g}, MAE {np.abs(error).mean():.4g}, "
        f"R² {1 - (error**2).sum() / (spread**2).sum():.4f} (linear"
    )
    assert expected in printed


def test_the_split_keeps_the_proportions_of_classes() -> None:
    from densecore.cli.problem import _split
    from densecore.tables import read_table

    labels = np.array([0] * 50 + [1] * 10 + [2] * 5 + [3])
    data = read_table(table("y\n" + "\n".join(map(str, labels))))
    options = argparse.Namespace(seed=0, validation_split=0.2)
    training, held_out = _split(data, labels, options)
    assert np.bincount(labels[held_out], minlength=4).tolist() == [10, 2, 1, 0]
    assert sorted([*training, *held_out]) == list(range(66))
    options.seed = 1
    assert not np.array_equal(_split(data, labels, options)[1], held_out)


def test_task_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    data = table("x,y\n" + "\n".join(f"{i},{i % 3}" for i in range(60)))
    base = ["train", data, "--target", "y", "--epochs", "1"]
    main([*base, "--task", "regression"])
    assert "regression of 'y'" in capsys.readouterr().out
    data = table("x,y\n" + "\n".join(f"{i},{i % 3 + 0.5}" for i in range(60)))
    main([*base, "--task", "classification"])
    assert "into 3 classes (0.5, 1.5, 2.5)" in capsys.readouterr().out


def test_classes_keep_the_order_of_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    data = table("x,y\n" + "\n".join(f"{i},{[10, 9, 2][i % 3]}" for i in range(60)))
    main(["train", data, "--target", "y", "--epochs", "1"])
    assert "(2, 9, 10)" in capsys.readouterr().out


def test_prediction_finds_columns_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    data = table(flowers())
    main(["train", data, "--target", "weight", "--epochs", "20", "--quiet"])
    capsys.readouterr()
    main(["predict", "model.safetensors", data])
    expected = capsys.readouterr().out
    rows = read_csv(Path(data).read_text())
    order = ["species", "extra", "wild", "length", "colour"]  # another order, one more, no target
    lines = [order] + [[row.get(name, "junk") for name in order] for row in rows]
    with open("other.csv", "w", newline="") as file:
        csv.writer(file).writerows(lines)
    main(["predict", "model.safetensors", "other.csv"])
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    "kind", ["gzip", "semicolon", "tab", "bar", "decimal comma", "BOM", "CRLF"]
)
def test_every_kind_of_csv_reads_the_same(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = flowers()
    main(["train", table(text), "--target", "weight", "--epochs", "3", "--quiet"])
    expected = capsys.readouterr().out
    name = "other.csv"
    if kind == "gzip":
        name = "other.csv.gz"
        Path(name).write_bytes(gzip.compress(text.encode()))
    else:
        changed = {
            "semicolon": text.replace(",", ";"),
            "tab": text.replace(",", "\t"),
            "bar": text.replace(",", "|"),
            "decimal comma": text.replace(",", ";").replace(".", ","),
            "BOM": "\ufeff" + text,
            "CRLF": text.replace("\n", "\r\n"),
        }[kind]
        Path(name).write_bytes(changed.encode())
    assert main(["train", name, "--target", "weight", "--epochs", "3", "--quiet"]) == 0
    assert capsys.readouterr().out == expected


def test_quoted_fields_may_hold_anything(capsys: pytest.CaptureFixture[str]) -> None:
    body = "\n".join(f'{i},"a, ""b""\nc"' if i % 2 else f"{i},d" for i in range(40))
    main(["train", table('"x 1",y\n' + body), "--target", "y", "--epochs", "1"])
    assert '2 classes (a, "b"\nc, d)' in capsys.readouterr().out


def test_mean_fills_missing_values(capsys: pytest.CaptureFixture[str]) -> None:
    lines = flowers().splitlines()
    cells = [line.split(",") for line in lines]
    for row, word in ((3, ""), (10, "NA"), (17, "nan")):
        cells[row][0] = word
    data = table("\n".join(",".join(row) for row in cells))
    base = ["train", data, "--target", "weight", "--epochs", "5", "--quiet"]
    assert main(base) == 2
    message = capsys.readouterr().err
    assert "row 4, column 'length': the value is missing (3 in the column)" in message
    assert "--missing mean" in message
    assert main([*base, "--missing", "mean"]) == 0
    assert main(["predict", "model.safetensors", data]) == 0
    assert len(read_csv(capsys.readouterr().out.split("\n", 1)[1])) == 60


def test_constant_column_is_of_no_use_but_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    for constant in ("5", "0.1", "1e30"):
        body = "\n".join(f"{constant},{i},{i * 0.5}" for i in range(40))
        data = table("c,x,y\n" + body)
        assert main(["train", data, "--target", "y", "--epochs", "2"]) == 0
        out = capsys.readouterr().out
        assert "constant in the training part, of no use: c" in out
        assert "nan" not in out.lower()


def test_same_seed_gives_the_same_file() -> None:
    data = table(flowers())
    base = ["train", data, "--target", "species", "--epochs", "3", "--quiet"]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert main([*base, "--seed", str(seed), "--save", name]) == 0
    assert Path("a").read_bytes() == Path("b").read_bytes()
    assert Path("a").read_bytes() != Path("c").read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ["--hidden", ""],
        ["--hidden", "5", "--activation", "tanh"],
        ["--optimizer", "sgd", "--learning-rate", "0.05"],
        ["--dtype", "float64"],
        ["--threads", "1"],
        ["--batch-size", "1"],
        ["--validation-split", "0.5"],
        ["--ignore", "wild", "--ignore", "colour"],
        ["--categorical", "wild"],
        ["--separator", ","],
    ],
)
def test_options(options: list[str]) -> None:
    before = dc.get_num_threads()
    try:
        data = table(flowers())
        base = ["train", data, "--target", "species", "--epochs", "2", "--quiet"]
        assert main([*base, *options]) == 0
        model = dc.load_model("model.safetensors")
        if options[0] == "--hidden":
            assert len(model.layers) == (1 if options[1] == "" else 2)
        if options[0] == "--dtype":
            assert model.dtype == "float64"
        if options[0] == "--ignore":
            assert model.input_shape == (None, 2)  # length, weight
    finally:
        dc.set_num_threads(before)


def test_predictions_are_those_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    body = "\n".join(f"{i},{i * i}" for i in range(50))
    data = table("x,y\n" + body)
    main(["train", data, "--target", "y", "--quiet", "--epochs", "5", "--dtype", "float64"])
    capsys.readouterr()
    main(["predict", "model.safetensors", data])
    found = [float(row["y"]) for row in read_csv(capsys.readouterr().out)]
    model = dc.load_model("model.safetensors")
    feature = model.metadata["table"]["features"][0]
    target = model.metadata["table"]["target"]
    s = (np.arange(50.0) - feature["mean"]) / feature["scale"]
    expected = model.predict((s / np.sqrt(1 + (s / 3) ** 2)).reshape(-1, 1))[:, 0]
    np.testing.assert_allclose(
        found, expected * target["scales"][0] + target["means"][0], rtol=1e-8
    )


def test_plot_draws_a_picture() -> None:
    pytest.importorskip("matplotlib")
    data = table(flowers())
    base = ["train", data, "--target", "species", "--epochs", "5", "--quiet"]
    assert main([*base, "--plot", "loss.png"]) == 0
    assert Path("loss.png").read_bytes().startswith(b"\x89PNG")


def test_plot_without_matplotlib_is_refused_before_training() -> None:
    data = table(flowers())
    code = (
        "import sys; sys.modules['matplotlib'] = None; from densecore.cli import main; "
        f"sys.exit(main(['train', {data!r}, '--target', 'species', '--plot', 'loss.png']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'densecore[plot]'" in done.stderr
    assert done.stdout == ""
    assert os.listdir() == [data]


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_tables_through_pandas(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip({"parquet": "pyarrow", "xlsx": "openpyxl"}[ending])
    data = table(flowers())
    frame = pandas.read_csv(data)
    name = f"data.{ending}"
    (frame.to_parquet if ending == "parquet" else frame.to_excel)(name, index=False)
    base = ["--target", "weight", "--epochs", "3", "--quiet"]
    main(["train", data, *base])
    expected = capsys.readouterr().out
    assert main(["train", name, *base]) == 0
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("ending", [".parquet", ".xlsx"])
def test_tables_without_pandas_name_the_extra(ending: str) -> None:
    Path("data" + ending).write_bytes(b"PAR1")
    code = (
        "import sys; sys.modules['pandas'] = None; from densecore.cli import main; "
        f"sys.exit(main(['train', 'data{ending}', '--target', 'y']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'densecore[tables]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--version"], ["--help"], ["train", "--help"], ["predict", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    out = capsys.readouterr().out
    assert f"densecore {dc.__version__}" in out
    assert "--validation-split" in out


def test_check_finds_the_core_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--steps", "3"]) == 0
    assert capsys.readouterr().out.endswith("all agree\n")


# Mistakes --------------------------------------------------------------------------------------

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
    ("x,\n1,2\n", [], "row 1: column 2 has no name"),
    ("x,y,x\n1,2,3\n", [], "row 1: the column name 'x' occurs twice"),
    (XY, ["--target", "z"], "no column 'z'; known: x, y"),
    (XY, ["--target", "y"], "--target: the same column twice"),
    (XY, ["--ignore", "q"], "no column 'q'; known: x, y"),
    (XY, ["--ignore", "y"], "--ignore: 'y' is the target"),
    (XY, ["--ignore", "x"], "no column besides the target"),
    (replaced(7, "oops,3"), [], "row 7, column 'x': found 'oops', wanted a number"),
    (replaced(7, "1_0,3"), [], "row 7, column 'x': found '1_0', wanted a number"),
    (replaced(7, "3,oops"), [], "found 'oops', wanted a number (--task classification"),
    (replaced(9, ",3"), [], "row 9, column 'x': the value is missing"),
    (replaced(9, "3,"), [], "row 9, column 'y': the value is missing"),
    (replaced(9, "3,"), ["--missing", "mean"], "'y': the value is missing; a target must be known"),
    (replaced(9, "3,inf"), [], "row 9, column 'y': found inf, wanted a finite number"),
    (replaced(9, "inf,3"), [], "row 9, column 'x': found inf, wanted a finite number"),
    (replaced(9, "1e39,3"), [], "row 9, column 'x': found 1e39, which overflows float32"),
    (replaced(9, "3,-1e39"), [], "row 9, column 'y': found -1e39, which overflows float32"),
    (replaced(9, "1e308,3"), ["--dtype", "float64"], "row 9, column 'x': found 1e308, too large"),
    (replaced(5, "1,2,3"), [], "row 5: found 3 values, wanted 2"),
    (replaced(5, "1"), [], "row 5: found 1 value, wanted 2"),
    (replaced(5, '1,"2'), [], "row 5: unexpected end of data"),
    ("x,y\n" + "1,a\n" * 30, [], "the target 'y' has one class only, 'a'"),
    ("x,y\n1,2.5\n", [], "found 1 row, too few to hold out"),
    ("x,y\n1,a\n2,b\n", [], "found 2 rows in 2 classes, too few to hold out"),
    ("x,y\n" + ",1.5\n" * 30, ["--missing", "mean"], "column 'x' has no value in the training"),
    ("x,y\n" + "\n".join(f"t{i},{i}.5" for i in range(200)), [], "200 different texts, more than"),
    (b"\x00\x01\x02" * 100, [], "not a text file"),
    (b"x,y\n1,2\n\xff\xfe,3\n", [], "row 3: not UTF-8 text (byte 0xff)"),
    (b"\x1f\x8b\x08garbage", [], "damaged gzip file"),
    (gzip.compress(XY.encode())[:-20], [], "damaged gzip file"),
    (XY, ["--epochs", "0"], "--epochs: found '0', wanted a whole number of at least 1"),
    (XY, ["--epochs", "many"], "--epochs: found 'many'"),
    (XY, ["--batch-size", "-3"], "--batch-size: found '-3'"),
    (XY, ["--learning-rate", "-1"], "learning_rate: found -1, wanted a finite number > 0"),
    (XY, ["--learning-rate", "nan"], "learning_rate: found nan"),
    (XY, ["--hidden", "a,b"], "--hidden: found 'a,b', wanted widths such as 64,32"),
    (XY, ["--hidden", "0"], "units: found 0, wanted 1 to"),
    (XY, ["--activation", "rellu"], "unknown activation 'rellu' (did you mean 'relu'?); known"),
    (XY, ["--optimizer", "adamm"], "unknown optimizer 'adamm'"),
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
    base = ["train", "data.csv", "--target", "y", "--epochs", "3", "--quiet"]
    assert_refused([*base, *arguments], text, capsys)


def saved_model() -> Path:
    """A good model of x for y."""
    table(XY)
    assert main(["train", "data.csv", "--target", "y", "--epochs", "2", "--quiet"]) == 0
    return Path("model.safetensors")


def rewrite_metadata(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    user = json.loads(header["__metadata__"]["metadata"])
    change(user)
    header["__metadata__"]["metadata"] = json.dumps(user)
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
    (feature(mean="big"), "x\n1\n", [], "found 'big', wanted a finite number"),
    (feature(kind="image"), "x\n1\n", [], "unknown kind of feature 'image'"),
    (feature(name=5), "x\n1\n", [], "found 5, wanted text"),
    (feature(kind="categorical", categories=["a", "b"]), "x\n1\n", [], "found 2 inputs"),
    (lambda p: rewrite_metadata(p, lambda m: m.update(table=[])), "x\n1\n", [], "damaged entry"),
    (lambda p: rewrite_metadata(p, lambda m: m["table"].update(version=9)), "x\n1\n", [], "newer"),
    (lambda p: None, "z,y\n1,2\n", [], "no column 'x', which the model needs; found: z, y"),
    (lambda p: None, "x\n1\ntwo\n", [], "row 3, column 'x': found 'two', wanted a number"),
    (lambda p: None, "x\n1\n\nNA\n", [], "row 4, column 'x': the value is missing"),
    (lambda p: None, "x\n1e39\n", [], "row 2, column 'x': found 1e39, which overflows float32"),
    (lambda p: None, "x\n", [], "found column names but no rows"),
    (lambda p: None, "x\n1\n", ["--out", "missing/out.csv"], "there is no directory missing"),
    (lambda p: None, "x\n1\n", ["--probabilities"], "the model is a regression"),
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


def test_unknown_category_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", table(flowers()), "--target", "weight", "--epochs", "1", "--quiet"])
    Path("new.csv").write_text("length,colour,wild,species\n1,green,true,rose\n")
    assert main(["predict", "model.safetensors", "new.csv"]) == 2
    message = capsys.readouterr().err
    assert "row 2, column 'colour': found 'green'" in message
    assert "known: blue, red" in message


def test_a_folder_is_not_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", ".", "--target", "y"]) == 2
    assert ".: is a directory, wanted a file" in capsys.readouterr().err


def test_mistakes_end_the_process_with_status_2() -> None:
    done = command("train", "data.csv", "--target", "y")
    assert done.returncode == 2
    assert done.stderr == "densecore train: data.csv: no such file\n"
    done = command()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_closed_pipe_is_no_traceback() -> None:
    saved_model()
    table("x\n" + "1\n" * 200_000, "long.csv")
    program = f"{sys.executable} -m densecore predict model.safetensors long.csv | head -1"
    done = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "y\n"
    assert done.stderr == ""


def test_the_model_is_saved_whatever_reads_the_output() -> None:
    data = table(flowers())
    for buffered in ("", "1"):
        arguments = f"train {data} --target weight --epochs 30 --save piped{buffered}"
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
    done = command("train", data, "--target", "weight", "--epochs", 1, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "R? " in done.stdout
    assert Path("model.safetensors").exists()


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


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupt_is_one_line_and_saves_nothing() -> None:
    import signal
    import time

    table(XY)
    process = subprocess.Popen(
        f"{sys.executable} -m densecore train data.csv --target y --epochs 100000000".split(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "rows to train" in line:
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

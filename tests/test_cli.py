"""The command line as its users meet it: the whole path from tables to predictions."""

import argparse
import csv
import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import densecore as dc
from command_line import command, flowers, read_csv, table
from densecore.cli import main

DATA = Path(__file__).parents[1] / "examples" / "data"
DIGITS, CONCRETE = DATA / "digits.csv", DATA / "concrete.csv"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the source tree")
pytestmark = pytest.mark.usefixtures("in_empty_folder")


@pytest.mark.slow
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
    from densecore.cli.split import _split
    from densecore.tabular.reader import read_table

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
    from densecore.cli.split import _split
    from densecore.tabular.reader import read_table

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


@pytest.mark.slow
def test_plot_draws_a_picture() -> None:
    pytest.importorskip("matplotlib")
    data = table(flowers())
    base = ["train", data, "--target", "species", "--epochs", "5", "--quiet"]
    assert main([*base, "--plot", "loss.png"]) == 0
    assert Path("loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_export_writes_a_saved_model_for_other_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(3, "relu"), dc.Dense(1)], seed=0, name="net")
    model.save(tmp_path / "net.safetensors")
    path = str(tmp_path / "net.safetensors")
    assert main(["export", path, str(tmp_path / "net.h")]) == 0
    assert "C99, 52 bytes of constants, 12 bytes of stack" in capsys.readouterr().out
    assert main(["export", path, str(tmp_path / "net.onnx")]) == 0
    assert "ONNX opset 17" in capsys.readouterr().out
    assert main(["export", path, str(tmp_path / "net.pt")]) == 2
    assert "densecore export: export: found a name that ends in '.pt'" in capsys.readouterr().err
    assert not (tmp_path / "net.pt").exists()

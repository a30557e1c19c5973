"""The command line as its users meet it: the whole path from tables to predictions."""

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import densecore as dc
from command_line import command, flowers, read_csv, table
from densecore.cli import main
from densecore.tabular import load_table_model

DATA = Path(__file__).parents[1] / "examples" / "data"
DIGITS, CONCRETE = DATA / "digits.csv", DATA / "concrete.csv"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the source tree")
QUICK = ["--recipe", "quick"]
pytestmark = pytest.mark.usefixtures("in_empty_folder")


@pytest.mark.slow
@needs_data
def test_digits_from_table_to_predictions() -> None:
    done = command("train", DIGITS, "--target", "digit", "--save", "digits.safetensors", *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "classification of 'digit' into 10 classes" in done.stdout
    assert "4 networks of 64-64 (selu), each on 3 of 4 parts of the rows" in done.stdout
    assert "left out: 'pixel_0_0', constant (0)" in done.stdout
    accuracy = float(done.stdout.split("accuracy ")[1].split("%")[0])
    assert accuracy >= 97
    done = command("predict", "digits.safetensors", DIGITS, "--out", "out.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = [row["digit"] for row in read_csv(Path("out.csv").read_text())]
    truth = [row["digit"] for row in read_csv(DIGITS.read_text())]
    assert np.mean([a == b for a, b in zip(found, truth, strict=True)]) > 0.99
    done = command("info", "digits.safetensors")
    assert "predicts the class 'digit': 0, 1, 2" in done.stdout
    assert "recipe 'quick': 4 networks" in done.stdout
    assert f"accuracy {accuracy:.2f}%" in done.stdout


@pytest.mark.slow
@needs_data
def test_concrete_beats_the_linear_model(capsys: pytest.CaptureFixture[str]) -> None:
    base = ["--target", "compressive_strength", "--quiet", "--json", "report.json"]
    assert main(["train", str(CONCRETE), *QUICK, *base]) == 0
    report = json.loads(Path("report.json").read_text())
    score = report["scores"]["compressive_strength"]
    assert score["r2"] > 0.85
    assert score["r2"] > report["baselines"]["linear"]["compressive_strength"]["r2"] + 0.2
    assert f"RMSE {score['rmse']:.4g} ±" in capsys.readouterr().out
    assert main(["predict", "model.safetensors", str(CONCRETE), "--interval", "0.8"]) == 0
    rows = read_csv(capsys.readouterr().out)
    found = np.array([float(row["compressive_strength"]) for row in rows])
    truth = np.array([float(row["compressive_strength"]) for row in read_csv(CONCRETE.read_text())])
    assert np.sqrt(np.mean((found - truth) ** 2)) < 5
    low = np.array([float(row["compressive_strength_low"]) for row in rows])
    high = np.array([float(row["compressive_strength_high"]) for row in rows])
    assert (low <= found).all()
    assert (found <= high).all()
    assert 0.75 < np.mean((low <= truth) & (truth <= high)) <= 0.95


def test_numbers_categories_and_booleans(capsys: pytest.CaptureFixture[str]) -> None:
    data = table(flowers(120))
    assert main(["train", data, *QUICK, "--target", "species"]) == 0
    out = capsys.readouterr().out
    assert "120 rows, 4 columns of use (2 numbers, 2 categories)" in out
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
    base = ["train", data, *QUICK, "--target", "y", "--hidden", "", "--epochs", "600", "--quiet"]
    assert main([*base, "--learning-rate", "0.01", "--dtype", "float64"]) == 0
    assert "R² 1.0000" in capsys.readouterr().out


def test_several_targets(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    y = np.column_stack([100 + 20 * x[:, 0], 0.01 * (x[:, 0] - x[:, 1]) ** 2])
    lines = ["p,q,a,b"] + [",".join(f"{v:.6f}" for v in row) for row in np.hstack([x, y])]
    data = table("\n".join(lines))
    assert main(["train", data, *QUICK, "--target", "b", "--target", "a"]) == 0
    out = capsys.readouterr().out
    assert "regression of 'b', 'a'" in out
    assert "'b' on rows not trained on: RMSE" in out
    assert "'a' on rows not trained on: RMSE" in out
    assert main(["predict", "model.safetensors", data]) == 0
    rows = read_csv(capsys.readouterr().out)
    assert list(rows[0]) == ["b", "a"]
    np.testing.assert_allclose([float(r["a"]) for r in rows], y[:, 0], atol=15)


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
    assert main(["train", data, *QUICK, "--target", "y", "--epochs", "1"]) == 0
    assert f"{expected} of 'y'" in capsys.readouterr().out


def test_the_linear_model_is_an_honest_baseline() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 2))
    y = 50 + x @ [3.0, -200.0]
    rows = [f"{a!r},{b!r},{c!r}" for (a, b), c in zip(x.tolist(), y.tolist(), strict=True)]
    data = table("a,b,y\n" + "\n".join(rows))
    base = ["--target", "y", "--epochs", "1", "--quiet", "--json", "report.json"]
    assert main(["train", data, *QUICK, *base]) == 0
    baselines = json.loads(Path("report.json").read_text())["baselines"]
    assert baselines["linear"]["y"]["r2"] > 0.999999
    assert baselines["mean"]["y"]["rmse"] == pytest.approx(y.std())


def test_results_are_those_of_rows_that_were_held_out(capsys: pytest.CaptureFixture[str]) -> None:
    # With one part of the rows held out, all networks' mean is what is judged on it.
    from densecore.tabular.folds import held_out

    data = table("x,y\n" + "\n".join(f"{i},{i * 0.25 + i % 7}" for i in range(50)))
    part = held_out(50, 0.3, 4)
    assert len(part) == 15
    base = ["--seed", "4", "--validation-split", "0.3", "--epochs", "3", "--quiet"]
    assert main(["train", data, *QUICK, "--target", "y", *base]) == 0
    printed = capsys.readouterr().out
    assert main(["predict", "model.safetensors", data]) == 0
    found = np.array([float(row["y"]) for row in read_csv(capsys.readouterr().out)])
    truth = np.arange(50) * 0.25 + np.arange(50) % 7
    error, spread = (found - truth)[part], (truth - truth[part].mean())[part]
    assert f"RMSE {np.sqrt((error**2).mean()):.4g} ±" in printed
    assert f"MAE {np.abs(error).mean():.4g}" in printed
    assert f"R² {1 - (error**2).sum() / (spread**2).sum():.4f}" in printed


def test_a_table_held_back_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    data, test = table(flowers(100)), table(flowers(50, seed=1), "test.csv")
    base = ["--target", "weight", "--test", test, "--quiet"]
    assert main(["train", data, *QUICK, *base]) == 0
    printed = capsys.readouterr().out
    assert main(["predict", "model.safetensors", test]) == 0
    found = [float(row["weight"]) for row in read_csv(capsys.readouterr().out)]
    truth = [float(row["weight"]) for row in read_csv(Path(test).read_text())]
    rmse = np.sqrt(np.mean((np.array(found) - truth) ** 2))
    assert f"'weight' on the 50 rows of test.csv: RMSE {rmse:.4g}" in printed


def test_task_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    data = table("x,y\n" + "\n".join(f"{i},{i % 3}" for i in range(60)))
    base = ["train", data, *QUICK, "--target", "y", "--epochs", "1"]
    main([*base, "--task", "regression"])
    assert "regression of 'y'" in capsys.readouterr().out
    data = table("x,y\n" + "\n".join(f"{i},{i % 3 + 0.5}" for i in range(60)))
    main([*base, "--task", "classification"])
    assert "into 3 classes (0.5, 1.5, 2.5)" in capsys.readouterr().out


def test_classes_keep_the_order_of_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    data = table("x,y\n" + "\n".join(f"{i},{[10, 9, 2][i % 3]}" for i in range(60)))
    main(["train", data, *QUICK, "--target", "y", "--epochs", "1"])
    assert "(2, 9, 10)" in capsys.readouterr().out


def test_prediction_finds_columns_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    data = table(flowers())
    main(["train", data, *QUICK, "--target", "weight", "--epochs", "20", "--quiet"])
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
    main(["train", table(text), *QUICK, "--target", "weight", "--epochs", "3", "--quiet"])
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
    assert main(["train", name, *QUICK, "--target", "weight", "--epochs", "3", "--quiet"]) == 0
    assert capsys.readouterr().out == expected


def test_quoted_fields_may_hold_anything(capsys: pytest.CaptureFixture[str]) -> None:
    body = "\n".join(f'{i},"a, ""b""\nc"' if i % 2 else f"{i},d" for i in range(40))
    main(["train", table('"x 1",y\n' + body), *QUICK, "--target", "y", "--epochs", "1"])
    assert '2 classes (a, "b"\nc, d)' in capsys.readouterr().out


def test_missing_values_are_learnt_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [line.split(",") for line in flowers().splitlines()]
    for row, word in ((3, ""), (10, "NA"), (17, "nan")):
        cells[row][0] = word
    data = table("\n".join(",".join(row) for row in cells))
    base = ["train", data, *QUICK, "--target", "weight", "--epochs", "5", "--quiet"]
    assert main([*base, "--missing", "error"]) == 2
    message = capsys.readouterr().err
    assert "row 4, column 'length': the value is missing (3 in the column)" in message
    assert "--missing learn" in message
    for option in ([], ["--missing", "mean"]):
        assert main([*base, *option]) == 0
        capsys.readouterr()
        assert main(["predict", "model.safetensors", data]) == 0
        printed = capsys.readouterr()
        assert len(read_csv(printed.out)) == 60
        assert printed.err == ""


def test_a_constant_column_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    for constant in ("5", "0.1", "1e30"):
        body = "\n".join(f"{constant},{i},{i * 0.5}" for i in range(40))
        data = table("c,x,y\n" + body)
        assert main(["train", data, *QUICK, "--target", "y", "--epochs", "2"]) == 0
        out = capsys.readouterr().out
        assert f"left out: 'c', constant ({constant})" in out
        assert "nan" not in out.lower()


def test_what_is_new_at_prediction_is_one_warning(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", table(flowers()), *QUICK, "--target", "weight", "--epochs", "1", "--quiet"])
    capsys.readouterr()
    Path("new.csv").write_text("length,colour,wild,species\n1,green,true,rose\n,red,true,rose\n")
    assert main(["predict", "model.safetensors", "new.csv"]) == 0
    printed = capsys.readouterr()
    assert len(read_csv(printed.out)) == 2
    assert printed.err.count("\n") == 1
    unseen = "column 'colour': 1 rows of categories that the training data had not ('green')"
    assert unseen in printed.err
    assert "column 'length': 1 missing numbers" in printed.err


@pytest.mark.slow
def test_a_time_limit_leaves_fewer_epochs(capsys: pytest.CaptureFixture[str]) -> None:
    data = table(flowers(2000))
    assert main(["train", data, "--target", "weight", "--time-limit", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "the time limit" in out
    assert "leaves" in out
    assert main(["predict", "model.safetensors", data]) == 0


def test_same_seed_gives_the_same_file() -> None:
    data = table(flowers())
    base = ["train", data, *QUICK, "--target", "species", "--epochs", "3", "--quiet"]
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
        ["--optimizer", "rmsprop"],
        ["--dtype", "float64"],
        ["--threads", "1"],
        ["--batch-size", "1"],
        ["--validation-split", "0.5"],
        ["--cv", "3"],
        ["--class-weight", "balanced", "--metric", "balanced_accuracy"],
        ["--weight", "weight", "--group", "colour"],
        ["--ignore", "wild", "--ignore", "colour"],
        ["--categorical", "wild"],
        ["--missing-value", "true"],
        ["--separator", ","],
    ],
)
def test_options(options: list[str]) -> None:
    before = dc.get_num_threads()
    try:
        data = table(flowers())
        base = ["train", data, *QUICK, "--target", "species", "--epochs", "2", "--quiet"]
        assert main([*base, *options]) == 0
        model = load_table_model("model.safetensors")
        used = {feature.name for feature in model.preparation.features}
        if options[0] == "--hidden":
            dense = model.card["recipe"]["hidden"]
            assert dense == ([] if options[1] == "" else [5])
        if options[0] == "--dtype":
            assert model.dtype == "float64"
        if options[0] == "--ignore":
            assert used == {"length", "weight"}
        if options[0] == "--weight":
            assert used == {"length", "wild"}
            assert model.card["recipe"]["networks"] == 2  # as many parts as there are groups
        if options[0] == "--cv":
            assert model.card["recipe"]["networks"] == 3
        if options[0] == "--validation-split":
            assert model.card["recipe"]["networks"] == 1
    finally:
        dc.set_num_threads(before)


@pytest.mark.slow
def test_trainings_have_the_same_bits_for_any_number_of_threads() -> None:
    before = dc.get_num_threads()
    data = table(flowers(300))
    try:
        for name, threads in (("one", "1"), ("two", "2")):
            base = ["--target", "species", "--epochs", "4", "--quiet", "--threads", threads]
            assert main(["train", data, *QUICK, *base, "--save", name]) == 0
    finally:
        dc.set_num_threads(before)
    assert Path("one").read_bytes() == Path("two").read_bytes()


def test_models_of_version_0_1_0_predict_and_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    model = dc.Sequential([dc.Input(3), dc.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.set_weights([np.array([[1.0], [10.0], [100.0]], np.float32), np.zeros(1, np.float32)])
    model.metadata = {
        "table": {
            "version": 1,
            "features": [
                {"kind": "numeric", "name": "a", "mean": 3.0, "scale": 2.0, "fill": None},
                {"kind": "categorical", "name": "b", "categories": ["u", "v"]},
            ],
            "target": {"kind": "numbers", "names": ["y"], "means": [1.0], "scales": [2.0]},
            "bend": False,
        }
    }
    model.save("old.safetensors")
    Path("new.csv").write_text("b,a\nu,5\nv,true\n")
    assert main(["predict", "old.safetensors", "new.csv"]) == 0
    assert [float(r["y"]) for r in read_csv(capsys.readouterr().out)] == [23, 199]
    assert main(["info", "old.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "from 'b': categories u, v" in out


@pytest.mark.slow
def test_plot_draws_a_picture() -> None:
    pytest.importorskip("matplotlib")
    data = table(flowers())
    base = ["train", data, *QUICK, "--target", "species", "--epochs", "5", "--quiet"]
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
    main(["train", data, *QUICK, *base])
    expected = capsys.readouterr().out
    assert main(["train", name, *QUICK, *base]) == 0
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


def test_bench_of_a_communicator_in_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--comm", "--quick", "--network", "10-8-2", "--batch", "64"]) == 0
    said = capsys.readouterr().out
    assert "1 rank" in said
    assert "25 Gb Ethernet" in said
    for wrong in (["--network", "ten"], ["--batch", "0"], ["--network", "5"]):
        assert main(["bench", "--comm", *wrong]) == 2

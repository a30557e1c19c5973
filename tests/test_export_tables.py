"""Models of tables in other programs: columns by name go in, the library's predictions come out."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from command_line import command  # noqa: E402
from densecore.tabular import TabularClassifier, TabularRegressor, load_table_model  # noqa: E402
from densecore.tabular.category_keys import CategoryKeys  # noqa: E402
from densecore.tabular.features import CategoricalFeature  # noqa: E402
from densecore.tabular.reader import table_of  # noqa: E402
from test_export import COMPILERS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:densecore", "ignore:Tabular")
ROWS = 160


def table(seed: int = 0) -> Any:
    """Numbers, categories and moments, with what is missing and what needs care."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2019-12-30")
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 12, ROWS).round(1),
            'the "income" €': rng.lognormal(10, 1, ROWS),
            "job": rng.choice(["Nurse", "teacher", "PILOT", "Ärztin", "a\\b?"], ROWS),
            "double": rng.choice(["m", "f"], ROWS),
            "when": start + pd.to_timedelta(rng.integers(0, 50_000_000, ROWS), unit="s"),
            "code": rng.choice(["1", "2", "10"], ROWS),
        }
    )
    frame.loc[rng.random(ROWS) < 0.1, "age"] = np.nan
    frame.loc[rng.random(ROWS) < 0.1, "job"] = None
    frame.loc[5, "when"] = None
    # Numbers that single precision holds: ONNX's columns of numbers are of it.
    for name in frame.columns[:2]:
        frame[name] = frame[name].astype(np.float32)
    return frame


def trained(kind: Any, frame: Any, y: Any, **options: Any) -> Any:
    small = {"hidden": [8], "epochs": 3, "folds": 2, "random_state": 0, **options}
    return kind("quick", **small).fit(frame, y)


def spoilt(frame: Any) -> Any:
    """Rows that training had not: other spellings, unseen categories, infinities."""
    other = frame.copy()
    other.loc[0, "job"] = "nURSE"
    other.loc[1, "job"] = "ärztin"
    other.loc[2, "job"] = "plumber"
    other.loc[3, "code"] = "2.0"
    other.loc[4, "code"] = "3"
    other.loc[6, "double"] = "M"
    other.loc[7, "double"] = None
    other.loc[8, "age"] = np.inf
    other.loc[9, "age"] = np.float32(-3e38)
    return other


def seconds(column: Any) -> np.ndarray:
    return ((column - pd.Timestamp("1970-01-01")) / pd.Timedelta("1s")).to_numpy(np.float64)


def in_onnxruntime(path: Path, frame: Any) -> tuple[dict[str, np.ndarray], Any]:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {}
    for given in session.get_inputs():
        column = frame[given.name]
        if given.type == "tensor(float)":
            values = column.to_numpy(np.float32)
        elif given.type == "tensor(double)":
            values = seconds(column)
        else:
            values = np.array(["" if pd.isna(v) else str(v) for v in column], object)
        assert given.shape == ["batch", 1]
        feed[given.name] = values[:, np.newaxis]
    names = [each.name for each in session.get_outputs()]
    found = dict(zip(names, session.run(names, feed), strict=True))
    return found, session.get_modelmeta().custom_metadata_map


def literal(value: Any, declaration: str) -> str:
    if "char" in declaration:
        if pd.isna(value):
            return "NULL"
        return '"' + "".join(f"\\{byte:03o}" for byte in str(value).encode()) + '"'
    if isinstance(value, pd.Timestamp):
        value = (value - pd.Timestamp("1970-01-01")) / pd.Timedelta("1s")
    if pd.isna(value):
        return "NAN"
    return "INFINITY" if value == np.inf else float(value).hex()


def in_c(path: Path, frame: Any, names: list[str], cc: str) -> tuple[list[str], np.ndarray]:
    """The classes, if there are any, and the numbers that a header computes for each row."""
    text, name = path.read_text(), path.stem
    fields = text.split("typedef struct {")[1].split("}")[0].strip().split("\n")
    rows = (
        "{" + ", ".join(literal(row[column], field) for column, field in
                        zip(names, fields, strict=True)) + "}"
        for _, row in frame.iterrows()
    )  # fmt: skip
    call = f"{name}_predict(&rows[r], y)"
    classes = f"{name}_classes" in text
    source = f"""#include <stdio.h>
#include "{path.name}"
static const {name}_row rows[] = {{{", ".join(rows)}}};
int main(void) {{
  int r, i;
  for (r = 0; r < {len(frame)}; ++r) {{
    double y[{name.upper()}_OUTPUTS];
    {f'printf("%s", {name}_classes[{call}]);' if classes else f'printf("-"); {call};'}
    for (i = 0; i < {name.upper()}_OUTPUTS; ++i) printf("\\t%.17g", y[i]);
    printf("\\n");
  }}
  return 0;
}}
"""
    (path.parent / "main.c").write_text(source)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    subprocess.run([cc, *flags, "-o", "main", "main.c", "-lm"], cwd=path.parent, check=True)
    done = subprocess.run([path.parent / "main"], capture_output=True, check=True)
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    return [line[0] for line in lines], np.array([[float(v) for v in line[1:]] for line in lines])


LABELS = {
    "texts": lambda frame: np.where(frame["age"] > 45, "old", "young"),
    "numbers": lambda frame: np.where(frame["age"] > 45, 10, np.where(frame["age"] > 35, 9, 2)),
    "booleans": lambda frame: frame["age"].to_numpy() > 45,
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("cc", COMPILERS)
def test_a_classifier_predicts_the_same_elsewhere(labels: str, cc: str, tmp_path: Path) -> None:
    frame = table()
    model = trained(TabularClassifier, frame, LABELS[labels](frame))
    other = spoilt(frame)
    wanted, likeliest = model.predict_proba(other), model.predict(other)

    assert model.export(tmp_path / "m.onnx").endswith("ONNX opset 17, IR version 8")
    found, metadata = in_onnxruntime(tmp_path / "m.onnx", other)
    assert np.abs(found["probabilities"] - wanted).max() < 1e-6
    assert [str(each) for each in found["label"]] == [
        str(int(each) if labels == "booleans" else each) for each in likeliest
    ]
    columns = [entry["name"] for entry in json.loads(metadata["columns"])]
    assert columns == list(frame.columns)
    assert metadata["densecore_version"]

    assert "bytes of constants" in model.export(tmp_path / "net.h")
    names, values = in_c(tmp_path / "net.h", other, columns, cc)
    assert np.abs(values - wanted).max() < 1e-6
    assert names == [str(each) for each in likeliest]


@pytest.mark.parametrize("target", ["plain", "grown"])
def test_a_regressor_predicts_the_same_elsewhere(target: str, tmp_path: Path) -> None:
    frame = table(1)
    y = frame["age"].fillna(30).to_numpy(np.float64)
    model = trained(TabularRegressor, frame, y)
    if target == "grown":  # as a network of logarithms that leaves the range of the targets
        changes = {"log": True, "factor": 1.1, "means": [3.5], "scales": [0.8]}
        model.model_.preparation.target = replace(model.model_.target, **changes)
    other = spoilt(frame)
    wanted = model.predict(other)
    scale = np.abs(wanted).max()
    model.export(tmp_path / "m.onnx")
    found, _ = in_onnxruntime(tmp_path / "m.onnx", other)
    assert np.abs(found["prediction"][:, 0] - wanted).max() < 1e-6 * scale
    model.export(tmp_path / "net.h")
    names = [feature.name for feature in model.model_.preparation.features]
    _, values = in_c(tmp_path / "net.h", other, names, "gcc")
    assert np.abs(values[:, 0] - wanted).max() < 1e-6 * scale


@pytest.mark.slow
def test_a_trained_file_is_exported_by_the_command_line(tmp_path: Path) -> None:
    frame = table(2).drop(columns=["when"])
    frame["class"] = np.where(frame["double"] == "m", "yes", "no")
    frame.to_csv(tmp_path / "data.csv", index=False)
    model = tmp_path / "model.safetensors"
    frame["code"] = frame["code"].astype(float)
    command("train", str(tmp_path / "data.csv"), "--target", "class", "--save", str(model),
            "--recipe", "quick", "--epochs", "2", "--hidden", "6")  # fmt: skip
    done = command("export", str(model), str(tmp_path / "m.onnx"))
    assert "ONNX opset 17" in done.stdout
    loaded = load_table_model(model)
    answers = loaded.outputs(table_of(frame))
    names = [feature.name for feature in loaded.preparation.features]
    found, _ = in_onnxruntime(tmp_path / "m.onnx", frame)
    assert np.abs(found["probabilities"] - answers).max() < 1e-6
    command("export", str(model), str(tmp_path / "small.h"), "--int8")
    command("export", str(model), str(tmp_path / "whole.h"))
    _, values = in_c(tmp_path / "whole.h", frame, names, "gcc")
    assert np.abs(values - answers).max() < 1e-6
    _, rough = in_c(tmp_path / "small.h", frame, names, "gcc")
    assert 0 < np.abs(rough - answers).max() < 0.05


def test_keys_of_categories_are_those_of_the_library() -> None:
    feature = CategoricalFeature("c", ["2", "07", "Öl", "ja", "JA", "Nein"], other=True)
    keys = CategoryKeys(feature)
    for text in ("2", "2.0", "07", "7", "Öl", "ÖL", "öl", "ja", "JA", "Ja", "NEIN", "nein", "x"):
        wanted = feature._find(text)
        small = "".join(c.lower() if c.isascii() else c for c in text)
        found = keys.exact.get(text, keys.folded.get(small, keys.other))
        assert found == (keys.other if wanted is None else wanted), text
    assert keys.exact[""] == feature._missing_place()


def test_what_cannot_be_exported_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    frame = table(3)[["age", "job"]]
    model = trained(TabularRegressor, frame, np.arange(ROWS))

    class Unknown(CategoricalFeature):
        pass

    feature = model.model_.preparation.features[1]
    model.model_.preparation.features[1] = Unknown(feature.name, feature.categories)
    for name in ("m.onnx", "m.h"):
        with pytest.raises(ValueError, match="column 'job': found Unknown, wanted one of: Categor"):
            model.export(tmp_path / name)
    with pytest.raises(ValueError, match=r"ends in '\.pb'"):
        model.export(tmp_path / "m.pb")
    with pytest.raises(ValueError, match=r"int8=True for \.onnx"):
        model.export(tmp_path / "m.onnx", int8=True)
    assert list(tmp_path.iterdir()) == []

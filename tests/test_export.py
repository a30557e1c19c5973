"""Exported networks compute what the model computes, in other programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore.export import export, program_of
from densecore.export.c_header import identifier, to_text
from densecore.export.c_parts import quantized

ACTIVATIONS = [
    *((name, {}) for name in dc.activations.names()),
    ("relu", {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.3}),
    ("gelu", {"approximate": True}),
    ("elu", {"alpha": 0.7}),
    ("celu", {"alpha": 1.3}),
]


def trained(activation: Any, dtype: str, classes: int = 3) -> tuple[dc.Sequential, np.ndarray]:
    """A model with every kind of layer, whose numbers are not the initial ones, and rows for it."""
    rng = np.random.default_rng(0)
    x = (2 * rng.normal(size=(64, 5)) + 1).astype(dtype)
    block = [dc.Dense(17, activation, use_bias=False), dc.layers.Dense(9)]
    model = dc.Sequential(
        [
            dc.Input(5),
            dc.layers.Normalization(),
            dc.Dense(9, activation),
            dc.layers.LayerNormalization(),
            dc.layers.Residual([*block, dc.layers.BatchNormalization()]),
            dc.layers.Dropout(0.2),
            dc.Dense(classes, "softmax"),
        ],
        dtype=dtype,
        seed=1,
        name="net 7",
    )
    model.layers[0].adapt(x)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, rng.integers(0, classes, len(x)), epochs=2, verbose=0)
    return model, x


def in_onnxruntime(path: Path, x: np.ndarray) -> np.ndarray:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(["y"], {"x": x})[0]
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "parameters"), ACTIVATIONS)
def test_onnx_runtime_predicts_the_same(
    name: str, parameters: dict[str, Any], dtype: str, tmp_path: Path
) -> None:
    model, x = trained(dc.activations.Activation(name, **parameters), dtype)
    path = tmp_path / "model.onnx"
    assert export(model, path).endswith("ONNX opset 17, IR version 8")
    wanted = model.predict(x, verbose=0)
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    found = in_onnxruntime(path, x)
    assert found.dtype == wanted.dtype
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()
    assert in_onnxruntime(path, x[:1]).shape == (1, 3)  # any number of rows


def test_onnx_file_says_what_it_is(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model, _ = trained("relu", "float32")
    export(model, tmp_path / "model.onnx")
    loaded = onnx.load(tmp_path / "model.onnx")
    assert (loaded.producer_name, loaded.producer_version) == ("densecore", dc.__version__)
    assert loaded.ir_version == 8
    assert [(each.domain, each.version) for each in loaded.opset_import] == [("", 17)]
    assert loaded.graph.name == "net 7"
    assert {each.key: each.value for each in loaded.metadata_props} == {
        "densecore_version": dc.__version__,
        "layers": repr(model),
    }


# C headers ----------------------------------------------------------------------------------------


def run_headers(headers: dict[str, str], rows: list[np.ndarray], cc: str, d: Path) -> list[Any]:
    """The rows that each header computes, by the names of the models: one program for all."""
    number = "float" if rows[0].dtype == np.float32 else "double"
    source = ["#include <stdio.h>"]
    for name, text in headers.items():
        (d / f"{name}.h").write_text(text)
        source.append(f'#include "{name}.h"')
    source.append("int main(void) {")
    for name, x in zip(headers, rows, strict=True):
        source.append(
            f"  {{ {number} x[{name.upper()}_INPUTS], y[{name.upper()}_OUTPUTS]; int r;"
            f" for (r = 0; r < {len(x)}; ++r) {{"
            " if (fread(x, sizeof x, 1, stdin) != 1) return 1;"
            f" {name}_predict(x, y); fwrite(y, sizeof y, 1, stdout); }} }}"
        )
    (d / "main.c").write_text("\n".join([*source, "  return 0;", "}", ""]))
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    subprocess.run([cc, *flags, "-o", "main", "main.c", "-lm"], cwd=d, check=True)
    given = b"".join(x.tobytes() for x in rows)
    done = subprocess.run([d / "main"], input=given, capture_output=True, check=True)
    values = np.frombuffer(done.stdout, rows[0].dtype)
    return list(values.reshape(len(rows), len(rows[0]), -1))


PORTABLE = """
import sys
import numpy as np
import densecore as dc
folder, count = sys.argv[1], int(sys.argv[2])
for i in range(count):
    model, x = dc.load_model(f"{folder}/{i}.safetensors"), np.load(f"{folder}/x{i}.npy")
    np.save(f"{folder}/y{i}.npy", model.predict(x, verbose=0))
"""


def at_the_portable_level(models: list[dc.Sequential], rows: list[np.ndarray], d: Path) -> Any:
    """Predictions of the level "scalar", in a process of its own."""
    for i, (model, x) in enumerate(zip(models, rows, strict=True)):
        model.save(d / f"{i}.safetensors")
        np.save(d / f"x{i}.npy", x)
    environment = {**os.environ, "DENSECORE_ISA": "scalar"}
    command = [sys.executable, "-c", PORTABLE, str(d), str(len(models))]
    subprocess.run(command, env=environment, check=True)
    return [np.load(d / f"y{i}.npy") for i in range(len(models))]


COMPILERS = [
    pytest.param(cc, marks=pytest.mark.skipif(shutil.which(cc) is None, reason=f"needs {cc}"))
    for cc in ("gcc", "clang")
]
ON_X86 = "sse2" in dc._core.compiled_isa_levels()


@pytest.mark.skipif(not ON_X86, reason="elsewhere the portable level fuses multiply-adds")
@pytest.mark.parametrize("cc", COMPILERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.slow
def test_c_headers_have_the_bits_of_the_portable_level(cc: str, dtype: str, tmp_path: Path) -> None:
    models, rows, headers = [], [], {}
    for place, (name, parameters) in enumerate(ACTIVATIONS):
        model, x = trained(dc.activations.Activation(name, **parameters), dtype)
        model.name = f"net {place}"
        # Also where functions end: limits, zeros of both signs, infinities and NaN.
        x[:9, 0] = [0, -0.0, 1e30, -1e30, np.inf, -np.inf, np.nan, 30, -30]
        assert "bytes of constants" in export(model, tmp_path / "model.h")
        headers[f"net_{place}"] = (tmp_path / "model.h").read_text()
        models.append(model)
        rows.append(x)
    wanted_all = at_the_portable_level(models, rows, tmp_path)
    found_all = run_headers(headers, rows, cc, tmp_path)
    for case, found, wanted in zip(ACTIVATIONS, found_all, wanted_all, strict=True):
        same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
        assert same.all(), (case, found[~same][:3], wanted[~same][:3])


@pytest.mark.parametrize("cc", COMPILERS)
def test_int8_header_is_a_quarter_and_near(cc: str, tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(20), dc.Dense(64, "relu"), dc.Dense(3)], seed=0)
    x = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    whole, cost = to_text(program_of(model), ["a test"])
    small, small_cost = to_text(program_of(model), ["a test"], int8=True)
    kernels, vectors = 20 * 64 + 64 * 3, 64 + 3
    assert cost.constants == 4 * (kernels + vectors)
    assert small_cost.constants == kernels + 8 * vectors
    assert cost.stack == 4 * 64
    wanted = model.predict(x, verbose=0)
    (found,) = run_headers({"sequential": small}, [x], cc, tmp_path)
    error = np.abs(found - wanted).max()
    # 84 roundings of at most 1/254 of a weight, at random: of a hundredth of the outputs' spread.
    assert 0 < error < 0.03 * np.abs(wanted).max()
    (exact,) = run_headers({"sequential": whole}, [x], cc, tmp_path)
    assert exact == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_quantized_kernels_are_the_nearest() -> None:
    kernel = np.array([[0.5, 0, -1], [1.27, 0, 2.54]], np.float32)
    levels, scale = quantized(kernel)
    assert levels.tolist() == [[50, 0, -50], [127, 0, 127]]
    assert scale == pytest.approx([0.01, 1, 0.02])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("net 7", "net_7"),
        ("7up", "model_7up"),
        ("Ärger", "rger"),
        ("", "model"),
        ("if", "model_if"),
    ],
)
def test_names_become_identifiers(name: str, wanted: str) -> None:
    assert identifier(name) == wanted


# Mistakes -----------------------------------------------------------------------------------------


def test_what_cannot_be_exported_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    model, _ = trained("relu", "float32")
    for path, arguments, message in (
        ("model.pb", {}, r"found a name that ends in '.pb', wanted one of: .onnx .*\.h"),
        ("model.onnx", {"int8": True}, "int8=True for .onnx"),
        ("nowhere/model.h", {}, "no directory"),
    ):
        with pytest.raises((ValueError, OSError), match=message):
            export(model, tmp_path / path, **arguments)
    with pytest.raises(RuntimeError, match="no parameters yet"):
        export(dc.Sequential([dc.Dense(2)]), tmp_path / "model.h")
    own = dc.Sequential([dc.Input(2), dc.Dense(2, (np.sin, lambda x, a: np.cos(x)), name="wave")])
    for ending in ("h", "onnx"):
        with pytest.raises(ValueError, match="layer wave: found an activation that is a Python"):
            export(own, tmp_path / f"model.{ending}")
    model.layers[1].kernel[0, 0] = np.nan
    with pytest.raises(ValueError, match="dense kernel: found numbers that are not finite"):
        export(model, tmp_path / "model.h")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["m.onnx", "m.h", "m.safetensors"])
def test_a_full_disk_leaves_the_file_that_was_there(name: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    model = dc.Sequential([dc.Input(30), dc.Dense(64, "relu"), dc.Dense(3)], seed=0)
    (tmp_path / name).write_bytes(b"before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        write = model.save if name == "m.safetensors" else model.export
        with pytest.raises(OSError, match=f"too large: '.*{name}'"):
            write(tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"before"

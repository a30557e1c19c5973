"""Random graphs of layers, with several inputs and outputs, in other programs."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from densecore import Model, layers
from densecore._data.structures import leaves, packed
from densecore.export import export, program_of
from densecore.export.c_header import to_text
from densecore.export.c_network import arguments_of
from random_models import assert_near, random_graph_model, tolerances

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")

SEEDS = range(24)
FEWER = range(12)  # where a test compiles
NOT_IN_KERAS = frozenset({layers.PeriodicEmbedding})


@pytest.mark.parametrize("seed", SEEDS)
def test_onnx_runtime_predicts_the_same(seed: int, dtype: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model, x = random_graph_model(seed, dtype)
    path = tmp_path / "model.onnx"
    export(model, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = model.input_names if len(x) > 1 else ["x"]
    assert [each.name for each in session.get_inputs()] == names
    found = session.run(None, dict(zip(names, x, strict=True)))
    assert_near(found, model, x, tolerances(seed, model, x), "ONNX")
    none = session.run(None, {name: each[:0] for name, each in zip(names, x, strict=True)})
    assert [each.shape[1:] for each in none] == [each.shape[1:] for each in found]


def in_c(
    models: list[Any], rows: list[list[np.ndarray]], d: Path, cc: str = "gcc"
) -> list[list[np.ndarray]]:
    """What the headers of models compute, one program for all: a list of outputs for each."""
    source = ["#include <stdio.h>"]
    main, sizes = [], []
    for place, (model, x) in enumerate(zip(models, rows, strict=True)):
        model.name = f"net {place}"
        program = program_of(model)
        text, _ = to_text(program, ["a test"])
        (d / f"net_{place}.h").write_text(text)
        source.append(f'#include "net_{place}.h"')
        arguments = arguments_of(program)
        kind = "float" if model.dtype == "float32" else "double"
        ports = [*program.takes, *program.gives]
        declared = ", ".join(f"{a}[{p.width}]" for a, p in zip(arguments, ports, strict=True))
        taken, given = arguments[: len(program.takes)], arguments[len(program.takes) :]
        reads = "".join(f"if (fread({a}, sizeof {a}, 1, stdin) != 1) return 1; " for a in taken)
        writes = "".join(f" fwrite({a}, sizeof {a}, 1, stdout);" for a in given)
        main.append(
            f"  {{ {kind} {declared}; int r; for (r = 0; r < {len(x[0])}; ++r) {{ {reads}"
            f"net_{place}_predict({', '.join(arguments)});{writes} }} }}"
        )
        sizes.append([port.width for port in program.gives])
    (d / "main.c").write_text("\n".join([*source, "int main(void) {", *main, "  return 0;", "}\n"]))
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    subprocess.run([cc, *flags, "-o", "main", "main.c", "-lm"], cwd=d, check=True)
    given_rows = b"".join(
        b"".join(each[row].tobytes() for each in x) for x in rows for row in range(len(x[0]))
    )
    done = subprocess.run([d / "main"], input=given_rows, capture_output=True, check=True)
    values = np.frombuffer(done.stdout, models[0].dtype)
    found, at = [], 0
    for x, widths in zip(rows, sizes, strict=True):
        count = len(x[0]) * sum(widths)
        matrix = values[at : at + count].reshape(len(x[0]), -1)
        found.append(np.split(matrix, np.cumsum(widths)[:-1], axis=1))
        at += count
    assert at == len(values)
    return found


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("seeds", [SEEDS[:4], SEEDS[4:]], ids=["four", "others"])
def test_c_headers_compute_the_same(dtype: str, seeds: Sequence[int], tmp_path: Path) -> None:
    made = [random_graph_model(seed, dtype) for seed in seeds]
    found_all = in_c([model for model, _ in made], [x for _, x in made], tmp_path)
    for seed, (model, x), found in zip(seeds, made, found_all, strict=True):
        shapes = [port.row for port in program_of(model).gives]
        shaped = [each.reshape(-1, *row) for each, row in zip(found, shapes, strict=True)]
        assert_near(shaped, model, x, tolerances(seed, model, x), "C")


@pytest.mark.parametrize("seed", SEEDS)
def test_torch_predicts_the_same(seed: int, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    model, x = random_graph_model(seed, dtype)
    module = model.to_torch()
    tensors = [torch.from_numpy(each) for each in x]
    with torch.no_grad():
        found = module(*tensors)
    limits = [4 * limit for limit in tolerances(seed, model, x)]
    assert_near([each.numpy() for each in leaves(found)], model, x, iter(limits), "PyTorch")
    assert isinstance(found, dict) == isinstance(model.output, dict)
    if len(x) > 1:
        with torch.no_grad():
            named = module(dict(zip(model.input_names, tensors, strict=True)))
            listed = module(tensors)
        for one, other, third in zip(*map(leaves, (found, named, listed)), strict=True):
            assert (one == other).all()
            assert (one == third).all()


@pytest.mark.parametrize("seed", FEWER)
def test_jax_predicts_the_same(seed: int) -> None:
    pytest.importorskip("jax")
    model, x = random_graph_model(seed, "float64")
    apply, parameters = model.to_jax()
    given: Any = packed(model._input_structure, list(x))
    found = apply(parameters, given)
    limits = tolerances(seed, model, x)
    # JAX sorts the keys of dictionaries.
    outputs = [found[key] for key in model.output] if isinstance(found, dict) else leaves(found)
    assert_near([np.asarray(each) for each in outputs], model, x, limits, "JAX")
    before = model.get_weights()
    model.set_parameter_tree(parameters)
    for one, other in zip(before, model.get_weights(), strict=True):
        assert (one == other).all()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
# Keras warns of a softmax of rows of one number.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("seed", FEWER)
def test_keras_predicts_the_same(seed: int, dtype: str) -> None:
    pytest.importorskip("keras")
    model, x = random_graph_model(seed, dtype, without=NOT_IN_KERAS)
    theirs = model.to_keras()
    given = packed(model._input_structure, list(x))
    found = leaves(theirs(given))
    limits = [max(1e-5, 4 * each) for each in tolerances(seed, model, x, without=NOT_IN_KERAS)]
    # Some of Keras's activations compute in single precision whatever they are given.
    arrays = [np.asarray(each) for each in found]
    assert_near(arrays, model, x, iter(limits), "Keras", same_type=False)


def test_a_function_and_a_layer_of_one_name_go_to_keras() -> None:
    keras = pytest.importorskip("keras")
    keras.utils.clear_session()  # which numbers names from the beginning
    x = layers.Input(3)
    h = layers.Dense(3)(x)
    lowest = layers.Minimum(name="minimum")([h, np.minimum(h, 0.5)])
    model = Model(x, layers.Dense(1)(np.minimum(lowest, 2.0)), seed=0)
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    theirs = model.to_keras()
    np.testing.assert_allclose(np.asarray(theirs(rows)), model.predict(rows, verbose=0), atol=1e-6)
    assert [each.name for each in theirs.layers].count("minimum") == 1

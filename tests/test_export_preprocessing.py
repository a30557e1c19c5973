"""Layers of preprocessing inside models, in other programs."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore import layers
from densecore.export import export
from random_models import outputs_of
from test_export_graphs import in_c

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")

RNG = np.random.default_rng(0)
Parts = tuple[dc.Model, list[Any]]


def of_numbers(dtype: str, lookups: bool = True) -> Parts:
    """A model of numbers that become intervals and categories, and rows with what is not known."""
    age, flags, tags = dc.Input((2,), name="age"), dc.Input((3,), name="flags"), dc.Input((1,))
    parts = [
        layers.Flatten()(layers.Embedding(4, 2)(layers.Discretization([0.1, 0.3, 2.5])(age))),
        layers.Flatten()(layers.Discretization([0.1, 0.7], output_mode="one_hot")(age)),
        layers.Discretization([0.0, 1.0], output_mode="count")(age),
        layers.CategoryEncoding(4)(flags),
        layers.CategoryEncoding(4, "count")(flags),
        layers.Dense(2)(age),
    ]
    inputs: list[Any] = [age, flags]
    x: list[Any] = [RNG.choice([0.1, 0.3, 0.7, 2.5, -1.0, 0.2], (40, 2)).astype(dtype)]
    x.append(RNG.integers(0, 4, (40, 3)).astype(dtype))
    if lookups:
        found = layers.IntegerLookup(vocabulary=[7, 3, 1000], mask_token=-1)(tags)
        table = layers.Embedding(5, 3)
        hot = layers.IntegerLookup(vocabulary=[7, 1000], output_mode="one_hot")
        parts += [layers.Flatten()(table(found)), hot(tags)]
        inputs.append(tags)
        x.append(RNG.choice([7, 3, 1000, 8, -1, 0], (40, 1)).astype(dtype))
    model = dc.Model(
        inputs, layers.Dense(3, "tanh")(layers.concatenate(parts)), dtype=dtype, seed=0
    )
    return model, x


def of_texts() -> Parts:
    """A model of a column of texts and one of numbers."""
    city, size = dc.Input((1,), name="city"), dc.Input((2,), name="size")
    look = layers.StringLookup(vocabulary=["Köln", "Bonn", "Ulm"])
    hot = layers.StringLookup(vocabulary=["Ulm", "Bonn"], mask_token="", output_mode="one_hot")
    parts = [layers.Flatten()(layers.Embedding(4, 2)(look(city))), hot(city), size]
    model = dc.Model([city, size], layers.Dense(2)(layers.concatenate(parts)), seed=0)
    x = [RNG.choice(["Köln", "Bonn", "Ulm", "Rom", ""], (30, 1)), RNG.normal(size=(30, 2))]
    return model, [x[0], x[1].astype(np.float32)]


def in_onnxruntime(model: Any, x: list[Any], path: Path) -> np.ndarray:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    export(model, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = [each.astype(object) if each.dtype.kind == "U" else each for each in x]
    found: np.ndarray = session.run(None, dict(zip(model.input_names, given, strict=True)))[0]
    return found


@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_onnx_has_them_texts_too(kind: str, dtype: str, tmp_path: Path) -> None:
    model, x = of_numbers(dtype) if kind == "numbers" else of_texts()
    found = in_onnxruntime(model, x, tmp_path / "model.onnx")
    assert found == pytest.approx(outputs_of(model, x)[0], abs=1e-6)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_c_has_those_of_numbers(dtype: str, tmp_path: Path) -> None:
    model, x = of_numbers(dtype)
    ((found,),) = in_c([model], [x], tmp_path)
    assert found == pytest.approx(outputs_of(model, x)[0], abs=1e-6)
    texts, _ = of_texts()
    with pytest.raises(ValueError, match=r"layer string_lookup: found texts, wanted numbers"):
        export(texts, tmp_path / "texts.h")
    assert not (tmp_path / "texts.h").exists()


def test_torch_has_those_of_numbers(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    model, x = of_numbers(dtype)
    with torch.no_grad():
        found = model.to_torch()(*map(torch.from_numpy, x)).numpy()
    assert found == pytest.approx(outputs_of(model, x)[0], abs=1e-6)
    with pytest.raises(ValueError, match=r"layer string_lookup: found texts"):
        of_texts()[0].to_torch()


def test_jax_has_those_of_numbers(dtype: str) -> None:
    pytest.importorskip("jax")
    model, x = of_numbers(dtype)
    function, parameters = model.to_jax()
    assert np.asarray(function(parameters, x)) == pytest.approx(outputs_of(model, x)[0], abs=1e-6)
    with pytest.raises(ValueError, match=r"layer string_lookup: found texts"):
        of_texts()[0].to_jax()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_has_intervals_and_encodings_both_ways(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    model, x = of_numbers("float32", lookups=False)
    theirs = model.to_keras()
    theirs.save(tmp_path / "model.keras")
    wanted = outputs_of(model, x)[0]
    assert np.asarray(theirs(x)) == pytest.approx(wanted, abs=1e-6)
    for source in (theirs, tmp_path / "model.keras"):
        assert outputs_of(dc.from_keras(source), x)[0] == pytest.approx(wanted, abs=1e-6)


def test_what_a_format_cannot_say_is_refused_by_name(tmp_path: Path) -> None:
    x = dc.Input((1,))
    for layer, message in (
        (layers.Hashing(3), "found Hashing, wanted one of"),
        (layers.IntegerLookup(vocabulary=[1], num_oov_indices=2), "num_oov_indices: found 2"),
        (layers.IntegerLookup(vocabulary=[2**40 + 1]), "found the token 1099511627777"),
    ):
        model = dc.Model(x, layers.Flatten()(layers.Embedding(4, 2)(layer(x))), seed=0)
        with pytest.raises(ValueError, match=rf"layer {layer.name}: {message}"):
            export(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []

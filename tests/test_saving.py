"""Model files: exact, portable, and refused with one clear sentence when they are not whole."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densecore as dc
from densecore._saving import safetensors as _safetensors
from densecore.tabular.reader import read_table

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 3, 40)


def trained(dtype: str = "float32", optimizer: str = "adam") -> dc.Sequential:
    model = dc.Sequential(
        [dc.Input(5), dc.Dense(7, "tanh", use_bias=False, name="first"), dc.Dense(3, "softmax")],
        dtype=dtype,
        seed=11,
        name="net",
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, LABELS, 16, epochs=3, verbose=0)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", dc.optimizers.names())
def test_training_goes_on_bit_by_bit(tmp_path: Path, dtype: str, optimizer: str) -> None:
    path = tmp_path / "model.safetensors"
    model = trained(dtype, optimizer)
    model.optimizer.learning_rate = 0.03125
    model.metadata = {"note": "größe", "numbers": [1, 0.1, None, True]}
    model.save(path)
    loaded = dc.load_model(path)
    assert repr(loaded) == repr(model)
    assert loaded.get_config() == model.get_config()
    assert (loaded.name, loaded.seed, loaded.metadata) == ("net", 11, model.metadata)
    assert loaded.layers[0].name == "first"
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
    expected = model.fit(X, LABELS, 16, epochs=3, verbose=0)
    found = loaded.fit(X, LABELS, 16, epochs=3, verbose=0)
    assert found.history == expected.history
    assert loaded.parameters.tobytes() == model.parameters.tobytes()


def test_saved_in_the_middle_equals_trained_through(tmp_path: Path) -> None:
    whole = trained()
    whole.fit(X, LABELS, 16, epochs=3, verbose=0)
    half = trained()
    half.save(tmp_path / "m.safetensors")
    resumed = dc.load_model(tmp_path / "m.safetensors")
    resumed.fit(X, LABELS, 16, epochs=3, verbose=0)
    assert resumed.parameters.tobytes() == whole.parameters.tobytes()


def test_model_that_was_never_compiled(tmp_path: Path) -> None:
    model = dc.Sequential([dc.Input(2), dc.Dense(3)], seed=0)
    model.save(tmp_path / "m")
    loaded = dc.load_model(tmp_path / "m")
    assert loaded.optimizer is None
    np.testing.assert_array_equal(loaded.parameters, model.parameters)
    with pytest.raises(RuntimeError, match="not compiled"):
        loaded.fit(np.zeros((1, 2)), np.zeros((1, 3)))


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        trained().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_programs_can_read_the_tensors(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    model = trained()
    model.save(tmp_path / "m.safetensors")
    tensors = package.load_file(tmp_path / "m.safetensors")
    assert set(tensors) == {
        "layers.0.kernel",
        "layers.1.kernel",
        "layers.1.bias",
        "optimizer.m",
        "optimizer.v",
    }
    np.testing.assert_array_equal(tensors["layers.0.kernel"], model.layers[0].kernel)
    np.testing.assert_array_equal(tensors["layers.1.bias"], model.layers[1].bias)


def test_models_written_by_other_programs_are_read(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    model = trained()
    model.save(tmp_path / "m")
    with _safetensors.open_file(tmp_path / "m") as file:
        tensors = {name: file.read(name) for name in file.tensors}
        package.save_file(tensors, tmp_path / "theirs", metadata=file.metadata)
    loaded = dc.load_model(tmp_path / "theirs")
    np.testing.assert_array_equal(loaded.parameters, model.parameters)


def test_metadata_must_be_json(tmp_path: Path) -> None:
    model = trained()
    path = tmp_path / "m"
    model.save(path)
    before = path.read_bytes()
    loop: list[Any] = []
    loop.append(loop)
    for wrong in ({"a": object()}, {"a": float("nan")}, {"a": np.float32(1)}, [1], {"a": loop}):
        model.metadata = wrong  # type: ignore[assignment]
        with pytest.raises(TypeError, match="metadata: found"):
            model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("where", ["missing/model", "."])
def test_a_file_that_cannot_be_written(tmp_path: Path, where: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        trained().save(tmp_path / where)
    assert os.listdir(tmp_path) == []


# Files that are not what they should be --------------------------------------------------------


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def joined(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], bytes]:
    """The file with its configuration changed."""

    def apply(path: Path) -> bytes:
        header, data = parts(path)
        config = json.loads(header["__metadata__"]["config"])
        change(config)
        header["__metadata__"]["config"] = json.dumps(config)
        return joined(header, data)

    return apply


def edit_metadata(key: str, value: str | None) -> Callable[[Path], bytes]:
    def apply(path: Path) -> bytes:
        header, data = parts(path)
        if value is None:
            del header["__metadata__"][key]
        else:
            header["__metadata__"][key] = value
        return joined(header, data)

    return apply


def set_layer(index: int, **entries: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["layers"][index].update(entries)


DAMAGE: list[tuple[str, Callable[[Path], bytes], str]] = [
    ("empty", lambda p: b"", "the file is empty"),
    ("text", lambda p: b"a,b,c\n1,2,3\n", "not a safetensors file"),
    ("zeros", lambda p: bytes(100), "not a safetensors file"),
    ("pickle", lambda p: b"\x80\x04\x95" + bytes(50), "not a safetensors file"),
    ("truncated data", lambda p: p.read_bytes()[:-10], "truncated"),
    ("truncated header", lambda p: p.read_bytes()[:100], "truncated"),
    ("longer", lambda p: p.read_bytes() + b"x", "1 bytes after the last tensor"),
    ("other file", lambda p: joined({"__metadata__": {}}, b""), "but not a densecore model"),
    ("newer", edit_metadata("format_version", "2"), "reads up to format 1: upgrade densecore"),
    ("version text", edit_metadata("format_version", "one"), "found format version 'one'"),
    ("version sign", edit_metadata("format_version", "-1"), "found format version '-1'"),
    ("no config", edit_metadata("config", None), "no entry 'config'"),
    ("config list", edit_metadata("config", "[]"), "entry 'config' is not readable"),
    ("deep config", edit_metadata("config", "[" * 100_000), "entry 'config' is not readable"),
    ("nan", edit_metadata("metadata", '{"a": NaN}'), "entry 'metadata' is not readable"),
    ("no progress", edit_metadata("progress", "{}"), "damaged: steps = None"),
    ("bad steps", edit_metadata("progress", '{"steps": -1, "epochs": 0}'), "damaged: steps = -1"),
    (
        "huge layer",
        edit(set_layer(0, units=2**40)),
        "units: found 1099511627776, wanted an integer from 1 to",
    ),
    ("wide layer", edit(set_layer(0, units=2**24)), r"layers.0.kernel.*wanted float32 \(5, 16777"),
    ("boolean units", edit(set_layer(0, units=True)), "units: found True, wanted an integer"),
    ("fraction", edit(set_layer(0, units=2.5)), "units: found 2.5"),
    ("bias", edit(set_layer(0, use_bias=True)), "found no tensor 'layers.0.bias'"),
    ("no bias", edit(set_layer(1, use_bias=False)), "'layers.1.bias', which does not belong"),
    (
        "activation",
        edit(set_layer(0, activation="swoosh")),
        "unknown activation 'swoosh' .*; known",
    ),
    (
        "layer class",
        edit(set_layer(0, **{"class": "Conv"})),
        "unknown layer 'Conv'; known: Activation, .*Dense",
    ),
    ("extra key", edit(set_layer(0, colour="red")), "colour"),
    ("no units", edit(lambda c: c["layers"][0].pop("units")), "units"),
    ("no layers", edit(lambda c: c.update(layers=[])), "no layers"),
    ("layers text", edit(lambda c: c.update(layers="many")), "layers"),
    ("many layers", edit(lambda c: c.update(layers=c["layers"] * 5000)), "at most 1000"),
    ("dtype", edit(lambda c: c.update(dtype="float64")), "found float32 .*, wanted float64"),
    ("dtype text", edit(lambda c: c.update(dtype="int8")), "dtype: found 'int8'"),
    ("inputs", edit(lambda c: c.update(inputs=6)), "layers.0.kernel"),
    ("no inputs", edit(lambda c: c.update(inputs=None)), "no inputs"),
    ("seed", edit(lambda c: c.update(seed=-5)), "seed: found -5"),
    ("optimizer", edit(lambda c: c["compile"]["optimizer"].update(name="x")), "unknown optimizer"),
    ("rate", edit(lambda c: c["compile"]["optimizer"].update(learning_rate=-1)), "found -1"),
    ("sgd state", edit(lambda c: c["compile"].update(optimizer={"name": "sgd"})), "optimizer.[mv]"),
    ("loss", edit(lambda c: c["compile"]["loss"].update(name="x")), "unknown loss 'x'"),
    ("metric", edit(lambda c: c["compile"].update(metrics=["x"])), "unknown metric 'x'"),
    ("metrics", edit(lambda c: c["compile"].update(metrics=5)), "damaged"),
    ("compile", edit(lambda c: c.update(compile=[])), "damaged"),
]


@pytest.mark.parametrize(("damage", "text"), [row[1:] for row in DAMAGE],
                         ids=[row[0] for row in DAMAGE])  # fmt: skip
def test_damaged_files_are_refused(
    tmp_path: Path, damage: Callable[[Path], bytes], text: str
) -> None:
    good = tmp_path / "good"
    trained().save(good)
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(good))
    with pytest.raises(ValueError, match=text) as error:
        dc.load_model(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_nothing_is_allocated_for_what_the_file_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file that claims 2^24 x 2^24 weights is refused before anything asks for them."""
    good = tmp_path / "good"
    trained().save(good)
    path = tmp_path / "model"
    path.write_bytes(edit(set_layer(0, units=2**24))(good))
    monkeypatch.setattr(dc.Sequential, "_make_network", lambda self: pytest.fail("allocated"))
    with pytest.raises(ValueError, match=r"layers\.0\.kernel"):
        dc.load_model(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        dc.load_model(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        dc.load_model(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe with a name")
def test_pipes_and_devices_are_no_models(tmp_path: Path) -> None:
    """They were waited for, or read until the memory ended."""
    os.mkfifo(tmp_path / "pipe")
    model = dc.Sequential([dc.Input(2), dc.Dense(1)], seed=0)
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for read in (dc.load_model, model.load_weights, dc.from_onnx, dc.from_keras):
            if read is dc.from_keras:
                pytest.importorskip("h5py")
            with pytest.raises(OSError, match=f"{path}: is a device or a pipe, wanted a file"):
                read(path)
    with pytest.raises(OSError, match="/dev/zero: is a device"):
        read_table("/dev/zero")


def test_the_number_of_an_open_file_is_no_path() -> None:
    """It was read, and closed: of ``True`` the standard output."""
    with open(os.devnull, "rb") as file:
        for read in (dc.load_model, dc.from_onnx, read_table):
            with pytest.raises(TypeError, match="path: found"):
                read(file.fileno())  # type: ignore[operator]
        assert file.read() == b""


@pytest.mark.slow
def test_random_damage_never_does_worse_than_a_clear_error(tmp_path: Path) -> None:
    """Flipped bytes give the same structure or ValueError: nothing else, and never a crash."""
    good = tmp_path / "good"
    trained().save(good)
    raw = good.read_bytes()
    header = 8 + struct.unpack("<Q", raw[:8])[0]
    rng = np.random.default_rng(5)
    path = tmp_path / "model"
    refused = accepted = 0
    for _ in range(400):
        damaged = bytearray(raw)
        for place in rng.integers(0, header, rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            model = dc.load_model(path)
        except ValueError as error:
            refused += str(error).startswith(f"{path}: ")
        else:
            assert np.isfinite(model.predict(X)).all()
            refused += 1
            accepted += 1
    assert refused == 400
    assert accepted < 200


def test_a_model_of_a_configuration_is_compiled_however_it_is_built() -> None:
    model = dc.Sequential.from_config(trained().get_config())
    count = model.parameters.size  # builds
    assert count == model.count_params()
    assert np.isfinite(model.evaluate(X, LABELS)).all()


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ('{"a": [' + "[], " * 1_000_000 + "0]}", "found 1,000,001 values, wanted at most"),
        ('{"__metadata__": {' + '"": "", ' * 300_000 + '"b": ""}}', "found 300,001 values"),
        ('{"a": "' + '\\"' * 1_000_000 + "," * 300_000, "damaged header: Unterminated string"),
        ('{"' + "x" * 100_000 + '": 0}', "wants dtype, shape, data_offsets"),
        (
            '{"a": {"dtype": "F32", "data_offsets": [0, 4], "shape": ['
            + ("9" * 4000 + ", ") * 100 + "9]}}",
            "damaged header: tensor 'a': shape",
        ),
    ],
    ids=["lists", "entries", "open string", "name", "digits"],
)  # fmt: skip
def test_headers_are_counted_before_they_are_read(header: str, text: str, tmp_path: Path) -> None:
    """16 MB of them would take half a minute, and gigabytes; an error is short, too."""
    path = tmp_path / "model"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(ValueError, match=text) as error:
        dc.load_model(path)
    assert len(str(error.value)) < 500 + len(str(path))


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"layers": [{"class": "Flatten", "name": None}] * 100_000}, r"found 200,0\d+ values"),
        (
            {"layers": [{"class": "Residual", "name": None,
                         "layers": [{"class": "Flatten", "name": None}] * 2000}]},
            "layers: found 2001, wanted at most 1000",
        ),
        ({"inputs": [1] * 40}, "found a shape of 40 dimensions, wanted at most 32"),
        ({"dtype": "x" * 100_000}, "dtype: found a string of 100000 characters"),
    ],
    ids=["layers", "nested", "dimensions", "text"],
)  # fmt: skip
def test_configurations_are_counted_before_models_are_made(
    entry: dict[str, Any], text: str, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    trained().save(path)
    path.write_bytes(edit(lambda config: config.update(entry))(path))
    with pytest.raises(ValueError, match=text) as error:
        dc.load_model(path)
    assert len(str(error.value)) < 500 + len(str(path))


@pytest.mark.parametrize("begin", [b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
def test_a_file_of_keras_is_named(begin: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(begin + bytes(200))
    with pytest.raises(
        ValueError, match=r"not a safetensors file; if Keras wrote it, dc\.from_keras"
    ):
        dc.load_model(tmp_path / "m.keras")

"""The file format: what others write we read, what is damaged we refuse, what we write is whole."""

import json
import os
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from densecore._base import files as _files
from densecore._saving import safetensors as _safetensors

TENSORS = {
    "bytes": np.arange(7, dtype=np.uint8),
    "single": np.arange(6, dtype=np.float32).reshape(2, 3),
    "double": np.linspace(0, 1, 4),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3), np.float32),
    "flags": np.array([True, False]),
    "counts": np.array([[2**40]], np.int64),
    "labels": np.array([3, -1], np.int32),
}


def read_all(path: Path) -> dict[str, Any]:
    with _safetensors.open_file(path) as file:
        return {name: file.read(name) for name in file.tensors}


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found[name], array)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "t"
    _safetensors.write(path, TENSORS, {"key": "größe"})
    assert_equal(read_all(path), TENSORS)
    with _safetensors.open_file(path) as file:
        assert file.metadata == {"key": "größe"}
        assert file._start % 64 == 0
        for info in file.tensors.values():
            assert info.begin % info.dtype.itemsize == 0


def test_every_layout_is_written_right(tmp_path: Path) -> None:
    base = np.arange(24, dtype=np.float64).reshape(4, 6)
    tensors = {
        "transposed": base.T,
        "strided": base[::2, ::3],
        "reversed": base[::-1],
        "big": base.astype(">f8"),
    }
    _safetensors.write(tmp_path / "t", tensors, {})
    assert_equal(read_all(tmp_path / "t"), tensors)


def test_packages_agree(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    _safetensors.write(tmp_path / "ours", TENSORS, {"a": "b"})
    assert_equal(package.load_file(tmp_path / "ours"), TENSORS)
    package.save_file(TENSORS, tmp_path / "theirs", metadata={"a": "b"})
    assert_equal(read_all(tmp_path / "theirs"), TENSORS)


def test_unknown_dtype(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found dtype complex128, wanted one of"):
        _safetensors.write(tmp_path / "t", {"a": np.zeros(1, complex)}, {})
    assert os.listdir(tmp_path) == []


def test_read_into(tmp_path: Path) -> None:
    _safetensors.write(tmp_path / "t", TENSORS, {})
    with _safetensors.open_file(tmp_path / "t") as file:
        out = np.empty((2, 3), np.float32)
        assert file.read("single", out) is out
        np.testing.assert_array_equal(out, TENSORS["single"])
        for wrong in (np.empty((2, 3)), np.empty((3, 2), np.float32), out.T[:3, :2]):
            with pytest.raises(ValueError, match="out: found"):
                file.read("single", wrong)
        with pytest.raises(ValueError, match="found no tensor 'x'; known: double"):
            file.read("x")


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def raw(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


EIGHT = bytes(8)
many = {f"t{i}": entry(shape=[0], offsets=[0, 0]) for i in range(10_001)}
ATTACKS: list[tuple[bytes, str]] = [
    (b"", "the file is empty"),
    (b"abc", "not a safetensors file"),
    (raw(b"{}", length=2**63), "not a safetensors file"),
    (raw(b"{}", length=17 * 1024 * 1024), "not a safetensors file"),
    (raw(b"{}", length=100), "truncated"),
    (raw(b"[]"), "not a safetensors file"),
    (raw(b"{" + b" " * 5), "damaged header"),
    (raw(b'{"a":' * 100_000), "nested too deeply"),
    (raw(b'{"a":\xff}'), "damaged header"),
    (raw({"a": entry()}, b"1234"), "truncated: found 4 bytes of data, wanted 8"),
    (raw({"a": entry()}, EIGHT + b"x"), "1 bytes after the last tensor"),
    (raw({"a": entry(offsets=[8, 16])}, EIGHT * 2), "starts at 8, not 0"),
    (raw({"a": entry(), "b": entry(offsets=[4, 12])}, EIGHT * 2), "starts at 4, not 8"),
    (raw({"a": entry(), "b": entry()}, EIGHT), "starts at 0, not 8"),
    (raw({"a": entry(shape=[3])}, EIGHT), r"8 bytes for shape \[3\] of F32"),
    (raw({"a": entry(shape=[-2])}, EIGHT), "tensor 'a'"),
    (raw({"a": entry(shape=[True, 2])}, EIGHT), "tensor 'a'"),
    (raw({"a": entry(shape=[2.0])}, EIGHT), "tensor 'a'"),
    (raw({"a": entry(shape="2")}, EIGHT), "tensor 'a'"),
    (raw({"a": entry(shape=[0, 2**60], offsets=[0, 0])}), "impossible shape"),
    (raw({"a": entry(shape=[2**40, 2**40])}, EIGHT), "impossible shape"),
    (raw({"a": entry(offsets=[8, 0])}, EIGHT), "-8 bytes"),
    (raw({"a": entry(offsets=[0])}, EIGHT), "tensor 'a'"),
    (raw({"a": entry(dtype="F16")}, EIGHT), "found dtype '?F16'?, wanted one of F64"),
    (raw({"a": entry(dtype=4)}, EIGHT), "found dtype 4"),
    (raw({"a": {"dtype": "F32"}}, EIGHT), "wants dtype, shape, data_offsets"),
    (raw({"a": [1]}, EIGHT), "wants dtype, shape, data_offsets"),
    (raw({"__metadata__": {"a": 1}}), "must map names to strings"),
    (raw({"__metadata__": []}), "must map names to strings"),
    (raw(b'{"__metadata__":{"a":"1","a":"2"}}'), "a name occurs twice"),
    (raw(b'{"a":NaN}'), "found NaN"),
    (raw(many), "more than 10000 tensors"),
]


@pytest.mark.parametrize(("content", "text"), ATTACKS)
def test_attacks(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "t"
    path.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=text) as error:
        _safetensors.open_file(path)
    assert str(error.value).startswith(f"{path}: ")
    assert time.perf_counter() - start < 1


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t"
    _safetensors.write(path, {"a": np.zeros(100_000)}, {})
    with _safetensors.open_file(path) as file:
        os.truncate(path, 1000)
        with pytest.raises(ValueError, match="truncated while it was read, in tensor 'a'"):
            file.read("a")


# Whole or not at all -----------------------------------------------------------------------------


def test_an_exception_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def fail(error: type[BaseException]) -> None:
        with _files.atomic_writer(path) as file:
            file.write(b"new")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail(error)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["f"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "f", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with _files.atomic_writer(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        with _files.atomic_writer(tmp_path / "g") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "g").stat().st_mode) == 0o640


def test_check_writable(tmp_path: Path) -> None:
    _files.check_writable(tmp_path / "f")
    assert os.listdir(tmp_path) == []
    with pytest.raises(IsADirectoryError, match="is a directory"):
        _files.check_writable(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        _files.check_writable(tmp_path / "a" / "b")
    (tmp_path / "f").write_text("")
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        _files.check_writable(tmp_path / "f" / "b")


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    """Root may rename a file over /dev/null: then the system has none any more."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for path in (pipe, tmp_path / "link"):
        with pytest.raises(OSError, match="is a device or a pipe, wanted a file"):
            _files.check_writable(path)
        with pytest.raises(OSError, match="is a device"), _files.atomic_writer(path):
            pytest.fail("opened")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The path that was asked for, not that of the temporary file."""
    for path, text in ((tmp_path, "is a directory"), (tmp_path / "a" / "b", "no directory")):
        with pytest.raises(OSError, match=text) as error, _files.atomic_writer(path):
            pytest.fail("opened")
        assert str(error.value).startswith(f"{path}: ")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs kill -9")
def test_killed_while_writing(tmp_path: Path) -> None:
    """Whenever the process dies, the file is the old one or a new one, whole."""
    path = tmp_path / "f"
    _safetensors.write(path, {"a": np.zeros(200_000)}, {})
    code = (
        "import sys, numpy as np; from densecore import _safetensors\n"
        "print('ready', flush=True); i = 0\n"
        "while True:\n"
        "    i += 1; _safetensors.write(sys.argv[1], {'a': np.full(200_000, float(i))}, {})"
    )
    for attempt in range(6):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 + 0.013 * attempt)
        process.kill()
        process.communicate()
        values = read_all(path)["a"]
        assert (values == values[0]).all()

"""The safetensors format: a small strict reader, and a writer.

A file is the header's length (8 bytes, little-endian), the header (JSON: name → dtype, shape, byte
range; ``__metadata__`` → strings) and the tensors' bytes. Our own 200 lines instead of the package:
NumPy is the library's only dependency, the package accepts duplicate names and impossible shapes,
and it scrambles arrays that are not C-contiguous. Tests read each other's files.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from .._base.files import StrPath, atomic_writer, check_readable

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "F32": np.dtype("<f4"),
    "I32": np.dtype("<i4"),
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_MAX_HEADER = 16 * 1024 * 1024
_MAX_TENSORS = 10_000
# JSON values in a header or in its metadata, each a Python object; a tensor has 8 of them.
_MAX_VALUES = 200_000
_MAX_ELEMENTS = 2**48
# Data starts at a multiple of this, so that a memory map of the file has aligned arrays.
_ALIGNMENT = 64


class TensorInfo(NamedTuple):
    """The header's entry for a tensor; `begin` and `end` count from the start of the data."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


def write(path: StrPath, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata in one step; an existing file is replaced or left as it was.

    Raises
    ------
    ValueError
        A dtype that the format, or this writer, does not have.
    OSError
        The file cannot be written.
    """
    codes = {}
    for name, array in tensors.items():
        little = array.dtype.newbyteorder("<")
        if little not in _CODES:
            known = ", ".join(str(dtype) for dtype in _CODES)
            raise ValueError(f"tensor '{name}': found dtype {array.dtype}, wanted one of {known}")
        codes[name] = _CODES[little]
    # Wide elements first: then every tensor is aligned to its own element.
    order = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        begin, end = end, end + tensors[name].nbytes
        header[name] = {
            "dtype": codes[name],
            "shape": list(tensors[name].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    if len(text) > _MAX_HEADER:
        raise ValueError(
            f"{os.fspath(path)}: the header would have {len(text)} bytes, more than the "
            f"{_MAX_HEADER} that are read back"
        )
    with atomic_writer(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in order:
            array = tensors[name]
            contiguous = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            file.write(contiguous.reshape(-1).view(np.uint8).data)


class SafetensorsFile:
    """An open file whose header has been read and checked; nothing of its data has.

    Attributes
    ----------
    path : str
    metadata : dict of str to str
    tensors : dict of str to TensorInfo
    """

    def __init__(self, path: StrPath) -> None:
        self.path = check_readable(path)
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.path}: no such file") from None
        try:
            self._start, self.metadata, self.tensors = self._read_header()
        except BaseException:
            self.close()
            raise

    def _fail(self, text: str) -> ValueError:
        return ValueError(f"{self.path}: {checks.one_line(text)}")

    def _read_header(self) -> tuple[int, dict[str, str], dict[str, TensorInfo]]:
        size = os.fstat(self._file.fileno()).st_size
        if size == 0:
            raise self._fail("the file is empty")
        first = self._file.read(8)
        if first.startswith((b"PK\x03\x04", b"\x89HDF")):
            raise self._fail(
                "not a safetensors file; if Keras wrote it, dc.from_keras reads its models, and "
                "load_weights its weights"
            )
        length = int.from_bytes(first, "little")
        if len(first) < 8 or length < 2 or length > _MAX_HEADER:
            raise self._fail("not a safetensors file")
        if length > size - 8:
            raise self._fail(
                f"not a safetensors file, or truncated: found {size} bytes, wanted more than "
                f"{length + 8}"
            )
        text = self._file.read(length)
        if not text.startswith(b"{"):
            raise self._fail("not a safetensors file")
        # Before any object is made: a tensor without data costs the writer of an attack nothing.
        if text.count(b'"data_offsets"') > _MAX_TENSORS:
            raise self._fail(f"damaged header: more than {_MAX_TENSORS} tensors")
        try:
            header = parse_json(text, object_pairs_hook=_unique)
        except ValueError as error:
            raise self._fail(f"damaged header: {error}") from None
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise self._fail("damaged header: __metadata__ must map names to strings")
        tensors = {name: self._info(brief(name), entry) for name, entry in header.items()}
        self._check_layout(tensors, size - 8 - length)
        return 8 + length, metadata, tensors

    def _info(self, name: str, entry: Any) -> TensorInfo:
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise self._fail(f"damaged header: tensor '{name}' wants dtype, shape, data_offsets")
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in _DTYPES:
            known = ", ".join(_DTYPES)
            raise self._fail(f"tensor '{name}': found dtype {brief(code)}, wanted one of {known}")
        for value in (shape, offsets):
            # bool is an int to Python, but not to the format.
            if not isinstance(value, list) or not all(type(v) is int and v >= 0 for v in value):
                raise self._fail(f"damaged header: tensor '{name}': {brief(value)}")
        if len(offsets) != 2 or len(shape) > 32:
            raise self._fail(
                f"damaged header: tensor '{name}': shape {brief(shape)}, offsets {brief(offsets)}"
            )
        elements = 1
        for dimension in shape:
            elements *= max(dimension, 1)
            if elements > _MAX_ELEMENTS:
                raise self._fail(
                    f"damaged header: tensor '{name}': impossible shape {brief(shape)}"
                )
        if 0 in shape:
            elements = 0
        if offsets[1] - offsets[0] != elements * _DTYPES[code].itemsize:
            raise self._fail(
                f"damaged header: tensor '{name}': {offsets[1] - offsets[0]} bytes for shape "
                f"{shape} of {code}"
            )
        return TensorInfo(_DTYPES[code], tuple(shape), offsets[0], offsets[1])

    def _check_layout(self, tensors: dict[str, TensorInfo], size: int) -> None:
        """The tensors tile the data without holes, overlaps or a rest."""
        end = 0
        for name, info in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
            if info.begin != end:
                raise self._fail(
                    f"damaged header: tensor '{name}' starts at {info.begin}, not {end}"
                )
            end = info.end
        if end > size:
            raise self._fail(f"truncated: found {size} bytes of data, wanted {end}")
        if end < size:
            raise self._fail(f"found {size - end} bytes after the last tensor, wanted none")

    def check(self, expected: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> None:
        """Raise ValueError unless names, dtypes and shapes are exactly those expected."""
        for name in expected:
            if name not in self.tensors:
                raise self._fail(f"found no tensor '{name}'")
        for name, info in self.tensors.items():
            if name not in expected:
                raise self._fail(f"found the tensor '{name}', which does not belong there")
            dtype, shape = expected[name]
            if (info.dtype, info.shape) != (dtype.newbyteorder("<"), shape):
                raise self._fail(
                    f"tensor '{name}': found {info.dtype} {info.shape}, wanted {dtype} {shape}"
                )

    def read(self, name: str, out: Array | None = None) -> Array:
        """One tensor, into `out` (C-contiguous, of its dtype and shape) when given."""
        if name not in self.tensors:
            raise self._fail(f"found no tensor '{name}'; known: {', '.join(self.tensors)}")
        info = self.tensors[name]
        array = np.empty(info.shape, info.dtype.newbyteorder("=")) if out is None else out
        if array.dtype != info.dtype.newbyteorder("=") or array.shape != info.shape:
            raise ValueError(
                f"out: found {array.dtype} {array.shape}, wanted {info.dtype} {info.shape}"
            )
        if not (array.flags.c_contiguous and array.flags.writeable):
            raise ValueError("out: found an array not writable or not C-contiguous")
        self._file.seek(self._start + info.begin)
        if array.nbytes:
            found = self._file.readinto(array.reshape(-1).view(np.uint8).data)
            if found != array.nbytes:
                raise self._fail(f"truncated while it was read, in tensor '{name}'")
        if not np.little_endian:
            array.byteswap(inplace=True)
        return array

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "SafetensorsFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_file(path: StrPath) -> SafetensorsFile:
    """Open a file and check its header.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not of this format, truncated or damaged; the message begins with the path.
    """
    return SafetensorsFile(path)


# A string, or an open one to the end: a linear scan whatever the text.
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def parse_json(text: bytes, **options: Any) -> Any:
    """JSON of an untrusted file, whose values are counted before any is made.

    Parameters
    ----------
    text : bytes
    **options
        Of ``json.loads``; without ``parse_constant`` NaN and infinities are refused.

    Raises
    ------
    ValueError
        It is not JSON, or holds too many values, or they are nested too deeply.
    """
    commas = text.count(b",")
    if commas > _MAX_VALUES:  # those in strings do not count
        commas = _STRINGS.sub(b"", text).count(b",")
    if commas > _MAX_VALUES:
        raise ValueError(f"found {commas + 1:,} values, wanted at most {_MAX_VALUES:,}")
    try:
        return json.loads(text, **{"parse_constant": _refuse, **options})
    except RecursionError:
        raise ValueError("found values that are nested too deeply") from None


def brief(value: Any) -> str:
    """A value of a file as an error shows it: it may have millions of digits."""
    text = (
        value if isinstance(value, str) else str(value[:40] if isinstance(value, list) else value)
    )
    return text if len(text) <= 200 else f"{text[:200]}…"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice")
    return result


def _refuse(text: str) -> None:
    raise ValueError(f"found {text}, wanted a finite number")

"""The wire format of protocol buffers, as far as an ONNX file needs it: written and read.

https://protobuf.dev/programming-guides/encoding/: a message is a sequence of fields, each a key
(number and wire type, as a varint) and a value. A message here is a list of encoded fields.
"""

import struct
from collections.abc import Iterable, Iterator

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def _varint(value: int) -> bytes:
    if value < 0:
        value += 1 << 64  # negative numbers are 64-bit two's complement
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def integer(field: int, value: int) -> bytes:
    """A field of an integer or an enumeration."""
    return _key(field, _VARINT) + _varint(value)


def real(field: int, value: float) -> bytes:
    """A field of a 32-bit floating-point number."""
    return _key(field, _FIXED32) + struct.pack("<f", value)


def raw(field: int, value: bytes) -> bytes:
    """A field of bytes, or of an encoded message."""
    return _key(field, _LENGTH) + _varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """A field of a string."""
    return raw(field, value.encode())


def message(field: int, parts: Iterable[bytes]) -> bytes:
    """A field that is a message of the given fields."""
    return raw(field, b"".join(parts))


# Reading ------------------------------------------------------------------------------------------


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """An integer and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise ValueError("a number is cut off")


def signed(value: int) -> int:
    """A varint as the signed number that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message: numbers, and the bytes of fields with a length. Nothing is copied.

    Raises
    ------
    ValueError
        The bytes are no message.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _LENGTH:
            size, at = _read_varint(data, at)
        if size is None:
            raise ValueError(f"found the wire type {kind}")
        if size > len(data) - at:
            raise ValueError("a field is cut off")
        yield key >> 3, data[at : at + size]
        at += size


def packed(values: Iterable[int | memoryview]) -> list[int]:
    """The integers of a repeated field, each by itself or many in one."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(signed(value))
            continue
        at = 0
        while at < len(value):
            number, at = _read_varint(value, at)
            found.append(signed(number))
    return found

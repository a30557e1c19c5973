"""The wire format of protocol buffers, as far as an ONNX file needs it.

https://protobuf.dev/programming-guides/encoding/: a message is a sequence of fields, each a key
(number and wire type, as a varint) and a value. A message here is a list of encoded fields.
"""

import struct
from collections.abc import Iterable

_VARINT, _LENGTH, _FIXED32 = 0, 2, 5


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

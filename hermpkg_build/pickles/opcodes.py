"""The encoding of every value that is one opcode of a pickle; `pickle` has the opcodes themselves.

The format is the one the standard library documents in `pickletools`. Frames (protocol 4) are
left out: they only help readers of unbuffered streams, and every unpickler accepts their absence.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

TUPLE_OF: Final = (pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)
"""The opcodes that make tuples of zero to three elements without a mark."""

_U16 = struct.Struct("<H").pack
_U32 = struct.Struct("<I").pack
_U64 = struct.Struct("<Q").pack
_I32 = struct.Struct("<i").pack
_F64 = struct.Struct(">d").pack
_SMALL_INTS = tuple(b"K" + bytes((value,)) for value in range(256))
_LIMIT_32 = 1 << 32

Encoder: TypeAlias = Callable[..., bytes]


def encode_int(value: int) -> bytes:
    """BININT1, BININT2, BININT, LONG1 or LONG4: the shortest that holds `value`."""
    if 0 <= value < 65536:
        return _SMALL_INTS[value] if value < 256 else b"M" + _U16(value)
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return b"J" + _I32(value)
    # Eight bits hold -128..127; the sign needs one bit more than the magnitude, and the most
    # negative value of a width needs one less.
    size = ((value if value >= 0 else ~value).bit_length() >> 3) + 1
    data = value.to_bytes(size, "little", signed=True)
    return b"\x8a" + bytes((size,)) + data if size < 256 else b"\x8b" + _I32(size) + data


def encode_storage_key(key: int) -> bytes:
    """A BININT whatever the size of `key`, so that it can be renumbered without moving a byte."""
    return pickle.BININT + _I32(key)


def encode_float(value: float) -> bytes:
    """BINFLOAT; the sign of zero and the payload of a NaN are kept."""
    return b"G" + _F64(value)


def encode_bool(value: bool) -> bytes:
    """NEWTRUE or NEWFALSE."""
    return b"\x88" if value else b"\x89"


def encode_none(_: None) -> bytes:
    """NONE."""
    return b"N"


def encode_text_3(value: str) -> bytes:
    """BINUNICODE, lone surrogates included. Raises OverflowError at 4 GiB."""
    data = value.encode("utf-8", "surrogatepass")
    size = len(data)
    if size >= _LIMIT_32:
        raise OverflowError("protocol 3 cannot hold a string of 4 GiB; protocol 4 can")
    return b"X" + _U32(size) + data


def encode_text_4(value: str) -> bytes:
    """SHORT_BINUNICODE, BINUNICODE or BINUNICODE8, lone surrogates included."""
    data = value.encode("utf-8", "surrogatepass")
    size = len(data)
    if size < 256:
        return b"\x8c" + bytes((size,)) + data
    if size < _LIMIT_32:
        return b"X" + _U32(size) + data
    return b"\x8d" + _U64(size) + data


def bytes_header(size: int, protocol: int) -> bytes:
    """What stands before the `size` bytes of a bytes object. Raises OverflowError for protocol 3."""
    if size < 256:
        return b"C" + bytes((size,))
    if size < _LIMIT_32:
        return b"B" + _U32(size)
    if protocol < 4:
        raise OverflowError("protocol 3 cannot hold a bytes object of 4 GiB; protocol 4 can")
    return b"\x8e" + _U64(size)


def bytearray_header(size: int) -> bytes:
    """What stands before the bytes of a bytearray (protocol 5)."""
    return pickle.BYTEARRAY8 + _U64(size)


def encode_global(module: str, name: str) -> bytes:
    """GLOBAL, which looks `name` up without regard for dots."""
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def get(number: int) -> bytes:
    """BINGET or LONG_BINGET."""
    return b"h" + bytes((number,)) if number < 256 else b"j" + _U32(number)


def number_of(opcode: bytes) -> int:
    """The number that `get` made an opcode of."""
    return int.from_bytes(opcode[1:], "little")


def put(number: int) -> bytes:
    """BINPUT or LONG_BINPUT."""
    return b"q" + bytes((number,)) if number < 256 else b"r" + _U32(number)


def of_tuple(size: int) -> tuple[bytes, bytes]:
    """What stands before and after the elements of a tuple of `size`."""
    return (b"", TUPLE_OF[size]) if size < len(TUPLE_OF) else (pickle.MARK, pickle.TUPLE)


ATOM_ENCODERS: Final[dict[type, Encoder]] = {
    int: encode_int,
    float: encode_float,
    bool: encode_bool,
    type(None): encode_none,
}
"""The types whose values are written out each time, being no longer than a reference to them."""

"""Tells what a file is by its bytes, whatever its name says, and unpacks what only wraps another file."""

from __future__ import annotations

import bz2
import enum
import json
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any

LARGEST_UNPACKED = 256 << 20
"""What unpacks to more bytes is not read."""


class FileKind(str, enum.Enum):
    """The kinds of files that are read in ways of their own."""

    ZIP = "ZIP archive"
    TAR = "tar archive"
    COMPRESSED = "compressed file"
    NUMPY = "numpy array"
    SAFETENSORS = "safetensors file"
    NATIVE = "native code"
    BYTECODE = "compiled Python code"
    PICKLE = "pickle"
    UNREADABLE = "file of a kind that is not read"
    OTHER = "data"

    __str__ = str.__str__


_NATIVE = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf")
UNREAD_STARTS = {
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "RAR archive",
    b"\x28\xb5\x2f\xfd": "Zstandard file",
    b"\x04\x22\x4d\x18": "LZ4 file",
    b"\x89HDF\r\n\x1a\n": "HDF5 file",
    b"GGUF": "GGUF file",
}
"""How files begin that something can be loaded from, and that are not read."""

_PICKLE_NAMES = (".pkl", ".pickle", ".p", ".joblib", ".dill", ".cloudpickle", ".pck", ".pcl")
_NUMPY = b"\x93NUMPY"
_HIGHEST_PROTOCOL = 9
_BYTECODE_END = b"\r\n"

PLAIN_NUMPY_TYPE = re.compile(
    r"[|<>=]?(?:b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[SUVa][0-9]*|[mM]8(?:\[[0-9A-Za-z]+\])?)"
)
"""How numpy writes a type whose values are bytes of the array alone."""


def kind_of(data: memoryview, name: str = "") -> FileKind:
    """What the file `data` is; `name` only decides for what has no mark of its own."""
    head = bytes(data[:8])
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return FileKind.ZIP
    if head.startswith(_NUMPY):
        return FileKind.NUMPY
    if head.startswith(_NATIVE) or _is_windows(data):
        return FileKind.NATIVE
    if head[2:4] == _BYTECODE_END and name.endswith((".pyc", ".pyo")):
        return FileKind.BYTECODE
    if head[:1] == b"\x80" and len(head) > 2 and head[1] <= _HIGHEST_PROTOCOL:
        return FileKind.PICKLE
    if any(head.startswith(start) for start in UNREAD_STARTS):
        return FileKind.UNREADABLE
    if _decompressor(head) is not None:
        return FileKind.COMPRESSED
    if is_safetensors(data):
        return FileKind.SAFETENSORS
    if bytes(data[257:262]) == b"ustar":
        return FileKind.TAR
    if is_pickle_name(name):
        return FileKind.PICKLE
    return FileKind.OTHER


def is_pickle_name(name: str) -> bool:
    """Whether a file is called as pickles are."""
    return name.lower().endswith(_PICKLE_NAMES)


def _is_windows(data: memoryview) -> bool:
    if bytes(data[:2]) != b"MZ" or len(data) < 64:
        return False
    place = int.from_bytes(data[60:64], "little")
    return bytes(data[place : place + 4]) == b"PE\0\0"


def is_safetensors(data: memoryview) -> bool:
    """Whether a file is one of safetensors from first byte to last: a header in JSON, then numbers."""
    if len(data) < 10:
        return False
    size = int.from_bytes(data[:8], "little")
    if not 2 <= size <= min(len(data) - 8, 100 << 20) or data[8] != 0x7B:
        return False
    try:
        header = json.loads(bytes(data[8 : 8 + size]))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return bool(max(ends, default=0) == len(data) - 8 - size)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return False


class UnpackError(ValueError):
    """What is compressed cannot be unpacked, or only to too many bytes."""


def _decompressor(head: bytes) -> Callable[[], Any] | None:
    if head.startswith(b"\x1f\x8b"):
        return lambda: zlib.decompressobj(31)
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    if head.startswith((b"\xfd7zXZ", b"]\0\0")):
        return lzma.LZMADecompressor
    # Two bytes are few: what follows tells whether it is really zlib's.
    if len(head) > 2 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0:
        return zlib.decompressobj
    return None


def decompressed(data: memoryview) -> bytes:
    """Unpack a compressed file, all streams of it. Raises UnpackError."""
    made = _decompressor(bytes(data[:8]))
    if made is None:
        raise UnpackError("it is not compressed in a way that is known")
    found = bytearray()
    rest = bytes(data)
    while rest and not (found and _decompressor(rest[:8]) is None):
        reader = made()
        try:
            found += reader.decompress(rest, LARGEST_UNPACKED - len(found) + 1)
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
            if found:
                break
            raise UnpackError(f"it cannot be unpacked: {error}") from None
        if len(found) > LARGEST_UNPACKED:
            raise UnpackError(f"it unpacks to more than {LARGEST_UNPACKED >> 20} MiB")
        if not reader.eof:
            break
        rest = reader.unused_data
    return bytes(found)

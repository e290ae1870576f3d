"""Takes out of a file what lies in it: members of archives, the pickle behind the header of a numpy array."""

from __future__ import annotations

import ast
import base64
import binascii
import io
import tarfile
from collections.abc import Iterator

from hermpkg_build.scanning.file_kinds import PLAIN_NUMPY_TYPE, UnpackError

_MOST_MEMBERS = 100_000
_PART = 1 << 16
_LONGEST_HEADER = 1 << 20


def is_zero(data: memoryview) -> bool:
    """Whether there is nothing but zeros in `data`."""
    return all(not bytes(data[place : place + _PART]).strip(b"\0") for place in range(0, len(data), _PART))


def from_base64(data: bytes) -> bytes | None:
    """The bytes that a text in base64 stands for, None where it is none."""
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def tar_members(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    """The regular files in a tar archive. Raises UnpackError where it cannot be read to its end."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for count, member in enumerate(archive):
                if count >= _MOST_MEMBERS:
                    raise UnpackError("it has too many members")
                if member.isfile():
                    yield member.name, data[member.offset_data : member.offset_data + member.size]
    except (tarfile.TarError, OSError, ValueError, EOFError, RecursionError) as error:
        raise UnpackError(f"it cannot be read: {error}") from None


def numpy_objects(data: memoryview) -> memoryview | None:
    """What follows the header of a numpy array of objects: a pickle. None for an array of numbers and texts.

    numpy reads the header as a literal of Python, in any spelling, and whatever of it is not known to be a
    type of numbers may be one of objects.
    """
    version = data[6] if len(data) > 6 else 0
    width = 2 if version <= 1 else 4
    size = int.from_bytes(data[8 : 8 + width], "little")
    start = 8 + width + size
    header = bytes(data[8 + width : start])
    return None if _holds_numbers(header) else data[start:]


def _holds_numbers(header: bytes) -> bool:
    """Whether the header of an array names a type of which every part is plain."""
    if len(header) > _LONGEST_HEADER:
        return False
    try:
        described = ast.literal_eval(header.decode("latin-1").strip())
        return _is_plain_type(described["descr"])
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, RecursionError, MemoryError):
        return False


def _is_plain_type(described: object) -> bool:
    if isinstance(described, str):
        return PLAIN_NUMPY_TYPE.fullmatch(described) is not None
    # A list of fields, each of which has a name, a type, and maybe a shape.
    return isinstance(described, list) and all(_is_plain_type(field[1]) for field in described)

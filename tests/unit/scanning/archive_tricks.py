"""Archives and files with a pickle that starts a process, which some readers find and others do not."""

from __future__ import annotations

import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile

import numpy

from hermpkg_build.archive import zip_format as z
from tests.unit.scanning.tricks import SIMPLE


def zipped(data: bytes = SIMPLE, name: str = "data.pkl", method: int = zipfile.ZIP_STORED) -> bytearray:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr(name, data)
    return bytearray(stream.getvalue())


def _tar(data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _array(value: object) -> bytes:
    stream = io.BytesIO()
    numpy.save(stream, numpy.array([value], dtype=object), allow_pickle=True)
    return stream.getvalue()


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("echo scanned",)


def _array_of(header: bytes) -> bytes:
    """An array of objects whose header numpy reads as any other's."""
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + SIMPLE


def _broken(data: bytearray, place: int, value: bytes) -> bytes:
    data[place : place + len(value)] = value
    return bytes(data)


def _central(data: bytearray) -> int:
    return data.index(b"PK\x01\x02")


def _duplicate() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", SIMPLE)
        archive.NameToInfo.clear()  # It would warn.
        archive.writestr("data.pkl", pickle.dumps(1))
    return stream.getvalue()


def _unlisted() -> bytes:
    """A member that the directory does not list stands before one that it does."""
    hidden, plain = zipped(), zipped(pickle.dumps(1))
    member = bytes(hidden[: _central(hidden)])
    end = struct.unpack_from("<I", plain, len(plain) - 6)[0]
    moved = bytearray(member + plain)
    struct.pack_into("<I", moved, _central(moved) + 42, len(member))
    struct.pack_into("<I", moved, len(moved) - 6, end + len(member))
    return bytes(moved)


ARCHIVES = {
    "stored": bytes(zipped()),
    "deflated": bytes(zipped(SIMPLE * 20, method=zipfile.ZIP_DEFLATED)),
    "bzip2": bytes(zipped(method=zipfile.ZIP_BZIP2)),
    "lzma": bytes(zipped(method=zipfile.ZIP_LZMA)),
    "a text by its name": bytes(zipped(name="readme.txt")),
    "a wrong checksum": _broken(zipped(), _central(zipped()) + 16, b"\1\2\3\4"),
    "a wrong checksum in both places": _broken(
        bytearray(_broken(zipped(), 14, b"\1\2\3\4")), _central(zipped()) + 16, b"\1\2\3\4"
    ),
    "an encryption flag": _broken(zipped(), _central(zipped()) + 8, b"\1"),
    "an encryption flag in the header": _broken(zipped(), 6, b"\1"),
    "another name in the header": _broken(zipped(), z.LOCAL.size, b"note.txt"),
    "another method in the directory": _broken(zipped(), _central(zipped()) + 10, b"\x08"),
    "no directory": bytes(zipped()[: _central(zipped())]),
    "a directory that points elsewhere": _broken(zipped(), len(zipped()) - 6, b"\xff\xff\0\0"),
    "a prefix": b"#!/bin/sh\n" + zipped(),
    "a pickle as the prefix": SIMPLE + zipped(b"harmless"),
    "one name twice": _duplicate(),
    "a member that is not listed": _unlisted(),
    "a comment": bytes(zipped(b"harmless")[:-2]) + struct.pack("<H", len(SIMPLE)) + SIMPLE,
    "an archive in an archive": bytes(zipped(bytes(zipped()), name="inner.bin")),
    "compressed in an archive": bytes(zipped(lzma.compress(SIMPLE), name="inner.bin")),
    "a tar archive": _tar(SIMPLE),
    "an array of objects": _array(_Evil()),
    "an array whose header has another order": _array_of(
        b"{'fortran_order': False, 'descr': '|O', 'shape': (1,)}"
    ),
    "an array whose type has another name": _array_of(
        b"{'descr': 'object', 'fortran_order': False, 'shape': (1,)}"
    ),
    "an array whose type is written with escapes": _array_of(
        b"{'descr': '|\\x4f', 'fortran_order': False, 'shape': (1,)}"
    ),
    "an array with a field of objects": _array_of(
        b"{'descr': [('a', '<f8'), ('b', [('c', '|O')])], 'fortran_order': False, 'shape': (1,)}"
    ),
    "behind a pickle": pickle.dumps(1) + zipped(),
}

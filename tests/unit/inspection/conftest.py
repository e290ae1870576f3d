"""Archives and pickles made by hand, with tensors but without torch."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, write_archive


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def integers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(
    key: int,
    shape: tuple[int, ...],
    *,
    stride: tuple[int, ...] | None = None,
    offset: int = 0,
    kind: str = "FloatStorage",
    count: int = 100,
) -> bytes:
    """The opcodes of a tensor as torch writes them: a call with a storage's persistent id."""
    if stride is None:
        steps = [1]
        for size in reversed(shape[1:]):
            steps.insert(0, steps[0] * size)
        stride = tuple(steps[: len(shape)])
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + integer(key) + text("cpu")
    storage += integer(count) + b"tQ"
    arguments = storage + integer(offset) + integers(shape) + integers(stride) + b"\x89}"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def module(tensors: dict[str, bytes]) -> bytes:
    """The pickle of a torch module whose parameters these are."""
    pairs = b"".join(text(name) + opcodes for name, opcodes in tensors.items())
    state = b"}(" + text("_parameters") + b"}(" + pairs + b"uu"
    return b"\x80\x03cmodels\nNet\n)\x81" + state + b"b."


@pytest.fixture
def make_archive(tmp_path: Path):
    """Write records to an archive and open it."""
    made = []

    def make(records: dict[str, bytes], *, root: str = "net") -> ArchiveReader:
        path = tmp_path / f"{len(made)}.pt"
        records = {".data/version": b"6\n", ".data/extern_modules": b"torch\n", **records}
        write_archive(
            str(path), root=root, records=[Record(name=n, content=data) for n, data in records.items()]
        )
        made.append(ArchiveReader(path))
        return made[-1]

    yield make
    for reader in made:
        reader.close()

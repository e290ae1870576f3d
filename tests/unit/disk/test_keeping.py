"""What may take the place of which file: only one of its own kind, and no input."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.core import file_kinds
from hermpkg_build.core.file_kinds import ARTIFACT, EVENTS, FileKind
from hermpkg_build.disk.keeping import why_not_replaced

KINDS = [kind for kind in vars(file_kinds).values() if isinstance(kind, FileKind)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sources_and_weights_stay(tmp_path: Path, kind: FileKind) -> None:
    checkpoint = io.BytesIO()
    with zipfile.ZipFile(checkpoint, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
        archive.writestr("archive/.data/serialization_id", b"1")
    texts = {"train.py": b"import torch\n", "BUILD.bazel": b"model()\n", "data.json": b'{"a": 1}\n'}
    for name, data in {**texts, "net.pt": checkpoint.getvalue(), "old.pt": b"\x80\x02}q\0."}.items():
        (tmp_path / name).write_bytes(data)
        assert kind.name in why_not_replaced(str(tmp_path / name), kind)


def test_an_artifact_takes_the_place_of_an_artifact_but_of_no_input(tmp_path: Path) -> None:
    path = tmp_path / "ü.pt"
    records = [Record(name=".data/extern_modules", content=b""), Record(name="a.bin", content=bytes(3 << 20))]
    write_archive(str(path), root="net", records=records)
    os.link(path, tmp_path / "other.pt")
    assert why_not_replaced(str(path), ARTIFACT, ["//:label", "", "a\0b"]) == ""
    assert "other.pt" in why_not_replaced(str(path), ARTIFACT, [str(tmp_path / "other.pt")])


def test_what_holds_nothing_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "empty.py").touch()
    (tmp_path / "away").symlink_to(tmp_path / "missing")
    for path in ("empty.py", "new.py", "away", "empty.py/below", "."):
        assert why_not_replaced(str(tmp_path / path), EVENTS) == ""
    assert why_not_replaced(os.devnull, EVENTS) == ""
    assert why_not_replaced(os.devnull, EVENTS, [os.devnull]) == ""

"""Files are scanned whole, whatever they are called, however wrapped, and whatever is wrong with them."""

from __future__ import annotations

import collections
import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy
import pytest
import torch

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.writer import Record, stream_archive
from hermpkg_build.scanning.artifact import scan_data, scan_path
from hermpkg_build.scanning.findings import Findings, Kind, Level
from tests.unit.scanning.tricks import SIMPLE, TRICKS, WRAPPED


def scan(data: bytes, name: str = "model.bin") -> Findings:
    return scan_data(data, name)


def artifact(**records: bytes) -> bytes:
    """An artifact; ``__`` in a name stands for a slash and ``_dot_`` for a dot."""
    stream = io.BytesIO()
    contents = {name.replace("__", "/").replace("_dot_", "."): data for name, data in records.items()}
    contents.setdefault(".data/extern_modules", b"torch\n")
    contents.setdefault(".data/version", b"6\n")
    stream_archive(
        stream,
        root="net",
        records=[Record(name=name, content=data) for name, data in sorted(contents.items())],
    )
    return stream.getvalue()


def zipped(data: bytes = SIMPLE, name: str = "data.pkl", method: int = zipfile.ZIP_STORED) -> bytearray:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr(name, data)
    return bytearray(stream.getvalue())


@pytest.mark.parametrize("name", ["model.pkl", "model.txt", "model"])
def test_no_trick_is_clean_whatever_the_file_is_called(name: str) -> None:
    assert [trick for trick, data in TRICKS.items() if scan(data, name).worst < Level.DANGEROUS] == []


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_what_is_wrapped_is_unwrapped(wrapped: str) -> None:
    assert scan(WRAPPED[wrapped]).worst is Level.DANGEROUS


@pytest.mark.parametrize("name", ["model/model.pkl", "words.txt", ".data/0.storage"])
def test_no_trick_is_clean_in_any_record_of_an_artifact(name: str) -> None:
    assert [trick for trick, data in TRICKS.items() if scan(artifact(**{name: data})).is_clean] == []


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
    "behind a pickle": pickle.dumps(1) + zipped(),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_no_archive_hides_a_pickle(name: str) -> None:
    found = scan(ARCHIVES[name])
    assert found.worst is Level.DANGEROUS, found.findings


UNREADABLE = {
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(50),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(50),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "empty": b"",
    "text": b"nothing that is known",
    "the start of a pickle": b"\x80\x04\x95",
    "most of a pickle": pickle.dumps({"a": [1, {2}]})[:-4],
    "the start of an archive": bytes(zipped())[:20],
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_not_clean(name: str) -> None:
    found = scan(UNREADABLE[name], "model.pkl")
    assert (found.worst, {each.kind for each in found.findings}) == (Level.UNKNOWN, {Kind.UNREADABLE})


def _saved(value: object, **options: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


_STATE = {
    "weight": torch.ones(3, 4),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "nested": {"list": [1, 2.5, "x", (None, True)], "size": torch.Size([1, 2])},
    "parameter": torch.nn.Parameter(torch.zeros(2)),
}


def _numbers() -> bytes:
    stream = io.BytesIO()
    numpy.savez(stream, a=numpy.arange(5), b=numpy.array([{"x": 1}, None], dtype=object))
    return stream.getvalue()


BENIGN = {
    "torch.save": _saved(_STATE),
    "torch.save of an ordered state": _saved(torch.nn.Linear(2, 2).state_dict()),
    "torch.save of old": _saved(_STATE, _use_new_zipfile_serialization=False),
    "optimizer": _saved(torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict()),
    "numbers of numpy": pickle.dumps([numpy.float64(1), numpy.arange(3), numpy.dtype("f4")], 4),
    "numbers of numpy, protocol 5": pickle.dumps(numpy.arange(3), 5),
    "npz": _numbers(),
    "containers": pickle.dumps([collections.Counter("ab"), collections.deque([1]), {1}, 1j, b"x"], 2),
    "artifact": artifact(model__model_dot_pkl=pickle.dumps({"a": 1}), words_dot_txt=b"cat\ndog\nemu\nR\n"),
    "artifact with code": artifact(pkg__net_dot_py=b"import torch\nclass Net(torch.nn.Module): ...\n"),
    "pickles after each other": pickle.dumps(1) + pickle.dumps(2),
    "safetensors": (lambda h: struct.pack("<Q", len(h)) + h + bytes(4))(
        b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    ),
}


@pytest.mark.parametrize("name", BENIGN)
def test_what_is_harmless_is_clean(name: str) -> None:
    assert scan(BENIGN[name]).at_least(Level.UNKNOWN) == ()


def test_torchscript_is_clean_unless_it_uses_files(tmp_path: Path) -> None:
    @torch.jit.script
    def plain(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    plain.save(str(tmp_path / "plain.pt"))
    assert scan_path(str(tmp_path / "plain.pt")).at_least(Level.UNKNOWN) == ()
    with zipfile.ZipFile(tmp_path / "plain.pt") as old, zipfile.ZipFile(tmp_path / "evil.pt", "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.endswith("__torch__.py"):
                text += b"\ndef g(x: Tensor) -> None:\n  ops.aten.save(x, '/tmp/x')\n"
            new.writestr(name, text)
    assert scan_path(str(tmp_path / "evil.pt")).worst is Level.DANGEROUS


def test_packed_classes_are_judged_by_their_code() -> None:
    class_of = b"\x80\x02cpkg.net\nNet\n)\x81}b."
    clean = scan(artifact(m_dot_pkl=class_of, pkg__net_dot_py=b"class Net: ...\n"))
    assert (clean.is_clean, clean.packed) == (True, ("pkg.net",))
    evil = scan(
        artifact(m_dot_pkl=class_of, pkg__net_dot_py=b"import os\nclass Net:\n    x = os.system('x')\n")
    )
    (finding,) = evil.at_least(Level.DANGEROUS)
    assert (finding.record, finding.line, finding.module, finding.at_import) == (
        "pkg/net.py",
        3,
        "pkg.net",
        True,
    )


def test_a_packed_module_hands_nothing_on_unseen() -> None:
    data = artifact(
        m_dot_pkl=b"\x80\x02cpkg.a\nrun\n(U\x01xtR.",
        pkg__a_dot_py=b"from pkg.b import run\n",
        pkg__b_dot_py=b"import os as o\nrun = o.system\n",
    )
    dangerous = scan(data).at_least(Level.DANGEROUS)
    assert any(each.kind is Kind.PICKLE and "os.system" in each.detail for each in dangerous)


def test_a_packed_module_in_place_of_a_harmless_one_is_packed_code() -> None:
    data = artifact(
        m_dot_pkl=pickle.dumps(collections.OrderedDict(), 2),
        collections_dot_py=b"import os\nos.system('x')\n",
    )
    found = scan(data)
    assert (found.packed, found.worst) == (("collections",), Level.DANGEROUS)


def test_what_the_importer_is_asked_to_call_is_told() -> None:
    data = b"\x80\x02(X\x0e\x00\x00\x00reduce_packagecos\nsystem\n)tQ."
    assert scan(artifact(m_dot_pkl=data)).worst is Level.DANGEROUS


@pytest.mark.parametrize("name", ["lib.so", "data.bin"])
def test_native_code_is_told(name: str) -> None:
    found = scan(artifact(**{name: b"\x7fELF\x02\x01\x01" + bytes(100)}))
    assert [each.kind for each in found.at_least(Level.DANGEROUS)] == [Kind.NATIVE]


def test_a_folder_is_scanned_as_the_artifact_that_it_was(tmp_path: Path) -> None:
    data = artifact(m_dot_pkl=SIMPLE, pkg__a_dot_py=b"import os\nos.system('x')\n", words_dot_txt=b"x")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    for folder in (tmp_path, tmp_path / "net"):
        found = scan_path(str(folder))
        assert {(each.record, each.line) for each in found.at_least(Level.DANGEROUS)} == {
            ("m.pkl", 0),
            ("pkg/a.py", 2),
        }


def test_what_unpacks_to_very_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermpkg_build.scanning.file_kinds.LARGEST_UNPACKED", 4 << 20)
    found = scan(lzma.compress(bytes(1 << 20)) * 5)
    assert [each.detail for each in found.findings] == ["it unpacks to more than 4 MiB"]

"""Files are scanned whole, whatever they are called, however wrapped, and whatever is wrong with them."""

from __future__ import annotations

import collections
import io
import lzma
import os
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from hermpkg_build.scanning import zip_members
from hermpkg_build.scanning.artifact import scan_data, scan_path
from hermpkg_build.scanning.findings import Findings, Kind, Level
from tests.unit.scanning.archive_tricks import ARCHIVES, zipped
from tests.unit.scanning.harmless_files import HARMLESS, artifact
from tests.unit.scanning.tricks import SIMPLE, TRICKS, WRAPPED


def scan(data: bytes, name: str = "model.bin") -> Findings:
    return scan_data(data, name)


@pytest.mark.parametrize("name", ["model.pkl", "model.txt", "model"])
def test_no_trick_is_clean_whatever_the_file_is_called(name: str) -> None:
    assert [trick for trick, data in TRICKS.items() if scan(data, name).worst < Level.DANGEROUS] == []


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_what_is_wrapped_is_unwrapped(wrapped: str) -> None:
    assert scan(WRAPPED[wrapped]).worst is Level.DANGEROUS


@pytest.mark.parametrize("name", ["model/model.pkl", "words.txt", ".data/0.storage"])
def test_no_trick_is_clean_in_any_record_of_an_artifact(name: str) -> None:
    assert [trick for trick, data in TRICKS.items() if scan(artifact(**{name: data})).is_clean] == []


@pytest.mark.parametrize("name", ARCHIVES)
def test_no_archive_hides_a_pickle(name: str) -> None:
    found = scan(ARCHIVES[name])
    assert found.worst is Level.DANGEROUS, found.findings


def test_torchscript_that_python_does_not_parse_is_not_clean() -> None:
    """torch runs it: names may be words of Python."""
    net = torch.jit.script(torch.nn.ReLU())
    stream, changed = io.BytesIO(), io.BytesIO()
    torch.jit.save(net, stream)
    with zipfile.ZipFile(stream) as sound, zipfile.ZipFile(changed, "w") as other:
        for name in sound.namelist():
            data = sound.read(name)
            if name.endswith("activation.py"):
                data = data.replace(
                    b"    return", b'    async = "f"\n    torch.save(input, async)\n    return'
                )
            other.writestr(name, data)
    assert scan(stream.getvalue()).is_clean
    assert not scan(changed.getvalue()).is_clean
    assert torch.jit.load(io.BytesIO(changed.getvalue()))


@pytest.mark.parametrize("name", ["a.pyw", "A.PY", "a.pth"])
def test_code_of_other_names_is_code(name: str) -> None:
    assert scan(bytes(zipped(b"import os; os.system('ls')\n", name))).worst is Level.DANGEROUS


def test_a_file_of_paths_is_clean() -> None:
    assert scan(bytes(zipped(b"/usr/lib/x\nimportant\n", "a.pth"))).is_clean


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


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_is_clean(name: str) -> None:
    assert scan(HARMLESS[name]()).at_least(Level.UNKNOWN) == ()


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


def test_stars_hand_on_too() -> None:
    data = artifact(
        m_dot_pkl=b"\x80\x02cpkg.a\nrun\n(U\x01xtR.",
        pkg__a_dot_py=b"from pkg.b import *\n",
        pkg__b_dot_py=b"from subprocess import *\n",
    )
    assert any(each.kind is Kind.PICKLE for each in scan(data).at_least(Level.DANGEROUS))


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


def test_a_pickle_of_too_many_objects_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermpkg_build.pickles.reading.nodes.MOST_OPCODES", 1000)
    (finding,) = scan(b"\x80\x02" + b"]" * 2000 + b"0" * 1999 + b".").findings
    assert "more than 1,000 opcodes" in finding.detail


def test_files_are_counted_and_not_what_they_are_in() -> None:
    inner, outer, tar = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for name in ("a.bin", "b.py", "c.pkl"):
            archive.writestr(name, pickle.dumps([1], 0) if name == "c.pkl" else b"x = 1")
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("d.bin", b"1")
    with tarfile.open(fileobj=tar, mode="w") as folder:
        folder.addfile(tarfile.TarInfo("a"), None)
        folder.addfile(tarfile.TarInfo("b"), None)
    made = (inner.getvalue(), outer.getvalue(), tar.getvalue(), lzma.compress(pickle.dumps([1])))
    assert [scan(data).records for data in (*made, pickle.dumps([1]))] == [3, 2 + 3, 2, 1, 1]


def test_archives_that_unpack_to_very_much_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermpkg_build.scanning.artifact._MOST_BYTES", 1 << 20)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(8):
            archive.writestr(f"{number}.bin", bytes(1 << 19))
    found = scan(stream.getvalue())
    assert (found.worst, found.records) == (Level.UNKNOWN, 3)


def test_a_source_that_is_a_pickle_is_read_as_one() -> None:
    assert scan(artifact(a_dot_py=TRICKS["STACK_GLOBAL"])).worst is Level.DANGEROUS


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads every file")
def test_files_that_cannot_be_opened_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(SIMPLE)
    (tmp_path / "a.pkl").chmod(0)
    assert [each.kind for each in scan_path(str(tmp_path)).findings] == [Kind.UNREADABLE]


def test_what_stands_behind_very_many_pickles_is_not_passed_over() -> None:
    assert not scan(b"N." * 20_000 + SIMPLE).is_clean


def test_many_unknown_names_hide_no_dangerous_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermpkg_build.scanning.artifact.MOST_FINDINGS", 50)
    names = b"".join(b"cm%d\nf\n0" % number for number in range(100))
    assert scan(b"\x80\x02" + names + SIMPLE, "a.pkl").worst is Level.DANGEROUS


def test_long_names_take_no_long_time() -> None:
    name = b".".join([b"b"] * 50_000)
    assert scan(b"ca\n" + name + b"\n.", "a.pkl").worst is Level.UNKNOWN


def test_large_members_are_unpacked_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are lowered; a member of real ones takes seconds."""
    monkeypatch.setattr(zip_members, "LARGEST_INFLATED", 1000)
    monkeypatch.setattr(zip_members, "_PIECE", 64)
    large = SIMPLE + random.Random(0).randbytes(5000)
    found = scan(bytes(zipped(large, method=zipfile.ZIP_DEFLATED)))
    assert found.worst is Level.DANGEROUS
    quiet = pickle.dumps(random.Random(0).randbytes(5000))
    assert scan(bytes(zipped(quiet, method=zipfile.ZIP_DEFLATED))).at_least(Level.UNKNOWN) == ()
    bomb = scan(bytes(zipped(pickle.dumps(bytes(1 << 20)), method=zipfile.ZIP_DEFLATED)))
    assert "too many bytes" in bomb.findings[0].detail


@pytest.mark.parametrize("rest", [b"\x01" * 10 + SIMPLE, b"\xff" * 20])
def test_bytes_behind_a_pickle_that_is_named_so_are_told(rest: bytes) -> None:
    findings = scan(pickle.dumps([1]) + rest, "model.pkl")
    assert Kind.HIDDEN in {finding.kind for finding in findings.findings}
    assert scan(pickle.dumps([1]) + bytes(20), "model.pkl").is_clean


BY_CHANCE = {
    "an extension": b"\x80\x04\x82\x2e.",
    "an extension that gets a state": b"\x80\x04\x82\x2e)b.",
    "a call of an extension": b"\x80\x04\x82\x2e)R.",
    "a call of an object by an identifier": b"\x80\x04)Q)R.",
}


@pytest.mark.parametrize("name", BY_CHANCE)
@pytest.mark.parametrize("behind", [b"\xff" + bytes(range(1, 50)), b""], ids=["more numbers", "nothing"])
def test_numbers_that_are_like_a_pickle_without_a_name_are_none_where_they_go_on(
    name: str, behind: bytes
) -> None:
    numbers = BY_CHANCE[name]
    found = scan(artifact(_dot_data__0_dot_storage=numbers + behind))
    broken = scan(artifact(_dot_data__0_dot_storage=numbers[:-1] + b"\xff" + behind))
    assert broken.at_least(Level.UNKNOWN) == ()
    assert (found.at_least(Level.UNKNOWN) == ()) == bool(behind)
    assert scan(numbers + behind, "model.pkl").at_least(Level.UNKNOWN)


def test_what_gives_a_name_is_told_of_whatever_is_behind_it() -> None:
    for numbers in (b"\x80\x04\x82\x2e0cos\nsystem\n\xff", b"\x80\x04)Q0cos\nsystem\n.\xff\x01"):
        found = scan(artifact(_dot_data__0_dot_storage=numbers))
        assert found.worst is Level.DANGEROUS
    inner = b"cos\nsystem\n(S'x'\ntR."
    nested = b"\x80\x04\x82\x2e0C" + bytes([len(inner)]) + inner + b".\xff\xff"
    assert scan(artifact(_dot_data__0_dot_storage=nested)).worst is Level.DANGEROUS

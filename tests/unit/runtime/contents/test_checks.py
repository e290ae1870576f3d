"""What opening an artifact checks: its manifest, the Python and the distributions of the environment."""

from __future__ import annotations

import importlib.metadata
import sys
import types
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.archive.layout import MANIFEST
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import Manifest, ManifestModule, ManifestRecord, ManifestTool, RecordKind
from hermpkg_build.core.manifest_bytes import manifest_bytes
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.contents import checks
from hermpkg_build.runtime.contents.checks import (
    ArtifactEnvironmentError,
    ArtifactEnvironmentWarning,
    ArtifactModifiedWarning,
)

HERE = ".".join(str(part) for part in sys.version_info[:3])
FILES = {
    ".data/version": b"6\n",
    ".data/extern_modules": b"packaging\n",
    ".data/python_version": HERE.encode(),
    ".data/0.storage": b"\0" * 8,
    "mod.py": b"value = 1\n",
    "res/a.txt": b"text",
}
PACKAGING = importlib.metadata.version("packaging")


def kind_of(name: str) -> RecordKind:
    if name.endswith(".storage"):
        return RecordKind.STORAGE
    if name.startswith(".data/"):
        return RecordKind.FRAMEWORK
    return RecordKind.MODULE if name.endswith(".py") else RecordKind.RESOURCE


def extern(
    distribution: str = "", origin: Origin = Origin.ENVIRONMENT, *, optional: bool = False
) -> ManifestModule:
    return ManifestModule(
        policy=Policy.EXTERN,
        kind=ModuleKind.PACKAGE,
        origin=origin,
        distribution=distribution,
        optional=optional,
    )


def with_manifest(files: Mapping[str, bytes], **fields) -> dict[str, bytes]:
    records = {
        name: ManifestRecord(digest=Digest.of(data), kind=kind_of(name)) for name, data in files.items()
    }
    tool = ManifestTool(name="hermpkg", version="1")
    manifest = Manifest(tool=tool, python_version=HERE, records=records, **fields)
    return {**files, MANIFEST: manifest_bytes(manifest)}


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_an_untouched_artifact_opens_in_silence(load) -> None:
    files = with_manifest(
        FILES, modules={"packaging": extern("packaging")}, distributions={"packaging": PACKAGING}
    )
    for verify in ("code", "all", "off"):
        assert load(files, verify=verify).import_module("mod").value == 1


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        ({"mod.py": b"value = 2\n"}, "mod.py was changed"),
        ({"res/a.txt": b"longer text"}, "res/a.txt was changed"),
        ({"new.py": b""}, "new.py was added"),
        ({"res/a.txt": None}, "res/a.txt is gone"),
        ({".data/0.storage": b"\0" * 9}, "0.storage was changed"),
    ],
)
def test_an_edited_artifact_opens_and_says_so_once(load, edit: Mapping[str, bytes | None], text: str) -> None:
    files = {name: data for name, data in {**with_manifest(FILES), **edit}.items() if data is not None}
    with pytest.warns(ArtifactModifiedWarning, match=text) as caught:
        importer = load(files)
    assert len(caught) == 1
    assert importer.import_module("mod").value in (1, 2)
    assert load(files, verify="off").import_module("mod").value in (1, 2)


def test_a_distribution_of_which_only_parts_are_packed(load) -> None:
    packed = replace(extern("nope-dist"), policy=Policy.INTERN)
    modules = {"mod": packed, "mod.model": extern("nope-dist"), "mod.text": extern("nope-dist")}
    with pytest.raises(ArtifactEnvironmentError) as error:
        load(with_manifest(FILES, modules=modules))
    expected = "is not installed (any version); parts of it are packed, but these are extern: mod.model,"
    expected += " mod.text"
    assert dict(error.value.facts) == {"nope-dist": expected}


def test_the_warning_points_at_the_code_that_opens(artifact) -> None:
    path = artifact({**with_manifest(FILES), "mod.py": b"value = 2\n"})
    with pytest.warns(ArtifactModifiedWarning) as caught:
        PackageImporter(path).close()
    assert caught[0].filename == __file__


def test_tensors_are_compared_when_asked_for(load) -> None:
    files = {**with_manifest(FILES), ".data/0.storage": b"\1" * 8}
    load(files)
    with pytest.warns(ArtifactModifiedWarning, match=r"0\.storage"):
        load(files, verify="all")


def test_a_record_of_another_size_is_not_read_to_be_told(load, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {**with_manifest(FILES), "res/a.txt": bytes(1 << 17)}
    read: list[str] = []
    pieces = ArchiveReader.pieces
    monkeypatch.setattr(
        ArchiveReader, "pieces", lambda self, name, *buffer: read.append(name) or pieces(self, name, *buffer)
    )
    with pytest.warns(ArtifactModifiedWarning, match=r"res/a.txt was changed"):
        load(files, verify="all")
    assert sorted(read) == sorted(FILES.keys() - {"res/a.txt"})


def test_tensors_of_a_folder_are_not_read_to_learn_their_size(tmp_path) -> None:
    files = with_manifest(FILES)
    size = 1 << 36  # Too much for most memories, and nothing on a disk that keeps no zeros.
    files[MANIFEST] = files[MANIFEST].replace(b'/8","kind":"storage"', b'/%d","kind":"storage"' % size)
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with (tmp_path / ".data/0.storage").open("wb") as file:
        file.truncate(size)
    with PackageImporter(tmp_path) as importer:
        assert importer.import_module("mod").value == 1


def test_many_changes_are_cut_short(load) -> None:
    files = {**with_manifest(FILES), **{f"new{i}.py": b"" for i in range(9)}}
    with pytest.warns(ArtifactModifiedWarning, match="and 4 more"):
        load(files)


def test_a_damaged_record_is_an_error_not_an_edit(artifact) -> None:
    with open(artifact(with_manifest({**FILES, "mod.py": b"value = 1  # marker\n"})), "rb") as file:
        data = bytearray(file.read())
    data[data.index(b"marker")] ^= 1
    with pytest.raises(ArchiveError, match="checksum"):
        PackageImporter(data)


@pytest.mark.parametrize("version", ["9.9.9", "2.7", "3.1", "strange"])
def test_another_python_is_told(load, version: str) -> None:
    files = {**FILES, ".data/python_version": version.encode()}
    with pytest.warns(ArtifactEnvironmentWarning, match=f"built with Python {version}"):
        load(files)
    with pytest.raises(ArtifactEnvironmentError, match=version):
        load(files, check="error")
    load(files, check="off")


def test_another_patch_version_of_python_is_fine(load) -> None:
    load({**FILES, ".data/python_version": ".".join([*HERE.split(".")[:2], "99"]).encode()}, check="error")


def test_missing_distributions_are_named_together(load) -> None:
    files = with_manifest(
        FILES,
        modules={"nope": extern("nope-dist"), "gone.sub": extern("gone"), "bare_missing": extern()},
        distributions={"nope-dist": "1.0"},
        requires={"gone": ">=3"},
    )
    with pytest.raises(ArtifactEnvironmentError, match=r"cannot run") as error:
        load(files)
    assert dict(error.value.facts) == {
        "nope-dist": "is not installed (built with 1.0)",
        "gone": "is not installed (>=3)",
        "bare_missing": "cannot be found",
    }
    assert isinstance(error.value, ImportError)
    load(files, check="off")


@pytest.mark.parametrize("name", ["__main__", "made_by_code"])
def test_what_the_host_has_without_a_spec_is_there(load, monkeypatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    load(with_manifest(FILES, modules={name: extern()}), check="error")


def test_excluded_versions_are_errors(load) -> None:
    files = with_manifest(FILES, modules={"packaging": extern("packaging")}, requires={"packaging": "<1"})
    with pytest.raises(ArtifactEnvironmentError, match=f"{PACKAGING} is installed, <1 is required"):
        load(files)
    load(with_manifest(FILES, requires={"packaging": ">=1"}), check="error")


@pytest.mark.parametrize("spelling", ["nope-dist", "Nope_Dist", "NOPE.dist", "nope__dist"])
def test_a_requirement_holds_in_any_spelling(load, spelling: str) -> None:
    optional = {"nope": extern("nope-dist", optional=True)}
    for modules in (optional, {}):
        with pytest.raises(ArtifactEnvironmentError) as error:
            load(with_manifest(FILES, modules=modules, requires={spelling: ">=3"}))
        assert dict(error.value.facts) == {"nope-dist": "is not installed (>=3)"}


def test_requirements_in_two_spellings_hold_together(load) -> None:
    load(with_manifest(FILES, requires={"packaging": ">1", "Packaging": ">2"}), check="error")
    for first, second in (("<1", ">1"), (">1", "<1")):
        with pytest.raises(ArtifactEnvironmentError, match="is required"):
            load(with_manifest(FILES, requires={"packaging": first, "Packaging": second}))


@pytest.mark.parametrize(
    "specifier", [">=" + "9" * 5000, "===" + " " * 100_000 + "x y", "about 2", "<" + "1." * 9999]
)
def test_what_is_no_specifier_allows_nothing(load, specifier: str) -> None:
    with pytest.raises(ArtifactEnvironmentError, match="is required") as error:
        load(with_manifest(FILES, requires={"packaging": specifier}))
    assert len(str(error.value)) < 1000


def test_another_version_is_told_unless_requires_allows_it(load) -> None:
    fields = {"modules": {"packaging": extern("packaging")}, "distributions": {"packaging": "0.1"}}
    with pytest.warns(ArtifactEnvironmentWarning, match=f"packaging {PACKAGING} is installed, 0.1 was there"):
        load(with_manifest(FILES, **fields))
    with pytest.raises(ArtifactEnvironmentError):
        load(with_manifest(FILES, **fields), check="error")
    load(with_manifest(FILES, **fields, requires={"packaging": ">0.1"}), check="error")
    load(with_manifest(FILES, **fields, requires={"Packaging": ">0.1"}), check="error")
    local = {**fields, "distributions": {"packaging": f"{PACKAGING}+cpu"}}
    load(with_manifest(FILES, **local), check="error")


def test_optional_modules_that_were_missing_at_build_time_are_no_problem(load) -> None:
    load(with_manifest(FILES, modules={"never_there": extern(origin=Origin.MISSING)}), check="error")


def test_what_the_code_can_do_without_may_be_missing(load) -> None:
    modules = {
        "nope": extern("nope-dist", optional=True),
        "nope.sub": extern("nope-dist", optional=True),
        "bare_missing": extern(optional=True),
    }
    files = with_manifest(FILES, modules=modules, distributions={"nope-dist": "1.0"})
    with pytest.warns(ArtifactEnvironmentWarning) as told:
        assert load(files).import_module("mod").value == 1
    assert str(told[0].message).endswith(
        "has changed: nope-dist is not installed, 1.0 was there at build time, bare_missing cannot be found"
    )
    with pytest.raises(ArtifactEnvironmentError, match="bare_missing"):
        load(files, check="error")
    for more in ({"requires": {"nope-dist": ">0"}}, {"modules": {**modules, "nope.a": extern("nope-dist")}}):
        with pytest.raises(ArtifactEnvironmentError, match="nope-dist"):
            load(with_manifest(FILES, **{"modules": modules, **more}))


def test_a_manifest_of_a_later_format(load) -> None:
    with pytest.raises(ArchiveError, match="cannot read") as error:
        load(with_manifest(FILES, format=7))
    assert ("format", "7") in error.value.facts


EVIL = "\x1b]0;title\x07\x9b\u202e\r\nFAKE: verified"


@pytest.mark.parametrize(
    "ask",
    [
        lambda importer: importer.import_module(f"app.{EVIL}"),
        lambda importer: importer.import_module(EVIL),
        lambda importer: importer.load_pickle("app", "global.pkl"),
        lambda importer: importer.load_text(EVIL, "x"),
        lambda importer: importer.load_text("app", f"{EVIL}.txt"),
    ],
)
def test_no_text_of_an_artifact_steers_a_terminal(load, recwarn, ask) -> None:
    name = f"x{EVIL}".encode()
    importer = load(
        {
            ".data/python_version": f"2.7{EVIL}",
            "app/__init__.py": "",
            "app/global.pkl": b"\x80\x04\x8c\x03app\x8c" + bytes([len(name)]) + name + b"\x93.",
        }
    )
    with pytest.raises(Exception, match="FAKE") as caught:
        ask(importer)
    texts = [str(caught.value), *(str(warning.message) for warning in recwarn)]
    assert len(texts) == 2
    for line in "\n".join(texts).split("\n"):
        assert not line.startswith("FAKE")
        assert line.isprintable()


def test_versions_are_those_that_the_metadata_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "plain": "Metadata-Version: 2.1\nName: plain\nVersion: 1.5\n\nVersion: 9\n",
        "odd": "Name: odd\nLicense: a\n  Version: 3\nversion:\t2.0+cpu\n",
        "windows": "Name: windows\r\nVersion: 1.7\r\n\r\nabout\r\n",
        "none": "Name: none\n\nVersion: 1\n",
    }.items():
        folder = tmp_path / f"{name}-0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_bytes(text.encode())
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "old-1.2.egg-info").write_text("Metadata-Version: 1.0\nName: old\nVersion: 1.2\n")
    names = ("plain", "odd", "windows", "none", "old", "no-such")
    assert [checks._installed_version(name) for name in names] == ["1.5", "2.0+cpu", "1.7", "", "1.2", None]
    installed = {each.metadata["Name"] for each in importlib.metadata.distributions()} - {"none"}
    assert {name: checks._installed_version(name) for name in installed} == {
        name: importlib.metadata.version(name) for name in installed
    }

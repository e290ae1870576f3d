"""The summary of an artifact: what its bytes are for, what must be installed, what was edited."""

from __future__ import annotations

import io
import zipfile

from packaging.requirements import Requirement

from hermpkg_build import PackageExporter
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.inspection.groups import GroupKind
from hermpkg_build.inspection.overview import Overview, overview_of, summary_lines
from hermpkg_build.inspection.requirements import Needed, requirements_lines
from hermpkg_build.inspection.size_tree import SizeTree


def looked_over(data: bytes) -> Overview:
    with ArchiveReader(data) as archive:
        return overview_of(archive)


def exported(**sources: str) -> bytes:
    stream = io.BytesIO()
    with PackageExporter(stream, requires={"packaging": ">=20"}) as exporter:
        exporter.intern("own.**")
        exporter.mock("wandb.**")
        exporter.extern("**")
        for name, text in sources.items():
            exporter.save_source_string(name.replace("__", "."), text)
        exporter.save_text("own", "words.txt", "hello")
        exporter.save_text("config", "net.yaml", "depth: 3")
    return stream.getvalue()


DATA = exported(
    own__a="import packaging\nimport os\nimport wandb\n",
    own__b="try:\n  import yaml\nexcept ImportError: 0\n",
)


def test_bytes_and_modules_belong_to_somebody():
    groups = {group.title: group for group in looked_over(DATA).groups}
    assert groups["packaging"].must_be_installed
    assert groups["packaging"].requires == ">=20"
    assert groups["packaging"].version
    assert groups["sources given as text"].bytes > len("hello")
    assert groups["resources"].bytes == len("depth: 3")
    assert groups["Python's standard library"].status == "comes with Python"
    mocked = [group for group in groups.values() if group.mocked]
    assert [group.status for group in mocked] == ["replaced by stubs"]
    with ArchiveReader(DATA) as archive:
        total = sum(archive.size(name) for name in archive.names())
    assert sum(group.bytes for group in groups.values()) == total


def test_requirements_are_those_that_pip_reads():
    overview = looked_over(DATA)
    lines = list(requirements_lines(overview.needed, artifact="x.pt", python_version="3.11"))
    (requirement,) = [Requirement(line.partition("#")[0]) for line in lines if not line.startswith("#")]
    assert str(requirement) == "packaging>=20"
    assert any("yaml" in line.lower() for line in lines if line.startswith("#"))


def test_nothing_of_a_stranger_becomes_a_requirement():
    for name, specifier in (
        ("-r /etc/passwd", ""),
        ("x\n--index-url=evil", "==1"),
        ("torch", "==1 --hash=a"),
        ("x @ file:///x", ""),
        ("torch", ";evil"),
    ):
        needed = Needed(
            name=name,
            is_module=False,
            specifier=specifier,
            version="",
            optional=False,
            absent=False,
            modules=("x",),
        )
        lines = list(requirements_lines([needed], artifact="x.pt", python_version=""))
        assert all(line.startswith("#") and "\n" not in line for line in lines), lines


def test_modules_of_unknown_distributions_are_those_that_install_them_here():
    def lines(owners: dict[str, list[str]], *, optional: bool = False) -> list[str]:
        needed = Needed(
            name="yaml",
            is_module=True,
            specifier="",
            version="",
            optional=optional,
            absent=False,
            modules=("yaml",),
        )
        return list(requirements_lines([needed], artifact="x", python_version="", owners=owners))[2:]

    assert Requirement(lines({"yaml": ["PyYAML"]})[0].partition("#")[0]).name == "pyyaml"
    assert lines({"yaml": ["PyYAML"]}, optional=True)[0].startswith("# pyyaml ")
    assert lines({"yaml": ["a", "b"]}) == lines({}) == ["# yaml"]


def test_edits_come_first():
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(DATA)) as old, zipfile.ZipFile(stream, "w") as new:
        for info in old.infolist():
            if not info.filename.endswith("net.yaml"):
                data = old.read(info)
                new.writestr(info.filename, b"bye" if info.filename.endswith("words.txt") else data)
        new.writestr(f"{old.namelist()[0].partition('/')[0]}/added.txt", "x")
    lines = list(summary_lines(looked_over(stream.getvalue())))
    table = lines.index("")
    assert [line for line in lines[:table] if "since it was built" in line] == [
        "added since it was built: added.txt",
        "changed since it was built: own/words.txt",
        "gone since it was built: config/net.yaml",
    ]


def test_a_stock_archive_has_a_summary_too():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in {
            ".data/version": "6\n",
            ".data/extern_modules": "torch\nos\n",
            "pkg/__init__.py": "import torch\n",
        }.items():
            archive.writestr(f"stock/{name}", text)
    overview = looked_over(stream.getvalue())
    groups = {group.title: group for group in overview.groups}
    assert groups["torch"].kind is GroupKind.MODULE
    assert groups["torch"].must_be_installed
    assert groups["pkg"].packed == 1
    assert "os" not in groups
    assert [needed.name for needed in overview.needed] == ["torch"]


def test_tensors_and_their_sharing(make_archive):
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("by_hand", Path(__file__).with_name("conftest.py"))
    by_hand = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(by_hand)
    tensors = {
        "w": by_hand.tensor(0, (2, 3)),
        "v": by_hand.tensor(0, (3,), offset=6),
        "u": by_hand.tensor(1, (2,)),
    }
    records = {".data/0.storage": bytes(400), ".data/1.storage": bytes(8), ".data/2.storage": bytes(4)}
    overview = overview_of(make_archive({"m/m.pkl": by_hand.module(tensors), "bad.pkl": b"no", **records}))
    found = {tensor.name: tensor for tensor in overview.tensors.tensors}
    assert {name: (each.form, each.bytes) for name, each in found.items()} == {
        "w": ("float32[2, 3]", 24),
        "v": ("float32[3]", 12),
        "u": ("float32[2]", 8),
    }
    assert found["w"].sharing == "in one storage with 1 more"
    assert found["u"].sharing == ""
    assert overview.tensors.unnamed == (".data/2.storage",)
    assert overview.tensors.unread == ("bad.pkl",)
    named = {"m/weights": by_hand.module(tensors), "m/no.bin": b"\x80no", **records}
    other = overview_of(make_archive(named)).tensors
    assert [tensor.name for tensor in other.tensors] == ["w", "v", "u"]
    assert other.unread == ()


def test_a_tree_has_sums():
    tree = SizeTree.of_records("net", [("a/b/c.py", 1000), ("a/d.py", 1), ("e.txt", 2)])
    assert (tree.bytes, tree.files) == (1003, 3)
    assert [line.split("  ")[-1].lstrip("├└─ ") for line in tree.lines()] == [
        "net/",
        "a/",
        "b/",
        "c.py",
        "d.py",
        "e.txt",
    ]

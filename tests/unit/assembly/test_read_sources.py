"""Sources that were read are given once, and let go of before they fill the memory."""

from __future__ import annotations

from hermpkg_build.assembly import read_sources
from hermpkg_build.assembly.module_shelf import ModuleShelf
from hermpkg_build.assembly.read_sources import ReadSources
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import ModuleNode
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy


def test_bytes_are_taken_once():
    sources, digest = ReadSources(), Digest.of(b"a = 1\n")
    sources.keep(digest, b"a = 1\n")
    assert sources.take(digest) == b"a = 1\n"
    assert sources.take(digest) is None
    assert sources.take(None) is None


def test_very_many_are_let_go(monkeypatch):
    monkeypatch.setattr(read_sources, "_MOST", 100)
    sources = ReadSources()
    texts = [b"%050d" % number for number in range(10)]
    for text in texts:
        sources.keep(Digest.of(text), text)
    taken = [sources.take(Digest.of(text)) for text in texts]
    assert taken[-1] == texts[-1]
    assert len([each for each in taken if each]) <= 3


def test_a_module_is_packed_with_the_bytes_that_were_read_for_the_analysis(tmp_path):
    file = tmp_path / "a.py"
    file.write_bytes(b"changed since\n")
    sources, data = ReadSources(), b"a = 1\n"
    sources.keep(Digest.of(data), data)
    node = ModuleNode(
        name="a",
        policy=Policy.INTERN,
        kind=ModuleKind.SOURCE,
        origin=Origin.WORKSPACE,
        path=str(file),
        digest=Digest.of(data),
    )
    assert ModuleShelf(sources).part(node).content == data

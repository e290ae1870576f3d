"""What is said of decisions: a line for each reason, and which library makes an artifact large."""

from __future__ import annotations

import pytest

from hermpkg_build.analysis.decisions import Candidate, decide
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleNode
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import replace
from hermpkg_build.generate.decided import AS_OPTION_OR_ARGUMENT, named_policies, note_on_size, told_by_reason

MB = 1_000_000
SIZES = {"app": 1, "metrics": MB, "language": 2 * MB, "images": 30 * MB}
IMPORTS = [("//:it", "app"), ("app", "metrics"), ("metrics", "language"), ("language", "images")]


def decided(name, **facts):
    found = decide(Candidate(name=name, modules=(name,), version="" if name == "app" else "1", **facts))
    return replace(found, bytes=SIZES.get(name, 0))


DECISIONS = [decided("app", is_own=True), *(decided(name) for name in SIZES if name != "app")]


def graph_of(imports):
    return ModuleGraph(
        {
            name: ModuleNode(
                name=name,
                policy=Policy.INTERN,
                kind=ModuleKind.SOURCE,
                origin=Origin.WORKSPACE if name == "app" else Origin.ENVIRONMENT,
                digest=Digest(hash="0" * 64, size=size),
                distribution="" if name == "app" else name,
            )
            for name, size in SIZES.items()
        },
        [Edge(source=source, target=target, kind=EdgeKind.IMPORT) for source, target in imports],
        ("//:it",),
    )


def test_the_note_says_how_python_leaves_a_library_outside() -> None:
    why = ["hermpkg", "why", "m.pt"]
    (note,) = note_on_size(DECISIONS, graph_of(IMPORTS), 100, why, AS_OPTION_OR_ARGUMENT)
    assert "--extern language (in Python extern='language') leaves 32.0 MB of them outside" in note


def test_libraries_with_one_reason_share_a_line_and_the_large_ones_come_first():
    absent = [decided(name, is_found=False) for name in ("js", "aim")]
    lines = [*told_by_reason([*absent, *DECISIONS, decided("numpy", is_compiled=True)])]
    assert [title for title, _ in lines] == ["packed", "packed", "left outside", "left outside"]
    assert lines[0][1].startswith("images 1 (30.0 MB), language 1 (2.0 MB), metrics 1 (1.0 MB): pure Python")
    assert lines[1][1] == "app: your code"
    assert lines[2][1].startswith("numpy 1: ")
    assert lines[3][1].startswith("aim 1, js 1: not installed here")


def test_what_leads_to_most_is_told_and_not_what_is_largest():
    """`images` is the largest, but `language` brings it, and one's own code does without both."""
    (note,) = note_on_size(DECISIONS, graph_of(IMPORTS), 100, ["hermpkg", "why", "//:it"])
    assert note.startswith("33.0 MB are code of libraries: images 30.0 MB, language 2.0 MB, metrics 1.0 MB;")
    assert "hermpkg why //:it language" in note
    assert "--extern language leaves 32.0 MB of them outside" in note


def test_a_library_that_one_s_own_code_imports_is_told_where_there_is_no_other():
    own = [("//:it", "app"), *(("app", name) for name in SIZES if name != "app")]
    (note,) = note_on_size(DECISIONS, graph_of(own), 100, ["hermpkg", "why", "//:it"])
    assert "--extern images leaves 30.0 MB of them outside" in note


@pytest.mark.parametrize("tensors", [34 * MB, 3_000 * MB])
def test_nothing_is_told_where_the_tensors_are_most_of_it(tensors):
    assert [*note_on_size(DECISIONS, graph_of(IMPORTS), tensors, [])] == []


def test_nothing_is_told_of_little_code():
    assert [*note_on_size(DECISIONS[:3], graph_of(IMPORTS), 0, [])] == []


def test_a_name_is_packed_or_left_outside():
    assert named_policies(["a"], ["b"]) == {"a": Policy.INTERN, "b": Policy.EXTERN}
    with pytest.raises(ValueError, match="'a' cannot be both"):
        named_policies(["a"], ["a"])

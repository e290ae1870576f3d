"""The fix of a broken module: it mends what it says, and it is the one that a build would advise."""

from __future__ import annotations

import io
import os
import re
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from hermpkg_build import EmptyMatchError, PackageExporter, PackagingError
from hermpkg_build.analysis.closure import Root
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.target_closure import close_over
from hermpkg_build.core.graph import EdgeKind
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import DeclaredModule
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.errors import GroupedError
from hermpkg_build.source.source_facts import facts_of_source

Call = tuple[str, str | list[str]]
SAVE: Call = ("save_module", "own")
LINE = re.compile(r"(?:exporter\.)?(?P<policy>\w+)\((?P<include>[^)]*)\),?  # .+")
FAST = f"fast{EXTENSION_SUFFIXES[0]}"

CASES: list[tuple[str, list[Call]]] = [
    ("import lib.a", []),
    ("import dist.a", []),
    ("import compiled", []),
    ("import lib.a", [("deny", "**")]),
    ("import lib.a, lib.b", [("deny", "lib.a"), ("intern", "lib.**")]),
    ("import subprocess", [("deny", "subprocess")]),
    (f"import lib.{FAST.partition('.')[0]}", [("intern", "lib.**")]),
    ("import old", [("intern", "**")]),
    ("import bad", [("intern", "**")]),
    ("import absent.deep", []),
    ("import absent", [("deny", "absent.**")]),
    ("from lib.nowhere import x", [("intern", "lib.**")]),
]


@pytest.fixture
def library(project):
    for name in ("lib.__init__", "lib.a", "lib.b", "dist.__init__", "dist.a", "compiled"):
        project.module(name)
    project.module("bad", "def (\n")
    for name, record in (("dist", "dist/a.py,,\n"), ("compiled", "compiled.py,,\ncompiled_core.so,,\n")):
        (project.root / f"{name}-1.dist-info").mkdir()
        (project.root / f"{name}-1.dist-info" / "RECORD").write_text(record)
    (project.root / "lib" / FAST).touch()
    (project.root / "old.pyc").touch()
    return project


def exporter_of(calls: list[Call]) -> PackageExporter:
    exporter = PackageExporter(io.BytesIO())
    for method, *arguments in calls:
        getattr(exporter, method)(*arguments)
    return exporter


def broken_by(calls: list[Call]):
    """The first broken module of an export; all others have the same fix."""
    with pytest.raises(PackagingError) as caught:
        exporter_of(calls).close()
    first, *others = caught.value.broken
    assert {broken.fix for broken in others} <= {first.fix}
    return first


def ways_of(advice: str) -> list[Call]:
    """The rules that an advice names, each as a call."""
    lines = [LINE.fullmatch(line.strip()) for line in advice.splitlines()[1:]]
    assert all(lines), advice
    return [(line["policy"], re.findall(r'"(.*?)"', line["include"])) for line in lines]


@pytest.mark.parametrize(("source", "calls"), CASES)
def test_a_fix_that_is_followed_mends_the_package(library, source, calls):
    library.module("own", f"{source}\n")
    broken = broken_by([*calls, SAVE])
    (place,) = [
        i for i, (policy, _) in enumerate(calls) if f"exporter.{policy}(" in broken.fix.splitlines()[0]
    ] or [0]
    for way in ways_of(broken.fix):
        exporter_of([*calls[:place], way, *calls[place:], SAVE]).close()


@pytest.mark.parametrize(("source", "calls"), CASES)
def test_a_build_advises_the_same(library, tmp_path, source, calls):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "own.py").write_text(library.module("own", f"{source}\n").read_text())
    rules = [
        PolicyRule(policy=Policy(policy), include=(include,), allow_empty=True) for policy, include in calls
    ]
    own = DeclaredModule(label=Label("", "own.py"), module="own", path="own.py", owner=Label("", "own"))
    finder = ModuleFinder(
        tree=SourceTree(),
        workspace_modules=[own],
        workspace_root=str(workspace),
        search_path=[os.path.dirname(os.__file__), str(library.root)],
    )
    with pytest.raises(GroupedError) as caught:
        close_over(
            [Root(source="//:own", module="own", kind=EdgeKind.DECLARED)],
            [PolicyRule(policy=Policy.INTERN, include=("own",)), *rules],
            finder,
            Reading(),
            target="//:own",
        )
    (error,) = caught.value.errors
    assert ways_of(error.next_step) == ways_of(broken_by([*calls, SAVE]).fix)


class Reading:
    """Facts as a build reads them, of files."""

    def facts_of(self, modules):
        for module in modules:
            with open(module.path, "rb") as file:
                yield facts_of_source(file.read())


@pytest.mark.parametrize("name", ["lib.fast", "old"])
def test_what_was_saved_and_cannot_be_packed_is_better_only_named(library, name):
    broken = broken_by([("save_module", name)])
    assert broken.fix.startswith("name it in add_dependency instead of saving it, and call")
    for way in ways_of(broken.fix):
        exporter_of([way, ("add_dependency", name)]).close()


def test_a_rule_without_a_module_is_told_with_the_spelling_meant(library):
    exporter = PackageExporter(io.BytesIO())
    exporter.intern("libb.**", allow_empty=False)
    exporter.save_module("lib.a")
    with pytest.raises(EmptyMatchError) as caught:
        exporter.close()
    assert caught.value.next_step == 'did you mean "lib.**"?'


def test_the_place_of_a_syntax_error_is_told(library):
    library.module("own", "import bad\n")
    broken = broken_by([("intern", "**"), SAVE])
    assert str(broken.location).startswith("bad.py:1")
    assert "def (" in dict(broken.context)["problem"]


def test_of_several_things_the_calls_that_settle_all_are_given(library):
    library.module("own", "import lib.a, lib.fast, absent\n")
    calls = [("intern", "own"), ("deny", "**")]
    with pytest.raises(PackagingError) as caught:
        exporter_of([*calls, SAVE]).close()
    told = str(caught.value)
    assert "settle all of it" in told
    exporter = PackageExporter(io.BytesIO())
    for line in told.splitlines():
        if line.startswith("    exporter.") and "# " not in line:
            eval(line.strip(), {"exporter": exporter})
    exporter.save_module("own")
    exporter.close()
    assert "lib.a" in exporter.interned_modules()
    assert "absent" in exporter.externed_modules()

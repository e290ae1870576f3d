"""Queries after edits: what is kept and brought up to date answers as what is made anew does."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.analysis.import_resolution import Resolver
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.queries import import_walk, kept_imports, module_table
from hermpkg_build.engine.queries.graph_files import GraphFiles
from hermpkg_build.engine.queries.import_graph import ImportGraph
from hermpkg_build.engine.queries.module_table import ModuleTable
from hermpkg_build.engine.queries.opening import QueryGraphs, QueryPlace
from hermpkg_build.engine.queries.package_record import PackageRecord
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.query.evaluation import answer
from hermpkg_build.query.formats import Asked, as_json

DEFS = 'load("@hermpkg//rules:defs.bzl", "model", "model_package", "python_modules")\n'
PUBLIC = 'visibility = ["//visibility:public"]'
MACROS = DEFS + (
    "def library(name, deps = []):\n"
    '    srcs = native.glob(["**/*.py"], allow_empty = True)\n'
    f"    python_modules(name = name, srcs = srcs, deps = deps, {PUBLIC})\n"
)
FOLDERS = ("a", "b", "b/inner", "src/a", "tools")
STEMS = ("one", "two", "three", "__init__")
TEXT = "deps(//...) + //...:*"
ASKED = {False: TEXT, True: f"{TEXT} + @python//..."}
"""All that there is, of targets and of modules too."""


class World:
    """A workspace, a folder of installed modules beside it, and random edits of both."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.site = root / "work é", root / "site-packages"
        self._chance = random.Random(seed)
        self._clock = 1_000_000_000
        self.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src", ""]\n')
        self.write("tools/BUILD", "")
        self.write("tools/macros.bzl", MACROS)
        for folder in ("a", "b", "src"):
            self._write_build(folder)
        for _ in range(6):
            self._add()
        for name in ("lib/__init__.py", "lib/parts.py", "solo.py"):
            self.write(f"../site-packages/{name}", self._source())

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self._clock += 7
        os.utime(path, (self._clock, self._clock))

    def edit(self) -> str:
        kinds: list[Callable[[], str]] = [
            self._add,
            self._add,
            self._remove,
            self._rename,
            self._change,
            self._change,
            self._change_build,
            self._change_macros,
            self._reinstall,
            self._fold,
        ]
        return self._chance.choice(kinds)()

    def _name(self) -> str:
        """The name of a module that may be there or not, of the workspace or installed."""
        tops = ("a", "b", "b.inner", "tools", "lib", "lib.parts", "solo", "json", "src.a")
        top, stem = self._chance.choice(tops), self._chance.choice((*STEMS[:3], "parts", ""))
        return f"{top}.{stem}" if stem else top

    def _source(self) -> str:
        lines = []
        for _ in range(self._chance.randint(0, 3)):
            name, names = self._name(), self._chance.choice(("*", "one", "two, three", "missing", "parts"))
            lines.append(
                self._chance.choice(
                    (
                        f"import {name}",
                        f"from {name} import {names}",
                        "from . import one",
                        "from .two import x",
                    )
                )
            )
        if self._chance.random() < 0.3:
            lines.append(f"__all__ = {self._chance.sample(['one', 'two', 'parts', 'three'], 2)}")
        if self._chance.random() < 0.1:
            lines.append('import sys\nsys.modules[__name__ + ".one"] = sys')
        if self._chance.random() < 0.05:
            lines.append("def broken(:")
        return "\n".join(lines) + "\n"

    def _files(self, top: Path) -> list[Path]:
        return sorted(path for path in top.rglob("*.py") if "hermpkg-out" not in path.parts)

    def _one(self) -> Path | None:
        found = self._files(self.root)
        return self._chance.choice(found) if found else None

    def _add(self) -> str:
        name = f"{self._chance.choice(FOLDERS)}/{self._chance.choice(STEMS)}.py"
        self.write(name, self._source())
        return f"wrote {name}"

    def _remove(self) -> str:
        path = self._one()
        if path is not None:
            path.unlink()
        return f"removed {path}"

    def _rename(self) -> str:
        path, name = self._one(), f"{self._chance.choice(FOLDERS)}/{self._chance.choice(STEMS)}.py"
        if path is not None:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(self.root / name)
        return f"renamed {path} to {name}"

    def _change(self) -> str:
        path = self._one()
        if path is not None:
            self.write(str(path.relative_to(self.root)), self._source())
        return f"changed {path}"

    def _fold(self) -> str:
        path = self._one()
        if path is not None and path.stem != "__init__":
            text = path.read_text(encoding="utf-8")
            path.unlink()
            self.write(str((path.with_suffix("") / "__init__.py").relative_to(self.root)), text)
        return f"made a package of {path}"

    def _change_build(self) -> str:
        folder = self._chance.choice(("a", "b", "b/inner", "src", "src/a"))
        if folder in ("b/inner", "src/a") and (self.root / folder / "BUILD").exists():
            (self.root / folder / "BUILD").unlink()
            return f"removed {folder}/BUILD"
        return self._write_build(folder)

    def _write_build(self, folder: str) -> str:
        others = [each for each in ("a", "b", "src") if each != folder]
        deps = [f"//{each}:code" for each in others if self._chance.random() < 0.3 and each > folder]
        asked = sorted({self._name(), self._name()})
        text = f'{DEFS}load("//tools:macros.bzl", "library")\nlibrary(name = "code", deps = {deps})\n'
        if self._chance.random() < 0.5:
            text += f'model_package(name = "packed", modules = {asked}, deps = [":code"])\n'
        self.write(f"{folder}/BUILD", text.replace("'", '"'))
        return f"wrote {folder}/BUILD"

    def _change_macros(self) -> str:
        pattern = self._chance.choice(("**/*.py", "*.py", "**/t*.py"))
        self.write("tools/macros.bzl", MACROS.replace("**/*.py", pattern))
        return f"macros glob {pattern}"

    def _reinstall(self) -> str:
        name = self._chance.choice(("lib/__init__.py", "lib/parts.py", "lib/one.py", "solo.py", "a/two.py"))
        path = self.site / name
        if path.exists() and self._chance.random() < 0.4:
            path.unlink()
            return f"uninstalled {name}"
        self.write(f"../site-packages/{name}", self._source())
        return f"installed {name}"


class NoFiles(GraphFiles):
    """Files of which there are none."""

    def load(self, *_: object) -> None:
        return None

    def save(self, *_: object) -> None:
        return None


class Anew(QueryGraphs):
    """Graphs that know nothing of earlier queries."""

    def __init__(self, place: QueryPlace) -> None:
        super().__init__(place)
        self._files = NoFiles(place.workspace)


def place_of(root: Path) -> QueryPlace:
    return QueryPlace(
        workspace=find_workspace(str(root)),
        directory=str(root),
        cache_directory=os.environ["HERMPKG_CACHE_DIR"],
        jobs=1,
        observer=BuildObserver(),
    )


def ask(graphs: type[QueryGraphs], root: Path, *, modules: bool = True) -> Any:
    """The answer as JSON with the messages of what is wrong, whose order is that of the walk."""
    with closing(graphs(place_of(root))) as opened:
        graph = opened.modules() if modules else opened.targets()
        found = answer(ASKED[modules], graph)
        return as_json(Asked(answer=found, graph=graph)), sorted(error.render() for error in found.problems)


@pytest.fixture(params=["signatures", "digests"])
def told_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether changes are seen by signatures alone, or by reading what has only just been written."""
    if request.param == "signatures":
        monkeypatch.setattr("hermpkg_build.disk.source_tree.is_settled", lambda *_: True)
    return str(request.param)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site-packages")])
    return tmp_path


def differing(folder: Path, seeds: Sequence[int], edits: int = 6) -> list[str]:
    """What is not as it is for a query that knows nothing, after each of some edits."""
    found: list[str] = []
    for seed in seeds:
        world = World(folder, seed)
        ask(QueryGraphs, world.root)
        told: list[str] = []
        for _ in range(edits):
            told.append(world.edit())
            found += [
                f"seed {seed}, modules {modules}: {', '.join(told)}"
                for modules in (False, True)
                if ask(QueryGraphs, world.root, modules=modules) != ask(Anew, world.root, modules=modules)
            ]
        shutil.rmtree(world.root)
        shutil.rmtree(world.site)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_answers_after_any_edits_are_those_of_a_query_that_knows_nothing(
    installed: Path, seed: int, told_by: str
) -> None:
    assert differing(installed, [seed]) == []


LIBRARY = 'load("//tools:macros.bzl", "library")\nlibrary(name = "code")\n'
TWO = {"BUILD": LIBRARY, "two.py": ""}
SCENARIOS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "what a star imports": (
        {
            "a/one.py": "from a import *\n",
            "a/__init__.py": '__all__ = ["two"]\n',
            "a/two.py": "",
            "a/six.py": "",
        },
        {"a/__init__.py": '__all__ = ["six"]\n'},
    ),
    "a folder that hides an installed package": (
        {"a/one.py": "import lib.parts\n", "lib/BUILD": LIBRARY},
        {"lib/other.py": ""},
    ),
    "a module that code registers": (
        {"a/one.py": "import a.deep.made\n", "a/deep/__init__.py": "sys.modules['a.deep.made'] = 1\n"},
        {"a/deep/__init__.py": "pass\n"},
    ),
    "what lies in a module that code registers": (
        {
            "a/one.py": "import a.deep.made\n",
            "a/two.py": "import a.deep.made.more\n",
            "a/deep/__init__.py": "sys.modules['a.deep.made'] = 1\n",
        },
        {"a/two.py": "\nimport a.deep.made.more\n"},
    ),
    "what nothing leads to any more": ({"a/one.py": "import lib.parts\n"}, {"a/one.py": ""}),
    "a module that was missing": ({"a/one.py": "from a import two\n"}, {"a/two.py": ""}),
    "what two files have": (
        {
            "a/BUILD": LIBRARY.replace('"code"', '"code", deps = ["//src:code"]'),
            "a/one.py": "import two\n",
            **{f"{folder}/{file}": text for folder in ("b", "src") for file, text in TWO.items()},
        },
        {"a/BUILD": LIBRARY.replace('"code"', '"code", deps = ["//b:code"]')},
    ),
    "a macro": ({"a/one.py": ""}, {"tools/macros.bzl": MACROS.replace("**/*.py", "t*.py")}),
}
BROKEN = {
    "what a star imports": (kept_imports, "_starring", lambda *_: set()),
    "a folder that hides an installed package": (module_table, "_folders", lambda _: set()),
    "a module that code registers": (kept_imports, "_names_decided_by", lambda *_: set()),
    "what lies in a module that code registers": (Resolver, "_settled", Resolver.verdict),
    "what nothing leads to any more": (ImportGraph, "_pruned", lambda self, _: self),
    "a module that was missing": (ImportGraph, "mentioning", lambda *_: set()),
    "what two files have": (ModuleTable, "moved", lambda *_: (set(), set())),
    "a macro": (PackageRecord, "depends_on", lambda *_: False),
}
"""For each scenario a part that brings kept graphs up to date, as it must not be."""


def scenario(folder: Path, name: str) -> bool:
    """Whether the answer after an edit is that of a query that knows nothing."""
    world = World(folder, 0)
    shutil.rmtree(world.root)
    before, after = SCENARIOS[name]
    roots = 'source-roots = ["", "a", "src", "b"]' if name == "what two files have" else ""
    start = {"pyproject.toml": f"[tool.hermpkg]\n{roots}\n", "tools/macros.bzl": MACROS, "tools/BUILD": ""}
    for path, text in {**start, "a/BUILD": LIBRARY, **before}.items():
        world.write(path, text)
    for path in ("lib/__init__.py", "lib/parts.py"):
        world.write(f"../site-packages/{path}", "")
    modules = name != "a macro"
    first = ask(QueryGraphs, world.root, modules=modules)
    for path, text in after.items():
        world.write(path, text)
    expected = ask(Anew, world.root, modules=modules)
    assert expected != first
    return bool(ask(QueryGraphs, world.root, modules=modules) == expected)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_keeper_that_overlooks_something_is_found_out(
    installed: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scenario(installed, name)
    place, what, broken = BROKEN[name]
    monkeypatch.setattr(place, what, broken)
    with contextlib.suppress(KeyError):  # A target that is not known any more is one way to be found out.
        assert not scenario(installed, name)


def test_only_what_an_edit_concerns_is_read_again(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(installed, 1)
    world.write("a/one.py", "import json\n")
    ask(QueryGraphs, world.root)
    read: list[str] = []
    follow = import_walk._Part.facts_of

    def noted(part: import_walk._Part, modules: Any) -> Any:
        found = follow(part, modules)
        read.extend(source.shown for source, _ in part.read.values())
        return found

    monkeypatch.setattr(import_walk._Part, "facts_of", noted)
    world.write("a/one.py", "import csv\n")
    monkeypatch.setattr(QueryGraphs, "_table", None)  # No BUILD file is loaded either.
    ask(QueryGraphs, world.root)
    assert read == ["a/one.py"]


def test_what_running_python_leaves_behind_is_no_change(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermpkg_build.disk.source_tree.is_settled", lambda *_: True)
    world = World(installed, 2)
    world.write("a/one.py", "import lib.parts\n")
    first = ask(QueryGraphs, world.root)
    for folder in (world.root / "a", world.root, world.site, world.site / "lib"):
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__/one.pyc").touch()
    monkeypatch.setattr(QueryGraphs, "_read_imports", None)
    assert ask(QueryGraphs, world.root) == first
    looked: list[str] = []
    entries = SourceTree.entries
    monkeypatch.setattr(SourceTree, "entries", lambda self, path: looked.append(path) or entries(self, path))
    with closing(QueryGraphs(place_of(world.root))) as graphs:
        graphs.modules()
    assert [path for path in looked if path.startswith(str(installed))] == []


def test_a_kept_file_that_is_damaged_is_made_again(installed: Path) -> None:
    world = World(installed, 2)
    folder = world.root / "hermpkg-out/.hermpkg/queries"
    ask(QueryGraphs, world.root)
    names = sorted(path.name for path in folder.iterdir())
    assert [name.partition("-")[0] for name in names] == ["modules", "notes", "targets"]
    for name in names:
        data = (folder / name).read_bytes()
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        for number, damaged in enumerate((b"", data[: len(data) // 2], flipped, b"{}\n")):
            (folder / name).write_bytes(damaged)
            world.write("a/one.py", f"import json, lib.parts{number}\n")
            assert ask(QueryGraphs, world.root) == ask(Anew, world.root)


def test_notes_of_another_graph_are_not_believed(installed: Path) -> None:
    world = World(installed, 3)
    ask(QueryGraphs, world.root)
    notes = next((world.root / "hermpkg-out/.hermpkg/queries").glob("notes-*"))
    before = notes.read_bytes()
    world.write("a/three.py", "import json\n")
    ask(QueryGraphs, world.root)
    notes.write_bytes(before)
    world.write("a/three.py", "import csv\n")
    assert ask(QueryGraphs, world.root) == ask(Anew, world.root)


def test_answers_are_recalled_until_something_changes(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermpkg_build.disk.source_tree.is_settled", lambda *_: True)
    world = World(installed, 2)
    world.write("a/one.py", "import json\n")

    def recalled(text: str, *, modules: bool, answers: Sequence[str] = ()) -> list[str] | None:
        with closing(QueryGraphs(place_of(world.root))) as graphs:
            if answers:
                assert answer(text, graphs.modules() if modules else graphs.targets()).labels
                graphs.remember([text], answers, modules=modules)
                return None
            return graphs.recall([text], modules=modules)

    recalled("//...", modules=True, answers=["made while sources were read: not kept"])
    assert recalled("//...", modules=True) is None
    for modules in (True, False):
        recalled("//...", modules=modules, answers=["one", "two"])
        assert recalled("//...", modules=modules) == ["one", "two"]
        assert recalled("//a:all", modules=modules) is None
    world.write("a/one.py", "import csv\n")
    assert recalled("//...", modules=True) is None
    assert recalled("//...", modules=False) == ["one", "two"]
    world.write("a/BUILD", "")
    assert recalled("//...", modules=False) is None
    for number in range(30):
        with closing(QueryGraphs(place_of(world.root))) as graphs:
            graphs.targets().matching("//a:all" if number else "//...")
            graphs.remember([str(number)], ["x"], modules=False)
    assert len(list((world.root / "hermpkg-out/.hermpkg/queries").glob("answer-*"))) == 20


def test_graphs_of_pythons_that_are_no_longer_used_are_forgotten(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(installed, 2)
    for number in range(6):
        monkeypatch.setattr(sys, "path", [*sys.path, str(installed / str(number))])
        ask(QueryGraphs, world.root)
    names = [path.name for path in (world.root / "hermpkg-out/.hermpkg/queries").iterdir()]
    assert sorted(name.partition("-")[0] for name in names) == sorted(["modules", "notes", "targets"] * 4)

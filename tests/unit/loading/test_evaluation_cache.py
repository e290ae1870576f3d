"""The cache of evaluated BUILD files: what it saves, and that it changes nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermpkg_build.core.label import Label, LabelsInPackage
from hermpkg_build.core.target import ATTRIBUTES, BuildFile, ModelPackage, RuleTarget
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.requested import load_requested
from hermpkg_build.store.action_cache import ActionCache

if TYPE_CHECKING:
    from conftest import WorkspaceFiles

BUILD = """
load("//tools:m.bzl", "POLICY", "art")
package(default_visibility = ["//q:__subpackages__"])
exports_files(["x.txt"])
python_modules(name = "lib", srcs = glob(["**/*.py"]), resources = glob(["*.none"], allow_empty = True))
ARGS = {"z": 1, "a": [{"k": None}], "t": (True, 1.5)}
model(name = "net", factory = "p.a:f", args = ARGS, weights = "w.pt")
OWN = intern("p.**", exclude = ["p.x"], allow_empty = True)
[art(name = "art%d" % n, policy = POLICY + [OWN]) for n in range(2)]
package_test(name = "check", package = ":art0", main = "a.py", env = {"B": "1", "A": "2"}, tags = ["manual"])
print("a message")
"""
BZL = """\
load("@hermpkg//rules:defs.bzl", "deny", "model_package")
load(":n.bzl", "PATTERN")
POLICY = [deny(PATTERN)]
def art(name, policy):
    models = {"b/x.pkl": ":net", "a/x.pkl": "//r:net"}
    model_package(name = name, policy = policy, models = models, sources = {"m": "é"})
"""


@pytest.fixture
def cached(files: WorkspaceFiles) -> WorkspaceFiles:
    files.build("p", BUILD)
    files.write("tools/BUILD")
    files.write("tools/m.bzl", BZL)
    files.write("tools/n.bzl", 'PATTERN = "os"\n')
    files.write("p/a.py")
    files.write("p/sub/b.py")
    return files


class CountingCache(ActionCache):
    """Counts the evaluations that were stored."""

    puts = 0

    def put(self, key, result) -> None:  # type: ignore[no-untyped-def]
        self.puts += 1
        super().put(key, result)


def load(files: WorkspaceFiles, tmp_path: Path) -> tuple[BuildFile, bool]:
    """The file of package p, and whether it was evaluated."""
    cache = CountingCache(str(tmp_path / "cache"))
    return files.loader(cache).build_file("p"), cache.puts > 0


def exact(file: BuildFile) -> object:
    """All of a file, with what takes no part in equality, and with the order of everything."""

    def show(target: RuleTarget) -> object:
        places = [rule.location for rule in target.policy] if isinstance(target, ModelPackage) else []
        values = [getattr(target, attribute.name) for attribute in ATTRIBUTES[type(target)]]
        return (
            target.label,
            target.rule,
            [list(value.items()) if isinstance(value, dict) else value for value in values],
            target.visibility,
            target.tags,
            target.location,
            places,
        )

    return [
        file.package,
        file.path,
        [(name, show(target)) for name, target in file.targets.items()],
        list(file.exports.items()),
        file.messages,
    ]


def test_of_files_that_nobody_asks_for_no_label_is_made(
    files: WorkspaceFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.build("p", 'python_modules(name = "lib", srcs = glob(["*.py"]), resources = glob(["d/*.txt"]))\n')
    files.write("p/d/w.txt")
    for number in range(30):
        files.write(f"p/m{number}.py")
    made: list[str] = []
    make = LabelsInPackage.made

    def counted(labels: LabelsInPackage, at: int) -> Label:
        made.append(labels.names[at])
        return make(labels, at)

    monkeypatch.setattr(LabelsInPackage, "made", counted)
    for cache in ("new", "known"):
        made.clear()
        loader = files.loader(ActionCache(str(tmp_path / "cache")))
        load_requested(loader, ["//p:lib"])
        assert made == ["d/w.txt"], cache


def test_a_cached_file_cannot_be_told_from_a_fresh_one(cached: WorkspaceFiles, tmp_path: Path) -> None:
    fresh, evaluated = load(cached, tmp_path)
    assert evaluated
    told = list(cached.messages)
    known, evaluated = load(cached, tmp_path)
    assert not evaluated
    assert exact(known) == exact(fresh)
    assert repr(known) == repr(fresh)
    assert cached.messages == told * 2


@pytest.mark.parametrize(
    "edit",
    [
        lambda f: f.write("p/BUILD", (f.root / "p" / "BUILD").read_text() + "\n"),
        lambda f: f.write("tools/m.bzl", BZL + "\n"),
        lambda f: f.write("tools/n.bzl", 'PATTERN = "sys"\n'),
        lambda f: f.write("p/new.py"),
        lambda f: f.write("p/sub/deep/new.py"),
        lambda f: f.write("p/sub/BUILD"),
        lambda f: f.write("p/some.none"),
        lambda f: (f.root / "p" / "sub" / "b.py").unlink(),
        lambda f: (f.root / "p" / "BUILD").rename(f.root / "p" / "BUILD.bazel"),
    ],
)
def test_what_changes_a_file_is_noticed(
    cached: WorkspaceFiles, tmp_path: Path, edit: Callable[[WorkspaceFiles], object]
) -> None:
    load(cached, tmp_path)
    edit(cached)
    known, evaluated = load(cached, tmp_path)
    assert evaluated
    assert exact(known) == exact(cached.file("p"))


@pytest.mark.parametrize(
    "edit",
    [
        lambda f: f.write("p/a.py", "changed = 1\n"),
        lambda f: f.write("p/other.txt"),
        lambda f: f.write("q/BUILD"),
        lambda f: f.write("tools/other.bzl", "broken ("),
        lambda f: (f.root / "p" / "BUILD").touch(),
        lambda f: f.root.rename(f.root.parent / "moved") and setattr(f, "root", f.root.parent / "moved"),
    ],
)
def test_what_does_not_change_a_file_costs_no_evaluation(
    cached: WorkspaceFiles, tmp_path: Path, edit: Callable[[WorkspaceFiles], object]
) -> None:
    fresh, _ = load(cached, tmp_path)
    edit(cached)
    known, evaluated = load(cached, tmp_path)
    assert not evaluated
    assert exact(known) == exact(fresh)


def test_going_back_finds_the_old_result(cached: WorkspaceFiles, tmp_path: Path) -> None:
    load(cached, tmp_path)
    text = (cached.root / "p" / "BUILD").read_text()
    cached.write("p/BUILD", text + "\n")
    load(cached, tmp_path)
    cached.write("p/BUILD", text)
    _, evaluated = load(cached, tmp_path)
    assert not evaluated


@pytest.mark.parametrize(
    "edit",
    [
        lambda f: (f.root / "tools" / "n.bzl").unlink(),
        lambda f: (f.root / "tools" / "BUILD").unlink(),
        lambda f: [path.unlink() for path in (f.root / "p").rglob("*.py")],
        lambda f: f.write("p/BUILD", "broken ("),
    ],
)
def test_errors_are_found_in_spite_of_the_cache(
    cached: WorkspaceFiles, tmp_path: Path, edit: Callable[[WorkspaceFiles], object]
) -> None:
    load(cached, tmp_path)
    edit(cached)
    for _ in range(2):
        with pytest.raises(HermpkgError) as caught:
            load(cached, tmp_path)
        with pytest.raises(HermpkgError) as uncached:
            cached.file("p")
        assert str(caught.value) == str(uncached.value)


def test_damaged_entries_are_misses(cached: WorkspaceFiles, tmp_path: Path) -> None:
    class Damaged(CountingCache):
        def get(self, key):  # type: ignore[no-untyped-def]
            result = super().get(key)
            if result is None:
                return None
            text = json.dumps(result.facts)
            facts = json.loads(text.replace("model_package", "no_such_rule").replace("targets", "t"))
            return type(result)(outputs={}, facts=facts)

    fresh, _ = load(cached, tmp_path)
    cache = Damaged(str(tmp_path / "cache"))
    assert exact(cached.loader(cache).build_file("p")) == exact(fresh)
    assert cache.puts


def test_errors_of_labels_point_into_cached_files_too(cached: WorkspaceFiles, tmp_path: Path) -> None:
    def errors() -> list[str]:
        loader = cached.loader(CountingCache(str(tmp_path / "cache")))
        return [str(error) for error in cached.errors(lambda: load_requested(loader, ["//p:all"]))]

    fresh = errors()
    assert any("p/BUILD:7:" in error and "^" in error for error in fresh)
    assert errors() == fresh


def test_a_cached_load_imports_no_interpreter(cached: WorkspaceFiles, tmp_path: Path) -> None:
    load(cached, tmp_path)
    program = (
        "import sys\n"
        "from hermpkg_build.loading.loader import Loader\n"
        "from hermpkg_build.loading.workspace import find_workspace\n"
        "from hermpkg_build.store.action_cache import ActionCache\n"
        "from hermpkg_build.disk.source_tree import SourceTree\n"
        "loader = Loader(find_workspace(sys.argv[1]), SourceTree(), ActionCache(sys.argv[2]))\n"
        "print(len(loader.build_file('p').targets))\n"
        "print([m for m in ('starlark', 'packaging', 'torch', 'difflib') if m in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(cached.root), str(tmp_path / "cache")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert result.stdout.splitlines() == ["5", "[]"]
    assert result.stderr == "DEBUG: p/BUILD:11:1: a message\n"

"""The law above the rest: for every edit, an incremental build gives the same bytes as a clean build.

Random workspaces are edited at random. After each edit the workspace is built twice: again where
it is, with its caches and outputs, by the same way the command line takes; and as a copy elsewhere,
with empty caches. Bytes, or else the errors, must be equal. A rebuilder that ignores an input
must break the law, or the test would prove nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.environment import BuildEnvironment
from hermpkg_build.engine.opening import MakeRebuilder
from hermpkg_build.engine.rebuilder import CachingRebuilder, InputState
from hermpkg_build.factories.request import ObservedFiles
from hermpkg_build.store.action_cache import ActionResult
from tests.property.incremental_builds import Difference, Way, first_difference, quick_clock

MODULES = ("a", "b", "c", "sub.d", "sub.e")
SUB_BUILD = """
load("@hermpkg//rules:defs.bzl", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]), visibility = ["//pkg:__pkg__"])
"""


@dataclass
class Sources:
    """The state of a workspace as a value: what `write` puts on disk."""

    imports: dict[str, frozenset[str]] = field(default_factory=dict)
    comments: dict[str, int] = field(default_factory=dict)
    roots: tuple[str, ...] = ("a",)
    policy: str = "intern"
    resource: int = 0
    patched: int = 0
    init: bool = True
    python_version: str = "3.11"
    prefix: str = "data"
    sub_build: str = "none"
    data: str = "none"
    linked: int = 0
    same_times: bool = False

    def files(self) -> dict[str, str | Path]:
        """What there is by path: texts, and targets of symbolic links."""
        files: dict[str, str | Path] = {
            "pyproject.toml": "[tool.hermpkg]\n",
            "pkg/BUILD": self._build(),
            "pkg/r.txt": f"{self.resource}",
            "tools/BUILD": "",
            "tools/prefix.bzl": f'load(":inner.bzl", "INNER")\nPREFIX = INNER + "{self.prefix}"\n',
            "tools/inner.bzl": f'INNER = "{self.prefix[:1]}"\n',
            "elsewhere/0.py": "import json\n",
            "elsewhere/1.py": "import csv\n",
            "pkg/linked.py": Path("../elsewhere", f"{self.linked}.py"),
        }
        if self.data != "none":
            files["pkg/data" if self.data == "file" else "pkg/data/inner"] = "text"
        if self.sub_build != "none":
            files["pkg/sub/BUILD"] = SUB_BUILD if self.sub_build == "target" else ""
        if self.init:
            files["pkg/__init__.py"] = ""
            files["pkg/sub/__init__.py"] = ""
        for name, imported in self.imports.items():
            lines = [
                f"# {self.comments.get(name, 0)}",
                *(f"import pkg.{other}" for other in sorted(imported)),
                *(["import pkg.linked"] if name == "a" else []),
            ]
            files[f"pkg/{name.replace('.', '/')}.py"] = "\n".join([*lines, "import json", ""])
        return files

    def _build(self) -> str:
        roots = ", ".join(f'"pkg.{root}"' for root in self.roots)
        return f"""
load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", "model_package", "python_modules")
load("//tools:prefix.bzl", "PREFIX")
python_modules(
    name = "modules",
    srcs = glob(["**/*.py"], allow_empty = True),
    resources = glob(["data/**"], allow_empty = True),
)
model_package(
    name = "out",
    deps = [":modules"{', "//pkg/sub:modules"' if self.sub_build == "target" else ""}],
    python_version = "{self.python_version}",
    modules = [{roots}],
    policy = [
        {self.policy}("pkg.sub.**", allow_empty = True),
        intern("pkg.**", allow_empty = True),
        deny("**", allow_empty = True),
    ],
    resources = {{PREFIX + "/r.txt": "r.txt"}},
    {self._sources()},
)
"""

    def _sources(self) -> str:
        return f'sources = {{"pkg.patch": "x = {self.patched}\\n"}}' if self.patched else "sources = {}"

    def write(self, root: str) -> None:
        """Make `root` hold exactly this, touching only what differs."""
        files = self.files()
        for folder, _, names in os.walk(root, topdown=False):
            if "hermpkg-out" in folder:
                continue
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), root)
                if path not in files:
                    os.unlink(os.path.join(root, path))
            if not os.listdir(folder) and folder != root:
                os.rmdir(folder)
        for path, content in files.items():
            target = Path(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                if not target.is_symlink() or target.readlink() != content:
                    target.unlink(missing_ok=True)
                    target.symlink_to(content)
            elif not target.exists() or target.read_text() != content:
                target.write_text(content)
                if self.same_times:
                    os.utime(target, (1_000_000_000, 1_000_000_000))


names = st.sampled_from(MODULES)


def swap(sources: Sources, one: str, other: str) -> None:
    """Let two modules change places."""
    for values in (sources.imports, sources.comments):
        held = {name: values.pop(name) for name in (one, other) if name in values}
        for name, value in held.items():
            values[other if name == one else one] = value


def setting(field: str, *values: object) -> st.SearchStrategy[Callable[[Sources], object]]:
    return st.sampled_from(values).map(lambda value: lambda s: setattr(s, field, value))


EDITS: dict[str, st.SearchStrategy[Callable[[Sources], object]]] = {
    "imports": st.tuples(names, st.frozensets(names, max_size=3)).map(
        lambda t: lambda s: s.imports.__setitem__(t[0], t[1])
    ),
    "remove": names.map(lambda n: lambda s: s.imports.pop(n, None)),
    "comment": st.tuples(names, st.integers(0, 3)).map(
        lambda t: lambda s: s.comments.__setitem__(t[0], t[1])
    ),
    "roots": st.lists(names, min_size=1, max_size=2, unique=True).map(
        lambda r: lambda s: setattr(s, "roots", tuple(r))
    ),
    "policy": setting("policy", "intern", "extern", "mock", "deny"),
    "resource": setting("resource", 0, 1, 2, 3),
    "patch": setting("patched", 0, 1, 2),
    "init": setting("init", True, False),
    "swap": st.tuples(names, names).map(lambda t: lambda s: swap(s, *t)),
    "python version": setting("python_version", "3.11", "3.12"),
    "macro file": setting("prefix", "data", "other"),
    "package below": setting("sub_build", "none", "empty", "target"),
    "folder or file": setting("data", "none", "file", "folder"),
    "link": setting("linked", 0, 1, 2),
    "times": setting("same_times", True, False),
}
edits = st.one_of(*EDITS.values())


def broken_at(
    history: list[Callable[[Any], object]],
    make_rebuilder: MakeRebuilder,
    make_sources: Callable[[], Sources] = lambda: Sources(imports={"a": frozenset({"b"}), "b": frozenset()}),
    ways: list[Way] | None = None,
) -> Difference | None:
    """The first edit after which the incremental and the clean build differ, and what they gave."""

    def states() -> Iterator[Sources]:
        sources = make_sources()
        yield sources
        for edit in history:
            edit(sources)
            yield sources

    return first_difference(
        states(), Sources.write, pattern="//pkg:out", make_rebuilder=make_rebuilder, ways=ways
    )


@pytest.fixture(autouse=True, scope="module")
def _quick_clock() -> Iterator[None]:
    with quick_clock():
        yield


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(st.lists(edits, min_size=1, max_size=6))
def test_incremental_builds_give_the_bytes_of_clean_builds(
    history: list[Callable[[Sources], object]],
) -> None:
    assert broken_at(history, CachingRebuilder) is None


FACTORY = """
import ctypes
import mmap
import os
import sqlite3
import subprocess


def process(path):
    return subprocess.run(["cat", path], capture_output=True, check=True).stdout


def mapped(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        return bytes(memory)


def native(path):
    libc = ctypes.CDLL(None)
    descriptor = libc.open(os.fsencode(path), os.O_RDONLY)
    buffer = ctypes.create_string_buffer(100)
    libc.read(descriptor, buffer, 100)
    libc.close(descriptor)
    return buffer.value


def nothing(path):
    return b""


def make():
    return [READ(os.path.join(os.path.dirname(__file__), name)) for name in NAMES]
"""
READS = ("process", "mapped", "native", "nothing")


@dataclass
class NativelyRead(Sources):
    """A workspace with a model whose factory reads resources by ways that Python cannot see."""

    contents: dict[str, str] = field(default_factory=lambda: {"one.bin": "1", "two.bin": "2"})
    read: str = "process"
    names: tuple[str, ...] = ("one.bin",)
    declared: bool = True

    def files(self) -> dict[str, str | Path]:
        factory = FACTORY.replace("READ", self.read).replace("NAMES", repr(list(self.names)))
        return {
            "pyproject.toml": "[tool.hermpkg]\n",
            "pkg/BUILD": NATIVE_BUILD.replace("RESOURCES", 'glob(["*.bin"])' if self.declared else "[]"),
            "pkg/__init__.py": "",
            "pkg/factory.py": factory,
            **{f"pkg/{name}": content for name, content in self.contents.items()},
        }


NATIVE_BUILD = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]), resources = RESOURCES)
model(name = "words", factory = "pkg.factory:make", deps = [":modules"])
model_package(
    name = "out",
    models = {"m/m.pkl": ":words"},
    policy = [intern("pkg.**", allow_empty = True), deny("**", allow_empty = True)],
    deps = [":modules"],
)
"""
LINUX = sys.platform == "linux"
"""Elsewhere what native code reads is seen only where a target declares it."""
resources = st.sampled_from(("one.bin", "two.bin", "three.bin"))
native_edits: st.SearchStrategy[Callable[[Any], object]] = st.one_of(
    st.tuples(resources, st.sampled_from("123")).map(lambda t: lambda s: s.contents.__setitem__(t[0], t[1])),
    st.sampled_from(READS).map(lambda read: lambda s: setattr(s, "read", read)),
    *([st.booleans().map(lambda yes: lambda s: setattr(s, "declared", yes))] if LINUX else []),
    st.sampled_from((("one.bin",), ("one.bin", "two.bin"), ("two.bin",))).map(
        lambda read: lambda s: setattr(s, "names", read)
    ),
)


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(st.lists(native_edits, min_size=2, max_size=3))
def test_incremental_builds_see_what_native_code_reads(history: list[Callable[[Any], object]]) -> None:
    assert broken_at(history, CachingRebuilder, NativelyRead) is None


LOOKING = """
DOC

BEFORE
import inspect
import linecache
import sys

from pkg import helper


def text():
    return open(helper.__file__).read()


def inspected():
    return inspect.getsource(helper.call)


def line():
    return [sys._getframe().f_lineno, linecache.getline(__file__, 3)]


def traced():
    try:
        return helper.fail()
    except ValueError as error:
        return error.__traceback__.tb_next.tb_lineno


def nothing():
    return [helper.call.__doc__, __doc__]


class Made:
    def __init__(self):
        self.value, self.seen = helper.call(), HOW()


def make():
    return Made()
"""
HELPER = """
BEFORE
def call():
    "DOC"
    return VALUE  # AFTER


def fail():
    # AFTER
    raise ValueError
"""
LOOKS = ("text", "inspected", "line", "traced", "nothing")


@dataclass
class LookedAt(Sources):
    """A workspace with a model whose factory looks at sources, or does not, in the ways that there are."""

    how: str = "nothing"
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    doc: str = "what it is"
    value: int = 1

    def files(self) -> dict[str, str | Path]:
        return {
            "pyproject.toml": "[tool.hermpkg]\n",
            "pkg/BUILD": NATIVE_BUILD.replace("RESOURCES", "[]"),
            "pkg/__init__.py": "",
            "pkg/factory.py": self._filled("factory", LOOKING).replace("HOW", self.how),
            "pkg/helper.py": self._filled("helper", HELPER).replace("VALUE", str(self.value)),
        }

    def _filled(self, name: str, text: str) -> str:
        doc = f'"{self.doc}"' if name == "factory" else self.doc
        given = {"BEFORE": self.before.get(name, ""), "AFTER": self.after.get(name, ""), "DOC": doc}
        for word, value in given.items():
            text = text.replace(word, value)
        return text


two = st.sampled_from(("factory", "helper"))
comments = st.sampled_from(("", "# a comment", "# two\n\n# comments", "\n\n"))
looking_edits: st.SearchStrategy[Callable[[Any], object]] = st.one_of(
    st.tuples(two, comments).map(lambda t: lambda s: s.before.__setitem__(*t)),
    st.tuples(two, st.sampled_from(("", "why", "because"))).map(lambda t: lambda s: s.after.__setitem__(*t)),
    st.sampled_from(LOOKS).map(lambda how: lambda s: setattr(s, "how", how)),
    st.integers(1, 2).map(lambda value: lambda s: setattr(s, "value", value)),
    st.sampled_from(("what it is", "else")).map(lambda doc: lambda s: setattr(s, "doc", doc)),
)


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(st.lists(looking_edits, min_size=2, max_size=4))
def test_incremental_builds_see_what_looks_at_sources(history: list[Callable[[Any], object]]) -> None:
    assert broken_at(history, CachingRebuilder, LookedAt) is None


@pytest.mark.parametrize("how", LOOKS[:-1])
def test_comments_count_where_sources_are_looked_at(how: str) -> None:
    """Each way to look, before an edit that shows in it: what the law would find, were it not so."""
    history: list[Callable[[Any], object]] = [lambda s: s.before.update(factory="# 1\n", helper="# 1\n")]
    ways: list[Way] = []
    assert broken_at(history, CachingRebuilder, lambda: LookedAt(how=how, before={}, after={}), ways) is None
    assert not ways[1].by_look


INSPECTING = """
BEFORE
import inspect

from pkg import helper


class Made:
    def __init__(self):
        self.value, self.seen = helper.call(), inspect.getsource(helper.call) if "HOW" == "inspected" else ""


def make():
    return Made()
"""


@dataclass
class Inspected(LookedAt):
    """A workspace with a model whose factory looks at a source, or does not; no code of it asks for files."""

    def files(self) -> dict[str, str | Path]:
        factory = self._filled("factory", INSPECTING).replace("HOW", self.how)
        return {**super().files(), "pkg/factory.py": factory}


COMMENTED: Callable[[Any], object] = lambda s: (  # noqa: E731
    s.before.update(helper="# 1\n"),
    s.after.update(helper="2"),
)


def test_comments_need_no_build_where_nothing_looks_at_sources() -> None:
    history = [COMMENTED, lambda s: setattr(s, "value", 2), lambda s: s.before.update(helper="\n\n")]
    ways: list[Way] = []
    assert broken_at(history, CachingRebuilder, lambda: Inspected(before={}, after={}), ways) is None
    assert [way.by_look for way in ways] == [False, True, False, True]


def test_forgetting_that_texts_count_breaks_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    def inspected() -> Sources:
        return Inspected(how="inspected", before={}, after={})

    ways: list[Way] = []
    assert broken_at([COMMENTED], CachingRebuilder, inspected, ways) is None
    assert not ways[1].by_look
    monkeypatch.setattr(SourceTree, "files_by_text", lambda _: frozenset())
    broken = broken_at([COMMENTED], CachingRebuilder, inspected)
    assert broken is not None
    assert broken.edit == 1


@pytest.mark.parametrize("how", LOOKS[:-1])
def test_an_observer_that_sees_no_looks_breaks_the_law(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = BuildEnvironment.names_of

    def blind(environment: BuildEnvironment, observed: ObservedFiles) -> list[str]:
        own = tuple(path for path in observed.read if path.startswith(f"{environment.workspace_root}/"))
        read = tuple(path for path in observed.read if path not in own)
        return seen(environment, replace(observed, read=read, code=(*observed.code, *own)))

    monkeypatch.setattr(BuildEnvironment, "names_of", blind)
    history: list[Callable[[Any], object]] = [
        lambda s: (s.before.update(factory="# 1\n", helper="# 1\n"), s.after.update(helper="2"))
    ]
    broken = broken_at(history, CachingRebuilder, lambda: LookedAt(how=how))
    assert broken is not None
    assert broken.edit == 1


class ForgetfulRebuilder(CachingRebuilder):
    """A rebuilder with a bug: it overlooks the inputs whose names end in `suffix`."""

    suffix = ".py"

    def recall(self, action: Action, state: InputState | None = None) -> tuple[Action, ActionResult] | None:
        found = super().recall(self._blinded(action), state)
        return (action, found[1]) if found else None

    def record(
        self, action: Action, result: ActionResult, discovered: Mapping[str, str] | None = None
    ) -> Action:
        super().record(self._blinded(action), result, discovered and self._seen(discovered))
        return action

    def _blinded(self, action: Action) -> Action:
        seen = self._seen(action.inputs)
        return Action(kind=action.kind, version=action.version, subject=action.subject, inputs=seen)

    def _seen(self, inputs: Mapping[str, str]) -> dict[str, str]:
        return {name: text for name, text in inputs.items() if not name.endswith(self.suffix)}


def test_a_rebuilder_that_overlooks_sources_breaks_the_law() -> None:
    history: list[Callable[[Sources], object]] = [lambda s: s.imports.__setitem__("b", frozenset({"a"}))]
    broken = broken_at(history, ForgetfulRebuilder)
    assert broken is not None
    assert broken.edit == 1


class BelievingRebuilder(ForgetfulRebuilder):
    """A rebuilder that believes what Python sees: it overlooks what native code reads, declared or not."""

    suffix = ".bin"


def test_a_rebuilder_that_overlooks_what_native_code_reads_breaks_the_law() -> None:
    broken = broken_at([lambda s: s.contents.__setitem__("one.bin", "9")], BelievingRebuilder, NativelyRead)
    assert broken is not None
    assert broken.edit == 1


class BlindRebuilder(CachingRebuilder):
    """A rebuilder with a worse bug: any result of the same kind will do."""

    def recall(self, action: Action, state: InputState | None = None) -> tuple[Action, ActionResult] | None:
        found = super().recall(Action(kind=action.kind, version=0, subject="", inputs={}), state)
        return (action, found[1]) if found else None

    def record(self, action: Action, result: ActionResult, discovered: object = None) -> Action:
        super().record(Action(kind=action.kind, version=0, subject="", inputs={}), result)
        return action


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(st.integers(1, 3))
def test_a_blind_rebuilder_breaks_the_law(content: int) -> None:
    assert broken_at([lambda s: setattr(s, "resource", content)], BlindRebuilder) is not None

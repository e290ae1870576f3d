"""The graphs of queries: what is kept between them never outlives an edit, and names mean one module."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.queries import opening
from hermpkg_build.engine.queries.opening import QueryGraphs, QueryPlace
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.query.evaluation import answer
from hermpkg_build.query.formats import Asked, as_json

RULES = 'load("@hermpkg//rules:defs.bzl", "model", "model_package", "python_modules")\n'
LIBRARY = (
    RULES + 'python_modules(name = "modules", srcs = glob(["*.py"]), visibility = ["//visibility:public"])\n'
)
FILES = {
    "pyproject.toml": "[tool.hermpkg]\n",
    "app/BUILD": f"""{RULES}load("//tools:macros.bzl", "packed")
python_modules(name = "modules", srcs = glob(["*.py"]), deps = ["//lib:modules"])
model(name = "net", factory = "app.net:make", deps = [":modules"])
packed(name = "app")
""",
    "tools/BUILD": "",
    "tools/macros.bzl": """load("@hermpkg//rules:defs.bzl", "model_package")
def packed(name):
    model_package(name = name, models = {"model/model.pkl": ":net"}, modules = ["lib.tools"])
""",
    "lib/BUILD": LIBRARY,
    "app/net.py": "import json\nfrom lib.tools import double\n",
    "lib/tools.py": "try:\n    import lib.fast as fast\nexcept ImportError:\n    fast = None\n",
    "lib/fast.py": "",
}
EDITS = {
    "a module's text": {"app/net.py": "import lib.fast\n"},
    "a new module": {"lib/more.py": "import json\n"},
    "a BUILD file": {"lib/BUILD": LIBRARY + 'exports_files(["x.txt"])\n'},
    "a new package": {"lib/inner/BUILD": 'exports_files(["x.txt"])\n'},
    "a macro": {"tools/macros.bzl": FILES["tools/macros.bzl"].replace("name = name", 'name = name + "2"')},
    "the settings": {"pyproject.toml": '[tool.hermpkg]\nsource-roots = ["lib", ""]\n'},
    "nothing that shows": {"lib/notes.txt": "x"},
}


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def ask(root: Path, text: str, *, modules: bool = False, cache: str = "") -> Any:
    """The answer as JSON, with the summaries of what is wrong."""
    place = QueryPlace(
        workspace=find_workspace(str(root)),
        directory=str(root),
        cache_directory=cache or os.environ["HERMPKG_CACHE_DIR"],
        jobs=1,
        observer=BuildObserver(),
    )
    with closing(QueryGraphs(place)) as graphs:
        graph = graphs.modules() if modules else graphs.targets()
        found = answer(text, graph)
        return as_json(Asked(answer=found, graph=graph)), [error.summary for error in found.problems]


def edges(root: Path, text: str) -> list[str]:
    value, problems = ask(root, text, modules=True)
    assert not problems
    return [f"{edge['source']} -> {edge['target']}" for edge in value["edges"]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work space é"
    write(folder, FILES)
    return folder


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("modules", [False, True])
def test_what_is_kept_never_outlives_an_edit(root: Path, edit: str, modules: bool, tmp_path: Path) -> None:
    text = "deps(//...:*) - @python//..." if modules else "deps(//...:*)"
    before = ask(root, text, modules=modules)
    assert ask(root, text, modules=modules) == before
    write(root, EDITS[edit])
    incremental = ask(root, text, modules=modules)
    assert (incremental == before) == (edit == "nothing that shows" or (edit, modules) in UNSEEN)
    shutil.rmtree(root / "hermpkg-out")
    assert ask(root, text, modules=modules, cache=str(tmp_path / "new")) == incremental


UNSEEN = [("a module's text", False), ("the settings", False)]
"""Edits that make no difference to targets and files."""


def test_nothing_is_read_again_while_nothing_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FILES:
        os.utime(root / name, ns=(10**18, 10**18))
    text = "deps(//...) + rdeps(//..., //lib:fast.py)"
    monkeypatch.setattr("hermpkg_build.disk.source_tree.is_settled", lambda *_: True)
    expected = ask(root, text, modules=True)
    monkeypatch.setattr(QueryGraphs, "_open", None)
    # Only what the drawing of attributes needs is loaded.
    monkeypatch.setattr(opening.WorkspaceTargets, "attributes", lambda *_: {})
    assert [each["label"] for each in ask(root, text, modules=True)[0]["targets"]] == [
        each["label"] for each in expected[0]["targets"]
    ]


def test_packages_are_loaded_only_where_a_query_leads(root: Path) -> None:
    write(root, {"broken/BUILD": "nonsense(\n"})
    value, problems = ask(root, "deps(//app:net)")
    assert len(value["targets"]) == 6
    assert not problems
    assert ask(root, "//...")[1]
    assert ask(root, "//lib:all", modules=True)[1]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_a_name_of_two_files_means_what_the_target_depends_on(tmp_path: Path, order: tuple[str, ...]) -> None:
    write(tmp_path, {"pyproject.toml": '[tool.hermpkg]\nsource-roots = ["", "one", "two"]\n'})
    for top in order:
        write(tmp_path, {f"{top}/BUILD": LIBRARY, f"{top}/train.py": "import tools\n", f"{top}/tools.py": ""})
    write(tmp_path, {"third/BUILD": LIBRARY.replace(", visib", f', deps = ["//{order[0]}:modules"], visib')})
    write(tmp_path, {"third/main.py": "import tools\n"})
    assert edges(tmp_path, "deps(//one:train.py + //two:train.py + //third:main.py) - @python//...") == [
        "//one:train.py -> //one:tools.py",
        "//third:main.py -> " + f"//{order[0]}:tools.py",
        "//two:train.py -> //two:tools.py",
    ]


def test_modules_of_packages_that_no_deps_name_are_found(root: Path) -> None:
    write(root, {"app/BUILD": FILES["app/BUILD"].replace(', deps = ["//lib:modules"]', "")})
    assert "//app:net.py -> //lib:tools.py" in edges(root, "deps(//app:net.py)")


def test_files_that_are_not_there_are_told(root: Path) -> None:
    write(root, {"lib/BUILD": LIBRARY.replace('glob(["*.py"])', '["gone.py", "fast.py"]')})
    assert ask(root, "deps(//lib:all)")[1] == []
    assert ask(root, "//lib:all", modules=True)[1] == ["no such target: //lib:gone.py"]


def test_a_namespace_package_is_no_node_and_leads_to_the_package_above(root: Path) -> None:
    write(root, {"app/__init__.py": "", "app/inner/deep.py": "", "app/net.py": "import app.inner.deep\n"})
    write(root, {"app/BUILD": FILES["app/BUILD"].replace('"*.py"', '"**/*.py"')})
    assert edges(root, "deps(//app:net.py)") == [
        "//app:inner/deep.py -> //app:__init__.py",
        "//app:net.py -> //app:__init__.py",
        "//app:net.py -> //app:inner/deep.py",
    ]


def test_labels_that_cross_packages_and_missing_ones_are_told_in_the_build_file(root: Path) -> None:
    write(root, {"lib/inner/BUILD": "", "lib/inner/z.py": ""})
    write(root, {"lib/BUILD": LIBRARY.replace('glob(["*.py"])', '["inner/z.py"]')})
    assert ask(root, "deps(//app:modules)")[1] == ["//lib:inner/z.py reaches into another package"]


def test_build_files_behind_a_macro_and_users_of_a_file_are_found(root: Path) -> None:
    write(root, {"tools/macros.bzl": 'load(":more.bzl", "X")\n' + FILES["tools/macros.bzl"]})
    write(root, {"tools/more.bzl": "X = 1\n"})
    found = [each["label"] for each in ask(root, "rbuildfiles(tools/more.bzl, lib/BUILD, x)")[0]["targets"]]
    assert found == ["//app:BUILD", "//lib:BUILD"]
    users = [each["label"] for each in ask(root, "allrdeps(//lib:fast.py)", modules=True)[0]["targets"]]
    assert [label for label in users if label.startswith("//app")] == [
        "//app:app",
        "//app:modules",
        "//app:net",
        "//app:net.py",
    ]

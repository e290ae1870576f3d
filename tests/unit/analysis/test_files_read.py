"""The data files that packed code reads, and whose code wants real paths."""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermpkg_build.analysis.files_read import FilesRead, all_tops, files_read
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule

if TYPE_CHECKING:
    from conftest import Workspace

RULES = (
    PolicyRule(policy=Policy.INTERN, include=("lib.**",), allow_empty=True),
    PolicyRule(policy=Policy.INTERN, include=("app.**",), allow_empty=True),
    PolicyRule(policy=Policy.EXTERN, include=("**",), allow_empty=True),
)
ASKS = "import os\nHERE = os.path.dirname(__file__)\n"


def read(
    workspace: Workspace,
    root: str = "lib",
    seen: tuple[str, ...] = (),
    located: tuple[str, ...] = (),
    rules: tuple[PolicyRule, ...] = RULES,
) -> FilesRead:
    finder = workspace.finder()
    closure = workspace.close(root, *rules, finder=finder)
    return files_read(
        closure.graph,
        closure.uses_files,
        entries=finder.tree.entries,
        source_of=lambda node: Path(node.path).read_bytes(),
        distributions=finder.distributions,
        seen=seen,
        located=located,
    )


@pytest.mark.parametrize(
    ("code", "files", "expected"),
    [
        ('open(os.path.join(HERE, "a.txt"))', ["a.txt", "b.txt"], ["a.txt"]),
        ('open(os.path.join(HERE, "words", name))', ["words/a.txt", "other/b.txt"], ["words/a.txt"]),
        ('open(f"{HERE}/words/{name}")', ["words/de/a.txt", "b.txt"], ["words/de/a.txt"]),
        ('open(f"{HERE}/{name}.json")', ["a.json", "b.txt"], ["a.json"]),
        ('glob(HERE + "/*.json")', ["a.json", "x/b.json", "b.txt"], ["a.json", "x/b.json"]),
        ('open(HERE + name + ".json")', ["a.json", "b.txt"], ["a.json"]),
        ('ctypes.CDLL(HERE + "/libx.so")', ["libx.so", "liby.so"], ["libx.so"]),
        ('load_library("_ops")', ["_ops.so", "_other.so"], ["_ops.so"]),
        (
            'ctypes.CDLL(f"{HERE}/lib{name}.so") if name else load("x")',
            ["libx.so.1", "liby.so"],
            ["libx.so.1"],
        ),
        ('names = "a.json"', ["b.json", "py.typed", "a.pyi", "LICENSE"], []),
    ],
)
def test_what_the_code_names_is_packed(
    workspace: Workspace, code: str, files: list[str], expected: list[str]
) -> None:
    workspace.installed({"lib/__init__.py": ASKS + code, **{f"lib/{file}": "" for file in files}})
    found = read(workspace)
    assert list(found.data) == [f"lib/{file}" for file in expected]
    assert found.real == ("lib",)
    assert all(path == str(workspace.site / record) for record, path in found.data.items())


def test_links_that_lead_back_are_not_followed_for_ever(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": ASKS + 'open(f"{HERE}/words/{name}")', "lib/words/a.txt": ""})
    words = workspace.site / "lib" / "words"
    for name in ("here", "again"):
        (words / name).symlink_to(".")
    (workspace.site / "elsewhere").mkdir()
    (workspace.site / "elsewhere" / "b.txt").touch()
    (workspace.site / "elsewhere" / "back").symlink_to(words)
    (words / "more").symlink_to(workspace.site / "elsewhere")
    assert list(read(workspace).data) == ["lib/words/a.txt", "lib/words/more/b.txt"]


def test_names_that_no_record_can_have_are_left_out(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": ASKS + 'glob(HERE + "/*.txt")', "lib/a.txt": ""})
    for name in (b"\xff.txt", b"back\\slash.txt"):
        with open(os.fsencode(workspace.site / "lib") + b"/" + name, "wb"):
            pass
    assert list(read(workspace).data) == ["lib/a.txt"]


def test_code_that_does_not_ask_for_its_place_gets_nothing(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": 'NAME = "a.txt"\n', "lib/a.txt": ""})
    assert read(workspace) == FilesRead()


def test_resources_are_packed_and_need_no_real_path(workspace: Workspace) -> None:
    code = 'from importlib.resources import files\ntext = files("lib").joinpath("a.txt")\n'
    workspace.installed({"lib/__init__.py": code, "lib/a.txt": ""})
    found = read(workspace)
    assert list(found.data) == ["lib/a.txt"]
    assert found.real == ()


def test_the_place_and_the_name_may_stand_in_different_modules(workspace: Workspace) -> None:
    workspace.installed(
        {
            "lib/__init__.py": "from lib import deep\n" + ASKS,
            "lib/deep.py": "from lib import HERE\nopen(HERE + '/sub/a.txt')\n",
            "lib/sub/__init__.py": "",
            "lib/sub/a.txt": "",
            "lib/other/__init__.py": "",
            "lib/other/a.txt": "",
            "lib/a.txt": "",
        }
    )
    # lib.other is neither packed nor named, and what lies in it is none of this package's business.
    assert list(read(workspace).data) == ["lib/a.txt", "lib/sub/a.txt"]


@pytest.mark.parametrize(
    "code",
    [
        'open(os.path.join(HERE, "data", "words.txt"))',
        'open(f"{HERE}/data/{name}")',
        'from importlib import resources\nresources.files("lib.data").joinpath("words.txt")',
        'import pkgutil\npkgutil.get_data("lib.data", name + ".txt")',
        'import importlib_resources\nimportlib_resources.files("lib.data").iterdir()',
        'import pkg_resources\npkg_resources.resource_filename("lib.data", "words.txt")',
    ],
)
@pytest.mark.parametrize("is_imported", [False, True])
@pytest.mark.parametrize("has_init", [False, True])
def test_data_lies_in_a_package_as_in_a_folder(
    workspace: Workspace, code: str, has_init: bool, is_imported: bool
) -> None:
    lines = ["import lib.data"] if is_imported else []
    files = {"lib/__init__.py": "\n".join([*lines, ASKS * ("HERE" in code) + code])}
    if has_init:
        files["lib/data/__init__.py"] = ""
    workspace.installed({**files, "lib/data/words.txt": "", "lib/code/__init__.py": "", "lib/code/b.txt": ""})
    assert list(read(workspace).data) == ["lib/data/words.txt"]


def test_files_that_were_seen_in_a_package_that_is_not_packed(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": "", "lib/a/b/__init__.py": "", "lib/a/b/c.txt": ""})
    assert list(read(workspace, seen=("lib/a/b/c.txt",)).data) == ["lib/a/b/c.txt"]


def test_files_that_were_seen_to_be_read_are_packed(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": "", "lib/a.txt": "", "lib/b.txt": "", "other/c.txt": ""})
    found = read(workspace, seen=("lib/a.txt", "other/c.txt"))
    assert list(found.data) == ["lib/a.txt"]
    assert found.real == ("lib",)


def test_what_packed_texts_name_is_packed(workspace: Workspace) -> None:
    workspace.installed(
        {
            "lib/__init__.py": ASKS + 'open("a.txt")',
            "lib/a.txt": 'include "b.txt"',
            "lib/b.txt": 'include "c.txt" and "a.txt"',
            "lib/c.txt": "include d",
            "lib/d.txt": 'include "a.txt"',
            "lib/e.txt": "d.txt",
        }
    )
    assert list(read(workspace).data) == ["lib/a.txt", "lib/b.txt", "lib/c.txt"]
    (workspace.site / "lib" / "a.txt").write_bytes(b"\0 b.txt")
    assert list(read(workspace).data) == ["lib/a.txt"]


def test_the_stub_of_a_module_that_hands_out_its_file_is_packed(workspace: Workspace) -> None:
    attach = "import helper\n__getattr__ = helper.attach(__name__, __file__)\n"
    workspace.installed(
        {
            "lib/__init__.py": "from lib import part, plain\n" + attach,
            "lib/part.py": attach,
            "lib/plain.py": "",
            **{f"lib/{name}.pyi": "" for name in ("__init__", "part", "plain", "other")},
        }
    )
    assert list(read(workspace).data) == ["lib/__init__.pyi", "lib/part.pyi"]
    assert list(read(workspace, seen=("lib/plain.pyi",)).data) == [
        "lib/__init__.pyi",
        "lib/part.pyi",
        "lib/plain.pyi",
    ]


def test_modules_whose_source_was_looked_for_are_packed_with_real_paths(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": "", "lib/part.py": "", "lib/a.txt": "", "other.py": ""})
    assert read(workspace, located=("lib.part", "other")) == FilesRead(real=("lib",))


@pytest.mark.parametrize(
    "asks",
    ["import lib\nlib.__file__", "import lib.part as p\np.__file__", "from lib import part\npart.__path__"],
)
def test_code_may_ask_for_the_place_of_another_packed_library(workspace: Workspace, asks: str) -> None:
    workspace.own({"app.py": asks + "\nname = 'a.txt'\n"})
    workspace.installed(
        {
            "lib/__init__.py": "",
            "lib/part/__init__.py": "",
            "lib/a.txt": "",
            "lib/b.txt": "",
            "other/a.txt": "",
        }
    )
    found = read(workspace, "app")
    assert found.real == ("lib",)
    assert list(found.data) == ["lib/a.txt"]


def test_the_place_of_an_extern_library_is_its_own(workspace: Workspace) -> None:
    workspace.own({"app.py": "import other\nother.__file__\n"})
    workspace.installed({"other/__init__.py": "", "other/a.txt": ""})
    assert read(workspace, "app") == FilesRead()


def test_targets_declare_the_data_of_the_workspace(workspace: Workspace) -> None:
    workspace.own({"app/__init__.py": ASKS + 'open("a.txt")', "app/a.txt": ""})
    found = read(workspace, "app")
    assert found.data == {}
    assert found.real == ("app",)


@pytest.mark.parametrize(("code", "packs"), [("from importlib.metadata import version", True), ("", False)])
def test_metadata_goes_with_code_that_asks_for_it(workspace: Workspace, code: str, packs: bool) -> None:
    info = "lib_dist-1.0.dist-info"
    workspace.installed(
        {
            "lib/__init__.py": code,
            f"{info}/METADATA": "Name: lib-dist\nVersion: 1.0\n",
            f"{info}/RECORD": "lib/__init__.py,,\n",
        }
    )
    assert list(read(workspace).data) == ([f"{info}/METADATA"] if packs else [])


def test_all_tops_are_those_of_packed_code(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": "import lib.a, os, other", "lib/a.py": "", "other.py": ""})
    assert all_tops(workspace.close("lib", *RULES).graph) == ("lib",)


def test_a_library_that_is_a_module_is_left_to_the_policy(workspace: Workspace) -> None:
    code = ASKS + 'NAMES = ["_C"]\ntry:\n    from lib import _C\nexcept ImportError:\n    pass\n'
    workspace.installed({"lib/__init__.py": code, f"lib/_C{EXTENSION_SUFFIXES[0]}": ""})
    extern = PolicyRule(policy=Policy.EXTERN, include=("lib._C",))
    assert read(workspace, rules=(extern, *RULES)).data == {}


def test_libraries_come_with_those_that_they_need(workspace: Workspace) -> None:
    def library(*needed: str, search: str) -> str:
        return "\0".join(["", *needed, f"$ORIGIN/{search}", ""])

    workspace.installed(
        {
            "lib/__init__.py": ASKS + 'load_library("_ops")',
            "lib/_ops.so": library("libjpeg-1a2b.so.9", "libc.so.6", search="../lib.libs"),
            "lib.libs/libjpeg-1a2b.so.9": library("libz-3c.so", search=""),
            "lib.libs/libz-3c.so": library(search="../../outside"),
            "lib.libs/libpng-4d.so": "",
            "outside/libz-3c.so": "",
        }
    )
    found = read(workspace)
    assert list(found.data) == ["lib.libs/libjpeg-1a2b.so.9", "lib.libs/libz-3c.so", "lib/_ops.so"]
    assert found.real == ("lib",)


def test_libraries_with_computed_names_are_told(workspace: Workspace) -> None:
    code = ASKS + 'ctypes.CDLL(os.path.join(HERE, f"libx_{version}.so"))\n'
    workspace.installed({"lib/__init__.py": code, "lib/libx_130.so": "", "lib/libx_cpu.so": ""})
    found = read(workspace, seen=("lib/libx_cpu.so",))
    assert list(found.data) == ["lib/libx_cpu.so"]
    assert found.libraries == ("lib/libx_130.so",)

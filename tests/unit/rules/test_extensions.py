"""The way in for a MODULE.bazel file: rules/extensions.bzl and the repository behind it, evaluated on fakes.

They are also what a WORKSPACE file leads to, which the tests under a real Bazel go through.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import starlark

RULES = Path(__file__).resolve().parents[3] / "rules"

# What a .bzl file finds without loading it, as far as these files use it.
BUILTINS = """
def _declared(**arguments):
    return struct(**arguments)

repository_rule = _declared
module_extension = _declared
tag_class = _declared
attr = struct(bool = _declared, label = _declared, string = _declared, string_list = _declared)
"""
EXTENSION = """
def asked_for(calls, is_new):
    told = []
    metadata = lambda **arguments: told.append(arguments)
    newer = {"watch": None, "extension_metadata": metadata} if is_new else {}
    python.implementation(struct(modules = [
        struct(
            is_root = is_root,
            tags = struct(
                local = [struct(interpreter = path) for path in interpreters if path.startswith("/")],
                environment = [
                    struct(
                        interpreter_target = path,
                        requirements_lock = "//:lock.txt",
                        extra_pip_args = ["-v"],
                    )
                    for path in interpreters
                    if path.startswith("@")
                ],
            ),
        )
        for is_root, interpreters in calls
    ], **newer))
    return told

def parameters():
    return {name: tag.attrs.keys() for name, tag in python.tag_classes.items()}
"""
REPOSITORY = """
def _result(result):
    return struct(return_code = result["code"], stderr = result["stderr"], stdout = result["stdout"])

def _path(label):
    is_path = label.startswith("/") and not label.startswith("//")
    return struct(realpath = host_real(label)) if is_path else host_place(label)

def made(interpreter, target, lock, environ, root):
    repository = python_environment_repository if lock else python_repository
    repository.implementation(struct(
        attr = struct(
            extra_pip_args = ["-v"],
            interpreter = interpreter,
            interpreter_target = target,
            requirements_lock = lock,
            workers = True,
        ),
        execute = lambda command, timeout = 600: _result(host_execute(command)),
        file = lambda path, content, executable, legacy_utf8 = True: host_write(path, content),
        os = struct(environ = environ),
        path = _path,
        read = host_read,
        symlink = host_link,
        watch = host_watch,
        which = host_which,
        **({"workspace_root": root} if root else {})
    ))

def parameters():
    return python_repository.attrs.keys()
"""
STANDARD = starlark.Globals.extended_by(
    [starlark.LibraryExtension.StructType, starlark.LibraryExtension.Json]
)


def evaluated(
    path: str,
    behind: str,
    host: dict[str, Callable[..., Any]],
    load: Callable[[str], starlark.FrozenModule],
) -> starlark.FrozenModule:
    """The .bzl file at a path below rules/ with more text behind it, and functions of ours as builtins."""
    module = starlark.Module()
    for name, function in host.items():
        module.add_callable(name, function)
    text = (RULES / path).read_text() if path else ""
    # Loads come first, and after what they need.
    loads = "".join(re.findall(r"^load\(\"//.*\)\n", text, re.MULTILINE))
    text = loads + BUILTINS + text.replace(loads, "") + behind
    tree = starlark.parse(path or "behind", text, starlark.Dialect.extended())
    starlark.eval(module, tree, STANDARD, starlark.FileLoader(load))
    return module.freeze()


def asked_for(*calls: tuple[bool, Sequence[str]]) -> list[dict[str, Any]]:
    """The repositories that the extension makes when modules, root or not, name interpreters."""
    asked: list[dict[str, Any]] = []

    def fake(label: str) -> starlark.FrozenModule:
        assert label == "//rules/private:python_repository.bzl"
        text = "def declare_python(**arguments):\n    host_make(arguments)\n"
        return evaluated("", text, {"host_make": asked.append}, lambda _: pytest.fail("loads nothing"))

    module = evaluated("extensions.bzl", EXTENSION, {}, fake)
    assert module.call("parameters") == {
        "environment": ["extra_pip_args", "interpreter_target", "requirements_lock"],
        "local": ["interpreter"],
    }
    for is_new in (False, True):
        asked.clear()
        told = module.call("asked_for", [list(call) for call in calls], is_new)
        # Nothing of the machine is in what the lock file of a workspace would keep.
        assert told == ([{"reproducible": True}] if is_new else [])
    return asked


def test_only_the_root_module_names_the_interpreter() -> None:
    usual = {"name": "hermpkg_python", "workers": True, "interpreter": "", "extra_pip_args": []}
    usual |= {"interpreter_target": None, "requirements_lock": None}
    assert asked_for((True, ["/opt/x"]), (False, ["/opt/y"])) == [{**usual, "interpreter": "/opt/x"}]
    assert asked_for((True, []), (False, ["/opt/y", "@z//:z"])) == [usual]
    made = {"interpreter_target": "@x//:x", "requirements_lock": "//:lock.txt", "extra_pip_args": ["-v"]}
    assert asked_for((True, ["@x//:x"]), (False, ["/opt/y"])) == [{**usual, **made}]
    for both in (["/opt/x", "/opt/y"], ["/opt/x", "@y//:y"]):
        with pytest.raises(starlark.StarlarkError, match="called 2 times"):
            asked_for((True, both))


class Repository:
    """A folder that the rule fills, as Bazel would let it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        host = {"host_execute": self._execute, "host_which": shutil.which, "host_write": self._write}
        host.update(Label=str, host_link=self._link, host_read=self._read)
        host.update(host_place=self._place, host_real=os.path.realpath)
        self.watched: list[str] = []
        host["host_watch"] = self.watched.append
        self._module = evaluated("private/python_repository.bzl", REPOSITORY, host, self._load)

    def made(self, interpreter: str, environ: dict[str, str] | None = None, root: str = "/no") -> str:
        self.links: dict[str, str] = {}
        self._module.call("made", interpreter, "", "", environ or {}, root)
        return (self.folder / "BUILD").read_text()

    def made_of_lock(self, target: str, lock: str, interpreter: str = "") -> str:
        self.links = {}
        self._module.call("made", interpreter, target, lock, {}, "/no")
        return (self.folder / "BUILD").read_text()

    def _place(self, label: str) -> str:
        """The path of a label, or of a file in the repository."""
        places = {"@x//:python": sys.executable, "environment/bin/python": f"{self.folder}/{label}"}
        places["//:lock.txt"] = f"{self.folder}/lock.txt"
        return places.get(label, label)

    def _load(self, label: str) -> starlark.FrozenModule:
        text = (RULES / "private" / "requests.bzl").read_text()
        (flags,) = re.findall(r"^INTERPRETER_FLAGS = .*$", text, re.MULTILINE)
        return evaluated("", flags, {}, lambda _: pytest.fail("loads nothing"))

    def _write(self, path: str, content: str) -> None:
        (self.folder / path).write_text(content, encoding="utf-8")

    def _link(self, path: str, link: str) -> None:
        self.links[link] = path

    def _read(self, path: str) -> str:
        assert path == "../../DO_NOT_BUILD_HERE"
        return "/told by a file\n"

    def _execute(self, command: list[str]) -> dict[str, Any]:
        launcher = str(RULES / "private" / "launch.py")
        words = [launcher if word == "//rules/private:launch.py" else word for word in command]
        try:
            ran = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        except OSError as error:
            return {"code": 256, "stdout": "", "stderr": str(error)}
        return {"code": ran.returncode, "stdout": ran.stdout, "stderr": ran.stderr}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_interpreter_is_described(repository: Repository) -> None:
    text = repository.made(sys.executable)
    assert f"path = {json.dumps(sys.executable, ensure_ascii=False)}" in text
    assert re.search(r'fingerprint = "[0-9a-f]{64}"', text)
    assert "workers = True" in text
    described = json.loads((repository.folder / "environment.json").read_text())
    assert described["interpreter"] == sys.executable
    assert text == repository.made("", {"HERMPKG_PYTHON": sys.executable})


def test_an_interpreter_with_a_space_in_its_path(repository: Repository, tmp_path: Path) -> None:
    spaced = tmp_path / "my python"
    spaced.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    spaced.chmod(0o755)
    assert f"path = {json.dumps(str(spaced), ensure_ascii=False)}" in repository.made(str(spaced))


def test_an_interpreter_without_what_actions_need(repository: Repository, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(
        starlark.StarlarkError, match=r"install hermpkg's dependencies(.|\n)*missing: +packaging"
    ):
        repository.made(str(bare))


def test_files_of_the_workspace_that_say_what_was_locked(repository: Repository, tmp_path: Path) -> None:
    text = repository.made(sys.executable, root="")
    assert repository.links["workspace/0"] == "/told by a file/pyproject.toml"
    known = len(repository.links)
    (tmp_path / "pyproject.toml").write_text('[tool.hermpkg]\nenvironment = "../über/my.lock"\n')
    text = repository.made(sys.executable, root=str(tmp_path))
    assert repository.links[f"workspace/{known}"] == f"{tmp_path}/../über/my.lock"
    assert f'"workspace/{known}":"../über/my.lock"' in text


class LockedRepository(Repository):
    """One whose environments have what this interpreter has; pip installs nothing, and says `code`."""

    def __init__(self, folder: Path, code: int = 0) -> None:
        super().__init__(folder)
        (folder / "lock.txt").write_text("-r more.txt\n-c ../all.txt\n")
        (folder / "more.txt").touch()
        (folder.parent / "all.txt").touch()
        self.code = code
        self.commands: list[list[str]] = []

    def _execute(self, command: list[str]) -> dict[str, Any]:
        self.commands.append(command)
        if "venv" in command:
            made = self.folder / "environment" / "bin" / "python"
            made.parent.mkdir(parents=True)
            made.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            made.chmod(0o755)
        if "venv" in command or "pip" in command:
            return {"code": self.code if "pip" in command else 0, "stdout": "", "stderr": "no such hash"}
        return super()._execute(command)


def test_an_environment_of_what_is_locked(tmp_path: Path) -> None:
    repository = LockedRepository(tmp_path)
    text = repository.made_of_lock("@x//:python", "//:lock.txt")
    assert f"path = {json.dumps(f'{tmp_path}/environment/bin/python')}" in text
    assert repository.watched == [f"{tmp_path}/more.txt", f"{tmp_path.parent}/all.txt"]
    _, venv, pip, _ = repository.commands
    assert venv == [os.path.realpath(sys.executable), "-I", "-m", "venv", "environment"]
    assert pip[:4] == [f"{tmp_path}/environment/bin/python", "-I", "-m", "pip"]
    assert pip[-4:] == ["--require-hashes", "--requirement", f"{tmp_path}/lock.txt", "-v"]


def test_an_interpreter_by_its_label(repository: Repository) -> None:
    text = repository.made_of_lock("@x//:python", "")
    assert f"path = {json.dumps(sys.executable, ensure_ascii=False)}" in text


def test_an_environment_of_an_interpreter_by_its_path(tmp_path: Path) -> None:
    repository = LockedRepository(tmp_path)
    repository.made_of_lock("", "//:lock.txt", sys.executable)
    assert {command[0] for command in repository.commands[:2]} == {sys.executable}


def test_what_a_lock_includes_and_is_not_there_is_told(tmp_path: Path) -> None:
    repository = LockedRepository(tmp_path)
    (tmp_path / "more.txt").unlink()
    with pytest.raises(starlark.StarlarkError, match=r"//:lock.txt cannot be read: it includes more.txt"):
        repository.made_of_lock("@x//:python", "//:lock.txt")


def test_a_lock_that_cannot_be_installed(tmp_path: Path) -> None:
    with pytest.raises(
        starlark.StarlarkError, match=r"environment of //:lock.txt cannot be made: .*\n.*no such"
    ):
        LockedRepository(tmp_path, code=1).made_of_lock("@x//:python", "//:lock.txt")


@pytest.mark.parametrize(
    ("interpreter", "words"),
    [
        ("python3", "not absolute: python3"),
        ("/no/such/python", "/no/such/python cannot run hermpkg"),
        ("/bin/false", "/bin/false cannot run hermpkg"),
    ],
)
def test_an_interpreter_that_is_none(repository: Repository, interpreter: str, words: str) -> None:
    with pytest.raises(starlark.StarlarkError, match=words):
        repository.made(interpreter)

"""A model is made again when anything changes that other processes, started by its factory, get to see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is opened")

BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"]))
model(name = "thing", factory = "app.factory:make", deps = [":modules"])
model_package(name = "app", models = {"m/x.pkl": ":thing"}, policy = [deny("**")], deps = [":modules"])
"""
FACTORY = """
import os, subprocess, sys

root, work = {root!r}, os.getcwd()
path = {{'PYTHONPATH': 'app'}}

def run(*words, cwd=root, **options):
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, **options).stdout

def system(command):
    os.system(f"({{command}}) > {{work}}/out")
    with open("out") as file:
        return file.read()

def forked(*words):
    reading, writing = os.pipe()
    if not os.fork():
        os.dup2(writing, 1)
        os.execvp(words[0], words)
    os.close(writing)
    os.wait()
    return os.read(reading, 1000).decode()

def make():
    return {asked}
"""
MODULES = {
    "imported": "run(sys.executable, '-c', 'from app.other import WORD; print(WORD)')",
    "run": "run(sys.executable, '-m', 'app.other')",
    "found by a variable": "run(sys.executable, '-c', 'import other; print(other.WORD)', env=path)",
    "read": "run('sh', '-c', 'grep -h WORD= app/o*.py')",
}
COMMITS = {
    "its name": "run('git', 'rev-parse', 'HEAD')",
    "asked for by a shell": "run('sh', '-c', 'git describe --always')",
    "of a folder": "run('git', '-C', f'{root}/app', 'log')",
}
FILES = {
    "a file that is not there": "run('sh', '-c', f'test -e {root}/data/two && echo yes', cwd='/')",
    "a pattern": "run('sh', '-c', f'echo {root}/data/*', cwd='/')",
    "a folder before a sign": "system(f'cd {root}/data; ls')",
    "a folder in brackets": "system(f'(cd {root}/data) && ls {root}/data|cat')",
    "the current folder": "[os.chdir(f'{root}/data'), run('ls', cwd=None)]",
    "a forked process": "forked('ls', f'{root}/data')",
    "a file of a forked process": "forked('cat', f'{root}/data/same')",
}


def git(root: Path, *words: str) -> None:
    names = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@x", "GIT_CONFIG_GLOBAL": os.devnull}
    names |= {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@x"}
    subprocess.run(["git", *words], cwd=root, env={**os.environ, **names}, check=True, capture_output=True)


def check(workspace: Any, asked: str, change: Callable[[str], object]) -> str:
    """Have a factory ask, and see that a change makes the model again; give what the first build told."""
    workspace.build_file(BUILD)
    workspace.write("app/__init__.py", "")
    workspace.write("app/factory.py", FACTORY.format(root=str(workspace.root), asked=asked))
    change("one")
    outcome = workspace.build(
        "//app"
    )  # where Python leaves what it compiles in the folder, which it has listed
    before = made(workspace)
    assert workspace.build("//app").target["status"] == "up-to-date"
    change("two")
    assert made(workspace) != before
    return str(outcome.stderr)


def made(workspace: Any) -> Any:
    workspace.build("//app")
    with PackageImporter(workspace.root / "hermpkg-out/app/app.pt") as importer:
        return importer.load_pickle("m", "x.pkl")


@pytest.mark.parametrize("asked", MODULES.values(), ids=MODULES)
@pytest.mark.parametrize("compiled", [False, True], ids=["", "compiled"])
def test_a_module_that_another_process_has(workspace: Any, asked: str, compiled: bool) -> None:
    def change(word: str) -> None:
        size = "#" * (word == "two")  # Python tells what was compiled within the same second by the size
        workspace.write("app/other.py", f"WORD='{word}'\nif __name__ == '__main__': print(WORD)\n{size}")
        if compiled:
            command = [sys.executable, "-m", "compileall", "-q", "app"]
            subprocess.run(command, cwd=workspace.root, check=True)

    check(workspace, asked, change)


def test_settings_of_a_checkout(workspace: Any) -> None:
    git(workspace.root, "init", "-q")
    check(workspace, "run('git', 'config', 'app.word')", partial(git, workspace.root, "config", "app.word"))


@pytest.mark.parametrize("asked", ["run('git', 'ls-files')", "run('git', 'describe', '--always', '--dirty')"])
def test_what_git_says_of_files_is_told_to_be_no_input(workspace: Any, asked: str) -> None:
    git(workspace.root, "init", "-q")
    git(workspace.root, "commit", "-q", "--allow-empty", "-m", "one")

    def change(word: str) -> None:
        git(workspace.root, "commit", "-q", "--allow-empty", "-m", word)
        workspace.write(f"app/{word}.txt", word)
        git(workspace.root, "add", f"app/{word}.txt")

    assert "asks git which files it tracks" in check(workspace, asked, change)


@pytest.mark.parametrize("asked", COMMITS.values(), ids=COMMITS)
@pytest.mark.parametrize("how", ["loose", "packed", "elsewhere"])
def test_the_commit_that_another_process_finds(workspace: Any, asked: str, how: str) -> None:
    root = workspace.root
    git(root, "init", "-q")
    if how == "elsewhere":
        git(root, "commit", "-q", "--allow-empty", "-m", "zero")
        git(root, "worktree", "add", "-q", str(root / "../other"))
        workspace.root.joinpath(".git").rename(root / "../.moved")
        (root / ".git").write_text(
            (root / "../other/.git").read_text().replace(f"{root}/.git", f"{root}/../.moved")
        )

    def change(word: str) -> None:
        git(root, "commit", "-q", "--allow-empty", "-m", word)
        if how == "packed" and word == "one":
            git(root, "pack-refs", "--all")

    told = check(workspace, asked, change)
    assert "which files it tracks" not in told
    if how != "elsewhere":
        assert "the factory asks git for the commit" in told
        assert ".git/HEAD" not in told


@pytest.mark.parametrize("asked", FILES.values(), ids=FILES)
def test_files_that_another_process_looks_for(workspace: Any, asked: str) -> None:
    def change(word: str) -> None:
        workspace.write(f"data/{word}", word)
        workspace.write("data/same", word)

    check(workspace, asked, change)

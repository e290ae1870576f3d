"""A build says what its artifact leaves out although the code may ask for it."""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

import pytest

BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"], exclude = ["fast.py"]), resources = RESOURCES)
model_package(name = "app", modules = ["app"], policy = [intern("app.**"), deny("**")], deps = [":modules"])
"""
CODE = """
import os

try:
    from app import fast
except ImportError:
    fast = None

PLACE = os.path.join(os.path.dirname(__file__), "words.txt")
"""


def test_it_is_said_again_as_long_as_it_is_so(workspace: Any) -> None:
    workspace.write("app/__init__.py", CODE)
    workspace.write("app/fast.py", "")
    workspace.write("app/words.txt", "one two")
    workspace.build_file(BUILD.replace("RESOURCES", "[]"))
    for _ in range(2):
        said = workspace.run("//app").stderr
        assert said.count("warning: ") == 2
        assert "'app.fast' is imported at app/__init__.py:5:5 and left out" in said
        assert "list app/fast.py in a python_modules target of app/BUILD" in said
        assert "names files that are not in the artifact: app/words.txt" in said
    workspace.build_file(BUILD.replace("RESOURCES", '["words.txt"]').replace(', exclude = ["fast.py"]', ""))
    assert "warning" not in workspace.run("//app").stderr


def test_a_file_that_the_factory_read(workspace: Any) -> None:
    workspace.write("app/__init__.py", "import os\nKIND = 'x' + 'y'\nHERE = os.path.dirname(__file__)\n")
    workspace.write(
        "app/factory.py", "import app\ndef make():\n    return len(open(f'{app.HERE}/{app.KIND}').read())\n"
    )
    workspace.write("app/xy", "one two")
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["__init__.py", "factory.py"])
        model(name = "size", factory = "app.factory:make", deps = [":modules"])
        model_package(
            name = "app",
            models = {"m/m.pkl": ":size"},
            modules = ["app"],
            policy = [intern("app.**"), deny("**")],
            deps = [":modules"],
        )
        """
    )
    assert "not in the artifact: app/xy\n" in workspace.run("//app").stderr


def test_functions_of_a_library_may_lack_what_they_import(workspace: Any) -> None:
    path = str(workspace.write("site/lib.py", "def fast():\n    import gpulib\n").parent)
    elsewhere = workspace.root.parent / "site"
    os.rename(path, elsewhere)
    workspace.build_file(
        'model_package(name = "app", modules = ["lib"], policy = [intern("lib"), deny("**")])\n'
    )
    environment = {"PYTHONPATH": str(elsewhere)}
    said = workspace.run("//app", env=environment).stderr
    assert "import modules that are not here, left out: gpulib (lib.py:2:5)" in said
    strict = workspace.run("build", "--strict-imports", "//app", env=environment)
    assert strict.code == 1
    assert "'gpulib'" in strict.stderr
    assert "gpulib" in workspace.run("//app", env=environment).stderr


def test_a_module_for_a_newer_python_fails_no_target(workspace: Any) -> None:
    workspace.write("app/__init__.py", "import sys\nif sys.version_info >= (9,):\n    from app import new\n")
    workspace.write("app/new.py", "x = 1 +\n")
    workspace.build_file('python_modules(name = "modules", srcs = glob(["*.py"]))')
    for target in ("//app:modules", "//app:new.py", "//..."):
        assert "app/new.py:1:8: this Python cannot read 'app.new'" in workspace.build(target).stderr
    workspace.write("app/other.py", "import app.new\n")
    assert "//app:modules does not parse" in workspace.run("//app:modules").stderr


def test_weights_beside_code_that_asks_for_its_place_are_not_missed(workspace: Any) -> None:
    torch = pytest.importorskip("torch")
    workspace.write("app/__init__.py", "")
    workspace.write(
        "app/net.py",
        """
        import os
        import torch

        HERE = os.path.dirname(__file__)

        def make():
            return torch.nn.Linear(2, 1)
        """,
    )
    torch.save(torch.nn.Linear(2, 1).state_dict(), workspace.root / "app/trained.pt")
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["__init__.py", "net.py"])
        model(name = "net", factory = "app.net:make", weights = "trained.pt", deps = [":modules"])
        model_package(
            name = "app",
            models = {"m/m.pkl": ":net"},
            modules = ["app.net"],
            policy = [intern("app.**"), deny("**")],
            deps = [":modules"],
        )
        """
    )
    outcome = workspace.run("//app")
    assert outcome.code == 0, outcome.stderr
    assert "trained.pt" not in outcome.stderr


@pytest.mark.parametrize("suffix", [EXTENSION_SUFFIXES[0], ".pyc"])
def test_a_module_of_the_workspace_without_a_source(workspace: Any, suffix: str) -> None:
    workspace.write("app/__init__.py", "")
    workspace.write(f"app/fast{suffix}", "")
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = glob(["*.py"]))
        model(name = "model", factory = "app.net:make", deps = [":modules"])
        model_package(name = "app", modules = ["app.net"], policy = [intern("app.**")], deps = [":modules"])
        """
    )
    advice = 'import app_fast in place of app.fast, and leave it outside: extern("app_fast.**")'
    workspace.write("app/net.py", "def make():\n    from app import fast\n    return [fast]\n")
    said = workspace.run("//app").stderr
    assert f"left out: app/fast{suffix} has no source" in said
    assert advice in said
    said = workspace.run("//app:model").stderr
    assert (
        f"the module app.fast of the workspace has no source that an artifact could hold: app/fast{suffix}"
        in said
    )
    assert advice in said
    workspace.write("app/net.py", "import app.fast\n")
    said = workspace.run("//app").stderr
    assert f"app/fast{suffix} is there, but has no source" in said
    assert advice in said

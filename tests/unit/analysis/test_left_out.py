"""What an artifact leaves out although its code may ask for it is told, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.errors import Location

if TYPE_CHECKING:
    from conftest import Workspace

SCANS = "import importlib, pkgutil\nfor found in pkgutil.iter_modules(__path__):\n    "
IMPORTS = 'importlib.import_module(f"{__name__}.{found.name}")\n'


def rule(policy: str, *include: str) -> PolicyRule:
    return PolicyRule(policy=Policy(policy), include=include)


OWN = rule("intern", "app.**")
REST = rule("deny", "**")


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    from app import fast\nexcept ImportError:\n    fast = None",
        "try:\n    from . import fast\nexcept ImportError:\n    fast = None",
        "try:\n    import app.fast\nexcept ImportError:\n    pass",
        "if flag:\n    from app.fast import thing",
        "def late():\n    from app import fast",
        "import importlib\ntry:\n    importlib.import_module('.fast', 'app')\nexcept ImportError:\n    pass",
    ],
)
@pytest.mark.parametrize("file", ["app/fast.py", "app/fast/__init__.py"])
def test_a_file_of_the_workspace_that_no_target_lists(workspace: Workspace, code: str, file: str) -> None:
    workspace.own({"app/__init__.py": code}).own({file: ""}, declared=False)
    (text,) = workspace.told("app", OWN, REST)
    assert text.startswith("'app.fast' is imported at app/__init__.py:")
    assert f"left out: {file} is there, but no dependency of the target lists it" in text
    assert f"-> list {file} in a python_modules target" in text


def test_a_variable_with_the_name_of_a_file_is_no_module(workspace: Workspace) -> None:
    workspace.own({"app/__init__.py": "def train(): ...\n", "app/main.py": "from app import train\n"})
    workspace.own({"app/train.py": ""}, declared=False)
    assert workspace.told("app.main", OWN, REST) == []


def test_absent_libraries_that_no_rule_speaks_of_are_nothing_new(workspace: Workspace) -> None:
    workspace.own({"app/__init__.py": "try:\n    import fastlib\nexcept ImportError:\n    pass\n"})
    assert workspace.told("app", rule("intern", "**")) == []
    workspace.own({"fastlib.py": ""}, declared=False)
    assert len(workspace.told("app", rule("intern", "**"))) == 1


def test_an_absent_library_that_a_rule_packs(workspace: Workspace) -> None:
    workspace.own({"app/__init__.py": "try:\n    import fastlib.core\nexcept ImportError:\n    pass\n"})
    (text,) = workspace.told("app", rule("intern", "app.**", "fastlib.**"), REST)
    assert text.startswith("'fastlib.core' is imported at app/__init__.py:2:5 and left out: there is no such")
    assert 'intern(["app.**", "fastlib.**"]) packs it' in text


@pytest.mark.parametrize("is_there", [False, True])
def test_a_name_in_a_rule_that_no_module_has_is_misspelt(workspace: Workspace, is_there: bool) -> None:
    workspace.own({"app/__init__.py": "try:\n    import fastmod\nexcept ImportError:\n    pass\n"})
    workspace.own({"fastmod.py" if is_there else "fastmode.py": ""}, declared=is_there is False)
    (error,) = workspace.problems("app", rule("intern", "app.**", "fastmod"), REST)
    assert error.summary == '"fastmod" of intern(["app.**", "fastmod"]) matches no module'
    assert ("fastmod.py" if is_there else 'did you mean "fastmode"?') in error.next_step


@pytest.mark.parametrize(
    "packed",
    [
        rule("intern", "app", "json5"),
        rule("extern", "json5", "torch.**", "absent"),
        rule("mock", "absent", "json5"),
    ],
)
def test_names_that_may_have_nothing_to_do(workspace: Workspace, packed: PolicyRule) -> None:
    workspace.own({"app/__init__.py": "import json5\nimport torch\n"}).installed({"json5.py": ""})
    own = PolicyRule(policy=Policy.INTERN, include=("app.**",), allow_empty=True)
    assert workspace.told("app", packed, own, rule("extern", "**")) == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("app/parts/__init__.py", SCANS + IMPORTS),
        ("app/parts/__init__.py", SCANS + "found.module_finder.find_spec(found.name).loader.load_module()\n"),
        ("app/__init__.py", "def get(name):\n    return __import__(f'app.parts.{name}')\n"),
        ("app/__init__.py", "import importlib\ndef get(name):\n    return importlib.import_module(name)\n"),
    ],
)
def test_modules_that_computed_names_may_mean(workspace: Workspace, module: str, code: str) -> None:
    parts = {f"app/parts/{name}.py": "" for name in ("one", "two", "three")}
    workspace.own({"app/__init__.py": "", "app/parts/__init__.py": "", **parts, module: code})
    rules = (rule("deny", "app.parts.two"), OWN, REST)
    (text,) = workspace.told(["app.parts", "app.parts.one"], *rules)
    assert text.startswith(f"{module}:")
    assert "not in the artifact: app.parts.three\n" in text
    assert 'modules = ["app.parts.three"]' in text
    assert workspace.told(["app.parts", "app.parts.one", "app.parts.three"], *rules) == []


def test_plugins_that_no_target_lists(workspace: Workspace) -> None:
    workspace.own({"app/__init__.py": SCANS + IMPORTS})
    workspace.own({"app/one.py": "", "app/two/__init__.py": "", "app/data/a.txt": ""}, declared=False)
    (text,) = workspace.told("app", OWN, REST)
    assert "not in the artifact: app.one, app.two\n" in text
    assert "list app/one.py, app/two/__init__.py in a python_modules target" in text


def test_plugins_of_an_installed_library(workspace: Workspace) -> None:
    workspace.installed({"lib/__init__.py": SCANS + IMPORTS, "lib/one.py": "", "lib/two.py": ""})
    (text,) = workspace.told("lib", rule("intern", "lib.**"), REST)
    assert "not in the artifact: lib.one, lib.two\n" in text
    # What it was seen to need, or has otherwise, is taken to be all.
    assert workspace.told(["lib", "lib.one"], rule("intern", "lib.**"), REST) == []


LAZY = "def fast(x):\n    from gpulib.core import kernel\n    return kernel(x)\n"


@pytest.mark.parametrize("rest", [(), (REST,), (rule("intern", "**"),)])
def test_functions_of_a_library_may_lack_what_they_import(
    workspace: Workspace, rest: tuple[PolicyRule, ...]
) -> None:
    rules = (rule("intern", "lib.**"), *rest)
    (text,) = workspace.installed({"lib.py": LAZY}).told("lib", *rules)
    assert "import modules that are not here, left out: gpulib.core (lib.py:2:5)\n" in text
    (error,) = workspace.problems("lib", *rules, strict_imports=True)
    assert error.location == Location("lib.py", 2, 5)


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        (LAZY, (rule("deny", "gpulib.**"),)),
        ("from gpulib.core import kernel\n", ()),
        ("from gpulib.core import kernel\n", (REST,)),
    ],
)
def test_what_a_library_may_not_lack(workspace: Workspace, code: str, rules: tuple[PolicyRule, ...]) -> None:
    workspace.installed({"lib.py": code}).problems("lib", *rules, rule("intern", "lib.**"))


@pytest.mark.parametrize("policy", ["extern", "mock"])
def test_a_rule_for_an_absent_library_decides(workspace: Workspace, policy: str) -> None:
    rules = (rule(policy, "gpulib.**"), rule("intern", "lib.**"), REST)
    assert workspace.installed({"lib.py": LAZY}).told("lib", *rules) == []
    assert "gpulib.core" in workspace.close("lib", *rules).graph.nodes


def test_functions_of_the_workspace_find_what_they_import(workspace: Workspace) -> None:
    workspace.own({"app.py": LAZY}).problems("app", OWN, REST)


NEWER = "if sys.version_info >= (99, 0):\n    from app import new\n"
HANDLED = "try:\n    from app import new\nexcept {}:\n    new = None\n"


@pytest.mark.parametrize(
    "code", [NEWER, *(HANDLED.format(e) for e in ("SyntaxError", "(ImportError, SyntaxError)", "Exception"))]
)
def test_newer_syntax_behind_a_condition_is_packed(workspace: Workspace, code: str) -> None:
    files = {"app/new.py": "from app import newer\nx = 1 +\n", "app/newer.py": "y = 2 +\n"}
    workspace.own({"app/__init__.py": "", "app/main.py": code, **files})
    texts = workspace.told("app.main", OWN, REST)
    assert [text.partition(":")[0] for text in texts] == ["app/new.py", "app/newer.py"]
    assert "cannot read 'app.new'" in texts[0]
    assert {"app.new", "app.newer"} <= workspace.close("app.main", OWN, REST).graph.nodes.keys()


@pytest.mark.parametrize(
    "code", ["from app import new\n", NEWER + "import app.new\n", "import app.other\n" + NEWER]
)
def test_newer_syntax_that_is_run_is_an_error(workspace: Workspace, code: str) -> None:
    others = {"app/new.py": "x = 1 +\n", "app/other.py": "import app.new\n"}
    workspace.own({"app/__init__.py": "", "app/main.py": code, **others})
    (error,) = workspace.problems("app.main", OWN, REST)
    assert "'app.new' does not parse" in error.summary


def test_a_module_that_a_hook_may_add(workspace: Workspace) -> None:
    workspace.own({"app/__init__.py": "try:\n    import hooked\nexcept ImportError:\n    pass\n"})
    workspace.installed({"hooked.pth": "import _odd\n", "_odd.py": "start()\n"})
    (text,) = workspace.told("app", OWN, rule("intern", "**"))
    assert text.startswith("'hooked' is imported at app/__init__.py:2:5 and left out: it was not found\n")
    assert "install it without --editable" in text
    workspace.own({"app/__init__.py": "import hooked\n"})
    (error,) = workspace.problems("app", OWN, rule("intern", "**"))
    assert "not followed here (hooked.pth)" in error.next_step

"""`--python`: another interpreter, without hermpkg, has the modules and runs the factories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BUILD = """
python_modules(name = "modules", srcs = ["main.py"])
model(name = "net", factory = "app.main:make", deps = [":modules"])
model_package(
    name = "app",
    models = {"model/model.pkl": ":net"},
    policy = [intern(["app.**", "only_there"])],
    deps = [":modules"],
)
model_package(
    name = "code",
    sources = {"code": "import only_there"},
    policy = [intern(["code", "only_there"])],
)
package_test(name = "app_test", package = ":app", main = "app_test.py")
"""
MAIN = """
import only_there

class Thing:
    pass

def make():
    thing = Thing()
    thing.number = only_there.NUMBER
    return thing
"""
TEST = """
import importlib.util, sys
from hermpkg_build import PackageImporter

with PackageImporter(sys.argv[1]) as importer:
    print("the number is", importer.load_pickle("model", "model.pkl").number)
print("there are", [name for name in ("rich", "pytest", "starlark") if importlib.util.find_spec(name)])
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A virtual environment with nothing but one module, which no other has."""
    folder = tmp_path_factory.mktemp("environments") / "there é"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture
def there(environment: Path) -> Path:
    """The module that is only there."""
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "only_there.py").write_text("NUMBER = 1\n")
    return site / "only_there.py"


@pytest.fixture
def choice(workspace: Any, there: Path) -> Any:
    workspace.build_file(BUILD)
    workspace.write("app/main.py", MAIN)
    workspace.write("app/app_test.py", TEST)
    return workspace


def test_modules_and_factories_are_those_of_the_chosen_python(choice, environment, there):
    python = str(environment / "bin/python")
    first = choice.build("//app", "--python", python).target
    assert choice.build("//app", "--python", python).target["status"] == "up-to-date"
    # A folder is an environment, and a name or a path may come from the user's own environment.
    assert choice.build("//app", env={"HERMPKG_PYTHON": str(environment)}).target["sha256"] == first["sha256"]
    assert (
        choice.build("-C", "app", ".", f"--python={os.path.relpath(environment, choice.root / 'app')}").ran(
            "make-model"
        )
        == 0
    )
    there.write_text("NUMBER = 22\n")
    changed = choice.build("//app", "--python", python)
    assert changed.target["sha256"] != first["sha256"]
    assert changed.ran("make-model") == 1
    # What was built there is nothing that is built here.
    assert choice.run("//app").code == 1


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("sitecustomize.py", "import builtins\nbuiltins.number = {}\n"),
        ("at_start.pth", "import builtins; builtins.number = {}\n"),
        ("run_by_pth.py", "import builtins\nbuiltins.number = {}\n"),
    ],
)
def test_what_runs_at_the_start_of_the_interpreter_is_an_input(choice, environment, there, file, code):
    choice.write("app/main.py", "import builtins\n\ndef make(): return builtins.number\n")
    files = [there.with_name(name) for name in (file, "always.pth")]
    files[1].write_text("import run_by_pth\n" if file == "run_by_pth.py" else "# nothing\n")
    found = []
    for number in (1, 2, 2):
        files[0].write_text(code.format(number))
        found.append(choice.build("//app:net", "--python", str(environment)).ran("make-model"))
    for path in files:
        path.unlink()
    assert found == [1, 1, 0]


def test_tests_run_in_it_and_see_nothing_of_what_is_beside_hermpkg(choice, environment):
    outcome = choice.run("test", "//app:app_test", "--python", str(environment), "--test-output=all")
    assert outcome.code == 0, outcome.stderr
    assert "the number is 1" in outcome.stdout
    assert "there are []" in outcome.stdout


def test_errors_of_missing_modules_say_where_they_were_looked_for(choice, environment, there):
    looked = f"looked in: {sys.executable} (Python "
    assert looked in choice.run("//app").stderr
    assert looked in choice.run("//app:code").stderr
    there.unlink()
    for target in ("//app", "//app:code"):
        outcome = choice.run(target, "--python", str(environment))
        assert outcome.code == 1
        assert f"looked in: {environment}/bin/python (Python " in outcome.stderr
    there.write_text("NUMBER = 1\n")
    choice.write("app/app_test.py", "import pytest\n")
    outcome = choice.run("test", "//app:app_test", "--python", str(environment))
    assert f"looked in: {environment}/bin/python (Python " in outcome.stderr
    workspace_module = BUILD.replace("app.main:make", "app.mian:make")
    choice.build_file(workspace_module)
    assert looked in choice.run("//app").stderr


def test_it_is_not_asked_where_nothing_is_built(choice, environment):
    path = choice.build("//app", "--python", str(environment)).target["path"]
    for words in (["inspect", path], ["why", path, "app.main"], ["verify", path], ["diff", path, path]):
        assert choice.run(*words, env={"HERMPKG_PYTHON": "/nowhere/python"}).code == 0, words
    outcome = choice.run("inspect", "//app", env={"HERMPKG_PYTHON": "/nowhere/python"})
    assert (outcome.code, "there is no interpreter '/nowhere/python'" in outcome.stderr) == (2, True)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo no Python", "is no Python of version 3.10 or later"),
        ("exit 3", "is no Python of version 3.10 or later"),
        (
            "printf 'hermpkg asks\\n3.9\\n.so\\n/usr/bin/python3.9\\n'",
            "is Python 3.9, and hermpkg needs 3.10",
        ),
    ],
)
def test_what_cannot_be_used(choice, tmp_path, script, told):
    program = tmp_path / "a python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    outcome = choice.run("//app", "--python", str(program), "--json")
    assert (outcome.code, told in outcome.json["error"]["summary"]) == (2, True), outcome.stderr


def test_what_cannot_be_lent_must_be_installed(choice, environment, tmp_path):
    """As in an interpreter of another version, which cannot load what was compiled for this one."""
    program = tmp_path / "python"
    python = environment / "bin/python"
    program.write_text(
        f"""#!/bin/sh
        if [ "$1" != -I ]; then exec "{python}" "$@"; fi
        printf 'hermpkg asks\\n3.99\\n.another.so\\n%s\\n' "$0"
        """
    )
    program.chmod(0o755)
    outcome = choice.run("//app", "--python", str(program), "--json")
    assert outcome.code == 36, outcome.stderr
    assert outcome.json["error"]["next_step"] == f"install it there: {python} -m pip install starlark-pyo3"

"""What a target declares is an input of it, whether it was seen to be read or not."""

from __future__ import annotations

import os
import py_compile
import time
from typing import Any

import pytest

from hermpkg_build import PackageImporter

MODEL = """
python_modules(name = "modules", srcs = ["__init__.py", "factory.py"], resources = ["words.txt"])
model(name = "words", factory = "app.factory:make", deps = [":modules"])
model_package(
    name = "app",
    models = {"m/m.pkl": ":words"},
    policy = [intern("app.**", allow_empty = True), deny("**", allow_empty = True)],
    deps = [":modules"],
)
"""
NATIVE_READS = {
    "a process": "subprocess.run(['cat', path], capture_output=True, text=True, check=True).stdout",
    "mapped memory": "mapped(path)",
    "a descriptor of native code": "native(path)",
}
FACTORY = """
import ctypes
import mmap
import os
import subprocess


def mapped(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        return bytes(memory).decode()


def native(path):
    libc = ctypes.CDLL(None)
    descriptor = libc.open(os.fsencode(path), os.O_RDONLY)
    buffer = ctypes.create_string_buffer(100)
    libc.read(descriptor, buffer, 100)
    libc.close(descriptor)
    return buffer.value.decode()


def make():
    path = os.path.join(os.path.dirname(__file__), "words.txt")
    return READ
"""


@pytest.mark.parametrize("read", NATIVE_READS.values(), ids=NATIVE_READS)
def test_a_resource_that_native_code_reads(workspace: Any, read: str) -> None:
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    workspace.build_file(MODEL)
    workspace.write("app/__init__.py", "")
    workspace.write("app/factory.py", FACTORY.replace("return READ", f"return {read}"))
    for words in ("cat", "dog", "cat"):
        workspace.write("app/words.txt", words)
        outcome = workspace.build("//app")
        assert outcome.code == 0, outcome.stderr
        with PackageImporter(workspace.root / "hermpkg-out/app/app.pt") as importer:
            assert importer.load_pickle("m", "m.pkl") == words
    assert outcome.ran("make-model") == 0  # as in the first build


TESTED = """
python_modules(name = "modules", srcs = ["main.py"])
python_modules(name = "expected", srcs = [], resources = ["expected.txt"])
model_package(
    name = "app",
    modules = ["app.main"],
    policy = [intern("app.**"), extern("extlib.**"), deny("**")],
    deps = [":modules"],
)
package_test(name = "test", package = ":app", main = "check.py", deps = [":expected"], timeout = 60)
"""
CHECK = """
import os, sys, time
from hermpkg_build import PackageImporter

with PackageImporter(sys.argv[1]) as importer:
    answer = importer.import_module("app.main").answer()
assert os.popen(f"cat {EXPECTED}").read() == answer, answer
assert os.environ["PATH"] == os.defpath
time.sleep(SECONDS)
"""


@pytest.fixture
def tested(workspace: Any) -> Any:
    """A package_test whose expectation is a declared resource, and whose artifact leaves `extlib` extern."""
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    workspace.build_file(TESTED)
    workspace.write("app/main.py", "import extlib\n\ndef answer():\n    return extlib.answer()\n")
    workspace.write("app/expected.txt", "42")
    check = CHECK.replace("{EXPECTED}", str(workspace.root / "app/expected.txt")).replace("SECONDS", "0")
    workspace.write("app/check.py", check)
    workspace.write("installed/extlib/__init__.py", "from extlib.part import answer\n")
    workspace.write("installed/extlib/part.py", "def answer():\n    return '42'\n")
    assert run_test(workspace) == "passed"
    return workspace


def run_test(workspace: Any, **variables: str) -> str:
    environment = workspace.environment(PYTHONPATH=str(workspace.root / "installed"), **variables)
    outcome = workspace.run("test", "--json", "//app:test", env=environment)
    assert outcome.code in (0, 3), outcome.stderr
    (test,) = outcome.json["tests"]
    return f"{test['status']} earlier" if test["cached"] else str(test["status"])


def test_nothing_changed(tested: Any) -> None:
    assert run_test(tested) == "passed earlier"
    assert run_test(tested, PATH=f"{tested.root}{os.pathsep}{os.environ['PATH']}") == "passed earlier"


def test_a_resource_of_the_test(tested: Any) -> None:
    tested.write("app/expected.txt", "43")
    assert run_test(tested) == "failed"
    tested.write("app/expected.txt", "42")
    assert run_test(tested) == "passed earlier"


def test_code_that_the_artifact_leaves_outside(tested: Any) -> None:
    """Its content counts, not its name: an editable install or a folder on the path changes in place."""
    tested.write("installed/extlib/part.py", "def answer():\n    return '43'\n")
    assert run_test(tested) == "failed"
    tested.write("installed/extlib/part.py", "def answer():\n    return '42'\n")
    assert run_test(tested) == "passed earlier"


def test_code_that_what_it_leaves_outside_imports(tested: Any) -> None:
    """No name of it is in the artifact, and it has no version that says that it changed."""
    tested.write("installed/extlib/part.py", "from deeper import answer\n")
    for answer, status in (("42", "passed"), ("43", "failed"), ("42", "passed earlier")):
        tested.write("installed/deeper.py", f"def answer():\n    return '{answer}'\n")
        assert run_test(tested) == status


def test_compiled_code_that_the_artifact_leaves_outside(tested: Any) -> None:
    part = tested.root / "installed/extlib/part.py"
    for answer, status in (("42", "passed"), ("43", "failed")):
        part.write_text(f"def answer():\n    return '{answer}'\n")
        py_compile.compile(str(part), cfile=f"{part}c")
        part.unlink()
        assert run_test(tested) == status


def test_a_link_in_that_code_that_leads_back(tested: Any) -> None:
    os.symlink("..", tested.root / "installed/extlib/back")
    os.symlink(".", tested.root / "installed/extlib/here")
    assert run_test(tested) == "passed earlier"


def test_the_time_that_a_test_has(tested: Any) -> None:
    slow = (tested.root / "app/check.py").read_text().replace("time.sleep(0)", "time.sleep(3)")
    tested.write("app/check.py", slow)
    assert run_test(tested) == "passed"
    tested.build_file(TESTED.replace("timeout = 60", "timeout = 1"))
    assert run_test(tested) == "failed"


POINTER = f"version https://example.com/spec/v1\noid sha256:{'a' * 64}\nsize 4665\n"
"""What Git LFS leaves in the place of a file that it has not fetched."""


@pytest.mark.parametrize(
    "attribute",
    ['model:weights = "file.pt"', 'modules:resources = ["file.pt"]', 'package:resources = {"x": ":file.pt"}'],
)
def test_a_file_that_git_lfs_has_not_fetched(workspace: Any, attribute: str) -> None:
    given = dict.fromkeys(("modules", "model", "package"), "")
    rule, _, text = attribute.partition(":")
    given[rule] = f", {text}"
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["factory.py"]{modules})
        model(name = "net", factory = "app.factory:make", deps = [":modules"]{model})
        model_package(name = "app", models = {{"m/x.pkl": ":net"}}, policy = [deny("**")]{package})
        """.format(**given)
    )
    workspace.write("app/factory.py", "def make():\n    return 1\n")
    workspace.write("app/file.pt", POINTER)
    outcome = workspace.run("//app")
    assert outcome.code == 1
    assert "is a pointer of Git LFS" in outcome.stderr
    assert "git lfs pull" in outcome.stderr
    if rule != "model":
        workspace.write("app/file.pt", POINTER + "more")
        workspace.build("//app")


def test_a_factory_that_reads_what_git_lfs_has_not_fetched(workspace: Any) -> None:
    workspace.build_file(MODEL.replace('resources = ["words.txt"]', "resources = []"))
    workspace.write("app/__init__.py", "")
    workspace.write(
        "app/factory.py",
        "import os\ndef make(): return open(os.path.dirname(__file__) + '/words.txt').read()\n",
    )
    workspace.write("app/words.txt", POINTER)
    for _ in range(2):
        assert "pointers of Git LFS: app/words.txt" in workspace.build("//app").stderr


def test_a_time_in_the_future_is_not_a_change(workspace: Any) -> None:
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    workspace.build_file(MODEL.replace('resources = ["words.txt"]', "resources = []"))
    workspace.write("app/__init__.py", "")
    path = workspace.write("app/factory.py", "def make():\n    return 1\n")
    tomorrow = time.time() + 86_400
    os.utime(path, (tomorrow, tomorrow))
    first = workspace.build("//app")
    assert "changed while" not in first.stderr
    os.remove(workspace.root / "hermpkg-out/app/app.pt")
    assert workspace.build("//app").ran("make-model") == 0


def test_what_is_large_beside_tensors_is_told_once(app):
    with (app.root / "app/words.txt").open("ab") as file:
        file.truncate(100_000_000)
    told = app.run("//app").stderr
    assert "//app:app has 100.0 MB beside its tensors: app/words.txt 100.0 MB, your code" in told
    assert "hermpkg inspect --tree //app:app shows all" in told
    app.write("app/main.py", "# another\n" + (app.root / "app/main.py").read_text())
    outcome = app.run("//app")
    assert (outcome.code, "beside its tensors" in outcome.stderr) == (0, False)

"""package_test targets: what they can import, what they are told, and when they run again."""

from __future__ import annotations

import signal
from typing import Any

import pytest

BUILD = """
python_modules(name = "modules", srcs = ["main.py", "__init__.py"])
model_package(name = "app", modules = ["app.main"], policy = [intern("app.**")], deps = [":modules"])
package_test(
    name = "app_test",
    package = ":app",
    main = "app_test.py",
    args = ["one"],
    env = {"TWO": "2"},
    deps = ["//testing:checks"],
)
"""
MAIN = """
import os, sys
from hermpkg_build import PackageImporter
from testing.checks import check

assert sys.argv[1] == os.environ["HERMPKG_ARTIFACT"]
assert sys.argv[2:] == ["one"]
assert os.environ["TWO"] == "2"
with PackageImporter(sys.argv[1]) as importer:
    check(importer.import_module("app.main").VALUE)
"""


@pytest.fixture
def tested(workspace: Any) -> Any:
    workspace.build_file(BUILD)
    workspace.build_file(
        'python_modules(name = "checks", srcs = ["checks.py"], visibility = ["//app:__pkg__"])',
        "testing/BUILD",
    )
    workspace.write("testing/checks.py", "def check(value):\n    assert value == 1, value\n")
    workspace.write("app/__init__.py", "")
    workspace.write("app/main.py", "VALUE = 1\n")
    workspace.write("app/app_test.py", MAIN)
    return workspace


def test_helpers_of_its_deps_can_be_imported(tested: Any) -> None:
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 0, outcome.stderr


def test_helpers_may_be_too_many_for_a_command_line(tested: Any) -> None:
    folder = "helpers_in_a_folder_with_a_long_name"
    tested.build_file(BUILD.replace('"//testing:checks"', '"//app/more:many", "//testing:checks"'))
    tested.build_file(
        f'python_modules(name = "many", srcs = glob(["{folder}/*.py"]), visibility = ["//app:__pkg__"])',
        "app/more/BUILD",
    )
    for number in range(1500):
        tested.write(f"app/more/{folder}/module_with_a_long_name_{number}.py", "")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 0, outcome.stderr


def test_it_starts_in_an_empty_folder(tested: Any) -> None:
    tested.write("app/app_test.py", "import os\nassert os.listdir('.') == [], os.listdir('.')\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 0, outcome.stderr


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("signal.SIGSEGV", "SIGSEGV"),
        pytest.param(
            "signal.SIGRTMIN + 1",
            "signal ",
            marks=pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="there are no such signals"),
        ),
    ],
)
def test_one_that_a_signal_ends_has_failed(tested: Any, number: str, name: str) -> None:
    tested.write("app/app_test.py", f"import os, signal\nos.kill(os.getpid(), {number})\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 3, outcome.stderr
    assert f"was killed by {name}" in outcome.stdout + outcome.stderr


def test_a_changed_helper_runs_the_test_again(tested: Any) -> None:
    assert tested.run("test", "//app:app_test").code == 0
    again = tested.run("test", "//app:app_test", "--json")
    assert again.json["tests"][0]["cached"]
    tested.write("testing/checks.py", "def check(value):\n    assert value == 2, value\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 3
    assert "AssertionError: 1" in outcome.stdout + outcome.stderr


def test_a_helper_that_is_not_among_the_deps_is_refused(tested: Any) -> None:
    tested.write("testing/other.py", "")
    tested.write("app/app_test.py", "import testing.other\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 3
    assert "testing.other" in outcome.stdout + outcome.stderr
    assert "deps" in outcome.stdout + outcome.stderr


def test_what_the_artifact_holds_cannot_be_imported(tested: Any) -> None:
    tested.write("app/app_test.py", "import app.main\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 3
    assert "packed in the artifact" in outcome.stdout + outcome.stderr


def test_a_test_that_does_not_end_is_stopped(tested: Any) -> None:
    tested.build_file(BUILD.replace("args =", "timeout = 1, args ="))
    tested.write("app/app_test.py", "import time\ntime.sleep(600)\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 3
    assert "did not end within 1 s" in outcome.stdout + outcome.stderr


def test_keep_going_runs_the_tests_of_what_was_built(tested: Any) -> None:
    bad = BUILD.partition("model_package")[2].replace('"app.main"', '"app.nowhere"')
    bad = bad.replace('"app"', '"bad"').replace('"app_test"', '"bad_test"').replace('":app"', '":bad"')
    tested.build_file(f"{BUILD}model_package{bad}")
    stopped = tested.run("test", "--json", "//app:all")
    assert stopped.code == 1
    assert "tests" not in stopped.json
    outcome = tested.run("test", "-k", "--json", "//app:all")
    assert outcome.code == 1
    assert [(test["label"], test["status"]) for test in outcome.json["tests"]] == [
        ("//app:app_test", "passed")
    ]
    assert "app.nowhere" in str(outcome.json["error"])
    text = tested.run("test", "-k", "//app:all")
    assert text.code == 1
    assert "1 of 1 tests passed" in text.stdout + text.stderr

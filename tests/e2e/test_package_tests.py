"""package_test targets: what they can import, what they are told, and when they run again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from importlib.machinery import FrozenImporter, PathFinder
from typing import Any
from xml.etree import ElementTree

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


READS = "def make():\n    return read\n\ndef read():\n    return {}.read_text()\n"


def test_what_a_failed_test_says_to_write_for_a_file_finds_it(workspace: Any) -> None:
    workspace.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src"]\n')
    workspace.write("src/app/deep/__init__.py", "")
    workspace.write("src/app/__init__.py", "")
    workspace.write("conf/words.txt", "hello")
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = glob(["src/**/*.py"]), resources = ["conf/words.txt"])
        model(name = "model", factory = "app.deep.net:make", deps = [":modules"])
        model_package(
            name = "app",
            models = {"model/model.pkl": ":model"},
            policy = [intern("app.**")],
            deps = [":modules"],
        )
        package_test(name = "app_test", package = ":app", main = "check.py")
        """,
        "BUILD",
    )
    workspace.write(
        "check.py",
        """
        import sys
        from hermpkg_build import PackageImporter

        with PackageImporter(sys.argv[1]) as importer:
            assert importer.load_pickle("model", "model.pkl")() == "hello"
        """,
    )
    net = workspace.write("src/app/deep/net.py", "from pathlib import Path\n\n")
    reads = net.read_text() + READS
    net.write_text(reads.format("Path('conf/words.txt')"))
    outcome = workspace.run("test", "//:app_test")
    assert outcome.code != 0
    (step,) = re.findall(r"with (Path\(.*?) in (src/app/deep/net.py),", outcome.stderr)
    net.write_text(reads.format(f"({step[0]})"))
    outcome = workspace.run("test", "//:app_test")
    assert outcome.code == 0, outcome.stderr


def test_files_of_the_current_folder_are_not_there(tested: Any) -> None:
    tested.write("names.txt", "one\n")
    tested.write("app/app_test.py", "open('names.txt')\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 3
    assert "-> find 'names.txt' from the code that reads it, as by Path(__file__).parent" in outcome.stderr
    tested.write("app/app_test.py", "open('/nowhere/names.txt')\n")
    assert "-> fix what the output above shows" in tested.run("test", "//app:app_test").stderr


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


PICKLES_NEED = {"copyreg", "encodings"}
STANDARD = sorted(
    name
    for name in sys.stdlib_module_names - {*sys.builtin_module_names} - PICKLES_NEED
    # Those that start the interpreter are frozen into it, and imported before any code of a user runs.
    if not name.startswith("_") and FrozenImporter.find_spec(name) is None and PathFinder.find_spec(name)
)


def test_packed_modules_may_have_the_names_of_the_standard_librarys(workspace: Any) -> None:
    """Factories and packed code import theirs, as in Python; hermpkg and the test those of the machine."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        # `python -m` itself would import some of them from the present folder.
        command = os.path.join(os.path.dirname(sys.executable), "hermpkg")
        environment = workspace.environment()
        return subprocess.run(
            [command, *words],
            cwd=workspace.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    for name in STANDARD:
        workspace.write(f"{name}.py", f"OWN = {name!r}\n")
    names = ", ".join(STANDARD)
    workspace.write(
        "own.py",
        f"import {names}\n\nclass Model:\n    pass\n\ndef make():\n    model = Model()\n"
        f"    model.names = [each.OWN for each in ({names})]\n    return model\n",
    )
    workspace.write(
        "own_test.py",
        f"import json, sys\nfrom hermpkg_build import PackageImporter\nimport {names}\n"
        "importer = PackageImporter(sys.argv[1])\n"
        f"assert importer.load_pickle('m', 'm.pkl').names == {STANDARD}\n"
        f"assert importer.import_module('own').make().names == {STANDARD}\n"
        f"assert not [each for each in ({names}) if hasattr(each, 'OWN')]\n",
    )
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = glob(["*.py"], exclude = ["own_test.py"]))
        model(name = "model", factory = "own:make", deps = [":modules"])
        model_package(
            name = "own",
            models = {"m/m.pkl": ":model"},
            policy = [intern("**")],
            deps = [":modules"],
        )
        package_test(name = "own_test", package = ":own", main = "own_test.py", deps = [":modules"])
        """,
        "BUILD",
    )
    outcome = run("test", "//:own_test")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert run("verify", "//:own").returncode == 0


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


SEVERAL = """
python_modules(name = "modules", srcs = ["main.py", "__init__.py"])
model_package(name = "app", modules = ["app.main"], policy = [intern("app.**")], deps = [":modules"])
package_test(name = "one", package = ":app", main = "one.py", {})
package_test(name = "two", package = ":app", main = "two.py", {})
"""

COUNTS = """
import os, sys
folder = sys.argv[2]
number = len(os.listdir(folder))
open(os.path.join(folder, str(number)), "w").close()
print("attempt", number)
assert number >= int(sys.argv[3]), "too early"
"""


@pytest.fixture
def counting(workspace: Any, tmp_path: Any) -> Any:
    """A test that notes each run in a folder, and what makes it fail so many times first."""
    (tmp_path / "runs").mkdir()

    def failing(times: int, attributes: str = "") -> Any:
        workspace.build_file(
            f"""
            model_package(name = "app", sources = {{"m": ""}}, policy = [intern("m")])
            package_test(name = "t", package = ":app", main = "t.py",
                         args = ["{tmp_path}/runs", "{times}"], {attributes})
            """
        )
        workspace.write("app/t.py", COUNTS)
        return workspace

    failing.runs = lambda: len(list((tmp_path / "runs").iterdir()))  # type: ignore[attr-defined]
    return failing


MEETS = """
import os, sys, time
here, there = sys.argv[2:]
open(here, "w").close()
while not os.path.exists(there):
    time.sleep(0.01)
"""


def test_tests_run_side_by_side(workspace: Any, tmp_path: Any) -> None:
    """Each waits until the other runs too."""
    a, b = tmp_path / "a", tmp_path / "b"
    workspace.build_file(SEVERAL.format(f'args = ["{a}", "{b}"]', f'args = ["{b}", "{a}"]'))
    workspace.write("app/__init__.py", "")
    workspace.write("app/main.py", "VALUE = 1\n")
    for name in ("one", "two"):
        workspace.write(f"app/{name}.py", MEETS)
    outcome = workspace.run("test", "//app:all", "--jobs", "2", "--json")
    assert outcome.code == 0, outcome.stderr
    assert [test["label"] for test in outcome.json["tests"]] == ["//app:one", "//app:two"]


def test_exclusive_tests_run_alone(workspace: Any, tmp_path: Any) -> None:
    """Each finds no trace of another that has begun and not ended."""
    attributes = f'args = ["{tmp_path}/running"], tags = ["exclusive"]'
    workspace.build_file(SEVERAL.format(attributes, attributes))
    workspace.write("app/__init__.py", "")
    workspace.write("app/main.py", "VALUE = 1\n")
    for name in ("one", "two"):
        workspace.write(
            f"app/{name}.py",
            "import os, sys, time\nos.mkdir(sys.argv[2])\ntime.sleep(0.2)\nos.rmdir(sys.argv[2])\n",
        )
    outcome = workspace.run("test", "//app:all", "--jobs", "4")
    assert outcome.code == 0, outcome.stderr + outcome.stdout


def test_a_flaky_test_is_tried_again_and_told(counting: Any) -> None:
    workspace = counting(1, "flaky = True")
    outcome = workspace.run("test", "//app:t")
    assert outcome.code == 0, outcome.stderr
    assert "passed  flaky, 2 attempts" in outcome.stdout
    assert "1 of 1 tests passed, 1 of them flaky" in outcome.stdout
    assert "too early" in outcome.stderr + outcome.stdout
    # It stays flaky when its result is recalled.
    test = workspace.run("test", "//app:t", "--json").json["tests"][0]
    assert (test["cached"], test["flaky"], test["attempts"]) == (True, True, 2)
    assert counting.runs() == 2


def test_what_passed_by_luck_does_not_count_where_it_is_not_flaky(counting: Any) -> None:
    assert counting(1, "flaky = True").run("test", "//app:t").code == 0
    workspace = counting(1)
    assert not workspace.run("test", "//app:t", "--json").json["tests"][0]["cached"]


def test_a_flaky_test_fails_when_all_attempts_do(counting: Any) -> None:
    workspace = counting(3, "flaky = True")
    outcome = workspace.run("test", "//app:t", "--json")
    assert outcome.code == 3
    test = outcome.json["tests"][0]
    assert (test["status"], test["attempts"], test["flaky"], counting.runs()) == ("failed", 3, False, 3)
    assert (
        workspace.run("test", "//app:t", "--flaky_test_attempts=2", "--json").json["tests"][0]["attempts"]
        == 1
    )


def test_runs_per_test(counting: Any) -> None:
    workspace = counting(0)
    assert workspace.run("test", "//app:t").code == 0
    outcome = workspace.run("test", "//app:t", "--runs_per_test=3", "-j1")
    assert (outcome.code, counting.runs()) == (0, 4)
    assert "passed  in 3 of 3 runs" in outcome.stdout
    # What passed before counts, and several runs do not change that.
    assert workspace.run("test", "//app:t", "--json").json["tests"][0]["cached"]
    workspace = counting(6)
    outcome = workspace.run("test", "//app:t", "--runs-per-test", "4", "-j1")
    assert (outcome.code, counting.runs()) == (3, 8)
    assert "failed  in 2 of 4 runs, flaky" in outcome.stdout


def test_what_fails_after_it_passed_does_not_pass_again_by_its_past(counting: Any, tmp_path: Any) -> None:
    """With the same inputs: the program looks at something that it should not."""
    workspace = counting(0)
    assert workspace.run("test", "//app:t").code == 0
    for run in (tmp_path / "runs").iterdir():
        run.unlink()
    assert workspace.run("test", "//app:t").code == 0
    assert counting.runs() == 0
    workspace.write(
        "app/t.py", COUNTS.replace("number >= int(sys.argv[3])", "not os.path.exists(folder + '/bad')")
    )
    assert workspace.run("test", "//app:t").code == 0
    (tmp_path / "runs" / "bad").touch()
    assert workspace.run("test", "//app:t").code == 0
    assert workspace.run("test", "//app:t", "--nocache_test_results").code == 3
    assert workspace.run("test", "//app:t").code == 3
    (tmp_path / "runs" / "bad").unlink()
    assert workspace.run("test", "//app:t").code == 0


def test_data_lies_where_bazel_puts_it_and_is_an_input(tested: Any) -> None:
    data = '["words and so.txt", "request.json", "//testing:deep/down.txt"]'
    tested.build_file(BUILD.replace("args =", f"data = {data}, args ="))
    tested.write("app/words and so.txt", "one\n")
    tested.write("app/request.json", "{}\n")
    tested.write("testing/deep/down.txt", "two\n")
    tested.write(
        "testing/BUILD",
        tested.root.joinpath("testing/BUILD").read_text() + '\nexports_files(["deep/down.txt"])\n',
    )
    tested.write(
        "app/app_test.py",
        """
        import os
        assert open("app/words and so.txt").read() == "one\\n"
        assert open("testing/deep/down.txt").read() == "two\\n"
        assert sorted(os.listdir(".")) == ["app", "testing"], os.listdir(".")
        assert sorted(os.listdir("app")) == ["request.json", "words and so.txt"]
        """,
    )
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 0, outcome.stderr
    tested.write("testing/deep/down.txt", "three\n")
    assert tested.run("test", "//app:app_test").code == 3
    tested.root.joinpath("testing/deep/down.txt").unlink()
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 1
    assert "app/BUILD:" in outcome.stderr
    assert "testing:deep/down.txt" in outcome.stderr


def test_data_at_the_root_of_the_workspace_stays_as_it_is(tested: Any) -> None:
    tested.build_file('exports_files(["request.json"])\n', "BUILD")
    tested.write("request.json", "mine")
    tested.build_file(BUILD.replace("args =", 'data = ["//:request.json"], args ='))
    tested.write("app/app_test.py", "assert open('request.json').read() == 'mine'\n")
    outcome = tested.run("test", "//app:app_test")
    assert outcome.code == 0, outcome.stderr
    assert (tested.root / "request.json").read_text() == "mine"


def test_options_reach_the_program_and_its_key(tested: Any) -> None:
    tested.write(
        "app/app_test.py",
        """
        import os, sys
        print(sys.argv[2:], os.environ.get("TESTBRIDGE_TEST_ONLY"), os.environ.get("TWO"))
        """,
    )
    words = ["test", "//app:app_test", "--test_arg=x y", "--test_arg", "--z", "--test_filter=Case.test_a"]
    outcome = tested.run(*words, "--test_env=TWO=3", "--test_output=all")
    assert outcome.code == 0, outcome.stderr
    assert "['one', 'x y', '--z'] Case.test_a 3" in outcome.stdout
    assert tested.run(*words, "--test-env", "TWO=3", "--json").json["tests"][0]["cached"]
    for other in (words[:-1], [*words, "--test_timeout=7"], [*words, "--test_env=TWO=3", "--test_env=A=1"]):
        assert not tested.run(*other, "--json").json["tests"][0]["cached"], other
    outcome = tested.run("test", "//app:app_test", "--test_env=TWO")
    assert (outcome.code, "--test-env needs NAME=VALUE" in outcome.stderr) == (2, True)
    outcome = tested.run("test", "//app:app_test", "--test_output=streamed")
    assert (outcome.code, "summary, errors, all" in outcome.stderr) == (2, True)


def test_whose_output_is_shown(tested: Any) -> None:
    tested.write("app/app_test.py", "print('said')\nraise SystemExit(1)\n")
    for what, shown in (("summary", False), ("errors", True), ("all", True)):
        outcome = tested.run("test", "//app:app_test", f"--test_output={what}")
        assert outcome.code == 3
        assert ("said" in outcome.stdout + outcome.stderr) is shown, what
    tested.write("app/app_test.py", "print('said')\n")
    assert "said" not in tested.run("test", "//app:app_test").stdout


def test_junit(tested: Any) -> None:
    tested.build_file(
        BUILD
        + """
package_test(name = "bad_test", package = ":app", main = "bad_test.py")
model_package(name = "broken", modules = ["app.nowhere"], policy = [intern("app.**")], deps = [":modules"])
package_test(name = "broken_test", package = ":broken", main = "bad_test.py")
"""
    )
    tested.write("app/bad_test.py", "print('<&> \\x1b[31m \\0 é')\nraise SystemExit(2)\n")
    outcome = tested.run("test", "-k", "//app:all", "--junit", "reports/out put.xml")
    assert outcome.code == 1
    suite = ElementTree.parse(tested.root / "reports/out put.xml").getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3", "failures": "1", "errors": "1",
    }  # fmt: skip
    cases = {case.get("name"): case for case in suite}
    assert {case.get("classname") for case in suite} == {"app"}
    assert [child.tag for child in cases["app_test"]] == []
    assert float(cases["app_test"].get("time")) > 0
    (failure,) = cases["bad_test"]
    assert failure.get("message") == "//app:bad_test exited with code 2"
    assert "<&> \\x1b[31m \\x00 é" in failure.text
    assert [child.tag for child in cases["broken_test"]] == ["error"]
    # There is a report although the build stops.
    outcome = tested.run("test", "//app:broken_test", "--junit", "reports/out put.xml")
    assert outcome.code == 1
    suite = ElementTree.parse(tested.root / "reports/out put.xml").getroot()[0]
    assert [child.tag for child in suite[0]] == ["error"]
    outcome = tested.run("test", "//app:app_test", "--junit", "app/BUILD/x.xml")
    assert (outcome.code, "cannot write 'app/BUILD/x.xml'" in outcome.stderr) == (36, True)


def test_an_interrupted_test_has_not_failed(workspace: Any, tmp_path: Any) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    workspace.build_file(SEVERAL.format(f'args = ["{a}", "{b}"]', f'args = ["{b}", "{a}"]'))
    workspace.write("app/__init__.py", "")
    workspace.write("app/main.py", "VALUE = 1\n")
    for name in ("one", "two"):
        workspace.write(f"app/{name}.py", MEETS + "time.sleep(600)\n")
    running = workspace.start("test", "//app:all", "--jobs", "2")
    while not (a.exists() and b.exists()):
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 8
    assert "failed" not in stdout + stderr
    assert "interrupted" in stderr


def test_what_passed_with_a_file_that_changed_meanwhile_is_not_kept(tested: Any, tmp_path: Any) -> None:
    """The helper is mended while the test runs, and then it is what it was."""
    failing = "def check(value):\n    raise AssertionError(value)\n"
    helper, flag = tested.root / "testing/checks.py", tmp_path / "mend"
    mending = f"""
import os
if os.path.exists({str(flag)!r}):
    open({str(helper)!r}, "w").write("def check(value):\\n    pass\\n")
"""
    helper.write_text(failing)
    tested.write("app/app_test.py", mending + MAIN)
    flag.touch()
    first = tested.run("test", "//app:app_test")
    assert first.code == 0, first.stderr
    assert "testing/checks.py changed while //app:app_test ran" in first.stderr
    flag.unlink()
    helper.write_text(failing)
    assert tested.run("test", "//app:app_test").code != 0

"""`hermpkg verify --rebuild`: catches every control with record, path and cause, and passes what is sound."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from hermpkg_build.inspection.verify.varied_conditions import CONDITIONS

# Control, conditions to vary, the one that alone causes it ("" for none), where it shows, what is said of it.
CONTROLS = [
    ("set_order", "all", "hash-seed", "model.vocabulary", "the same 6 elements in another order"),
    ("listing_order", "umask,directory-order,jobs", "directory-order", "model.shards", "in another order"),
    ("environment_variable", "home,environment,threads", "environment", "model.trained_by", "another value"),
    ("wall_clock", "hash-seed,umask", "", "model.made_at", "the time of the build"),
    ("unseeded", "hash-seed,umask", "", "model.weights[0]", "another value"),
    ("address", "hash-seed,umask", "", "model.handles[0].__reduce__()[1][0]", "addresses in memory"),
]


@pytest.fixture
def controls(make_workspace, repository, tmp_path):
    """A copy of the example."""
    root = tmp_path / "irreproducible"
    ignored = shutil.ignore_patterns("hermpkg-out", "__pycache__")
    shutil.copytree(repository / "examples/irreproducible", root, ignore=ignored)
    return make_workspace(root, tmp_path / "cache")


def rebuild_check(outcome):
    """The verdict on the rebuild of a run in JSON mode."""
    (check,) = [check for check in outcome.json["checks"] if check["check"] == "rebuild"]
    return check


@pytest.mark.parametrize(("name", "vary", "condition", "path", "said"), CONTROLS)
def test_a_control(controls, name, vary, condition, path, said):
    outcome = controls.run("verify", f"//controls:{name}", "--rebuild", "--vary", vary, "--json")
    assert outcome.code == 3, outcome.stderr
    (cause,) = rebuild_check(outcome)["causes"]
    assert cause["conditions"] == ([condition] if condition else [])
    (record,) = cause["comparison"]["records"]
    assert record["name"] == "model/model.pkl"
    detail = record["details"][0]
    assert detail["path"] == path
    assert said in detail["what"] + detail["hint"]
    assert detail["a"]["opcode"]


@pytest.mark.slow
def test_a_control_with_tensors(controls):
    """Names the tensor, and by how much it differs."""
    words = ("verify", "//controls:thread_sum", "--rebuild", "--vary", "threads", "--json")
    outcome = controls.run(*words)
    assert outcome.code == 3, outcome.stderr
    (cause,) = rebuild_check(outcome)["causes"]
    assert cause["conditions"] == ["threads"]
    (record,) = cause["comparison"]["records"]
    assert record["name"] == ".data/0.storage"
    (tensor,) = record["details"]
    assert (tensor["name"], tensor["a"], tensor["count"]) == ("total", "float32[1]", 1)
    assert 0 < tensor["largest"] < 1


def test_every_control_is_tried(controls):
    """A model that is added to the example must be in the table above."""
    tried = {row[0] for row in CONTROLS} | {"thread_sum", "sound", "__init__"}
    assert {path.stem for path in (controls.root / "controls").glob("*.py")} == tried


def test_what_is_sound_passes(controls):
    outcome = controls.run("verify", "//controls:sound", "--rebuild", "--runs", "3", "--json")
    assert outcome.code == 0, outcome.stderr
    assert rebuild_check(outcome)["builds"] == 3


def test_what_is_told_and_kept(controls, tmp_path):
    summary = tmp_path / "summary.md"
    words = ("verify", "//controls:set_order", "--rebuild", "--vary", "hash-seed", "--summary", str(summary))
    outcome = controls.run(*words)
    assert outcome.code == 3
    for text in ("hash-seed alone suffices", "model.vocabulary", "hermpkg diff"):
        assert text in outcome.stdout
        assert text in summary.read_text()
    words = outcome.stdout.partition("hermpkg diff ")[2].split()
    assert controls.run("diff", *words[:2]).code == 3


@pytest.mark.thorough
def test_each_condition_alone_leaves_the_app_as_it_is(app):
    app.build("//app")
    for condition in CONDITIONS:
        outcome = app.run("verify", "//app", "--rebuild", "--vary", condition)
        assert outcome.code == 0, outcome.stdout


def test_causes_that_need_each_other(workspace):
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["f.py"])
        model(name = "m", factory = "app.f:make", deps = [":modules"])
        model_package(
            name = "app",
            models = {"m/m.pkl": ":m"},
            policy = [intern("app.**"), deny("**")],
            deps = [":modules"],
        )
        """
    )
    workspace.write("app/f.py", FACTORY)
    outcome = workspace.run("verify", "//app", "--rebuild", "--vary", "time-zone,umask,environment", "--json")
    (cause,) = rebuild_check(outcome)["causes"]
    assert cause["conditions"] == ["time-zone", "environment"]
    assert "together suffice" in cause["what"]


FACTORY = """
import os

class Model:
    pass

def make():
    model = Model()
    model.both = os.environ["TZ"] != "UTC" and "USER" in os.environ
    return model
"""


def test_a_build_that_only_works_where_it_is(workspace):
    """A build that fails under a condition is a difference too, and the error is told."""
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["f.py"])
        model(name = "m", factory = "app.f:make", deps = [":modules"])
        model_package(
            name = "app",
            models = {"m/m.pkl": ":m"},
            policy = [intern("app.**"), deny("**")],
            deps = [":modules"],
        )
        """
    )
    fail = "    if 'USER' in os.environ:\n        raise ValueError('no')\n"
    workspace.write("app/f.py", f"import os\n\nclass M:\n    pass\n\ndef make():\n{fail}    return M()\n")
    outcome = workspace.run("verify", "//app", "--rebuild", "--vary", "environment", "--json")
    assert outcome.code == 3
    (cause,) = rebuild_check(outcome)["causes"]
    assert cause["conditions"] == ["environment"]
    assert "ValueError" in cause["error"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("//app", "--vary", "umask"), "--vary needs --rebuild"),
        (("//app", "--runs", "3"), "--runs needs --rebuild"),
        (("//app", "--rebuild", "--vary", "hashseed"), "hash-seed"),
        (("//app", "--rebuild", "--runs", "1"), "--runs needs"),
        (("x.pt", "--rebuild"), "--rebuild needs targets, but x.pt is a file"),
    ],
)
def test_what_makes_no_sense(app, words, text):
    outcome = app.run("verify", *words)
    assert outcome.code == 2
    assert text in outcome.stderr


def test_all_conditions_leave_the_app_as_it_is_and_nothing_behind(app, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    outcome = app.run("verify", "//app", "--rebuild", env={"TMPDIR": str(scratch)})
    assert outcome.code == 0, outcome.stdout
    assert os.listdir(scratch) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "label", "vary"),
    [
        ("vision", "//models:resnet", CONDITIONS),
        # Torch takes a minute on a processor that is emulated; that the numbers stay has tests of its own.
        ("matching", "//matching:loftr", [name for name in CONDITIONS if name != "processor"]),
    ],
)
def test_the_examples(make_workspace, repository, tmp_path, name, label, vary):
    root = tmp_path / name
    ignored = shutil.ignore_patterns("hermpkg-out", "bazel-*")
    shutil.copytree(repository / "examples" / name, root, ignore=ignored)
    outcome = make_workspace(root, tmp_path / "cache").run(
        "verify", label, "--rebuild", "--vary", ",".join(vary)
    )
    assert outcome.code == 0, outcome.stdout
    assert "2 rebuilds gave the same bytes" in outcome.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_leaves_nothing_behind(workspace, tmp_path, number):
    """Neither scratch folders nor the processes of a factory that would run for minutes."""
    workspace.build_file(ONE_MODEL)
    workspace.write("app/f.py", WAITING)
    scratch, beat = tmp_path / "scratch", tmp_path / "beat"
    scratch.mkdir()
    workspace.write("app/where.py", f"BEAT = {str(beat)!r}\n")
    process = workspace.start("verify", "//app", "--rebuild", "--vary", "umask", env={"TMPDIR": str(scratch)})
    wait_for(beat.exists)
    process.send_signal(number)
    process.communicate(timeout=300)
    assert process.returncode == 8
    assert os.listdir(scratch) == []
    beat.unlink()
    time.sleep(0.5)
    assert not beat.exists()


def wait_for(condition) -> None:
    """Wait until something that another process does is done."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


ONE_MODEL = """
python_modules(name = "modules", srcs = ["f.py", "where.py"])

model(name = "m", factory = "app.f:make", deps = [":modules"])

model_package(
    name = "app",
    models = {"m/m.pkl": ":m"},
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
"""

# Quick in an ordinary build; in a rebuild, known by the name of its scratch folder, it goes on and on.
WAITING = """
import os, time
from app.where import BEAT

class Model:
    pass

def make():
    while "hermpkg-rebuild-" in os.environ["HOME"]:
        open(BEAT, "w").close()
        time.sleep(0.05)
    return Model()
"""

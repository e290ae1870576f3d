"""What is wrong in BUILD files, labels, policies and sources is reported with its place and a next step."""

import os

import pytest

PACKAGE = """
python_modules(name = "modules", srcs = glob(["*.py"]))
model_package(
    name = "app",
    modules = ["app.main"],
    policy = [{policy}],
    deps = [":modules"],
)
"""


def fails(workspace, *words, code=1):
    """The text of the error that a run must end with."""
    outcome = workspace.run(*words)
    assert outcome.code == code, outcome.stderr or outcome.stdout
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr
    return outcome.stderr


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("model_package(name = \n", "app/BUILD:2:14", ["syntax"]),
        ('model_package(name = "x", sorces = {})', "app/BUILD:2:", ["sorces", "sources"]),
        ("model_package(sources = {})", "app/BUILD:2:", ["name"]),
        ('model_package(name = "x", sources = ["m"])', "app/BUILD:2:", ["sources"]),
        ('model(name = "x", factory = "m:f", seed = "one")', "app/BUILD:2:", ["seed"]),
        ('python_module(name = "x", srcs = [])', "app/BUILD:2:", ["python_module", "python_modules"]),
        ('python_modules(name = "x", srcs = ["gone.py"])', "app/BUILD:2:", ["gone.py"]),
        (
            'python_modules(name = "x", srcs = glob(["*.nothing"], allow_empty = False))',
            "app/BUILD:2:",
            ["*.nothing"],
        ),
        (
            'python_modules(name = "x", srcs = [])\npython_modules(name = "x", srcs = [])',
            "app/BUILD:3:",
            ["x"],
        ),
        ("x = 1 // 0", "app/BUILD:2:", ["division"]),
        ('load("//app:gone.bzl", "f")', "app/BUILD:2:", ["gone.bzl"]),
        ("def f():\n    return f()\nf()", "app/BUILD", []),
    ],
)
def test_build_files(workspace, text, place, words):
    workspace.build_file(text)
    workspace.write("app/BUILD", workspace.root.joinpath("app/BUILD").read_text())
    error = fails(workspace, "//app:all")
    assert place in error
    for word in words:
        assert word in error


def test_a_missing_dependency_is_shown_where_it_is_named(app):
    app.build_file(
        'python_modules(name = "x", srcs = [])\npython_modules(name = "y", deps = [":z"], srcs = [])'
    )
    outcome = app.run("//app:y")
    assert outcome.code != 0
    assert "app/BUILD:3" in outcome.stderr
    assert "//app:z" in outcome.stderr


def test_a_cycle_of_targets(app):
    app.build_file(
        'python_modules(name = "x", srcs = [], deps = [":y"])\n'
        'python_modules(name = "y", srcs = [], deps = [":x"])'
    )
    outcome = app.run("//app:y")
    assert outcome.code == 1
    assert "cycle" in outcome.stderr
    assert "//app:x" in outcome.stderr
    assert "//app:y" in outcome.stderr


def test_visibility(app):
    app.build_file('python_modules(name = "mine", srcs = [], visibility = ["//visibility:private"])')
    app.build_file('python_modules(name = "x", srcs = [], deps = ["//app:mine"])', "other/BUILD")
    outcome = app.run("//other:x")
    assert outcome.code == 1
    assert "other/BUILD:2" in outcome.stderr
    assert "visib" in outcome.stderr


def test_a_label_of_no_package(app):
    error = fails(app, "//ap:app")
    assert "//app" in error


@pytest.mark.parametrize(
    ("policy", "source", "place", "words"),
    [
        ('intern("app.**")', "import email\nimport numpy\n", "app/main.py:2:1", ["numpy", "extern("]),
        (
            'intern("app.**"), deny("subprocess")',
            "import subprocess\n",
            "app/main.py:1:1",
            ["subprocess", "deny"],
        ),
        (
            'intern("app.**")',
            "from app import (\n    gone,\n)\nimport app.lost\n",
            "app/main.py:4:1",
            ["app.lost"],
        ),
        ('intern("app.**")', "x = 1\ny = = 2\n", "app/main.py:2:", ["syntax"]),
        ('intern(["app.**", "nothing.**"]), intern("never.**")', "", "app/BUILD:7:49", ["never.**"]),
        (
            'intern("app.**"), extern("app.helpers")',
            "import app.helpers\n",
            "app/BUILD:7:33",
            ["app.helpers"],
        ),
        ('intern("app.***")', "", "app/BUILD:7:22", ["***"]),
    ],
)
def test_policies_and_sources(app, policy, source, place, words):
    app.build_file(PACKAGE.replace("{policy}", policy))
    app.write("app/main.py", source)
    error = fails(app, "//app")
    assert place in error
    for word in words:
        assert word.lower() in error.lower()


def test_all_problems_are_reported_at_once(app):
    app.write("app/main.py", "import numpy\nfrom app import helpers\n")
    app.write("app/helpers.py", "def f():\n    import requests_that_is_not_there\n")
    error = fails(app, "//app")
    assert "app/main.py:1:1" in error
    assert "app/helpers.py:2:5" in error


def test_a_resource_that_is_not_there(app):
    (app.root / "app/words.txt").unlink()
    outcome = app.run("//app")
    assert outcome.code == 1
    assert "words.txt" in outcome.stderr
    assert "app/BUILD" in outcome.stderr


@pytest.mark.parametrize(
    "text", ["[tool.hermpkg\n", '[tool]\nhermpkg = "yes"\n', "[tool.hermpkg]\nsource-roots = 3\n"]
)
def test_workspace_settings(app, text):
    app.write("pyproject.toml", text)
    error = fails(app, "//app", code=2)
    assert "pyproject.toml" in error


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ('sources = {"new": "", "new.__init__": ""}', ["'new.__init__' is below sources 'new'"]),
        ('sources = {"new": "", "new.part": ""}', ["'new.part' is below sources 'new'", "new.__init__"]),
        ('modules = ["app.main"], resources = {"app/main.py": "words.txt"}', ["app/main.py", "app.main"]),
    ],
)
def test_two_things_at_one_place_of_an_artifact(app, attributes, words):
    app.build_file(
        f"""
        python_modules(name = "modules", srcs = glob(["*.py"]))
        model_package(name = "app", policy = [intern("**")], deps = [":modules"], {attributes})
        """
    )
    error = fails(app, "//app")
    assert "app/BUILD:4:" in error
    for word in words:
        assert word in error


def test_messages_of_factories_name_files_by_their_place_in_the_workspace(app):
    app.build_file(
        """
        python_modules(name = "modules", srcs = glob(["*.py"]))
        model(name = "thing", factory = "app.factory:make", deps = [":modules"])
        """
    )
    for source in (
        "def make(:\n",
        "def make(): return lambda: 1\n",
        "def make(): raise ValueError(__file__)\n",
    ):
        app.write("app/factory.py", source)
        error = app.run("//app:thing").stderr
        assert "app/factory.py:1" in error
        assert str(app.root) not in error.replace(f"ValueError: {app.root}", "")


def test_a_message_of_any_length_is_shown_in_part(app):
    app.build_file(
        """
        python_modules(name = "modules", srcs = glob(["*.py"]))
        model(name = "thing", factory = "app.factory:make", deps = [":modules"])
        """
    )
    app.write("app/factory.py", "def make(): raise ValueError('x' * 1_000_000)\n")
    error = app.run("//app:thing").stderr
    assert "ValueError: xxx" in error
    assert len(error) < 5_000


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that not even root can read")
def test_a_source_that_cannot_be_read(app):
    os.symlink("/proc/self/mem", app.root / "app/broken.py")
    app.write("app/main.py", "from app import broken\n")
    error = fails(app, "//app")
    assert "app/broken.py: the source of app.broken cannot be read" in error
    assert "reason: Input/output error" in error


def test_pipes_are_not_waited_for(app):
    app.build("//app")
    state = app.root / "hermpkg-out/.hermpkg"
    for note in [*(state / "targets").iterdir(), *(state / "requests").iterdir()]:
        note.unlink()
        os.mkfifo(note)
    os.mkfifo(app.root / "hermpkg.lock")
    (app.cache / "v1/index.sqlite3").unlink()
    os.mkfifo(app.cache / "v1/index.sqlite3")
    app.write("app/words.txt", "three\n")
    app.build("//app")
    assert "hermpkg.lock cannot be read" in fails(app, "verify", "--locked", code=2)
    refused = app.run("lock")
    assert refused.code == 36
    assert "hermpkg.lock cannot be written" in refused.stderr
    (app.root / "hermpkg.lock").unlink()
    assert app.run("lock").code == 0
    assert app.run("verify", "--locked").code == 0


def test_conditions_of_any_depth(app, tmp_path):
    (tmp_path / "conditions").write_text("[" * 100_000)
    error = fails(app, "build", "--conditions", str(tmp_path / "conditions"), "//app", code=2)
    assert "nested too deeply" in error


def test_any_number_of_jobs(app):
    app.build("--jobs", "999999999", "//...")


def test_requirements_are_checked_before_anything_is_built_for_them(workspace):
    workspace.write("net/factory.py", "def make():\n    raise RuntimeError('the factory ran')\n")
    build = """
        python_modules(name = "modules", srcs = ["factory.py"])
        model(name = "net", factory = "net.factory:make", deps = [":modules"])
        model_package(
            name = "art",
            models = {"model/model.pkl": ":net"},
            policy = [intern("net.**")],
            requires = {
                "hypothesis": ">=3",
                "no-such-distribution": ">=1",
                "Pytest": "<2",
                "packaging": "<1",
            },
            deps = [":modules"],
        )
        """
    workspace.build_file(build, "net/BUILD")
    outcome = workspace.run("//net:art")
    assert outcome.code == 1
    assert "the factory ran" not in outcome.stderr
    assert "net/BUILD:12:19" in outcome.stderr
    assert "requires Pytest <2, and " in outcome.stderr
    assert "net/BUILD:13:22" in outcome.stderr
    assert "net/BUILD:11:33: requires names no-such-distribution, which is" in outcome.stderr

    # One fault less, and it is told alone; none, and the factory runs.
    workspace.build_file(build.replace('"<2"', '">=2"'), "net/BUILD")
    outcome = workspace.run("//net:art")
    assert ("net/BUILD:13:22" in outcome.stderr, "Pytest" in outcome.stderr) == (True, False)
    workspace.build_file(build.replace('"<2"', '">=2"').replace('"<1"', '">=1"'), "net/BUILD")
    assert "the factory ran" in workspace.run("//net:art").stderr

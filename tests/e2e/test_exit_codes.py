"""Exit codes are Bazel's, and errors are on standard error."""

import os
import signal
import subprocess

import pytest

TEST_RULE = 'package_test(name = "app_test", package = ":app", main = "app_test.py", timeout = 300)\n'


def with_test(app, source):
    app.write("app/app_test.py", source)
    build = app.root / "app/BUILD"
    build.write_text(build.read_text() + TEST_RULE)
    return app


def test_0_when_done(app):
    assert app.run("//app").code == 0


def test_1_when_the_build_fails(app):
    app.write("app/helpers.py", "import socketserver_that_is_nowhere\n")
    outcome = app.run("//app")
    assert outcome.code == 1
    assert outcome.stdout == ""
    assert "app/helpers.py:1" in outcome.stderr


@pytest.mark.parametrize("label", ["//app:nothing", "//nowhere:app", "//nowhere/...", "//app:a:b"])
def test_1_when_a_label_names_nothing(app, label):
    """As in Bazel."""
    outcome = app.run(label)
    assert outcome.code == 1, outcome.stderr
    assert outcome.stdout == ""
    assert label in outcome.stderr or "nowhere" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["buil"], "did you mean 'build'?"),
        (["build"], "hermpkg build needs PATTERN..."),
        (["build", "//app", "--explane"], "did you mean '--explain'?"),
        (["build", "//app", "--explain=yes"], "takes no value"),
        (["build", "//app", "--out"], "needs a value"),
        (["--jobs=0", "//app"], "--jobs"),
        (["--jobs=many", "//app"], "--jobs"),
        (["--color=blue", "//app"], "auto, always, never"),
        (["version", "please"], "please"),
        (["-C", "nowhere", "version"], "nowhere"),
        (["help", "bild"], "did you mean 'build'?"),
        (["test", "//app:modules"], "package_test"),
    ],
)
def test_2_when_the_command_line_is_wrong(app, words, text):
    outcome = app.run(*words)
    assert outcome.code == 2, outcome.stderr
    assert text in outcome.stderr
    assert outcome.stdout == ""


def test_2_outside_of_a_workspace(app, tmp_path):
    outcome = app.run("-C", str(tmp_path), "//app")
    assert outcome.code == 2
    assert "no workspace" in outcome.stderr


def test_3_when_a_test_fails(app):
    with_test(app, "import sys\nprint('what it saw')\nsys.exit(4)\n")
    outcome = app.run("test", "//app:app_test")
    assert outcome.code == 3
    assert "what it saw" in outcome.stdout + outcome.stderr
    assert "0 of 1 tests passed" in outcome.stdout


def test_0_when_tests_pass_and_then_from_the_cache(app):
    with_test(
        app,
        """
        import os

        from hermpkg_build import PackageImporter

        with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
            assert importer.import_module("app.main").greet() == "hello"
        try:
            import app
        except ImportError:
            pass
        else:
            raise AssertionError(app)
        """,
    )
    first = app.run("test", "//app:app_test")
    assert first.code == 0, first.stderr
    assert "1 of 1 tests passed" in first.stdout
    assert "earlier" in app.run("test", "//app:app_test").stdout


def test_7_when_a_question_names_nothing(app):
    outcome = app.run("why", "//app", "app.helper")
    assert outcome.code == 7
    assert "app.helpers" in outcome.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_8_when_interrupted(app, number):
    with_test(app, "import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    process = app.start("test", "//app:app_test", "-v")
    try:
        while "testing" not in (line := process.stderr.readline()):
            assert line, "the command ended before its test began"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 8, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert app.run("//app").code == 0


def test_36_when_the_output_cannot_be_written(app, tmp_path):
    if os.geteuid() == 0:
        # Root may write anywhere, so a file stands where a folder is needed.
        (app.root / "hermpkg-out").write_text("")
    else:
        (app.root / "hermpkg-out").mkdir(mode=0o555)
    outcome = app.run("//app")
    assert outcome.code == 36, outcome.stderr


def test_36_when_standard_output_is_full(app):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            app.command("version"), stdout=full, stderr=subprocess.PIPE, env=app.environment(), check=False
        )
    assert process.returncode == 36
    assert b"No space left" in process.stderr


def test_37_is_a_bug_with_a_traceback_and_a_way_to_report_it(app, monkeypatch):
    script = (
        "import hermpkg_build.cli.commands.version as v, hermpkg_build.cli.main as m, sys, dataclasses\n"
        "v.run = dataclasses.replace(v.run, function=lambda arguments, console: 1 // 0)\n"
        "sys.exit(m.main(['version']))\n"
    )
    process = subprocess.run(
        [*app.command()[:1], "-c", script], capture_output=True, text=True, env=app.environment(), check=False
    )
    assert process.returncode == 37
    assert "ZeroDivisionError" in process.stderr
    assert "Traceback" in process.stderr
    assert "report" in process.stderr


def test_a_reader_that_goes_away_is_no_error(app):
    process = app.start("help")
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(300) == 0
    assert stderr == ""

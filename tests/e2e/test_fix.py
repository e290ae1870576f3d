"""``hermpkg fix`` as people run it: its output, its exit codes, and what is left where it is killed."""

from __future__ import annotations

import os
import signal
import time

import pytest

from hermpkg_build.errors import ExitCode

BROKEN = """
python_modules(
    name = "modules",
    srcs = ["__init__.py", "gone.py", "main.py"],
)

model_package(
    name = "app",
    modules = ["app.main"],
    policy = [deny("**")],  # nothing yet
    deps = [":modules"],
)
"""


@pytest.fixture
def broken(workspace):
    workspace.write_app()
    workspace.build_file(BROKEN)
    return workspace


def test_it_shows_what_it_changes_and_the_targets_build(broken):
    before = (broken.root / "app/BUILD").read_text()
    shown = broken.run("fix", "--dry-run", ":app", cwd="app")
    assert (shown.code, (broken.root / "app/BUILD").read_text()) == (0, before)
    done = broken.run("fix", ".", cwd="app")
    assert (done.code, done.stdout) == (0, shown.stdout)
    assert shown.stdout.startswith("--- a/app/BUILD\n+++ b/app/BUILD\n@@ ")
    assert "app: intern, your code" in done.stderr
    assert broken.run("build", "//...").code == 0
    again = broken.run("fix")
    assert (again.code, again.stdout, again.stderr) == (0, "", "nothing to mend: //...\n")


def test_json_has_the_diffs_the_decisions_and_what_is_left(broken):
    broken.write("app/helpers.py", "import app.nowhere\n")
    outcome = broken.run("--json", "fix")
    assert outcome.code == ExitCode.BUILD_FAILED
    (file,) = outcome.json["files"]
    assert (file["path"], "-    srcs = " in file["diff"]) == ("app/BUILD", True)
    assert "app: intern, your code" in outcome.json["decisions"]
    assert "app.nowhere" in str(outcome.json["left"])


def test_a_file_that_cannot_be_written_is_told(broken):
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    (broken.root / "app").chmod(0o500)
    try:
        assert broken.run("fix").code == ExitCode.LOCAL_ENVIRONMENT
    finally:
        (broken.root / "app").chmod(0o700)


def test_where_it_is_killed_files_are_old_or_new(broken):
    before = (broken.root / "app/BUILD").read_text()
    process = broken.start("fix")
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (broken.root / "app/BUILD").read_text() == before or broken.run("fix").stdout == ""
    assert [path.name for path in (broken.root / "app").iterdir() if path.name.startswith(".")] == []
    broken.build_file(BROKEN)
    both = [broken.start("fix"), broken.start("fix")]
    assert {process.wait() for process in both} <= {0, ExitCode.LOCAL_ENVIRONMENT}
    for process in both:
        process.communicate()
    assert broken.run("fix").stdout == ""


def test_targets_that_there_are_not(broken):
    outcome = broken.run("fix", "//nowhere:x")
    assert outcome.code == ExitCode.BUILD_FAILED
    assert "no such package: //nowhere" in outcome.stderr

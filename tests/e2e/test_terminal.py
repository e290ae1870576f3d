"""On a terminal: progress that goes away, colours, and results that stay."""

import os
import pty
import re
import select
import subprocess
import zipfile
from pathlib import Path

import pytest

ESCAPE = "\x1b[2J"


def run_on_a_terminal(
    workspace, *words: str, seen: tuple[str, Path] | None = None, **changes: str
) -> tuple[int, str]:
    """The exit code, and everything that a terminal is sent; a file is made once a text was `seen`."""
    ours, theirs = pty.openpty()
    environment = workspace.environment(**{"TERM": "xterm-256color", "COLUMNS": "100", **changes})
    process = subprocess.Popen(
        workspace.command(*words),
        cwd=workspace.root,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    sent = b""
    try:
        while select.select([ours], [], [], 300)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not data:
                break
            sent += data
            if seen and seen[0].encode() in sent:
                seen[1].touch()
        return process.wait(300), sent.decode()
    finally:
        process.kill()
        os.close(ours)


@pytest.fixture
def go_on(tmp_path: Path) -> Path:
    """A file that the test of `slow_app` waits for."""
    return tmp_path / "go on"


@pytest.fixture
def slow_app(app, go_on: Path):
    """The app with a test that takes long enough to be seen."""
    app.write(
        "app/app_test.py", f"import os, time\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.01)\n"
    )
    build = app.root / "app/BUILD"
    build.write_text(
        build.read_text() + 'package_test(name = "app_test", package = ":app", main = "app_test.py")\n'
    )
    return app


def test_what_runs_is_shown_while_it_runs(slow_app, go_on):
    shown = "testing //app:app_test"
    code, sent = run_on_a_terminal(slow_app, "test", "//app:app_test", seen=(shown, go_on))
    assert code == 0, sent
    assert shown in sent
    assert "\x1b[" in sent
    # Redrawing hides the cursor; it must be shown again, and the results come after the display has gone.
    assert sent.count("\x1b[?25l") == sent.count("\x1b[?25h")
    assert sent.rindex("passed") > sent.rindex("testing //app:app_test")


def test_nothing_moves_where_nothing_runs(app):
    app.build("//app")
    code, sent = run_on_a_terminal(app, "//app")
    assert code == 0
    assert "up-to-date" in sent
    assert "\x1b[?25l" not in sent


def test_no_color_is_honoured(app):
    app.build("//app")
    _, sent = run_on_a_terminal(app, "//app", NO_COLOR="1")
    assert "\x1b" not in sent
    _, sent = run_on_a_terminal(app, "//app")
    assert re.search(r"\x1b\[[0-9;]*m", sent)


def test_a_dumb_terminal_gets_plain_lines(slow_app, go_on):
    go_on.touch()
    _, sent = run_on_a_terminal(slow_app, "test", "//app:app_test", TERM="dumb")
    assert "\x1b" not in sent
    assert "passed" in sent


def test_nothing_in_an_artifact_can_steer_a_terminal(app, tmp_path):
    for name in ("a.pt", "b.pt"):
        app.build("//app", "--out", str(tmp_path / name))
        with zipfile.ZipFile(tmp_path / name, "a") as archive:
            archive.writestr(f"app/{ESCAPE}.txt", f"{name}\n{ESCAPE}\n")
    for command in ("verify a.pt", "inspect a.pt", "inspect a.pt --tree", "diff a.pt b.pt"):
        outcome = app.run(*command.split(), "-v", "-C", str(tmp_path))
        assert "\x1b" not in outcome.stdout + outcome.stderr
        assert "\\x1b[2J" in outcome.stdout, command

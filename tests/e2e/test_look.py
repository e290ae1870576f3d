"""`hermpkg look` writes a page of an artifact, or of two, and opens it."""

from pathlib import Path

import pytest

from hermpkg_build.errors import ExitCode

pytest.importorskip("bokeh")


def test_a_page_of_a_target(app, tmp_path):
    page = tmp_path / "the page.html"
    outcome = app.run("look", "//app", "--no-open", "--output", str(page), "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json == {"path": str(page), "bytes": page.stat().st_size}
    text = page.read_text(encoding="utf-8")
    assert "app/words.txt" in text
    assert str(app.root) not in text


def test_a_page_of_two_files(app, tmp_path):
    app.build("//app")
    (app.root / "hermpkg-out/app/app.pt").rename(tmp_path / "before.pt")
    app.write("app/words.txt", "other words\n")
    outcome = app.run("look", str(tmp_path / "before.pt"), "//app", "--no-open", "-o", "page.html")
    assert outcome.code == 0, outcome.stderr
    assert "other words" in (app.root / "page.html").read_text(encoding="utf-8")


def test_the_page_is_opened(app, tmp_path):
    opened = tmp_path / "opened"
    program = app.write("browser.sh", f'#!/bin/sh\necho "$1" > {opened}\n')
    program.chmod(0o755)
    outcome = app.run("look", "//app", env={"BROWSER": str(program), "TMPDIR": str(tmp_path)})
    assert outcome.code == 0, outcome.stderr
    (page,) = tmp_path.glob("hermpkg-look-*/app.html")
    assert opened.read_text().strip() == page.as_uri()


def test_without_a_screen_it_is_not_opened(app, tmp_path):
    unset = dict.fromkeys(("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"), "")
    outcome = app.run("look", "//app", env={**unset, "TMPDIR": str(tmp_path)})
    assert outcome.code == 0
    assert "no browser could be opened" in outcome.stderr
    opened = tmp_path / "opened"
    loud = {"BROWSER": f"touch {opened}", "TMPDIR": str(tmp_path)}
    assert app.run("look", "//app", "--json", env=loud).json["bytes"] > 0
    assert not opened.exists()


def test_where_it_cannot_be(app):
    app.build("//app")
    artifact = "hermpkg-out/app/app.pt"
    before = (app.root / artifact).read_bytes()
    outcome = app.run("look", artifact, "--no-open", "--output", artifact)
    assert outcome.code == ExitCode.COMMAND_LINE
    assert (app.root / artifact).read_bytes() == before
    folder = app.run("look", artifact, "--no-open", "--output", ".")
    assert (folder.code, "names a folder" in folder.stderr) == (ExitCode.COMMAND_LINE, True)
    lost = app.run("look", artifact, "--no-open", "--output", "/proc/none/page.html")
    assert lost.code == ExitCode.LOCAL_ENVIRONMENT
    assert Path("/proc/none").exists() is False
    assert app.run("look", "missing.pt", "--no-open").code == ExitCode.BUILD_FAILED

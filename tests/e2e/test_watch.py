"""Watching builds again after every change of what was looked at, and of nothing else."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Workspace

PATIENCE_S = 60.0


class Watcher:
    """`hermpkg watch` as it runs, with all that it has said."""

    def __init__(self, workspace: Workspace, *words: str, **environment: str) -> None:
        self.said = ""
        self._told = 0
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            workspace.command("watch", *words),
            cwd=workspace.root,
            env=workspace.environment(PYTHONUNBUFFERED="1", **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.said += line
                self._changed.notify_all()

    def hear(self, pattern: str) -> str:
        """Wait until a line is said that matches, behind those heard before; what was said until then."""
        with self._changed:
            assert self._changed.wait_for(self._find(pattern), PATIENCE_S), (pattern, self.said)
            match = re.compile(pattern, re.MULTILINE).search(self.said, self._told)
            assert match is not None
            heard, self._told = self.said[self._told : match.end()], match.end()
            return heard

    def _find(self, pattern: str):
        return lambda: re.compile(pattern, re.MULTILINE).search(self.said, self._told)

    def rests(self) -> None:
        """Wait until it waits for a change."""
        self.hear(r"^watching [\d,]+ files?; Ctrl-C ends$")


@pytest.fixture
def watch(app: Workspace) -> Iterator:
    pytest.importorskip("watchfiles")
    watchers: list[Watcher] = []

    def start(*words: str, **environment: str) -> Watcher:
        watchers.append(Watcher(app, *words, **environment))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.process.kill()
        watcher.process.wait()


def test_each_kind_of_change_makes_a_build(app: Workspace, watch) -> None:
    watcher = watch("//app")
    watcher.hear("//app:app  built")
    watcher.rests()
    app.write("app/helpers.py", "def greeting():\n    return 'another'\n")
    assert watcher.hear("//app:app  built").strip().startswith("app/helpers.py changed")
    watcher.rests()
    app.write("app/extra.py", "")  # a file that a glob finds
    watcher.hear("^app changed$")
    watcher.rests()
    build = app.root / "app" / "BUILD"
    build.write_text(build.read_text().replace("words.txt", "sentences.txt"))
    assert "sentences.txt" in watcher.hear("^error: .*")
    watcher.rests()
    app.write("app/sentences.txt", "one two\n")  # what a failed build missed
    watcher.hear("//app:app  built")
    watcher.rests()
    app.write("pyproject.toml", "[tool.hermpkg]\nsource-roots = 3\n")
    watcher.hear("^error: .*source-roots")
    watcher.rests()
    app.write("pyproject.toml", "[tool.hermpkg]\n")
    watcher.hear("//app:app  up-to-date")


def test_all_builds_are_told_to_one_file_of_events(app: Workspace, watch, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    watcher = watch("//app", "--events", str(file))
    watcher.rests()
    app.write("app/helpers.py", "def (\n")
    watcher.hear("^error: ")
    watcher.rests()
    events = [json.loads(line) for line in file.read_text().splitlines()]
    ends = [event["exit_code"] for event in events if event["event"] == "build_finished"]
    begins = [at for at, event in enumerate(events) if event["event"] == "build_started"]
    assert ends == [0, 1]
    assert len(begins) == 2
    assert begins[0] == 0
    assert "helpers.py" in json.dumps([e["error"] for e in events if e["event"] == "target_failed"])


def test_what_no_build_looked_at_makes_none(app: Workspace, watch) -> None:
    app.write("other/notes.txt", "")
    watcher = watch("//app")
    watcher.rests()
    app.write("other/notes.txt", "not looked at")
    os.utime(app.root / "app" / "helpers.py")
    (app.root / "app" / "__pycache__").mkdir()
    time.sleep(1.5)
    assert "changed" not in watcher.said
    assert watcher.said.count("//app:app") == 1


def test_a_change_while_building_makes_another_build(app: Workspace, watch, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    app.write(
        "app/app_test.py",
        f"import os, time\nprint('x')\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.01)\n",
    )
    build = app.root / "app/BUILD"
    build.write_text(
        build.read_text() + 'package_test(name = "app_test", package = ":app", main = "app_test.py")\n'
    )
    watcher = watch("--test", "-v", "//app:app_test")
    watcher.hear("testing //app:app_test")
    app.write("app/helpers.py", "def greeting():\n    return 'while it was built'\n")
    go_on.touch()
    watcher.hear("//app:app_test  passed")
    watcher.hear("app/helpers.py changed")
    watcher.hear("//app:app_test  passed")
    watcher.rests()


def test_what_building_changes_itself_makes_no_loop(app: Workspace, watch) -> None:
    words = app.root / "app" / "words.txt"
    app.write("app/app_test.py", f"import time\nopen({str(words)!r}, 'w').write(str(time.time_ns()))\n")
    build = app.root / "app/BUILD"
    build.write_text(
        build.read_text() + 'package_test(name = "app_test", package = ":app", main = "app_test.py")\n'
    )
    watcher = watch("--test", "//app:app_test")
    watcher.hear("warning: building changes app/words.txt")
    watcher.rests()
    app.write("app/helpers.py", "def greeting():\n    return 'another'\n")
    watcher.hear("app/helpers.py changed")


def test_it_ends_by_ctrl_c_as_builds_do(app: Workspace, watch) -> None:
    watcher = watch("//app")
    watcher.rests()
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(PATIENCE_S) == 8


def test_what_cannot_be_watched(app: Workspace, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "watchfiles.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'watchfiles'\", name='watchfiles')\n"
    )
    missing = app.run("watch", "//app", env={"PYTHONPATH": str(tmp_path / "hidden")})
    assert missing.code == 36
    assert 'pip install "hermpkg-build[watch]"' in missing.stderr
    assert "Traceback" not in missing.stderr
    assert app.run("watch", "//app", "--json").code == 2

"""Servers and programs that only the settings of a workspace name are used when its user has agreed."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from typing import Any

import pytest

pytest.importorskip("urllib3")
pytest.importorskip("google.protobuf")


@pytest.fixture
def clone(workspace: Any, server: Any) -> Any:
    """A checkout whose settings name a server."""
    workspace.write_app()
    workspace.write("pyproject.toml", f'[tool.hermpkg]\nremote-cache = "{server.url}"\n')
    return workspace


def test_a_server_is_used_when_it_is_allowed_and_as_long_as_it_is_the_same(clone, server):
    first = clone.run("//app")
    assert (first.code, server.asked) == (0, [])
    assert first.stderr.count("warning:") == 1
    assert "to agree until they change: hermpkg allow" in first.stderr
    assert "pyproject.toml:2: work is not shared with http://" in first.stderr
    assert clone.run("info", "--json").json["remote_consent"] == "needed"

    assert server.url in clone.run("allow").stdout
    assert clone.run("info", "--json").json["remote_consent"] == "allowed"
    assert "warning:" not in clone.run("//app").stderr
    assert server.asked == []  # Nothing has changed, so that nothing is asked.
    clone.write("app/words.txt", "three\n")
    clone.run("//app")
    assert server.asked != []

    server.asked.clear()
    clone.write("pyproject.toml", f'[tool.hermpkg]\nremote-cache = "{server.url}/other"\n')
    clone.write("app/words.txt", "four\n")
    assert "warning:" in clone.run("//app").stderr
    assert server.asked == []


def test_who_denies_is_told_no_more(clone, server):
    clone.run("allow", "--deny")
    outcome = clone.run("//app")
    assert (outcome.code, outcome.stderr.count("warning:"), server.asked) == (0, 0, [])
    assert clone.run("allow", "--show", "--json").json["answer"] == "denied"
    clone.run("allow", "--forget")
    assert clone.run("allow", "--show", "--json").json["answer"] == ""


def test_what_a_user_names_needs_no_answer(clone, server):
    given = clone.run("//app", "--remote-cache", server.url)
    assert "hermpkg allow" not in given.stderr
    assert server.asked != []
    server.asked.clear()
    clone.write("app/words.txt", "three\n")
    trusted = clone.run("//app", env={"HERMPKG_TRUST": str(clone.root)})
    assert "hermpkg allow" not in trusted.stderr
    assert server.asked != []


def test_a_program_of_the_workspace_is_allowed_by_its_bytes(clone, server):
    trip = clone.root / "tripped"
    helper = clone.write("helper", f'#!/bin/sh\ntouch "{trip}"\necho \'{{"headers": {{}}}}\'\n')
    helper.chmod(0o755)
    settings = f'[tool.hermpkg]\nremote-cache = "{server.url}"\ncredential-helper = "./helper"\n'
    clone.write("pyproject.toml", settings)
    refused = clone.run("//app")
    assert refused.code == 2
    assert "hermpkg allow" in refused.stderr
    assert not trip.exists()
    assert str(helper) in clone.run("allow").stdout
    assert clone.run("//app").code == 0
    assert trip.exists()
    trip.unlink()
    helper.write_text(helper.read_text() + "# another program\n")
    clone.write("app/words.txt", "three\n")
    assert clone.run("//app").code == 2
    assert not trip.exists()


def test_who_denies_builds_without_also_where_programs_are_named(clone, server):
    clone.write("helper", "#!/bin/sh\nexit 1\n").chmod(0o755)
    settings = f'[tool.hermpkg]\nremote-cache = "{server.url}"\ncredential-helper = "./helper"\n'
    clone.write("pyproject.toml", settings)
    assert clone.run("//app").code == 2
    clone.run("allow", "--deny")
    assert (clone.run("//app").code, server.asked) == (0, [])


def test_options_stand_in_for_settings_that_cannot_be_used(clone, server, tmp_path):
    (tmp_path / "token").write_text("t")
    settings = f'[tool.hermpkg]\nremote-cache = "{server.url}"\nremote-token-file = "missing"\n'
    clone.write("pyproject.toml", settings)
    words = ("--remote-token-file", str(tmp_path / "token"), "--remote-cache", server.url)
    assert clone.run("//app", *words).code == 0
    assert server.asked != []


def test_a_server_of_an_option_is_used_beside_one_that_is_not_allowed(clone, server):
    clone.write("pyproject.toml", '[tool.hermpkg]\nremote-executor = "grpc://127.0.0.1:9"\n')
    assert clone.run("//app", "--remote-cache", server.url).code == 0
    assert server.asked != []


@pytest.mark.parametrize(("typed", "code", "answer"), [(b"y\n", 0, "allowed"), (b"\n", 0, "denied")])
def test_a_terminal_is_asked_once(clone, server, typed, code, answer):
    assert answer_on_terminal(clone, typed) == (code, 1)
    assert clone.run("allow", "--show", "--json").json["answer"] == answer
    assert bool(server.asked) == (answer == "allowed")
    assert answer_on_terminal(clone, b"") == (code, 0)


def answer_on_terminal(clone: Any, typed: bytes) -> tuple[int, int]:
    """Build on a terminal where somebody types; return the exit code, and how often something was asked."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                shown.extend(chunk)
        except OSError:
            return

    os.write(ours, typed)
    process = subprocess.Popen(
        clone.command("//app"),
        cwd=clone.root,
        env=clone.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    code = process.wait(60)
    reader.join(10)
    os.close(ours)
    return code, shown.count(b"Allow that until it changes?")

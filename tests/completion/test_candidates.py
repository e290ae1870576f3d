"""What can stand where a command line is being typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermpkg_build.cli.commands import command_names, find_command
from hermpkg_build.cli.completion import target_names
from hermpkg_build.cli.completion.candidates import candidates


def texts(line: str, kind: str = "") -> list[str]:
    words = line.split(" ")
    found = candidates(words, command_names(), find_command)
    return [each.text for each in found if kind in ("", each.kind)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hermpkg cl", ["clean"]),
        ("hermpkg help rem", ["remote"]),
        ("hermpkg -C /x ver", ["verify", "version"]),
        ("hermpkg build //models:", ["modules", "resnet", "resnet_test", "all"]),
        ("hermpkg build //models:res", ["resnet", "resnet_test"]),
        ("hermpkg build -//models:resn", ["resnet", "resnet_test"]),
        ("hermpkg //models:mod", ["modules"]),
        ("hermpkg test //models:", ["resnet_test", "all"]),
        ("hermpkg inspect //models:", ["resnet", "all"]),
        ("hermpkg build -- //models:mod", ["modules"]),
        ("hermpkg query --modules //models:mod", ["modules"]),
        ("hermpkg query deps(//models:mod", []),
        ("hermpkg nothing //models:", []),
        ("hermpkg version //models:", []),
        ("hermpkg build //nowhere:", ["all"]),
    ],
)
def test_commands_and_targets(workspace: Path, line: str, expected: list[str]) -> None:
    sign = "-//models:" if " -//" in line else "//models:"
    prefix = "//nowhere:" if "nowhere" in line else sign
    assert texts(line) == ([prefix + each for each in expected] if ":" in line else expected)


def test_folders_come_step_by_step(workspace: Path) -> None:
    assert texts("hermpkg build //") == ["//...", "//models:", "//models/"]
    assert texts("hermpkg build //models/") == ["//models:", "//models/...", "//models/vision:"]
    assert texts("hermpkg build //o") == []
    assert texts("hermpkg build ") == ["models:", "models/"]
    os.chdir(workspace / "models")
    assert texts("hermpkg build ") == [":", "vision:"]
    assert texts("hermpkg build :re") == [":resnet", ":resnet_test"]


def test_options_and_their_values(workspace: Path) -> None:
    assert texts("hermpkg build --keep") == ["--keep-going"]
    assert "--remote-cache" in texts("hermpkg build --remote")
    assert texts("hermpkg version --keep") == []
    assert texts("hermpkg --color a") == ["auto", "always"]
    assert texts("hermpkg --color=a") == ["--color=auto", "--color=always"]
    assert texts("hermpkg build --out ", "files") == [""]
    assert texts("hermpkg build --out=x", "files") == ["--out="]
    assert texts("hermpkg -C ", "folders") == [""]
    assert texts("hermpkg build --jobs ") == []
    assert "" in texts("hermpkg inspect ", "files")


def test_a_line_that_is_wrong_has_no_candidates(workspace: Path) -> None:
    assert texts("hermpkg build --nonsense ") == texts("hermpkg build ")
    assert candidates(["hermpkg"], command_names(), find_command)
    assert candidates([], command_names(), find_command)


def test_names_that_a_shell_would_run_are_not_offered(workspace: Path) -> None:
    build = workspace / "models" / "BUILD"
    build.write_text(build.read_text() + 'model_package(name = "x$(touch$IFS.pwned)")\n')
    (workspace / "models" / "a`b`").mkdir()
    (workspace / "models" / "a`b`" / "BUILD").write_text("")
    found = texts("hermpkg build //models:") + texts("hermpkg build //models/")
    assert found
    assert not any(character in text for text in found for character in "$`();")


def test_a_second_question_evaluates_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = texts("hermpkg build //models:")
    assert not (workspace / "hermpkg-out").exists()
    (workspace / "hermpkg-out" / ".hermpkg").mkdir(parents=True)
    assert texts("hermpkg build //models:") == first
    asked = []
    monkeypatch.setattr(target_names, "_load", lambda *arguments: asked.append(arguments))
    assert texts("hermpkg build //models:") == first
    assert not asked
    (workspace / "models" / "BUILD").write_text("broken(\n")
    assert texts("hermpkg build //models:") == first, "what was right before"
    assert asked


def test_outside_of_a_workspace_there_are_no_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert texts("hermpkg build //") == []
    assert "build" in texts("hermpkg ")

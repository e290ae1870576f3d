"""Blocks of code in the documentation are right in their language, and commands have the options shown."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.cli.arguments import parse, plain_words
from hermpkg_build.cli.at_once import is_pattern
from hermpkg_build.cli.command import CommonArguments
from hermpkg_build.cli.commands import command_names, find_command
from tests.e2e.followed_pages import BLOCK, commands_of

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "examples").rglob("README.md"),
        *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ]
)


def check_starlark(text: str) -> None:
    starlark = pytest.importorskip("starlark")
    dialect = starlark.Dialect.extended()
    dialect.enable_load = True
    starlark.parse("BUILD", text.replace("    ...\n", ""), dialect)


def check_toml(text: str) -> None:
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib
    tomllib.loads(text)


def check_yaml(text: str) -> None:
    pytest.importorskip("yaml").safe_load(text)


def check_shell(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


CHECKS: dict[str, Callable[[str], object]] = {
    "python": ast.parse,
    "starlark": check_starlark,
    "toml": check_toml,
    "json": json.loads,
    "yaml": check_yaml,
    "sh": check_shell,
}
SHOWN = {"apache", "console", "diff", "mermaid", "nginx", "text"}
"""Languages that others read: the last of them, and what commands print, is anything."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_blocks_of_code_are_of_their_language(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        language = block["language"]
        assert language in {*CHECKS, *SHOWN}, f"a block of {language!r}"
        text = re.sub(rf"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
        if language in CHECKS:
            CHECKS[language](text)


def check_command(words: list[str]) -> None:
    """See that a command line is one that hermpkg takes."""
    plain, _ = plain_words(words[: words.index("--")] if "--" in words else words, CommonArguments)
    name = "build" if plain and is_pattern(plain[0]) else next((w for w in words if w in command_names()), "")
    command = find_command(name)
    assert command is not None, words
    plain, given, problems = parse(words, command.arguments)
    assert problems == [], words
    if not any("…" in word or "$" in word for word in words):
        command.read(plain if plain[:1] != [name] else plain[1:], given)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands_have_the_options_that_pages_show(page: Path) -> None:
    for words in commands_of(page.read_text(encoding="utf-8")):
        check_command(words)


def test_a_command_with_an_option_that_is_gone_is_found() -> None:
    (words,) = commands_of("Say\n\n    hermpkg build --no-such-option //app  # or not\n")
    with pytest.raises(AssertionError):
        check_command(words)

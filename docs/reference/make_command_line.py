"""Writes the parts of command-line.md that say what commands and options there are, from their tables.

Run as ``python docs/reference/make_command_line.py``; a test compares the page with what this would write.
A part stands between ``<!-- made: NAME -->`` and ``<!-- end -->``; the rest of the page is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hermpkg_build.cli.arguments import Option, own_options
from hermpkg_build.cli.command import Command, CommonArguments
from hermpkg_build.cli.commands import all_commands
from hermpkg_build.cli.commands.help import meaning, options_beside, spelling
from hermpkg_build.inspection.verify.varied_conditions import CONDITIONS

PAGE = Path(__file__).with_name("command-line.md")

_PART = re.compile(r"(<!-- made: ([\w ]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def page(text: str) -> str:
    """The page `text` with its parts as they should be."""
    return _PART.sub(lambda part: "\n".join([part[1], *_PARTS[part[2]], part[3]]), text)


def _options(options: Iterable[Option]) -> Iterator[str]:
    yield from ("| option | meaning |", "|---|---|")
    for option in options:
        yield f"| `{_cell(spelling(option))}` | {_cell(meaning(option))} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _command(command: Command[CommonArguments]) -> Iterator[str]:
    yield from (f"### {command.name}", "", f"    {command.usage}", "", command.description, "")
    yield from (f"Example: `{command.example}`", "")
    if own := options_beside(own_options(CommonArguments), command):
        yield from _options(own)


_PARTS = {
    "options of every command": [*_options(own_options(CommonArguments))],
    "commands": [line for command in all_commands() for line in _command(command)],
    "conditions": [
        "| condition | meaning |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in CONDITIONS.items()),
        "",
    ],
}


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

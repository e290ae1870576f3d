"""Pages for ``man`` about the commands, out of the table that their help is made from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hermpkg_build.cli.arguments import Option, option_groups, own_options
from hermpkg_build.cli.command import Command, CommonArguments
from hermpkg_build.version import __version__


def overview_page(commands: Sequence[Command[Any]]) -> str:
    """Write the page on hermpkg as a whole: ``hermpkg.1``."""
    lines = [
        *_head("hermpkg", "build PyTorch models, their code and resources into reproducible files"),
        ".SH SYNOPSIS",
        _text("hermpkg [OPTIONS] COMMAND ..."),
        ".SH COMMANDS",
    ]
    for each in commands:
        lines += [
            ".TP",
            f"\\fB{_text(each.name)}\\fR",
            f"{_text(each.summary)}; see \\fBhermpkg-{each.name}\\fR(1)",
        ]
    lines += [".SH OPTIONS", *_options(own_options(CommonArguments))]
    return "\n".join(lines)


def manual_page(command: Command[Any]) -> str:
    """Write the page on a command: ``hermpkg-build.1``."""
    lines = [
        *_head(f"hermpkg-{command.name}", command.summary),
        ".SH SYNOPSIS",
        _text(command.usage),
        ".SH DESCRIPTION",
        *_paragraphs(command.description),
        ".SH OPTIONS",
        *_options(own_options(command.arguments)),
    ]
    for title, options in option_groups(command.arguments).items():
        lines += [f".SH {_text(title).upper()}", *_options(options)]
    lines += [".SH EXAMPLE", ".nf", _text(command.example), ".fi", ".SH SEE ALSO", "\\fBhermpkg\\fR(1)"]
    return "\n".join(lines)


def _head(name: str, summary: str) -> Iterator[str]:
    yield f'.TH {_text(name).upper()} 1 "" "hermpkg {__version__}" "hermpkg"'
    yield from (".SH NAME", f"{_text(name)} \\- {_text(summary)}")


def _paragraphs(markdown: str) -> Iterator[str]:
    for number, paragraph in enumerate(markdown.split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith(("- ", "    ")):
            yield from (".nf", *map(_text, paragraph.splitlines()), ".fi")
        else:
            yield from map(_text, paragraph.splitlines())


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
        value = f" \\fI{_text(option.value)}\\fR" if option.value else ""
        default = f" (default: {_text(option.default)})" if option.default else ""
        yield from (".TP", names + value, _text(option.help) + default)


def _text(text: str) -> str:
    r"""Write a text so that roff reads nothing into it; what Markdown has between backticks is bold.

    >>> _text(".x a-b `c`")
    '\\&.x a\\-b \\fBc\\fR'
    """
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = re.sub("`([^`]*)`", r"\\fB\1\\fR", escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped

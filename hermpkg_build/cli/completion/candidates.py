"""What can stand where a command line is being typed: commands, options, their values, targets, files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from hermpkg_build.cli.arguments import (
    Option,
    is_option,
    operand_forms,
    option_groups,
    own_options,
    parse,
)
from hermpkg_build.cli.command import Command, CommonArguments
from hermpkg_build.cli.completion.scripts import SCRIPTS
from hermpkg_build.dataclass import dataclass

Kind: TypeAlias = Literal["word", "part", "files", "folders"]
"""A whole word; the beginning of one, behind which no space goes; or what the shell finds itself."""

Commands: TypeAlias = Callable[[str], "Command[Any] | None"]
"""Finds a command by its name."""

_IN_EXPRESSIONS = frozenset("()\"'+^,")
"""What a word has that is more of an expression than one pattern: shells part it in ways of their own."""

_RULES = {"test": "package_test", "LABEL": "model_package"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to go on. `text` is the whole word; for files and folders, what stands before their path."""

    kind: Kind
    text: str
    meaning: str = ""


def candidates(words: Sequence[str], names: Sequence[str], find: Commands) -> list[Candidate]:
    """Return what the last of `words` can become; the first is the program's name, the last may be "".

    `names` are those of all commands, and `find` finds one. Each candidate is told once. Where nothing can
    be known there is none; nothing raises for a line that is wrong.
    """
    *before, current = words[1:] or [""]
    command, operands = _command_of(before, find)
    arguments = command.arguments if command else CommonArguments
    found = _optional(before, current, arguments)
    if found is None:
        # Looked at only where it is needed: to find a command is to import it.
        commands = (each for name in names if name.startswith(current) and (each := find(name)))
        found = _plain(command, operands, current, commands)
    return list({each.text + each.kind: each for each in found}.values())


def _optional(
    before: list[str], current: str, arguments: type[CommonArguments]
) -> Iterable[Candidate] | None:
    """Give the options that can be meant, or values of one; None where an option can be neither."""
    if "--" in before:
        return None
    options = _options(arguments)
    waiting = options.get(before[-1]) if before else None
    name, equals, value = current.partition("=")
    if waiting is not None and waiting.value:
        return _values(waiting, "", current)
    if equals and name in options:
        return _values(options[name], f"{name}=", value)
    if current == "-" or is_option(current):
        return _spellings(options.values(), current)
    return None


def _plain(
    command: Command[Any] | None, before: list[str], current: str, commands: Iterable[Command[Any]]
) -> Iterator[Candidate]:
    """Give the commands, targets and files that can stand where no option does."""
    if command is None:
        if not before:
            yield from _named(commands)
            yield from _targets(current, "")
        return
    forms = operand_forms(command.arguments)
    if not forms or (len(before) >= len(forms) and "..." not in forms[-1]):
        return
    words = re.findall("[A-Z]+|[a-z]+", forms[min(len(before), len(forms) - 1)])
    if "COMMAND" in words:
        yield from _named(commands)
    if "SHELL" in words:
        yield from (Candidate(kind="word", text=shell) for shell in SCRIPTS if shell.startswith(current))
    yield from (Candidate(kind="word", text=w) for w in words if w.islower() and w.startswith(current))
    if "PATTERN" in words or "TARGET" in words or "LABEL" in words:
        yield from _targets(current, _RULES.get("LABEL" if "LABEL" in words else command.name, ""))
    if "EXPR" in words and not _IN_EXPRESSIONS.intersection(current):
        yield from _targets(current, "")
    if "FILE" in words and not current.startswith(("//", ":", "-")):
        yield Candidate(kind="files", text="")


def _command_of(before: Sequence[str], find: Commands) -> tuple[Command[Any] | None, list[str]]:
    """Return the command of a line, and the operands before the word that is being typed.

    Words that begin with the name of no command are all operands, of none.
    """
    plain, _, _ = parse(before, CommonArguments)
    if not plain:
        return None, []
    if any(mark in plain[0] for mark in ("/", ":", "...")):
        return find("build"), plain
    command = find(plain[0])
    return command, parse(before, command.arguments)[0][1:] if command else plain


def _options(arguments: type[CommonArguments]) -> Mapping[str, Option]:
    groups = option_groups(arguments).values()
    options = [*own_options(arguments), *(option for group in groups for option in group)]
    return {name: option for option in options for name in option.names}


def _spellings(options: Iterable[Option], current: str) -> Iterator[Candidate]:
    for option in options:
        for name in option.names:
            if name.startswith(current) and (len(name) > 2 or current == name):
                yield Candidate(kind="word", text=name, meaning=option.help.partition(":")[0])


def _values(option: Option, prefix: str, current: str) -> Iterator[Candidate]:
    for choice in option.choices:
        if choice.startswith(current):
            yield Candidate(kind="word", text=prefix + choice)
    if option.value in ("FILE", "DIR"):
        yield Candidate(kind="files" if option.value == "FILE" else "folders", text=prefix)


def _named(commands: Iterable[Command[Any]]) -> Iterator[Candidate]:
    yield from (Candidate(kind="word", text=each.name, meaning=each.summary) for each in commands)


def _targets(current: str, rule: str) -> Iterator[Candidate]:
    from hermpkg_build.cli.completion.target_names import target_names

    sign = "-" if current.startswith("-") else ""
    for text, is_whole, meaning in target_names(current.removeprefix(sign), rule):
        yield Candidate(kind="word" if is_whole else "part", text=sign + text, meaning=meaning)

"""Checks the files that a command is told to write, before it does anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from hermpkg_build.cli.arguments import Option
from hermpkg_build.dataclass import fields
from hermpkg_build.disk.keeping import why_not_replaced
from hermpkg_build.errors import CommandLineError


def check_outputs(arguments: Any) -> None:
    """Raise CommandLineError where an option names a file that the command would lose or destroy.

    That is a file of another kind than the option writes, and one that the command line names twice.
    """
    outputs = list(_outputs(arguments))
    inputs = list(_other_words(arguments))
    for number, (option, path) in enumerate(outputs):
        assert option.writes is not None
        before = {os.path.realpath(other): each.names[-1] for each, other in outputs[:number]}
        if also := before.get(os.path.realpath(path)):
            raise CommandLineError(
                f"{also} and {option.names[-1]} name the same file", facts=[("file", path)]
            )
        if reason := why_not_replaced(path, option.writes, inputs):
            raise CommandLineError(
                f"{option.names[-1]} would overwrite another file",
                facts=[("file", path), ("reason", reason)],
                next_step="name another file, or remove this one first",
            )


def _outputs(arguments: Any) -> Iterator[tuple[Option, str]]:
    for each in fields(arguments):
        option, value = each.metadata.get("option"), getattr(arguments, each.name)
        if option is not None and option.writes is not None and value:
            yield option, value


def _other_words(arguments: Any) -> Iterator[str]:
    """Give all else that the command line says, which may be paths."""
    for each in fields(arguments):
        option, value = each.metadata.get("option"), getattr(arguments, each.name)
        if option is None or option.writes is None:
            words = value if isinstance(value, tuple) else (value,)
            yield from (word for word in words if isinstance(word, str) and word)

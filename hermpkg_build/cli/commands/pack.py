"""``hermpkg pack``."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass

from hermpkg_build.cli.arguments import operand, option, repeated
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.errors import CommandLineError, ExitCode

Argument = tuple[str, object]


def _argument(text: str) -> Argument:
    """Read ``key=json``; raise ValueError with what is needed."""
    name, equals, value = text.partition("=")
    try:
        if not equals or not name.isidentifier():
            raise ValueError
        return name, json.loads(value)
    except ValueError:
        raise ValueError("the form NAME=JSON, such as classes=10 or 'name=\"small\"'") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackArguments(CommonArguments):
    """What ``hermpkg pack`` is told."""

    factory: str = operand("MODULE:FACTORY")
    out: str = option("-o, --out FILE", "write the package to FILE", read=str, default="")
    weights: str = option(
        "--weights FILE",
        "load these weights into the model: a .safetensors file, or a .pt of tensors",
        read=str,
        default="",
    )
    example: str = option(
        "--example MODULE:FUNCTION",
        "call the model with what the function returns, here and in the package, and compare",
        read=str,
        default="",
    )
    arguments: tuple[Argument, ...] = repeated(
        "--arg NAME=JSON", "give the factory an argument; may be repeated", read=_argument
    )
    extern: tuple[str, ...] = repeated(
        "--extern NAME", "leave a distribution or top-level module outside; may be repeated", read=str
    )
    intern: tuple[str, ...] = repeated(
        "--intern NAME", "pack a distribution or top-level module; may be repeated", read=str
    )


@command(PackArguments, group="build and test", example="hermpkg pack train.py:make_model -o model.pt")
def run(arguments: PackArguments, console: Console) -> ExitCode:
    """Pack what a function returns into one file, without a workspace.

    The function is called as you would call it: with this Python, its environment and the current folder.
    What becomes of each library is decided by what the model's imports lead to. The file is opened in a fresh
    process in which nothing that it holds can be imported before it takes its place.
    """
    if not arguments.out:
        raise CommandLineError(
            "hermpkg pack needs -o FILE", next_step="hermpkg pack MODULE:FACTORY -o model.pt"
        )
    # What the factory prints is not the result of this command.
    with contextlib.redirect_stdout(sys.stderr):
        from hermpkg_build.generate.factory import call_factory
        from hermpkg_build.generate.pack import pack

        model = call_factory(arguments.factory, dict(arguments.arguments))  # type: ignore[arg-type]
        if arguments.weights:
            from hermpkg_build.factories.weights import load_weights

            load_weights(model, arguments.weights, shown=arguments.weights)
        report = pack(
            model,
            arguments.out,
            example=call_factory(arguments.example, {}) if arguments.example else None,
            extern=arguments.extern,
            intern=arguments.intern,
        )
    console.give_json(report.to_json())
    for line in report.lines():
        console.mention(line)
    return ExitCode.SUCCESS

"""``hermpkg pack``."""

from __future__ import annotations

import contextlib
import json
import sys

from hermpkg_build.cli.arguments import flag, operand, option, repeated
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.factory_options import (
    Argument,
    argument_option,
    check_named_options,
    check_weights_options,
    extern_option,
    intern_option,
    weights_key_option,
    weights_option,
    weights_prefix_option,
)
from hermpkg_build.core.file_kinds import ARTIFACT
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import CommandLineError, ExitCode
from hermpkg_build.printable import pasteable


def _seconds(text: str) -> float:
    """Read a number of seconds; raise ValueError with what is needed."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError("a number of seconds above 0")
    return seconds


def read_requirement(text: str) -> tuple[str, str]:
    """Read the name of a distribution and its versions; raise ValueError with what is needed.

    >>> read_requirement("torch >=2.13,<3")
    ('torch', '<3,>=2.13')
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(text)
        if found.extras or found.marker or found.url or not found.specifier:
            raise InvalidRequirement(text)
    except InvalidRequirement:
        raise ValueError("a name with versions, such as 'torch>=2.13,<3'") from None
    return found.name, str(found.specifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackArguments(CommonArguments):
    """What ``hermpkg pack`` is told."""

    factory: str = operand("MODULE:FACTORY")
    out: str = option("-o, --out FILE", "write the package to FILE", read=str, default="", writes=ARTIFACT)
    weights: str = weights_option()
    weights_key: str = weights_key_option()
    weights_prefix: str = weights_prefix_option()
    example: str = option(
        "--example MODULE:FUNCTION",
        "call the model with what the function returns, here and in the package, and compare",
        read=str,
        default="",
    )
    keep_example: bool = flag(
        "--keep-example",
        "pack what the function of `--example` returns, too: `hermpkg serve` and MLflow then know what the "
        "model takes and gives before it is called",
    )
    arguments: tuple[Argument, ...] = argument_option()
    extern: tuple[str, ...] = extern_option()
    intern: tuple[str, ...] = intern_option()
    requires: tuple[tuple[str, str], ...] = repeated(
        "--requires REQUIREMENT",
        "versions of a distribution that may be there where the file is loaded; may be repeated",
        read=read_requirement,
    )
    timeout: float | None = option(
        "--timeout SECONDS",
        "end the fresh process after this; without it, after ten minutes and what the example takes here",
        read=_seconds,
        default=None,
    )
    reproducible: bool = flag(
        "--reproducible", "call and pack once more in another process; end with 3 where the bytes differ"
    )

    @property
    def words(self) -> list[str]:
        """The words of the command line that say the same, but for the file to write."""
        given = [
            ("--weights", self.weights),
            ("--weights-key", self.weights_key),
            ("--strip-prefix", self.weights_prefix),
            ("--example", self.example),
            ("--timeout", "" if self.timeout is None else str(self.timeout)),
            *(("--arg", f"{name}={json.dumps(value)}") for name, value in self.arguments),
            *(("--extern", name) for name in self.extern),
            *(("--intern", name) for name in self.intern),
            *(("--requires", name + versions) for name, versions in self.requires),
        ]
        kept = ["--keep-example"] if self.keep_example else []
        return [self.factory, *kept, *(f"{name}={value}" for name, value in given if value)]


@command(PackArguments, group="build and test", example="hermpkg pack train.py:make_model -o model.pt")
def run(arguments: PackArguments, console: Console) -> ExitCode:
    """Pack what a function returns into one file, without a workspace.

    The function is called as you would call it: with this Python, its environment and the current folder.
    What becomes of each library is decided by what the model's imports lead to. The file is opened in a fresh
    process in which nothing that it holds can be imported before it takes its place.

    With --reproducible the exit code is 3, and the differences are shown, where another process packs other
    bytes.
    """
    if ":" not in arguments.factory:
        from hermpkg_build.generate.project.proposals import nothing_named

        raise nothing_named("pack", arguments.factory, ["-o", arguments.out or "model.pt"])
    if not arguments.out:
        raise CommandLineError(
            "hermpkg pack needs -o FILE",
            next_step=pasteable("hermpkg", "pack", *arguments.words, "-o", "model.pt"),
        )
    if arguments.keep_example and not arguments.example:
        raise CommandLineError(
            "--keep-example keeps an example, and there is none",
            next_step="give a function that returns one: --example MODULE:FUNCTION",
        )
    check_weights_options(arguments.weights, arguments.weights_key, arguments.weights_prefix)
    check_named_options(arguments.intern, arguments.extern)
    # What the factory prints is not the result of this command.
    with contextlib.redirect_stdout(sys.stderr):
        from hermpkg_build.exporter.destination import FileDestination
        from hermpkg_build.factories.call import returns_nothing
        from hermpkg_build.generate.factory import call_factory, factory_parts
        from hermpkg_build.generate.pack import pack

        # What is wrong with words is told before the factory is called, which may take long.
        FileDestination(arguments.out)
        if arguments.example:
            factory_parts(arguments.example, arguments.factory)
        model = call_factory(arguments.factory, dict(arguments.arguments))  # type: ignore[arg-type]
        if model is None:
            raise returns_nothing(arguments.factory)
        note = _load_weights(model, arguments)
        report = pack(
            model,
            arguments.out,
            example=call_factory(arguments.example, {}) if arguments.example else None,
            keep_example=arguments.keep_example,
            extern=arguments.extern,
            intern=arguments.intern,
            requires=dict(arguments.requires),
            timeout=arguments.timeout,
        )
    report = replace(report, notes=(*note, *report.notes))
    console.give_json(report.to_json())
    for line in report.lines():
        console.mention(line)
    return _repeat(arguments, console) if arguments.reproducible else ExitCode.SUCCESS


def _repeat(arguments: PackArguments, console: Console) -> ExitCode:
    """Pack once more, and say whether the bytes are the same."""
    from hermpkg_build.generate.second_run import packed_again

    differences = packed_again(arguments.words, arguments.out)
    if not differences:
        console.mention("another process packs the same bytes")
        return ExitCode.SUCCESS
    console.warn(f"another process packs other bytes than those of {arguments.out}:")
    for line in differences:
        console.mention(f"  {line}")
    return ExitCode.TESTS_FAILED


def _load_weights(model: object, arguments: PackArguments) -> tuple[str, ...]:
    """Load the weights; a note on what of them was taken where nobody said so."""
    if not arguments.weights:
        return ()
    from hermpkg_build.factories.state_dicts import as_options
    from hermpkg_build.factories.weights import load_weights

    key, prefix = arguments.weights_key, arguments.weights_prefix
    taken = load_weights(
        model,
        arguments.weights,
        shown=arguments.weights,
        key=key,
        prefix=prefix,
        voice=as_options,
        has_shards=True,
    )
    if key or prefix or not taken.named:
        return ()
    return (f"of the weights in {arguments.weights} this was taken: {as_options(taken)}",)

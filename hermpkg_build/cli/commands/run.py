"""``hermpkg run``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import operands, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.landing import LandingArguments, start_with_artifact
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode
from hermpkg_build.printable import pasteable

if TYPE_CHECKING:
    from hermpkg_build.archive.modules import PackedModules
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.environment.program import Program

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments(LandingArguments):
    """What ``hermpkg run`` is told: an artifact, what of it to run, and the arguments of that."""

    arguments: tuple[str, ...] = operands("[-- ARGS...]")
    module: str | None = option(
        "-m, --module MODULE",
        "run this packed module as the main one, or `__main__` of this packed package (default: the one "
        "`__main__` that is packed)",
        read=str,
        default=None,
    )
    script: str | None = option(
        "--script FILE",
        "run this file instead, which gets the artifact as its first argument",
        read=str,
        default=None,
    )


@command(
    RunArguments, group="where it lands", example="hermpkg run model.pt --script predict.py -- photo.jpg"
)
def run(arguments: RunArguments, console: Console) -> ExitCode:
    """Run a program with an artifact, in an environment of its own.

    The environment is made of what the artifact records, for the Python that runs hermpkg or that
    ``--python`` names: by uv where there is one, else by pip, which compare hashes and ask the indexes of
    their own settings. It is kept in the cache and shared by all artifacts that need the same, and
    ``hermpkg cache`` shows its size. What cannot be installed here is told before anything is installed.

    What runs is a packed module, or a script of yours. It takes the place of this process: its exit code and
    signals are its own. ``$HERMPKG_ARTIFACT`` names the artifact.
    """
    if arguments.module is not None and arguments.script is not None:
        raise CommandLineError("--module and --script exclude each other: give one of them")
    start_with_artifact(arguments, console, lambda archive: _program(arguments, archive))


def _program(arguments: RunArguments, archive: ArchiveReader) -> Program:
    from hermpkg_build.environment.program import Program

    artifact, words = os.path.abspath(archive.name), arguments.arguments
    if arguments.script is not None:
        if not os.path.isfile(arguments.script):
            raise CommandLineError(f"--script names no file: {arguments.script!r}")
        return Program(artifact=artifact, script=os.path.abspath(arguments.script), arguments=words)
    return Program(artifact=artifact, module=_module(arguments, archive), arguments=words)


def _module(arguments: RunArguments, archive: ArchiveReader) -> str:
    """Return the packed module to run."""
    from hermpkg_build.archive.modules import PackedModules

    packed = PackedModules(archive.names())
    if arguments.module is not None:
        return _named(arguments.module, packed, archive)
    mains = [name for name in packed.sources if name.rpartition(".")[2] == "__main__"]
    if len(mains) == 1:
        return mains[0]
    what = "packs no __main__" if not mains else f"packs more than one __main__: {listed(sorted(mains), 8)}"
    runnable = sorted(_guarded(packed.sources.items(), archive)) if not mains else sorted(mains)
    raise CommandLineError(
        f"{arguments.artifact} {what}",
        facts=[("can be run", listed(runnable, _MOST_LISTED))] if runnable else (),
        next_step="say what to run: -m MODULE for a packed one, --script FILE for one of yours; "
        f"for a prompt: {pasteable('hermpkg', 'shell', arguments.artifact)}",
    )


def _named(name: str, packed: PackedModules, archive: ArchiveReader) -> str:
    from hermpkg_build.core.spelling import question

    candidates = (f"{name}.__main__", name) if packed.is_package(name) else (name, f"{name}.__main__")
    for candidate in candidates:
        if candidate in packed.sources and not packed.is_package(candidate):
            return candidate
    raise CommandLineError(
        f"{name} cannot be run: it is a package without __main__"
        if name in packed.folders or packed.is_package(name)
        else f"{archive.name} packs no module {name!r}",
        next_step=question(name, packed.sources) or "hermpkg inspect lists what is packed",
    )


def _guarded(sources: Iterable[tuple[str, str]], archive: ArchiveReader) -> Iterable[str]:
    """Give the packed modules that do something where they are the main one."""
    for name, record in sources:
        if archive.size(record) < 1 << 20 and b"__main__" in archive.read(record):
            yield name

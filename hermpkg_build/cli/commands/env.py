"""``hermpkg env``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.landing import go_on_where_chosen
from hermpkg_build.cli.operands import writing
from hermpkg_build.cli.remote import EngineArguments
from hermpkg_build.cli.styles import bad, good
from hermpkg_build.core.file_kinds import ENVIRONMENT_LOCK
from hermpkg_build.core.texts import aligned, counted, listed
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, ExitCode, HermpkgError
from hermpkg_build.printable import pasteable

if TYPE_CHECKING:
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.core.manifest import Manifest
    from hermpkg_build.environment.comparison import Difference, ModuleDifference
    from hermpkg_build.environment.locked import LockedEnvironment

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvArguments(EngineArguments):
    """What ``hermpkg env`` is told: an artifact, a label or a file, and what to do with its environment."""

    artifact: str = operand("LABEL|FILE")
    requirements: bool = flag(
        "--requirements", "print plain requirements, with hashes where all of them have some"
    )
    check: bool = flag("--check", "compare with what is installed here; exit with 3 where it differs")
    resolve: bool = flag(
        "--resolve", "ask the index of uv or pip for the hashes that are not known, and print them too"
    )
    find_links: str | None = option(
        "--find-links FOLDER",
        "with `--resolve`, take hashes from the wheels in FOLDER, without an index",
        read=str,
        default=None,
    )
    installer: str = option(
        "--installer NAME",
        "with `--resolve`, ask `uv` or `pip` (default: uv where there is one)",
        read=str,
        default="",
        choices=("uv", "pip"),
    )
    output: str | None = option(
        "-o, --output FILE",
        "write what is printed to FILE: as `pylock.toml` at the root of the workspace, later builds use it",
        read=str,
        default=None,
        writes=ENVIRONMENT_LOCK,
    )


@command(EnvArguments, group="where it lands", example="hermpkg env //models:resnet --check")
def run(arguments: EnvArguments, console: Console) -> ExitCode:
    """Print the environment that an artifact was built with, as pylock.toml.

    These are the distributions that its extern modules come from, and all that these need, with versions,
    hashes and the platforms where each is needed (PEP 751). Builds take the files and hashes from the lock of
    the project: the file that ``environment`` in ``[tool.hermpkg]`` names, or else ``pylock.toml``,
    ``uv.lock``, ``poetry.lock`` or a ``requirements.txt`` with hashes at the root of the workspace. What is
    installed decides, though: where the lock says otherwise, the build warns. Distributions of which only the
    version is known stand in the table ``tool.hermpkg``. Extern modules that no distribution installs, which
    no such list can have, are named besides.

    ``--check`` judges the Python that runs it, or the one that ``--python`` names: 3 says that it is another
    minor version than the artifact was built with, that a distribution is missing or has a version that the
    artifact does not accept, or that an extern module cannot be found, or lies in a file that is not of its
    distribution. Nothing is imported, and what is in the files is not compared.
    """
    from hermpkg_build.cli.building import open_artifact
    from hermpkg_build.environment.reading import environment_in
    from hermpkg_build.inspection.contents import manifest_of
    from hermpkg_build.inspection.groups import Belongings
    from hermpkg_build.inspection.requirements import needed_by, unclaimed

    _check_options(arguments)
    go_on_where_chosen(arguments, arguments.artifact)
    with open_artifact(arguments.artifact, arguments, console) as archive:
        environment = environment_in(archive)
        manifest = manifest_of(archive)
        modules = [each.name for each in unclaimed(needed_by(manifest, Belongings(archive, manifest)))]
        if environment is None or manifest is None:
            raise _records_none(arguments.artifact, archive, modules)
    if arguments.check:
        return _check(arguments, environment, manifest, console)
    if arguments.resolve:
        from hermpkg_build.environment.installers import find_installer
        from hermpkg_build.environment.resolving import with_hashes

        environment = with_hashes(
            environment, find_installer(arguments.installer), arguments.find_links or ""
        )
    _give(arguments, environment, modules, console)
    _tell_unproven(arguments, environment, console)
    if modules:
        console.note(
            f"needed besides, from where nothing says, nor in which version: {listed(modules, _MOST_LISTED)}"
        )
    return ExitCode.SUCCESS


def _check_options(arguments: EnvArguments) -> None:
    if arguments.check and (arguments.requirements or arguments.resolve or arguments.output):
        raise CommandLineError("--check compares, and prints no environment: give it alone")
    if arguments.find_links and not arguments.resolve:
        raise CommandLineError("--find-links says where --resolve looks: give both")


def _records_none(artifact: str, archive: ArchiveReader, modules: Sequence[str]) -> HermpkgError:
    return HermpkgError(
        f"{artifact} does not record an environment",
        facts=[
            ("file", archive.name),
            *([("needed, from where nothing says", listed(modules, _MOST_LISTED))] if modules else []),
        ],
        next_step="build it with this version of hermpkg, where it needs anything that is installed\n"
        f"what its manifest tells: hermpkg inspect {artifact} --requirements",
    )


def _give(
    arguments: EnvArguments, environment: LockedEnvironment, modules: Sequence[str], console: Console
) -> None:
    """Print the environment, or write it to the file; `modules` are those that no distribution installs."""
    from hermpkg_build.core.json_codec import to_json
    from hermpkg_build.environment.pylock import pylock_text
    from hermpkg_build.environment.requirements_text import has_hash, requirements_lines

    value = {**to_json(environment), "modules": [*modules]}
    if arguments.requirements:
        found = environment.distributions
        hashes = all(map(has_hash, found))
        lines = ["# made by hermpkg env", *requirements_lines(found, hashes=hashes)]
        text = "".join(f"{line}\n" for line in lines)
    else:
        text = pylock_text(environment)
    if arguments.output is None:
        console.give_json(value)
        console.say_all(text.splitlines())
        return
    from hermpkg_build.disk.replacing import replace_file

    with writing("the environment", arguments.output):
        replace_file(arguments.output, text.encode())
    console.give_json({"path": arguments.output, **value})
    console.mention(f"{arguments.output}  {counted(len(environment.distributions), 'distribution')}")


def _tell_unproven(arguments: EnvArguments, environment: LockedEnvironment, console: Console) -> None:
    names = [each.name for each in environment.unproven()]
    if names and not arguments.resolve:
        console.note(
            f"no hashes are known for {listed(names, _MOST_LISTED)}\n"
            f"to ask an index for them: "
            f"{pasteable('hermpkg', 'env', arguments.artifact)} --resolve -o pylock.toml"
        )


def _check(
    arguments: EnvArguments, environment: LockedEnvironment, manifest: Manifest, console: Console
) -> ExitCode:
    import os
    import platform
    from dataclasses import asdict

    from hermpkg_build.analysis.module_finder import ModuleFinder
    from hermpkg_build.analysis.search_path import environment_search_path
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.environment.comparison import differences, is_same_python, module_differences
    from hermpkg_build.runtime.contents.checks import missing_modules

    requires = manifest.required_versions()
    finder = ModuleFinder(tree=SourceTree(), workspace_root=os.devnull, search_path=environment_search_path())
    found = differences(environment, finder.distributions, requires)
    absent = {each.name for each in found if not each.installed}
    modules = [*module_differences(manifest, finder, absent)]
    missing = missing_modules(manifest, manifest.extern_modules().get("", ()))
    missing.update((each.name, each.is_optional) for each in modules if not each.found)
    moved = [each for each in modules if each.found]
    python = (manifest.python_version, platform.python_version())
    refused = [
        *(("Python",) if not is_same_python(*python) else ()),
        *(each.name for each in found if not each.is_allowed),
        *(name for name, is_optional in missing.items() if not is_optional),
        *(each.name for each in moved),
    ]
    console.give_json(
        {
            "matches": not refused,
            "python": {"locked": python[0], "installed": python[1]},
            "differences": [asdict(each) for each in found],
            "missing_modules": sorted(missing),
            "moved_modules": [
                {"name": each.name, "locked": each.locked, "installed": each.installed, "path": each.found}
                for each in moved
            ],
        }
    )
    rows = [*_rows(found, requires), *_module_rows(missing), *_moved_rows(moved)]
    if not is_same_python(*python):
        rows.insert(0, ("Python", f"built with {python[0]}", f"this is {python[1]}", ""))
    for line in aligned(rows):
        console.say(line)
    if refused:
        console.mention(bad("differs"), f"  {counted(len(refused), 'requirement')} not as built")
        command = pasteable("hermpkg", "run", arguments.artifact)
        console.note(f"to run it in an environment of its own: {command}")
        return ExitCode.TESTS_FAILED
    console.mention(good("fits"), f"  {counted(len(environment.distributions), 'distribution')}")
    return ExitCode.SUCCESS


def _rows(found: Sequence[Difference], requires: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for each in found:
        state = f"{each.installed} is installed" if each.installed else "missing"
        allowed = f"allowed: {requires.get(each.name, '')}" if each.is_allowed else ""
        yield each.name, f"built with {each.locked}", state, allowed


def _module_rows(missing: Mapping[str, bool]) -> Iterator[tuple[str, ...]]:
    for name, is_optional in sorted(missing.items()):
        yield name, "an extern module", "missing", "used where it is there" if is_optional else ""


def _moved_rows(moved: Sequence[ModuleDifference]) -> Iterator[tuple[str, ...]]:
    for each in moved:
        owner = f"of {each.installed}" if each.installed else "of no distribution"
        yield each.name, f"of {each.locked}" if each.locked else "of Python", each.found, owner

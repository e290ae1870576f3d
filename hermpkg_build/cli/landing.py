"""What ``run`` and ``shell`` have in common: the artifact, and the environment that it is run in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from hermpkg_build.cli.arguments import flag, operand, option
from hermpkg_build.cli.operands import is_file
from hermpkg_build.cli.remote import EngineArguments, build_in_chosen_python, read_in_chosen_python
from hermpkg_build.core.texts import counted
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import CommandLineError, LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.cli.console import Console
    from hermpkg_build.environment.kept import Environment, Recipe
    from hermpkg_build.environment.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingArguments(EngineArguments):
    """The arguments of the commands that run something with an artifact, a label or a file."""

    artifact: str = operand("LABEL|FILE")
    here: bool = flag("--here", "run in the Python that is here, with what is installed for it")
    find_links: str | None = option(
        "--find-links FOLDER",
        "install from the wheels in FOLDER alone, without an index",
        read=str,
        default=None,
    )
    installer: str = option(
        "--installer NAME",
        "install with `uv` or `pip` (default: uv where there is one)",
        read=str,
        default="",
        choices=("uv", "pip"),
    )


def go_on_where_chosen(arguments: EngineArguments, artifact: str) -> None:
    """Start this command again in the interpreter that was chosen, which a file asks less of than a label."""
    (read_in_chosen_python if is_file(artifact) else build_in_chosen_python)(arguments)


def start_with_artifact(
    arguments: LandingArguments, console: Console, program: Callable[[ArchiveReader], Program]
) -> NoReturn:
    """Let what `program` makes of the artifact run in place of this process, in the environment of that.

    Raises CommandLineError for what cannot be run, LocalEnvironmentError where the environment cannot be
    made.
    """
    from hermpkg_build.environment.program import start

    if arguments.find_links is not None and (arguments.here or not os.path.isdir(arguments.find_links)):
        raise CommandLineError(
            f"--find-links needs a folder of wheels, not {arguments.find_links!r}"
            if not arguments.here
            else "--here installs nothing: give it without --find-links"
        )
    go_on_where_chosen(arguments, arguments.artifact)
    with _opened(arguments, console) as archive:
        chosen = program(archive)
        recipe = None if arguments.here else _recipe(arguments, archive, console)
    if recipe is None:
        start(chosen, python=sys.executable)
    environment = _environment(arguments, recipe, console)
    start(
        chosen,
        python=environment.python,
        environment=environment.folder,
        descriptor=environment.descriptor,
    )


def _opened(arguments: LandingArguments, console: Console) -> ArchiveReader:
    from hermpkg_build.archive.reader import ArchiveReader

    if is_file(arguments.artifact):  # What builds takes time to import.
        return ArchiveReader(arguments.artifact)
    from hermpkg_build.cli.building import open_artifact

    return open_artifact(arguments.artifact, arguments, console)


def _recipe(arguments: LandingArguments, archive: ArchiveReader, console: Console) -> Recipe:
    """Return what to install. Raises LocalEnvironmentError where not all of it can be installed here."""
    from hermpkg_build.environment.kept import Recipe
    from hermpkg_build.environment.reading import environment_in
    from hermpkg_build.environment.selection import needed_here, select

    environment = environment_in(archive)
    if environment is None:
        return _recipe_of_ranges(arguments, archive, console)
    recipe = Recipe(distributions=tuple(needed_here(environment)))
    if not _is_kept(recipe, arguments):
        _check_trust(archive)
        selection = select(environment, folder=arguments.find_links or "")
        if selection.problems:
            raise _cannot_be_made(arguments, selection.problems)
    return recipe


def _recipe_of_ranges(arguments: LandingArguments, archive: ArchiveReader, console: Console) -> Recipe:
    """Return what to install for an artifact that does not record its environment."""
    from hermpkg_build.environment.kept import Recipe
    from hermpkg_build.inspection.contents import manifest_of
    from hermpkg_build.inspection.groups import Belongings
    from hermpkg_build.inspection.requirements import needed_by, requirement_of

    _check_trust(archive)
    manifest = manifest_of(archive)
    needed = needed_by(manifest, Belongings(archive, manifest))
    unknown = [each.name for each in needed if each.is_module and not (each.absent or each.optional)]
    if unknown:
        reason = "the artifact does not say what installs this module"
        raise _cannot_be_made(arguments, [(name, reason) for name in unknown])
    lines = tuple(filter(None, (requirement_of(each) for each in needed if not each.is_module)))
    if lines:
        console.note(
            f"{arguments.artifact} records no environment: what its manifest requires is installed, and for "
            "what that needs in turn the versions of today"
        )
    return Recipe(ranges=lines)


def _cannot_be_made(
    arguments: LandingArguments, problems: list[tuple[str, str]] | tuple[tuple[str, str], ...]
) -> LocalEnvironmentError:
    from hermpkg_build.environment.selection import python_and_platform

    return LocalEnvironmentError(
        f"the environment of {arguments.artifact} cannot be made for {python_and_platform()}",
        facts=problems,
        next_step="choose another Python with --python PATH, give wheels with --find-links FOLDER, or use\n"
        "what is installed: --here",
    )


def _check_trust(archive: ArchiveReader) -> None:
    """Raise TrustError where a policy refuses the artifact: it would choose what is installed."""
    from hermpkg_build.disk.trust import may_have_policies

    if may_have_policies():
        from hermpkg_build.runtime.importer import PackageImporter

        PackageImporter(archive.name, check="off").close()


def _is_kept(recipe: Recipe, arguments: LandingArguments) -> bool:
    from hermpkg_build.store.environments import environments_place, is_whole

    return is_whole(os.path.join(environments_place(arguments.cache_dir), recipe.digest))


def _environment(arguments: LandingArguments, recipe: Recipe, console: Console) -> Environment:
    from hermpkg_build.environment.kept import kept_environment

    kept = kept_environment(recipe, arguments.cache_dir)
    if kept is not None:
        return kept
    return _made(arguments, recipe, console)


def _made(arguments: LandingArguments, recipe: Recipe, console: Console) -> Environment:
    from hermpkg_build.environment.installers import Installer, find_installer
    from hermpkg_build.environment.making import make_environment
    from hermpkg_build.loading.preferences import cache_limit
    from hermpkg_build.store.pruning import prune_cache

    def chosen_installer() -> Installer:
        installer = find_installer(arguments.installer)
        what = counted(len(recipe.distributions or recipe.ranges), "distribution")
        console.note(f"making an environment of {what} with {installer.name}")
        return installer

    environment = make_environment(
        recipe,
        arguments.cache_dir,
        chosen_installer,
        wheels=os.path.abspath(arguments.find_links) if arguments.find_links else "",
        shown=not console.quiet and sys.stderr is not None and sys.stderr.isatty(),
        waits=lambda: console.note("waiting for another process that makes the same environment"),
    )
    limit = cache_limit(None)
    if limit is not None:
        prune_cache(arguments.cache_dir, max_bytes=limit)
    return environment

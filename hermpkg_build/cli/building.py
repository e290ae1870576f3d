"""What the commands that build have in common: a call of the engine, the artifacts, the result as JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from hermpkg_build.cli.operands import current_workspace, is_file
from hermpkg_build.cli.progress import Display
from hermpkg_build.cli.recording import recorded
from hermpkg_build.cli.remote import EngineArguments, build_in_chosen_python, chosen_settings, remote_of
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import replace
from hermpkg_build.engine.results import BuildRequest, BuildResult, TargetResult
from hermpkg_build.errors import CommandLineError

if TYPE_CHECKING:
    from hermpkg_build.archive.reader import ArchiveReader
    from hermpkg_build.cli.console import Console
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.context import Build
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.engine.test_results import PackageTestResult
    from hermpkg_build.loading.declared_files import DeclaredFiles

    T = TypeVar("T")

_MOST_LISTED = 10


def call_engine(
    use_case: Callable[[Build], T],
    request: BuildRequest,
    arguments: EngineArguments,
    observer: BuildObserver,
    *,
    on_tree: Callable[[SourceTree], None] | None = None,
    declared: DeclaredFiles | None = None,
) -> T:
    """Call a use case of the engine, with the servers that the arguments and the workspace name.

    `on_tree` is given the view of the sources by which it will read; BUILD files that are `declared` are not
    read.
    """
    from hermpkg_build.engine.opening import open_build

    chosen = chosen_settings(arguments.remote)
    workspace = current_workspace()
    remote = remote_of(workspace, chosen, observer)
    with open_build(
        workspace,
        request,
        arguments.cache_dir,
        observer,
        remote=remote,
        on_tree=on_tree,
        declared=declared,
    ) as opened:
        return use_case(opened)


def ask_engine(
    use_case: Callable[[Build], T],
    patterns: Sequence[str],
    arguments: EngineArguments,
    console: Console,
    *,
    keep_going: bool = False,
    explain: bool = False,
    tell_test: Callable[[PackageTestResult], None] | None = None,
) -> T:
    """Call a use case for `patterns`, which count from the current folder, and show what runs meanwhile.

    What the arguments say is recorded. `tell_test` prints how a test went.
    """
    build_in_chosen_python(arguments)
    request = BuildRequest(
        patterns=tuple(patterns), directory=os.getcwd(), keep_going=keep_going, jobs=arguments.jobs
    )
    with (
        closing(Display(console, explain=explain, keep_going=keep_going, tell_test=tell_test)) as display,
        recorded(arguments, request, display) as observer,
    ):
        return call_engine(use_case, request, arguments, observer)


def build_artifacts(
    patterns: Sequence[str], arguments: EngineArguments, console: Console
) -> list[TargetResult]:
    """Bring the artifacts of `patterns` up to date; their paths are absolute.

    Raises CommandLineError where the patterns name no model_package.
    """
    from hermpkg_build.engine.build import build_targets

    result = ask_engine(build_targets, patterns, arguments, console)
    root = current_workspace().root
    artifacts = [
        replace(target, path=os.path.join(root, target.path)) for target in result.targets if target.path
    ]
    if not artifacts:
        raise CommandLineError(
            f"no model_package among {' '.join(patterns)}",
            next_step="name a model_package target, or a folder with some: //...",
        )
    return artifacts


def open_artifact(word: str, arguments: EngineArguments, console: Console) -> ArchiveReader:
    """Open the artifact that `word` names: a file, or a target, which is brought up to date first.

    Readers that are open already read what was there before, also where the build puts a new file in its
    place. Raises CommandLineError where a pattern names more than one artifact.
    """
    from hermpkg_build.archive.reader import ArchiveReader

    if is_file(word):
        return ArchiveReader(word)
    # The result is what is told of the artifact, which can be text for other programs.
    artifacts = build_artifacts([word], arguments, console.aside())
    if len(artifacts) > 1:
        labels = listed([target.label for target in artifacts], _MOST_LISTED)
        raise CommandLineError(f"{word} names more than one artifact: {labels}", next_step="name one of them")
    return ArchiveReader(artifacts[0].path)


def result_json(result: BuildResult) -> dict[str, Json]:
    """Return a build's result as the object that ``--json`` prints."""
    from dataclasses import asdict

    value: dict[str, Json] = {
        "targets": [asdict(target) for target in result.targets],
        "actions": {kind: asdict(counts) for kind, counts in sorted(result.actions.items())},
        "executed": [
            {
                "kind": action.kind,
                "subject": action.subject,
                "reasons": list(action.reasons),
                **({"where": action.where} if action.where else {}),
            }
            for action in result.executed
        ],
    }
    if result.remote is not None:
        value["remote"] = asdict(result.remote)
    if result.inputs is not None:
        value["inputs"] = list(result.inputs)
    return {**value, "wall_s": round(result.wall_s, 4)}

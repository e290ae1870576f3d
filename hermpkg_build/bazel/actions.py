"""The actions of the rules for Bazel, each from its request to its output.

An action takes its request and the import facts that the process remembers, which save time and change
nothing else. It returns warnings for the user. Most run in a process of their own, so that each imports just
what it needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeAlias

if TYPE_CHECKING:
    from hermpkg_build.bazel.facts_files import FactsMemory
    from hermpkg_build.bazel.request import ActionRequest

Warnings: TypeAlias = Sequence[str]

_BAZEL_VARIABLES = ("TESTBRIDGE_TEST_ONLY",)
"""What tests see of the environment that Bazel makes for them: what ``--test_filter`` says."""


def environment(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Describe the interpreter that runs this; print the fingerprint of that, and what bytecode it has.

    The lines after it are the files that may say how artifacts of the workspace record their environment.
    """
    from hermpkg_build.bazel.environment import bytecode_in_words, write_environment
    from hermpkg_build.bazel.recording import files_to_ask

    print(write_environment(request.output), bytecode_in_words(), *files_to_ask(request.workspace), sep="\n")
    return ()


def included(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Print the absolute paths of the files that a file of requirements includes."""
    from hermpkg_build.bazel.recording import files_included

    print(*files_included(request.source), sep="\n")
    return ()


def recording(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Find the lock of the workspace, and write what its artifacts record by."""
    from hermpkg_build.bazel.recording import write_recording

    write_recording(request)
    return ()


def analyse(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Write the import facts of one module, also of one that does not parse: it may not be needed."""
    from hermpkg_build.bazel.facts_files import write_facts

    write_facts(request.source, request.output)
    return ()


def check(request: ActionRequest, memory: FactsMemory) -> Warnings:
    """Check the attributes of a target, and parse its sources if it is a `python_modules`."""
    from hermpkg_build.bazel.declarations import modules_of_targets
    from hermpkg_build.bazel.target_context import context_of
    from hermpkg_build.core.target import PythonModules, RuleTarget
    from hermpkg_build.engine.targets.python_modules import facts_of_modules

    warnings: list[str] = []
    with context_of(request, memory, RuleTarget) as (context, target):
        if isinstance(target, PythonModules):
            modules = modules_of_targets({target.label: target}, context.workspace.source_roots)
            facts_of_modules(context, target, modules[target.label], warnings.append)
    with open(request.output, "wb"):
        return warnings


def model(request: ActionRequest, memory: FactsMemory) -> Warnings:
    """Make the object of a `model` and leave it in a folder."""
    from hermpkg_build.bazel.model_folders import undeclared_reads
    from hermpkg_build.bazel.target_context import context_of
    from hermpkg_build.core.conditions import FactoryConditions
    from hermpkg_build.core.target import Model
    from hermpkg_build.disk.own_entries import has_installed_things
    from hermpkg_build.engine.targets.model import model_request
    from hermpkg_build.factories.model_folder import make_model_folder

    with context_of(request, memory, Model) as (context, target):
        asked = model_request(context, target, FactoryConditions())
        made = make_model_folder(asked, request.output)
        installed = [path for path in context.environment.search_path if has_installed_things(path)]
        known = [context.workspace.root, *installed, sys.prefix, sys.base_prefix]
        return [
            f"{target.label}: the factory read {path}, which Bazel does not know as an input"
            for path in undeclared_reads(made, known)
        ]


def assemble(request: ActionRequest, memory: FactsMemory) -> Warnings:
    """Write the artifact of a `model_package`."""
    from hermpkg_build.bazel.model_folders import DeclaredContents
    from hermpkg_build.bazel.target_context import context_of, new_journal
    from hermpkg_build.core.label import Label
    from hermpkg_build.core.target import ModelPackage
    from hermpkg_build.engine.targets.artifact_contents import artifact_request
    from hermpkg_build.engine.targets.artifact_file import write_artifact
    from hermpkg_build.engine.targets.requirements import check_requirements
    from hermpkg_build.factories.model_folder import read_model_folder

    with context_of(request, memory, ModelPackage) as (context, target):
        models = {Label.parse(label): read_model_folder(path) for label, path in request.models.items()}
        contents = DeclaredContents({request.models[str(label)]: model for label, model in models.items()})
        journal = new_journal()
        check_requirements(context, target, journal.warn)
        asked = artifact_request(context, target, models, journal.warn)
        write_artifact(target, os.path.abspath(request.output), asked, contents, journal)
        return journal.warnings


def test(request: ActionRequest, memory: FactsMemory) -> Warnings:
    """Run a `package_test`, which prints where this process prints."""
    import signal
    import tempfile
    from dataclasses import replace

    from hermpkg_build.bazel.target_context import context_of
    from hermpkg_build.core.target import PackageTest
    from hermpkg_build.disk.processes import Children
    from hermpkg_build.engine.targets.package_test import exit_code_of, package_test_failure

    with (
        context_of(request, memory, PackageTest) as (context, target),
        tempfile.TemporaryDirectory(prefix="hermpkg-test-", dir=os.environ.get("TEST_TMPDIR")) as folder,
    ):
        artifact = os.path.abspath(request.artifact)
        env = {name: os.environ[name] for name in _BAZEL_VARIABLES if name in os.environ}
        target = replace(target, args=(*target.args, *request.arguments), env={**target.env, **env})
        signal.signal(signal.SIGTERM, _end)
        code = exit_code_of(context, target, artifact, folder, Children())
        if code != 0:
            raise package_test_failure(target, code, "", context.workspace)
        return ()


ACTIONS: Mapping[str, Callable[[ActionRequest, FactsMemory], Warnings]] = {
    action.__name__: action
    for action in (environment, included, recording, analyse, check, model, assemble, test)
}


def _end(number: int, _: object) -> NoReturn:
    """Exit through every `finally` when Bazel stops the test."""
    sys.exit(128 + number)

"""The actions of the rules for Bazel, each from its request to its output.

An action takes its request and the import facts that the process remembers, which save time and change
nothing else. It returns warnings for the user.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn, TypeAlias, TypeVar

from hermpkg_build.bazel.declarations import modules_of_targets, read_targets
from hermpkg_build.bazel.environment import declared_environment, write_environment
from hermpkg_build.bazel.facts_files import DeclaredFacts, FactsMemory, write_facts
from hermpkg_build.bazel.model_folders import DeclaredContents, undeclared_reads
from hermpkg_build.bazel.recording import declared_recording, files_included, files_to_ask, write_recording
from hermpkg_build.bazel.request import ActionRequest
from hermpkg_build.bazel.staging import staged_workspace
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.label import Label
from hermpkg_build.core.target import Model, ModelPackage, PackageTest, PythonModules, RuleTarget, Target
from hermpkg_build.disk.own_entries import has_installed_things
from hermpkg_build.disk.processes import Children
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.code_states import CodeStates
from hermpkg_build.engine.context import TargetContext
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.targets.artifact_contents import artifact_request
from hermpkg_build.engine.targets.artifact_file import write_artifact
from hermpkg_build.engine.targets.model import model_request
from hermpkg_build.engine.targets.package_test import exit_code_of, package_test_failure
from hermpkg_build.engine.targets.python_modules import facts_of_modules
from hermpkg_build.engine.targets.requirements import check_requirements
from hermpkg_build.errors import LoadingError
from hermpkg_build.factories.model_folder import make_model_folder, read_model_folder
from hermpkg_build.loading.workspace import Workspace

Warnings: TypeAlias = Sequence[str]
_T = TypeVar("_T", bound=RuleTarget)

_BAZEL_VARIABLES = ("TESTBRIDGE_TEST_ONLY",)
"""What tests see of the environment that Bazel makes for them: what ``--test_filter`` says."""


def environment(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Describe the interpreter that runs this, and print the fingerprint of the description.

    The lines after it are the files that may say how artifacts of the workspace record their environment.
    """
    print(write_environment(request.output), *files_to_ask(request.workspace), sep="\n")
    return ()


def included(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Print the absolute paths of the files that a file of requirements includes."""
    print(*files_included(request.source), sep="\n")
    return ()


def recording(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Find the lock of the workspace, and write what its artifacts record by."""
    write_recording(request)
    return ()


def analyse(request: ActionRequest, _: FactsMemory) -> Warnings:
    """Write the import facts of one module, also of one that does not parse: it may not be needed."""
    write_facts(request.source, request.output)
    return ()


def check(request: ActionRequest, memory: FactsMemory) -> Warnings:
    """Check the attributes of a target, and parse its sources if it is a `python_modules`."""
    warnings: list[str] = []
    with _context(request, memory, RuleTarget) as (context, target):
        if isinstance(target, PythonModules):
            modules = modules_of_targets({target.label: target}, context.workspace.source_roots)
            facts_of_modules(context, target, modules[target.label], warnings.append)
    with open(request.output, "wb"):
        return warnings


def model(request: ActionRequest, memory: FactsMemory) -> Warnings:
    """Make the object of a `model` and leave it in a folder."""
    with _context(request, memory, Model) as (context, target):
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
    with _context(request, memory, ModelPackage) as (context, target):
        models = {Label.parse(label): read_model_folder(path) for label, path in request.models.items()}
        contents = DeclaredContents({request.models[str(label)]: model for label, model in models.items()})
        journal = _journal()
        check_requirements(context, target, journal.warn)
        asked = artifact_request(context, target, models, journal.warn)
        write_artifact(target, os.path.abspath(request.output), asked, contents, journal)
        return journal.warnings


def test(request: ActionRequest, memory: FactsMemory) -> Warnings:
    """Run a `package_test`, which prints where this process prints."""
    with (
        _context(request, memory, PackageTest) as (context, target),
        tempfile.TemporaryDirectory(prefix="hermpkg-test-", dir=os.environ.get("TEST_TMPDIR")) as folder,
    ):
        artifact = os.path.abspath(request.artifact)
        env = {name: os.environ[name] for name in _BAZEL_VARIABLES if name in os.environ}
        target = replace(target, args=(*target.args, *request.arguments), env={**target.env, **env})
        signal.signal(signal.SIGTERM, _end)
        code = exit_code_of(context, target, artifact, folder, Children())
        if code != 0:
            raise package_test_failure(target, code, "")
        return ()


ACTIONS: Mapping[str, Callable[[ActionRequest, FactsMemory], Warnings]] = {
    action.__name__: action
    for action in (environment, included, recording, analyse, check, model, assemble, test)
}


@contextmanager
def _context(
    request: ActionRequest, memory: FactsMemory, rule: type[_T]
) -> Iterator[tuple[TargetContext, _T]]:
    """Give the target of a request, which is of `rule`, in a workspace of the declared files."""
    with staged_workspace(request.files) as root:
        workspace = Workspace(root=root, source_roots=request.source_roots or ("",))
        targets = read_targets([*request.declared, request.target])
        modules = modules_of_targets(targets, workspace.source_roots)
        tree = SourceTree()
        context = TargetContext(
            targets=targets,
            workspace=workspace,
            environment=declared_environment(request.environment, root),
            tree=tree,
            code=CodeStates(tree),
            facts=CachedFacts(tree, DeclaredFacts(request.facts, memory), _journal(), jobs=1),
            modules_of_target=modules.__getitem__,
            declared_by=lambda _: None,
            error_in=_error_in,
            recording=declared_recording(request.recording, root, tree),
        )
        target = targets[Label.parse(str(request.target["label"]))]
        assert isinstance(target, rule)
        yield context, target


def _error_in(
    target: Target, summary: str, *, attribute: str, path: Sequence[int | str], next_step: str
) -> LoadingError:
    """Make an error about an attribute of a target, whose place in a BUILD file Bazel alone knows."""
    place = "".join(f"[{step!r}]" for step in path)
    facts = [("target", str(target.label)), ("attribute", f"{attribute}{place}")]
    return LoadingError(summary, facts=facts, next_step=next_step)


def _journal() -> Journal:
    return Journal(BuildObserver())


def _end(*_: object) -> NoReturn:
    """Exit through every `finally` when Bazel stops the test."""
    sys.exit(128 + signal.SIGTERM)

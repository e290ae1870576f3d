"""The target of a request in a workspace of the declared files, as the engine's functions take targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from hermpkg_build.bazel.declarations import modules_of_targets, read_targets
from hermpkg_build.bazel.environment import declared_environment
from hermpkg_build.bazel.facts_files import DeclaredFacts, FactsMemory
from hermpkg_build.bazel.recording import declared_recording
from hermpkg_build.bazel.request import ActionRequest
from hermpkg_build.bazel.staging import staged_workspace
from hermpkg_build.core.label import Label
from hermpkg_build.core.target import RuleTarget, Target
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.code_states import CodeStates
from hermpkg_build.engine.context import TargetContext
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.errors import LoadingError
from hermpkg_build.loading.workspace import Workspace

_T = TypeVar("_T", bound=RuleTarget)


@contextmanager
def context_of(
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
            facts=CachedFacts(tree, DeclaredFacts(request.facts, memory), new_journal(), jobs=1),
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


def new_journal() -> Journal:
    """Make a journal that nobody looks at while it is written."""
    return Journal(BuildObserver())

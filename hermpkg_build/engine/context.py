"""What the targets of a build are made of, and what its tasks share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import BuildFile, DeclaredModule, DeclaredModules, Model, PythonModules, Target
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.lfs_pointers import HOW_TO_FETCH, is_lfs_pointer
from hermpkg_build.engine.code_states import UNREADABLE
from hermpkg_build.engine.module_sharing import ModuleSharing
from hermpkg_build.engine.resting import Resting
from hermpkg_build.engine.results import BuildRequest, TargetResult
from hermpkg_build.engine.text_uses import TextUses
from hermpkg_build.errors import LoadingError

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Digest
    from hermpkg_build.core.relayed import Relayed
    from hermpkg_build.disk.processes import Children
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.code_states import CodeStates
    from hermpkg_build.engine.environment import BuildEnvironment
    from hermpkg_build.engine.facts import CachedFacts
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.engine.notes import NoteBook
    from hermpkg_build.engine.runner import ActionRunner, Ran
    from hermpkg_build.engine.scheduler import Need
    from hermpkg_build.environment.finding import Recording
    from hermpkg_build.factories.request import ModelObject, ModelRequest
    from hermpkg_build.factories.warm_client import WarmProcesses
    from hermpkg_build.loading.packages import Packages
    from hermpkg_build.loading.workspace import Workspace
    from hermpkg_build.remote.cache import RemoteCache
    from hermpkg_build.store.content import ContentStore


class ErrorInTarget(Protocol):
    """Makes an error about an attribute of a target, at its place in a BUILD file where that is known."""

    def __call__(
        self, target: Target, summary: str, *, attribute: str, path: Sequence[int | str], next_step: str
    ) -> LoadingError:
        """Make an error about the part `path` of `attribute`: list indices and dictionary keys."""
        ...


def _nothing_recorded(_: str) -> Recording:
    from hermpkg_build.environment.finding import Recording

    return Recording()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetContext:
    """The targets of a request with all that they depend on, and where their files lie.

    Who read the BUILD files makes no difference: `modules_of_target` gives the modules of a
    `python_modules` target, and `declared_by` the target that lists a workspace file, if one does.
    `recording` says how artifacts record what must be installed where they land: by the lock of this
    workspace path, or for "" as the workspace says. `sharing` has what is known of modules by now, whichever
    target asked, `resting` the files that targets rest on, `texts` which hold the texts of modules,
    and `states` what is known to be at observed paths.
    """

    targets: Mapping[Label, Target]
    workspace: Workspace
    environment: BuildEnvironment
    tree: SourceTree
    code: CodeStates
    facts: CachedFacts
    modules_of_target: Callable[[Label], DeclaredModules]
    declared_by: Callable[[str], Label | None]
    error_in: ErrorInTarget
    recording: Callable[[str], Recording] = _nothing_recorded
    sharing: ModuleSharing = field(default_factory=ModuleSharing)
    resting: Resting = field(default_factory=Resting)
    texts: TextUses = field(default_factory=TextUses)
    states: dict[str, str] = field(default_factory=dict)

    def absolute(self, path: str) -> str:
        """Return the absolute path of a workspace path."""
        return os.path.join(self.workspace.root, path)

    def shown(self, path: str) -> str:
        """Return an absolute path as results show it: relative to the workspace where it lies inside."""
        inside = path.startswith(self.workspace.root.rstrip("/") + "/")
        return os.path.relpath(path, self.workspace.root) if inside else path

    def digest(self, target: Target, path: str, what: str, *, next_step: str) -> Digest:
        """Return the digest of a file that `target` is made of, by its absolute path.

        `what` names the file in an error. Raises LoadingError where it cannot be read, or is not there yet.
        """
        try:
            digest = self.tree.digest(path)
            if not is_lfs_pointer(path, digest.size):
                return digest
        except OSError as error:
            raise LoadingError(
                f"{what} cannot be read",
                location=target.location,
                facts=[("file", self.shown(path)), ("reason", error.strerror or str(error))],
                next_step=next_step,
            ) from error
        raise LoadingError(
            f"{what} is a pointer of Git LFS, and not the file that it stands for",
            location=target.location,
            facts=[("file", self.shown(path))],
            next_step=HOW_TO_FETCH,
        )

    def declared_resources(self, target: Target) -> dict[str, str]:
        """Hash the resources that `target` and all that it depends on declare; by their paths.

        They are inputs whether code was seen to read them or not: reads by native code are not seen. Raises
        LoadingError where one cannot be read.
        """
        return {
            label.path: self.resource_digest(target, self.absolute(label.path), cause).hash
            for label, cause in self.resources_of_modules(target)
        }

    def resources_of_modules(self, target: Target) -> Iterator[tuple[Label, str]]:
        """Give the resources of the `python_modules` that `target` reaches, each with what to call it."""
        for owner in self.sharing.reach.owners(target.dependencies, self.targets).with_resources:
            yield from ((label, f"the resource {label} of {owner.label}") for label in owner.resources)

    def resource_digest(self, target: Target, path: str, cause: str) -> Digest:
        """Return the digest of a resource, which `cause` names. Raises LoadingError as `digest` does."""
        return self.digest(target, path, cause, next_step="create the file, or take it out of resources")

    def module_path(self, path: str) -> str:
        """Return the path of a workspace file among modules, below the source root that it lies in."""
        roots = [root for root in self.workspace.source_roots if not root or path.startswith(f"{root}/")]
        return path[len(max(roots, key=len, default="")) :].lstrip("/")

    def modules_of(self, labels: Sequence[Label]) -> tuple[DeclaredModule, ...]:
        """List the modules of `python_modules` targets: of `labels`, and of all they depend on; by name."""
        modules = {
            module.module: module
            for target in self.python_modules(labels)
            for module in self.modules_of_target(target.label)
        }
        return tuple(module for _, module in sorted(modules.items()))

    def python_modules(self, labels: Sequence[Label]) -> Sequence[PythonModules]:
        """List the `python_modules` targets among `labels` and all they depend on, near ones first."""
        return self.sharing.reach.owners(labels, self.targets).targets

    def state_of(self, name: str) -> str:
        """Say what is at an observed path, by its name: what `BuildEnvironment.state_of` said first."""
        state = self.states.get(name)
        if state is None:
            state = self.environment.state_of(name, self.tree, self.code)
            if state != UNREADABLE:
                self.states[name] = state
        return state


NeedTargets: TypeAlias = "Need[Label, Built]"
"""What a target calls to have others built, when they turn out to be needed."""


class ModelExecutor(Protocol):
    """Makes model objects on other machines."""

    @property
    def server(self) -> str:
        """Return where they are made, for people."""
        ...

    def make(self, target: Model, request: ModelRequest) -> ModelObject | None:
        """Make a model object, its bytes in the content store; None where it must be made here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What building a target gives: its result, and for a `model` target the model object."""

    result: TargetResult
    model: ModelObject | None = None

    @classmethod
    def of(
        cls,
        target: Target,
        digest: Digest,
        ran: Ran[Any],
        *,
        path: str = "",
        model: ModelObject | None = None,
    ) -> Built:
        """Make the result of `target`, whose file or files have `digest`, by the action that gave them."""
        result = TargetResult(
            label=str(target.label),
            path=path,
            sha256=digest.hash,
            bytes=digest.size,
            status=ran.status,
            reasons=ran.reasons,
        )
        return cls(result=result, model=model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build: what was asked for, what the targets are made of, and what does the work.

    Nothing of it is replaced while it lasts. Tasks use it from several threads, and what they share is
    locked inside. `labels` are those of the request, in its order; `build_files` lists the BUILD files that
    were loaded; `environment_inputs` returns the inputs of every action that runs code; `note_once` tells
    people a text about a subject, once in a workspace; `kept` are parts of the cache that note what they are
    given; `started` is a time of `time.perf_counter`; `warm` are the processes that fork factories, None
    where each has one started for it alone.
    """

    request: BuildRequest
    started: float
    labels: tuple[Label, ...]
    context: TargetContext
    packages: Packages
    build_files: Callable[[], Sequence[BuildFile]]
    content: ContentStore
    actions: ActionRunner
    notes: NoteBook
    journal: Journal
    children: Children
    environment_inputs: Callable[[], Mapping[str, str]]
    note_once: Callable[[str, str], None]
    kept: Mapping[str, Relayed]
    shared: RemoteCache | None = None
    executor: ModelExecutor | None = None
    warm: WarmProcesses | None = None

    def requested(self) -> list[Target]:
        """List the targets of the request, in its order."""
        return [self.context.targets[label] for label in self.labels]

    def cancel(self) -> None:
        """Make actions end soon, whatever thread they run in, with their child processes."""
        self.children.cancel()
        if self.shared is not None:
            self.shared.close()

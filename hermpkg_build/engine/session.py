"""What the tasks of one build share: the workspace, its targets, the caches, notes of the last build."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.disk.processes import kill_group
from hermpkg_build.engine.context import TargetContext
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.notes import NoteBook
from hermpkg_build.source.source_facts import FACTS_VERSION

if TYPE_CHECKING:
    import subprocess

    from hermpkg_build.core.digest import Digest
    from hermpkg_build.core.target import ModelPackage
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.environment import BuildEnvironment
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.engine.rebuilder import Rebuilder
    from hermpkg_build.engine.remote.facts import SharedFacts
    from hermpkg_build.engine.remote.models import RemoteModels
    from hermpkg_build.engine.results import BuildRequest, RemoteCounts
    from hermpkg_build.loading.loader import Loader
    from hermpkg_build.loading.workspace import Workspace
    from hermpkg_build.remote.cache import RemoteCache
    from hermpkg_build.store.cache import Cache


class Session(TargetContext):
    """One build's context. Tasks use it from several threads; what they share is locked inside."""

    def __init__(
        self,
        *,
        workspace: Workspace,
        request: BuildRequest,
        environment: BuildEnvironment,
        loader: Loader,
        tree: SourceTree,
        cache: Cache,
        rebuilder: Rebuilder,
        journal: Journal,
        remote: RemoteCache | None = None,
        executor: RemoteModels | None = None,
    ) -> None:
        super().__init__(
            workspace=workspace,
            environment=environment,
            tree=tree,
            facts=CachedFacts(tree, cache.facts, journal, request.jobs, packs=_packs(remote, cache)),
            modules_of_target=loader.module_targets,
            declared_by=loader.declared_by,
        )
        self.request = request
        self.loader = loader
        self.cache = cache
        self.rebuilder = rebuilder
        self.journal = journal
        self.remote = remote
        self.executor = executor
        self.outputs: dict[str, Digest] = {}
        """Artifacts put or found in place, by absolute path."""
        self.settled = True
        """False once an input was seen to change while the build ran: no snapshot may stand for it."""
        self._notes = NoteBook(workspace.root)
        self._lock = threading.Lock()
        self._environment_inputs: Mapping[str, str] | None = None
        self.started_ns = time.time_ns()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False

    @contextmanager
    def child(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Own a child process that leads its own group; nothing of the group is left at the end."""
        with self._lock:
            self._children.add(process)
        try:
            yield
        finally:
            kill_group(process)
            with self._lock:
                self._children.discard(process)

    def cancel(self) -> None:
        """Make actions end soon, from whichever thread they run in, with their child processes."""
        self._cancelled = True
        if self.remote is not None:
            self.remote.close()
        for process in list(self._children):
            kill_group(process)

    def finish_sharing(self) -> RemoteCounts | None:
        """Wait until the shared cache has what this build found out; what went there and came from there.

        An interrupt gives up the uploads, not the build, which is done.
        """
        if self.remote is None:
            return None
        self.facts.share()
        try:
            self.remote.finish()
        except KeyboardInterrupt:
            self.remote.close()
            self.journal.warn_of_now(
                "interrupted while uploading: the build is done, but not shared in whole"
            )
        return self.journal.remote_counts()

    def is_cancelled(self) -> bool:
        """Whether the build was told to stop."""
        return self._cancelled

    def shown(self, path: str) -> str:
        """`path` as results show it: relative to the workspace where it lies inside."""
        inside = path.startswith(self.workspace.root.rstrip("/") + "/")
        return os.path.relpath(path, self.workspace.root) if inside else path

    def output_path(self, target: ModelPackage) -> str:
        """Where the artifact of a `model_package` goes, absolute."""
        if self.request.out is not None:
            return self.request.out
        return self.absolute(os.path.join(OUTPUT_FOLDER, target.label.package, target.output))

    def environment_inputs(self) -> Mapping[str, str]:
        """What every action that runs code depends on."""
        with self._lock:
            if self._environment_inputs is None:
                self._environment_inputs = self.environment.inputs(self.tree)
            return self._environment_inputs

    def state_of(self, name: str) -> str:
        """What is now at an observed path, by its name. See `BuildEnvironment.state_of`."""
        return self.environment.state_of(name, self.workspace.root, self.tree)

    def inputs_before(self, action: Action) -> Mapping[str, str] | None:
        """The inputs that this action had in the last build here; None where there was none."""
        with self._lock:
            return self._notes.inputs_before(action.subject, action.kind)

    def is_in_place(self, action: Action, path: str, digest: Digest) -> bool:
        """Whether the file at `path` holds `digest`."""
        with self._lock:
            return self._notes.is_in_place(action.subject, path, digest)

    def remember(self, action: Action, path: str = "", digest: Digest | None = None) -> None:
        """Note the inputs of `action` for the next build, and the artifact it put at `path`."""
        with self._lock:
            try:
                self._notes.keep_inputs(action.subject, action.kind, action.inputs)
                if digest is not None:
                    self._notes.keep_artifact(action.subject, path, digest)
            except OSError as error:
                self.journal.warn(f"cannot keep notes for the next build: {error}")


def _packs(remote: RemoteCache | None, cache: Cache) -> SharedFacts | None:
    if remote is None:
        return None
    from hermpkg_build.engine.remote.facts import SharedFacts

    return SharedFacts(remote, cache.content, FACTS_VERSION)

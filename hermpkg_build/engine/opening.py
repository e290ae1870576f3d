"""Opens builds: loads the targets of a request, and makes what does the work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING

from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.disk.output_folders import check_no_link
from hermpkg_build.disk.processes import Children
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.code_states import CodeStates
from hermpkg_build.engine.context import Build, ModelExecutor, TargetContext
from hermpkg_build.engine.durations import note_durations
from hermpkg_build.engine.environment import current_environment
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.module_sharing import ModuleSharing
from hermpkg_build.engine.notes import NoteBook
from hermpkg_build.engine.rebuilder import ActionResults, CachingRebuilder, Rebuilder
from hermpkg_build.engine.runner import ActionRunner
from hermpkg_build.engine.snapshot import mark_origin
from hermpkg_build.engine.warm import warm_processes
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.preferences import cache_limit
from hermpkg_build.loading.requested import load_requested
from hermpkg_build.loading.workspace import WORKSPACE_MARKERS, Workspace, package_at
from hermpkg_build.source.source_facts import FACTS_VERSION
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.cache import Cache, open_cache

if TYPE_CHECKING:
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.engine.remote.facts import SharedFacts
    from hermpkg_build.engine.results import BuildRequest
    from hermpkg_build.environment.finding import Recording
    from hermpkg_build.loading.declared_files import DeclaredFiles
    from hermpkg_build.remote.cache import RemoteCache
    from hermpkg_build.remote.opening import Remote
    from hermpkg_build.source.known_facts import FactsStore

MakeRebuilder = Callable[[ActionResults], Rebuilder]


@contextmanager
def open_build(
    workspace: Workspace,
    request: BuildRequest,
    cache_directory: str,
    observer: BuildObserver,
    *,
    make_rebuilder: MakeRebuilder = CachingRebuilder,
    remote: Remote | None = None,
    given: Mapping[str, bytes] | None = None,
    on_tree: Callable[[SourceTree], None] | None = None,
    declared: DeclaredFiles | None = None,
) -> Iterator[Build]:
    """Open a build of the targets that `request` names, loaded and checked with all that they depend on.

    What `remote` names is shared with other machines, and closed at the end. `given` are BUILD files, by
    absolute path, that are seen with other bytes than they have; those that are `declared` are not looked
    at, as neither they nor a folder have changed. Raises what `load_requested` raises, and
    LocalEnvironmentError where nothing can be cached.

    Everything that a build reads goes through one SourceTree, so that what it saw can be kept in a snapshot
    for `snapshot.find_unchanged`; `on_tree` is given it before anything is read.
    """
    started = time.perf_counter()
    journal, children = Journal(observer), Children()
    with ExitStack() as stack:
        stack.callback(lambda: note_durations(workspace.root, journal.durations))
        store = _open_store(workspace, cache_directory, journal, stack)
        for text in store.warnings:  # A later build may find the cache as it should be.
            journal.warn_for_this_build(text)
        _tell_of_servers(workspace, remote, store, journal)
        results, facts = _stores(remote, store)
        shared, rebuilder, packs = _shared(remote, make_rebuilder(results), store, journal, stack)
        # The folder must be there before the workspace root is listed, or the first build's own
        # output would look like a change to the second.
        check_no_link(workspace.root, STATE_FOLDER)
        with suppress(OSError):
            mark_origin(workspace.root)
        tree = SourceTree(store.digests, given=given)
        if on_tree is not None:
            on_tree(tree)
        package = package_at(workspace, request.directory)
        observe_workspace(tree, workspace, package)
        loader = stack.enter_context(Loader(workspace, tree, store.actions, declared=declared))
        with journal.phase("load", "BUILD files"):
            requested = load_requested(loader, request.patterns, package=package)
        environment = current_environment(environment_search_path(), workspace.root)
        sharing = ModuleSharing()
        context = TargetContext(
            targets=requested.targets,
            workspace=workspace,
            environment=environment,
            tree=tree,
            code=CodeStates(tree, store.facts),
            facts=CachedFacts(tree, facts, journal, request.jobs, packs=packs, keep=sharing.read.keep),
            modules_of_target=loader.module_targets,
            declared_by=loader.declared_by,
            error_in=loader.error_in,
            recording=cache(partial(_recording, workspace, tree, store)),
            sharing=sharing,
        )
        notes = NoteBook(workspace.root, journal)
        yield Build(
            request=request,
            started=started,
            labels=requested.labels,
            context=context,
            packages=loader.packages,
            build_files=loader.build_files,
            content=store.content,
            actions=ActionRunner(rebuilder, journal, notes),
            notes=notes,
            journal=journal,
            children=children,
            environment_inputs=cache(partial(environment.inputs, tree)),
            note_once=partial(_note_once, workspace, store, journal),
            kept={"facts": store.facts, "usage": store.usage},
            shared=shared,
            executor=_executor(remote, context, store, journal, children, stack),
            warm=warm_processes(context, notes, stack) if request.conditions is None else None,
        )


def _recording(workspace: Workspace, tree: SourceTree, store: Cache, lock: str = "") -> Recording:
    from hermpkg_build.environment.finding import recording_of

    return recording_of(workspace, tree, store.actions, lock)


def _open_store(workspace: Workspace, directory: str, journal: Journal, stack: ExitStack) -> Cache:
    """Open the cache; at the end it is noted what `workspace` used of it, and it is kept within its limit.

    Raises WorkspaceError for a limit that cannot be read, and what `open_cache` raises.
    """
    limit = cache_limit(workspace)
    store = open_cache(directory)

    def keep_limit(error: type[BaseException] | None, *_: object) -> None:
        if store.usage.written and limit is not None and (error is None or issubclass(error, Exception)):
            from hermpkg_build.store.pruning import keep_within

            pruned = keep_within(directory, limit, store.usage.written)
            if pruned is not None:
                journal.cache_pruned(pruned.removed_entries, pruned.removed_bytes)

    stack.push(keep_limit)
    stack.enter_context(closing(store))
    if store.writable:
        stack.callback(store.usage.keep, workspace.root)
    return store


def observe_workspace(tree: SourceTree, workspace: Workspace, package: str) -> None:
    """Look at the files that put the folder `package` into the workspace, also at absent ones on the way."""
    folder = os.path.join(workspace.root, package)
    while True:
        for marker in WORKSPACE_MARKERS:
            path = os.path.join(folder, marker)
            if tree.is_file(path):
                tree.digest(path)
        if len(folder.rstrip("/")) <= len(workspace.root.rstrip("/")):
            return
        folder = os.path.dirname(folder.rstrip("/"))


def _stores(remote: Remote | None, store: Cache) -> tuple[ActionResults, FactsStore]:
    """Where results and import facts are kept on this machine, apart for each server that has a say."""
    if remote is None:
        return store.actions, store.facts
    from hermpkg_build.engine.remote.origin import FactsOfOrigin, ResultsOfOrigin, origin_of

    origin = origin_of(remote.settings)
    return ResultsOfOrigin(store.actions, origin), FactsOfOrigin(store.facts, origin)


def _tell_of_servers(workspace: Workspace, remote: Remote | None, store: Cache, journal: Journal) -> None:
    """Say that a build uses servers that the workspace names, where it is the first of this user to do so."""
    if remote is None:
        return
    from hermpkg_build.engine.remote.origin import named_by

    servers = named_by(workspace, remote.settings)
    if servers:
        text = f"work is shared with {' and '.join(servers)}, as the settings of this workspace say"
        _note_once(workspace, store, journal, f"servers {' '.join(servers)}", text)


def _note_once(workspace: Workspace, store: Cache, journal: Journal, subject: str, text: str) -> None:
    """Tell people something that this user was not told in this workspace before."""
    key = fingerprint(["told once", workspace.root, subject])
    if store.actions.get(key) is None:
        journal.note(text)
        store.actions.put(key, ActionResult(outputs={}, facts={"told": True}))


def _shared(
    remote: Remote | None, local: Rebuilder, store: Cache, journal: Journal, stack: ExitStack
) -> tuple[RemoteCache | None, Rebuilder, SharedFacts | None]:
    """Return the shared cache, the rebuilder over it, and its packs of facts; without one, `local` alone."""
    if remote is None or remote.cache is None:
        return None, local, None
    from hermpkg_build.engine.remote.facts import SharedFacts
    from hermpkg_build.engine.remote.rebuilder import SharedRebuilder
    from hermpkg_build.remote.cache import RemoteCache

    cache = RemoteCache(remote.cache, store.content, journal, upload=remote.settings.upload)
    stack.callback(cache.close)
    packs = SharedFacts(cache, store.content, FACTS_VERSION)
    return cache, SharedRebuilder(local, cache, journal), packs


def _executor(
    remote: Remote | None,
    context: TargetContext,
    store: Cache,
    journal: Journal,
    children: Children,
    stack: ExitStack,
) -> ModelExecutor | None:
    """Return what makes models on other machines; None where they are made here."""
    if remote is None or not remote.settings.executor:
        return None
    from hermpkg_build.engine.remote.models import RemoteModels
    from hermpkg_build.remote.grpc.execution import Executor

    executor = Executor(remote.settings, store.content)
    stack.callback(executor.close)
    return RemoteModels(executor, context, journal, cancelled=children.is_cancelled)

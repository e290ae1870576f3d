"""Opens the graph of a workspace for a query: what an earlier query kept, and the rest from the sources."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.engine.queries.kept_file import Kept, Sections, kept_path, load, save
from hermpkg_build.engine.queries.package_record import KeptPackages
from hermpkg_build.engine.queries.target_graph import WorkspaceTargets
from hermpkg_build.engine.queries.watched import Watched
from hermpkg_build.engine.snapshot import mark_origin
from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.core.target import DeclaredModule, RuleTarget
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.engine.queries.import_graph import ImportGraph
    from hermpkg_build.engine.queries.module_graph import WorkspaceModules
    from hermpkg_build.engine.queries.module_table import ModuleTable
    from hermpkg_build.loading.loader import Loader
    from hermpkg_build.loading.workspace import Workspace
    from hermpkg_build.store.cache import Cache


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlace:
    """Where a query is asked: a workspace, a folder of it, the cache, and how many processes may help."""

    workspace: Workspace
    directory: str
    cache_directory: str
    jobs: int
    observer: BuildObserver

    @property
    def package(self) -> str:
        """Return the folder relative to the workspace; "" for its root."""
        path = os.path.relpath(self.directory, self.workspace.root)
        return "" if path == os.curdir else path.replace(os.sep, "/")


class QueryGraphs:
    """The graphs of one workspace, open until `close`, which keeps what was found out for the next query."""

    def __init__(self, place: QueryPlace) -> None:
        self._place = place
        self._stack = ExitStack()
        self._opened: tuple[Loader, SourceTree, Cache] | None = None
        self._watched: Watched | None = None
        self._known = (0, 0)
        self._targets: WorkspaceTargets | None = None

    def targets(self) -> WorkspaceTargets:
        """Return the graph of targets and files."""
        if self._targets is None:
            packages = KeptPackages(records={}, below={})
            kept = self._load("targets")
            if kept is not None:
                with closing(kept.watched.check()) as check:
                    changed, self._watched = kept.watched.changes(check)
                packages = KeptPackages.decode(kept.sections)
                self._known = packages.size
                if changed:
                    packages = packages.without(changed, self._place.workspace.root)
                    self._known = (-1, -1)
                elif self._watched is not kept.watched:
                    self._save("targets", self._watched, packages.encode())
            records, below = packages.records, packages.below
            self._targets = WorkspaceTargets(lambda: self._open()[0], self._place.package, records, below)
        return self._targets

    def modules(self) -> WorkspaceModules:
        """Return the graph of targets, files and modules. Problems with any BUILD file are in it."""
        from hermpkg_build.engine.queries.import_graph import ImportGraph
        from hermpkg_build.engine.queries.module_graph import WorkspaceModules

        kept = self._load("modules")
        if kept is None:
            return WorkspaceModules(self.targets(), self._read_imports())
        with closing(kept.watched.check()) as check:
            targets = self.targets()
            changed, watched = kept.watched.changes(check)
        if changed:
            return WorkspaceModules(targets, self._read_imports(kept, watched, changed))
        if watched is not kept.watched:
            self._save("modules", watched, kept.sections)
        return WorkspaceModules(targets, ImportGraph(kept.sections))

    def close(self) -> None:
        """Keep the packages that were loaded, if nothing was wrong with any, and close the cache."""
        try:
            self._keep_targets()
        finally:
            self._stack.close()

    def _keep_targets(self) -> None:
        targets, opened = self._targets, self._opened
        if targets is None or targets.problems:
            return
        packages = KeptPackages(records=targets.records, below=targets.below)
        if packages.size == self._known:
            return
        self._known = packages.size
        watched = Watched.of(opened[1]) if opened is not None else None
        if self._watched is not None:
            watched = self._watched.updated(watched) if watched is not None else self._watched
        if watched is not None:
            self._save("targets", watched, packages.encode())

    def _open(self) -> tuple[Loader, SourceTree, Cache]:
        """Open what reads the sources, when it is needed for the first time."""
        if self._opened is None:
            from hermpkg_build.disk.source_tree import SourceTree
            from hermpkg_build.disk.trust import check_no_link
            from hermpkg_build.engine.opening import observe_workspace
            from hermpkg_build.loading.loader import Loader
            from hermpkg_build.store.cache import open_cache

            place = self._place
            store = self._stack.enter_context(closing(open_cache(place.cache_directory)))
            for text in store.warnings:
                place.observer.warning(text)
            check_no_link(place.workspace.root, STATE_FOLDER)
            with suppress(OSError):
                mark_origin(place.workspace.root)
            tree = SourceTree(store.digests)
            observe_workspace(tree, place.workspace, place.package)
            self._opened = (Loader(place.workspace, tree, store.actions), tree, store)
        return self._opened

    def _read_imports(
        self, kept: Kept | None = None, watched: Watched | None = None, changed: Collection[str] = ()
    ) -> ImportGraph:
        """Read the imports of all modules that BUILD files declare, or of those that are `changed`."""
        from hermpkg_build.engine.queries.kept_imports import Reader, bring_up_to_date, read_all

        _, tree, store = self._open()
        reader = Reader(
            workspace=self._place.workspace,
            tree=tree,
            store=store,
            observer=self._place.observer,
            jobs=self._place.jobs,
        )
        imports = None
        notes = self._load("notes") if kept is not None else None
        if kept is not None and notes is not None and watched is not None:
            whole = {**kept.sections, **notes.sections}
            if kept.sections["made"] == notes.sections["made"]:
                imports = bring_up_to_date(whole, watched, changed, reader, self._table)
        if imports is None:
            imports = read_all(reader, self._table())
        if not self.targets().problems:
            answers, notes_now = imports.sections()
            self._save("notes", Watched.none(), notes_now)
            self._save("modules", imports.watched, answers)
        return imports.graph

    def _table(self) -> ModuleTable:
        """Load all BUILD files of the workspace, and list the modules that they declare."""
        from hermpkg_build.engine.queries.module_table import Declared, ModuleTable

        targets, loader = self.targets(), self._open()[0]
        found = self._declared(targets, loader)
        modules = {label: self._there(loader, targets, label) for label in found}
        self._keep_targets()  # Now, for they do not depend on the sources that are read next.
        return ModuleTable.of(Declared(targets=found, modules=modules))

    def _declared(self, targets: WorkspaceTargets, loader: Loader) -> dict[Label, RuleTarget]:
        """List the targets of all packages of the workspace; BUILD files that are wrong are reported."""
        found: dict[Label, RuleTarget] = {}
        targets.below[""] = list(loader.packages.below(""))
        for package in targets.below[""]:
            if targets.record(package) is not None:
                found.update((each.label, each) for each in loader.build_file(package).targets.values())
        return found

    def _there(self, loader: Loader, targets: WorkspaceTargets, label: Label) -> list[DeclaredModule]:
        """List the modules of a `python_modules` target whose files are there; others are reported."""
        from hermpkg_build.core.target import PythonModules

        target = loader.build_file(label.package).targets[label.name]
        if not isinstance(target, PythonModules):
            return []
        try:
            modules = loader.module_targets(label)
        except HermpkgError as error:
            targets.report(error)
            return []
        there: list[DeclaredModule] = []
        for module in modules:
            if loader.has_file(module.label):
                there.append(module)
            else:
                try:
                    loader.target(module.label)
                except HermpkgError as error:
                    targets.report(
                        loader.error_in(
                            target,
                            error.summary,
                            attribute="srcs",
                            label=module.label,
                            facts=error.facts,
                            next_step=error.next_step,
                        )
                    )
        return there

    def _load(self, what: str) -> Kept | None:
        try:
            return load(self._path(what))
        except OSError:
            return None

    def _save(self, what: str, watched: Watched, sections: Sections) -> None:
        """Keep something for the next query, which works as well without it."""
        with suppress(OSError):
            path = self._path(what)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            save(path, watched, sections)

    def _path(self, what: str) -> str:
        workspace = self._place.workspace
        return kept_path(workspace.root, what, workspace.source_roots)

"""Opens the graph of a workspace for a query: what an earlier query kept, and the rest from the sources."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.queries.graph_files import Found, GraphFiles
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
    from hermpkg_build.engine.queries.kept_file import Sections
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
        from hermpkg_build.loading.workspace import package_at

        return package_at(self.workspace, self.directory)


GRAPHS = ("targets", "modules")
"""The kept files of which answers are made: both of them where modules are asked for."""


class QueryGraphs:
    """The graphs of one workspace, open until `close`, which keeps what was found out for the next query."""

    def __init__(self, place: QueryPlace) -> None:
        self._place = place
        self._stack = ExitStack()
        self._opened: tuple[Loader, SourceTree, Cache] | None = None
        self._files = GraphFiles(place.workspace)
        self._watched: Watched | None = None
        self._known = (0, 0)
        self._targets: WorkspaceTargets | None = None

    def targets(self) -> WorkspaceTargets:
        """Return the graph of targets and files."""
        if self._targets is None:
            packages = KeptPackages(records={}, below={})
            found = self._files.find("targets")
            sections = found.kept.read() if found is not None else None
            if found is not None and sections is not None:
                packages, self._watched = KeptPackages.decode(sections), found.watched
                self._known = packages.size
                if found.changed:
                    packages = packages.without(found.changed, self._place.workspace.root)
                    self._known = (-1, -1)
            records, below = packages.records, packages.below
            self._targets = WorkspaceTargets(lambda: self._open()[0], self._place.package, records, below)
        return self._targets

    def modules(self) -> WorkspaceModules:
        """Return the graph of targets, files and modules. Problems with any BUILD file are in it."""
        from hermpkg_build.engine.queries.import_graph import ImportGraph
        from hermpkg_build.engine.queries.module_graph import WorkspaceModules

        self._files.begin("modules")
        targets, found = self.targets(), self._files.find("modules")
        sections = found.kept.read() if found is not None else None
        if found is None or sections is None or found.changed:
            return WorkspaceModules(targets, self._read_imports(found, sections))
        return WorkspaceModules(targets, ImportGraph(sections))

    def recall(self, question: Sequence[str], *, modules: bool) -> list[str] | None:
        """Return the lines that an earlier query gave for the same words, if they still hold."""
        return self._files.recall([self._place.package, *question], GRAPHS if modules else GRAPHS[:1])

    def remember(self, question: Sequence[str], lines: Sequence[str], *, modules: bool) -> None:
        """Keep the lines of an answer for which nothing had to be read beside the graphs that were kept."""
        if self._opened is None:
            self._files.remember([self._place.package, *question], GRAPHS if modules else GRAPHS[:1], lines)

    def close(self) -> None:
        """Keep the packages that were loaded, if nothing was wrong with any, and close the cache."""
        try:
            self._keep_targets()
        finally:
            self._files.close()
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
            self._files.save("targets", watched, packages.encode())

    def _open(self) -> tuple[Loader, SourceTree, Cache]:
        """Open what reads the sources, when it is needed for the first time."""
        if self._opened is None:
            from hermpkg_build.disk.output_folders import check_no_link
            from hermpkg_build.disk.source_tree import SourceTree
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
            loader = self._stack.enter_context(Loader(place.workspace, tree, store.actions))
            self._opened = (loader, tree, store)
        return self._opened

    def _read_imports(self, found: Found | None, kept: Sections | None) -> ImportGraph:
        """Read the imports of all modules that BUILD files declare, or of those that have changed."""
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
        known = self._files.load("notes") if found is not None else None
        notes = known.read() if known is not None else None
        if found is not None and kept is not None and notes is not None and kept["made"] == notes["made"]:
            whole = {**kept, **notes}
            imports = bring_up_to_date(whole, found.watched, found.changed, reader, self._table)
        if imports is None:
            imports = read_all(reader, self._table())
        if not self.targets().problems:
            answers, notes_now = imports.sections()
            self._files.save("notes", Watched.none(), notes_now)
            self._files.save("modules", imports.watched, answers)
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

"""The graph of imports that an earlier query kept, in which what has changed since is read anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.named_modules import NamedModules
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.module_names import parent_of
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.queries.import_graph import NOTES, ImportGraph
from hermpkg_build.engine.queries.import_walk import read_imports
from hermpkg_build.engine.queries.module_table import ModuleTable
from hermpkg_build.engine.queries.watched import Watched, joined, split

if TYPE_CHECKING:
    from hermpkg_build.engine.observer import BuildObserver
    from hermpkg_build.engine.queries.kept_file import Sections
    from hermpkg_build.loading.workspace import Workspace
    from hermpkg_build.store.cache import Cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What reads the sources of a workspace. `tree` sees all else that decides which modules there are."""

    workspace: Workspace
    tree: SourceTree
    store: Cache
    observer: BuildObserver
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """A graph with all that the next query needs to bring it up to date.

    `lookups` are the files and folders by which names are found in the environment.
    """

    graph: ImportGraph
    table: ModuleTable
    lookups: frozenset[str]
    watched: Watched

    def sections(self) -> tuple[Sections, Sections]:
        """Return what is to be kept with `watched` for answers, and what else to bring that up to date."""
        made = {"made": os.urandom(16)}  # Both have it, so that none is taken for a part of another whole.
        graph = self.graph.sections
        answers = {name: graph[name] for name in graph if name not in NOTES}
        notes = {name: graph[name] for name in NOTES}
        own = {**self.table.encode(), "lookups": joined(sorted(self.lookups))}
        return {**answers, **made}, {**notes, **own, **made}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What has changed: modules with other sources, by their labels, and names that may mean others."""

    sources: Collection[str]
    names: Collection[str]
    others: Collection[str]


def read_all(reader: Reader, table: ModuleTable) -> Imports:
    """Read all modules that `table` leads to."""
    found = _read(reader, table, ImportGraph.empty(), (), (), ())
    assert found is not None  # Nothing can be stale where nothing was known.
    return found


def bring_up_to_date(
    kept: Sections,
    watched: Watched,
    changed: Collection[str],
    reader: Reader,
    declared: Callable[[], ModuleTable],
) -> Imports | None:
    """Return the imports that were kept as they are now; None where all must be read.

    `changed` are the paths that are not as they were, `watched` all others. `declared` loads the BUILD files,
    where more has changed than the sources of modules.
    """
    before, graph = ModuleTable.decode(kept), ImportGraph(kept)
    lookups = frozenset(split(kept["lookups"]))
    change = _change(changed, graph, before, lookups, reader.workspace.root)
    if not lookups.isdisjoint(change.others):
        return None
    table, names = before, set(change.names)
    moved: set[str] = set()
    gone: set[str] = set()
    if change.others:
        table = declared()
        names |= table.changed_names(before)
        moved, gone = table.moved(before)
    stale = {*change.sources, *moved, *_concerned(graph, names, change.sources)} - gone
    return _read(reader, table, graph, stale, gone, lookups, watched)


def _concerned(graph: ImportGraph, names: Collection[str], sources: Collection[str]) -> set[str]:
    """Return the modules whose imports may mean something else where `names` and `sources` changed."""
    found = _starring(
        graph, [*map(parent_of, names), *(graph.names[graph.index[label]] for label in sources)]
    )
    return found | graph.mentioning(names) if names else found


def _starring(graph: ImportGraph, names: Collection[str]) -> set[str]:
    """Return the modules that import all names of one of `names`."""
    return {label for label, stars in graph.stars.items() if not set(names).isdisjoint(stars)}


def _change(
    changed: Collection[str], graph: ImportGraph, table: ModuleTable, lookups: Collection[str], root: str
) -> _Change:
    modules = {path: label for path in changed if (label := _own_label(path, table, root))}
    if len(modules) < len(changed):
        places = {graph.path(label): label for label in graph.labels if label.startswith("@")}
        modules.update((path, places[path]) for path in changed if path in places)
    sources = {path: label for path, label in modules.items() if label in graph and os.path.isfile(path)}
    return _Change(
        sources=set(sources.values()),
        names=_names_decided_by(sources, graph, lookups),
        others=set(changed) - sources.keys(),
    )


def _names_decided_by(sources: Mapping[str, str], graph: ImportGraph, lookups: Collection[str]) -> set[str]:
    """Return the packages in whose sources it was looked which further modules they have."""
    return {graph.names[graph.index[label]] for path, label in sources.items() if path in lookups}


def _own_label(path: str, table: ModuleTable, root: str) -> str:
    """Return the label of a file of the workspace that is a module; "" for others."""
    if not path.startswith(f"{root}/"):
        return ""
    segments = path[len(root) + 1 :].split("/")
    labels = (f"//{'/'.join(segments[:at])}:{'/'.join(segments[at:])}" for at in range(len(segments)))
    return next((label for label in labels if label in table.names), "")


def _read(
    reader: Reader,
    table: ModuleTable,
    graph: ImportGraph,
    stale: Collection[str],
    gone: Collection[str],
    lookups: Collection[str],
    watched: Watched | None = None,
) -> Imports | None:
    # A tree of its own, so that it is known which files and folders decide what is found.
    tree, search_path = SourceTree(reader.store.digests), environment_search_path()

    def finder_of(labels: Mapping[str, str]) -> ModuleFinder:
        return ModuleFinder(
            tree=tree,
            given=NamedModules(labels, reader.workspace.root),
            workspace_root=reader.workspace.root,
            search_path=search_path,
            source_roots=reader.workspace.source_roots,
        )

    facts = CachedFacts(reader.tree, reader.store.facts, Journal(reader.observer), reader.jobs)
    known = {*graph.labels} - {*stale} - {*gone}
    installed = [graph.names[graph.index[label]] for label in sorted(stale) if label.startswith("@")]
    read = read_imports(table, known, finder_of, facts, installed)
    found = graph.changed(read, gone)
    if any(label in found for label in stale if label not in read.edges):
        return None
    seen = Watched.of(reader.tree, tree)
    return Imports(
        graph=found,
        table=table,
        lookups=frozenset([*lookups, *tree.observed_files(), *tree.observed_directories()]),
        watched=watched.updated(seen) if watched is not None else seen,
    )

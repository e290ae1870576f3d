"""The files of packed distributions that a target names itself, by globs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_names import record_of_module, top_of
from hermpkg_build.core.module_roles import Origin, Policy

_NEVER = (".py", ".pyc", ".pyo")


class ChosenFiles:
    """Globs over paths from the folder that distributions are installed in; it notes which matched."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._groups = {glob: GlobGroup(glob, separator="/") for glob in globs}
        self._matched: set[str] = set()

    @property
    def folders(self) -> tuple[str, ...]:
        """Paths in the folders that the globs name by their beginnings."""
        return tuple(_beginning(glob) for glob in self._groups)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The globs that have matched nothing so far."""
        return tuple(glob for glob in self._groups if glob not in self._matched)

    def reaches(self, top: str) -> bool:
        """Whether a glob can match a file in the folder `top`."""
        firsts = [glob.partition("/")[0] for glob in self._groups]
        return any(first == "**" or GlobGroup(first, separator="/").matches(top) for first in firsts)

    def takes(self, record: str) -> bool:
        """Whether a glob matches `record`."""
        matching = [glob for glob, group in self._groups.items() if group.matches(record)]
        self._matched.update(matching)
        return bool(matching)

    def beside(
        self, graph: ModuleGraph, entries: Callable[[str], Mapping[str, bool] | None]
    ) -> Iterator[tuple[str, str]]:
        """The record and path of files that lie beside the packed packages, as in a folder ``lib.libs``.

        Such a folder is no package. `entries` gives the names in a folder, and whether each is one.
        """
        interned = graph.with_policy(Policy.INTERN)
        tops = {top_of(node.name) for node in interned}
        firsts = {glob.partition("/")[0] for glob in self._groups} - tops
        roots: dict[str, None] = {}
        for node in interned if firsts else ():
            record = record_of_module(node.name, node.is_package)
            if node.origin is Origin.ENVIRONMENT and node.path and node.path.endswith(f"/{record}"):
                roots[node.path.removesuffix(f"/{record}")] = None
        for root in roots:
            for name, is_folder in (entries(root) or {}).items():
                path = os.path.join(root, name)
                if not is_folder and not name.endswith(_NEVER) and self.takes(name):
                    yield name, path
                elif is_folder and name in firsts:
                    yield from self._below(name, path, entries)

    def _below(
        self, record: str, folder: str, entries: Callable[[str], Mapping[str, bool] | None]
    ) -> Iterator[tuple[str, str]]:
        """The files in a folder that is no package, and in folders below, that a glob matches."""
        listing = entries(folder) or {}
        if "__init__.py" in listing or os.path.islink(folder):
            return
        for name, is_folder in listing.items():
            inner, path = f"{record}/{name}", os.path.join(folder, name)
            if is_folder:
                yield from self._below(inner, path, entries)
            elif not name.endswith(_NEVER) and self.takes(inner):
                yield inner, path


def _beginning(glob: str) -> str:
    """A path in the folder that a glob names before its first wildcard."""
    before = glob.partition("*")[0]
    return before if before.endswith("/") or before == glob else f"{before.rpartition('/')[0]}/"

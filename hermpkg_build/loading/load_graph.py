"""Reads BUILD files and all .bzl files behind them, and checks them before any is evaluated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import HermpkgError, LabelError, LoadingError
from hermpkg_build.loading.bzl_labels import bzl_path
from hermpkg_build.loading.collected_errors import raise_all
from hermpkg_build.loading.depth_first import depth_first
from hermpkg_build.loading.evaluation_cache import BzlLoad
from hermpkg_build.loading.packages import Packages
from hermpkg_build.loading.resolve import Resolved, resolve
from hermpkg_build.loading.rules import DEFS_LABEL, DEFS_SYMBOLS
from hermpkg_build.loading.starlark_source import StarlarkSource

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree


_MOST_TOLD = 100
"""So many symbols that do not exist are told of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file as far as it could be read. `loads` are those that name files of the workspace."""

    resolved: Resolved
    loads: tuple[BzlLoad, ...]
    errors: tuple[HermpkgError, ...]


class LoadGraph:
    """The files of one workspace that load each other, each read once; `sources` are those read so far."""

    def __init__(self, root: str, tree: SourceTree, packages: Packages) -> None:
        self.sources: dict[str, StarlarkSource] = {}
        self._root = root
        self._tree = tree
        self._packages = packages
        self._files: dict[str, _File] = {}

    def source(self, path: str) -> StarlarkSource:
        """Return the file at a workspace path, parsed. Raises LoadingError."""
        if path not in self.sources:
            try:
                data = self._tree.read(os.path.join(self._root, path))
            except OSError as error:
                raise LoadingError(f"cannot read {path}: {error.strerror}") from error
            self.sources[path] = StarlarkSource.parse(path, data)
        return self.sources[path]

    def loads_of(self, path: str) -> Sequence[BzlLoad]:
        """Return the load statements of a file that name files of the workspace."""
        return self._file(path).loads

    def behind(self, top: str) -> list[str]:
        """List the .bzl files that the file `top` loads, directly or not, each after those that it loads.

        Raises LoadingError, or GroupedError with all that is wrong in any of them.
        """
        errors: list[HermpkgError] = []
        order = list(
            depth_first(
                [top],
                lambda path: [load.path for load in self._file(path).loads],
                lambda way: errors.append(self._cycle(way)),
            )
        )
        for path in order:
            errors += [*self._file(path).errors, *self._unknown_symbols(path)]
        raise_all(errors, f"in {top} and what it loads" if len(order) > 1 else f"in {top}")
        return order[:-1]

    def _file(self, path: str) -> _File:
        if path not in self._files:
            self._files[path] = self._read(path)
        return self._files[path]

    def _read(self, path: str) -> _File:
        try:
            source = self.source(path)
        except LoadingError as error:
            return _File(resolved=Resolved(loads=(), exports=None, errors=()), loads=(), errors=(error,))
        resolved = resolve(source, is_build=not path.endswith(".bzl"))
        package = self._packages.package_of(path.rpartition("/")[0]) or ""
        loads: list[BzlLoad] = []
        errors: list[HermpkgError] = list(resolved.errors)
        for load in resolved.loads:
            if load.label == DEFS_LABEL:
                continue
            try:
                found = bzl_path(load.label, package, self._packages, self._tree)
                loads.append(BzlLoad(package=package, label=load.label, path=found))
            except LabelError as error:
                place = load.call.args[0]
                errors.append(
                    source.error(place, error.summary, facts=error.facts, next_step=error.next_step)
                )
        return _File(resolved=resolved, loads=tuple(loads), errors=tuple(errors))

    def _unknown_symbols(self, path: str) -> list[LoadingError]:
        """Report the symbols that a file loads and that do not exist, where what it loads could be read."""
        file = self._file(path)
        exports = {load.label: self._file(load.path).resolved.exports for load in file.loads}
        exports[DEFS_LABEL] = frozenset(DEFS_SYMBOLS)
        errors: list[LoadingError] = []
        for load in file.resolved.loads:
            known = exports.get(load.label)
            arguments = [*load.call.args[1:], *(keyword.value for keyword in load.call.keywords)]
            for (_, symbol), node in zip(load.symbols, arguments, strict=True):
                if len(errors) >= _MOST_TOLD:
                    return errors
                if known is not None and symbol not in known and not symbol.startswith("_"):
                    step = question(symbol, known) or f"it has: {', '.join(sorted(known)) or 'none'}"
                    summary = f"{load.label} has no symbol {symbol!r}"
                    errors.append(self.sources[path].error(node, summary, next_step=step))
        return errors

    def _cycle(self, way: Sequence[str]) -> LoadingError:
        last = next(load for load in self._file(way[-2]).loads if load.path == way[-1])
        call = next(load.call for load in self._file(way[-2]).resolved.loads if load.label == last.label)
        return self.sources[way[-2]].error(
            call,
            f"a cycle of load statements: {' loads '.join(way)}",
            next_step="move what both need into a third file",
        )

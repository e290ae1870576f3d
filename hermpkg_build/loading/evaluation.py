"""Evaluates a BUILD file with all the .bzl files that it loads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.errors import HermpkgError, LabelError, LoadingError, Location
from hermpkg_build.loading.bzl_labels import bzl_path
from hermpkg_build.loading.collected import raise_all
from hermpkg_build.loading.evaluated import BzlLoad, EvaluatedFile
from hermpkg_build.loading.hosts import BuildHost, BzlHost
from hermpkg_build.loading.packages import Packages
from hermpkg_build.loading.resolve import Resolved, resolve
from hermpkg_build.loading.rules import DEFS_LABEL, DEFS_SYMBOLS
from hermpkg_build.loading.source import StarlarkSource
from hermpkg_build.loading.suggest import question

if TYPE_CHECKING:
    import starlark

    from hermpkg_build.loading.evaluator import Evaluator
    from hermpkg_build.store.tree import SourceTree


class Evaluation:
    """Evaluates BUILD files of one workspace. A .bzl file is evaluated once, whoever loads it."""

    def __init__(self, root: str, tree: SourceTree, packages: Packages) -> None:
        self._root = root
        self._tree = tree
        self._packages = packages
        self._sources: dict[str, StarlarkSource] = {}
        self._resolved: dict[str, Resolved] = {}
        self._loads: dict[str, tuple[BzlLoad, ...]] = {}
        self._modules: dict[str, starlark.FrozenModule] = {}
        self._messages: dict[str, tuple[tuple[Location, str], ...]] = {}
        self._evaluator: Evaluator | None = None

    def source(self, path: str) -> StarlarkSource:
        """The file at a workspace path, parsed. Raises LoadingError."""
        if path not in self._sources:
            try:
                data = self._tree.read(os.path.join(self._root, path))
            except OSError as error:
                raise LoadingError(f"cannot read {path}: {error.strerror}") from error
            self._sources[path] = StarlarkSource.parse(path, data)
        return self._sources[path]

    def evaluate(self, package: str, path: str) -> EvaluatedFile:
        """Evaluate the BUILD file at `path`. Raises LoadingError, or GroupedError with all that is wrong."""
        bzl_paths = self._load_bzl_files(path)
        source = self._sources[path]
        host = BuildHost(package, source, self._sources, lambda call: self._packages.glob(package, call))
        host.messages += [message for bzl in bzl_paths for message in self._messages[bzl]]
        try:
            self._interpreter().run_build(source, self._imports(path), host)
        except LoadingError as error:
            host.errors.append(error)
        raise_all(host.errors, f"{path} has errors")
        loads = [load for file in (path, *bzl_paths) for load in self._loads[file]]
        return EvaluatedFile(build_file=host.result(), loads=tuple(loads), globs=host.globs)

    def _interpreter(self) -> Evaluator:
        if self._evaluator is None:
            from hermpkg_build.loading.evaluator import Evaluator

            self._evaluator = Evaluator(self._sources)
        return self._evaluator

    def _load_bzl_files(self, top: str) -> list[str]:
        """Evaluate all .bzl files that the file `top` loads, dependencies first. Returns their paths."""
        order: list[str] = []
        way = [(top, iter(self._direct_loads(top)))]
        on_way, done = {top}, set[str]()
        while way:
            path, loads = way[-1]
            load = next(loads, None)
            if load is None:
                way.pop()
                on_way.remove(path)
                done.add(path)
                order.append(path)
            elif load.path in on_way:
                raise self._cycle([place for place, _ in way], load)
            elif load.path not in done:
                way.append((load.path, iter(self._direct_loads(load.path))))
                on_way.add(load.path)
        for path in order:
            self._check_symbols(path)
            if path != top:
                self._run_bzl(path)
        return order[:-1]

    def _direct_loads(self, path: str) -> tuple[BzlLoad, ...]:
        """The load statements of a file that name files of the workspace. Raises LoadingError."""
        if path in self._loads:
            return self._loads[path]
        source = self.source(path)
        resolved = resolve(source, is_build=not path.endswith(".bzl"))
        package = self._packages.package_of(_folder(path)) or ""
        loads: list[BzlLoad] = []
        errors: list[HermpkgError] = list(resolved.errors)
        for load in resolved.loads:
            if load.label == DEFS_LABEL:
                continue
            try:
                bzl = bzl_path(load.label, package, self._packages, self._tree)
            except LabelError as error:
                place = load.call.args[0]
                errors.append(
                    source.error(place, error.summary, facts=error.facts, next_step=error.next_step)
                )
            else:
                loads.append(BzlLoad(package=package, label=load.label, path=bzl))
        raise_all(errors, f"{path} has errors")
        self._resolved[path] = resolved
        self._loads[path] = tuple(loads)
        return self._loads[path]

    def _cycle(self, way: Sequence[str], last: BzlLoad) -> LoadingError:
        chain = " loads ".join([*way[way.index(last.path) :], last.path])
        call = next(load.call for load in self._resolved[way[-1]].loads if load.label == last.label)
        return self._sources[way[-1]].error(
            call, f"a cycle of load statements: {chain}", next_step="move what both need into a third file"
        )

    def _check_symbols(self, path: str) -> None:
        """Check that the symbols that a file loads exist. Raises LoadingError."""
        source = self._sources[path]
        paths = {load.label: load.path for load in self._loads[path]}
        errors: list[HermpkgError] = []
        for load in self._resolved[path].loads:
            known = DEFS_SYMBOLS if load.label == DEFS_LABEL else self._resolved[paths[load.label]].exports
            arguments = [*load.call.args[1:], *(keyword.value for keyword in load.call.keywords)]
            for (_, symbol), node in zip(load.symbols, arguments, strict=True):
                if symbol not in known:
                    step = question(symbol, known) or f"it has: {', '.join(sorted(known)) or 'none'}"
                    errors.append(
                        source.error(node, f"{load.label} has no symbol {symbol!r}", next_step=step)
                    )
        raise_all(errors, f"{path} has errors")

    def _imports(self, path: str) -> dict[str, starlark.FrozenModule]:
        return {load.label: self._modules[load.path] for load in self._loads[path]}

    def _run_bzl(self, path: str) -> None:
        if path in self._modules:
            return
        host = BzlHost(self._sources)
        try:
            module = self._interpreter().run_bzl(self._sources[path], self._imports(path), host)
        except LoadingError as error:
            raise_all([*host.errors, error], f"{path} has errors")
            raise
        raise_all(host.errors, f"{path} has errors")
        self._modules[path] = module
        self._messages[path] = tuple(host.messages)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]

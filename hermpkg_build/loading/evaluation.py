"""Evaluates BUILD files with the .bzl files that they load."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hermpkg_build.errors import LoadingError, Location
from hermpkg_build.loading.collected_errors import raise_all
from hermpkg_build.loading.evaluation_cache import EvaluatedFile
from hermpkg_build.loading.hosts import BuildHost, BzlHost, Host
from hermpkg_build.loading.interpreter import Interpreter
from hermpkg_build.loading.load_graph import LoadGraph
from hermpkg_build.loading.packages import Packages

if TYPE_CHECKING:
    import starlark

    from hermpkg_build.disk.source_tree import SourceTree


class Evaluation:
    """Evaluates BUILD files of one workspace. A .bzl file is evaluated once, whoever loads it.

    `graph` has the files that were read.
    """

    def __init__(self, root: str, tree: SourceTree, packages: Packages) -> None:
        self._packages = packages
        self.graph: LoadGraph = LoadGraph(root, tree, packages)
        self._interpreter = Interpreter(self.graph.sources)
        self._modules: dict[str, starlark.FrozenModule] = {}
        self._messages: dict[str, tuple[tuple[Location, str], ...]] = {}

    def evaluate(self, package: str, path: str) -> EvaluatedFile:
        """Evaluate the BUILD file at `path`. Raises LoadingError, or GroupedError with all that is wrong."""
        bzl_paths = self.graph.behind(path)
        for bzl in bzl_paths:
            self._run_bzl(bzl)
        source = self.graph.source(path)
        host = BuildHost(package, source, self.graph.sources, lambda call: self._packages.glob(package, call))
        host.messages += [message for bzl in bzl_paths for message in self._messages[bzl]]
        self._run(path, host)
        loads = [load for file in (path, *bzl_paths) for load in self.graph.loads_of(file)]
        build_file = replace(host.result(), loads=tuple(bzl_paths))
        return EvaluatedFile(build_file=build_file, loads=tuple(loads), globs=host.globs)

    def _run_bzl(self, path: str) -> None:
        if path in self._modules:
            return
        host = BzlHost(self.graph.sources)
        self._modules[path] = self._run(path, host)
        self._messages[path] = tuple(host.messages)

    def _run(self, path: str, host: Host) -> starlark.FrozenModule:
        """Evaluate one file for `host`, after those that it loads. Raises all that is wrong."""
        loads = {load.label: self._modules[load.path] for load in self.graph.loads_of(path)}
        try:
            module = self._interpreter.run(self.graph.source(path), loads, host)
        except LoadingError as error:
            raise_all([*host.errors, error], f"in {path}")
            raise
        raise_all(host.errors, f"in {path}")
        return module

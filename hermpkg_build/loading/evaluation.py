"""Evaluates BUILD files with the .bzl files that they load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import replace
from hermpkg_build.errors import HermpkgError, LoadingError, Location
from hermpkg_build.loading.collected_errors import raise_all
from hermpkg_build.loading.evaluation_cache import EvaluatedFile
from hermpkg_build.loading.hosts import BuildHost, BzlHost, Host
from hermpkg_build.loading.interpreter import Interpreter
from hermpkg_build.loading.interpreter_errors import TooMuchError
from hermpkg_build.loading.load_graph import LoadGraph
from hermpkg_build.loading.packages import Packages
from hermpkg_build.loading.prelude import PRELUDE_PATH

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree


class Evaluation:
    """Evaluates BUILD files of one workspace. A .bzl file is evaluated once, whoever loads it.

    `graph` has the files that were read.
    """

    def __init__(self, root: str, tree: SourceTree, packages: Packages) -> None:
        self._packages = packages
        self.graph: LoadGraph = LoadGraph(root, tree, packages)
        self._interpreter = Interpreter(self.graph.sources)
        self._messages: dict[str, tuple[tuple[Location, str], ...]] = {}
        self._failures: dict[str, HermpkgError] = {}
        self._too_much: TooMuchError | None = None

    def evaluate(self, package: str, path: str) -> EvaluatedFile:
        """Evaluate the BUILD file at `path`.

        Raises LoadingError, or GroupedError with all that is wrong. After a file that takes too much time or
        memory its error is that of all others, too: they could be many.
        """
        if self._too_much is not None:
            raise self._too_much
        self._interpreter.start()
        bzl_paths = self.graph.behind(path)
        try:
            try:
                return self._evaluated(package, path, bzl_paths)
            except TooMuchError as error:
                if error.ran <= {PRELUDE_PATH, *bzl_paths}:
                    raise
            # In a process of its own it may have room: whether it has is nothing that others decide.
            return self._evaluated(package, path, bzl_paths)
        except TooMuchError as error:
            self._too_much = error
            raise

    def close(self) -> None:
        """End the process of the interpreter."""
        self._interpreter.close()

    def _evaluated(self, package: str, path: str, bzl_paths: Sequence[str]) -> EvaluatedFile:
        for bzl in bzl_paths:
            self._run_bzl(bzl)
        source = self.graph.source(path)
        proceed = self._interpreter.allowance.check
        host = BuildHost(
            package, source, self.graph.sources, lambda call: self._packages.glob(package, call, proceed)
        )
        host.keep(message for bzl in bzl_paths for message in self._messages[bzl])
        self._run(path, host)
        loads = [load for file in (path, *bzl_paths) for load in self.graph.loads_of(file)]
        build_file = replace(host.result(), loads=tuple(bzl_paths))
        return EvaluatedFile(build_file=build_file, loads=tuple(loads), globs=host.globs)

    def _run_bzl(self, path: str) -> None:
        if path in self._failures:
            raise self._failures[path]
        if self._interpreter.has(path):
            return
        host = BzlHost(self.graph.sources)
        try:
            self._run(path, host)
        except TooMuchError:
            raise
        except HermpkgError as error:
            self._failures[path] = error
            raise
        self._messages[path] = tuple(host.messages)

    def _run(self, path: str, host: Host) -> None:
        """Evaluate one file for `host`, after those that it loads. Raises all that is wrong."""
        loads = {load.label: load.path for load in self.graph.loads_of(path)}
        try:
            self._interpreter.run(self.graph.source(path), loads, host)
        except TooMuchError:
            raise
        except LoadingError as error:
            raise_all([*host.errors, error], f"in {path}")
            raise
        raise_all(host.errors, f"in {path}")

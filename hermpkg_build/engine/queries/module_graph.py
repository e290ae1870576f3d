"""The graph of targets and files together with modules and their imports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from hermpkg_build.core.label import TargetPattern
from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import replace
from hermpkg_build.engine.queries.import_graph import ImportGraph
from hermpkg_build.engine.queries.target_graph import PYTHON, WorkspaceTargets
from hermpkg_build.errors import HermpkgError, LabelError, Location, QueryError
from hermpkg_build.query.graph import Edge, package_of

_ENVIRONMENT = f"@{PYTHON}//"


class WorkspaceModules:
    """The graph of `targets`, in which source files also depend on what they import."""

    def __init__(self, targets: WorkspaceTargets, imports: ImportGraph) -> None:
        self._targets = targets
        self._imports = imports
        for text in imports.problems.values():
            targets.report(QueryError(text, next_step="mend the file, or take it out of srcs"))

    @property
    def problems(self) -> Mapping[str, HermpkgError]:
        """Return what was wrong with what was asked for so far."""
        return self._targets.problems

    def matching(self, pattern: str) -> Collection[str]:
        """Return what a target pattern names; in ``@python`` the modules that something leads to."""
        if not pattern.startswith(_ENVIRONMENT):
            return self._targets.matching(pattern)
        wanted = TargetPattern.parse(pattern)
        package = f"{_ENVIRONMENT}{wanted.package}"
        if wanted.target is not None:
            label = f"{package}:{wanted.target}"
            found = [label] if label in self._imports else []
        elif wanted.recursive:
            below = (f"{package}:", f"{package}/") if wanted.package else _ENVIRONMENT
            found = [label for label in self._imports.labels if label.startswith(below)]
        else:
            found = self._in_package(package)
        if not found and (wanted.package or not wanted.recursive):
            near = [label for label in self._imports.labels if label.startswith(_ENVIRONMENT)]
            raise LabelError(
                f"no module {pattern}",
                facts=[("reason", "no module of the workspace leads to one of that label")],
                next_step=question(pattern, near),
            )
        return found

    def _in_package(self, package: str) -> list[str]:
        return [label for label in self._imports.labels if label.startswith(f"{package}:")]

    def successors(self, labels: Iterable[str]) -> Iterator[Collection[str]]:
        """Give for each label what its target names and what its module imports."""
        imports = self._imports.successors
        if not isinstance(labels, Collection):
            labels = list(labels)
        for label, named in zip(labels, self._targets.successors(labels), strict=True):
            imported = imports(label)
            yield named if not imported else imported if not named else {*named, *imported}

    def reach(self, labels: Iterable[str]) -> set[str]:
        """Return all that the labels lead to, themselves included."""
        return self._imports.reach(self._targets.reach(labels))  # No import leads back to a target of a rule.

    def edges(self, labels: Iterable[str]) -> Iterator[Edge]:
        """Give the edges that leave the labels; imports with their file, line and column."""
        for label in labels:
            yield from self._targets.edges([label])
            for edge in self._imports.edges(label):
                yield replace(edge, location=self.location(label)) if edge.kind == "declared" else edge

    def everything(self) -> Collection[str]:
        """Return all targets that BUILD files declare."""
        return self._targets.everything()

    def build_files_behind(self, paths: Collection[str]) -> Collection[str]:
        """Return the BUILD files at some paths, and those that load what is there."""
        return self._targets.build_files_behind(paths)

    def siblings(self, label: str) -> Collection[str]:
        """Return all targets and modules of the package of one."""
        if label.startswith(_ENVIRONMENT):
            return self._in_package(package_of(label))
        return self._targets.siblings(label)

    def kind(self, label: str) -> str:
        """Return what a target or module is."""
        return self._imports.kind(label) if label.startswith(_ENVIRONMENT) else self._targets.kind(label)

    def is_test(self, label: str) -> bool:
        """Whether a target is a test."""
        return self._targets.is_test(label)

    def location(self, label: str) -> Location | None:
        """Return where a target is declared, or the beginning of a file."""
        if not label.startswith(_ENVIRONMENT):
            return self._targets.location(label)
        path = self._imports.path(label)
        return Location(path, 1, 1) if path else None

    def attributes(self, label: str) -> Mapping[str, str]:
        """Return the attributes of a target as texts; none for a file or a module."""
        return self._targets.attributes(label)

    def labels_in(self, label: str, attribute: str) -> Collection[str]:
        """Return what an attribute of a target names."""
        return self._targets.labels_in(label, attribute)

    def declaration(self, label: str) -> str:
        """Return a target as a BUILD file would declare it; "" for others."""
        return self._targets.declaration(label)

    def is_visible(self, label: str, user: str) -> bool:
        """Whether `user` may use a target or a module; all may use those of the environment."""
        if label.startswith(_ENVIRONMENT):
            return True
        return not user.startswith(_ENVIRONMENT) and self._targets.is_visible(label, user)

    def build_files(self, label: str) -> Collection[str]:
        """Return the BUILD files behind a target; none for a module of the environment."""
        return () if label.startswith(_ENVIRONMENT) else self._targets.build_files(label)

    def load_files(self, label: str) -> Collection[str]:
        """Return the .bzl files behind a target; none for a module of the environment."""
        return () if label.startswith(_ENVIRONMENT) else self._targets.load_files(label)

"""Loads BUILD files, and finds what labels name."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.label import Label, is_package_path
from hermpkg_build.core.spelling import question
from hermpkg_build.core.target import (
    BuildFile,
    DeclaredModules,
    FileTarget,
    ModelPackage,
    ModuleTarget,
    PythonModules,
    Target,
)
from hermpkg_build.errors import HermpkgError, LabelError, LoadingError, Location
from hermpkg_build.loading.declared_modules import module_targets
from hermpkg_build.loading.evaluation_cache import EvaluationCache
from hermpkg_build.loading.packages import Packages
from hermpkg_build.loading.visibility import PRIVATE
from hermpkg_build.loading.workspace import Workspace

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.loading.declared_files import DeclaredFiles
    from hermpkg_build.loading.evaluation import Evaluation
    from hermpkg_build.store.action_cache import ActionCache


_FEW = 20
"""How many targets a message lists at most."""


class Loader(Closing):
    """Reads the BUILD files of one workspace, each once, and only those that are asked for, in any thread.

    `cache` keeps evaluated files between processes, and what is `declared` is not looked at again.
    `on_message` is told once what `print` was given in a BUILD file; by default it goes to standard error.
    To close it ends the process that evaluates files.
    """

    def __init__(
        self,
        workspace: Workspace,
        tree: SourceTree,
        cache: ActionCache | None = None,
        *,
        on_message: Callable[[Location, str], None] | None = None,
        declared: DeclaredFiles | None = None,
    ) -> None:
        self.workspace = workspace
        self._declared = declared
        known = declared.paths() if declared is not None else None
        self.packages: Packages = Packages(workspace, tree, known=known)
        self._tree = tree
        self._cache = (
            EvaluationCache(cache, workspace.root, tree, self.packages) if cache is not None else None
        )
        self._on_message = on_message or _print_message
        self._said: set[tuple[Location, str]] = set()
        self._files: dict[str, BuildFile | HermpkgError] = {}
        self._owners: dict[str, Mapping[str, PythonModules]] = {}
        self._modules: dict[Label, DeclaredModules] = {}
        self._plain_files: dict[str, frozenset[str]] = {}
        self._evaluation: Evaluation | None = None
        # The interpreter evaluates one file at a time; everything else here can be asked at once.
        self._loading = threading.RLock()
        self._process = os.getpid()

    def close(self) -> None:
        """End the process that evaluates BUILD files. What is asked for later starts another."""
        with self._loading:
            if self._evaluation is not None:
                self._evaluation.close()

    def build_file(self, package: str) -> BuildFile:
        """Return what the BUILD file of `package` declares.

        Raises LabelError where there is none, LoadingError or GroupedError where it is wrong.
        """
        if package not in self._files:
            with self._loading:
                if package not in self._files:
                    self._files[package] = self._load(package)
        known = self._files[package]
        if isinstance(known, HermpkgError):
            raise known
        return known

    def was_checked(self, package: str) -> bool:
        """Whether nothing is wrong with what is asked for of a package, as a build before has found."""
        return self._declared is not None and package in self._declared

    def build_files(self) -> list[BuildFile]:
        """List all BUILD files so far in which nothing is wrong."""
        return [file for file in tuple(self._files.values()) if isinstance(file, BuildFile)]

    def target(self, label: Label) -> Target:
        """Return the target with this label. Raises LabelError, or what `build_file` raises."""
        if label.repository:
            raise LabelError(f"{label} is in another repository: only this workspace has targets")
        if self.packages.is_output(label.path):
            raise self._is_output(label)
        if self.packages.build_file(label.package) is None:
            raise self.packages.no_such_package(label)
        targets = self.build_file(label.package).targets
        if label.name in targets:
            return targets[label.name]
        if not self.has_file(label):
            raise self._no_such_target(label)
        owner = self._owner(label)
        if owner is not None:
            return ModuleTarget(label=label, owner=owner.label, visibility=owner.visibility)
        exports = self.build_file(label.package).exports
        return FileTarget(label=label, visibility=exports.get(label.name, (PRIVATE,)))

    def has_file(self, label: Label) -> bool:
        """Whether there is a source file with this label in its package."""
        if not self._tree.is_file(self.packages.directory(label.path)):
            return False
        # What builds put there would be an input that nothing brings up to date.
        return self.packages.crossed_by(label) is None and not self.packages.is_output(label.path)

    def plain_files(self, package: str) -> frozenset[str]:
        """Return the names of the source files in the folder of a package itself that no target is called by.

        Labels of them lead to files, and nothing else has to be looked at. Raises what `build_file` raises.
        """
        known = self._plain_files.get(package)
        if known is None:
            entries = self._tree.entries(self.packages.directory(package)) or {}
            names = {name for name, is_folder in entries.items() if not is_folder}
            found = names - self.build_file(package).targets.keys()
            # All that lies in a folder is an output if one thing is; in the root, each is for itself.
            outputs = {name for name in (() if package else found) if self.packages.is_output(name)}
            is_output = bool(package) and self.packages.is_output(package)
            known = frozenset(() if is_output else found - outputs)
            self._plain_files[package] = known
        return known

    def module_targets(self, label: Label) -> DeclaredModules:
        """List the modules of a `python_modules` target, in the order of its srcs.

        Raises LoadingError or GroupedError for files that cannot be modules or do not exist.
        """
        if label not in self._modules:
            target = self.target(label)
            if not isinstance(target, PythonModules):
                raise LabelError(f"{label} is a {target.rule} target, not a python_modules target")
            self._modules[label] = module_targets(
                target, self.workspace.source_roots, self._error_in_srcs, self.packages.is_environment
            )
        return self._modules[label]

    def declared_by(self, path: str) -> Label | None:
        """Return the `python_modules` target that lists the workspace file `path`, if one does."""
        label = self.packages.label_of(path)
        if label is None:
            return None
        try:
            target = self.target(label)
        except HermpkgError:
            return None
        return target.owner if isinstance(target, ModuleTarget) else None

    def error_in(
        self,
        target: Target,
        summary: str,
        *,
        attribute: str = "",
        path: Sequence[int | str] = (),
        label: Label | None = None,
        facts: Sequence[tuple[str, str]] = (),
        next_step: str = "",
    ) -> LoadingError:
        """Return an error at the place in a BUILD file where `target` says `label`, or near it.

        Or where it gives the part `path` of an attribute, list indices and dictionary keys.
        """
        from hermpkg_build.loading.starlark_source import find_argument, find_string

        location = target.location
        if location is None:
            return LoadingError(summary, facts=facts, next_step=next_step)
        self._check_process()
        with self._loading:
            source = self._evaluating().graph.source(location.path)
        call = source.call_from(location)
        if call is None:
            return source.error(location, summary, facts=facts, next_step=next_step)
        node = find_argument(call, attribute, path)
        if label is not None:
            spellings = _spellings(label, target.label.package)
            node = find_string(node, spellings) or find_string(call, spellings) or node
        return source.error(node, summary, facts=facts, next_step=next_step)

    def _check_process(self) -> None:
        """Raise RuntimeError in a fork, whose parent has the process that evaluates BUILD files."""
        if os.getpid() != self._process:
            raise RuntimeError("BUILD files are read by the process that has begun to read them")

    def _load(self, package: str) -> BuildFile | HermpkgError:
        self._check_process()
        if not is_package_path(package):
            return LabelError(f"the folder {package!r} cannot be a package, for no label can name it")
        path = self.packages.build_file(package)
        if path is None:
            return self.packages.no_such_package(Label(package, package.rpartition("/")[2] or "all"))
        try:
            file = None
            if self._declared is not None and package in self._declared:
                file = self._declared.file(package)
            elif self._cache is not None:
                file = self._cache.get(package, path)
            if file is None:
                evaluated = self._evaluating().evaluate(package, path)
                if self._cache is not None:
                    self._cache.put(evaluated)
                file = evaluated.build_file
        except HermpkgError as error:
            return error
        for message in file.messages:
            if message not in self._said:
                self._said.add(message)
                self._on_message(*message)
        return file

    def _evaluating(self) -> Evaluation:
        if self._evaluation is None:
            # Only here, so that a build whose BUILD files are all known loads no interpreter.
            from hermpkg_build.loading.evaluation import Evaluation

            self._evaluation = Evaluation(self.workspace.root, self._tree, self.packages)
        return self._evaluation

    def _owner(self, label: Label) -> PythonModules | None:
        """Return the `python_modules` target that a file belongs to."""
        if label.package not in self._owners:
            targets = self.build_file(label.package).targets.values()
            self._owners[label.package] = {
                src.name: target
                for target in targets
                if isinstance(target, PythonModules)
                for src in target.srcs
            }
        return self._owners[label.package].get(label.name)

    def _error_in_srcs(self, target: Target, src: Label, summary: str, next_step: str) -> LoadingError:
        return self.error_in(target, summary, attribute="srcs", label=src, next_step=next_step)

    def _is_output(self, label: Label) -> LabelError:
        """Return an error that names the target whose output a label means."""
        folder, *segments = (label.package if label.package.endswith(f"/{label.name}") else label.path).split(
            "/"
        )
        step = "name the target that it is built from"
        for depth in range(len(segments) - 1, -1, -1):
            package, name = "/".join(segments[:depth]), "/".join(segments[depth:])
            if self.packages.build_file(package) is None:
                continue
            for target in self.build_file(package).targets.values():
                if isinstance(target, ModelPackage) and name in (target.output, target.label.name):
                    step = f"did you mean '{target.label}'?"
            break
        return LabelError(
            f"{'/'.join([folder, *segments])} is an output of builds, no source", next_step=step
        )

    def _no_such_target(self, label: Label) -> LabelError:
        inner = self.packages.crossed_by(label)
        if inner is not None:
            meant = self.packages.label_of(label.path)
            return LabelError(
                f"{label} reaches into another package",
                facts=[("package", f"//{inner}")],
                next_step=f"did you mean '{meant}'?",
            )
        directory = self.packages.directory(label.path)
        file = self.build_file(label.package)
        declared = f"it declares: {', '.join(file.targets)}" if 0 < len(file.targets) <= _FEW else ""
        if self._tree.entries(directory) is not None:
            return self._is_folder(label, file, declared)
        folder = label.name.rpartition("/")[0]
        around = self._tree.entries(os.path.dirname(directory)) or {}
        files = [f"{folder}/{name}".lstrip("/") for name, is_folder in around.items() if not is_folder]
        prefix = f"//{label.package}:"
        step = question(label.name, [*file.targets, *files], prefix=prefix)
        name = label.path.rpartition("/")[2]
        is_file = "." in name and name != "__init__.py"
        if is_file and (elsewhere := self.packages.file_named(name)) is not None:
            step = f"did you mean '{elsewhere}'?"
        elif built := self.packages.outputs_named(label.name):
            step = f"did you mean {' or '.join(repr(str(each)) for each in built)}?"
        return LabelError(
            f"no such target: {label}",
            facts=[("not in", file.path), ("nor a file", label.path)],
            next_step=step or declared,
        )

    def _is_folder(self, label: Label, file: BuildFile, declared: str) -> LabelError:
        """Return an error that names the target of the folder's own BUILD file, or what can be meant."""
        own = self.packages.build_file(label.path) is not None and self.build_file(label.path)
        if own and label.name in own.targets:
            step = f"did you mean '//{label.path}'?"
        else:
            step = "name the files in it, or a target"
        return LabelError(
            f"{label} is a folder, and labels name files and targets",
            facts=[(file.path, declared)] if declared else [],
            next_step=step,
        )


def _spellings(label: Label, package: str) -> list[str]:
    """List the ways to write `label` in a BUILD file of `package`."""
    spellings = [str(label)]
    if label.package == package:
        spellings += [f":{label.name}", label.name]
    if label.package.rpartition("/")[2] == label.name:
        spellings.append(f"//{label.package}")
    return spellings


def _print_message(location: Location, text: str) -> None:
    print(f"DEBUG: {location}: {text}", file=sys.stderr)

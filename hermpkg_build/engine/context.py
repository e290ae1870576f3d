"""What it takes to say what a target is made of: the declared targets, their files, the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import ModuleTarget, PythonModules, Target

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.environment import BuildEnvironment
    from hermpkg_build.engine.facts import CachedFacts
    from hermpkg_build.loading.workspace import Workspace


class TargetContext:
    """The targets of a build and what surrounds them.

    It does not matter who read the BUILD files: `modules_of_target` gives the modules of a
    `python_modules` target, and `declared_by` the target that lists a workspace file, if one does.
    """

    def __init__(
        self,
        *,
        workspace: Workspace,
        environment: BuildEnvironment,
        tree: SourceTree,
        facts: CachedFacts,
        modules_of_target: Callable[[Label], tuple[ModuleTarget, ...]],
        declared_by: Callable[[str], Label | None],
    ) -> None:
        self.workspace = workspace
        self.environment = environment
        self.tree = tree
        self.facts = facts
        self.targets: Mapping[Label, Target] = {}
        """The targets of the request and all that they depend on."""
        self.declared_by = declared_by
        self._modules_of_target = modules_of_target

    def absolute(self, path: str) -> str:
        """The absolute path of a workspace path."""
        return os.path.join(self.workspace.root, path)

    def module_path(self, path: str) -> str:
        """The place of a workspace file among modules: its path below the source root it lies in."""
        roots = [root for root in self.workspace.source_roots if not root or path.startswith(f"{root}/")]
        return path[len(max(roots, key=len, default="")) :].lstrip("/")

    def modules_of(self, labels: Sequence[Label]) -> tuple[ModuleTarget, ...]:
        """The modules of the `python_modules` targets among `labels` and all that they depend on, by name."""
        modules = {
            module.module: module
            for target in self.python_modules(labels)
            for module in self._modules_of_target(target.label)
        }
        return tuple(module for _, module in sorted(modules.items()))

    def python_modules(self, labels: Sequence[Label]) -> list[PythonModules]:
        """The `python_modules` targets among `labels` and all that they depend on, near ones first."""
        queue = list(dict.fromkeys(labels))
        known = set(queue)
        found = []
        for label in queue:
            target = self.targets[label]
            if isinstance(target, PythonModules):
                found.append(target)
            queue += [label for label in target.dependencies if label not in known]
            known.update(target.dependencies)
        return found

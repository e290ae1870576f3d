"""What is known of the modules of a build, made when it is first needed and shared by all its targets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from hermpkg_build.assembly.module_shelf import ModuleShelf
from hermpkg_build.assembly.read_sources import ReadSources
from hermpkg_build.engine.target_reach import TargetReach

if TYPE_CHECKING:
    from hermpkg_build.analysis.shared_imports import SharedImports
    from hermpkg_build.core.graph import ModuleNode


_MOST_FOLLOWED = 10_000
"""The imports of so many modules are kept, with all else that is known of each: some three kilobytes."""

_ARTIFACTS = 4
"""Or those of so many artifacts as the largest one, where that is more."""


class ModuleSharing:
    """The modules of one build, for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._imports: SharedImports | None
        self._largest = 0
        self._most = _MOST_FOLLOWED
        self.read: ReadSources = ReadSources()
        self.release()

    def release(self) -> None:
        """Let go of all that is known: no target is left to be built."""
        self._imports = None
        self._let_go()
        self.reach: TargetReach = TargetReach()

    def _let_go(self) -> None:
        self.shelf: ModuleShelf = ModuleShelf(self.read)
        self.texts: dict[str, tuple[ModuleNode, str, str]] = {}
        """The names and the texts of modules as inputs of actions, with the nodes that they are of."""

    def divide(self, processes: int) -> None:
        """Know of less, as other processes build targets meanwhile."""
        self._most = _MOST_FOLLOWED // processes

    def finish(self, modules: int) -> None:
        """Know that an artifact of so many modules is made; let go of modules where very many are known.

        Artifacts that are made one after the other share most. What one of them needs of what was let go is a
        small part of what was found out since the last time, so that nearly nothing is found out twice.
        """
        with self._lock:
            self._largest = max(self._largest, modules)
            most = max(self._most, _ARTIFACTS * self._largest)
            if self._imports is not None and self._imports.count() > most:
                self._imports = self._imports.renewed()
                self._let_go()

    def imports(self, make: Callable[[], SharedImports]) -> SharedImports:
        """Return the imports of all modules, which `make` gives to the first who asks."""
        with self._lock:
            if self._imports is None:
                self._imports = make()
            return self._imports

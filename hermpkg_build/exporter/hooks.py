"""Hooks that are called for each module of an export, with handles to remove them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

ModuleHook: TypeAlias = Callable[[Any, str], None]
"""Is called with the PackageExporter and the dotted name of a module."""


class RemovableHandle:
    """Removes one hook, by `remove` or at the end of a ``with`` block."""

    def __init__(self, hooks: dict[int, ModuleHook], key: int) -> None:
        self._hooks = hooks
        self.id = key

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Hooks:
    """The hooks for one policy, called in the order of their registration."""

    def __init__(self) -> None:
        self._hooks: dict[int, ModuleHook] = {}
        self._count = 0
        self._told: set[str] = set()

    def register(self, hook: ModuleHook) -> RemovableHandle:
        """Add a hook."""
        self._count += 1
        self._hooks[self._count] = hook
        return RemovableHandle(self._hooks, self._count)

    def tell(self, exporter: Any, modules: Iterable[str]) -> bool:
        """Call every hook for each of `modules` that is new; True where there was one."""
        new = [module for module in modules if module not in self._told]
        for module in new:
            self._told.add(module)
            for hook in list(self._hooks.values()):
                hook(exporter, module)
        return bool(new)

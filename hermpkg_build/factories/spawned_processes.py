"""Lets the processes that multiprocessing starts anew for a factory find the modules of its workspace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from typing import Any

PREPARING = ("multiprocessing.spawn", "loky.backend.spawn", "joblib.externals.loky.backend.spawn")
"""The modules that say how a new interpreter is made to find what a process is to run."""


class SpawnedProcesses:
    """Adds the folders `roots` to what new processes search, and calls `starts` before each of them.

    They are asked to run functions of modules only: what this process runs as its main module is ours, and
    not for them.
    """

    def __init__(self, roots: Sequence[str], starts: Callable[[], object]) -> None:
        self._roots = roots
        self._starts = starts

    def prepare(self, module: Any) -> None:
        """Have a module of `PREPARING` do so."""
        given = module.get_preparation_data

        @wraps(given)
        def preparing(*arguments: Any, **options: Any) -> Any:
            self._starts()
            data = {name: value for name, value in given(*arguments, **options).items() if name not in _MAIN}
            return {**data, "sys_path": [*self._roots, *data.get("sys_path", ())]}

        module.get_preparation_data = preparing

    def prepare_loaded(self) -> None:
        """Have those modules do so that the standard library has and this process has imported already."""
        if (module := sys.modules.get(PREPARING[0])) is not None:
            self.prepare(module)

    def contexts(self) -> Mapping[str, Callable[[Any], AbstractContextManager[None]]]:
        """The contexts that those modules are to be executed in."""
        return {name: partial(_then, self.prepare) for name in PREPARING}


_MAIN = ("init_main_from_name", "init_main_from_path")


@contextmanager
def _then(prepare: Callable[[Any], None], module: Any) -> Iterator[None]:
    yield
    prepare(module)

"""Lets the processes that multiprocessing starts anew for a factory find the modules of its workspace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any

_PREPARING = ("multiprocessing.spawn", "loky.backend.spawn", "joblib.externals.loky.backend.spawn")
"""The modules that say how a new interpreter is made to find what a process is to run."""
_MAIN = ("init_main_from_name", "init_main_from_path")
_current: list[tuple[Sequence[str], Callable[[], object]]] = []


def let_find(roots: Sequence[str], starts: Callable[[], object]) -> None:
    """Add the folders `roots` to what new processes search, and call `starts` before each of them.

    They are asked to run functions of modules only: what this process runs as its main module is ours, and
    not for them. What a process has said so far counts no more, nor does what the process said that it is
    a fork of, so that there the modules of multiprocessing stay as they were.
    """
    is_first = not _current
    _current[:] = [(roots, starts)]
    if is_first:
        for name in _PREPARING:
            if (module := sys.modules.get(name)) is not None:
                _prepare(module)


def contexts() -> Mapping[str, Callable[[Any], AbstractContextManager[None]]]:
    """The contexts that modules of multiprocessing are to be executed in."""
    return dict.fromkeys(_PREPARING, _preparing)


@contextmanager
def _preparing(module: Any) -> Iterator[None]:
    yield
    _prepare(module)


def _prepare(module: Any) -> None:
    given = module.get_preparation_data

    @wraps(given)
    def preparing(*arguments: Any, **options: Any) -> Any:
        ((roots, starts),) = _current
        starts()
        data = {name: value for name, value in given(*arguments, **options).items() if name not in _MAIN}
        return {**data, "sys_path": [*roots, *data.get("sys_path", ())]}

    module.get_preparation_data = preparing

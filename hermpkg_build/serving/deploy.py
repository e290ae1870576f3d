"""The names of torch::deploy, over pools: interpreters are processes, which have packages and objects."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from typing import Any

from hermpkg_build.core.closing import Closing
from hermpkg_build.serving.pool import Pool
from hermpkg_build.serving.requests import Target


class InterpreterManager(Closing):
    """A number of interpreters, into each of which packages are loaded; by default, one for each processor.

    Each package has processes of its own, so that packages of conflicting versions do not meet. The options
    `threads` and `preload` are those of `Pool`.

    >>> from hermpkg_build import PackageExporter
    >>> with PackageExporter("words.pt") as exporter:
    ...     exporter.save_source_string("app", "def count(text): return len(text.split())")
    >>> with InterpreterManager(2, preload=()) as manager:
    ...     package = manager.load_package("words.pt")
    ...     with package.acquire_session() as session:
    ...         session.global_("app", "count")("one two three")
    3
    """

    def __init__(
        self,
        interpreters: int | None = None,
        *,
        threads: int | None = None,
        preload: tuple[str, ...] = ("torch",),
    ) -> None:
        self._options = (interpreters, threads, preload)
        self._pools: list[Pool] = []
        self._free: queue.LifoQueue[int] = queue.LifoQueue()
        self._count = 0
        if interpreters is not None:
            self._provide(interpreters)

    def load_package(self, file: str | os.PathLike[str]) -> Package:
        """Open an artifact in all interpreters. Raises what `Pool` raises."""
        interpreters, threads, preload = self._options
        pool = Pool(file, interpreters, threads=threads, preload=preload)
        self._pools.append(pool)
        self._provide(pool.workers)
        return Package(self, pool)

    def acquire_one(self) -> InterpreterSession:
        """Take an interpreter that no other session has, once there is one, until the session is closed."""
        if not self._count:
            raise ValueError("load a package first, or say how many interpreters there are")
        index = self._free.get()
        return InterpreterSession(index, lambda: self._free.put(index))

    def close(self) -> None:
        """End all interpreters."""
        for pool in self._pools:
            pool.close(drain=False)

    def _provide(self, count: int) -> None:
        if not self._count:
            self._count = count
            for index in reversed(range(count)):
                self._free.put(index)


class Package:
    """An artifact that is open in all interpreters."""

    def __init__(self, manager: InterpreterManager, pool: Pool) -> None:
        self._manager = manager
        self._pool = pool

    def load_pickle(self, package: str, resource: str) -> ReplicatedObj:
        """Return the object of a pickle, which each interpreter loads when it is first used there."""
        return ReplicatedObj(self._manager, self._pool, (package, resource))

    def acquire_session(self) -> InterpreterSession:
        """Take an interpreter, in which globals of this package are found."""
        session = self._manager.acquire_one()
        session.pool = self._pool
        return session


class ReplicatedObj:
    """An object that is the same in all interpreters, and is called in any of them."""

    def __init__(self, manager: InterpreterManager, pool: Pool, target: Target) -> None:
        self._manager = manager
        self.pool = pool
        self.target = target

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in an interpreter that is free; see `Pool.call` for what is raised."""
        return self.pool.bind(self.target).call(*args, **kwargs)

    def acquire_session(self) -> InterpreterSession:
        """Take an interpreter; `from_movable` gives this object in it."""
        session = self._manager.acquire_one()
        session.pool = self.pool
        return session


class InterpreterSession(Closing):
    """An interpreter that one caller has, until this is closed."""

    def __init__(self, interpreter: int, release: Callable[[], None]) -> None:
        self.interpreter = interpreter
        self.pool: Pool | None = None
        self._release: Callable[[], None] | None = release

    def from_movable(self, replicated: ReplicatedObj) -> Obj:
        """Return a replicated object as it is in this interpreter."""
        return self._obj(replicated.pool, replicated.target)

    def global_(self, module: str, name: str) -> Obj:
        """Return a class or function of the package that the session is of."""
        if self.pool is None:
            raise ValueError("this session is of no package: acquire it from one")
        return self._obj(self.pool, f"{module}:{name}")

    def close(self) -> None:
        """Give the interpreter back."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def _obj(self, pool: Pool, target: Target) -> Obj:
        if self._release is None:
            raise ValueError("the session is closed")
        return Obj(pool, target, "", self.interpreter)


class Obj:
    """An object in one interpreter."""

    def __init__(self, pool: Pool, target: Target, path: str, interpreter: int) -> None:
        self._pool = pool
        self._target = target
        self._path = path
        self._interpreter = interpreter

    def attr(self, name: str) -> Obj:
        """Return an attribute of it, such as a method."""
        path = f"{self._path}.{name}" if self._path else name
        return Obj(self._pool, self._target, path, self._interpreter)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it there, and return the result here."""
        bound = self._pool.bind(self._target, method=self._path, worker=self._interpreter)
        return bound.call(*args, **kwargs)

"""The scheduler computes keys and what they turn out to need, each once, on a few threads.

It orders and never judges: whether a result may be reused is the rebuilder's business. A task finds its
dependencies while it runs, by calling `need`, as in the suspending scheduler of "Build Systems a la Carte"
(Mokhov, Mitchell, Peyton Jones, ICFP 2018); here the needing thread does not sleep but works on what it
needs, so that no thread waits while there is work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
V = TypeVar("V")


class Need(Protocol[K_contra, V]):
    """What a task calls to get the values of other keys."""

    def __call__(self, keys: Sequence[K_contra]) -> list[V]:
        """Return the values of `keys`, in order. Raises DependencyFailedError where computing one failed."""
        ...


class DependencyFailedError(Exception):
    """A key failed because one that it needs did; `cause` is its error, None if it was not begun."""

    def __init__(self, key: object, cause: BaseException | None) -> None:
        super().__init__(f"{key} failed")
        self.key = key
        self.cause = cause


_MOST_THREADS = 1000
"""More jobs than that wait for each other, not for work."""


class _Cell(Generic[V]):
    """The state of one key."""

    __slots__ = ("done", "error", "started", "value")

    def __init__(self) -> None:
        self.started = False
        self.done = threading.Event()
        self.value: V | None = None
        self.error: BaseException | None = None


class Scheduler(Generic[K, V]):
    """Computes keys with at most `jobs` threads. The graph of needs must have no cycle.

    `compute(key, need)` gives the value of one key. Without `keep_going` no new key is started
    once one has failed.
    """

    def __init__(self, jobs: int, compute: Callable[[K, Need[K, V]], V], *, keep_going: bool = False) -> None:
        self._jobs = min(max(1, jobs), _MOST_THREADS)
        self._compute = compute
        self._keep_going = keep_going
        self._cells: dict[K, _Cell[V]] = {}
        self._queue: deque[K] = deque()
        self._lock = threading.Condition()
        self._stopping = False
        self._at_work: set[str] = set()
        self._started = 0
        self._finished: Callable[[], bool] | None = None

    def run(self, keys: Iterable[K]) -> dict[K, V | BaseException]:
        """Compute `keys`; each gives its value or its error. Keys that were not begun are left out.

        A KeyboardInterrupt is raised at once; the threads finish the task they are at and start no other.
        `wait` until they have.
        """
        wanted = list(dict.fromkeys(keys))
        self._offer(wanted)
        if self._jobs == 1 or len(wanted) == 0:
            self._work_until(lambda: not self._queue)
        else:
            self._run_threads(wanted)
        outcomes: dict[K, V | BaseException] = {}
        for key in wanted:
            cell = self._cells[key]
            if cell.error is not None:
                outcomes[key] = cell.error
            elif cell.done.is_set():
                outcomes[key] = cell.value  # type: ignore[assignment]
        return outcomes

    def _run_threads(self, wanted: Sequence[K]) -> None:
        def finished() -> bool:
            return self._stopping or all(self._cells[key].done.is_set() for key in wanted)

        try:
            with self._lock:
                self._finished = finished
                self._start_threads()
            while not self.wait(0.2):
                pass
        except BaseException:
            self._stop()
            raise

    def _start_threads(self) -> None:
        """Start as many threads as there are keys for, and jobs; called with the lock."""
        while self._finished and self._started < min(self._jobs, len(self._cells)):
            name = f"hermpkg-{self._started}"
            self._started += 1
            self._at_work.add(name)
            arguments = (name, self._finished)
            threading.Thread(target=self._work_as, args=arguments, name=name, daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until all threads have ended, or for some seconds; return whether they have.

        `threading.Thread.join` will not do: once it is interrupted, a thread that runs counts as ended.
        """
        with self._lock:
            return self._lock.wait_for(lambda: not self._at_work, seconds)

    def _work_as(self, name: str, finished: Callable[[], bool]) -> None:
        try:
            self._work_until(finished)
        finally:
            with self._lock:
                self._at_work.discard(name)
                self._lock.notify_all()

    def _work_until(self, finished: Callable[[], bool]) -> None:
        while True:
            with self._lock:
                while not self._queue and not finished():
                    self._lock.wait(timeout=0.2)
                if self._stopping or (not self._queue and finished()):
                    return
                key = self._queue.popleft()
            self._compute_if_free(key)

    def _offer(self, keys: Sequence[K]) -> None:
        with self._lock:
            for key in keys:
                if key not in self._cells:
                    self._cells[key] = _Cell()
                    self._queue.append(key)
            self._start_threads()
            self._lock.notify_all()

    def _need(self, keys: Sequence[K]) -> list[V]:
        self._offer(keys)
        for key in keys:
            self._compute_if_free(key)
        values: list[V] = []
        for key in keys:
            cell = self._cells[key]
            while not cell.done.wait(timeout=0.2):
                if self._stopping:
                    raise DependencyFailedError(key, None)
            if isinstance(cell.error, DependencyFailedError):
                raise cell.error
            if cell.error is not None:
                raise DependencyFailedError(key, cell.error)
            values.append(cell.value)  # type: ignore[arg-type]
        return values

    def _compute_if_free(self, key: K) -> None:
        cell = self._cells[key]
        with self._lock:
            if cell.started or self._stopping:
                return
            cell.started = True
        try:
            cell.value = self._compute(key, self._need)
        except Exception as error:  # noqa: BLE001 - an outcome like any other: `run` gives it to its caller
            cell.error = error
            if not self._keep_going:
                self._stop()
        except BaseException as error:
            cell.error = error
            self._stop()
            raise
        finally:
            cell.done.set()
            with self._lock:
                self._lock.notify_all()

    def _stop(self) -> None:
        with self._lock:
            self._stopping = True
            self._lock.notify_all()

"""The scheduler computes keys and what they turn out to need, each once, on a few threads.

It orders and never judges: whether a result may be reused is the rebuilder's business. A task finds its
dependencies while it runs, by calling `need`, as in the suspending scheduler of "Build Systems a la Carte"
(Mokhov, Mitchell, Peyton Jones, ICFP 2018); here the needing thread does not sleep but works on what it
needs, so that no thread waits while there is work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
V = TypeVar("V")
T = TypeVar("T")
V_co = TypeVar("V_co", covariant=True)


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


class Helper(Protocol[K, V_co]):
    """Computes keys elsewhere, such as in another process. It is used by one thread, and never raises."""

    def can(self, key: K) -> bool:
        """Whether a key can be computed there: it needs no others."""
        ...

    def send(self, keys: Sequence[K]) -> None:
        """Have `keys` computed. More can be sent before all is received."""
        ...

    def receive(self) -> Mapping[K, Callable[[], V_co]]:
        """Return what gives the values of the keys that were sent first; others have to be computed here."""
        ...


_MOST_THREADS = 1000
"""More jobs than that wait for each other, not for work."""


_AHEAD = 2
"""So often a helper is sent keys before an answer is received, so that it need not wait."""

_MOST_SENT = 32
"""A helper is sent so many keys at most, and fewer in the end, so that all end together."""


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
        self._last: deque[K] = deque()
        """What follows on the queue, since no helper can compute it."""
        self._lock = threading.Condition()
        self._stopping = False
        self._at_work: set[str] = set()
        self._started = 0
        self._helpers: Sequence[Helper[K, V]] = ()
        self._helped = 0
        self._wanted: frozenset[K] = frozenset()
        self._held: dict[K, Callable[[], V] | None] = {}
        """What helpers had: what gives the value, None where it has to be computed."""
        self._finished: Callable[[], bool] | None = None

    def run(self, keys: Iterable[K], helpers: Sequence[Helper[K, V]] = ()) -> dict[K, V | BaseException]:
        """Compute `keys`; each gives its value or its error. Keys that were not begun are left out.

        Each of the `helpers` has a job, as long as there is anything for it; it gets the last keys. What it
        gives is asked for its value in the end, in the order of the keys, as if it was computed then.

        A KeyboardInterrupt is raised at once; the threads finish the task they are at and start no other.
        `wait` until they have.
        """
        wanted = list(dict.fromkeys(keys))
        self._helpers, self._wanted = helpers, frozenset(wanted)
        self._offer(wanted)
        if (self._jobs == 1 and not helpers) or len(wanted) == 0:
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
            return self._stopping or all(
                self._cells[key].done.is_set() or key in self._held for key in wanted
            )

        try:
            with self._lock:
                self._finished = finished
                for helper in self._helpers:
                    self._helped += 1
                    self._start_thread(f"hermpkg-helper-{self._helped}", self._help, helper)
                self._start_threads()
            while not self.wait(0.2):
                pass
            for key in wanted:
                self._compute_if_free(key)
        except BaseException:
            self._stop()
            raise

    def _start_threads(self) -> None:
        """Start as many threads as there are keys for, and jobs; called with the lock."""
        while self._finished and self._started < min(max(1, self._jobs - self._helped), len(self._cells)):
            self._started += 1
            self._start_thread(f"hermpkg-{self._started - 1}", self._work_until, self._finished)

    def _start_thread(self, name: str, work: Callable[[T], None], argument: T) -> None:
        self._at_work.add(name)
        arguments = (name, work, argument)
        threading.Thread(target=self._work_as, args=arguments, name=name, daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until all threads have ended, or for some seconds; return whether they have.

        `threading.Thread.join` will not do: once it is interrupted, a thread that runs counts as ended.
        """
        with self._lock:
            return self._lock.wait_for(lambda: not self._at_work, seconds)

    def _work_as(self, name: str, work: Callable[[T], None], argument: T) -> None:
        try:
            work(argument)
        finally:
            with self._lock:
                self._at_work.discard(name)
                self._lock.notify_all()

    def _work_until(self, finished: Callable[[], bool]) -> None:
        while True:
            with self._lock:
                while not (queue := self._queue or self._last) and not finished():
                    self._lock.wait(timeout=0.2)
                if self._stopping or not queue:
                    return
                key = queue.popleft()
            self._compute_if_free(key)

    def _help(self, helper: Helper[K, V]) -> None:
        sent: deque[list[K]] = deque()
        try:
            while True:
                while len(sent) < _AHEAD and (keys := self._last_for(helper)):
                    sent.append(keys)
                    helper.send(keys)
                if not sent:
                    break
                self._hold(sent[0], helper.receive())
                sent.popleft()
        finally:
            for keys in sent:
                self._hold(keys, {})
            with self._lock:
                self._helped -= 1
                self._start_threads()

    def _last_for(self, helper: Helper[K, V]) -> list[K]:
        """Take the last keys that a helper can compute, in their order; none where nothing is left for it.

        Keys that only turned out to be needed are computed by those that need them.
        """
        with self._lock:
            share = min(-(-len(self._queue) // (2 * _AHEAD * (self._helped + 1))), _MOST_SENT)
            keys: list[K] = []
            while self._queue and len(keys) < share and not self._stopping:
                key = self._queue.pop()
                if key not in self._wanted or not helper.can(key):
                    self._last.appendleft(key)
                elif not self._cells[key].started:
                    self._cells[key].started = True
                    keys.append(key)
            return keys[::-1]

    def _hold(self, keys: Sequence[K], values: Mapping[K, Callable[[], V]]) -> None:
        """Hold keys that a helper was sent until it is their turn, or somebody needs them."""
        with self._lock:
            for key in keys:
                self._held[key] = values.get(key)
                self._cells[key].started = False
            self._lock.notify_all()

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
                self._compute_if_free(key)  # A helper may have had it.
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
            held = self._held.get(key)
            cell.value = held() if held is not None else self._compute(key, self._need)
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

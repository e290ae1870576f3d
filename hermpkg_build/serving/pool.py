"""Pool: worker processes that serve one artifact, whose weights they share."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.closing import Closing
from hermpkg_build.dataclass import dataclass
from hermpkg_build.runtime.contents.checks import CheckMode, VerifyMode
from hermpkg_build.runtime.contents.real_files import FilesMode
from hermpkg_build.serving.bound import Bound
from hermpkg_build.serving.calls import Batch
from hermpkg_build.serving.dispatcher import Dispatcher
from hermpkg_build.serving.lineup import Lineup
from hermpkg_build.serving.requests import Callee, Opening, Parameter, Target
from hermpkg_build.serving.shared import Shared
from hermpkg_build.serving.slot import Slot
from hermpkg_build.serving.timekeeper import Timekeeper
from hermpkg_build.serving.version import Version
from hermpkg_build.serving.waiting import Waiting
from hermpkg_build.serving.warm import surroundings

if TYPE_CHECKING:
    from hermpkg_build.runtime.importer import PackageImporter
    from hermpkg_build.serving.protocol.description import Description
    from hermpkg_build.trust.policy import TrustPolicy

_PRELOAD = ("torch",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """Calls that wait, workers that make some, the process numbers of all workers, and how many have died."""

    waiting: int
    busy: int
    workers: tuple[int, ...]
    replaced: int


class Pool(Closing):
    """Worker processes that each have opened an artifact, and share its weights.

    `file` is the path of the artifact. Each of the `workers` (by default as many as there are processors) is
    forked from a process that has imported the modules of `preload`, and holds nothing else; what is mapped
    of the file is in memory once. What the artifact holds is called by its name, and what goes to and fro is
    pickled: tensors and other large data through shared memory.

    A worker that dies is replaced. A call that it was making fails with WorkerDiedError, unless the call has
    `retries` left. Up to `queue` calls wait; then submitting waits, or raises QueueFullError. With a `batch`,
    calls are made together. Before a worker gets calls, it loads the targets in `load`, and those that were
    called before, within `start_limit` seconds. `threads` is what torch uses in each (by default, the
    processors are shared out). Autograd does not record calls, unless `grad`.

    With a `device`, such as "cuda", or several, which workers have in turn, pickles that are loaded and the
    arguments of calls have all their tensors there, and results on the CPU.

    `check`, `verify`, `files` and `trust` are as for PackageImporter. With an `importer` of the same artifact
    in this process, results may be of packaged classes.

    Raises what PackageImporter raises for the file, what the code of `load` raises, and ServingError.

    >>> from hermpkg_build import PackageExporter
    >>> with PackageExporter("scale.pt") as exporter:
    ...     exporter.save_source_string("app", "def scale(x, by): return [each * by for each in x]")
    >>> with Pool("scale.pt", workers=2, preload=()) as pool:
    ...     pool.call("app:scale", [1, 2], by=10)
    ...     list(pool.map("app:scale", [[1], [2]], [3, 4]))
    [10, 20]
    [[3], [8]]
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        workers: int | None = None,
        *,
        load: Sequence[Target] = (),
        batch: Batch | None = None,
        queue: int = 1024,
        threads: int | None = None,
        grad: bool = False,
        device: str | Sequence[str] | None = None,
        preload: Sequence[str] = _PRELOAD,
        start_limit: float = 600.0,
        importer: PackageImporter | None = None,
        check: CheckMode = "warn",
        verify: VerifyMode = "code",
        files: FilesMode = "auto",
        trust: TrustPolicy | str | os.PathLike[str] | None = None,
    ) -> None:
        if not hasattr(os, "fork"):
            raise NotImplementedError("a Pool forks its workers, which this system cannot")
        processors = _processors()
        workers = processors if workers is None else workers
        for name, value in (
            ("workers", workers),
            ("queue", queue),
            ("threads", 1 if threads is None else threads),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self.workers = workers
        self._threads = threads or max(1, processors // workers)
        # What libraries for linear algebra start when they are imported would be lost in forks.
        self._around = surroundings(tuple(preload), {"OPENBLAS_NUM_THREADS": str(self._threads)})
        self._settings = Opening(
            file=_name_of(file),
            version=1,
            check=check,
            verify=verify,
            files=files,
            trust=os.fspath(trust) if isinstance(trust, os.PathLike) else trust,
            threads=self._threads,
            grad=grad,
            devices=(device,) if isinstance(device, str) else tuple(device or ()),
        )
        self._process = os.getpid()
        self._waiting = Waiting(queue, batch)
        self._lineup = Lineup(self._waiting)
        targets = [_target(each) for each in load]
        self._shared = Shared(self._waiting, targets, start_limit, self._lineup.take_back)
        self._numbers = itertools.count()
        self._swapping = threading.Lock()
        timekeeper = Timekeeper(self._lineup.expire)
        window = min(queue, workers * 8 * (1 if batch is None else batch.size))
        self._dispatcher = Dispatcher(self._waiting, self._lineup, timekeeper, window)
        self._finalizer = weakref.finalize(self, _end, self._lineup, timekeeper, self._process)
        try:
            self._begin(self._settings, importer)
        except BaseException:
            self.close(drain=False)
            raise

    def call(
        self,
        target: Target,
        /,
        *args: Any,
        method: str = "",
        timeout: float | None = None,
        retries: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Call what the pickle `target` holds, or one of its methods, and return the result.

        `target` is a package and a resource, or ``"module:name"`` for a packaged function. Arguments with
        the names of options go through `bind`. Raises what the call raises, with the traceback of the worker
        as its cause; CallError for exceptions and results of packaged classes; CallTimeoutError after
        `timeout` seconds; WorkerDiedError where workers died more often than `retries`; PoolClosedError.
        """
        return self.bind(target, method=method, timeout=timeout, retries=retries).call(*args, **kwargs)

    def submit(
        self,
        target: Target,
        /,
        *args: Any,
        method: str = "",
        timeout: float | None = None,
        retries: int = 0,
        wait: bool = True,
        **kwargs: Any,
    ) -> Future[Any]:
        """Start a call; return the future of its result, which can be cancelled until a worker makes it.

        What becomes of the arguments after this has no effect on the call. Where the queue is full, `wait`,
        or raise QueueFullError.
        """
        bound = self.bind(target, method=method, timeout=timeout, retries=retries, wait=wait)
        return bound.submit(*args, **kwargs)

    def map(
        self,
        target: Target,
        /,
        *iterables: Iterable[Any],
        method: str = "",
        timeout: float | None = None,
        retries: int = 0,
    ) -> Iterator[Any]:
        """Make a call for each element, or each from several iterables; yield the results in that order.

        Elements are taken as workers need them, so there may be any number; `timeout` is that of each call.
        """
        return self.bind(target, method=method, timeout=timeout, retries=retries).map(*iterables)

    async def acall(
        self,
        target: Target,
        /,
        *args: Any,
        method: str = "",
        timeout: float | None = None,
        retries: int = 0,
        **kwargs: Any,
    ) -> Any:
        """Do as `call` does, and let other tasks run meanwhile; a task that is cancelled cancels the call."""
        return await self.bind(target, method=method, timeout=timeout, retries=retries).acall(*args, **kwargs)

    def bind(
        self,
        target: Target,
        *,
        method: str = "",
        timeout: float | None = None,
        retries: int = 0,
        wait: bool = True,
        worker: int | None = None,
    ) -> Bound:
        """Return something to call with any arguments, those with the names of options included.

        With `worker`, from 0 to ``workers - 1``, all its calls are made by the same one, as long as it lives.
        """
        if retries < 0 or (timeout is not None and timeout < 0):
            raise ValueError("retries and timeout must not be negative")
        if worker is not None and not 0 <= worker < self.workers:
            raise ValueError(f"worker must be from 0 to {self.workers - 1}, not {worker}")
        return Bound(self._dispatcher, Callee(_target(target), method), timeout, retries, wait, worker)

    def parameters(self, target: Target, *, method: str = "", retries: int = 2) -> list[Parameter]:
        """Return the parameters of what `call` calls with the same words. Raises what loading it raises."""
        callee = Callee(_target(target), method, describe=True)
        found: list[Parameter] = Bound(self._dispatcher, callee, None, retries, True, None).call()
        return found

    def described_example(
        self, target: Target, *, method: str = "", timeout: float | None = None
    ) -> Description | None:
        """Call with the arguments that the artifact has recorded for a model; return what it takes and gives.

        None where it has recorded none. Raises what `call` raises, and NotDescribedError.
        """
        callee = Callee(_target(target), method, example=True)
        found: Description | None = Bound(self._dispatcher, callee, timeout, 0, True, None).call()
        return found

    def bind_requests(
        self, target: Target, *, method: str = "", timeout: float | None = None, retries: int = 0
    ) -> Bound:
        """Return what is called with a request of the Open Inference Protocol, `Asked`, and gives `Answered`.

        Workers read and write the bodies. Calls raise QueueFullError rather than wait for a place.
        """
        callee = Callee(_target(target), method, infers=True)
        return Bound(self._dispatcher, callee, timeout, retries, False, None)

    def swap(
        self, file: str | os.PathLike[str] | None = None, *, importer: PackageImporter | None = None
    ) -> None:
        """Serve another version, or with no `file` what has the name of the present one now; no call is lost.

        It is opened, and as many workers load from it what was called before, while the present ones go on.
        Then they get all calls, those that wait included, and the present workers end after those that they
        are making. Raises what the constructor raises; then nothing has changed.
        """
        self._dispatcher.check_usable()
        from dataclasses import replace

        with self._swapping:
            name = self._settings.file if file is None else _name_of(file)
            settings = replace(self._settings, file=name, version=self.version + 1)
            self._begin(settings, importer)
            self._settings = settings

    def state(self) -> PoolState:
        """Tell what the pool is at."""
        slots = self._lineup.slots
        return PoolState(
            waiting=len(self._waiting),
            busy=sum(slot.is_busy() for slot in slots),
            workers=tuple(slot.pid for slot in slots),
            replaced=self._shared.replaced,
        )

    @property
    def file(self) -> str:
        """The path of the version that is served."""
        return self._settings.file

    @property
    def version(self) -> int:
        """Which version is served, counted from 1."""
        return self._settings.version

    def close(self, *, drain: bool = True) -> None:
        """End all workers, and wait for that: once all calls have answers, or now, if not `drain`.

        Then the calls that have none raise PoolClosedError. May be called twice.
        """
        if os.getpid() != self._process:
            return
        self._waiting.close()
        if drain:
            self._lineup.drain()
        self._finalizer()

    def __exit__(self, *exception: object) -> None:
        self.close(drain=exception[0] is None)

    def __repr__(self) -> str:
        return f"Pool({self.file!r}, workers={self.workers})"

    def _begin(self, settings: Opening, importer: PackageImporter | None) -> None:
        """Open a version, start workers, and let them take over."""
        version = Version(settings, self._around, None if importer is None else importer.id())
        slots = [Slot(next(self._numbers), version, self._shared) for _ in range(self.workers)]
        for slot in slots:
            slot.start()
        try:
            for slot in slots:
                slot.ready.result()
        except BaseException:
            for slot in slots:
                slot.stop(at_once=True)
            version.close()
            for slot in slots:
                slot.join()
            raise
        self._lineup.take_over(version, slots)


def _end(lineup: Lineup, timekeeper: Timekeeper, process: int) -> None:
    if os.getpid() == process:
        lineup.end()
        timekeeper.close()


def _processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _name_of(file: str | os.PathLike[str]) -> str:
    """The path of a file from everywhere; other names, such as of registries, as they are."""
    if not isinstance(file, (str, os.PathLike)):
        raise TypeError(
            f"a pool opens an artifact by its path, not by a {type(file).__name__}: write it to a file"
        )
    name = os.fspath(file)
    return name if "://" in name else os.path.abspath(name)


def _target(target: Any) -> Target:
    if isinstance(target, str):
        module, _, name = target.partition(":")
        if module and name:
            return target
    elif (
        isinstance(target, (tuple, list))
        and len(target) == 2
        and all(isinstance(each, str) for each in target)
    ):
        return target[0], target[1]
    raise ValueError(f'a target is ("package", "resource.pkl") or "module:name", not {target!r}')

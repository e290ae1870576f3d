"""Has further processes build many of a request's targets, on cores that one interpreter does not use.

Such a process is forked when everything is loaded, and builds what needs no other target. What it does to
files, the archive of a target among them, is done when it answers; what it comes to know goes back: what its
tree has seen, and the calls by which builds note something. These are made in the end, in the order of the
request, so that nothing differs but the time. A target that fails there, or that rests on what was seen
otherwise here, is built again in its turn, which tells what is wrong.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeAlias

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.target import FileTarget, ModelPackage, ModuleTarget, PythonModules
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.processes import end_with
from hermpkg_build.engine.context import Built
from hermpkg_build.engine.observer import DRAWING
from hermpkg_build.engine.targets.table import STEPS, build_target
from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hermpkg_build.core.label import Label
    from hermpkg_build.engine.context import Build
    from hermpkg_build.engine.results import TargetResult

    Call: TypeAlias = tuple[str, str, tuple[Any, ...], dict[str, Any]]
    """The name of an object, that of a method, and what it was called with."""

_LEAST_MODULES = 2_000
_LEAST_TARGETS = 16
"""A process pays where there is so much to do: to start it takes as long as a hundred modules."""

_MOST = 3
"""So many processes at most: what they find is taken by this one."""

_AT_ONCE = frozenset({"facts", "found", "usage"})
"""What is known of sources and of the cache decides what a build does next; all else waits for its turn."""

_NOTE = "note_once"
_SIZE = 8


class SecondProcess(Closing):
    """A process that builds some of `labels`; a `Helper` of the scheduler."""

    def __init__(self, build: Build, labels: Sequence[Label]) -> None:
        self._build = build
        self._labels = labels
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._lock = threading.Lock()
        self._is_gone = False
        self._sent: deque[list[int]] = deque()
        theirs, requests = os.pipe()
        answers, ours = os.pipe()
        try:
            parent, self._process = os.getpid(), _forked()
        except OSError:
            for descriptor in (theirs, requests, answers, ours):
                os.close(descriptor)
            raise
        if self._process == 0:
            os.close(requests)
            os.close(answers)
            _serve(build, labels, parent, theirs, ours)
        os.close(theirs)
        os.close(ours)
        self._requests: IO[bytes] = open(requests, "wb", buffering=0)  # noqa: SIM115
        self._answers: IO[bytes] = open(answers, "rb")  # noqa: SIM115

    def can(self, key: Label) -> bool:
        """See `Helper`: what needs no factory can be built there."""
        target = self._build.context.targets[key]
        if isinstance(target, ModelPackage):
            return not target.models
        return isinstance(target, PythonModules | ModuleTarget | FileTarget)

    def send(self, keys: Sequence[Label]) -> None:
        """See `Helper`."""
        self._sent.append([self._numbers[key] for key in keys])
        with suppress(OSError, ValueError):  # Who receives finds that the process has ended.
            _send(self._requests, self._sent[-1])

    def receive(self) -> Mapping[Label, Callable[[], Built]]:
        """See `Helper`. Once anything is not as expected, all is built here."""
        self._sent.popleft()
        try:
            answer = _receive(self._answers)
            if answer is None:
                raise EOFError
            seen, at_once, built = answer
            if not self._build.context.tree.take(seen):
                raise ValueError("a file has changed meanwhile")
        except (OSError, ValueError, TypeError, EOFError, pickle.UnpicklingError):
            self.end()
            return {}
        _make(self._build, at_once)
        for number, _, _ in built:
            if isinstance(self._build.context.targets[self._labels[number]], STEPS):
                self._build.journal.step_finished()
        return {
            self._labels[number]: partial(self._told, self._labels[number], result, calls)
            for number, result, calls in built
        }

    def _told(self, label: Label, result: TargetResult, calls: Sequence[Call]) -> Built:
        """Tell of a target that was built there, which is the next one of the request."""
        with self._build.journal.working.on(str(label)):
            _make(self._build, calls)
        return Built(result=result)

    def end(self) -> None:
        """End the process, whatever it is at."""
        with self._lock:
            if not self._is_gone:
                os.kill(self._process, signal.SIGKILL)

    def close(self) -> None:
        """End the process, and wait for that."""
        self.end()
        with self._lock:
            self._is_gone = True
            os.waitpid(self._process, 0)
        self._requests.close()
        self._answers.close()


@contextmanager
def further_processes(build: Build, labels: Sequence[Label]) -> Iterator[Sequence[SecondProcess]]:
    """A context with as many processes as are worth while."""
    started: list[SecondProcess] = []
    try:
        with suppress(OSError):
            count = _processes_for(build, labels)
            build.context.sharing.divide(count + 1)
            started.extend(SecondProcess(build, labels) for _ in range(count))
        yield started
    finally:
        for process in started:
            process.close()


def _processes_for(build: Build, labels: Sequence[Label]) -> int:
    if sys.platform != "linux" or build.request.jobs == 1 or len(labels) < _LEAST_TARGETS:
        return 0
    if build.shared is not None or build.executor is not None or build.journal.notes_times:
        return 0
    this = threading.current_thread()
    others = [thread for thread in threading.enumerate() if thread is not this and thread.name != DRAWING]
    if others or this is not threading.main_thread():
        return 0  # They could hold locks, which a fork would hold forever.
    cores = min(build.request.jobs, len(os.sched_getaffinity(0)))
    return min(cores - 1, _MOST) if cores > 1 and _modules(build) >= _LEAST_MODULES else 0


def _modules(build: Build) -> int:
    count = 0
    for label, target in build.context.targets.items():
        if isinstance(target, PythonModules):
            with suppress(HermpkgError):
                count += len(build.context.modules_of_target(label))
    return count


def _forked() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Of threads, which only draw.
        return os.fork()


def _make(build: Build, calls: Sequence[Call]) -> None:
    objects = _objects(build)
    for name, method, args, named in calls:
        if name == _NOTE:
            build.note_once(*args)
        else:
            getattr(objects[name], method)(*args, **named)


def _objects(build: Build) -> dict[str, Any]:
    """All in which a build notes something, but for its tree."""
    context = build.context
    return {
        "found": context.facts,
        "journal": build.journal,
        "notes": build.notes,
        "resting": context.resting,
        "texts": context.texts,
        **build.kept,
    }


def _serve(build: Build, labels: Sequence[Label], parent: int, requests: int, answers: int) -> NoReturn:
    """Be the process: build what is asked for, and never come back to what the parent was doing."""
    try:
        end_with(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent is told, and ends this process.
        gc.freeze()
        builder = _Builder(build)
        with open(requests, "rb") as asked, open(answers, "wb", buffering=0) as told:
            while (numbers := _receive(asked)) is not None:
                _send(told, builder.built([(number, labels[number]) for number in numbers]))
        os._exit(0)
    except BaseException:  # noqa: BLE001
        os._exit(1)


class _Builder:
    """Builds targets, and notes what that does to the `build` beside files."""

    def __init__(self, build: Build) -> None:
        self._build = replace(build, note_once=lambda *given: self._note(_NOTE, "", given, {}))
        self._calls: list[Call] = []
        self._at_once: list[Call] = []
        self._counts = build.context.tree.seen()[1]
        build.journal.tell_nobody()
        for name, each in _objects(build).items():
            each.relay = lambda *call, name=name: self._note(name, *call)

    def built(
        self, wanted: Sequence[tuple[int, Label]]
    ) -> tuple[object, list[Call], list[tuple[int, TargetResult, list[Call]]]]:
        """Build targets; return what was seen, the calls to make at once, and of each target the others."""
        self._at_once, told = [], []
        for number, label in wanted:
            self._calls = []
            with suppress(Exception):  # It is built again by the parent, which tells what is wrong.
                result = build_target(self._build, label, _needs_nothing).result
                told.append((number, result, self._calls))
        seen, self._counts = self._build.context.tree.seen(self._counts)
        return seen, self._at_once, told

    def _note(self, name: str, method: str, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        calls = self._at_once if name in _AT_ONCE and method != "tell_of" else self._calls
        calls.append((name, method, args, named))


def _needs_nothing(keys: Sequence[Label]) -> list[Built]:
    if keys:
        raise LookupError("targets are built by the parent")
    return []


def _send(stream: IO[bytes], message: object) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    rest = memoryview(len(data).to_bytes(_SIZE, "little") + data)
    while rest:
        rest = rest[stream.write(rest) :]


def _receive(stream: IO[bytes]) -> Any:
    """The next message of a pipe that nobody else has; None at its end."""
    size = stream.read(_SIZE)
    if not size:
        return None
    data = stream.read(int.from_bytes(size, "little"))
    return pickle.loads(data)

"""One opened version of an artifact, and its workers: this process's side of the opener."""

from __future__ import annotations

import itertools
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.texts import signal_name
from hermpkg_build.serving.channel import Channel, EndOfChannel, SharedMemory, channel_pair
from hermpkg_build.serving.errors import ArtifactChangedError, PoolClosedError, WorkersFailedError
from hermpkg_build.serving.progress import Progress
from hermpkg_build.serving.raised import unpack_raised
from hermpkg_build.serving.requests import Ended, Kill, Opened, Opening, Start, Started, Verified, Verify
from hermpkg_build.serving.tickets import Tickets
from hermpkg_build.serving.warm import Surroundings, WarmProcess, borrow, give_back, keep

_Status = tuple[int, int, int, int]
"""Of a file: device, number, size and time (ns)."""

_DYING_S = 10.0
"""How long the end of a worker may take to be told, once its connection has ended."""
_GONE = "the process that started it was ended"
_MEANINGS = {"SIGKILL": "perhaps out of memory", "SIGSEGV": "a crash in native code"}


class WorkerProcess(Closing):
    """A worker: its channel, the tickets for what is in there, how far it is, and how it ended."""

    def __init__(
        self, number: int, channel: Channel, tickets: Tickets, progress: Progress, ended: Callable[[], None]
    ) -> None:
        self._tell_end = ended
        self.number = number
        self.channel = channel
        self.tickets = tickets
        self.progress = progress
        self.pid = 0
        self.was_killed: bool = False
        self._end = ""
        self._ended = threading.Event()

    def end(self, reason: str, *, killed: bool = False) -> None:
        """Note how it ended; who waits for its answer is told that there will be none."""
        self._end = reason
        self.was_killed = killed
        self._ended.set()
        self.channel.shut_down()
        self._tell_end()

    def has_ended(self) -> bool:
        """Whether that is known."""
        return self._ended.is_set()

    def how_it_ended(self) -> str:
        """Say it, once it has ended."""
        return self._end if self._ended.wait(_DYING_S) else "its connection has ended"

    def close(self) -> None:
        """Let the process end, and go without it."""
        self.channel.close()
        self.tickets.close()


class _Opener:
    """The process that has opened the artifact, as long as it lives."""

    def __init__(self, control: Channel) -> None:
        self.is_gone = False
        self._control = control
        self._sending = threading.Lock()
        self._workers: dict[int, WorkerProcess] = {}
        self._started: queue.SimpleQueue[Started | None] = queue.SimpleQueue()
        self._verified: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._hear, name="hermpkg-opener", daemon=True)
        self._reader.start()

    def start_worker(self, number: int, device: str | None, ended: Callable[[], None]) -> WorkerProcess:
        """Start a worker; one thread does that at a time. Raises WorkersFailedError."""
        channel, theirs = channel_pair()
        keep(channel)
        page, tickets = SharedMemory(1), Tickets()
        worker = WorkerProcess(number, channel, tickets, Progress(page.descriptor), ended)
        self._workers[number] = worker
        try:
            self.tell(Start(number, device), theirs.fileno(), page.descriptor, tickets.descriptor)
        finally:
            theirs.close()
            page.close()
        started = None if self.is_gone else self._started.get()
        if started is None:
            worker.close()
            raise WorkersFailedError(f"no worker can be started: {_GONE}")
        worker.pid = started.pid
        return worker

    def is_what_was_opened(self) -> bool:
        """Let all of the file be compared; one thread does that at a time."""
        self.tell(Verify())
        return not self.is_gone and self._verified.get()

    def tell(self, request: Start | Kill | Verify, *descriptors: int) -> None:
        """Send a request; where the process is gone, nothing happens."""
        with self._sending, suppress(EndOfChannel, OSError):
            self._control.send([pickle.dumps(request)], descriptors)

    def close(self) -> None:
        """Let it end its workers and itself, and wait for that."""
        self._control.end_sending()
        self._reader.join(_DYING_S)
        self._control.close()

    def _hear(self) -> None:
        with suppress(EndOfChannel, OSError):
            while True:
                parts, _ = self._control.receive()
                told = pickle.loads(parts[0])
                if isinstance(told, Started):
                    self._started.put(told)
                elif isinstance(told, Verified):
                    self._verified.put(told.same)
                elif isinstance(told, Ended) and (worker := self._workers.pop(told.number, None)):
                    worker.end(_end_of(told.returncode), killed=told.returncode == -signal.SIGKILL)
        self.is_gone = True
        self._started.put(None)
        self._verified.put(False)
        while self._workers:
            self._workers.popitem()[1].end(_GONE)


class Version(Closing):
    """An artifact that is open in a process of its own, which starts workers.

    `prefix` is the id of an importer of the same artifact in this process, None for none. Raises what
    PackageImporter raises, and WorkersFailedError where the process ends at once.
    """

    def __init__(self, opening: Opening, around: Surroundings, prefix: str | None) -> None:
        self.opening = opening
        self.prefix = prefix
        self._around = around
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._warm: WarmProcess | None = None
        self._opener: _Opener | None = None
        self._closed = False
        self._file = _opened(opening.file)
        try:
            self._status, self._content = self._open()
            if self._file >= 0 and self._status not in (None, self._status_now()):
                # The name was another file's when that process opened it.
                os.close(self._file)
                self._file = _opened(opening.file)
                if self._file < 0 or self._status != self._status_now():
                    raise self._changed()
        except BaseException:
            self.close()
            raise

    def start_worker(self, place: int, ended: Callable[[], None]) -> WorkerProcess:
        """Start a worker, on the device of its `place`; `ended` is called in another thread once it is gone.

        Raises WorkersFailedError, ArtifactChangedError, PoolClosedError.
        """
        with self._lock:
            if self._closed:
                raise PoolClosedError("the pool is closed")
            is_gone = self._opener is None or self._opener.is_gone
            if is_gone and self._open() != (self._status, self._content):
                raise self._changed()
            assert self._opener is not None
            devices = self.opening.devices
            device = devices[place % len(devices)] if devices else None
            return self._opener.start_worker(next(self._numbers), device, ended)

    def kill(self, worker: WorkerProcess) -> None:
        """End a worker and what it has started."""
        if self._opener is not None:
            self._opener.tell(Kill(worker.number))

    def check_unchanged(self) -> None:
        """Raise ArtifactChangedError where the file was written over since it was opened.

        Where its time says that it was, all of it is compared once.
        """
        if self._file < 0 or self._status is None or self._status_now() == self._status:
            return
        with self._lock:
            now = self._status_now()
            if now == self._status:
                return
            opener = self._opener
            if now[2] == self._status[2] and opener is not None and opener.is_what_was_opened():
                self._status = now
                return
        raise self._changed()

    def close(self) -> None:
        """End all workers and the opener, and wait for that."""
        with self._lock:
            self._closed = True
            opener, self._opener = self._opener, None
            warm, self._warm = self._warm, None
            file, self._file = self._file, -1
        if opener is not None:
            opener.close()
        if warm is not None:
            give_back(warm)
        if file >= 0:
            os.close(file)

    def _open(self) -> Opened:
        """Start the opener; return which file it has opened."""
        if self._opener is not None:
            self._opener.close()
            self._opener = None
        # Where the warm process lives, it has imported all that another opener needs.
        before, self._warm = self._warm, borrow(self._around)
        if before is not None:
            give_back(before)
        try:
            control = self._warm.fork_opener(pickle.dumps(self.opening))
            parts, _ = control.receive()
        except EndOfChannel as ended:
            raise WorkersFailedError(
                "the process that starts workers ended before it had opened the artifact",
                facts=[("file", self.opening.file)],
                next_step="what it wrote to standard error may say why",
            ) from ended
        opened: Opened | None = pickle.loads(parts[0])
        if opened is None:
            error = unpack_raised([bytes(part) for part in parts[1:]], None)
            control.close()
            raise error
        self._opener = _Opener(control)
        return opened

    def _status_now(self) -> _Status:
        status = os.fstat(self._file)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def _changed(self) -> ArtifactChangedError:
        return ArtifactChangedError(
            "the artifact was written over or replaced since it was opened",
            facts=[("file", self.opening.file)],
            next_step="write new versions beside it and rename them, as hermpkg does, and call swap()",
        )


def _opened(path: str) -> int:
    """Open a file, and return the descriptor; -1 where there is none."""
    with suppress(OSError):
        if os.path.isfile(path):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return -1


def _end_of(returncode: int) -> str:
    if returncode >= 0:
        return f"exit status {returncode}"
    name = signal_name(-returncode)
    return f"killed by {name} ({_MEANINGS[name]})" if name in _MEANINGS else f"killed by {name}"

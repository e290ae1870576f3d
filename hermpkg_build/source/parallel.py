"""Import facts of many files at once, analysed by helper processes: for cold starts.

A helper is a plain child interpreter that loads the analysis alone. It is neither forked, so that
threads here do not matter, nor made by `multiprocessing`, which would run this program's main module
again. Only paths go out; digests and encoded facts come back. Both ends are the same interpreter and
nobody else has the pipes, so that messages are what `marshal` makes of plain values.
"""

from __future__ import annotations

import marshal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.core.digest import Digest
from hermpkg_build.source import scanner
from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.source_facts import Source, SourceFacts, facts_of_source

if TYPE_CHECKING:
    from subprocess import Popen

_LARGEST: Final = 64 << 20
"""Bytes of a source. The process that asks reads larger ones itself, and says so where they are too large."""

BATCH: Final = 32
"""Files a helper is given at a time: few enough that all end together, many enough to keep it busy."""

AHEAD: Final = 3
"""So many batches a helper has been sent, so that it need not wait for the next one."""

_SIZE: Final = 8
"""Bytes that tell the size of a message."""

_HELPER: Final = (
    "import gc, sys; gc.set_threshold(1_000_000); sys.path[:0] = sys.argv[1:2]; sys.path += sys.argv[2:]; "
    "from hermpkg_build.source.parallel import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"
)


class Helper:
    """A process that analyses files: the facts of what is sent are received in the same order.

    More can be sent before all is received, so that it is at work while nobody has the time to receive. All
    methods raise OSError, and `receive` ValueError, where the process has died or answers anything else.
    """

    def __init__(self) -> None:
        import os
        import subprocess

        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        folder = scanner.folder()
        self._process: Popen[bytes] = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HELPER, root, *([folder] if folder else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # What is ready in a buffer is not seen by `is_ready`.
        )

    def send(self, files: Sequence[Source]) -> None:
        """Give it files to analyse: `BATCH` of them is a good size."""
        assert self._process.stdin
        _send(self._process.stdin, [(file.path, file.trusts_bytecode) for file in files])

    def is_ready(self) -> bool:
        """Whether `receive` has something to return, or to raise, at once."""
        import select

        assert self._process.stdout
        poll = select.poll()
        poll.register(self._process.stdout)
        return bool(poll.poll(0))

    def receive(self) -> list[tuple[Digest, bytes] | None]:
        """Wait for the digests and the encoded facts of the files that were sent first.

        None stands for a file that cannot be read.
        """
        assert self._process.stdout
        message = _receive(self._process.stdout)
        if message is None:
            raise OSError("the process has ended")
        return [answer and (Digest(*answer[0]), answer[1]) for answer in message]

    def close(self) -> None:
        """End it; whatever it is still at is lost."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.kill()
        with suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def start_helper() -> Helper | None:
    """Return a helper; None where no process can be started."""
    try:
        return Helper()
    except OSError:
        return None


Found: TypeAlias = tuple[SourceFacts, "bytes | None"]
"""The facts of a source, and their encoded form where that was made, too."""


def facts_of_files(files: Sequence[Source], jobs: int) -> list[Found]:
    """The facts of `files`, in order, by up to `jobs` processes, this one included.

    Nobody waits for a helper: while it starts, files are analysed here, and so are in the end those that it
    was sent and has not come to. One that cannot be started, or dies, loses nothing. Raises OSError for a
    file that cannot be read.
    """
    found: dict[int, Found] = {}
    with paused_collection, _Helpers(files, jobs - 1, found) as helpers:
        while batch := helpers.next_batch():
            for index in batch:
                helpers.exchange()
                if index not in found:
                    found[index] = _analyse(files[index]), None
    return [found.get(index) or (_analyse(file), None) for index, file in enumerate(files)]


class _Helpers(Closing):
    """Helpers that analyse `files` from the last ones on, while somebody else does from the first ones on."""

    def __init__(self, files: Sequence[Source], most: int, found: dict[int, Found]) -> None:
        self._files = files
        self._found = found
        starts = range(0, len(files), BATCH)
        self._waiting = deque([range(start, min(start + BATCH, len(files))) for start in starts])
        started = [start_helper() for _ in range(min(most, len(starts) - 1))]
        self._sent: dict[Helper, deque[range]] = {helper: deque() for helper in started if helper}
        self._left: list[range] | None = None

    def next_batch(self) -> range | None:
        """The first batch that no helper has; in the end, those that some have, the one sent last first."""
        if self._waiting:
            return self._waiting.popleft()
        if self._left is None:
            self._left = [batch for sent in self._sent.values() for batch in sent]
        return self._left.pop() if self._left else None

    def exchange(self) -> None:
        """Receive what is ready, and send what is waiting."""
        for helper in [*self._sent]:
            if not self._exchange_with(helper):
                helper.close()
                del self._sent[helper]  # Its files stay without facts.

    def _exchange_with(self, helper: Helper) -> bool:
        """Whether the helper is still of use."""
        sent = self._sent[helper]
        with suppress(OSError, ValueError):
            while sent and helper.is_ready():
                for index, answer in zip(sent.popleft(), helper.receive(), strict=True):
                    if answer is not None:
                        digest, encoded = answer
                        self._found[index] = SourceFacts(digest=digest, facts=decode(encoded)), encoded
            while len(sent) < AHEAD and self._waiting:
                sent.append(self._waiting.pop())
                helper.send([self._files[index] for index in sent[-1]])
            return True
        return False

    def close(self) -> None:
        """End all of them, whatever they are at."""
        for helper in self._sent:
            helper.close()


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Be a helper: answer each message, a list of files, by one with the list of their facts.

    Messages are taken as they come, whatever there is to answer, so that who sends them never waits for long.
    """
    import threading
    from queue import SimpleQueue

    waiting: SimpleQueue[Any] = SimpleQueue()

    def take() -> None:
        with suppress(ValueError):
            while batch := _receive(requests):
                waiting.put(batch)
        waiting.put(None)

    threading.Thread(target=take, daemon=True).start()
    while batch := waiting.get():
        files = [Source(path=path, trusts_bytecode=trusts) for path, trusts in batch]
        _send(answers, [_answer(file) for file in files])


def _answer(file: Source) -> tuple[tuple[str, int], bytes] | None:
    """The digest and the encoded facts of a file; None where it cannot be read."""
    try:
        found = _analyse(file)
    except OSError:
        return None
    return (found.digest.hash, found.digest.size), encode(found.facts)


def _analyse(file: Source) -> SourceFacts:
    with open(file.path, "rb", buffering=0) as stream:
        data = stream.read(_LARGEST)
    if len(data) == _LARGEST:
        raise OSError("it is too large to be read here")
    return facts_of_source(data, file.path if file.trusts_bytecode else "")


def _send(stream: IO[bytes], message: Any) -> None:
    data = marshal.dumps(message)
    rest = memoryview(len(data).to_bytes(_SIZE, "little") + data)
    while rest:
        rest = rest[stream.write(rest) :]
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    """The next message; None where there is no other. Raises ValueError where it is cut off."""
    size = _read(stream, _SIZE)
    return marshal.loads(_read(stream, int.from_bytes(size, "little"))) if size else None  # noqa: S302


def _read(stream: IO[bytes], size: int) -> bytes:
    """So many bytes; none where the stream has ended."""
    data = b""
    while len(data) < size:
        part = stream.read(size - len(data))
        if not part:
            if data:
                raise ValueError("a message is cut off")
            break
        data += part
    return data

"""Import facts of many files at once, analysed by helper processes: for cold starts.

A helper is a plain child interpreter that loads the analysis alone. It is neither forked, so that
threads here do not matter, nor made by `multiprocessing`, which would run this program's main module
again. Only paths go out; digests and encoded facts come back.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from hermpkg_build.core.digest import Digest
from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.source_facts import Source, SourceFacts, facts_of_source

if TYPE_CHECKING:
    from subprocess import Popen

_LARGEST: Final = 64 << 20
"""Bytes of a source. The process that asks reads larger ones itself, and says so where they are too large."""

BATCH: Final = 32
"""Files a helper is given at a time: few enough that all end together, many enough to keep it busy."""

_HELPER: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
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
        self._process: Popen[bytes] = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HELPER, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def send(self, files: Sequence[Source]) -> None:
        """Give it files to analyse: `BATCH` of them is a good size."""
        assert self._process.stdin
        _send(self._process.stdin, [(file.path, file.trusts_bytecode) for file in files])

    def receive(self) -> list[tuple[Digest, bytes] | None]:
        """Wait for the digests and the encoded facts of the files that were sent first.

        None stands for a file that cannot be read.
        """
        assert self._process.stdout
        answers = json.loads(self._process.stdout.readline())
        return [answer and (Digest.parse(answer[0]), answer[1].encode()) for answer in answers]

    def end(self) -> None:
        """Let it end once all is received."""
        assert self._process.stdin
        self._process.stdin.close()

    def close(self) -> None:
        """Wait until it has ended; whatever it is still at is lost."""
        assert self._process.stdin
        assert self._process.stdout
        if not self._process.stdin.closed:
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


def facts_of_files(files: Sequence[Source], jobs: int) -> list[SourceFacts]:
    """The facts of `files`, in order, by up to `jobs` processes, this one included.

    A helper that cannot be started, or dies, loses nothing: its files are analysed here. Raises
    OSError for a file that cannot be read.
    """
    import threading

    waiting = [range(start, min(start + BATCH, len(files))) for start in range(0, len(files), BATCH)]
    waiting.reverse()
    found: dict[int, SourceFacts] = {}
    helpers = [start_helper() for _ in range(min(jobs, len(waiting)) - 1)]
    threads = [
        threading.Thread(target=_feed, args=(helper, files, waiting, found), daemon=True)
        for helper in helpers
        if helper
    ]
    for thread in threads:
        thread.start()
    try:
        while batch := _next(waiting):
            found.update((index, _analyse(files[index])) for index in batch)
    finally:
        # After an error there is nothing left to do, so that the helpers end with their batches.
        waiting.clear()
        for thread in threads:
            thread.join()
    return [found[index] if index in found else _analyse(file) for index, file in enumerate(files)]


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Be a helper: answer each line, a list of files, by a line with the list of their facts.

    Lines are taken as they come, whatever there is to answer, so that who sends them never waits for long.
    """
    import threading
    from queue import SimpleQueue

    waiting: SimpleQueue[bytes] = SimpleQueue()

    def take() -> None:
        for batch in requests:
            waiting.put(batch)
        waiting.put(b"")

    threading.Thread(target=take, daemon=True).start()
    while batch := waiting.get():
        files = [Source(path=path, trusts_bytecode=trusts) for path, trusts in json.loads(batch)]
        _send(answers, [_answer(file) for file in files])


def _answer(file: Source) -> tuple[str, str] | None:
    """The digest and the encoded facts of a file; None where it cannot be read."""
    try:
        found = _analyse(file)
    except OSError:
        return None
    return str(found.digest), encode(found.facts).decode()


def _analyse(file: Source) -> SourceFacts:
    with open(file.path, "rb", buffering=0) as stream:
        data = stream.read(_LARGEST)
    if len(data) == _LARGEST:
        raise OSError("it is too large to be read here")
    return facts_of_source(data, file.path if file.trusts_bytecode else "")


def _next(waiting: list[range]) -> range | None:
    try:
        return waiting.pop()
    except IndexError:
        return None


def _feed(
    helper: Helper,
    files: Sequence[Source],
    waiting: list[range],
    found: dict[int, SourceFacts],
) -> None:
    """Give batches to one helper until none is left or it fails; files that it leaves stay without facts."""
    try:
        while batch := _next(waiting):
            helper.send([files[index] for index in batch])
            for index, answer in zip(batch, helper.receive(), strict=True):
                if answer is not None:
                    digest, encoded = answer
                    found[index] = SourceFacts(digest=digest, facts=decode(encoded))
        helper.end()
    except (OSError, ValueError):
        pass  # It is closed as it is.
    helper.close()


def _send(stream: IO[bytes], items: list[Any]) -> None:
    stream.write(json.dumps(items).encode() + b"\n")
    stream.flush()

"""Import analysis of many files at once, shared with helper processes: for cold starts.

A helper is a plain child interpreter that loads the analysis alone. It is neither forked, so that
threads here do not matter, nor made by `multiprocessing`, which would run this program's main module
again. Only paths go out and encoded facts come back.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.imports import analyse_source

if TYPE_CHECKING:
    from subprocess import Popen

    from hermpkg_build.core.facts import ImportFacts

_BATCH: Final = 32
"""Files a helper is given at a time: few enough that all end together, many enough to keep it busy."""

_SIZE: Final = 4
_HELPER: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from hermpkg_build.source.parallel import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"
)


def analyse_many(paths: Sequence[str], jobs: int) -> list[ImportFacts]:
    """The import facts of the files at `paths`, in order, by up to `jobs` processes, this one included.

    A helper that cannot be started, or dies, takes nothing with it: its files are analysed here. Raises
    OSError for a file that cannot be read.
    """
    import threading

    waiting = [range(start, min(start + _BATCH, len(paths))) for start in range(0, len(paths), _BATCH)]
    waiting.reverse()
    encoded: dict[int, bytes] = {}
    helpers = [_start_helper() for _ in range(min(jobs, len(waiting)) - 1)]
    threads = [
        threading.Thread(target=_feed, args=(helper, paths, waiting, encoded), daemon=True)
        for helper in helpers
        if helper
    ]
    for thread in threads:
        thread.start()
    found: dict[int, ImportFacts] = {}
    try:
        while batch := _next(waiting):
            found.update((index, _analyse(paths[index])) for index in batch)
    finally:
        # After an error there is nothing left to do, so that the helpers end with their batches.
        waiting.clear()
        for thread in threads:
            thread.join()
    return [
        found[index]
        if index in found
        else decode(encoded[index])
        if encoded.get(index)
        else _analyse(paths[index])
        for index in range(len(paths))
    ]


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Be a helper: answer lists of paths by lists of encoded facts, empty for files that cannot be read."""
    while True:
        try:
            paths = _receive(requests)
        except EOFError:
            return
        _send(answers, [_encoded(path.decode("utf-8", "surrogateescape")) for path in paths])


def _encoded(path: str) -> bytes:
    try:
        return encode(_analyse(path))
    except OSError:
        return b""


def _analyse(path: str) -> ImportFacts:
    with open(path, "rb", buffering=0) as file:
        return analyse_source(file.read())


def _next(waiting: list[range]) -> range | None:
    try:
        return waiting.pop()
    except IndexError:
        return None


def _start_helper() -> Popen[bytes] | None:
    import os
    import subprocess

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HELPER, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _feed(
    helper: Popen[bytes], paths: Sequence[str], waiting: list[range], encoded: dict[int, bytes]
) -> None:
    """Give batches to one helper until none is left or it fails; what it leaves undone stays unanswered."""
    assert helper.stdin
    assert helper.stdout
    try:
        while batch := _next(waiting):
            _send(helper.stdin, [paths[index].encode("utf-8", "surrogateescape") for index in batch])
            encoded.update(zip(batch, _receive(helper.stdout), strict=True))
        helper.stdin.close()
    except (OSError, EOFError, ValueError):
        helper.kill()
        with suppress(OSError):
            helper.stdin.close()
    helper.stdout.close()
    helper.wait()


def _send(stream: IO[bytes], items: Sequence[bytes]) -> None:
    parts = [len(items).to_bytes(_SIZE, "little")]
    for item in items:
        parts += (len(item).to_bytes(_SIZE, "little"), item)
    stream.write(b"".join(parts))
    stream.flush()


def _receive(stream: IO[bytes]) -> list[bytes]:
    return [_read(stream, _number(stream)) for _ in range(_number(stream))]


def _number(stream: IO[bytes]) -> int:
    return int.from_bytes(_read(stream, _SIZE), "little")


def _read(stream: IO[bytes], size: int) -> bytes:
    """Exactly `size` bytes. Raises EOFError where the other side has ended."""
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data

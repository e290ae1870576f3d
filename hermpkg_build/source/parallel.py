"""Import facts of many files at once, worked out together with helper processes: for cold starts.

A helper is a plain child interpreter that loads the analysis alone. It is neither forked, so that
threads here do not matter, nor made by `multiprocessing`, which would run this program's main module
again. Only paths go out; digests and encoded facts come back.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from hermpkg_build.core.digest import Digest
from hermpkg_build.source.facts_codec import decode, encode
from hermpkg_build.source.source_facts import Source, SourceFacts, facts_of_source

if TYPE_CHECKING:
    from subprocess import Popen

_BATCH: Final = 32
"""Files a helper is given at a time: few enough that all end together, many enough to keep it busy."""

_SIZE: Final = 4
_HELPER: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from hermpkg_build.source.parallel import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"
)


def facts_of_files(files: Sequence[Source], jobs: int) -> list[SourceFacts]:
    """The facts of `files`, in order, by up to `jobs` processes, this one included.

    A helper that cannot be started, or dies, takes nothing with it: its files are analysed here. Raises
    OSError for a file that cannot be read.
    """
    import threading

    waiting = [range(start, min(start + _BATCH, len(files))) for start in range(0, len(files), _BATCH)]
    waiting.reverse()
    encoded: dict[int, bytes] = {}
    helpers = [_start_helper() for _ in range(min(jobs, len(waiting)) - 1)]
    threads = [
        threading.Thread(target=_feed, args=(helper, files, waiting, encoded), daemon=True)
        for helper in helpers
        if helper
    ]
    for thread in threads:
        thread.start()
    found: dict[int, SourceFacts] = {}
    try:
        while batch := _next(waiting):
            found.update((index, _analyse(files[index])) for index in batch)
    finally:
        # After an error there is nothing left to do, so that the helpers end with their batches.
        waiting.clear()
        for thread in threads:
            thread.join()
    return [
        found[index]
        if index in found
        else _decoded(encoded[index])
        if encoded.get(index)
        else _analyse(files[index])
        for index in range(len(files))
    ]


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Be a helper: answer lists of files by lists of encoded facts, empty for files that cannot be read."""
    while True:
        try:
            batch = _receive(requests)
        except EOFError:
            return
        _send(answers, [_answer(request) for request in batch])


def _request(file: Source) -> bytes:
    return (b"+" if file.trusts_bytecode else b"-") + file.path.encode("utf-8", "surrogateescape")


def _answer(request: bytes) -> bytes:
    try:
        path = request[1:].decode("utf-8", "surrogateescape")
        found = _analyse(Source(path=path, trusts_bytecode=request[:1] == b"+"))
    except OSError:
        return b""
    return f"{found.digest}\n".encode() + encode(found.facts)


def _decoded(answer: bytes) -> SourceFacts:
    digest, _, facts = answer.partition(b"\n")
    return SourceFacts(digest=Digest.parse(digest.decode()), facts=decode(facts))


def _analyse(file: Source) -> SourceFacts:
    with open(file.path, "rb", buffering=0) as stream:
        return facts_of_source(stream.read(), file.path if file.trusts_bytecode else "")


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
    helper: Popen[bytes], files: Sequence[Source], waiting: list[range], encoded: dict[int, bytes]
) -> None:
    """Give batches to one helper until none is left or it fails; what it leaves undone stays unanswered."""
    assert helper.stdin
    assert helper.stdout
    try:
        while batch := _next(waiting):
            _send(helper.stdin, [_request(files[index]) for index in batch])
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

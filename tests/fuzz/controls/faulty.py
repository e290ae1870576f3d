"""A reader that breaks one law after the other, by the number of the mutant."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from laws import Reader, broken_by
from target import Attempt, Target

from hermpkg_build.errors import LoadingError


def _broken_laws(_: bytes, attempt: Attempt) -> Iterator[str]:
    match attempt.number:
        case 1:
            raise KeyError("x")
        case 2:
            return broken_by(Reader(sound=b"", read=_raises_what_it_documents, raises=(ValueError,)), b"")
        case 3:
            return broken_by(Reader(sound=b"", read=_tells_too_much), b"")
        case 4:
            len(bytearray(1_200 << 20))
        case 5:
            end = time.process_time() + 5.2
            while time.process_time() < end:
                pass
        case 6:
            os.kill(os.getpid(), signal.SIGSEGV)
    return iter(())


def _raises_what_it_documents(_: bytes) -> None:
    raise ValueError("x")


def _tells_too_much(_: bytes) -> None:
    raise LoadingError("\n".join("x" * 3_000 for _ in range(100)))


TARGET = Target(seeds=lambda _: {"seed": b""}, mutant=lambda data, _: data, broken_laws=_broken_laws)

"""Compares the signatures of many files and folders with those that they had, in several processes."""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Sequence
from contextlib import suppress

from hermpkg_build.disk.signatures import FileSignature

ABSENT = 1
"""Stands for the signature of what is not there."""

UNKNOWN = 0
"""Stands for no signature that can be trusted: what has it always differs."""

_WORTH_A_PROCESS = 20_000
_MOST_HELPERS = 3
_SHARE = 1.4
"""A helper looks at so many times what this process looks at, which has other things to do meanwhile."""


def mark_of(signature: FileSignature) -> int:
    """Return a signature as one number of 64 bits, the same in every process of one interpreter."""
    return hash(signature)


class SignatureCheck:
    """A comparison of `marks`, one for each path, with the signatures that the paths have now.

    Of many paths helper processes look at a part from the start on, where this process has no other
    threads; `differing` does the rest.
    """

    def __init__(self, paths: Sequence[str], marks: Sequence[int]) -> None:
        self._paths = paths
        self._marks = marks
        self._helpers: list[tuple[int, int, range]] = []
        helpers = _helpers_for(len(paths))
        size = int(len(paths) * _SHARE / (helpers * _SHARE + 1))
        for number in range(helpers):
            if not self._start(range(number * size, (number + 1) * size)):
                break  # What no helper has taken by now is looked at here.

    def differing(self) -> list[str]:
        """Return the paths whose signature is another one, or was never to be trusted."""
        paths, marks = self._paths, self._marks
        own = self._helpers[-1][2].stop if self._helpers else 0
        found = _differing(paths, marks, range(own, len(paths)))
        while self._helpers:
            told = _told(*self._helpers[0][:2])
            part = self._helpers.pop(0)[2]
            found += _differing(paths, marks, part) if told is None else told
        return [paths[at] for at in found]

    def close(self) -> None:
        """End the helpers whose answers nobody needs."""
        while self._helpers:
            pid, pipe, _ = self._helpers.pop()
            os.close(pipe)  # A helper that has more to tell than a pipe holds ends by this.
            with suppress(OSError):
                os.waitpid(pid, 0)

    def _start(self, part: range) -> bool:
        """Start a helper for the next part; False where there can be no further process."""
        reading, writing = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            return False
        if pid:
            os.close(writing)
            self._helpers.append((pid, reading, part))
            return True
        # From here on this is the helper, which must never come back to what its parent was doing.
        try:
            found = _differing(self._paths, self._marks, part)
            with open(writing, "wb", closefd=False) as pipe:
                pipe.write(array("I", [*found, len(self._paths)]).tobytes())
            os._exit(0)
        except BaseException:  # noqa: BLE001
            os._exit(1)


def _helpers_for(count: int) -> int:
    if count < _WORTH_A_PROCESS or not hasattr(os, "sched_getaffinity") or threading.active_count() > 1:
        return 0
    return min(_MOST_HELPERS, len(os.sched_getaffinity(0)) - 1)


def _told(pid: int, pipe: int) -> list[int] | None:
    """Return what a helper found; None where it did not come to an end."""
    try:
        with open(pipe, "rb") as file:
            data = file.read()
    finally:
        _, status = os.waitpid(pid, 0)
    if status or len(data) % 4 or not data:
        return None
    return array("I", data).tolist()[:-1]


def _differing(paths: Sequence[str], marks: Sequence[int], part: range) -> list[int]:
    stat, found = os.stat, []
    for at in part:  # Of a hundred thousand, so that nothing is called that need not be.
        try:
            now = stat(paths[at])
            here = hash((now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_dev))
        except (FileNotFoundError, NotADirectoryError):
            here = ABSENT
        except (OSError, ValueError):
            here = UNKNOWN
        mark = marks[at]
        if here != mark or not mark:
            found.append(at)
    return found

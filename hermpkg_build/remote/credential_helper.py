"""Runs credential helpers: programs that give the headers to ask a server with, by Bazel's protocol.

The protocol: https://github.com/bazelbuild/proposals/blob/main/designs/2022-06-07-bazel-credential-helpers.md
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import IO

from hermpkg_build.core.canonical_json import Json, dumps
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.processes import kill_group
from hermpkg_build.remote.failures import RemoteError

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_SHOWN = 2000
"""Characters of a helper's standard error that are shown."""

_LARGEST = 1 << 20
"""Bytes that a helper may write to each of its outputs; one that writes on is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperAnswer:
    """What a helper gave: headers, and when they expire, in seconds since the epoch, None for unknown."""

    headers: Mapping[str, str]
    expires: float | None


def helper_for(host: str, helpers: Sequence[tuple[str, str]]) -> str | None:
    """The program for a host: that of its own name, else of its closest domain, else of "".

    ``*.example.com`` stands for the domain itself and all below it. Of equal patterns the first wins.
    """
    programs: dict[str, str] = {}
    for pattern, program in helpers:
        programs.setdefault(pattern.lower(), program)
    labels = host.lower().split(".")
    domains = [f"*.{'.'.join(labels[i:])}" for i in range(len(labels))]
    return next((programs[key] for key in (host.lower(), *domains, "") if key in programs), None)


def ask_helper(program: str, uri: str, *, timeout_s: float) -> HelperAnswer:
    """Run a helper for a URI. Raises RemoteError where it fails, is too slow, or breaks the protocol."""
    try:
        said, complaint, code = run_helper(program, dumps({"uri": uri}), timeout_s=timeout_s)
        if code != 0:
            raise HelperFailedError(how_it_ended(code, complaint))
        try:
            return _parse(json.loads(said))
        except (ValueError, RecursionError) as error:
            why = f"its answer does not follow the protocol: {error}"
            raise HelperFailedError("\n".join(filter(None, [why, complaint]))) from error
    except HelperFailedError as error:
        raise _failed(program, uri, str(error)) from error


class HelperFailedError(Exception):
    """A credential helper gave no answer; the text says why."""


def how_it_ended(code: int, complaint: str) -> str:
    """Say how a helper failed: its exit code, and what it wrote."""
    how = f"it exited with {code}" if code > 0 else f"it was ended by signal {-code}"
    return "\n".join(filter(None, [how, complaint]))


def run_helper(program: str, question: bytes, *, timeout_s: float) -> tuple[bytes, str, int]:
    """What the helper wrote to its outputs, the second as text to show, and its exit code.

    Raises HelperFailedError where it cannot be run, is too slow, or writes too much. It leads a group of its
    own, so that what it has started ends with it where it is too slow.
    """
    try:
        child = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise HelperFailedError(f"it cannot be run: {reason}") from error
    outputs = [_Output(child, child.stdout), _Output(child, child.stderr)]
    try:
        assert child.stdin
        # A helper need not read what it is asked.
        with suppress(BrokenPipeError), child.stdin as asked:
            asked.write(question)
        end = time.monotonic() + timeout_s
        for output in outputs:
            output.join(max(0.0, end - time.monotonic()))
        child.wait(max(0.0, end - time.monotonic()))
        is_late = any(output.is_alive() for output in outputs)
    except subprocess.TimeoutExpired:
        is_late = True
    finally:
        kill_group(child)
    if is_late:
        raise HelperFailedError(f"it gave no answer within {timeout_s:g} seconds")
    said, complaint = (output.data for output in outputs)
    if any(output.is_too_large for output in outputs):
        raise HelperFailedError(f"it wrote more than {_LARGEST:,} bytes")
    return said, complaint.decode(errors="replace").strip()[:_SHOWN], child.returncode


class _Output(threading.Thread):
    """Reads one output of a child to its end, or until it is too large, which ends the child."""

    def __init__(self, child: subprocess.Popen[bytes], stream: IO[bytes] | None) -> None:
        super().__init__(name="hermpkg-helper-output", daemon=True)
        assert stream
        self.data = b""
        self._child, self._stream = child, stream
        self.start()

    @property
    def is_too_large(self) -> bool:
        """Whether the child wrote more than it may."""
        return len(self.data) > _LARGEST

    def run(self) -> None:
        """Read."""
        with self._stream:
            self.data = self._stream.read(_LARGEST + 1)
        if self.is_too_large:
            kill_group(self._child)


def _parse(answer: Json) -> HelperAnswer:
    """Raises ValueError, which never quotes the answer: it holds secrets."""
    if not isinstance(answer, Mapping):
        raise ValueError("not a JSON object")
    headers = answer.get("headers", {})
    if not isinstance(headers, Mapping):
        raise ValueError('"headers" is not an object')
    given: dict[str, str] = {}
    for name, values in headers.items():
        texts = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
        if not isinstance(values, list) or len(texts) != len(values):
            raise ValueError(f'header "{name}" is not a list of strings')
        if texts:
            given[name] = ", ".join(texts)
    expires = answer.get("expires")
    if expires is not None and not isinstance(expires, str):
        raise ValueError('"expires" is not a string')
    return HelperAnswer(headers=given, expires=None if expires is None else _timestamp(expires))


def _timestamp(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; fractions may have more digits than Python reads."""
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError('"expires" is not a time of RFC 3339')
    moment = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=timezone.utc)
    offset = timedelta(hours=int(match[5] or 0), minutes=int(match[6] or 0))
    try:
        moment += offset if match[4] == "-" else -offset
    except OverflowError:
        raise ValueError('"expires" is before or after all years') from None
    return moment.timestamp() + float(match[3] or 0)


def _failed(program: str, uri: str, reason: str) -> RemoteError:
    return RemoteError(
        "denied",
        f"the credential helper {program} gave no credentials",
        server=uri,
        reason=reason,
        next_step=f'try it by hand: echo \'{{"uri": "{uri}"}}\' | {program} get',
    )

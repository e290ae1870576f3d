"""One server, whatever its protocol: its credentials, how long it may take, how often it is asked again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from hermpkg_build.remote.addresses import Address, parse_address
from hermpkg_build.remote.credentials import Credentials, CredentialSource
from hermpkg_build.remote.failures import AttemptFailedError
from hermpkg_build.remote.settings import RemoteSettings

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0

SLOWEST = 16 << 10
"""Bytes a second of the slowest network on which sharing contents makes sense."""

_WORTH = 1 << 20
"""Bytes that must come between two failures for the second to count as the first of a new row."""

_LONGEST = 2
"""All attempts at one thing may take this many times the timeout, unless something is achieved."""

_PATIENCE = 0.25
"""The part of the timeout that a server may ask to be left alone for; a build does not wait for longer."""

_LEAST_S = 0.05
"""The limit of a request that begins when the time for the first answer is over: 0 would mean no limit."""

_T = TypeVar("_T")


class RemoteServer:
    """The server at `url`, asked by any number of threads at once. Raises RemoteError for a wrong URL.

    Its credentials are those of the settings where no others are given.
    """

    def __init__(
        self, settings: RemoteSettings, url: str, credentials: CredentialSource | None = None
    ) -> None:
        self.address: Address = parse_address(url)
        self.name: str = str(self.address)
        self.retries: int = settings.retries
        self.timeout_s: float = settings.timeout_s
        self.first_answer: FirstAnswer = FirstAnswer(settings.first_answer_s)
        self.credentials: CredentialSource | Credentials = credentials or Credentials(settings, url)
        self.closed: threading.Event = threading.Event()

    def attempts(self, doing: str) -> Attempts:
        """Begin to count the attempts at one thing; `doing` completes the sentence "cannot ..."."""
        return Attempts(self, doing)


class FirstAnswer:
    """How long one server may take until its first answer, all attempts and threads together.

    The time begins with the first request. A server that has answered once is slow, not gone, and every
    request then has its own limit.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._end: float | None = None
        self._came = False
        self._lock = threading.Lock()

    def limit_of(self, timeout_s: float) -> float:
        """The limit for a request that begins now and has `timeout_s` seconds of its own."""
        if self._came:
            return timeout_s
        with self._lock:
            if self._end is None:
                self._end = time.monotonic() + self._limit_s
        return min(timeout_s, max(self._end - time.monotonic(), _LEAST_S))

    def came(self) -> None:
        """Note that the server has answered, if only to refuse."""
        self._came = True

    @property
    def overdue(self) -> bool:
        """Whether the time is over without an answer."""
        return not self._came and self._end is not None and time.monotonic() >= self._end


class Attempts:
    """The attempts at one thing: as many as the settings allow, and one more with other credentials.

    None is begun once all together have taken twice the timeout.
    """

    def __init__(self, server: RemoteServer, doing: str) -> None:
        self._server = server
        self._doing = doing
        self._failures = 0
        self._farthest = 0
        self._begun = time.monotonic()
        self._refused = False

    def of(self, once: Callable[[], _T]) -> _T:
        """What `once` gives, called until it raises no AttemptFailedError. Raises RemoteError."""
        while True:
            try:
                return once()
            except AttemptFailedError as error:  # noqa: PERF203 - next to a request it costs nothing
                self.failed(error)

    def progressed(self) -> None:
        """Count failures and time anew: something was achieved."""
        self._failures = 0
        self._begun = time.monotonic()

    def advanced(self, position: int) -> None:
        """Note how many bytes of a transfer are done; enough of them are an achievement."""
        if position >= self._farthest + _WORTH:
            self._farthest = position
            self.progressed()

    def failed(self, error: AttemptFailedError) -> None:
        """Wait until it is time to try again. Raises RemoteError where another attempt cannot help."""
        server = self._server
        if error.refused and not self._refused:
            self._refused = True
            if server.credentials.refused(error.sent, error.challenge):
                return
        self._failures += 1
        final = not error.passing or self._failures > server.retries
        delay = max(_delay_s(self._failures), error.retry_after_s)
        final = final or error.retry_after_s > server.timeout_s * _PATIENCE or server.first_answer.overdue
        final = final or time.monotonic() + delay > self._begun + _LONGEST * server.timeout_s
        if final or server.closed.wait(delay):
            raise error.remote_error(self._doing, server=server.name) from error


def _delay_s(failures: int) -> float:
    """Seconds after so many failures in a row: twice as long each time, less a random part.

    Clients that fail together do not return together.
    """
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (failures - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret

"""Starts servers of others, waits until they answer, and ends them with all that they have started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_S = 180


@contextmanager
def server(
    command: list[str], url: str, log: Path, *, cwd: Path | None = None, **environ: str
) -> Iterator[str]:
    """Run a server that answers at `url`, and give that; its temporary files lie beside `log`."""
    environ = {**os.environ, "TMPDIR": str(log.parent), **environ}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=cwd,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + START_S
        while not answers(url):
            assert process.poll() is None, f"the server has ended:\n{log.read_text()}"
            assert time.monotonic() < until, f"the server does not answer:\n{log.read_text()}"
            time.sleep(0.2)
        yield url
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server with all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]

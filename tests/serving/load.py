"""Sends a server of ``hermpkg serve`` very many requests while its workers are killed and it reloads.

python tests/serving/load.py COUNT
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hermpkg_build import PackageExporter

SOURCE = """
VERSION = {version!r}

def answer(x, y):
    return {{"double": x * 2, "sum": x.sum(1) + y, "words": [VERSION]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How many requests were sent, had no or a wrong answer, and how many workers were killed.

    An answer is wrong, too, if it says that another version has given it.
    """

    requests: int
    lost: int
    wrong: int
    killed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs, where it listens, and where its artifact is."""

    process: subprocess.Popen[str]
    port: int
    file: Path


def write_version(file: Path, version: int) -> None:
    """Write the artifact aside, and rename it."""
    aside = file.with_suffix(".new")
    with PackageExporter(str(aside)) as exporter:
        exporter.save_source_string("app", SOURCE.format(version=str(version)))
    os.replace(aside, file)


@contextmanager
def served(file: Path, *options: str) -> Iterator[Server]:
    """Run a server of `file` until the end of the block, when it must end well on SIGTERM."""
    words = [sys.executable, "-m", "hermpkg_build", "serve", str(file), "--port", "0", *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://" in line, line
        yield Server(
            process=process, port=int(line.split("://")[1].split("/")[0].rpartition(":")[2]), file=file
        )
        process.terminate()
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def load(server: Server, count: int, *, clients: int = 6, pause: float = 0.4, reloads: int = 2) -> Outcome:
    """Send `count` requests from several threads, killing workers, and reloading now and then."""
    wrong: list[int] = []
    lost: list[int] = []
    versions: dict[str, str] = {}
    numbers = iter(range(count))
    lock = threading.Lock()
    stopped = threading.Event()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while True:
            with lock:
                number = next(numbers, None)
                if number is not None and reloads and number % (count // (reloads + 1) + 1) == 1:
                    write_version(server.file, number)
                    server.process.send_signal(signal.SIGHUP)
            if number is None:
                connection.close()
                return
            try:
                answer, version, word = ask(connection, number)
            except Exception as error:
                lost.append(number)
                print(f"{number}: {error!r}", file=sys.stderr)
                connection.close()
            else:
                if answer != expected(number) or versions.setdefault(version, word) != word:
                    wrong.append(number)

    killer = _Killer(server.process.pid, pause, stopped)
    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stopped.set()
    killer.thread.join()
    return Outcome(requests=count, lost=len(lost), wrong=len(wrong), killed=killer.killed)


def values(number: int) -> list[float]:
    return [float(number % 1000), 1.0, -2.0, number / 4]


def ask(
    connection: http.client.HTTPConnection, number: int
) -> tuple[tuple[list[float], list[float]], str, str]:
    """Return the numbers of an answer, its version, and the word that the version has in its source."""
    inputs = [
        {"name": "x", "datatype": "FP64", "shape": [2, 2], "data": values(number)},
        {"name": "y", "datatype": "INT64", "shape": [2], "data": [number, 1]},
    ]
    outputs = [{"name": "double"}, {"name": "sum"}, {"name": "words"}]
    body = json.dumps({"id": str(number), "inputs": inputs, "outputs": outputs})
    while True:
        connection.request("POST", "/v2/models/app/infer", body)
        response = connection.getresponse()
        text = response.read()
        if response.status == 429:
            time.sleep(0.01)
            continue
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {text[:300]!r}")
        value = json.loads(text)
        assert value["id"] == str(number)
        double, total, words = value["outputs"]
        return (double["data"], total["data"]), value["model_version"], words["data"][0]


def expected(number: int) -> tuple[list[float], list[float]]:
    a, b, c, d = values(number)
    return [2 * a, 2 * b, 2 * c, 2 * d], [a + b + number, c + d + 1]


class _Killer:
    """A thread that kills a worker of a server every `pause` seconds."""

    def __init__(self, server: int, pause: float, stopped: threading.Event) -> None:
        self.killed = 0
        self._server = server
        self._pause = pause
        self._stopped = stopped
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        chance = random.Random(1)
        while not self._stopped.wait(chance.uniform(0, 2 * self._pause)):
            if workers := workers_of(self._server):
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
                    self.killed += 1


def workers_of(server: int) -> list[int]:
    """The numbers of the workers: below the server are a warm process, openers, and these."""
    found = [server]
    for _ in range(3):
        found = [child for process in found for child in children_of(process)]
    return found


def children_of(process: int) -> list[int]:
    numbers: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{process}/task"):
            with suppress(OSError):
                text = Path(f"/proc/{process}/task/{task}/children").read_text()
                numbers += map(int, text.split())
    return numbers


def main(words: Sequence[str]) -> int:
    """Run with the number of requests; the exit status is 0 where every one had the right answer."""
    count = int(words[0]) if words else 100_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "app.pt")
        write_version(file, 1)
        options = ("--target", "app:answer", "--workers", "3", "--retries", "50", "--queue", "64", "-q")
        with served(file, *options) as server:
            start = time.monotonic()
            outcome = load(server, count, reloads=10)
            seconds = time.monotonic() - start
    print(f"{outcome}, {seconds:.1f} s")
    return int(bool(outcome.lost or outcome.wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

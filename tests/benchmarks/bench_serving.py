"""Measures pools beside processes and threads that each have an importer: memory, calls, requests over HTTP.

Prints a table. Memory is the proportional set size of all processes (PSS, in which what several share counts
once), so it is measured on Linux only. Run it as a script.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.serving import Pool

MIB = 1 << 20
MODEL = ("model", "model.pkl")
PORTS = {"uvicorn and an importer": 8918, "hermpkg serve": 8917}

BARE = """
import sys, torch
from hermpkg_build import PackageImporter
importer = PackageImporter(sys.argv[1])
if sys.argv[2] == "1":
    model = importer.load_pickle("model", "model.pkl")
    model(torch.ones(1, model.in_features))
print(flush=True)
sys.stdin.read()
"""

UVICORN = """
import asyncio, json, sys
import torch, uvicorn
from hermpkg_build import PackageImporter
model = PackageImporter(sys.argv[1]).load_pickle("model", "model.pkl")
def call(x):
    with torch.no_grad():
        return model(x)
async def app(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            break
    (given,) = json.loads(body)["inputs"]
    y = await asyncio.to_thread(call, torch.tensor(given["data"]).reshape(given["shape"]))
    data = json.dumps({"outputs": [{"data": y.flatten().tolist()}]}).encode()
    headers = [(b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", lifespan="off")
"""

_here: list[Any] = []


def load_here(path: str) -> None:
    """Load the model in this process, once."""
    torch.set_num_threads(1)
    _here.append(PackageImporter(path).load_pickle(*MODEL))


def call_here(x: torch.Tensor) -> torch.Tensor:
    """Call the model of this process."""
    with torch.no_grad():
        return _here[0](x)


def write_model(path: str, mebibytes: int) -> int:
    """Write a linear model of that size; return the number of its inputs."""
    size = int((mebibytes * MIB / 4) ** 0.5)
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle(*MODEL, torch.nn.Linear(size, size, bias=False))
    return size


def pss(processes: Sequence[int]) -> int:
    """The proportional set size of processes, in bytes."""
    total = 0
    for process in processes:
        with suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) << 10
    return total


def below(process: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found: list[int] = []
    for task in os.listdir(f"/proc/{process}/task"):
        with suppress(OSError):
            children = Path(f"/proc/{process}/task/{task}/children").read_text().split()
            for child in map(int, children):
                found += [child, *below(child)]
    return found


def bare_memory(path: str, *, loaded: bool) -> int:
    """The memory of a process with an importer of its own, with or without the model."""
    words = [sys.executable, "-c", BARE, path, str(int(loaded))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        memory = pss([process.pid])
        process.stdin.close()
    return memory


def row(name: str, value: float, goal: float | None = None, *, more_is_better: bool = False) -> None:
    """Print one row: what was measured, its value, and the goal, marked where it is missed."""
    missed = goal is not None and (value < goal if more_is_better else value > goal)
    shown = "" if goal is None else f"{goal:>10.0f}{'  missed' if missed else ''}"
    print(f"{name:<56}{value:>10.0f}{shown}", flush=True)


def memory_rows(path: str, mebibytes: int, size: int) -> None:
    """Print what pools take beside what they may: the weights once, and a bare importer for each worker."""
    bare = bare_memory(path, loaded=False)
    print(f"{'memory (PSS), MiB':<56}{'':>10}{'goal':>10}")
    row("bare importer", bare / MIB)
    row("bare importer, model loaded", bare_memory(path, loaded=True) / MIB)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    policy = os.path.join(os.path.dirname(path), "trust.toml")
    Path(policy).write_text(f'[[artifact]]\nsha256 = "{digest}"\nallow-all = true\n')
    for trust, under in ((None, ""), (policy, ", a digest required")):
        for workers in (1, 2, 8):
            with Pool(path, workers, load=[MODEL], threads=1, trust=trust) as pool:
                for worker in range(workers):
                    pool.bind(MODEL, worker=worker)(torch.ones(1, size))
                used = pss(below(os.getpid()))
            name = f"pool of {workers}, all its processes{under}"
            row(name, used / MIB, mebibytes + workers * bare / MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Calls a second, and the microseconds of all processors that one takes, the caller's included."""

    per_second: float
    processor_us: float


def rates(
    rows: Mapping[str, Callable[[int], object]],
    count: int,
    processes: Mapping[str, Callable[[], Sequence[int]]],
    rounds: int = 9,
) -> dict[str, Rate]:
    """Medians of rounds in each of which all rows are timed, one after the other."""
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    used: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, run in rows.items():
            run(1)
            numbers = [os.getpid(), *processes[name]()]
            before, start = processor_seconds(numbers), time.perf_counter()
            run(count)
            seconds[name].append(time.perf_counter() - start)
            used[name].append(processor_seconds(numbers) - before)
    return {
        name: Rate(
            per_second=count / statistics.median(seconds[name]),
            processor_us=statistics.median(used[name]) / count * 1e6,
        )
        for name in rows
    }


def processor_seconds(processes: Sequence[int]) -> float:
    """The processor time of processes so far."""
    tick = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for process in processes:
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


def show(found: Mapping[str, Rate], name: str, shape: str, *, peer: str, share: float = 1.0) -> None:
    """Print rows of what was measured of `name` beside `peer`, whose rate times `share` is the goal."""
    for each, rate in found.items():
        goal = found[peer].per_second * share if each == name else None
        row(f"{each}, {shape}", rate.per_second, goal, more_is_better=True)
    for each, rate in found.items():
        row(f"{each}, processor time of one (us)", rate.processor_us)


def throughput_rows(folder: str, workers: int, count: int) -> None:
    """Print calls a second of pools beside processes and threads, with small and with larger tensors."""
    print(f"\n{'calls a second, 4 MiB of weights':<56}{'':>10}{'goal':>10}")
    path = os.path.join(folder, "small.pt")
    size = write_model(path, 4)
    context = get_context("forkserver")
    processes = ProcessPoolExecutor(workers, mp_context=context, initializer=load_here, initargs=(path,))
    with (
        Pool(path, workers, load=[MODEL], threads=1) as pool,
        processes,
        ThreadPoolExecutor(workers, initializer=load_here, initargs=(path,)) as threads,
    ):
        for rows in (1, 256):
            x = torch.ones(rows, size)

            def of_executor(executor: Executor, calls: int, x: torch.Tensor = x) -> list[Any]:
                return list(executor.map(call_here, [x] * calls))

            def of_pool(calls: int, x: torch.Tensor = x) -> list[Any]:
                return list(pool.map(MODEL, [x] * calls))

            found = rates(
                {
                    "processes": functools.partial(of_executor, processes),
                    "threads": functools.partial(of_executor, threads),
                    "pool": of_pool,
                },
                count if rows == 1 else count // 8,
                {
                    "processes": lambda: list(processes._processes or ()),
                    "threads": list,
                    "pool": lambda: pool.state().workers,
                },
            )
            show(found, "pool", f"{rows} x {size} floats", peer="processes")


def http_rows(folder: str, workers: int, count: int) -> None:
    """Print requests a second of ``hermpkg serve`` beside a bare uvicorn that calls the model in a thread."""
    path = os.path.join(folder, "small.pt")
    size = int((4 * MIB / 4) ** 0.5)
    inputs = [{"name": "input", "datatype": "FP32", "shape": [1, size], "data": [1.0] * size}]
    body = json.dumps({"inputs": inputs})
    print(f"\n{'requests a second, JSON of ' + str(size) + ' numbers':<56}{'':>10}{'goal':>10}")
    serve = [sys.executable, "-m", "hermpkg_build", "serve", path, "-q", "--workers", str(workers), "--port"]
    bare = [sys.executable, "-c", UVICORN, path]
    servers = {PORTS["uvicorn and an importer"]: bare, PORTS["hermpkg serve"]: serve}
    with ExitStack() as stack:
        started: dict[int, int] = {}
        for port, words in servers.items():
            process = subprocess.Popen([*words, str(port)], stdout=subprocess.DEVNULL)
            stack.enter_context(process)
            stack.callback(process.terminate)
            wait_for(port)
            started[port] = process.pid
        found = rates(
            {name: functools.partial(send_many, port, body) for name, port in PORTS.items()},
            count,
            {
                name: functools.partial(lambda number: [number, *below(number)], started[port])
                for name, port in PORTS.items()
            },
        )
    show(found, "hermpkg serve", "requests", peer="uvicorn and an importer", share=0.85)


def wait_for(port: int) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(OSError):
            http.client.HTTPConnection("127.0.0.1", port).connect()
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens at port {port}")


def send_many(port: int, body: str, count: int, clients: int = 4) -> None:
    """Send about so many requests from several threads."""

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(-(-count // clients)):
            connection.request("POST", "/v2/models/small/infer", body)
            response = connection.getresponse()
            response.read()
            assert response.status == 200
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def go_first() -> None:
    """Let Linux give this session the processors before others, so that what these do is not measured.

    On a busy machine processes that wait for each other often get several times the processor time of those
    that work through, as others give way to whoever wakes up.
    """
    Path("/proc/self/autogroup").write_text("-20")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--mebibytes", type=int, default=1024, help="size of the weights whose memory is measured"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="workers, processes and threads that are compared"
    )
    parser.add_argument("--calls", type=int, default=600, help="calls of each of nine rounds")
    parser.add_argument(
        "--first", action="store_true", help="go before all other sessions of the machine (Linux, as root)"
    )
    options = parser.parse_args()
    if options.first and os.getsid(0) != os.getpid():
        sys.exit(subprocess.run([sys.executable, *sys.argv], start_new_session=True, check=False).returncode)
    if options.first:
        go_first()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if sys.platform == "linux":
            path = os.path.join(folder, "large.pt")
            memory_rows(path, options.mebibytes, write_model(path, options.mebibytes))
        throughput_rows(folder, options.workers, options.calls)
        http_rows(folder, options.workers, options.calls // 2)


if __name__ == "__main__":
    main()

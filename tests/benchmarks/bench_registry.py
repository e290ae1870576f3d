"""An artifact pushed to a registry and pulled again, whole and as a new version, beside curl."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count

from scratch import clear
from table import Goal, show, timed

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.registry.pull import Pulled, pull
from hermpkg_build.registry.push import Pushed, push
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.server import Connection
from hermpkg_build.store.cache import open_cache

_CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: "{folder}/data"}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
_RECORD_MIB = 16
_MOST_MOVED = 1.1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="how large the artifact is, in MiB")
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is timed")
    parser.add_argument("--folder", help="where to work; its file system is what is measured")
    options = parser.parse_args(arguments)
    if not shutil.which("docker-registry") or not shutil.which("curl"):
        print("skipped, for there is no docker-registry or no curl")
        return 0
    with tempfile.TemporaryDirectory(prefix="bench registry ", dir=options.folder) as folder:
        one, two = (os.path.join(folder, name) for name in ("one.pt", "two.pt"))
        _write(folder, one, options.mib // _RECORD_MIB, changed=False)
        _write(folder, two, options.mib // _RECORD_MIB, changed=True)
        with _running(folder) as host:
            _measure(folder, host, one, two, options.rounds)
    return 0


def _measure(folder: str, host: str, one: str, two: str, rounds: int) -> None:
    names = (f"net{number}" for number in count())
    base, local = f"http://{host}/v2/curl", os.path.join(folder, "local")
    digest = hash_file(one)[0]
    subjects: dict[str, str] = {}

    def curl_up() -> None:
        subprocess.run(["sha256sum", one], check=True, stdout=subprocess.DEVNULL)
        _curl_up(f"http://{host}/v2/{next(names)}", one, digest.hash)

    def push_whole() -> Pushed:
        subjects["name"] = next(names)
        return push(one, Reference.parse(f"oci://{host}/{subjects['name']}:1"), Connection())

    def push_new() -> Pushed:
        # The repository that was pushed to last has one version, and not yet the other.
        return push(two, Reference.parse(f"oci://{host}/{subjects['name']}:2"), Connection())

    size = os.path.getsize(one) >> 20
    rows = timed({"sha256sum, curl": curl_up, "push": push_whole, "push a new version": push_new}, rounds)
    goals = {"push": Goal(most=1.2), "push a new version": Goal(most=1.0)}
    show(f"Pushing {size} MiB, and a new version with {_RECORD_MIB} MiB changed", rows, goals)
    push_whole()
    _show_moved(push_new().moved_bytes)
    _curl_up(base, one, digest.hash)
    _pulling(host, subjects["name"], local, digest.hash, rounds)


def _pulling(host: str, name: str, local: str, digest: str, rounds: int) -> None:
    source, target = f"http://{host}/v2/curl/blobs/sha256:{digest}", os.path.join(local, "file.pt")
    moved: list[int] = []

    def curl_down() -> None:
        clear(local)
        subprocess.run(["curl", "-sfL", "-o", target, source], check=True)
        subprocess.run(["sha256sum", target], check=True, stdout=subprocess.DEVNULL)

    def pulled(tag: str) -> Pulled:
        with closing(open_cache(os.path.join(local, "cache"))) as cache:
            return pull(Reference.parse(f"oci://{host}/{name}:{tag}"), target, Connection(), cache)

    def pull_whole() -> None:
        clear(local)
        pulled("1")

    def pull_new() -> None:
        moved.append(pulled("2").moved_bytes)

    rows: dict[str, Callable[[], object]] = {
        "curl, sha256sum": curl_down,
        "pull": pull_whole,
        "pull a new version": pull_new,
    }
    goals = {"pull": Goal(most=1.2), "pull a new version": Goal(most=1.0)}
    show("Pulling the same", timed(rows, rounds), goals)
    _show_moved(moved[-1])


def _show_moved(size: int) -> None:
    """Print how many bytes a new version took beside those that changed."""
    share = size / (_RECORD_MIB << 20)
    missed = "   MISSED" if share > _MOST_MOVED else ""
    print(f"bytes moved for the new version: {share:.3f} x what changed   goal {_MOST_MOVED}{missed}")


def _write(folder: str, path: str, records: int, *, changed: bool) -> None:
    """An artifact whose large records are random, all but one the same in both versions."""
    parts = []
    for number in range(records):
        version = "b" if changed and number == records // 2 else "a"
        part = os.path.join(folder, f"part{number}{version}")
        if not os.path.exists(part):
            with open(part, "wb") as file:
                file.write(os.urandom(_RECORD_MIB << 20))
        content = FileSlice(path=part, size=_RECORD_MIB << 20)
        parts.append(Record(name=f".data/{number}.storage", content=content))
    small = [Record(name=f"net/m{number}.py", content=b"x = 1\n" * number) for number in range(300)]
    more = [Record(name=".data/version", content=b"6\n"), Record(name=".data/extern_modules", content=b"")]
    write_archive(path, root="net", records=[*parts, *small, *more])


def _curl_up(repository: str, path: str, digest: str) -> None:
    """Upload a file in one request, as curl does."""
    begun = subprocess.run(
        ["curl", "-sf", "-X", "POST", "-D", "-", f"{repository}/blobs/uploads/"],
        check=True,
        capture_output=True,
    )
    head = begun.stdout.decode().splitlines()
    place = next(line.split(": ", 1)[1].strip() for line in head if line.lower().startswith("location:"))
    words = ["-H", "Content-Type: application/octet-stream", "-T", path, f"{place}&digest=sha256:{digest}"]
    subprocess.run(["curl", "-sf", *words], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _running(folder: str) -> Iterator[str]:
    """The host of a registry that keeps what it gets in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = os.path.join(folder, "config.yml")
    with open(configuration, "w") as file:
        file.write(_CONFIG.format(folder=folder, port=port))
    server = subprocess.Popen(["docker-registry", "serve", configuration], stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())

"""A large blob over the loopback from buildbox-casd into the store, beside plain reads of the same stream."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from scratch import clear
from table import Goal, show, timed

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.remote.grpc.library import grpc
from hermpkg_build.remote.grpc.methods import READ
from hermpkg_build.remote.grpc.transport import GrpcTransport
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

CASD = Path(__file__).parents[1] / "remote/casd/2.8.1/buildbox-casd"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="how large the blob is, in MiB")
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is timed")
    parser.add_argument("--folder", help="where to work; its file system is what is measured")
    options = parser.parse_args(arguments)
    if not CASD.exists():
        print("gRPC: skipped, for there is no buildbox-casd: make machine installs it")
        return 0
    with tempfile.TemporaryDirectory(prefix="bench remote ", dir=options.folder) as folder:
        path, local = os.path.join(folder, "blob"), os.path.join(folder, "local")
        with open(path, "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(options.mib))
        blob = Blob(digest=hash_file(path)[0], path=path)
        with _casd(os.path.join(folder, "casd")) as port:
            transport = GrpcTransport(RemoteSettings(cache=f"grpc://127.0.0.1:{port}"))
            transport.upload([blob])
            rows = timed(
                _fetching(transport, port, blob.digest, local),
                options.rounds,
                before=lambda: clear(local),
            )
            transport.close()
    goals = {"download (into the store, verified)": Goal(most=1.2)}
    show(f"Fetching {options.mib} MiB from buildbox-casd", rows, goals)
    return 0


def _fetching(
    transport: GrpcTransport, port: int, digest: Digest, local: str
) -> dict[str, Callable[[], object]]:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def read() -> Iterator[bytes]:
        responses = channel.unary_stream(
            READ.path,
            request_serializer=READ.request.SerializeToString,
            response_deserializer=READ.response.FromString,
        )(messages.ReadRequest(resource_name=f"blobs/{digest}"))
        return (response.data for response in responses)

    def forget() -> None:
        assert sum(map(len, read())) == digest.size

    def write() -> None:
        with open(os.path.join(local, "blob"), "wb", buffering=0) as file:
            file.writelines(read())

    def write_and_check() -> None:
        write()
        assert hash_file(os.path.join(local, "blob"))[0] == digest

    return {
        "Read, bytes dropped": forget,
        "Read into a file": write,
        "Read into a file, then SHA-256": write_and_check,
        "download (into the store, verified)": lambda: transport.download(
            [digest], ContentStore(os.path.join(local, "store"))
        ),
    }


@contextmanager
def _casd(folder: str) -> Iterator[int]:
    """The port of a server that keeps its blobs in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen([str(CASD), f"--bind=127.0.0.1:{port}", folder], stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield port
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())

"""A large blob over the loopback, fetched and uploaded, beside curl doing the same: a table each."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from scratch import clear, fill
from table import Goal, show, timed

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.remote.http.transport import HttpTransport
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

_ONE_STREAM = "curl, file and SHA-256 in one stream"
_FETCHING_GOALS = {"download (into the store, verified)": Goal(most=1.1, of=(_ONE_STREAM,))}
_NGINX = """
{user}
daemon off;
worker_processes 1;
pid "{folder}/nginx.pid";
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path "{folder}/incoming";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    server {{
        listen 127.0.0.1:{port};
        location / {{
            root "{folder}";
            dav_methods PUT;
            create_full_put_path on;
            client_max_body_size 0;
        }}
    }}
}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="how large the blob is, in MiB")
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is timed")
    parser.add_argument("--folder", help="where to work; its file system is what is measured")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench remote ", dir=options.folder) as folder:
        path = os.path.join(folder, "blob")
        fill(path, options.mib)
        _http(folder, Blob(digest=hash_file(path)[0], path=path), options.rounds)
    return 0


def _http(folder: str, blob: Blob, rounds: int) -> None:
    """Both ways through nginx; what is fetched is in the page cache, as it is for all of them."""
    if not shutil.which("nginx") or not shutil.which("curl"):
        print("HTTP: skipped, for there is no nginx or no curl")
        return
    local = os.path.join(folder, "local")
    with running_nginx(os.path.join(folder, "http")) as url:
        subprocess.run(["curl", "-sf", "-T", blob.path, _url_of(url, blob.digest)], check=True)
        rows = timed(_fetching(url, blob.digest, local), rounds, before=lambda: clear(local))
        show(f"Fetching {blob.digest.size >> 20} MiB from nginx", rows, _FETCHING_GOALS)
        rows = timed(_uploading(url, blob), rounds, before=lambda: clear(local))
        show(f"Uploading {blob.digest.size >> 20} MiB to nginx", rows)


def _fetching(url: str, digest: Digest, local: str) -> dict[str, Callable[[], object]]:
    source, target = _url_of(url, digest), os.path.join(local, "blob")

    def fetch() -> None:
        transport = HttpTransport(RemoteSettings(cache=url))
        content = ContentStore(os.path.join(local, "store"))
        assert not transport.download([digest], content)
        transport.close()

    def curl_and_check() -> None:
        subprocess.run(["curl", "-sf", "-o", target, source], check=True)
        assert hash_file(target)[0] == digest

    def curl_beside_check() -> None:
        with (
            open(target, "wb") as file,
            subprocess.Popen(["curl", "-sf", source], stdout=subprocess.PIPE) as curl,
        ):
            sha256 = hashlib.sha256()
            assert curl.stdout is not None
            while piece := curl.stdout.read(1 << 20):
                sha256.update(piece)
                file.write(piece)
        assert sha256.hexdigest() == digest.hash

    return {
        "curl -o": lambda: subprocess.run(["curl", "-sf", "-o", target, source], check=True),
        _ONE_STREAM: curl_beside_check,
        "curl -o, then SHA-256": curl_and_check,
        "download (into the store, verified)": fetch,
    }


def _uploading(url: str, blob: Blob) -> dict[str, Callable[[], object]]:
    target = _url_of(url, blob.digest)

    def upload() -> None:
        transport = HttpTransport(RemoteSettings(cache=url))
        transport.upload([blob])
        transport.close()

    return {
        "curl -T": lambda: subprocess.run(["curl", "-sf", "-T", blob.path, target], check=True),
        "upload (checked on the way)": upload,
    }


@contextmanager
def running_nginx(folder: str) -> Iterator[str]:
    """The URL of an nginx that keeps what is put in `folder`."""
    os.mkdir(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = os.path.join(folder, "nginx.conf")
    with open(configuration, "w") as file:
        file.write(_NGINX.format(folder=folder, port=port, user="user root;" if os.geteuid() == 0 else ""))
    errors = os.path.join(folder, "errors")
    server = subprocess.Popen(["nginx", "-p", folder, "-e", errors, "-c", configuration])
    try:
        while server.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}/cache"
    finally:
        server.terminate()
        server.wait()


def _url_of(url: str, digest: Digest) -> str:
    return f"{url}/cas/{digest.hash}"


if __name__ == "__main__":
    sys.exit(main())

"""A server that asks nobody who they are, behind the nginx of docs/how-to/share-a-cache.md, which does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

LARGE = os.urandom(9 << 20)
DIGESTS = {Digest.of(data): data for data in (LARGE, b"x", b"")}
ACTION = Digest.of(b"an action")

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/share-a-cache.md"

CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log";
events {{ }}
http {{
    access_log off;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    include "{folder}/documented.conf";
}}
"""


def documented(changes: Mapping[str, str]) -> str:
    """The page's configuration for gRPC, with what only this machine has in it."""
    blocks = re.findall(r"^```nginx\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    [text] = (block for block in blocks if "grpc_pass" in block)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def guarded(start_casd: Any, certificates: Any, listener: Any, tmp_path: Path) -> Iterator[str]:
    """The URL of a cache that wants the token "s3cret"."""
    if not shutil.which("nginx") or not shutil.which("openssl"):
        pytest.skip("there is no nginx, or no openssl: make machine installs nginx")
    certificates.authority("own")
    certificate, key = certificates.signed("server", "own")
    port = listener.free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=tmp_path,
        )
    )
    changes = {
        "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/nginx/cache.pem": str(certificate),
        "/etc/nginx/cache.key": str(key),
        "127.0.0.1:8980": f"127.0.0.1:{start_casd('2.8.1').port}",
        "TOKEN": "s3cret",
    }
    (tmp_path / "documented.conf").write_text(documented(changes))
    server = subprocess.Popen(
        ["nginx", "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(configuration)]
    )
    try:
        listener.wait_for_port(port, lambda: server.poll() is None)
        yield f"grpcs://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def test_who_has_the_token_shares(
    guarded: str, connect: Any, certificates: Any, content: ContentStore, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    cache = connect(guarded, ca_file=str(certificates.folder / "own.pem"), token_file=str(tmp_path / "token"))

    cache.upload([Blob(digest=digest, data=data) for digest, data in DIGESTS.items()])
    cache.put_result(ACTION, messages.ActionResult(exit_code=1).SerializeToString())

    assert cache.missing(DIGESTS) == set()
    assert cache.download(DIGESTS, content) == set()
    assert {digest: content.get_bytes(digest) for digest in DIGESTS} == DIGESTS
    assert cache.get_result(ACTION) == messages.ActionResult(exit_code=1).SerializeToString()


def test_who_has_not_is_told(guarded: str, connect: Any, certificates: Any) -> None:
    with pytest.raises(RemoteError) as caught:
        connect(guarded, ca_file=str(certificates.folder / "own.pem")).missing(DIGESTS)

    assert caught.value.kind == "denied"
    assert "401" in caught.value.reason

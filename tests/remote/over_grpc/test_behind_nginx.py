"""A server that asks nobody who they are, behind an nginx that does: over TLS, with a token."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.store.cas import ContentStore
from hermpkg_build.store.remote import messages
from hermpkg_build.store.remote.failures import RemoteError
from hermpkg_build.store.remote.transport import Blob

LARGE = os.urandom(9 << 20)
DIGESTS = {Digest.of(data): data for data in (LARGE, b"x", b"")}
ACTION = Digest.of(b"an action")

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
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate "{certificate}";
        ssl_certificate_key "{key}";
        client_max_body_size 0;
        location / {{
            if ($http_authorization != "Bearer s3cret") {{ return 401; }}
            grpc_pass grpc://127.0.0.1:{behind};
            grpc_read_timeout 1h;
        }}
    }}
}}
"""


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
            port=port,
            behind=start_casd("2.8.1").port,
            certificate=certificate,
            key=key,
        )
    )
    server = subprocess.Popen(
        ["nginx", "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(configuration)]
    )
    listener.wait_for_port(port, lambda: server.poll() is None)
    yield f"grpcs://127.0.0.1:{port}"
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

"""The configurations of docs/how-to/share-a-cache.md, as they stand there but for ports and folders."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.transport import Blob

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/share-a-cache.md"
KEY = Digest.of(b"an action")
DATA = bytes(range(256)) * 1000
BLOB = Blob(digest=Digest.of(DATA), data=DATA)

NGINX = """
{user}
daemon off;
worker_processes 1;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log";
events {{ }}
http {{
    access_log off;
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    include "{folder}/documented.conf";
}}
"""
APACHE = """
ServerRoot "{folder}"
ServerName localhost
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/error.log"
{user}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule dav_module /usr/lib/apache2/modules/mod_dav.so
LoadModule dav_fs_module /usr/lib/apache2/modules/mod_dav_fs.so
DavLockDB "{folder}/locks"
Include "{folder}/documented.conf"
"""


def documented(language: str, changes: Mapping[str, str]) -> str:
    """The configuration in the page's first block of this language, with what only this machine has in it."""
    text, *_ = re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def writers(folder: Path) -> Path:
    """The file of those who may write, as the page makes it; the password is "secret"."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a password with")
    made = subprocess.run(
        ["openssl", "passwd", "-apr1", "secret"], check=True, capture_output=True, text=True
    )
    path = folder / "writers"
    path.write_text(f"ci:{made.stdout}")
    return path


def check_that_only_ci_writes(new_transport, content, port: int) -> None:
    everybody = new_transport(f"http://127.0.0.1:{port}")
    for write in (lambda: everybody.upload([BLOB]), lambda: everybody.put_result(KEY, b"result")):
        with pytest.raises(RemoteError) as caught:
            write()
        assert caught.value.kind == "denied"
    assert everybody.missing([BLOB.digest]) == {BLOB.digest}
    ci = new_transport(f"http://ci:secret@127.0.0.1:{port}")
    ci.upload([BLOB])
    ci.put_result(KEY, b"result")
    assert everybody.missing([BLOB.digest]) == set()
    assert everybody.get_result(KEY) == b"result"
    assert everybody.download([BLOB.digest], content) == set()
    assert content.get_bytes(BLOB.digest) == DATA


def test_nginx(start_server: Callable, unused_port: int, public_folder: Path, new_transport, content) -> None:
    if not shutil.which("nginx"):
        pytest.skip("there is no nginx: make machine installs it")
    storage = public_folder / "storage"
    storage.mkdir()
    changes = {
        "127.0.0.1:8080": f"127.0.0.1:{unused_port}",
        "/srv/hermpkg-cache": str(storage),
        "/etc/nginx/hermpkg-writers": str(writers(public_folder)),
    }
    (public_folder / "documented.conf").write_text(documented("nginx", changes))
    user = "user root;" if os.geteuid() == 0 else ""
    main = public_folder / "nginx.conf"
    main.write_text(NGINX.format(user=user, folder=public_folder))
    command = ["nginx", "-p", str(public_folder), "-e", str(public_folder / "error.log"), "-c", str(main)]
    start_server(command, public_folder, storage, unused_port)
    check_that_only_ci_writes(new_transport, content, unused_port)


def test_apache(
    start_server: Callable, unused_port: int, public_folder: Path, new_transport, content
) -> None:
    program = shutil.which("apache2") or shutil.which("httpd")
    if not program or not Path("/usr/lib/apache2/modules").is_dir():
        pytest.skip("there is no Apache httpd: make machine installs it")
    storage = public_folder / "storage"
    folders = [storage, storage / "ac", storage / "cas"]
    for path in folders:
        path.mkdir()
    user = ""
    if os.geteuid() == 0:
        user = "User www-data\nGroup www-data"
        for path in (public_folder, *folders):
            shutil.chown(path, "www-data", "www-data")
    changes = {
        "127.0.0.1:8081": f"127.0.0.1:{unused_port}",
        "/srv/hermpkg-cache": str(storage),
        "/etc/apache2/hermpkg-writers": str(writers(public_folder)),
    }
    (public_folder / "documented.conf").write_text(documented("apache", changes))
    main = public_folder / "httpd.conf"
    main.write_text(APACHE.format(user=user, folder=public_folder))
    start_server([program, "-X", "-f", str(main)], public_folder, storage, unused_port)
    check_that_only_ci_writes(new_transport, content, unused_port)

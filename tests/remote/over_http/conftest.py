"""Real HTTP servers on this machine: nginx and Apache httpd, each in a folder of its own on a free port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.disk.processes import kill_group
from hermpkg_build.remote.http.transport import HttpTransport
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.store.content import ContentStore

NGINX = """
{user}
daemon off;
worker_processes 1;
pid "{folder}/nginx.pid";
error_log "{folder}/error.log";
events {{ worker_connections 256; }}
http {{
    log_format asked "$request_method $status $http_range";
    access_log "{folder}/access.log" asked;
    client_body_temp_path "{storage}/.incoming";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    {http}
    server {{
        listen 127.0.0.1:{port}{tls};
        {server}
        location /cache/ {{
            root "{storage}";
            dav_methods PUT;
            create_full_put_path on;
            client_max_body_size {most};
            {location}
        }}
    }}
}}
"""

APACHE = """
ServerRoot "{folder}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/error.log"
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authn_file_module {modules}/mod_authn_file.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_basic_module {modules}/mod_auth_basic.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
DocumentRoot "{storage}"
DavLockDB "{folder}/locks"
<Directory "{storage}">
    Dav On
    {access}
</Directory>
"""


@dataclass
class HttpServer:
    """A server process with its folder, which stays from one start to the next."""

    command: list[str]
    folder: Path
    storage: Path
    port: int
    listener: Any
    scheme: str = "http"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/cache"

    def start(self) -> HttpServer:
        with open(self.folder / "said", "ab") as said:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        self.listener.wait_for_port(self.port, self._runs)
        return self

    def _runs(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "said").read_text()
        return True

    def kill(self) -> None:
        """End it and its children without a word to those who are connected."""
        if self.process is not None and self.process.poll() is None:
            # Whatever of it is left serves on, has the port, and writes to a folder that is being removed.
            kill_group(self.process)
            self.process = None

    def asked(self) -> list[str]:
        """Method, status and range of each request that was answered."""
        return (self.folder / "access.log").read_text().splitlines()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can enter, for servers that become one."""
    folder = tempfile.mkdtemp(prefix="hermpkg-http-")
    os.chmod(folder, 0o755)
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_server(listener: Any) -> Iterator[Callable[..., HttpServer]]:
    """Starts a server of a configuration that the test has written."""
    servers: list[HttpServer] = []

    def start(command: list[str], folder: Path, storage: Path, port: int) -> HttpServer:
        servers.append(HttpServer(command, folder, storage, port, listener))
        return servers[-1].start()

    yield start
    for each in servers:
        each.kill()


@pytest.fixture
def unused_port(listener: Any) -> int:
    return int(listener.free_port())


@pytest.fixture
def start_nginx(public_folder: Path, listener: Any) -> Iterator[Callable[..., HttpServer]]:
    """Starts an nginx; what its configuration has beyond that of a cache is given in nginx's words."""
    if not shutil.which("nginx"):
        pytest.skip("there is no nginx: make machine installs it")
    servers: list[HttpServer] = []

    def start(
        *,
        storage: Path | None = None,
        tls: bool = False,
        http: str = "",
        server: str = "",
        location: str = "",
        most: str = "0",
    ) -> HttpServer:
        folder = public_folder / f"nginx{len(servers)}"
        folder.mkdir()
        storage = storage or folder / "storage"
        storage.mkdir(exist_ok=True)
        port = listener.free_port()
        (folder / "nginx.conf").write_text(
            NGINX.format(
                user="user root;" if os.geteuid() == 0 else "",
                folder=folder,
                storage=storage,
                http=http,
                port=port,
                tls=" ssl" if tls else "",
                server=server,
                location=location,
                most=most,
            )
        )
        command = [
            "nginx",
            "-p",
            str(folder),
            "-e",
            str(folder / "error.log"),
            "-c",
            str(folder / "nginx.conf"),
        ]
        scheme = "https" if tls else "http"
        servers.append(HttpServer(command, folder, storage, port, listener, scheme))
        return servers[-1].start()

    yield start
    for each in servers:
        each.kill()


@pytest.fixture
def start_apache(public_folder: Path, listener: Any) -> Iterator[Callable[..., HttpServer]]:
    """Starts an Apache httpd whose WebDAV module keeps what is put; `access` says who may."""
    program = shutil.which("apache2") or shutil.which("httpd")
    modules = Path("/usr/lib/apache2/modules")
    if not program or not modules.is_dir():
        pytest.skip("there is no Apache httpd: make machine installs it")
    servers: list[HttpServer] = []

    def start(*, access: str = "Require all granted", folders: tuple[str, ...] = ("ac", "cas")) -> HttpServer:
        folder = public_folder / f"apache{len(servers)}"
        storage = folder / "storage"
        made = [folder, storage, storage / "cache", *(storage / "cache" / name for name in folders)]
        for path in made:
            path.mkdir()
        user = ""
        if os.geteuid() == 0:
            user = "User www-data\nGroup www-data"
            for path in made:
                shutil.chown(path, "www-data", "www-data")
        port = listener.free_port()
        (folder / "httpd.conf").write_text(
            APACHE.format(
                folder=folder, storage=storage, port=port, user=user, modules=modules, access=access
            )
        )
        command = [program, "-X", "-f", str(folder / "httpd.conf")]
        servers.append(HttpServer(command, folder, storage, port, listener))
        return servers[-1].start()

    yield start
    for each in servers:
        each.kill()


@pytest.fixture
def new_transport() -> Iterator[Callable[..., HttpTransport]]:
    transports: list[HttpTransport] = []

    def connect(url: str, **more: Any) -> HttpTransport:
        transports.append(HttpTransport(RemoteSettings(cache=url, **{"timeout_s": 60.0, **more})))
        return transports[-1]

    yield connect
    for transport in transports:
        transport.close()


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(str(tmp_path / "store"))


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of eight mebibytes."""
    folder = tempfile.mkdtemp(prefix="small disk ")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "hermpkg-test", folder]
    if not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        os.rmdir(folder)
        pytest.skip("mounting a small file system takes rights that this user does not have")
    yield Path(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)
    os.rmdir(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files: a certificate authority, and what it has signed for the server and for a client."""

    ca: str
    server: str
    server_key: str
    client: str
    client_key: str

    @property
    def served(self) -> str:
        """What nginx is told to show itself with them."""
        return f"ssl_certificate {self.server}; ssl_certificate_key {self.server_key};"


@pytest.fixture(scope="session")
def new_certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Certificates]:
    """Makes an authority, and certificates of it for a client and for a server of the given name."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make certificates with")

    def make(name: str) -> Certificates:
        folder = tmp_path_factory.mktemp("certificates")

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA")
        for who, more in (("server", f"subjectAltName={name}"), ("client", "extendedKeyUsage=clientAuth")):
            openssl("req", *new_key, "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}")
            (folder / f"{who}.ext").write_text(more)
            signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{who}.ext"]
            openssl("x509", "-req", "-in", f"{who}.csr", "-out", f"{who}.pem", *signed)
        return Certificates(
            ca=str(folder / "ca.pem"),
            server=str(folder / "server.pem"),
            server_key=str(folder / "server.key"),
            client=str(folder / "client.pem"),
            client_key=str(folder / "client.key"),
        )

    return make


@pytest.fixture(scope="session")
def certificates(new_certificates: Callable[[str], Certificates]) -> Certificates:
    return new_certificates("IP:127.0.0.1")

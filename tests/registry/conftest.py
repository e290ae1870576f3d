"""A real registry on this machine, Debian's docker-registry, with or without a login, plain or over TLS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermpkg_build.disk.processes import kill_group

_START_S = 60.0

CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{folder}/data"}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  {tls}
{auth}
"""


class RealRegistry:
    """One registry with its folder, which stays from one start to the next."""

    def __init__(self, folder: Path, *, tls: bool = False, password_file: str = "") -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        auth = f'auth:\n  htpasswd: {{realm: here, path: "{password_file}"}}' if password_file else ""
        pair = f'tls: {{certificate: "{folder}/cert.pem", key: "{folder}/key.pem"}}' if tls else ""
        (folder / "config.yml").write_text(
            CONFIG.format(folder=folder, port=self.port, tls=pair, auth=auth), encoding="utf-8"
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def start(self) -> RealRegistry:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", str(self.folder / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + _START_S
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.02)
            else:
                return self

    def kill(self) -> None:
        """End it without a word to those who are connected."""
        if self.process is not None and self.process.poll() is None:
            kill_group(self.process)
            self.process.wait()


@pytest.fixture
def make_registry() -> Iterator[Callable[..., RealRegistry]]:
    if not shutil.which("docker-registry"):
        pytest.skip("there is no docker-registry: sh tests/registry/install.sh")
    made: list[RealRegistry] = []

    def make(**options: object) -> RealRegistry:
        folder = Path(tempfile.mkdtemp(prefix="registry-"))
        if options.get("tls"):
            names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
            subprocess.run(
                [
                    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                    *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names),
                    *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
                ],
                check=True,
                capture_output=True,
            )
        made.append(RealRegistry(folder, **options))
        return made[-1].start()

    yield make
    for each in made:
        each.kill()
        shutil.rmtree(each.folder)


@pytest.fixture(autouse=True)
def nobody_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's folder of this test; a cache of its own too."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "cache"))
    os.mkdir(tmp_path / "docker")
    return tmp_path / "docker"

"""Pushed to a real registry, copied by another program, pulled again: the same file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.cli.main import main
from hermpkg_build.core.digest import Digest
from hermpkg_build.registry import pull as pull_module
from hermpkg_build.registry import uploads
from hermpkg_build.registry.pull import pull
from hermpkg_build.registry.push import push
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.referrers import Attachment
from hermpkg_build.registry.server import Connection
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.store.cache import open_cache

ATTACHED = [Attachment(ending=".sig", data=b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}')]
# bcrypt of "s3cret"
PASSWORDS = "me:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n"


def write_model(path: Path, seed: int = 0) -> str:
    records = {
        ".data/version": b"6\n",
        ".data/extern_modules": b"torch\n",
        **{f"net/m{number}.py": b"x = %d\n" % number for number in range(50)},
        **{f".data/{number}.storage": random.Random(number).randbytes(1 << 20) for number in range(8)},
        ".data/8.storage": random.Random(f"{seed}").randbytes(1 << 20),
    }
    write_archive(str(path), root="net", records=[Record(name=n, content=c) for n, c in records.items()])
    return str(path)


def pulled(reference: Reference, path: Path, connection: Connection | None = None) -> Any:
    with closing(open_cache(os.environ["HERMPKG_CACHE_DIR"])) as cache:
        return pull(reference, str(path), connection or Connection(), cache)


def test_there_and_back_with_what_refers_to_it(make_registry: Any, tmp_path: Path) -> None:
    registry = make_registry()
    one, two = write_model(tmp_path / "one.pt"), write_model(tmp_path / "two.pt", seed=1)
    first = push(one, Reference.parse(f"oci://{registry.host}/net:1"), Connection(), attachments=ATTACHED)
    second = push(two, Reference.parse(f"oci://{registry.host}/net:2"), Connection())
    assert second.moved_bytes < 1.1 * (1 << 20)
    back = pulled(first.reference, tmp_path / "back.pt")
    assert (tmp_path / "back.pt").read_bytes() == Path(one).read_bytes()
    assert back.attachments == ATTACHED
    assert pulled(second.reference, tmp_path / "back.pt").moved == 2
    assert (tmp_path / "back.pt").read_bytes() == Path(two).read_bytes()


def test_layers_come_from_another_repository(make_registry: Any, tmp_path: Path) -> None:
    registry = make_registry()
    path = write_model(tmp_path / "one.pt")
    push(path, Reference.parse(f"oci://{registry.host}/team/net:1"), Connection())
    there = Reference.parse(f"oci://{registry.host}/release/net:1")
    pushed = push(path, there, Connection(), mount_from="team/net")
    assert pushed.moved == 0
    pulled(there, tmp_path / "back.pt")
    assert (tmp_path / "back.pt").read_bytes() == Path(path).read_bytes()


def test_another_program_copies_it(make_registry: Any, tmp_path: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("there is no skopeo: sh tests/registry/install.sh")
    registry, other = make_registry(), make_registry()
    path = write_model(tmp_path / "one.pt")
    pushed = push(path, Reference.parse(f"oci://{registry.host}/net:1"), Connection())
    copy = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
    folder = tmp_path / "layout"
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    for source, target in (
        (f"docker://{registry.host}/net:1", f"oci:{folder}:1"),
        (f"oci:{folder}:1", f"docker://{other.host}/copied/net:1"),
    ):
        subprocess.run([*copy, "--policy", str(policy), source, target], check=True, capture_output=True)
    back = pulled(Reference.parse(f"oci://{other.host}/copied/net:1"), tmp_path / "back.pt")
    assert (tmp_path / "back.pt").read_bytes() == Path(path).read_bytes()
    assert back.reference.sha256 == pushed.reference.sha256


def test_oras_reads_manifest_and_layers(make_registry: Any, tmp_path: Path) -> None:
    client = pytest.importorskip("oras.client")
    registry = make_registry()
    path = write_model(tmp_path / "one.pt")
    push(path, Reference.parse(f"oci://{registry.host}/net:1"), Connection())
    oras = client.OrasClient(insecure=True, hostname=registry.host)
    manifest = oras.get_manifest(f"{registry.host}/net:1")
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    container = oras.get_container(f"{registry.host}/net:1")
    for layer in manifest["layers"]:
        data = oras.get_blob(container, layer["digest"]).content
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == layer["digest"]


def test_a_login_is_needed_and_enough(make_registry: Any, tmp_path: Path, nobody_logged_in: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(PASSWORDS)
    registry = make_registry(password_file=str(passwords))
    path = write_model(tmp_path / "one.pt")
    reference = Reference.parse(f"oci://{registry.host}/net:1")
    with pytest.raises(RemoteError, match="docker login"):
        push(path, reference, Connection())
    auth = base64.b64encode(b"me:s3cret").decode()
    (nobody_logged_in / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    push(path, reference, Connection())
    pulled(reference, tmp_path / "back.pt")
    assert (tmp_path / "back.pt").read_bytes() == Path(path).read_bytes()


def test_over_tls_by_certificates_of_its_own(
    make_registry: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = make_registry(tls=True)
    path = write_model(tmp_path / "one.pt")
    reference = f"oci://{registry.host}/net:1"
    assert main(["push", path, reference]) == 36
    assert "--registry-ca" in capsys.readouterr().err
    certificate = str(registry.folder / "cert.pem")
    assert main(["push", path, reference, "--registry-ca", certificate]) == 0
    assert main(["pull", reference, "-o", str(tmp_path / "back.pt"), "--registry-ca", certificate]) == 0
    assert (tmp_path / "back.pt").read_bytes() == Path(path).read_bytes()


def test_a_push_goes_on_when_the_registry_was_killed(
    make_registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "CHUNK", 256 << 10)
    monkeypatch.setattr(uploads, "_ALONE", 128 << 10)
    registry = make_registry()
    sent = uploads._Session.send
    killed: list[bool] = []

    def send(session: Any, *arguments: Any) -> None:
        if session.received and not killed:
            killed.append(True)
            registry.kill()
            registry.start()
        sent(session, *arguments)

    monkeypatch.setattr(uploads._Session, "send", send)
    path = write_model(tmp_path / "one.pt")
    reference = Reference.parse(f"oci://{registry.host}/net:1")
    pushed = push(path, reference, Connection())
    assert killed
    assert pushed.moved == pushed.layers
    pulled(reference, tmp_path / "back.pt")
    assert (tmp_path / "back.pt").read_bytes() == Path(path).read_bytes()


def test_several_at_once(make_registry: Any, tmp_path: Path) -> None:
    registry = make_registry()
    paths = [write_model(tmp_path / f"{number}.pt", seed=number) for number in range(3)]
    reference = f"oci://{registry.host}/net"

    def run(words: list[list[str]]) -> None:
        command = [sys.executable, "-m", "hermpkg_build"]
        running = [subprocess.Popen([*command, *each], stdout=subprocess.DEVNULL) for each in words]
        assert [process.wait() for process in running] == [0] * len(running)

    run([["push", path, f"{reference}:{number}"] for number, path in enumerate(paths)])
    run([["pull", f"{reference}:{number}", "-o", f"{path}.back"] for number, path in enumerate(paths)])
    for path in paths:
        assert Path(f"{path}.back").read_bytes() == Path(path).read_bytes()


def test_a_file_of_another_pull_may_be_gone_when_it_is_opened(
    make_registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = Reference.parse(f"oci://{make_registry().host}/net:1")
    path = write_model(tmp_path / "net.pt")
    push(path, reference, Connection())
    in_hand = pull_module.layer_in_hand

    def gone(digest: Digest, cache: Any, *, anywhere: bool) -> FileSlice | None:
        missing = anywhere and digest.hash < "8"
        slice_ = FileSlice(path=str(tmp_path / "gone"), size=digest.size)
        return slice_ if missing else in_hand(digest, cache, anywhere=anywhere)

    monkeypatch.setattr(pull_module, "layer_in_hand", gone)
    pulled(reference, tmp_path / "back.pt")
    assert (tmp_path / "back.pt").read_bytes() == Path(path).read_bytes()


def test_what_was_killed_leaves_nothing_half(make_registry: Any, tmp_path: Path) -> None:
    registry = make_registry()
    path = write_model(tmp_path / "one.pt")
    reference = f"oci://{registry.host}/net:1"
    command = [sys.executable, "-m", "hermpkg_build"]
    for delay in (0.3, 0.5, 0.7):
        process = subprocess.Popen([*command, "push", path, reference], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
    subprocess.run([*command, "push", path, reference], check=True, stdout=subprocess.DEVNULL)
    back = tmp_path / "there" / "back.pt"
    back.parent.mkdir()
    for delay in (0.3, 0.5, 0.7):
        process = subprocess.Popen([*command, "pull", reference, "-o", str(back)], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        assert {each.name for each in back.parent.iterdir()} <= {"back.pt"}
    subprocess.run([*command, "pull", reference, "-o", str(back)], check=True, stdout=subprocess.DEVNULL)
    assert back.read_bytes() == Path(path).read_bytes()

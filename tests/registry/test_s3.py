"""Artifacts in a real S3 server, moto's, as whole files. `make integrations` installs it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.registry.whole_files import pull_whole, push_whole
from hermpkg_build.remote.failures import RemoteError

_INSTALL = "make integrations installs moto, a server of S3"

moto = pytest.importorskip("moto.server", reason=_INSTALL)
boto3 = pytest.importorskip("boto3", reason=_INSTALL)
pytest.importorskip("s3fs", reason=_INSTALL)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="models")
    yield "s3://models"
    server.stop()


def test_there_and_back(bucket: str, tmp_path: Path) -> None:
    path, out = tmp_path / "one.pt", tmp_path / "back.pt"
    # More than one part of an upload in parts.
    weights = Record(name=".data/0.storage", content=random.Random(0).randbytes(60 << 20))
    write_archive(str(path), root="net", records=[weights])
    digest = push_whole(str(path), f"{bucket}/team/one.pt")
    assert pull_whole(f"{bucket}/team/one.pt", str(out), digest.hash) == digest
    assert out.read_bytes() == path.read_bytes()
    with pytest.raises(RemoteError, match="SHA-256"):
        pull_whole(f"{bucket}/team/one.pt", str(out), "0" * 64)
    with pytest.raises(RemoteError, match="FileNotFoundError"):
        pull_whole(f"{bucket}/none.pt", str(out))
    with pytest.raises(RemoteError, match="FileNotFoundError"):
        push_whole(str(path), "s3://no-such-bucket/one.pt")

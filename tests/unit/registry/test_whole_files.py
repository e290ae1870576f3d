"""Artifacts in stores of other kinds, as whole files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.cli.main import main
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.errors import ActionError, CommandLineError, ExitCode, LocalEnvironmentError
from hermpkg_build.registry.whole_files import pull_whole, push_whole
from hermpkg_build.remote.failures import RemoteError

memory = pytest.importorskip("fsspec.implementations.memory")


@pytest.fixture
def url() -> str:
    return f"memory://{uuid.uuid4().hex}/my models/net é.pt"


def test_there_and_back(
    url: str, write_model: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write_model(), tmp_path / "out.pt"
    assert main(["push", path, url, "--json"]) == 0
    pushed = json.loads(capsys.readouterr().out)
    assert pushed["sha256"] == hash_file(path)[0].hash
    assert main(["pull", url, "-o", str(out), "--sha256", pushed["sha256"]]) == 0
    assert out.read_bytes() == Path(path).read_bytes()


def test_another_file_than_was_wanted_is_not_written(
    url: str, write_model: Callable[..., str], tmp_path: Path
) -> None:
    push_whole(write_model(), url)
    out = tmp_path / "out.pt"
    out.write_bytes(b"before")
    with pytest.raises(RemoteError, match="SHA-256"):
        pull_whole(url, str(out), "0" * 64)
    assert out.read_bytes() == b"before"


def test_a_file_that_ends_early_is_not_written(
    url: str, write_model: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_whole(write_model(), url)
    info = memory.MemoryFileSystem.info
    for wrong in (1, -1):
        monkeypatch.setattr(
            memory.MemoryFileSystem,
            "info",
            lambda self, path, wrong=wrong, **more: {"size": info(self, path)["size"] + wrong},
        )
        with pytest.raises(RemoteError, match="bytes came"):
            pull_whole(url, str(tmp_path / "out.pt"))
    assert not (tmp_path / "out.pt").exists()


def test_what_was_stored_is_looked_at(
    url: str, write_model: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model()
    monkeypatch.setattr(memory.MemoryFileSystem, "info", lambda self, path, **more: {"size": 1})
    with pytest.raises(RemoteError, match="1 bytes are there"):
        push_whole(path, url)

    def write_meanwhile(store: Any, source: str, place: str, **more: Any) -> None:
        Path(source).write_bytes(Path(source).read_bytes() + b"more")

    monkeypatch.setattr(memory.MemoryFileSystem, "put_file", write_meanwhile)
    with pytest.raises(ActionError, match="changed"):
        push_whole(path, url)


def test_wrong_urls_are_told(url: str, write_model: Callable[..., str], tmp_path: Path) -> None:
    path, out = write_model(), str(tmp_path / "out.pt")
    with pytest.raises(RemoteError, match="FileNotFoundError"):
        pull_whole(url, out)
    with pytest.raises(CommandLineError, match="no store that is known"):
        pull_whole("nosuchstore://a/b", out)
    with pytest.raises(CommandLineError, match="inside another"):
        push_whole(path, f"simplecache::{url}")
    with pytest.raises(LocalEnvironmentError, match=r"dropbox:// is not installed"):
        push_whole(path, "dropbox://a/b.pt")


@pytest.mark.parametrize(
    "words",
    [
        ["pull", "memory://a/b.pt"],
        ["pull", "memory://a/b.pt", "-o", "b.pt", "--sha256", "1"],
        ["push", "a.pt", "memory://a/b.pt", "--mount-from", "x"],
        ["pull", "oci://localhost/a", "--sha256", "0" * 64],
    ],
)
def test_wrong_words(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == ExitCode.COMMAND_LINE


def test_what_is_no_archive_is_not_pushed(url: str, tmp_path: Path) -> None:
    (tmp_path / "words.pt").write_text("no archive")
    assert main(["push", str(tmp_path / "words.pt"), url]) == ExitCode.BUILD_FAILED
    assert main(["pull", url, "-o", str(tmp_path / "out.pt")]) == ExitCode.LOCAL_ENVIRONMENT

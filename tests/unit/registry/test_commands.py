"""`hermpkg push` and `hermpkg pull`, as they are called and answer; and importers of references."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.cli.main import main
from hermpkg_build.errors import CommandLineError, ExitCode

BUNDLE = b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a blank and letters beyond ASCII in its path, and a cache beside it."""
    folder = tmp_path / "my mödels"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def given(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_there_and_back(
    registry: Any, write_model: Callable[..., str], elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(write_model())
    Path(f"{path}.sig").write_bytes(BUNDLE)
    bill = elsewhere / "bill.cdx.json"
    bill.write_text('{"bomFormat": "CycloneDX"}')
    assert main(["push", str(path), str(registry.reference()), "--attach", str(bill), "--json"]) == 0
    pushed = given(capsys)
    assert pushed["attached"] == [".sig", ".cdx.json"]
    assert main(["pull", pushed["reference"], "--json"]) == 0
    pulled = given(capsys)
    assert (elsewhere / "net.pt").read_bytes() == path.read_bytes()
    assert {key: pulled[key] for key in ("sha256", "bytes", "reference")} == {
        key: pushed[key] for key in ("sha256", "bytes", "reference")
    }
    assert (elsewhere / "net.pt.sig").read_bytes() == BUNDLE
    assert (elsewhere / "net.pt.cdx.json").read_bytes() == bill.read_bytes()
    assert main(["pull", pushed["reference"], "-o", "again.pt", "--without-signatures"]) == 0
    assert not (elsewhere / "again.pt.sig").exists()


def test_files_of_others_stay(
    registry: Any, write_model: Callable[..., str], elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(write_model())
    Path(f"{path}.sig").write_bytes(BUNDLE)
    assert main(["push", str(path), str(registry.reference())]) == 0
    (elsewhere / "net.pt.sig").write_text("my notes")
    assert main(["pull", str(registry.reference())]) == 0
    assert (elsewhere / "net.pt.sig").read_text() == "my notes"
    assert "net.pt.sig is not written" in capsys.readouterr().err
    (elsewhere / "net.pt").write_text("my own")
    assert main(["pull", str(registry.reference())]) == ExitCode.COMMAND_LINE
    assert (elsewhere / "net.pt").read_text() == "my own"


@pytest.mark.parametrize(
    "words",
    [
        ["push", "no.pt", "registry.example.com/net:1"],
        ["push", "no.pt", "oci://registry.example.com/Net"],
        ["push", "no.pt", f"oci://registry.example.com/net@sha256:{'0' * 64}"],
        ["pull", "oci://registry.example.com"],
        ["pull", "oci:///net"],
        ["pull", "oci://127.0.0.1:9/net", "--registry-timeout", "soon"],
        ["pull"],
    ],
)
def test_wrong_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == ExitCode.COMMAND_LINE
    assert capsys.readouterr().err.startswith("error: ")


def test_what_is_no_archive_is_not_pushed(
    registry: Any, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "words.pt").write_text("no archive")
    assert main(["push", "words.pt", str(registry.reference())]) == ExitCode.BUILD_FAILED
    assert "not a ZIP archive" in capsys.readouterr().err
    assert main(["push", "none.pt", str(registry.reference())]) == ExitCode.BUILD_FAILED
    assert registry.asked == []


def test_a_registry_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "oci://127.0.0.1:9/net"]) == ExitCode.LOCAL_ENVIRONMENT
    assert "http://127.0.0.1:9" in capsys.readouterr().err


def test_importers_take_references(registry: Any, write_model: Callable[..., str], tmp_path: Path) -> None:
    path = write_model()
    assert main(["push", path, str(registry.reference())]) == 0
    with PackageImporter(str(registry.reference()), check="off") as importer:
        assert importer.filename == str(registry.reference())
        assert importer.import_module("net.m7").x == 7
    with pytest.raises(CommandLineError):
        PackageImporter("oci://nowhere")

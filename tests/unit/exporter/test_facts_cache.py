"""What an export found out of sources is known to the next one, and to builds; it never needs to be."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from hermpkg_build import PackageExporter
from hermpkg_build.exporter.facts_cache import open_facts_cache
from hermpkg_build.source import known_facts


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The sources that exports analyse."""
    sources: list[bytes] = []
    analyse = known_facts.facts_of_bytes

    def noting(data: bytes, *place: object) -> object:
        sources.append(data)
        return analyse(data, *place)

    monkeypatch.setattr(known_facts, "facts_of_bytes", noting)
    return sources


def export() -> bytes:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.intern("**")
        exporter.save_source_string("m", "import json\n\ndef f():\n    import n\n")
        exporter.save_source_string("n", "import csv\n")
    return stream.getvalue()


def test_a_source_is_analysed_once(
    analysed: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "cache"))
    first = export()
    assert len(analysed) == 2
    assert export() == first
    assert len(analysed) == 2


def test_damage_to_what_is_kept_is_only_analysed_again(
    analysed: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "cache"))
    first = export()
    for path in (tmp_path / "cache").rglob("index.sqlite3*"):
        path.write_bytes(b"no database" * 1000)
    assert export() == first
    assert len(analysed) == 4


@pytest.mark.parametrize("place", ["file", "below a file", "no rights"])
def test_no_cache_is_no_hindrance(
    place: str, analysed: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = export()
    (tmp_path / "file").write_bytes(b"mine")
    folders = {
        "file": tmp_path / "file",
        "below a file": tmp_path / "file/below",
        "no rights": Path("/proc/no/rights"),
    }
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(folders[place]))
    analysed.clear()
    assert export() == first
    assert len(analysed) == 2
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_the_lack_of_a_cache_is_not_told_with_other_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ZeroDivisionError) as caught, open_facts_cache():
        _ = 1 / 0
    assert caught.value.__context__ is None

"""The shortest way through a build believes this user's own snapshots alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.results import BuildRequest, BuildResult, TargetResult
from hermpkg_build.engine.snapshot import Snapshot, find_unchanged, mark_origin, save, snapshot_path
from hermpkg_build.factories import processor

NOTHING = ObservedTable.of({})


def request_in(above: Path) -> BuildRequest:
    return BuildRequest(patterns=("//app",), directory=str(above / "workspace"))


@pytest.fixture
def above(tmp_path: Path) -> Path:
    """A folder above that of the request, with a snapshot which says that all is done."""
    (tmp_path / "workspace").mkdir()
    target = TargetResult(
        label="//app:app", path="/elsewhere/app.pt", sha256="0" * 64, bytes=1, status="built"
    )
    result = BuildResult(targets=(target,), actions={}, wall_s=0.0)
    mark_origin(str(tmp_path))
    save(
        snapshot_path(str(tmp_path), request_in(tmp_path)),
        Snapshot(files=NOTHING, directories=NOTHING, outputs=NOTHING, result=result, warnings=()),
    )
    return tmp_path


def test_a_snapshot_is_found_in_a_folder_above(above: Path) -> None:
    found = find_unchanged(request_in(above))
    assert found is not None
    assert [target.label for target in found[0].targets] == ["//app:app"]


def test_snapshots_of_older_forms_go_when_one_is_kept(above: Path) -> None:
    (path,) = above.rglob("*.snapshot")
    older, texts = path.with_suffix(".json"), path.with_suffix(".texts")
    older.write_text("{}")
    texts.write_text("kept")
    found = find_unchanged(request_in(above))
    assert found is not None
    save(
        str(path), Snapshot(files=NOTHING, directories=NOTHING, outputs=NOTHING, result=found[0], warnings=())
    )
    assert not older.exists()
    assert texts.exists()


def test_a_snapshot_of_another_processor_is_none(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = above.rglob("*.snapshot")
    found = find_unchanged(request_in(above))
    assert found is not None
    mine = processor.describe_platform(native=True)
    for processor_then, is_found in (("", True), (mine, True), (f"{mine} of another kind", False)):
        save(
            str(path),
            Snapshot(
                files=NOTHING,
                directories=NOTHING,
                outputs=NOTHING,
                result=found[0],
                warnings=(),
                processor=processor_then,
            ),
        )
        assert (find_unchanged(request_in(above)) is not None) is is_found


def test_a_snapshot_of_another_c_library_is_none(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_unchanged(request_in(above)) is not None
    monkeypatch.setattr(os, "confstr", lambda _: "a library 9.9")
    assert find_unchanged(request_in(above)) is None


def test_a_snapshot_of_another_user_is_none(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert find_unchanged(request_in(above)) is None


def test_a_snapshot_that_came_with_a_copy_is_none(above: Path, tmp_path: Path) -> None:
    moved = above.rename(above.with_name("moved"))
    shutil.copytree(moved, above)
    assert find_unchanged(request_in(above)) is None
    mark_origin(str(above))
    assert find_unchanged(request_in(above)) is None
    shutil.rmtree(above)
    moved.rename(above)
    assert find_unchanged(request_in(above)) is not None

"""What is answered at once is what the usual way says, and it takes next to nothing to say it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.cli.at_once import answered
from hermpkg_build.cli.main import main
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.results import BuildRequest, BuildResult, TargetResult
from hermpkg_build.engine.snapshot import Snapshot, mark_origin, save, snapshot_path
from hermpkg_build.engine.snapshot_check import has_listing

PATTERNS = ("//app",)
Keep = Callable[..., None]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.hermpkg]\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("text")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return tmp_path


@pytest.fixture
def keep(workspace: Path) -> Keep:
    """Leaves a snapshot that says that all is done."""

    def kept(label: str = "//app:app", path: str = "hermpkg-out/app.pt", **changed: Any) -> None:
        mark_origin(str(workspace))
        targets = [
            TargetResult(label=label, path=path, sha256="1f" * 32, bytes=12_345, status="built"),
            TargetResult(label="//app:modules", path="", sha256="2e" * 32, bytes=1, status="built"),
        ]
        result = BuildResult(targets=tuple(targets), actions={}, wall_s=1.0)
        file, folder = str(workspace / "file"), str(workspace / "folder")
        values: dict[str, Any] = {
            "files": {file: ("0" * 64, signature_of(os.stat(file)))},
            "directories": {folder: ("0" * 64, signature_of(os.stat(folder)))},
            "outputs": {},
            "warnings": (),
        }
        request = BuildRequest(patterns=PATTERNS, directory=os.getcwd())
        values |= changed
        for kind in ("files", "directories", "outputs"):
            values[kind] = ObservedTable.of(values[kind])
        save(snapshot_path(str(workspace), request), Snapshot(result=result, **values))

    return kept


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["//app"],
        ["build", "//app"],
        ["-q", "//app"],
        ["//app", "--quiet"],
        ["build", "-q", "//app"],
        ["-q", "build", "//app"],
    ],
)
@pytest.mark.parametrize("path", ["hermpkg-out/app.pt", ""])
@pytest.mark.parametrize("color", ["0", "1"])
def test_both_ways_say_the_same(
    words: list[str],
    path: str,
    color: str,
    keep: Keep,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", color)
    keep(path=path)
    assert answered(words)
    at_once = capsys.readouterr()
    assert main(words) == 0
    assert capsys.readouterr() == at_once
    assert bool(at_once.out) == (not {"-q", "--quiet"} & set(words))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-q"],
        ["build"],
        ["version"],
        ["--version", "//app"],
        ["--json", "//app"],
        ["build", "--explain", "//app"],
        ["build", "--", "//app"],
        ["build", "-//app"],
        ["test", "//app"],
        ["query", "//app"],
        ["//other"],
    ],
)
def test_all_else_goes_the_usual_way(
    words: list[str], keep: Keep, capsys: pytest.CaptureFixture[str]
) -> None:
    keep()
    assert not answered(words)
    assert not capsys.readouterr().out


def test_what_is_out_of_the_ordinary_goes_the_usual_way(workspace: Path, keep: Keep) -> None:
    keep(warnings=("mind this",))
    assert not answered(PATTERNS)
    keep(label="//äpp:app")
    assert not answered(PATTERNS)
    keep()
    assert answered(PATTERNS)
    (workspace / "config/hermpkg").mkdir(parents=True)
    (workspace / "config/hermpkg/config.toml").write_text("")
    assert not answered(PATTERNS)


@pytest.mark.parametrize("stored", ["", "[]", '{"format": 1}', '{"format": 1, "warnings": []}', "x"])
def test_a_damaged_snapshot_goes_the_usual_way(stored: str, workspace: Path, keep: Keep) -> None:
    keep()
    (file,) = (workspace / "hermpkg-out/.hermpkg/requests").iterdir()
    file.write_text(stored)
    assert not answered(PATTERNS)


@pytest.mark.parametrize("change", ["file", "gone", "folder"])
def test_a_change_goes_the_usual_way(change: str, workspace: Path, keep: Keep) -> None:
    keep()
    assert answered(PATTERNS)
    if change == "file":
        (workspace / "file").write_text("other")
    elif change == "gone":
        (workspace / "file").unlink()
    else:
        (workspace / "folder" / "new").touch()
    assert not answered(PATTERNS)


def test_folders_without_a_signature_are_listed_again(workspace: Path, keep: Keep) -> None:
    from hermpkg_build.disk.source_tree import SourceTree, listing_digest

    folder, absent = workspace / "folder", workspace / "absent"
    tree = SourceTree()
    hashes = {str(path): listing_digest(tree.entries(str(path))).hash for path in (folder, absent)}
    assert all(has_listing(path, hash_) for path, hash_ in hashes.items())
    keep(directories={path: (hash_, None) for path, hash_ in hashes.items()})
    assert answered(PATTERNS)
    absent.mkdir()
    assert not answered(PATTERNS)
    absent.rmdir()
    assert answered(PATTERNS)
    (folder / "link").symlink_to(workspace)
    assert not answered(PATTERNS)


def test_without_standard_output_the_usual_way_is_gone(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    keep()
    monkeypatch.setattr(sys, "stdout", None)
    assert not answered(PATTERNS)


LOADED = "import sys; sys.argv = sys.argv[1:]; {}; print(*sorted(sys.modules), file=sys.stderr)"
MAIN = "from hermpkg_build.__main__ import main; main()"
KEEP = """
import os
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.results import BuildRequest, BuildResult
from hermpkg_build.engine.snapshot import Snapshot, mark_origin, save, snapshot_path
here = os.getcwd()
mark_origin(here)
files = ObservedTable.of({f"{here}/file": ("0" * 64, signature_of(os.stat("file")))})
result = BuildResult(targets=(), actions={}, wall_s=0.0)
none = ObservedTable.of({})
snapshot = Snapshot(files=files, directories=none, outputs=none, result=result, warnings=())
save(snapshot_path(here, BuildRequest(patterns=("//app",), directory=here)), snapshot)
"""


def run(code: str, *words: str) -> set[str]:
    """Run code in a process of its own; the modules that it has at the end."""
    command = [sys.executable, "-c", LOADED.format(code), "hermpkg", *words]
    return set(subprocess.run(command, capture_output=True, check=True, text=True).stderr.split())


def test_answers_load_next_to_nothing(workspace: Path) -> None:
    of_python = run("import contextlib")  # as runpy does
    version = run(MAIN, "--version") - of_python
    assert "hermpkg_build.cli.at_once" in version
    assert len(version) < 15, version
    subprocess.run([sys.executable, "-c", KEEP], check=True)
    unchanged = run(MAIN, "//app") - of_python
    assert "hermpkg_build.engine.snapshot_check" in unchanged
    assert not unchanged & {"dataclasses", "typing", "hashlib", "threading", "json", "re"}
    assert len(unchanged) < 35, unchanged


def test_nothing_is_looked_through_for_garbage_at_the_end() -> None:
    told = f"{MAIN}; import gc, sys; print(gc.get_count()[0] < 100 < gc.get_freeze_count(), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = ['hermpkg', 'version']; {told}"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr == "True\n"

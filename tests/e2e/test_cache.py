"""The cache says how large it is and for whom, gets smaller when asked, and keeps its limit by itself."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Workspace


def entries(cache: Path) -> list[Path]:
    return [path for kind in ("ac", "cas") for path in (cache / "v1" / kind).rglob("*") if path.is_file()]


def build_with_big_files(app: Workspace, number: int) -> None:
    """Build, with contents in the cache that nobody has used for long."""
    app.build("build", "//...")
    for each in range(number):
        path = app.cache / "v1" / "cas" / f"{each:02x}" / f"{each:064x}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100_000))
        os.utime(path, (1.1e9 + each, 1e9))


def test_sizes_of_an_empty_and_of_a_used_cache(app: Workspace) -> None:
    empty = app.run("cache", "--json").json
    assert (empty["bytes"], empty["workspaces"], empty["limit_bytes"]) == (0, [], 20_000_000_000)
    app.build("build", "//...")
    app.write("pyproject.toml", '[tool.hermpkg]\ncache-size = "1 GiB"\n')
    used = app.run("--json", "cache").json
    (workspace,) = used["workspaces"]
    assert workspace["workspace"] == str(app.root)
    assert workspace["entries"] == len(entries(app.cache)) > 0
    assert used["unclaimed_bytes"] == 0
    assert used["limit_bytes"] == 2**30
    assert sum(kind["bytes"] for kind in used["kinds"]) == used["bytes"] > workspace["bytes"]
    shown = app.run("cache").stdout
    assert "action results" in shown
    assert str(app.root) in shown


def test_gc_makes_room_and_builds_go_on(app: Workspace) -> None:
    build_with_big_files(app, 10)
    before = app.build("build", "//app").target["sha256"]
    tried = app.run("cache", "gc", "--max-size", "500kB", "--dry-run", "--json").json
    assert len(entries(app.cache)) == tried["removed_entries"] + tried["left_entries"]
    done = app.run("cache", "gc", "--max-size", "500kB")
    assert done.stdout.startswith(f"removed {tried['removed_entries']} entries")
    assert len(entries(app.cache)) == tried["left_entries"]
    app.run("cache", "gc", "--max-size=0")
    assert entries(app.cache) == []
    shutil.rmtree(app.root / "hermpkg-out")
    assert app.build("build", "//app").target["sha256"] == before


def test_gc_by_age(app: Workspace) -> None:
    build_with_big_files(app, 3)
    assert app.run("cache", "gc", "--older-than", "1d", "--json").json["removed_entries"] == 3
    assert app.run("cache", "gc", "--older-than", "1d", "-q").stdout == ""


def test_builds_keep_the_limit_of_their_workspace(app: Workspace) -> None:
    build_with_big_files(app, 20)
    app.write("pyproject.toml", '[tool.hermpkg]\ncache-size = "1MB"\n')
    app.write("app/helpers.py", "def greeting():\n    return 'changed'\n")
    (app.cache / "v1" / "size.json").unlink(missing_ok=True)
    outcome = app.run("-v", "build", "//...")
    assert outcome.code == 0
    assert "the cache passed its limit" in outcome.stderr
    assert 0 < sum(path.stat().st_size for path in entries(app.cache)) < 1_000_000
    app.write("pyproject.toml", '[tool.hermpkg]\ncache-size = "unlimited"\n')
    assert app.run("build", "//...").code == 0


def test_wrong_words_are_told(app: Workspace) -> None:
    unknown = app.run("cache", "purge")
    assert (unknown.code, "hermpkg cache gc" in unknown.stderr) == (2, True)
    assert "500MB" in app.run("cache", "gc", "--max-size", "big").stderr
    assert "12h" in app.run("cache", "gc", "--older-than", "30").stderr
    assert "hermpkg cache gc" in app.run("cache", "--max-size", "1GB").stderr
    app.write("pyproject.toml", '[tool.hermpkg]\n\ncache-size = "many"\n')
    wrong = app.run("build", "//...")
    assert wrong.code == 2
    assert 'pyproject.toml:3: cache-size is a size such as 500MB or 10GB, not "many"' in wrong.stderr.replace(
        "'", '"'
    )
    assert app.run("cache").code == 0

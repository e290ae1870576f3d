"""All files of a release in a folder: the distributions, the entry in a registry of Bazel, the notes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from bazel_registry import write_entry
from changelog import is_empty, released_versions, section_of
from make import make, make_sdist
from split import BUILD, CHECKOUT, RUNTIME, SPEED, read_toml, version_of


def make_release_files(folder: Path, checkout: Path = CHECKOUT) -> list[Path]:
    """Make the files in place of earlier ones. Raises CalledProcessError, OSError, SplitError."""
    _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    version = version_of(checkout)
    made = [
        *make(RUNTIME, folder, checkout),
        *make(BUILD, folder, checkout),
        make_sdist(SPEED, folder, checkout),
    ]
    changelog = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    released = released_versions(changelog)
    project: dict[str, Any] = dict(read_toml(checkout / "pyproject.toml")["project"])
    archive = next(path for path in made if path.name.startswith("hermpkg_build") and path.suffix == ".gz")
    write_entry(folder / "bazel", archive, version=version, versions=released, project=project)
    notes = section_of(changelog, version if version in released else "Unreleased")
    (folder / "notes.md").write_text(f"{notes}\n", encoding="utf-8")
    if is_empty(notes):
        print(f"CHANGELOG.md says nothing of {version}", file=sys.stderr)
    return [*made, folder / "bazel", folder / "notes.md"]


def _clear(folder: Path) -> None:
    """Remove what was made before: whoever publishes all that lies there publishes one release."""
    for pattern in ("hermpkg_runtime-*", "hermpkg_build-*", "hermpkg_speed-*"):
        for path in folder.glob(pattern):
            path.unlink()
    shutil.rmtree(folder / "bazel", ignore_errors=True)

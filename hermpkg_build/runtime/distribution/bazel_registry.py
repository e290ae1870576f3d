"""The entry of a release in a registry of Bazel modules: what it is, where it is, and how it is tried.

The archive is the source distribution of hermpkg-build: it has the rules, what they run, and MODULE.bazel.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

MODULE = "hermpkg"

_PRESUBMIT = """\
matrix:
  platform: [debian11, ubuntu2404, macos_arm64]
  bazel: [7.x, 8.x, 9.x]
tasks:
  verify_targets:
    name: Build what the rules are made of
    platform: ${{ platform }}
    bazel: ${{ bazel }}
    build_targets:
      - "@hermpkg//rules/..."
"""


def write_entry(
    folder: Path, archive: Path, *, version: str, versions: Sequence[str], project: Mapping[str, object]
) -> None:
    """Write ``modules/hermpkg`` below a folder: one version, and a list of all. Raises OSError, KeyError.

    `project` is the table of that name in pyproject.toml, which has the addresses.
    """
    top = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as members:
        module = members.extractfile(f"{top}/MODULE.bazel")
        if module is None:
            raise KeyError("MODULE.bazel")
        declared = module.read()
    urls, authors = project["urls"], project["authors"]
    assert isinstance(urls, Mapping)
    repository = str(urls["Repository"])
    entry = folder / "modules" / MODULE
    place = entry / version
    place.mkdir(parents=True, exist_ok=True)
    (place / "MODULE.bazel").write_bytes(declared)
    (place / "presubmit.yml").write_text(_PRESUBMIT, encoding="utf-8")
    digest = hashlib.sha256(archive.read_bytes()).digest()
    source = {
        "integrity": "sha256-" + base64.b64encode(digest).decode(),
        "strip_prefix": top,
        "url": f"{repository}/releases/download/v{version}/{archive.name}",
    }
    metadata = {
        "homepage": urls["Homepage"],
        "maintainers": authors,
        "repository": [_allowed(repository)],
        "versions": sorted({*versions, version}, key=_order),
        "yanked_versions": {},
    }
    _write_json(place / "source.json", source)
    _write_json(entry / "metadata.json", metadata)


def _allowed(repository: str) -> str:
    """Name the repository as registries compare addresses of archives with it."""
    return repository.replace("https://github.com/", "github:", 1)


def _order(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.split("."))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=4, sort_keys=True) + "\n", encoding="utf-8")

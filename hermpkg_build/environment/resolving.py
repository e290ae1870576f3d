"""Asks an index for the hashes of distributions of which only the version is known."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.dataclass import replace
from hermpkg_build.environment.installers import Installer
from hermpkg_build.environment.locked import (
    LockedDistribution,
    LockedEnvironment,
    LockedFile,
    locked_environment,
    ordered_files,
    strong_hashes,
)
from hermpkg_build.environment.pylock import last_part, parse_pylock
from hermpkg_build.environment.requirements_text import requirements_lines
from hermpkg_build.environment.toml_fields import Fields, LockFormError
from hermpkg_build.errors import LocalEnvironmentError


def with_hashes(environment: LockedEnvironment, installer: Installer, folder: str = "") -> LockedEnvironment:
    """Return the environment with the hashes that the indexes of the installer's settings tell.

    uv tells those of all files of a version, pip that of the one that fits here. With `folder`, its files are
    asked instead. Distributions of which a file, a commit or nothing but a folder is known stay as they are.
    Raises LocalEnvironmentError where the installer fails, as for a version that no index has.
    """
    unknown = [each for each in environment.unproven() if each.version and not each.is_local]
    if not unknown:
        return environment
    # The marker says where it is needed; here it must be found in any case.
    lines = list(requirements_lines([replace(each, marker="") for each in unknown], hashes=False))
    ask = _told_by_uv if installer.name == "uv" else _told_by_pip
    told = {each.name: each for each in ask(installer, lines, folder)}
    return locked_environment(_completed(each, told) for each in environment.distributions)


def _completed(each: LockedDistribution, told: dict[str, LockedDistribution]) -> LockedDistribution:
    found = told.get(each.name)
    if each.is_proven or each.is_local or found is None:
        return each
    return replace(each, files=tuple(replace(file, url="") for file in found.files), hashes=found.hashes)


def _told_by_uv(installer: Installer, lines: Sequence[str], folder: str) -> Iterable[LockedDistribution]:
    where = ["--no-index", "--find-links", folder] if folder else []
    words = ["pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml", "--python", sys.executable]
    text = installer.ask(*words, *where, "-", given="\n".join(lines))
    return _read(lambda: parse_pylock(text.encode()).distributions)


def _told_by_pip(installer: Installer, lines: Sequence[str], folder: str) -> Iterable[LockedDistribution]:
    where = ["--no-index", "--find-links", folder] if folder else []
    words = ["install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-"]
    with tempfile.TemporaryDirectory(prefix="hermpkg-") as temporary:
        requirements = os.path.join(temporary, "requirements.txt")
        with open(requirements, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        text = installer.ask(*words, *where, "-r", requirements, given="")
    return _read(lambda: [_of_report(each) for each in Fields(_object(text)).tables("install")])


def _of_report(entry: Fields) -> LockedDistribution:
    download, metadata = entry.table("download_info") or Fields({}), entry.table("metadata") or Fields({})
    stated = (download.table("archive_info") or Fields({})).table("hashes") or Fields({})
    name = Fields({"name": last_part(download.text("url"))}).file_name("name")
    hashes = strong_hashes(f"{kind}:{value}" for kind, value in stated.values.items())
    return LockedDistribution(
        name=normalised(metadata.text("name")),
        version=metadata.version(),
        files=ordered_files([LockedFile(name=name, hashes=hashes)]),
    )


def _object(text: str) -> dict[str, Any]:
    value = loads(text.encode())
    if not isinstance(value, dict):
        raise LockFormError("its report is no object")
    return value


def _read(read: Callable[[], Iterable[LockedDistribution]]) -> Iterable[LockedDistribution]:
    try:
        return read()
    except (LockFormError, ValueError, KeyError, TypeError) as error:
        raise LocalEnvironmentError(
            "what the installer tells cannot be read",
            facts=[("reason", str(error))],
            next_step="bring uv or pip up to date",
        ) from error

"""Judges the environment that an artifact records: its form, and whether the manifest says the same."""

from __future__ import annotations

from collections.abc import Iterator

from hermpkg_build.archive.layout import ENVIRONMENT
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.environment.pylock import pylock_text
from hermpkg_build.environment.reading import environment_in
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.verify.layout_audit import Problem


def audit_environment(archive: ArchiveReader, manifest: Manifest) -> Iterator[Problem]:
    """Give what is wrong with the recorded environment; none where the artifact records none."""
    try:
        environment = environment_in(archive)
    except ArchiveError as error:
        found = f"{error.summary}: {dict(error.facts).get('reason', '')}"
        yield Problem(record=ENVIRONMENT, rule="sound environment", found=found)
        return
    if environment is None:
        return
    if pylock_text(environment).encode() != archive.read(ENVIRONMENT):
        found = "other bytes than hermpkg writes for what it says"
        yield Problem(record=ENVIRONMENT, rule="canonical environment", found=found)
    recorded: dict[str, set[str]] = {}
    for each in environment.distributions:
        recorded.setdefault(each.name, set()).add(each.version)
    for name in manifest.extern_modules():
        version = manifest.distributions.get(name, "")
        if version and version not in recorded.get(name, ()):
            others = ", ".join(sorted(recorded.get(name, ()))) or "nothing"
            found = f"has {others} for {name}, of which the manifest has {version}"
            yield Problem(record=ENVIRONMENT, rule="agrees with the manifest", found=found)

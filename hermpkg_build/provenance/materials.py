"""Lists what a build was made of, each thing by its digest or its version: the materials."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.inspection.contents import Contents, RecordFacts
from hermpkg_build.inspection.groups import Belongings, GroupKey, GroupKind, edits_of

MOST_LISTED = 10
_OWN = (GroupKind.WORKSPACE, GroupKind.GENERATED, GroupKind.MODULE, GroupKind.RESOURCES)
"""What is neither of a distribution, nor made by the build."""


class Role(str, enum.Enum):
    """What a material was to the build."""

    BUILD_FILE = "build file"
    SOURCE = "source"
    RESOURCE = "resource"
    WEIGHTS = "weights"
    FILE = "file"
    """Another file of the workspace that was read."""
    OUTSIDE = "outside the workspace"
    """A file that a factory read elsewhere; it has no name that would mean something on another machine."""
    DISTRIBUTION = "distribution"
    PYTHON = "python"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One thing that a build was made of.

    Files have a `sha256`; distributions and the interpreter have a `version`, and those of their files that
    were packed or read with the SHA-256 of each. `source` is where a distribution was installed from, where
    that is no index.
    """

    name: str
    role: Role
    sha256: str = ""
    version: str = ""
    source: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def files_sha256(self) -> str:
        """One digest over the names and digests of all `files`, "" where there are none."""
        return fingerprint(dict(self.files)).hash if self.files else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """What is known of the build of one target, as plain values.

    `targets` are the declarations of the target and its models by label; `files` the SHA-256 of each file of
    the workspace that it was made of, by path, and `roles` what some of them are; `installed` the files of
    installed distributions that factories read, by distribution; `outside` the digests of other files.
    `platform` names the interpreter and the system that it ran on.
    """

    label: str
    targets: Mapping[str, str]
    files: Mapping[str, str]
    roles: Mapping[str, Role]
    installed: Mapping[str, Mapping[str, str]]
    versions: Mapping[str, str]
    outside: tuple[str, ...]
    python_version: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an artifact says of what it was made of: its manifest, and its records by what they are of.

    `unknown` says in sentences what cannot be known from it.
    """

    manifest: Manifest
    records: Mapping[GroupKey, Sequence[RecordFacts]]
    unknown: tuple[str, ...] = ()

    @classmethod
    def by(cls, archive: ArchiveReader, contents: Contents) -> Held | None:
        """Return what the artifact `archive` with these `contents` says, None where it has no manifest."""
        if contents.manifest is None:
            return None
        return cls(
            manifest=contents.manifest,
            records=Belongings(archive, contents.manifest).by_group(contents.records),
            unknown=tuple(edited_words(contents)),
        )


def materials_of_build(facts: BuildFacts, held: Held) -> tuple[Material, ...]:
    """List all that an artifact which holds `held` was made of, in an order that depends on names only."""
    files = [
        Material(name=path, role=facts.roles.get(path, Role.FILE), sha256=sha256)
        for path, sha256 in sorted(facts.files.items())
    ]
    outside = [Material(name="", role=Role.OUTSIDE, sha256=sha256) for sha256 in sorted({*facts.outside})]
    found = _distributions(held, facts.versions, facts.installed)
    return (*files, *outside, *found, _python(facts.python_version))


def materials_of_file(held: Held) -> tuple[Material, ...]:
    """List what an artifact says itself that it was made of: less than its build knew.

    Names of files are those of records; weights, BUILD files and what factories read are not known.
    """
    own = sorted(
        (
            Material(
                name=record.name,
                role=Role.SOURCE if record.kind == RecordKind.MODULE else Role.RESOURCE,
                sha256=record.sha256,
            )
            for key, records in held.records.items()
            for record in records
            if key.kind in _OWN and record.kind != RecordKind.MOCK
        ),
        key=lambda material: material.name,
    )
    return (*own, *_distributions(held, {}, {}), _python(held.manifest.python_version))


def edited_words(contents: Contents) -> Iterator[str]:
    """Say that an artifact is not what was built, where it is not."""
    edits = [f"{name} ({change})" for change, name in edits_of(contents)]
    if edits:
        yield f"the artifact was edited after it was built: {listed(edits, MOST_LISTED)}"


def _distributions(
    held: Held, versions: Mapping[str, str], installed: Mapping[str, Mapping[str, str]]
) -> Iterator[Material]:
    """Give the distributions that were packed, needed or read, with the files of each that were."""
    manifest = held.manifest
    files: dict[str, dict[str, str]] = {normalised(name): {**used} for name, used in installed.items()}
    for key, records in held.records.items():
        # A stub is nobody's file.
        used = {record.name: record.sha256 for record in records if record.kind != RecordKind.MOCK}
        if key.kind is GroupKind.DISTRIBUTION and used:
            files.setdefault(key.name, {}).update(used)
    known = {normalised(name): version for name, version in {**versions, **manifest.distributions}.items()}
    stated = manifest.licenses or {}
    for name in sorted({*known, *files}):
        yield Material(
            name=name,
            role=Role.DISTRIBUTION,
            version=known.get(name, ""),
            source=stated[name].source if name in stated else "",
            files=dict(sorted(files.get(name, {}).items())),
        )


def _python(version: str) -> Material:
    return Material(name="python", role=Role.PYTHON, version=version)

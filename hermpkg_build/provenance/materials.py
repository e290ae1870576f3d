"""Lists what a build was made of, each thing by its digest or its version: the materials."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.graph import Origin
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_names import module_of_record
from hermpkg_build.core.policy import Policy


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
    were packed or read with the SHA-256 of each.
    """

    name: str
    role: Role
    sha256: str = ""
    version: str = ""
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


def materials_of_build(facts: BuildFacts, manifest: Manifest) -> tuple[Material, ...]:
    """List all that an artifact with `manifest` was made of, in an order that depends on names only."""
    files = [
        Material(name=path, role=facts.roles.get(path, Role.FILE), sha256=sha256)
        for path, sha256 in sorted(facts.files.items())
    ]
    outside = [Material(name="", role=Role.OUTSIDE, sha256=sha256) for sha256 in sorted({*facts.outside})]
    versions = {**facts.versions, **manifest.distributions}
    packed = _packed_of(manifest)
    found = []
    for name in sorted({*versions, *facts.installed, *packed}):
        used = {**facts.installed.get(name, {}), **packed.get(name, {})}
        found.append(_distribution(name, versions.get(name, ""), used))
    return (*files, *outside, *found, _python(facts.python_version))


def materials_of_manifest(manifest: Manifest) -> tuple[Material, ...]:
    """List what an artifact says itself that it was made of: less than its build knew.

    Names of files are those of records; weights, BUILD files and what factories read are not known.
    """
    own = [
        Material(name=record, role=role, sha256=manifest.records[record].digest.hash)
        for record, role in sorted(_own_records(manifest))
    ]
    packed = _packed_of(manifest)
    found = [
        _distribution(name, version, packed.get(name, {}))
        for name, version in sorted(manifest.distributions.items())
    ]
    return (*own, *found, _python(manifest.python_version))


def _own_records(manifest: Manifest) -> Iterator[tuple[str, Role]]:
    for record, known in manifest.records.items():
        if known.kind is RecordKind.RESOURCE:
            yield record, Role.RESOURCE
        elif known.kind is RecordKind.MODULE and (found := module_of_record(record)) is not None:
            module = manifest.modules.get(found[0])
            if module is not None and module.origin is not Origin.ENVIRONMENT:
                yield record, Role.SOURCE


def _packed_of(manifest: Manifest) -> dict[str, dict[str, str]]:
    """The records of packed modules by the distribution that installed them, with their digests."""
    found: dict[str, dict[str, str]] = {}
    for record, known in manifest.records.items():
        if known.kind is not RecordKind.MODULE or (named := module_of_record(record)) is None:
            continue
        module = manifest.modules.get(named[0])
        if module is not None and module.distribution and module.policy is Policy.INTERN:
            found.setdefault(module.distribution, {})[record] = known.digest.hash
    return found


def _distribution(name: str, version: str, files: Mapping[str, str]) -> Material:
    ordered = dict(sorted(files.items()))
    return Material(name=name, role=Role.DISTRIBUTION, version=version, files=ordered)


def _python(version: str) -> Material:
    return Material(name="python", role=Role.PYTHON, version=version)

"""The manifest: an artifact's own list of what it holds and needs, as canonical JSON inside it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from hermpkg_build.core.canonical_json import dumps, loads, pretty
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.distribution_names import normalised_requirements
from hermpkg_build.core.json_codec import OMITTED, JsonFormError, column, from_json, to_json
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import ArchiveError

FORMAT = 1
"""The version of the manifest's own structure. Fields may be added without a new one."""


class RecordKind(str, enum.Enum):
    """The purpose of a record in an artifact."""

    MODULE = "module"
    MOCK = "mock"
    """The stub of a mocked module, or the module that all stubs share."""
    PICKLE = "pickle"
    STORAGE = "storage"
    RESOURCE = "resource"
    FRAMEWORK = "framework"
    """A record that torch.package reads itself: versions, names of extern modules, byte order."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRecord:
    """One record by its digest. Storages are digested as they lie in the file, little-endian."""

    digest: Digest
    kind: RecordKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestModule:
    """One module, packed or not. `label` is its target, `distribution` what installs it; "" for none.

    An extern module is `optional` where only imports lead to it that may fail.
    """

    policy: Policy
    kind: ModuleKind
    origin: Origin
    label: str = field(default="", metadata=OMITTED)
    distribution: str = field(default="", metadata=OMITTED)
    optional: bool = field(default=False, metadata=OMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestModel:
    """Where the object in a pickle comes from: the `model` target and its factory.

    `computed_on` is what the numbers that the factory computed may depend on besides code and externs, such
    as ``x86_64 glibc 2.36``; "" where the weights come from a file.
    """

    label: str
    factory: str
    computed_on: str = field(default="", metadata=OMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestLicense:
    """What a distribution with packed modules says of its licence, word for word, and of where it is from.

    `expression` is its ``License-Expression``, `text` the first line of its ``License``, and `classifiers`
    are those that begin with ``License ::``; all are empty where its metadata say nothing. `files` are the
    records of its licence files. `source` is where it was installed from, where that is no index:
    ``git+URL@COMMIT``, or the URL of an archive; neither has a user's name or a password in it.
    """

    expression: str = field(default="", metadata=OMITTED)
    text: str = field(default="", metadata=OMITTED)
    classifiers: tuple[str, ...] = field(default=(), metadata=OMITTED)
    files: tuple[str, ...] = field(default=(), metadata=OMITTED)
    source: str = field(default="", metadata=OMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestTool:
    """The program that made the artifact."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents and the needs of an artifact, without any time, path, user or host.

    `records` are all records but the manifest itself, by name; `modules` by dotted name;
    `distributions` the versions, by normalised name, that the modules' distributions had when the
    artifact was built; `licenses` what those of packed modules say of theirs, None where there are none or
    an older version made the artifact; `requires` the versions (PEP 440) that may be there when it is loaded;
    `models` by the record of their pickle; `real_files` the top-level packages whose code reads
    files by their paths, sorted. Where they have paths, records lie in the folder `root`, except those of
    `beside`, which the code finds above it.
    """

    format: int = FORMAT
    tool: ManifestTool
    python_version: str
    records: Mapping[str, ManifestRecord]
    modules: Mapping[str, ManifestModule] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    requires: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, ManifestModel] = field(default_factory=dict)
    real_files: tuple[str, ...] = field(default=(), metadata=OMITTED)
    root: str = field(default="", metadata=OMITTED)
    beside: tuple[str, ...] = field(default=(), metadata=OMITTED)
    licenses: Mapping[str, ManifestLicense] | None = field(default=None, metadata=OMITTED)

    def extern_modules(self) -> Mapping[str, tuple[str, ...]]:
        """The extern modules by the distribution that provides them, "" for the standard library's."""
        found: dict[str, list[str]] = {}
        extern = Policy.EXTERN.value
        for name, policy in column(self.modules, "policy"):
            if policy == extern:
                found.setdefault(self.modules[name].distribution, []).append(name)
        return {distribution: tuple(sorted(names)) for distribution, names in sorted(found.items())}

    def required_versions(self) -> Mapping[str, str]:
        """`requires` by normalised names, as `distributions` are."""
        return normalised_requirements(self.requires)

    def digests(self) -> Mapping[str, str]:
        """The digests of the records, as texts."""
        return dict(column(self.records, "digest"))

    def records_of(self, kind: RecordKind) -> Sequence[str]:
        """The names of the records of one kind."""
        value = kind.value
        return [name for name, each in column(self.records, "kind") if each == value]

    def to_bytes(self) -> bytes:
        """Canonical bytes: equal manifests, equal bytes."""
        return dumps(to_json(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The inverse of `to_bytes`; unknown fields are ignored, which are those of a later version.

        Raises ArchiveError, for JSON that is not a manifest's with the place of the field at fault.
        """
        try:
            text = data.decode()
            value = loads(text)
            if "\\ud" in text or "\\uD" in text:
                pretty(value)  # Raises UnicodeEncodeError for half of a surrogate pair, which is no text.
            manifest = from_json(cls, value, ignore_unknown=True)
        except JsonFormError as error:
            raise ArchiveError(
                "the artifact's manifest is not well formed",
                facts=[("at", error.at), ("expected", error.expected), ("found", error.found)],
            ) from None
        # JSON that is nested too deeply to be read raises RecursionError.
        except (ValueError, RecursionError) as error:
            raise ArchiveError(
                "the artifact's manifest is not JSON", facts=[("reason", str(error))]
            ) from None
        if not 1 <= manifest.format <= FORMAT:
            raise ArchiveError(
                "the artifact's manifest has a format that this version of hermpkg cannot read",
                facts=[
                    ("format", str(manifest.format)),
                    ("newest", str(FORMAT)),
                    ("written by", f"{manifest.tool.name} {manifest.tool.version}"),
                ],
                next_step="open it with the version of hermpkg that wrote it, or a newer one",
            )
        return manifest

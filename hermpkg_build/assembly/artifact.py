"""Decides which records an artifact has: modules, stubs, models, resources and those of the format."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from hermpkg_build.archive import layout
from hermpkg_build.archive.members import checksums_of
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.archive.plan import LAYOUT
from hermpkg_build.archive.records import Record, size_of
from hermpkg_build.archive.slices import crc32_of
from hermpkg_build.assembly.mocks import mock_parts
from hermpkg_build.assembly.model_records import PackedModel, model_parts
from hermpkg_build.assembly.module_shelf import ModuleShelf, module_part
from hermpkg_build.assembly.parts import Part, check_names
from hermpkg_build.assembly.record_contents import Contents, file_content
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.distribution_names import normalised_requirements
from hermpkg_build.core.graph import ModuleGraph, ModuleNode
from hermpkg_build.core.manifest import (
    Manifest,
    ManifestLicense,
    ManifestModule,
    ManifestRecord,
    ManifestTool,
    RecordKind,
)
from hermpkg_build.core.manifest_bytes import bytes_with_entries, entry_bytes
from hermpkg_build.core.module_names import package_of_init, record_of_module
from hermpkg_build.core.module_roles import ModuleKind, Policy
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.environment.locked import LockedEnvironment
from hermpkg_build.environment.pylock import pylock_text
from hermpkg_build.version import __version__

__all__ = [
    "ASSEMBLY_VERSION",
    "ArtifactRequest",
    "PackedModel",
    "Part",
    "ResourceFile",
    "lay_out",
    "lay_out_parts",
    "packed_modules",
]

ASSEMBLY_VERSION = f"9 {__version__}"
"""Part of the digest of every assemble action. It changes whenever equal inputs could give other records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFile:
    """A file that is packed as it is; `digest` is the one that it had when it was analysed."""

    path: str
    digest: Digest
    cause: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRequest:
    """Everything that decides an artifact's bytes, except its root folder.

    `sources` are the texts of modules that are not read from their files, by dotted name; `models` and
    `resources` go by record name; `parts` are records that were made elsewhere. `labels` are the targets of
    modules, by dotted name; `distributions` the versions of all distributions that the graph's modules name;
    `licenses` what those with packed modules say of theirs, by normalised name; the records of the texts are
    among `resources` or `parts`. `requires` are the versions (PEP 440) that an importer may accept;
    `environment` is what must be installed where it lands, None where nothing tells;
    `real_files` are the top-level modules whose code reads files by real paths, `root` and `beside` where
    these lead: see `Manifest`. The `shelf` has what other artifacts of the build hold too.
    """

    graph: ModuleGraph
    python_version: str
    sources: Mapping[str, bytes] = field(default_factory=dict)
    models: Mapping[str, PackedModel] = field(default_factory=dict)
    resources: Mapping[str, ResourceFile] = field(default_factory=dict)
    parts: Sequence[Part] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    requires: Mapping[str, str] = field(default_factory=dict)
    licenses: Mapping[str, ManifestLicense] = field(default_factory=dict)
    environment: LockedEnvironment | None = None
    real_files: tuple[str, ...] = ()
    root: str = ""
    beside: tuple[str, ...] = ()
    shelf: ModuleShelf = field(default_factory=ModuleShelf, compare=False, repr=False)


def lay_out(request: ArtifactRequest, content: Contents) -> tuple[Record, ...]:
    """Return all records of the artifact, sorted by name, with the manifest.

    Raises AnalysisError (GroupedError of several) for records that cannot lie side by side, ActionError for a
    file that has changed since it was analysed, LostContentError for content that the cache no longer has.
    """
    return lay_out_parts(request, [*model_parts(request.models, content), *_resource_parts(request, content)])


def lay_out_parts(request: ArtifactRequest, stored: Sequence[Part] = ()) -> tuple[Record, ...]:
    """Return the records as `lay_out` does, with `stored` in place of the request's models and resources."""
    parts = [*_module_parts(request), *stored, *_framework_parts(request), *request.parts]
    parts += mock_parts(request.graph, _packages_among(parts, request.graph))
    check_names(parts)
    parts = [_with_checksum(part) for part in sorted(parts, key=lambda part: part.name)]
    manifest = Part.of_bytes(
        layout.MANIFEST, _manifest_bytes(request, parts), kind=RecordKind.FRAMEWORK, cause="the manifest"
    )
    return tuple(part.record() for part in sorted([*parts, manifest], key=lambda part: part.name))


def _with_checksum(part: Part) -> Part:
    return part if part.crc32 is not None else replace(part, crc32=crc32_of(part.content))


def packed_modules(graph: ModuleGraph) -> Iterator[ModuleNode]:
    """Give the modules of `graph` that have a record each in an artifact."""
    interned = {node.name: node for node in graph.with_policy(Policy.INTERN)}
    for node in interned.values():
        package = interned.get(package_of_init(node.name) or "")
        is_same_file = package is not None and package.digest == node.digest
        if node.kind is not ModuleKind.NAMESPACE and not is_same_file:
            yield node


def _module_parts(request: ArtifactRequest) -> Iterator[Part]:
    for node in packed_modules(request.graph):
        if node.name in request.sources:
            yield module_part(node, request.sources[node.name])
        else:
            yield request.shelf.part(node)


def _resource_parts(request: ArtifactRequest, content: Contents) -> Iterator[Part]:
    for name, resource in sorted(request.resources.items()):
        cause = resource.cause or f"the resource {name}"
        yield Part(
            name=name,
            kind=RecordKind.RESOURCE,
            content=file_content(content, resource.path, resource.digest, needed_for=cause),
            digest=resource.digest,
            cause=cause,
        )


def _framework_parts(request: ArtifactRequest) -> Iterator[Part]:
    externs = "".join(f"{node.name}\n" for node in request.graph.with_policy(Policy.EXTERN))
    for name, text in (
        (layout.VERSION_RECORD, f"{layout.VERSION}\n"),
        (layout.EXTERN_MODULES, externs),
        (layout.PYTHON_VERSION, request.python_version),
        # Storages are written as little-endian numbers whatever machine builds.
        (layout.BYTEORDER, "little"),
    ):
        yield Part.of_bytes(name, text.encode(), kind=RecordKind.FRAMEWORK, cause="the format")
    if request.environment is not None and request.environment.distributions:
        data = pylock_text(request.environment).encode()
        yield Part.of_bytes(
            layout.ENVIRONMENT, data, kind=RecordKind.FRAMEWORK, cause="the environment of the artifact"
        )


def _packages_among(parts: Sequence[Part], graph: ModuleGraph) -> Collection[str]:
    """Return the dotted names of the folders that the parts and the stubs of mocked modules lie in.

    Only stubs have any use for them.
    """
    stubs = [record_of_module(node.name, False) for node in graph.with_policy(Policy.MOCK)]
    if not stubs:
        return ()
    return PackedModules([*(part.name for part in parts), *stubs]).folders


def _manifest_bytes(request: ArtifactRequest, parts: Sequence[Part]) -> bytes:
    """Return the bytes of the manifest of an artifact with `parts`, which are sorted by name."""
    named = {node.distribution for node in request.graph}
    optional = request.graph.optional_modules()
    by_name = {part.name: part for part in parts}
    names = LAYOUT.in_order(by_name)
    laid_out = [by_name[name] for name in names]
    manifest = Manifest(
        checksums=checksums_of(
            names, [part.crc32 or 0 for part in laid_out], [size_of(part.content) for part in laid_out]
        ),
        tool=ManifestTool(name="hermpkg", version=__version__),
        python_version=request.python_version,
        records={},
        distributions={name: version for name, version in request.distributions.items() if name in named},
        requires=normalised_requirements(request.requires),
        models={record: packed.origin for record, packed in request.models.items()},
        real_files=request.real_files,
        root=request.root,
        beside=request.beside,
        licenses=request.licenses or None,
    )
    records = [
        part.entry or entry_bytes(part.name, ManifestRecord(digest=part.digest, kind=part.kind))
        for part in parts
    ]
    return bytes_with_entries(
        manifest, records=records, modules=[_module_entry(request, node, optional) for node in request.graph]
    )


def _module_entry(request: ArtifactRequest, node: ModuleNode, optional: Collection[str]) -> bytes:
    is_optional = node.policy is Policy.EXTERN and node.name in optional
    known = None if is_optional else request.shelf.entry(node)
    if known is not None:
        return known
    module = ManifestModule(
        policy=node.policy,
        kind=node.kind,
        origin=node.origin,
        label=request.labels.get(node.name, ""),
        distribution=node.distribution,
        optional=is_optional,
    )
    entry = entry_bytes(node.name, module)
    if not is_optional:
        request.shelf.keep_entry(node, entry)
    return entry

"""Decides which records an artifact has: modules, stubs, models, resources and those of the format."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hermpkg_build.archive import layout
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.archive.records import Record
from hermpkg_build.assembly.mocks import mock_parts
from hermpkg_build.assembly.model_records import PackedModel, model_parts
from hermpkg_build.assembly.parts import Part, check_names
from hermpkg_build.assembly.record_contents import Contents, file_bytes, file_content
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.distribution_names import normalised_requirements
from hermpkg_build.core.graph import ModuleGraph, ModuleKind, ModuleNode
from hermpkg_build.core.manifest import (
    Manifest,
    ManifestLicense,
    ManifestModule,
    ManifestRecord,
    ManifestTool,
    RecordKind,
)
from hermpkg_build.core.module_names import package_of_init, record_of_module
from hermpkg_build.core.policy import Policy
from hermpkg_build.environment.locked import LockedEnvironment
from hermpkg_build.environment.pylock import pylock_text
from hermpkg_build.errors import AnalysisError
from hermpkg_build.version import __version__

__all__ = [
    "ASSEMBLY_VERSION",
    "ArtifactRequest",
    "PackedModel",
    "Part",
    "ResourceFile",
    "lay_out",
    "lay_out_parts",
]

ASSEMBLY_VERSION = f"8 {__version__}"
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
    these lead: see `Manifest`.
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
    manifest = Part.of_bytes(
        layout.MANIFEST,
        _manifest_of(request, parts).to_bytes(),
        kind=RecordKind.FRAMEWORK,
        cause="the manifest",
    )
    return tuple(part.record() for part in sorted([*parts, manifest], key=lambda part: part.name))


def _module_parts(request: ArtifactRequest) -> Iterator[Part]:
    interned = {node.name: node for node in request.graph.with_policy(Policy.INTERN)}
    for node in interned.values():
        package = interned.get(package_of_init(node.name) or "")
        is_same_file = package is not None and package.digest == node.digest
        if node.kind is ModuleKind.NAMESPACE or is_same_file:
            continue
        if node.kind not in (ModuleKind.SOURCE, ModuleKind.PACKAGE):
            raise AnalysisError(
                f"the module {node.name} cannot be packed: it has no Python source",
                facts=[("kind", str(node.kind)), ("file", node.path or "none")],
                next_step=f'extern("{node.name}") or mock("{node.name}") it',
            )
        data = _source_of(request, node)
        yield Part(
            name=record_of_module(node.name, node.is_package),
            kind=RecordKind.MODULE,
            content=data,
            digest=node.digest or Digest.of(data),
            cause=f"the module {node.name}",
        )


def _source_of(request: ArtifactRequest, node: ModuleNode) -> bytes:
    """Read a module's source, which must have the bytes that were analysed."""
    if node.name in request.sources:
        return request.sources[node.name]
    return file_bytes(node.path, node.digest, needed_for=f"the module {node.name}")


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
    """Return the dotted names of the folders that the parts and the stubs of mocked modules lie in."""
    stubs = [record_of_module(node.name, False) for node in graph.with_policy(Policy.MOCK)]
    return PackedModules([*(part.name for part in parts), *stubs]).folders


def _manifest_of(request: ArtifactRequest, parts: Sequence[Part]) -> Manifest:
    named = {node.distribution for node in request.graph}
    optional = request.graph.optional_modules()
    return Manifest(
        tool=ManifestTool(name="hermpkg", version=__version__),
        python_version=request.python_version,
        records={part.name: ManifestRecord(digest=part.digest, kind=part.kind) for part in parts},
        modules={node.name: _manifest_module(request, node, optional) for node in request.graph},
        distributions={name: version for name, version in request.distributions.items() if name in named},
        requires=normalised_requirements(request.requires),
        models={record: packed.origin for record, packed in request.models.items()},
        real_files=request.real_files,
        root=request.root,
        beside=request.beside,
        licenses=request.licenses or None,
    )


def _manifest_module(request: ArtifactRequest, node: ModuleNode, optional: Collection[str]) -> ManifestModule:
    return ManifestModule(
        policy=node.policy,
        kind=node.kind,
        origin=node.origin,
        label=request.labels.get(node.name, ""),
        distribution=node.distribution,
        optional=node.policy is Policy.EXTERN and node.name in optional,
    )

"""Lists what an artifact is made of, and what it needs where it lands."""

from __future__ import annotations

import enum
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod

from hermpkg_build.archive.layout import PYTHON_VERSION
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import EdgeKind, ModuleGraph
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.inspection.archive_graph import graph_of_archive
from hermpkg_build.inspection.contents import RecordFacts, digest_of
from hermpkg_build.inspection.groups import Group, GroupKey, GroupKind
from hermpkg_build.inspection.overview import Overview, overview_of
from hermpkg_build.inspection.tensors import TensorFacts
from hermpkg_build.provenance.licenses import License, license_of
from hermpkg_build.provenance.materials import MOST_LISTED, edited_words

_PYTHON = "Python"
_PICKLES = "pickled objects"
_UNNAMED = (GroupKind.ABSENT,)


class PartKind(str, enum.Enum):
    """The kinds of things that an artifact is made of, or needs."""

    DISTRIBUTION = "distribution"
    MODULE = "module"
    """A top-level module of which the artifact does not say who installs it."""
    OWN_CODE = "own code"
    """Code of the workspace, sources that a target gives, and modules that one is told are one's own."""
    INTERPRETER = "interpreter"
    MODEL = "model"
    DATA = "data"
    """Resources, pickles that are no models, tensors without a model, and records of the format."""

    __str__ = str.__str__


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The tensors of a model: how many, with how many elements, by type.

    `unread` is that the pickle could not be read, so that nothing of this is known.
    """

    tensors: int = 0
    elements: Mapping[str, int] = field(default_factory=dict)
    unread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that the artifact is made of, or that it needs where it lands.

    `ref` names it within the bill, and `needs` are the `ref` of what it imports, names in pickles or shares
    tensors with; these are files of the first model that has them. `version` is the one that the artifact was
    built with, `requires` (PEP 440) those that may be there. `packed`, `extern` and `mocked` count modules,
    `mocks` names those of which there are only stubs, and `externs` those that are taken from where the
    artifact lands: with its files, the policy of each of its modules is known. It is `optional` where only
    imports lead to it that may fail. `license` is None for what is no distribution with packed code, `source`
    where that was installed from, where no index is. Of a model, `made_by` is its factory.
    """

    ref: str
    kind: PartKind
    name: str
    version: str = ""
    requires: str = ""
    packed: int = 0
    extern: int = 0
    mocked: int = 0
    mocks: tuple[str, ...] = ()
    externs: tuple[str, ...] = ()
    optional: bool = False
    files: tuple[RecordFacts, ...] = ()
    license: License | None = None
    license_files: tuple[str, ...] = ()
    source: str = ""
    label: str = ""
    made_by: str = ""
    computed_on: str = ""
    weights: Weights | None = None
    needs: tuple[str, ...] = ()

    @property
    def is_inside(self) -> bool:
        """Whether the artifact holds some of it."""
        return bool(self.files)

    @property
    def status(self) -> str:
        """What became of it, in a word: packed, extern, or mocked where nothing but stubs is left of it."""
        if self.packed or (self.files and not self.mocked):
            return "packed"
        return "mocked" if self.mocked and not self.extern else "extern"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What an artifact is made of.

    `name` is its root folder, `digest` that of the whole file, `built_by` the program that made it and its
    version, "" where it does not say. `parts` are sorted by kind and name; `unknown` says in sentences what
    cannot be known from this artifact.
    """

    name: str
    digest: Digest
    built_by: str
    python_version: str
    parts: tuple[Part, ...]
    unknown: tuple[str, ...]

    @property
    def serial(self) -> uuid.UUID:
        """An identifier that is the same for every bill of the same bytes."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"hermpkg bill of sha256:{self.digest.hash}")

    def of_kind(self, kind: PartKind) -> list[Part]:
        """List the parts of one kind, by name."""
        return [part for part in self.parts if part.kind is kind]


def bill_of(archive: ArchiveReader, *, own: Collection[str] = ()) -> Bill:
    """List what `archive` is made of; nothing of it runs.

    `own` are top-level modules that count as own code where no distribution is known to have them. Raises
    ArchiveError for damaged records, LocalEnvironmentError where the extra `sbom` is not installed.
    """
    overview = overview_of(archive)
    manifest = overview.contents.manifest
    python_version = (
        archive.read(PYTHON_VERSION).decode("utf-8", "replace").strip() if archive.has(PYTHON_VERSION) else ""
    )
    parts = list(_BillMaker(overview, graph_of_archive(archive), python_version, own).parts())
    known = {part.ref for part in parts}
    parts = [replace(part, needs=tuple(ref for ref in part.needs if ref in known)) for part in parts]
    return Bill(
        name=archive.root,
        digest=digest_of(archive),
        built_by=f"{manifest.tool.name} {manifest.tool.version}" if manifest is not None else "",
        python_version=python_version,
        parts=tuple(sorted(parts, key=lambda part: (list(PartKind).index(part.kind), part.ref))),
        unknown=tuple(_unknown(overview, python_version)),
    )


class _BillMaker:
    """Makes the parts of a bill out of the groups that the records and modules of an artifact belong to."""

    def __init__(
        self, overview: Overview, graph: ModuleGraph, python_version: str, own: Collection[str]
    ) -> None:
        self._own = own
        self._overview = overview
        self._python_version = python_version
        self._manifest = overview.contents.manifest
        self._models = _models(overview, graph)
        self._needs = self._needs_by_ref(graph)
        self._mocks = self._modules_by_ref(Policy.MOCK)
        self._externs = self._modules_by_ref(Policy.EXTERN)

    def parts(self) -> Iterator[Part]:
        """Give all parts; each record of the artifact is a file of one of them."""
        belongings = self._overview.belongings
        records = belongings.by_group(self._overview.contents.records)
        keys = {(key.kind, str(key)): key for key in map(belongings.of_module, belongings.modules)}
        keys.update({(key.kind, str(key)): key for key in records})
        own: list[tuple[Group, list[RecordFacts]]] = []
        for group in self._overview.groups:
            key = keys[group.kind, group.title]
            found = records.get(key, [])
            if key.kind in (GroupKind.WORKSPACE, GroupKind.GENERATED):
                own.append((group, found))
            elif key.kind is GroupKind.TENSORS:
                yield from self._model_parts(found, records.get(GroupKey(kind=GroupKind.PICKLES), []))
            elif key.kind is GroupKind.PICKLES:
                if GroupKey(kind=GroupKind.TENSORS) not in records:
                    yield from self._model_parts([], found)
            elif key.kind not in _UNNAMED:
                yield self._part(key, group, found)
        if own:
            yield self._own_code(own)
        if not any(group.kind is GroupKind.STDLIB for group in self._overview.groups):
            ref = _ref_of(GroupKey(kind=GroupKind.STDLIB))
            yield Part(ref=ref, kind=PartKind.INTERPRETER, name=_PYTHON, version=self._python_version)

    def _part(self, key: GroupKey, group: Group, files: list[RecordFacts]) -> Part:
        ref = _ref_of(key)
        if key.kind is GroupKind.STDLIB:
            name, kind, version = _PYTHON, PartKind.INTERPRETER, self._python_version
        elif key.kind in (GroupKind.DISTRIBUTION, GroupKind.MODULE):
            kind = PartKind.DISTRIBUTION if key.kind is GroupKind.DISTRIBUTION else PartKind.MODULE
            if kind is PartKind.MODULE and key.name in self._own and group.packed:
                kind = PartKind.OWN_CODE
            name, version = key.name, group.version
        else:
            name, kind, version = group.title, PartKind.DATA, ""
        stated = (self._manifest.licenses or {}).get(key.name) if self._manifest is not None else None
        is_licensed = kind is PartKind.DISTRIBUTION and bool(group.packed or (files and not group.mocked))
        return Part(
            ref=ref,
            kind=kind,
            name=name,
            version=version,
            requires=group.requires,
            packed=group.packed,
            extern=group.extern,
            mocked=group.mocked,
            mocks=self._mocks.get(ref, ()),
            externs=self._externs.get(ref, ()),
            optional=group.optional,
            files=tuple(files),
            license=license_of(stated) if is_licensed else None,
            license_files=stated.files if stated is not None and is_licensed else (),
            source=stated.source if stated is not None else "",
            needs=self._needs.get(ref, ()),
        )

    def _own_code(self, own: Sequence[tuple[Group, list[RecordFacts]]]) -> Part:
        ref = _ref_of(GroupKey(kind=GroupKind.WORKSPACE))
        return Part(
            ref=ref,
            kind=PartKind.OWN_CODE,
            name="own code",
            packed=sum(group.packed for group, _ in own),
            extern=sum(group.extern for group, _ in own),
            mocked=sum(group.mocked for group, _ in own),
            mocks=self._mocks.get(ref, ()),
            externs=self._externs.get(ref, ()),
            files=tuple(file for _, files in own for file in files),
            needs=self._needs.get(ref, ()),
        )

    def _model_parts(self, storages: list[RecordFacts], pickles: list[RecordFacts]) -> Iterator[Part]:
        """Give the models with their tensors, then the pickles and tensors that belong to none."""
        tensors: dict[str, list[TensorFacts]] = {}
        for tensor in self._overview.tensors.tensors:
            tensors.setdefault(tensor.pickle, []).append(tensor)
        by_name = {record.name: record for record in storages}
        taken: dict[str, str] = {}
        for pickle in pickles:
            if pickle.name in self._models:
                used = {tensor.storage for tensor in tensors.get(pickle.name, ())} & by_name.keys()
                shared = {taken[name] for name in used if name in taken}
                own = sorted(used - taken.keys(), key=_by_number)
                model = self._model(pickle.name, [pickle, *map(by_name.__getitem__, own)], tensors)
                taken.update(dict.fromkeys(own, model.ref))
                yield replace(model, needs=tuple(sorted({*model.needs, *shared}))) if shared else model
        others = [record for record in pickles if record.name not in self._models]
        rest = [record for record in storages if record.name not in taken]
        for name, left in ((_PICKLES, others), ("tensors of no model", rest)):
            if left:
                ref = f"data:{name}"
                yield Part(
                    ref=ref,
                    kind=PartKind.DATA,
                    name=name,
                    files=tuple(left),
                    needs=self._needs.get(ref, ()),
                )

    def _model(
        self, record: str, files: Sequence[RecordFacts], tensors: Mapping[str, Sequence[TensorFacts]]
    ) -> Part:
        origin = self._manifest.models.get(record) if self._manifest is not None else None
        ref = f"model:{record}"
        elements: Counter[str] = Counter()
        for tensor in tensors.get(record, ()):
            elements[tensor.dtype] += _elements(tensor)
        return Part(
            ref=ref,
            kind=PartKind.MODEL,
            name=record,
            files=tuple(files),
            label=origin.label if origin is not None else "",
            made_by=origin.factory if origin is not None else "",
            computed_on=origin.computed_on if origin is not None else "",
            weights=Weights(
                tensors=len(tensors.get(record, ())),
                elements=dict(sorted(elements.items())),
                unread=record in self._overview.tensors.unread,
            ),
            needs=self._needs.get(ref, ()),
        )

    def _modules_by_ref(self, wanted: Policy) -> dict[str, tuple[str, ...]]:
        belongings = self._overview.belongings
        found: dict[str, list[str]] = {}
        for name, policy in sorted(belongings.modules.items()):
            if policy is wanted:
                found.setdefault(_ref_of(belongings.of_module(name)), []).append(name)
        return {ref: tuple(names) for ref, names in found.items()}

    def _needs_by_ref(self, graph: ModuleGraph) -> dict[str, tuple[str, ...]]:
        """Say which parts need which others, by the edges between their modules and out of their pickles."""
        belongings = self._overview.belongings
        records = self._overview.contents.records
        pickles = {record.name for record in records if record.kind == RecordKind.PICKLE}

        def ref_of(name: str) -> str:
            if name in graph.nodes:
                key = belongings.of_module(name)
                return "" if key.kind in _UNNAMED else _ref_of(key)
            return f"model:{name}" if name in self._models else f"data:{_PICKLES}" if name in pickles else ""

        needs: dict[str, set[str]] = {}
        for edge in graph.edges:
            source, target = ref_of(edge.source), ref_of(edge.target)
            if source and target and source != target:
                needs.setdefault(source, set()).add(target)
        return {ref: tuple(sorted(found)) for ref, found in needs.items()}


def _ref_of(key: GroupKey) -> str:
    if key.kind in (GroupKind.WORKSPACE, GroupKind.GENERATED):
        return "own-code"
    if key.kind is GroupKind.STDLIB:
        return "interpreter"
    if key.kind in (GroupKind.DISTRIBUTION, GroupKind.MODULE):
        return f"{key.kind}:{key.name}"
    return f"data:{key}"


def _models(overview: Overview, graph: ModuleGraph) -> frozenset[str]:
    """The pickles that are models: those that the manifest says, or else those with tensors or with code."""
    manifest = overview.contents.manifest
    stated = frozenset(manifest.models) if manifest is not None else frozenset()
    belongings = overview.belongings
    found = {tensor.pickle for tensor in overview.tensors.tensors} | {*overview.tensors.unread}
    found.update(
        edge.source
        for edge in graph.edges
        if edge.kind is EdgeKind.PICKLE and belongings.of_module(edge.target).kind is not GroupKind.STDLIB
    )
    pickles = {record.name for record in overview.contents.records if record.kind == RecordKind.PICKLE}
    return stated & pickles or frozenset(found & pickles)


def _elements(tensor: TensorFacts) -> int:
    return prod(tensor.shape) if tensor.shape is not None else 0


def _by_number(record: str) -> tuple[int, str]:
    """Sort ``.data/10.storage`` behind ``.data/9.storage``."""
    return len(record), record


def _unknown(overview: Overview, python_version: str) -> Iterator[str]:
    """Say what cannot be known from the artifact."""
    manifest = overview.contents.manifest
    if manifest is None:
        yield (
            "hermpkg did not write this artifact, and it has no manifest: which distributions its modules"
            " come from, their versions and licences, and how its models were made is not known"
        )
    elif any(
        module.policy is Policy.INTERN and module.distribution not in ("", *(manifest.licenses or {}))
        for module in manifest.modules.values()
    ):
        yield "the artifact does not record the licences of all packed distributions"
    if not python_version:
        yield "the artifact does not say which Python it was made for"
    for record in overview.tensors.unread:
        yield f"the pickle {record} cannot be read, so that its tensors are not known"
    if overview.tensors.tensors or overview.tensors.unnamed:
        yield "under which terms weights and other data may be used is recorded nowhere"
    yield from edited_words(overview.contents)
    yield from _absent(overview, manifest)


def _absent(overview: Overview, manifest: Manifest | None) -> Iterator[str]:
    belongings = overview.belongings
    names = [name for name in belongings.modules if belongings.of_module(name).kind is GroupKind.ABSENT]
    if names and manifest is not None:
        shown = listed(sorted(names), MOST_LISTED)
        yield f"modules that imports name, and that were not installed when it was built: {shown}"

"""Says what the bytes and modules of an artifact belong to: a distribution, the workspace, tensors, ..."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hermpkg_build.analysis.distributions import owner_of_metadata
from hermpkg_build.archive.layout import EXTERN_MODULES, LICENSES, MANIFEST, MOCK_MODULE
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.assembly.mocks import mocked_modules
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.json_codec import OMITTED
from hermpkg_build.core.manifest import Manifest, ManifestModule, RecordKind
from hermpkg_build.core.module_names import module_of_record, parents_of, top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.texts import counted
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.inspection.contents import Contents, RecordFacts
from hermpkg_build.runtime.contents.archives import read_externs


class GroupKind(str, enum.Enum):
    """The kinds of things that records and modules belong to."""

    TENSORS = "tensors"
    PICKLES = "pickles"
    WORKSPACE = "workspace"
    """Code of the workspace, with its data files."""
    GENERATED = "generated"
    """Modules whose source text a target gives."""
    DISTRIBUTION = "distribution"
    MODULE = "module"
    """A top-level module of which the artifact does not say who installs it."""
    STDLIB = "stdlib"
    ABSENT = "absent"
    """Modules that were not installed where the artifact was built."""
    RESOURCES = "resources"
    FORMAT = "format"
    """Records of the file format itself."""

    __str__ = str.__str__


_NOT_INSTALLED = (GroupKind.STDLIB, GroupKind.ABSENT)
_ORIGINS = {
    Origin.WORKSPACE: GroupKind.WORKSPACE,
    Origin.GENERATED: GroupKind.GENERATED,
    Origin.STDLIB: GroupKind.STDLIB,
}
_TITLES = {
    GroupKind.TENSORS: "tensors",
    GroupKind.PICKLES: "pickled objects",
    GroupKind.WORKSPACE: "your workspace",
    GroupKind.GENERATED: "sources given as text",
    GroupKind.STDLIB: "Python's standard library",
    GroupKind.ABSENT: "may be absent",
    GroupKind.RESOURCES: "resources",
    GroupKind.FORMAT: "the file format's records",
}
_TAKEN = frozenset(_TITLES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKey:
    """What a record or module belongs to; `name` is that of a DISTRIBUTION or a MODULE, else ""."""

    kind: GroupKind
    name: str = ""

    def __str__(self) -> str:
        # A distribution can be called "resources".
        return _TITLES.get(self.kind) or (f"{self.name} (code)" if self.name in _TAKEN else self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Everything of one distribution, of the workspace, and so on.

    `title` is its name for people. `bytes` and `records` count what is packed; `packed`, `extern` and
    `mocked` count modules. An extern distribution's `version` is the one that the artifact was built against
    and `requires` the versions (PEP 440) that may be there; it is `optional` where only imports lead to it
    that may fail. `must_be_installed` is whether the artifact needs something of it where it lands.
    """

    kind: GroupKind
    title: str
    version: str = field(default="", metadata=OMITTED)
    requires: str = field(default="", metadata=OMITTED)
    bytes: int = 0
    records: int = 0
    packed: int = 0
    extern: int = 0
    mocked: int = 0
    optional: bool = False

    @property
    def must_be_installed(self) -> bool:
        """Whether loading may need something of it that is not packed."""
        return bool(self.extern) and not self.optional and self.kind not in _NOT_INSTALLED

    @property
    def status(self) -> str:
        """What became of it, in a few words."""
        words = []
        if self.packed:
            words.append("packed")
        if self.mocked:
            words.append("replaced by stubs" if not self.packed else f"{counted(self.mocked, 'stub')}")
        if self.kind is GroupKind.STDLIB:
            words.append("comes with Python")
        elif self.kind is GroupKind.ABSENT:
            words.append("used where they are installed")
        elif self.extern and self.kind in (GroupKind.WORKSPACE, GroupKind.GENERATED):
            words.append("must be importable where it lands")
        elif self.extern:
            words.append("used where it is installed" if self.optional else "must be installed")
        return ", ".join(words)


class Belongings:
    """Which group each record and each module of an artifact belongs to.

    `modules` are the packed, extern and mocked modules with their policies.
    """

    def __init__(self, archive: ArchiveReader, manifest: Manifest | None) -> None:
        self._manifest = manifest
        self._listed: Mapping[str, ManifestModule] = self._manifest.modules if self._manifest else {}
        self.packed: PackedModules = PackedModules(archive.names())
        mocks = mocked_modules(self.packed, self._manifest, archive.read)
        policies = dict.fromkeys(self.packed.sources, Policy.INTERN)
        policies.update(dict.fromkeys(mocks, Policy.MOCK))
        if self._manifest is not None:
            policies.update({name: module.policy for name, module in self._listed.items()})
        elif archive.has(EXTERN_MODULES):
            policies.update(dict.fromkeys(read_externs(archive), Policy.EXTERN))
        policies.pop(MOCK_MODULE, None)
        self.modules: Mapping[str, Policy] = policies
        self._beside: dict[str, str] = {}
        for name, record in sorted(self.packed.sources.items()):
            self._beside.setdefault(record.rpartition("/")[0], name)
        self._owners_below: dict[str, str] = {}
        for name, module in sorted(self._listed.items()):
            if module.distribution:
                for parent in parents_of(name):
                    self._owners_below.setdefault(parent, module.distribution)

    def of_module(self, name: str) -> GroupKey:
        """Return the group of the module `name`, packed or not."""
        listed = self._listed.get(name)
        if listed is None:
            # A namespace package and what was added later belong to what they lie in.
            around = [self._listed[parent] for parent in parents_of(name) if parent in self._listed]
            listed = around[0] if around else None
        owner = listed.distribution if listed is not None else ""
        if listed is not None and not owner and listed.kind is ModuleKind.NAMESPACE:
            owner = self._owners_below.get(name, "")
        if owner:
            return GroupKey(kind=GroupKind.DISTRIBUTION, name=normalised(owner))
        if listed is not None and listed.origin in _ORIGINS:
            return GroupKey(kind=_ORIGINS[listed.origin])
        if listed is not None and listed.origin is Origin.MISSING and listed.policy is Policy.EXTERN:
            return GroupKey(kind=GroupKind.ABSENT)
        is_stdlib = top_of(name) in sys.stdlib_module_names and name not in self.packed.sources
        if listed is None and is_stdlib:
            return GroupKey(kind=GroupKind.STDLIB)
        return GroupKey(kind=GroupKind.MODULE, name=top_of(name))

    def of_record(self, name: str, kind: str) -> GroupKey:
        """Return the group of the record `name`, which is of the `kind` that `inspect` shows."""
        if kind == RecordKind.STORAGE:
            return GroupKey(kind=GroupKind.TENSORS)
        if kind == RecordKind.PICKLE:
            return GroupKey(kind=GroupKind.PICKLES)
        if name.startswith(LICENSES):
            return GroupKey(
                kind=GroupKind.DISTRIBUTION, name=normalised(name[len(LICENSES) :].partition("/")[0])
            )
        module = module_of_record(name)
        if kind == RecordKind.FRAMEWORK or (module is not None and module[0] == MOCK_MODULE):
            return GroupKey(kind=GroupKind.FORMAT)
        if module is not None and kind in (RecordKind.MODULE, RecordKind.MOCK):
            return self.of_module(module[0])
        owner = owner_of_metadata(name.partition("/")[0])
        if owner:
            return GroupKey(kind=GroupKind.DISTRIBUTION, name=owner)
        beside = self.module_beside(name)
        return self.of_module(beside) if beside else GroupKey(kind=GroupKind.RESOURCES)

    def by_group(self, records: Iterable[RecordFacts]) -> dict[GroupKey, list[RecordFacts]]:
        """Sort `records` by the group that each belongs to."""
        found: dict[GroupKey, list[RecordFacts]] = {}
        for record in records:
            found.setdefault(self.of_record(record.name, record.kind), []).append(record)
        return found

    def module_beside(self, record: str) -> str:
        """Return the packed module in whose folder a data file lies, or in the nearest above; "" for none.

        Of several it is the package itself, or else the first by name.
        """
        folder = record.rpartition("/")[0]
        while folder and folder not in self._beside:
            folder = folder.rpartition("/")[0]
        return self._beside.get(folder, "") if folder else ""

    def groups(self, records: Sequence[RecordFacts]) -> tuple[Group, ...]:
        """Return the groups of `records`: tensors, then what is packed by its bytes, then what is not."""
        sizes = {
            key: [sum(record.bytes for record in found), len(found)]
            for key, found in self.by_group(records).items()
        }
        members: dict[GroupKey, list[str]] = {key: [] for key in sizes}
        for name in self.modules:
            members.setdefault(self.of_module(name), []).append(name)
        found = [self._group(key, sizes.get(key, [0, 0]), names) for key, names in members.items()]
        return tuple(sorted(found, key=_order))

    def _group(self, key: GroupKey, size: list[int], modules: list[str]) -> Group:
        counts = {policy: sum(self.modules[name] is policy for name in modules) for policy in Policy}
        externs = [name for name in modules if self.modules[name] is Policy.EXTERN]
        listed = [self._listed[name] for name in externs if name in self._listed]
        manifest = self._manifest
        return Group(
            kind=key.kind,
            title=str(key),
            version=manifest.distributions.get(key.name, "") if manifest else "",
            requires=manifest.required_versions().get(key.name, "") if manifest else "",
            bytes=size[0],
            records=size[1],
            packed=counts[Policy.INTERN],
            extern=counts[Policy.EXTERN],
            mocked=counts[Policy.MOCK],
            optional=bool(listed) and all(module.optional for module in listed),
        )


def _order(group: Group) -> tuple[bool, int, int, bool, str]:
    last = (GroupKind.ABSENT, GroupKind.STDLIB, GroupKind.FORMAT)
    place = 1 + last.index(group.kind) if group.kind in last else 0
    return group.kind is not GroupKind.TENSORS, place, -group.bytes, group.optional, group.title


def edits_of(contents: Contents) -> Iterator[tuple[str, str]]:
    """Give (what happened, record) for each record that was changed, added or removed since the build."""
    manifest = contents.manifest
    if manifest is None:
        return
    present = {record.name for record in contents.records}
    for record in contents.records:
        if record.as_built is False:
            yield "changed", record.name
        elif record.as_built is None and record.name != MANIFEST:
            yield "added", record.name
    for name in sorted(manifest.records.keys() - present):
        yield "gone", name

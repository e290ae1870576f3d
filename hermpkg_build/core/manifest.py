"""The manifest: what an artifact holds and what it needs, as canonical JSON inside it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hermpkg_build.core.canonical_json import Json, dumps, loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.graph import ModuleKind, Origin
from hermpkg_build.core.policy import Policy
from hermpkg_build.errors import ArchiveError

FORMAT = 1
"""The version of the manifest's own structure. Fields may be added without a new one."""

_T = TypeVar("_T")


class RecordKind(str, enum.Enum):
    """What a record of an artifact is."""

    MODULE = "module"
    MOCK = "mock"
    """The stub of a mocked module, or the module that all stubs share."""
    PICKLE = "pickle"
    STORAGE = "storage"
    RESOURCE = "resource"
    FRAMEWORK = "framework"
    """What torch.package itself asks for: versions, names of extern modules, byte order."""

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
    label: str = ""
    distribution: str = ""
    optional: bool = False

    @property
    def is_package(self) -> bool:
        """Whether the module can have submodules."""
        return self.kind in (ModuleKind.PACKAGE, ModuleKind.NAMESPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestModel:
    """Where the object in a pickle comes from: the `model` target and its factory."""

    label: str
    factory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestTool:
    """The program that made the artifact."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an artifact holds and needs: no time, no path, no user, no host.

    `records` are all records but the manifest itself, by name; `modules` by dotted name;
    `distributions` the versions, by normalised name, that the modules' distributions had when the
    artifact was built; `requires` the versions (PEP 440) that may be there when it is loaded;
    `models` by the record of their pickle; `real_files` the top-level packages whose code reads
    files by their paths, sorted.
    """

    tool: ManifestTool
    python_version: str
    records: Mapping[str, ManifestRecord]
    modules: Mapping[str, ManifestModule] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    requires: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, ManifestModel] = field(default_factory=dict)
    real_files: tuple[str, ...] = ()
    format: int = FORMAT

    def extern_modules(self) -> Mapping[str, tuple[str, ...]]:
        """The extern modules by the distribution that provides them, "" for the standard library's."""
        found: dict[str, list[str]] = {}
        for name, module in self.modules.items():
            if module.policy is Policy.EXTERN:
                found.setdefault(module.distribution, []).append(name)
        return {distribution: tuple(sorted(names)) for distribution, names in sorted(found.items())}

    def required_versions(self) -> Mapping[str, str]:
        """`requires` by normalised names, as `distributions` are."""
        return {normalised(name): versions for name, versions in self.requires.items()}

    def to_json(self) -> Json:
        """The manifest as a JSON value, the inverse of `from_json`."""
        return {
            "format": self.format,
            "tool": {"name": self.tool.name, "version": self.tool.version},
            "python_version": self.python_version,
            "records": {
                name: {"digest": str(record.digest), "kind": str(record.kind)}
                for name, record in self.records.items()
            },
            "modules": {name: _module_to_json(module) for name, module in self.modules.items()},
            "distributions": dict(self.distributions),
            "requires": dict(self.requires),
            "models": {
                record: {"label": model.label, "factory": model.factory}
                for record, model in self.models.items()
            },
            **({"real_files": list(self.real_files)} if self.real_files else {}),
        }

    def to_bytes(self) -> bytes:
        """Canonical bytes: equal manifests, equal bytes."""
        return dumps(self.to_json())

    @classmethod
    def from_json(cls, value: Json) -> Manifest:
        """Read a manifest strictly; fields that are not known are ignored, those of a later version.

        Raises ArchiveError that names the field at fault.
        """
        top = _Fields("", value)
        tool = top.object("tool")
        return cls(
            format=top.integer("format"),
            tool=ManifestTool(name=tool.text("name"), version=tool.text("version")),
            python_version=top.text("python_version"),
            records=top.mapping("records", _record_from_json),
            modules=top.mapping("modules", _module_from_json),
            distributions=top.texts("distributions"),
            requires=top.texts("requires"),
            models=top.mapping("models", _model_from_json),
            real_files=top.words("real_files"),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The inverse of `to_bytes`. Raises ArchiveError."""
        try:
            value = loads(data)
        # Nesting deep enough to exhaust the stack is no manifest either.
        except (ValueError, RecursionError) as error:
            raise ArchiveError(
                "the artifact's manifest is not JSON", facts=[("reason", str(error))]
            ) from None
        return cls.from_json(value)


class _Fields:
    """One JSON object of a manifest, its fields read with their types checked; `at` is its place."""

    def __init__(self, at: str, value: Json) -> None:
        if not isinstance(value, Mapping):
            raise _malformed(at or "the whole", "an object", value)
        self.at = at
        self._value = value

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value.get(name, default)
        if not isinstance(value, str):
            raise _malformed(self._place(name), "a string", value)
        return value

    def integer(self, name: str) -> int:
        value = self._value.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise _malformed(self._place(name), "an integer", value)
        return value

    def truth(self, name: str) -> bool:
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            raise _malformed(self._place(name), "true or false", value)
        return value

    def object(self, name: str) -> _Fields:
        return _Fields(self._place(name), self._value.get(name))

    def mapping(self, name: str, read: Callable[[_Fields], _T]) -> dict[str, _T]:
        inner = self.object(name)
        return {key: read(inner.object(key)) for key in inner._value}

    def texts(self, name: str) -> dict[str, str]:
        inner = self.object(name)
        return {key: inner.text(key) for key in inner._value}

    def words(self, name: str) -> tuple[str, ...]:
        value = self._value.get(name, [])
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise _malformed(self._place(name), "a list of strings", value)
        return tuple(str(word) for word in value)

    def parsed(self, name: str, parse: Callable[[str], _T], expected: str) -> _T:
        text = self.text(name)
        try:
            return parse(text)
        except ValueError:
            raise _malformed(self._place(name), expected, text) from None

    def _place(self, name: str) -> str:
        return f"{self.at}[{name!r}]" if self.at else name


def _module_to_json(module: ManifestModule) -> Json:
    value: dict[str, Json] = {
        "policy": str(module.policy),
        "kind": str(module.kind),
        "origin": str(module.origin),
    }
    if module.label:
        value["label"] = module.label
    if module.distribution:
        value["distribution"] = module.distribution
    if module.optional:
        value["optional"] = True
    return value


def _module_from_json(fields: _Fields) -> ManifestModule:
    return ManifestModule(
        policy=fields.parsed("policy", Policy, _one_of(Policy)),
        kind=fields.parsed("kind", ModuleKind, _one_of(ModuleKind)),
        origin=fields.parsed("origin", Origin, _one_of(Origin)),
        label=fields.text("label", ""),
        distribution=fields.text("distribution", ""),
        optional=fields.truth("optional"),
    )


def _record_from_json(fields: _Fields) -> ManifestRecord:
    return ManifestRecord(
        digest=fields.parsed("digest", Digest.parse, "<sha256>/<size>"),
        kind=fields.parsed("kind", RecordKind, _one_of(RecordKind)),
    )


def _model_from_json(fields: _Fields) -> ManifestModel:
    return ManifestModel(label=fields.text("label"), factory=fields.text("factory"))


def _one_of(values: type[enum.Enum]) -> str:
    return "one of " + ", ".join(str(value) for value in values)


def _malformed(at: str, expected: str, found: Json) -> ArchiveError:
    text = "nothing" if found is None else repr(found)
    return ArchiveError(
        "the artifact's manifest is not well formed",
        facts=[("at", at), ("expected", expected), ("found", text if len(text) <= 80 else f"{text[:77]}...")],
    )

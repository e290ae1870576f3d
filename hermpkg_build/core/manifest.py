"""The manifest: an artifact's own list of what it holds and needs, as canonical JSON inside it."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

from hermpkg_build.core.canonical_json import dumps, loads, pretty
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.distribution_names import normalised_requirements
from hermpkg_build.core.json_reading import OMITTED, JsonFormError, UnreadParts, column, from_json
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import dataclass, field, replace
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
    `beside`, which the code finds above it. `checksums` is the SHA-256 of what the
    directory says of all these records: their names, with a NUL between two, their CRC-32s, 4 bytes each, and
    their sizes, 8 bytes each, little-endian, in the order of the file; "" where an older version made it.
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
    checksums: str = field(default="", metadata=OMITTED)

    def extern_modules(self) -> Mapping[str, tuple[str, ...]]:
        """The extern modules by the distribution that provides them, "" for the standard library's."""
        found: dict[str, list[str]] = {}
        for name in _names_having(self.modules, "policy", Policy.EXTERN.value):
            found.setdefault(self.modules[name].distribution, []).append(name)
        return {distribution: tuple(sorted(names)) for distribution, names in sorted(found.items())}

    def required_versions(self) -> Mapping[str, str]:
        """`requires` by normalised names, as `distributions` are."""
        return normalised_requirements(self.requires)

    def digests(self) -> Mapping[str, str]:
        """The digests of the records, as texts."""
        return {name: str(digest) for name, digest in column(self.records, "digest")}

    def records_of(self, kind: RecordKind) -> Sequence[str]:
        """The names of the records of one kind."""
        return _names_having(self.records, "kind", kind.value)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """The inverse of `manifest_bytes`; unknown fields are ignored, which are those of a later version.

        Raises ArchiveError, for JSON that is not a manifest's with the place of the field at fault.
        """
        with _told():
            text = data.decode()
            value = loads(text)
            if "\\ud" in text or "\\uD" in text:
                pretty(value)  # Raises UnicodeEncodeError for half of a surrogate pair, which is no text.
            return _known(from_json(cls, value, ignore_unknown=True))

    @classmethod
    def opened(cls, data: bytes) -> Manifest:
        """The same, but entries of modules and records are read when they are asked for, and raise then.

        That is so where each has a line; other text than `manifest_bytes` gives may be read at once.
        """
        return _opened(data) or cls.from_bytes(data)


class _Lines(str):
    """The text of a part of a manifest that has a line for each entry: no JSON, but in its place."""

    __slots__ = ()


def _opened(data: bytes) -> Manifest | None:
    """Read all of a manifest but the lines of entries; None where it is not written in lines, or wrong."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    rest: list[str] = []
    lines: list[_Lines] = []
    end = 0
    while (start := text.find("{\n", end)) >= 0:
        rest.append(text[end:start])
        end = text.find("\n}", start) + len("\n}")
        if end <= start:
            return None
        lines.append(_Lines(text[start + 1 : end - 1]))
    outline = "NaN".join([*rest, text[end:]])
    if not lines or "\n" in outline or "\\ud" in text or "\\uD" in text:
        return None
    left = iter(lines)
    try:
        value = json.loads(outline, parse_constant=lambda _: next(left))
        parts = {name: value[name] for name in _IN_LINES if isinstance(value[name], _Lines)}
        form = {**value, **{name: {} for name in parts}}
        manifest = _known(from_json(Manifest, form, ignore_unknown=True))
    except (ValueError, TypeError, LookupError, RecursionError, ArchiveError):
        return None
    if len(parts) < len(lines):
        return None
    entries: Any = {name: EntryLines(part, name) for name, part in parts.items()}
    return replace(manifest, **entries)


class EntryLines(UnreadParts[Any]):
    """The entries of the field `field` of a manifest, one on each of `lines`, read when they are asked for.

    No text of JSON has the end of a line in it. Raises ArchiveError for what is wrong with an entry.
    """

    def __init__(self, lines: str, field: str) -> None:
        self._read = partial(from_json, _IN_LINES[field], ignore_unknown=True)
        self._lines = lines
        self._field = field
        self._searches = 0
        self._found: dict[str, Any] = {}

    @cached_property
    def forms(self) -> dict[str, Any]:  # type: ignore[override]
        """The forms of all entries."""
        return self._read_objects(self._lines)

    def __getitem__(self, name: str) -> Any:
        forms = self._found
        if name not in forms and (self._searches >= _FEW or "forms" in vars(self)):
            forms = self.forms
        elif name not in forms:
            self._searches += 1
            start = self._lines.find(f"\n{dumps(name).decode()}:")
            forms = self._read_line(start) if start >= 0 else {}
        with _told():
            try:
                return self._read(forms[name])
            except JsonFormError as error:
                raise error.inside(name).inside(self._field) from None

    def having(self, field: str, value: str) -> list[str]:
        """Return the names of the entries whose `field` has this `value`."""
        sought = f'"{field}":"{value}"'
        found: list[str] = []
        at = self._lines.find(sought)
        while at >= 0:
            forms = self._read_line(self._lines.rindex("\n", 0, at))
            found += (name for name, form in forms.items() if form.get(field) == value)
            at = self._lines.find(sought, self._lines.index("\n", at))
        return found

    def _read_line(self, start: int) -> dict[str, Any]:
        """Read the line behind its predecessor's end at `start`, and return the forms in it."""
        line = self._lines[start + 1 : self._lines.index("\n", start + 1)]
        forms = self._read_objects(line.removesuffix(","))
        self._found |= forms
        return forms

    def _read_objects(self, entries: str) -> dict[str, Any]:
        with _told():
            forms: dict[str, Any] = json.loads(f"{{{entries}}}")
            if wrong := [form for form in forms.values() if type(form) is not dict]:
                raise JsonFormError("an object", wrong[0]).inside(self._field)
            return forms


def _names_having(parts: Mapping[str, object], field: str, value: str) -> list[str]:
    """Return the names of those whose `field`, which none omits, has this `value`."""
    if isinstance(parts, EntryLines):
        return parts.having(field, value)
    return [name for name, each in column(parts, field) if each == value]


def _known(manifest: Manifest) -> Manifest:
    """Return a manifest whose format this version knows. Raises ArchiveError."""
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


@contextmanager
def _told() -> Iterator[None]:
    """Raise ArchiveError for what is wrong with the text of a manifest."""
    try:
        yield
    except JsonFormError as error:
        raise ArchiveError(
            "the artifact's manifest is not well formed",
            facts=[("at", error.at), ("expected", error.expected), ("found", error.found)],
        ) from None
    # JSON that is nested too deeply to be read raises RecursionError.
    except (ValueError, RecursionError) as error:
        raise ArchiveError("the artifact's manifest is not JSON", facts=[("reason", str(error))]) from None


_IN_LINES = {"modules": ManifestModule, "records": ManifestRecord}
"""The fields that have a line for each entry: nearly all of a manifest's text."""

_FEW = 8
"""So many entries are looked for in the text, one by one; then all are read, which takes as long."""

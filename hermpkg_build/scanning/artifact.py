"""Scans a file or folder whole: artifacts, pickles, checkpoints, and whatever lies packed within them.

Contents decide what a file is, never its name alone, and one that is two things at once is read as both. What
cannot be read is a finding.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from hermpkg_build.archive.archive_file import ArchiveFile
from hermpkg_build.archive.layout import DATA
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.core.module_names import module_of_record, top_of
from hermpkg_build.errors import ArchiveError
from hermpkg_build.scanning.capabilities import CodeFacts, CodeUse, capabilities_of, resolved
from hermpkg_build.scanning.file_kinds import (
    UNREAD_STARTS,
    FileKind,
    UnpackError,
    decompressed,
    is_pickle_name,
    kind_of,
)
from hermpkg_build.scanning.findings import Finding, Findings, Kind, Level, worst_first
from hermpkg_build.scanning.judging import judged
from hermpkg_build.scanning.known_names import OPERATORS, Capability
from hermpkg_build.scanning.pickle_calls import PickleContents, contents_of_pickle
from hermpkg_build.scanning.surroundings import Surroundings
from hermpkg_build.scanning.wrapped_files import from_base64, is_zero, numpy_objects, tar_members
from hermpkg_build.scanning.zip_members import ZipContents, ZipMember, zip_contents

MOST_FINDINGS = 20_000
"""So many findings of each level are told of one file."""

_DEEPEST = 6
_MOST_BYTES = 4 << 30
_FIRST_LOOK = 64 << 10
_MAPPED_FROM = 16 << 20
"""From so many bytes on a pickle is read where it lies; smaller ones are read faster out of a copy."""

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_END_OF_ZIP = b"PK\x05\x06"
_TORCHSCRIPT_FOLDERS = ("code/", f"{DATA}ts_code/")
_SOURCES = (".py", ".pyw")
_LONGEST_PATH_FILE = 1 << 20
_MODELS_OF_OTHERS = (".pb", ".h5", ".keras", ".onnx", ".tflite", ".mar", ".llamafile")

Named = tuple[str, Callable[[], "memoryview | None"]]
"""The name of a file in an archive or a folder, and what reads it; None where it cannot be read."""
Exports = Mapping[str, Mapping[str, Sequence[str]]]


def scan_path(path: str) -> Findings:
    """Scan the file or folder at `path`. Raises ArchiveError where it cannot be opened."""
    if os.path.isdir(path):
        return _scan_folder(path)
    return scan_data(ArchiveFile(path).view, os.path.basename(path), shown=path)


def scan_data(data: memoryview | bytes, name: str, *, shown: str = "") -> Findings:
    """Scan the bytes of the file `name`, which reports call `shown`. Never raises for what they are."""
    scan = _Scan()
    scan.top(memoryview(data), name)
    return scan.result(shown or name)


def _scan_folder(path: str) -> Findings:
    scan = _Scan()
    members: list[Named] = []
    for folder, folders, files in os.walk(path):
        folders.sort()
        for file in sorted(files):
            full = os.path.join(folder, file)
            name = os.path.relpath(full, path).replace(os.sep, "/")
            if not os.path.isfile(full):
                scan.unreadable(name, "it is no regular file")
            else:
                members.append((name, partial(scan.view_of, full, name)))
    scan.members(members, "", 0)
    return scan.result(path)


class _Scan:
    """Collects what is found."""

    def __init__(self) -> None:
        self._findings: dict[Finding, None] = {}
        self._levels: Counter[Level] = Counter()
        self._records = self._pickles = self._sources = self._bytes = 0
        self._packed: set[str] = set()

    def result(self, name: str) -> Findings:
        """Everything that was found."""
        return Findings(
            name=name,
            findings=worst_first(self._findings),
            records=self._records,
            pickles=self._pickles,
            sources=self._sources,
            packed=tuple(sorted(self._packed)),
        )

    def unreadable(self, record: str, why: str, *, level: Level = Level.UNKNOWN) -> None:
        """Tell that something cannot be read."""
        self._add(
            Finding(level=level, kind=Kind.UNREADABLE, record=record, does="cannot be read", detail=why)
        )

    def view_of(self, path: str, record: str) -> memoryview | None:
        """Open a file of a folder; None where that cannot be."""
        try:
            return ArchiveFile(path).view
        except ArchiveError as error:
            self.unreadable(record, error.summary)
            return None

    def top(self, data: memoryview, name: str) -> None:
        """Scan a whole file."""
        if not len(data):
            self.unreadable(name, "the file is empty")
            return
        known = self._any(data, name, 0, Surroundings(), at_top=True)
        if not known and not name.endswith(".py"):
            self.unreadable(name, f"it is no file that can be read: it starts with {bytes(data[:8])!r}")

    def _any(
        self, data: memoryview, name: str, depth: int, around: Surroundings, *, at_top: bool = False
    ) -> bool:
        """Scan a file of any kind; whether it is of a kind that is known."""
        self._records += 1
        if depth > _DEEPEST or self._bytes > _MOST_BYTES:
            self.unreadable(name, "too much is packed within one another")
            return True
        kind = kind_of(data, name)
        if kind is FileKind.ZIP or _ends_as_zip(data, whole=at_top):
            self._zip(data, name, depth, at_top=at_top)
            return True
        if name.lower().endswith(_SOURCES):
            self._source(data, name)
        elif name.endswith(".pth") and (lines := _lines_that_run(data)):
            self._source(memoryview(lines), name)
        if kind is FileKind.TAR:
            self._tar(data, name, depth, at_top=at_top)
        elif kind is FileKind.COMPRESSED:
            self._compressed(data, name, depth, around)
        elif kind is FileKind.NUMPY:
            objects = numpy_objects(data)
            if objects is not None:
                self._pickle(objects, name, depth, around, named=True)
        elif kind is FileKind.NATIVE:
            self._native(name, "native code, which runs without limits once it is loaded")
        elif kind is FileKind.BYTECODE:
            self._native(name, "compiled Python code, which is not read")
        elif kind is FileKind.UNREADABLE:
            self.unreadable(name, next(w for s, w in UNREAD_STARTS.items() if bytes(data[:8]).startswith(s)))
        elif kind is not FileKind.PICKLE and name.lower().endswith(_MODELS_OF_OTHERS):
            self.unreadable(name, "a model of a kind that is not read")
        named = kind is FileKind.PICKLE and (at_top or is_pickle_name(name))
        if kind is not FileKind.NUMPY:
            return self._pickle(data, name, depth, around, named=named) or kind is not FileKind.OTHER
        return True

    def members(self, members: Sequence[Named], outer: str, depth: int) -> None:
        """Scan the files of an archive or a folder, which is an artifact where it is laid out as one."""
        root = _root_of([name for name, _ in members])
        inside = [(name[len(root) :], data) for name, data in members]
        names = {name for name, _ in inside}
        is_torchscript = "constants.pkl" in names and any(name.startswith("code/") for name in names)
        facts: dict[str, CodeFacts] = {}
        is_package = any(name.startswith(DATA) for name in names)
        packed = PackedModules(names) if is_package else None
        tops: set[str] = {top_of(module) for module in packed.sources} if packed else set()
        for name, read in inside:
            if name.endswith(".py") and (data := self._budgeted(read, f"{outer}{name}")) is not None:
                self._records += 1
                record = f"{outer}{name}"
                module = module_of_record(name)
                if name.startswith(_TORCHSCRIPT_FOLDERS):
                    self._torchscript(data, record)
                elif module is not None:
                    self._sources += 1
                    facts[module[0]] = self._read(data, record, module, tops)
                else:
                    self._source(data, record)
        exports = {module: found.exports for module, found in facts.items()}
        for name_of_module, found in facts.items():
            source = packed.source(name_of_module) if packed else None
            self._references(found, exports, f"{outer}{source or name_of_module}", name_of_module)
        around = Surroundings(
            packed={*packed.sources, *packed.folders} if packed else (),
            exports=exports if packed else {},
            is_torchscript=is_torchscript or f"{DATA}ts_code/" in "".join(names),
        )
        for name, read in inside:
            data = self._budgeted(read, f"{outer}{name}")
            if data is not None and name.endswith(".py"):
                self._pickle(data, f"{outer}{name}", depth, around, named=False)
            elif data is not None:
                self._any(data, f"{outer}{name}", depth + 1, around)

    def _budgeted(self, read: Callable[[], memoryview | None], record: str) -> memoryview | None:
        """Read a file in an archive, unless too much was unpacked by now; None where that cannot be."""
        if self._bytes > _MOST_BYTES:
            self.unreadable(record, "too much is packed within one another")
            return None
        return read()

    def _zip(self, data: memoryview, name: str, depth: int, *, at_top: bool) -> None:
        contents = zip_contents(data)
        outer = "" if at_top else f"{name}!"
        self._oddities(contents, name, outer)
        if not contents.members:
            self._pickle(data, name, depth, Surroundings(), named=False)
        elif at_top:
            self._records -= 1
        self.members(
            [(each.name, partial(self._unpacked, each, outer)) for each in contents.members], outer, depth
        )

    def _unpacked(self, member: ZipMember, outer: str) -> memoryview | None:
        data, problem = member.read()
        if problem:
            self.unreadable(f"{outer}{member.name}", problem)
        if data is not None and member.method:
            self._bytes += len(data)
        return data

    def _oddities(self, contents: ZipContents, name: str, outer: str) -> None:
        for problem in contents.problems:
            self.unreadable(name, problem)
        for member in contents.members:
            if member.is_hidden and not contents.problems:
                self._hidden(f"{outer}{member.name}", "the archive's directory does not list it")
            if member.problem:
                self.unreadable(f"{outer}{member.name}", member.problem)

    def _tar(self, data: memoryview, name: str, depth: int, *, at_top: bool) -> None:
        members: list[Named] = []
        try:
            members += [(each, partial(_itself, view)) for each, view in tar_members(data)]
        except UnpackError as error:
            self.unreadable(name, str(error))
        self._records -= at_top and bool(members)
        self.members(members, f"{name}!", depth)

    def _compressed(self, data: memoryview, name: str, depth: int, around: Surroundings) -> None:
        try:
            inner = decompressed(data)
        except UnpackError as error:
            if bytes(data[:1]) not in (b"]", b"x"):
                self.unreadable(name, str(error))
            return
        self._bytes += len(inner)
        self._records -= 1
        inside = os.path.splitext(name)[0] if name.endswith((".gz", ".bz2", ".xz", ".z")) else name
        self._any(memoryview(inner), f"{inside}!", depth + 1, around)

    def _pickle(self, data: memoryview, name: str, depth: int, around: Surroundings, *, named: bool) -> bool:
        """Scan what may be a pickle; whether it is one. One that is `named` so must be sound."""
        contents = contents_of_pickle(bytes(data[:_FIRST_LOOK]), _base(name))
        if len(data) > _FIRST_LOOK and (named or contents.pickles or contents.is_cut):
            whole = data if len(data) > _MAPPED_FROM else bytes(data)
            contents = contents_of_pickle(whole, _base(name))
        counts = bool(contents.pickles or contents.runs)
        begins = bytes(data[:1]) == b"\x80" and contents.end > 2
        if not (counts or named or (begins and contents.uses)):
            return False
        if not named and contents.uses and contents.names_nothing and _goes_on(data, contents):
            self._nested(contents, name, depth, around)
            return False
        self._pickles += 1
        for finding in judged(contents.uses, name, around):
            self._add(finding)
        self._packed.update(use.module for use in contents.uses if use.module in around.packed)
        self._nested(contents, name, depth, around)
        if contents.problem and (named or contents.uses or contents.pickles):
            self.unreadable(name, contents.problem)
        elif counts and not contents.problem:
            self._behind(data, contents, name, depth, named=named)
        return True

    def _behind(
        self, data: memoryview, contents: PickleContents, name: str, depth: int, *, named: bool
    ) -> None:
        """Look at what follows the last pickle; the old format of torch has the bytes of tensors there.

        Data that only begins as a pickle does, by no name and without a use of one, is none.
        """
        rest = data[contents.end :]
        if not len(rest) or _is_old_torch(data, contents) or is_zero(rest):
            return
        if named or contents.uses or kind_of(rest) is not FileKind.OTHER:
            self._any(rest, f"{name}!<{contents.end}>", depth + 1, Surroundings())
            self._hidden(name, f"{len(rest)} bytes behind the end of the pickle")

    def _nested(self, contents: PickleContents, name: str, depth: int, around: Surroundings) -> None:
        for value in contents.nested:
            data = value.data
            head = bytes(data[:2])
            if head == b"gA":
                data = from_base64(bytes(data)) or b""
            elif head[:1] in (b"c", b"(") and not _may_be_lines(bytes(data)):
                continue
            if data:
                self._records -= 1
                self._any(memoryview(data), f"{name}!{value.path}", depth + 1, around)

    def _read(self, data: memoryview, record: str, module: tuple[str, bool], tops: set[str]) -> CodeFacts:
        facts = capabilities_of(bytes(data), module[0], is_package=module[1], packed=tops)
        self._code(facts, record, module[0])
        return facts

    def _source(self, data: memoryview, record: str) -> None:
        self._sources += 1
        self._code(capabilities_of(bytes(data)), record, "")

    def _torchscript(self, data: memoryview, record: str) -> None:
        """TorchScript is compiled by torch, and can do what its operators can."""
        self._sources += 1
        facts = capabilities_of(bytes(data), given=OPERATORS)
        for use in facts.uses:
            if top_of(use.name) in OPERATORS:
                self._use(use, record, "")
        if facts.problem:
            # torch takes names that are words of Python, and what else differs is not known.
            self.unreadable(record, f"the code of TorchScript cannot be parsed: {facts.problem}")

    def _code(self, facts: CodeFacts, record: str, module: str) -> None:
        if facts.problem:
            self.unreadable(record, f"the source cannot be parsed: {facts.problem}")
        for use in facts.uses:
            self._use(use, record, module)

    def _references(self, facts: CodeFacts, exports: Exports, record: str, module: str) -> None:
        for reference in facts.references:
            for use in resolved(reference, exports):
                self._use(use, record, module)

    def _use(self, use: CodeUse, record: str, module: str) -> None:
        self._add(
            Finding(
                level=Level.DANGEROUS if use.capability.is_dangerous else Level.NOTE,
                kind=Kind.CODE,
                record=record,
                does=str(use.capability),
                name=use.name,
                capability=use.capability,
                line=use.line,
                column=use.column,
                module=module,
                function=use.function,
                at_import=use.at_import,
            )
        )

    def _native(self, record: str, why: str) -> None:
        self._add(
            Finding(
                level=Level.DANGEROUS,
                kind=Kind.NATIVE,
                record=record,
                does="is",
                name=why,
                capability=Capability.NATIVE,
            )
        )

    def _hidden(self, record: str, why: str) -> None:
        self._add(Finding(level=Level.UNKNOWN, kind=Kind.HIDDEN, record=record, does="is hidden", detail=why))

    def _add(self, finding: Finding) -> None:
        if finding not in self._findings and self._levels[finding.level] < MOST_FINDINGS:
            self._levels[finding.level] += 1
            self._findings[finding] = None


def _lines_that_run(data: memoryview) -> bytes:
    """The lines of a file of paths that Python runs when it starts: those that begin as imports do."""
    if len(data) > _LONGEST_PATH_FILE:
        return b""
    lines = bytes(data).splitlines(keepends=True)
    return b"".join(line for line in lines if line.startswith((b"import ", b"import\t")))


def _itself(view: memoryview) -> memoryview:
    return view


def _goes_on(data: memoryview, contents: PickleContents) -> bool:
    """Whether a pickle is broken, or has data behind it, as a few numbers of a tensor by chance."""
    rest = data[contents.end :]
    return bool(contents.problem) or (kind_of(rest) is FileKind.OTHER and not is_zero(rest))


def _ends_as_zip(data: memoryview, *, whole: bool) -> bool:
    tail = bytes(data[-(65_557 if whole else 22) :])
    return _END_OF_ZIP in tail and len(data) >= 22


def _may_be_lines(data: bytes) -> bool:
    """Whether bytes may be a pickle of protocol 0, which begins as texts do."""
    return b"\n" in data and data.rstrip().endswith(b".")


def _is_old_torch(data: memoryview, contents: PickleContents) -> bool:
    """Whether a file has the five pickles of torch's format before ZIP, behind which come tensors."""
    marker = b"\x8a\x0a" + _TORCH_MAGIC.to_bytes(10, "little")
    return contents.pickles >= 5 and marker in bytes(data[:16])


def _root_of(names: Sequence[str]) -> str:
    """The folder that all names lie in, with its slash; "" for none."""
    tops = {name.partition("/")[0] for name in names if not name.startswith("<")}
    if len(tops) != 1 or not all("/" in name for name in names if not name.startswith("<")):
        return ""
    return f"{tops.pop()}/"


def _base(name: str) -> str:
    return name.rpartition("!")[2] or name

"""Parts of an artifact: each becomes one record, and knows why it is packed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hermpkg_build.archive.layout import DATA, LICENSES, problem_with_name
from hermpkg_build.archive.records import Content, Record
from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import AnalysisError, GroupedError, HermpkgError

_OF_THE_FORMAT = (RecordKind.FRAMEWORK, RecordKind.STORAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One record of an artifact that is being made. `cause` says where it comes from, for messages only.

    A part that many artifacts hold comes with its `entry` in their manifests, and with a name that a record
    can have.
    """

    name: str
    kind: RecordKind
    content: Content = field(repr=False)
    digest: Digest
    crc32: int | None = None
    cause: str = field(compare=False)
    entry: bytes = field(default=b"", compare=False, repr=False)
    _made: list[Record] = field(default_factory=list, init=False, compare=False, repr=False)

    @classmethod
    def of_bytes(cls, name: str, data: Bytes, *, kind: RecordKind, cause: str) -> Part:
        """Make a part whose content is in memory."""
        return cls(name=name, kind=kind, content=data, digest=Digest.of(data), cause=cause)

    def record(self) -> Record:
        """Return the record that the archive's writer takes."""
        if not self._made:
            self._made.append(Record(name=self.name, content=self.content, crc32=self.crc32))
        return self._made[0]


def _folders_of(names: Collection[str]) -> dict[str, str]:
    """Return all folders that records with these names lie in, each with the first record in it."""
    folders: dict[str, str] = {}
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders[folder] = name
            folder = folder.rpartition("/")[0]
    return folders


def check_names(parts: Sequence[Part]) -> None:
    """Check that the parts can lie side by side in one archive that every importer opens.

    Raises AnalysisError, GroupedError of several: for a name that no record can have, for two parts with one
    name, for a name that is also that of a folder, and for a module ``a.py`` beside a folder ``a/``, for
    which torch's importer would refuse the archive. Nothing below ``.data`` is a module.
    """
    if _are_plain(parts):
        return
    problems = list(_problems(parts))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise GroupedError(
            f"{len(problems)} parts of the artifact have names that they cannot have", problems
        )


def _are_plain(parts: Sequence[Part]) -> bool:
    """Whether there is no problem, which is quicker to say than which one there is."""
    names = {part.name for part in parts}
    if len(names) < len(parts) or any(not part.entry and _problem_with(part) for part in parts):
        return False
    folders = _folders_of(names)
    return not any(
        folder in names or (f"{folder}.py" in names and not folder.startswith(DATA)) for folder in folders
    )


def _problems(parts: Sequence[Part]) -> Iterator[HermpkgError]:
    by_name: dict[str, Part] = {}
    for part in parts:
        if problem := _problem_with(part):
            yield AnalysisError(
                f"{part.name!r} cannot be the name of a record",
                facts=[("reason", problem), ("needed for", part.cause)],
                next_step="choose another name",
            )
        elif part.name in by_name:
            yield _clash("two parts of the artifact have one name", by_name[part.name], part)
        else:
            by_name[part.name] = part
    folders = _folders_of(list(by_name))
    for name, part in by_name.items():
        if name in folders:
            yield _clash("a record has the name of a folder", part, by_name[folders[name]])
        module = name.removesuffix(".py")
        if module != name and module in folders and not name.startswith(DATA):
            yield _clash(
                "a module has records below it, but is not a package", part, by_name[folders[module]]
            )


def _problem_with(part: Part) -> str:
    if problem := problem_with_name(part.name):
        return problem
    is_license = part.name.startswith(LICENSES) and part.kind is RecordKind.RESOURCE
    if part.name.startswith(DATA) and part.kind not in _OF_THE_FORMAT and not is_license:
        return f"the folder {DATA} belongs to the format"
    return ""


def _clash(summary: str, first: Part, second: Part) -> AnalysisError:
    return AnalysisError(
        summary,
        facts=[
            ("record", first.name if first.name == second.name else f"{first.name} and {second.name}"),
            ("needed for", first.cause),
            ("and for", second.cause),
        ],
        next_step="rename one of them",
    )

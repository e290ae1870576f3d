"""All that a query looked at, by which the next one sees what has changed since."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.signature_check import ABSENT, UNKNOWN, SignatureCheck, mark_of

if TYPE_CHECKING:
    from hermpkg_build.disk.signatures import FileSignature
    from hermpkg_build.disk.source_tree import SourceTree

_NEVER = ""
"""The hash of what was seen in two states: nothing has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Files, and after them folders, that were looked at: each with the mark of its signature.

    `hashes` are those of the listings of folders, which hold what nobody asks for too, and of the bytes of
    files whose signatures leave them in doubt.
    """

    paths: Sequence[str]
    marks: Sequence[int]
    files: int
    hashes: Mapping[str, str]

    @classmethod
    def of(cls, *trees: SourceTree) -> Watched:
        """Return all that some trees were asked for. What two have seen in different states has changed."""
        found = cls.none()
        for tree in trees:
            signatures, folders = tree.observed_signatures(), tree.observed_directories()
            hashes = {path: digest.hash for path, digest in folders.items()}
            marks = {path: _mark(path, signatures, folders) for path in folders}
            files = {path: _mark(path, signatures, ()) for path in tree.observed_files()}
            doubtful = [path for path, mark in files.items() if mark == UNKNOWN]
            hashes.update((path, tree.digest(path).hash) for path in doubtful)
            found = found.updated(cls._made(files, marks, hashes))
        return found

    @classmethod
    def none(cls) -> Watched:
        """Return that nothing was looked at."""
        return cls._made({}, {}, {})

    @classmethod
    def _made(
        cls, files: Mapping[str, int], folders: Mapping[str, int], hashes: Mapping[str, str]
    ) -> Watched:
        return cls(
            paths=[*files, *folders],
            marks=array("q", [*files.values(), *folders.values()]),
            files=len(files),
            hashes=hashes,
        )

    def updated(self, other: Watched) -> Watched:
        """Return what both have looked at; what `other` saw later in another state has changed."""
        files, folders, hashes = self._files(), self._folders(), dict(self.hashes)
        for marks, later in ((files, other._files()), (folders, other._folders())):
            for path, mark in later.items():
                known = other.hashes.get(path)
                if path in marks:
                    mark, known = _later((marks[path], hashes.get(path)), (mark, known))
                marks[path] = mark
                if known is not None:
                    hashes[path] = known
        return Watched._made(files, folders, hashes)

    def without(self, paths: Collection[str]) -> Watched:
        """Return all but some paths."""
        hashes = {path: known for path, known in self.hashes.items() if path not in paths}
        return Watched._made(self._files(paths), self._folders(paths), hashes)

    def _renewed(self, other: Watched) -> Watched:
        """Return this with the marks that `other`, which saw the same, has of some paths."""
        looked_at = set(other.paths)
        hashes = {path: known for path, known in self.hashes.items() if path not in looked_at}
        return Watched._made(
            {**self._files(), **other._files()},
            {**self._folders(), **other._folders()},
            {**hashes, **other.hashes},
        )

    def _files(self, without: Collection[str] = ()) -> dict[str, int]:
        pairs = zip(self.paths[: self.files], self.marks, strict=False)
        return {path: mark for path, mark in pairs if path not in without} if without else dict(pairs)

    def _folders(self, without: Collection[str] = ()) -> dict[str, int]:
        pairs = zip(self.paths[self.files :], self.marks[self.files :], strict=True)
        return {path: mark for path, mark in pairs if path not in without} if without else dict(pairs)

    def check(self) -> SignatureCheck:
        """Begin to compare all signatures with those that there are now."""
        return SignatureCheck(self.paths, self.marks)

    def changes(self, check: SignatureCheck) -> tuple[set[str], Watched]:
        """Return the paths that have changed, and all others, with new signatures of those in doubt."""
        differing = check.differing()
        if not differing:
            return set(), self
        from hermpkg_build.disk.source_tree import SourceTree, listing_digest
        from hermpkg_build.errors import HermpkgError

        folders, tree = set(self.paths[self.files :]), SourceTree()
        changed: set[str] = set()
        for path in differing:
            known = self.hashes.get(path)
            try:
                if known is None or not os.path.isabs(path):
                    changed.add(path)
                elif path in folders:
                    if listing_digest(tree.entries(path)).hash != known:
                        changed.add(path)
                elif tree.digest(path).hash != known:
                    changed.add(path)
            except (OSError, HermpkgError):
                changed.add(path)
        kept = self.without(changed) if changed else self
        return changed, kept._renewed(Watched.of(tree).without(changed))

    def encode(self) -> dict[str, bytes]:
        """Return this as bytes, of which `decode` makes it again."""
        return {
            "watched": joined(self.paths),
            "marks": array("q", self.marks).tobytes(),
            "hashes": json.dumps([self.files, self.hashes]).encode(),
        }

    @classmethod
    def decode(cls, sections: Mapping[str, bytes | memoryview]) -> Watched:
        """Return what `encode` made bytes of. Raises KeyError, ValueError or TypeError."""
        marks = array("q")
        marks.frombytes(sections["marks"])
        files, hashes = json.loads(bytes(sections["hashes"]))
        paths = split(sections["watched"])
        if len(paths) != len(marks) or type(files) is not int or not isinstance(hashes, dict):
            raise ValueError("the paths and their marks are not as many")
        return cls(paths=paths, marks=marks, files=files, hashes=hashes)


def _later(first: tuple[int, str | None], then: tuple[int, str | None]) -> tuple[int, str | None]:
    """Return the mark and the hash of what was seen twice: those of what nothing is where it has changed."""
    if None not in (first[1], then[1]):
        return then if first[1] == then[1] else (UNKNOWN, _NEVER)
    if first[1] is then[1] is None:
        return then if first[0] == then[0] else (UNKNOWN, _NEVER)
    return UNKNOWN, first[1] or then[1]  # What one was in doubt of stays so until it is looked at again.


def _mark(path: str, signatures: Mapping[str, FileSignature], folders: Collection[str]) -> int:
    known = signatures.get(path)
    if known is not None:
        return mark_of(known)
    return ABSENT if path in folders and not os.path.lexists(path) else UNKNOWN


def joined(texts: Iterable[str]) -> bytes:
    """Return texts, none of which holds NUL characters, as bytes that `split` parts again."""
    return "".join([f"{text}\0" for text in texts]).encode(errors="surrogateescape")


def split(data: bytes | memoryview) -> list[str]:
    """Return the texts that `joined` was given."""
    return str(data, encoding="utf-8", errors="surrogateescape").split("\0")[:-1]

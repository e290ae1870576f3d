"""All that a query looked at, by which the next one sees what has changed since."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermpkg_build.disk.signature_check import ABSENT, UNKNOWN, SignatureCheck, mark_of

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree

_NEVER = ""
"""The hash of what was seen in two states: nothing has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Files, and after them folders, that were looked at: each with the mark of its signature.

    `doubtful` has hashes of those that signatures leave in doubt: of a file's bytes, of a folder's listing.
    """

    paths: Sequence[str]
    marks: Sequence[int]
    files: int
    doubtful: Mapping[str, str]

    @classmethod
    def of(cls, *trees: SourceTree) -> Watched:
        """Return all that some trees were asked for. What two have seen in different states has changed."""
        files: dict[str, int] = {}
        folders: dict[str, int] = {}
        doubtful: dict[str, str] = {}
        for tree in trees:
            signatures = tree.observed_signatures()
            there = tree.observed_directories()
            for marks, observed in ((files, tree.observed_files()), (folders, there)):
                for path, digest in observed.items():
                    known = signatures.get(path)
                    if known is not None:
                        mark = mark_of(known)
                    elif path in there and not os.path.lexists(path):
                        mark = ABSENT
                    else:
                        mark = UNKNOWN
                    if marks.setdefault(path, mark) != mark or (
                        mark == UNKNOWN and doubtful.setdefault(path, digest.hash) != digest.hash
                    ):
                        marks[path], doubtful[path] = UNKNOWN, _NEVER
        return cls._made(files, folders, doubtful)

    @classmethod
    def none(cls) -> Watched:
        """Return that nothing was looked at."""
        return cls._made({}, {}, {})

    @classmethod
    def _made(
        cls, files: Mapping[str, int], folders: Mapping[str, int], doubtful: Mapping[str, str]
    ) -> Watched:
        return cls(
            paths=[*files, *folders],
            marks=array("q", [*files.values(), *folders.values()]),
            files=len(files),
            doubtful=doubtful,
        )

    def updated(self, other: Watched) -> Watched:
        """Return what both have looked at; what `other` saw in another state has changed."""
        doubtful = dict(self.doubtful)
        files, folders = self._files(), self._folders()
        for marks, later in ((files, other._files()), (folders, other._folders())):
            for path, mark in later.items():
                before = marks.setdefault(path, mark)
                if UNKNOWN not in (before, mark):
                    known = _NEVER if before != mark else None
                elif before != mark:  # The one that is in doubt stays so until it is looked at again.
                    known = doubtful.get(path, other.doubtful.get(path))
                else:
                    known = other.doubtful.get(path)
                    known = known if doubtful.get(path, known) == known else _NEVER
                if known is not None:
                    marks[path], doubtful[path] = UNKNOWN, known
        return Watched._made(files, folders, doubtful)

    def without(self, paths: Collection[str]) -> Watched:
        """Return all but some paths."""
        doubtful = {path: known for path, known in self.doubtful.items() if path not in paths}
        return Watched._made(self._files(paths), self._folders(paths), doubtful)

    def _renewed(self, other: Watched) -> Watched:
        """Return this with the marks that `other`, which saw the same, has of some paths."""
        looked_at = set(other.paths)
        doubtful = {path: known for path, known in self.doubtful.items() if path not in looked_at}
        return Watched._made(
            {**self._files(), **other._files()},
            {**self._folders(), **other._folders()},
            {**doubtful, **other.doubtful},
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
            known = self.doubtful.get(path)
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
            "doubtful": json.dumps([self.files, self.doubtful]).encode(),
        }

    @classmethod
    def decode(cls, sections: Mapping[str, bytes | memoryview]) -> Watched:
        """Return what `encode` made bytes of. Raises KeyError, ValueError or TypeError."""
        marks = array("q")
        marks.frombytes(sections["marks"])
        files, doubtful = json.loads(bytes(sections["doubtful"]))
        paths = split(sections["watched"])
        if len(paths) != len(marks) or type(files) is not int or not isinstance(doubtful, dict):
            raise ValueError("the paths and their marks are not as many")
        return cls(paths=paths, marks=marks, files=files, doubtful=doubtful)


def joined(texts: Iterable[str]) -> bytes:
    """Return texts, none of which holds NUL characters, as bytes that `split` parts again."""
    return "".join([f"{text}\0" for text in texts]).encode(errors="surrogateescape")


def split(data: bytes | memoryview) -> list[str]:
    """Return the texts that `joined` was given."""
    return str(data, encoding="utf-8", errors="surrogateescape").split("\0")[:-1]

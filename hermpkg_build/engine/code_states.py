"""The states of modules of which only the code counts, and where the lines of that code are now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import replace
from hermpkg_build.source.code_identity import CODE_VERSION, code_of_source, digest_of_code, lines_of

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.factories.request import ObservedImport
    from hermpkg_build.source.known_facts import FactsStore

CODE_OF = "the code of //"
"""Begins the names of modules of the workspace of which only the code counts; no path has ``//``."""

UNREADABLE = "unreadable"
"""The state of a file that cannot be read."""

_HASH_BYTES = 32


class CodeStates:
    """The states of sources by their code, each compiled once; `store` keeps them by the source's digest."""

    def __init__(self, tree: SourceTree, store: FactsStore | None = None) -> None:
        self._tree = tree
        self._store = store
        self._known: dict[Digest, str] = {}

    def state_of(self, path: str) -> str:
        """Return the hash of a source's code; that of its text, marked so, where it cannot be compiled."""
        try:
            digest = self._tree.digest_for_code(path)
            if digest not in self._known:
                self._known[digest] = self._recalled(digest) or self._found(path, digest)
        except OSError:
            return UNREADABLE
        return self._known[digest]

    def _recalled(self, digest: Digest) -> str:
        found = self._store.get_many([digest], version=CODE_VERSION) if self._store is not None else {}
        data = found.get(digest, b"")
        return data.hex() if len(data) == _HASH_BYTES else ""

    def _found(self, path: str, digest: Digest) -> str:
        code = code_of_source(self._tree.read_for_code(path))
        if code is None:
            return f"the text {digest.hash}"
        found = digest_of_code(code)
        if self._store is not None:
            self._store.put_many({digest: bytes.fromhex(found)}, version=CODE_VERSION)
        return found

    def with_places(self, seen: Iterable[ObservedImport], path_of: dict[str, str]) -> list[ObservedImport]:
        """Note for imports in the files of `path_of`, by their shown paths, which instructions do them.

        The same code finds its lines again by these, when comments have moved them: see `with_lines`.
        """
        lines = {shown: self._lines(path) for shown, path in path_of.items()}
        return [
            replace(
                each,
                source=self._tree.digest_for_code(path_of[each.path]).hash,
                instruction=lines[each.path].index(each.line),
            )
            if each.line in lines.get(each.path, ())
            else each
            for each in seen
        ]

    def with_lines(self, seen: Iterable[ObservedImport], path_of: dict[str, str]) -> list[ObservedImport]:
        """Give imports the lines that they have in the present sources, whose code is what it was."""
        moved: dict[str, list[int]] = {}
        for each in seen:
            path = path_of.get(each.path)
            if each.source and path and each.path not in moved and self._has_moved(path, each.source):
                moved[each.path] = self._lines(path)
        return [
            replace(each, line=moved[each.path][each.instruction])
            if each.source and each.instruction < len(moved.get(each.path, ()))
            else each
            for each in seen
        ]

    def _has_moved(self, path: str, source: str) -> bool:
        try:
            return self._tree.digest_for_code(path).hash != source
        except OSError:
            return False

    def _lines(self, path: str) -> list[int]:
        code = code_of_source(self._tree.read_for_code(path))
        return [] if code is None else list(lines_of(code))

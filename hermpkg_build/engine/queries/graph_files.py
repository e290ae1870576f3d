"""The files of one workspace in which queries keep graphs and answers, compared with what is there now."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, BinaryIO

from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.queries.kept_file import Kept, Sections, kept_path, load, save
from hermpkg_build.engine.queries.watched import Watched, joined, split

if TYPE_CHECKING:
    from hermpkg_build.disk.signature_check import SignatureCheck
    from hermpkg_build.loading.workspace import Workspace

_ANSWER = "answer"
_MOST_ANSWERS = 20
_MOST = 4
"""Files of one kind, each of another Python or version of hermpkg, that are kept."""

_LONGEST_ANSWER = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that was kept, the paths that have changed since, and what was watched of the others."""

    kept: Kept
    changed: Collection[str]
    watched: Watched


class GraphFiles:
    """Kept files by names such as ``targets``. Each is compared with what is there once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._begun: dict[str, tuple[Kept, SignatureCheck] | None] = {}
        self._found: dict[str, Found | None] = {}
        self._files: list[BinaryIO] = []

    def begin(self, what: str) -> None:
        """Let other processes begin to compare what a file was made of."""
        if what not in self._begun:
            kept = self.load(what)
            self._begun[what] = (kept, kept.watched.check()) if kept is not None else None

    def find(self, what: str) -> Found | None:
        """Return a file with what has changed since, the signatures that it lacked kept; None without it."""
        if what not in self._found:
            self.begin(what)
            begun, self._found[what] = self._begun[what], None
            if begun is not None:
                with closing(begun[1]) as check:
                    changed, watched = begun[0].watched.changes(check)
                self._found[what] = Found(kept=begun[0], changed=changed, watched=watched)
                if not changed and watched is not begun[0].watched and (sections := begun[0].read()):
                    self.save(what, watched, sections)
        return self._found[what]

    def close(self) -> None:
        """Close the files, and end the comparisons that nobody asked for."""
        for begun in self._begun.values():
            if begun is not None:
                begun[1].close()
        while self._files:
            self._files.pop().close()

    def recall(self, question: Sequence[str], graphs: Sequence[str]) -> list[str] | None:
        """Return the lines of an answer out of `graphs`, if that is known and they are as they were."""
        for graph in graphs:
            self.begin(graph)
        words = self._words(question, graphs)
        kept = self.load(_ANSWER, words) if words else None
        lines = kept.read() if kept is not None else None
        if lines is None:
            return None
        with suppress(OSError):
            os.utime(self._path(_ANSWER, words))
        return split(lines["lines"])

    def remember(self, question: Sequence[str], graphs: Sequence[str], lines: Sequence[str]) -> None:
        """Keep the lines of an answer that was made out of `graphs` alone, and forget the oldest ones."""
        words, data = self._words(question, graphs), joined(lines)
        if not words or len(data) > _LONGEST_ANSWER:
            return
        self.save(_ANSWER, Watched.none(), {"lines": data}, words)

    def _words(self, question: Sequence[str], graphs: Sequence[str]) -> list[str]:
        """Return what an answer depends on; nothing where one of the graphs is not as it was kept."""
        found = [self.find(graph) for graph in graphs]
        known = [each.kept.digest for each in found if each is not None and not each.changed]
        return [*question, *known] if len(known) == len(graphs) else []

    def load(self, what: str, words: Sequence[str] = ()) -> Kept | None:
        """Return what was kept, whether it holds or not. `words` tell several of one kind apart."""
        try:
            kept = load(self._path(what, words))
        except OSError:
            return None
        if kept is not None:
            self._files.append(kept.file)
        return kept

    def save(self, what: str, watched: Watched, sections: Sections, words: Sequence[str] = ()) -> None:
        """Keep something for the next query, which works as well without it, and forget the oldest such."""
        with suppress(OSError):
            path = self._path(what, words)
            folder = os.path.dirname(path)
            os.makedirs(folder, exist_ok=True)
            save(path, watched, sections)
            with os.scandir(folder) as entries:
                known = [entry for entry in entries if entry.name.startswith(f"{what}-")]
            most = _MOST_ANSWERS if what == _ANSWER else _MOST
            for entry in sorted(known, key=lambda entry: -entry.stat().st_mtime_ns)[most:]:
                os.unlink(entry.path)

    def _path(self, what: str, words: Sequence[str]) -> str:
        workspace = self._workspace
        return kept_path(workspace.root, what, [*workspace.source_roots, "", *words])

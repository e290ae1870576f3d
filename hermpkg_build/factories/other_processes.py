"""Notices what unseen code is given to read, and what processes that a factory forks ask for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.disk.normal_paths import absolute_path
from hermpkg_build.disk.signatures import FileSignature, signature_of

STARTS: Mapping[str, tuple[int, int | None]] = {
    "subprocess.Popen": (1, 2),
    "os.posix_spawn": (1, None),
    "os.spawn": (2, None),
    "os.exec": (1, None),
    "os.system": (0, None),
}
"""The audit events of processes that start: which argument has the words, and which the folder."""
_MOST_WORDS = 4096
_stat = os.stat


class NamedFiles:
    """The files and folders that words name, each with the signature it had then.

    They are the words of other processes, and the texts among a factory's arguments, which can reach native
    code. What becomes of them shows to nobody. A file that is another one later was written.
    """

    def __init__(self) -> None:
        self._signatures: dict[str, FileSignature] = {}

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note what a process is given to read, by an audit event of `STARTS`."""
        words, folder = STARTS[event]
        start = arguments[folder] if folder is not None and arguments[folder] is not None else os.curdir
        for word in _words(arguments[words]):
            for name in {word, word.partition("=")[2]} - {""}:
                self._note(start, name)

    def note_values(self, value: Json) -> None:
        """Note what the texts in a JSON value name."""
        if isinstance(value, str):
            self._note(os.curdir, value)
        elif isinstance(value, Mapping):
            for each in value.values():
                self.note_values(each)
        elif isinstance(value, Sequence):
            for each in value:
                self.note_values(each)

    def _note(self, start: str | bytes | os.PathLike[str], name: str) -> None:
        with suppress(OSError, ValueError, TypeError):
            path = absolute_path(os.path.join(os.fsdecode(start), name))
            self._signatures.setdefault(path, signature_of(_stat(path)))

    def unchanged(self) -> Iterator[str]:
        """Yield the paths of those that still are what they were."""
        for path, before in self._signatures.items():
            with suppress(OSError):
                if signature_of(_stat(path)) == before:
                    yield path


def _words(given: object) -> Iterator[str]:
    """Yield the words of a command, and those of a command for a shell among them."""
    if isinstance(given, str | bytes | os.PathLike):
        given = [given]
    try:
        texts = [os.fsdecode(word) for word in given][:_MOST_WORDS]  # type: ignore[attr-defined]
    except TypeError:
        return
    for text in texts:
        yield text
        if any(character.isspace() for character in text):
            try:
                yield from shlex.split(text)[:_MOST_WORDS]
            except ValueError:
                yield from text.split()[:_MOST_WORDS]


class TellingNotes(dict[str, None]):
    """Paths noted by a forked process, which tells its parent of each in a file."""

    def __init__(self, known: Mapping[str, None], kind: str, descriptor: int) -> None:
        super().__init__(known)
        self._kind = kind
        self._descriptor = descriptor

    def __setitem__(self, path: str, value: None) -> None:
        if path not in self:
            with suppress(OSError):
                os.write(self._descriptor, os.fsencode(f"{self._kind}\t{path}\0"))
        super().__setitem__(path, value)


def told_by_forks(path: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the path of each note in the file `path`, in the order in which they were made."""
    try:
        with open(path, "rb") as file:
            notes = file.read().split(b"\0")[:-1]
    except FileNotFoundError:
        return
    for note in notes:
        kind, _, noted = os.fsdecode(note).partition("\t")
        yield kind, noted

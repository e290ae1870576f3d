"""Notices what unseen code is given to read, and what processes that a factory forks ask for."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from stat import S_ISDIR
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.disk.normal_paths import absolute_path
from hermpkg_build.disk.signatures import FileSignature, signature_of

STARTS: Mapping[str, tuple[int, int | None, int | None]] = {
    "subprocess.Popen": (1, 2, 3),
    "os.posix_spawn": (1, None, 2),
    "os.spawn": (2, None, 3),
    "os.exec": (1, None, 2),
    "os.system": (0, None, None),
}
"""The audit events of processes that start: which argument has the words, the folder, the variables."""
_MOST_WORDS = 4096
_BEFORE_PATH = re.compile(r"[=,:;@]|(?<!.)-+(?:[A-Za-z_-]+(?=/)|\w)")
"""What can come before a path in a word: a sign, or the name of an option."""
_PATTERN = re.compile(r"[*?\[{]")
_stat = os.stat


class NamedFiles:
    """The files and folders that words name, each with the signature it had then.

    They are the words and the variables of other processes, and the texts among a factory's arguments, which
    can reach native code. What becomes of them shows to nobody. A file that is another one later was written.
    """

    def __init__(self) -> None:
        self._signatures: dict[str, FileSignature] = {}
        self._absent: dict[str, None] = {}
        self._folders: list[str] = []

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note what a process is given to read, by an audit event of `STARTS`."""
        words, folder, variables = STARTS[event]
        start = os.curdir if folder is None or arguments[folder] is None else arguments[folder]
        with suppress(OSError, ValueError, TypeError):
            self._folders.append(absolute_path(os.fsdecode(start)))
        for word in _words(arguments[words]):
            for name in _names_in(word):
                self._note(start, name)
        given = arguments[variables] if variables is not None else None
        if isinstance(given, Mapping):
            for value in given.values():
                for name in os.fsdecode(value).split(os.pathsep):
                    self._note(start, name)

    def take_folders(self) -> list[str]:
        """Return the folders that were named since the last call, and those that named files lie in."""
        taken, self._folders = self._folders, []
        return taken

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

    def _note(self, start: str | bytes | os.PathLike[str], name: str | bytes | os.PathLike[str]) -> None:
        with suppress(OSError, ValueError, TypeError):
            path = absolute_path(os.path.join(os.fsdecode(start), os.fsdecode(name)))
            try:
                status = _stat(path)
            except FileNotFoundError:
                self._note_absent(path)
                return
            if path not in self._signatures:
                self._signatures[path] = signature_of(status)
                self._folders.append(path if S_ISDIR(status.st_mode) else os.path.dirname(path))

    def _note_absent(self, path: str) -> None:
        """Note a path that leads nowhere, and the folder in which a shell looks for what fits a pattern."""
        self._absent[path] = None
        if pattern := _PATTERN.search(path):
            self._note(os.curdir, os.path.dirname(path[: pattern.start() + 1]))

    def absent(self) -> Iterator[str]:
        """Give the paths that led nowhere, and still do."""
        return filter(_is_absent, self._absent)

    def unchanged(self) -> Iterator[str]:
        """Yield the paths of those that still are what they were."""
        for path, before in self._signatures.items():
            with suppress(OSError):
                if signature_of(_stat(path)) == before:
                    yield path


def _is_absent(path: str) -> bool:
    try:
        _stat(path)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def _names_in(word: str) -> set[str]:
    """The parts of a word that can be a path: of ``-I/include``, ``--to=x``, ``-Wl,-T,x``, ``file:///x``."""
    return {word, *(word[before.end() :] for before in _BEFORE_PATH.finditer(word))} - {""}


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
            yield from _words_of_shell(text)[:_MOST_WORDS]


def _words_of_shell(text: str) -> list[str]:
    """The words of a command, without the signs between them: ``;``, ``|``, ``>``, brackets."""
    words = shlex.shlex(text, posix=True, punctuation_chars=True)
    words.whitespace_split, words.commenters = True, ""
    try:
        return [*words]
    except ValueError:
        return text.split()


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

"""Finds the files of a package that match, as Bazel's `glob` does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

from hermpkg_build.core.attributes import Form, attribute
from hermpkg_build.loading.folder_walk import LinkedFoldersError, folders_below


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobCall:
    """The arguments of one call of `glob`."""

    JSON_ARRAY: ClassVar = True

    include: tuple[str, ...] = attribute("Patterns of files to take.", form=Form.PATH_GLOB)
    exclude: tuple[str, ...] = attribute("Patterns of files to leave out.", default=[], form=Form.PATH_GLOB)
    allow_empty: bool = attribute("Whether a pattern that matches nothing is allowed.", default=False)


class Listing(Protocol):
    """Lists folders."""

    def entries(self, directory: str) -> Mapping[str, bool] | None:
        """Map the names in a folder to whether each is a folder; None where no folder can be read."""


class GlobError(Exception):
    """A pattern matched nothing, though it had to, or too much. Never leaves `loading`."""

    def __init__(
        self,
        pattern: str | None,
        reason: str,
        next_step: str = "correct the pattern, or pass allow_empty = True",
    ) -> None:
        super().__init__(reason)
        self.pattern = pattern
        self.reason = reason
        self.next_step = next_step


def glob_files(
    directory: str, call: GlobCall, listing: Listing, is_boundary: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return the files below `directory` that match `call.include` and not `call.exclude`, sorted.

    A pattern is split at "/": ``*`` stands for any part of one segment, and the segment ``**`` for any
    number of folders, but for links to folders above. A name that begins with a dot is matched by ``*`` and
    ``**`` alone and by segments that begin with a dot, not by ``*.py``. Folders never match. Folders for
    which `is_boundary` holds, given by their path below `directory`, are not entered: they are packages of
    their own. Raises GlobError, unless `call.allow_empty`, where a pattern of `include` matches nothing or
    where everything is excluded, and always where links make the paths of folders too many. See https://bazel.build/reference/be/functions#glob.
    """
    walk = _Walk(directory, listing, is_boundary)
    found: set[str] = set()
    for pattern in call.include:
        matches = walk.matches(pattern)
        if not matches and not call.allow_empty:
            raise GlobError(pattern, "matches no file")
        found |= matches
    excluded = [_exclusion(pattern) for pattern in call.exclude]
    kept = sorted(name for name in found if not any(matches(name) for matches in excluded))
    if not kept and not call.allow_empty:
        reason = "matches only files that are excluded" if found else "includes nothing"
        raise GlobError(None, reason)
    return tuple(kept)


class _Walk:
    """The files and folders below a directory, each folder listed once."""

    def __init__(self, directory: str, listing: Listing, is_boundary: Callable[[str], bool]) -> None:
        self._directory = directory
        self._listing = listing
        self._is_boundary = is_boundary
        self._below: dict[str, tuple[list[str], list[str]]] = {}

    def matches(self, pattern: str) -> set[str]:
        """Return the files that match `pattern`."""
        states: set[str] = {""}
        segments = pattern.split("/")
        for segment in segments[:-1]:
            if segment == "**":
                states = {inner for folder in states for inner in self._self_and_below(folder)}
            else:
                states = {
                    _join(folder, name)
                    for folder in states
                    for name in _select(segment, self._to_enter(folder))
                }
        last = segments[-1]
        if last == "**":
            states = {inner for folder in states for inner in self._self_and_below(folder)}
            last = "*"
        return {_join(folder, name) for folder in states for name in _select(last, self._list(folder)[1])}

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and of the files in `folder`."""
        known = self._below.get(folder)
        if known is None:
            entries = (self._listing.entries(self._path(folder)) or {}).items()
            folders = [name for name, is_folder in entries if is_folder]
            known = self._below[folder] = (folders, [name for name, is_folder in entries if not is_folder])
        return known

    def _self_and_below(self, top: str) -> list[str]:
        """List `top` and all folders below it, but for packages and for links to folders above."""
        try:
            return list(folders_below(top, self._path, self._to_enter))
        except LinkedFoldersError as error:
            raise GlobError(None, f"goes too far: {error}", "take another pattern than **") from None

    def _to_enter(self, folder: str) -> list[str]:
        return [name for name in self._list(folder)[0] if not self._is_boundary(_join(folder, name))]

    def _path(self, folder: str) -> str:
        return f"{self._directory}/{folder}" if folder else self._directory


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _select(segment: str, names: Sequence[str]) -> list[str]:
    if "*" not in segment:
        return [segment] if segment in names else []
    if segment == "*":
        return list(names)
    matches = _segment_regex(segment).fullmatch
    return [name for name in names if matches(name)]


@lru_cache(maxsize=1024)
def _segment_regex(segment: str) -> re.Pattern[str]:
    return re.compile(_segment(segment), re.DOTALL)


def _segment(segment: str) -> str:
    if segment == "*":
        return "[^/]*"
    hidden = r"(?!\.)" if segment.startswith("*") else ""
    return hidden + "[^/]*".join(re.escape(part) for part in segment.split("*"))


def _exclusion(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a path is excluded by `pattern`.

    In ``head**/*tail`` without other wildcards Bazel compares beginning and end only, so that such a
    pattern excludes names that begin with a dot as well.
    """
    head, wildcard, tail = pattern.partition("**/*")
    if wildcard and "*" not in head and "*" not in tail:
        return lambda path: (
            path.startswith(head) and path.endswith(tail) and len(path) >= len(head) + len(tail)
        )
    regex = ""
    for segment in pattern.split("/"):
        # Each segment brings the "/" before it, so that ** can stand for none at all.
        regex += "(?:/[^/]+)*" if segment == "**" else "/" + _segment(segment)
    compiled = re.compile(regex, re.DOTALL)
    return lambda path: compiled.fullmatch("/" + path) is not None

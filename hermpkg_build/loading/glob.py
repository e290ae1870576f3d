"""Finds the files of a package that match, as Bazel's `glob` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Protocol

from hermpkg_build.core.attributes import Form, attribute
from hermpkg_build.dataclass import dataclass
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
    directory: str,
    call: GlobCall,
    listing: Listing,
    is_boundary: Callable[[str], bool],
    proceed: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Return the files below `directory` that match `call.include` and not `call.exclude`, sorted.

    A pattern is split at "/": ``*`` stands for any part of one segment, and the segment ``**`` for any
    number of folders, but for links to folders above. A name that begins with a dot is matched by ``*`` and
    ``**`` alone and by segments that begin with a dot, not by ``*.py``. Folders never match. Folders for
    which `is_boundary` holds, given by their path below `directory`, are not entered: they are packages of
    their own. Raises GlobError, unless `call.allow_empty`, where a pattern of `include` matches nothing or
    where everything is excluded, and always where links make the paths of folders too many.
    `proceed` is called again and again, and raises what ends the search. See
    https://bazel.build/reference/be/functions#glob.
    """
    walk = _Walk(directory, listing, is_boundary, proceed)
    found: set[str] = set()
    for pattern in call.include:
        matches = walk.matches(pattern)
        if not matches and not call.allow_empty:
            raise GlobError(pattern, "matches no file")
        found |= matches
    excluded = [_exclusion(pattern) for pattern in call.exclude]
    kept = []
    for name in sorted(found):
        if excluded:
            proceed()
            if any(matches(name) for matches in excluded):
                continue
        kept.append(name)
    if not kept and not call.allow_empty:
        reason = "matches only files that are excluded" if found else "includes nothing"
        raise GlobError(None, reason)
    return tuple(kept)


class _Walk:
    """The files and folders below a directory, each folder listed once."""

    def __init__(
        self,
        directory: str,
        listing: Listing,
        is_boundary: Callable[[str], bool],
        proceed: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._proceed = proceed
        self._from_top: list[str] | None = None
        self._listing = listing
        self._is_boundary = is_boundary
        self._below: dict[str, tuple[list[str], list[str]]] = {}

    def matches(self, pattern: str) -> set[str]:
        """Return the files that match `pattern`."""
        states: set[str] = {""}
        segments = pattern.split("/")
        for segment in segments[:-1]:
            self._proceed()
            if segment == "**":
                states = self._selves_and_below(states)
            else:
                states = {
                    _join(folder, name)
                    for folder in states
                    for name in _select(segment, self._to_enter(folder))
                }
        last = segments[-1]
        if last == "**":
            states = self._selves_and_below(states)
            last = "*"
        self._proceed()
        found: set[str] = set()
        for folder in states:
            names = _select(last, self._list(folder)[1])
            found.update([f"{folder}/{name}" for name in names] if folder else names)
        return found

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and of the files in `folder`."""
        known = self._below.get(folder)
        if known is None:
            entries = (self._listing.entries(self._path(folder)) or {}).items()
            folders = [name for name, is_folder in entries if is_folder]
            known = self._below[folder] = (folders, [name for name, is_folder in entries if not is_folder])
        return known

    def _selves_and_below(self, tops: set[str]) -> set[str]:
        """Return the folders `tops` and all below any of them, which are looked for once."""
        found: set[str] = set()
        for top in sorted(tops):
            # Below a folder that was found is nothing else: those above it are the same on either way.
            if top not in found:
                found.update(self._self_and_below(top))
        return found

    def _self_and_below(self, top: str) -> list[str]:
        """List `top` and all folders below it, but for packages and for links to folders above."""
        try:
            if top:
                return list(folders_below(top, self._path, self._to_enter))
            if self._from_top is None:
                self._from_top = list(folders_below(top, self._path, self._to_enter))
            return self._from_top
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
    if segment.count("*") == 1 and segment.startswith("*"):
        ending = segment[1:]
        return [name for name in names if name.endswith(ending) and not name.startswith(".")]
    matches = _segment_matcher(segment)
    return [name for name in names if matches(name)]


@lru_cache(maxsize=1024)
def _segment_matcher(segment: str) -> Callable[[str], bool]:
    """Return a function that tells whether a name matches a segment, in time in proportion to both.

    Between wildcards, the first place at which a part is found leaves the most for those behind it, so that
    no other place has to be tried.
    """
    if segment == "*":
        return bool
    if "*" not in segment:
        return lambda name: name == segment
    first, *middle, last = segment.split("*")

    def matches(name: str) -> bool:
        end = len(name) - len(last)
        at = len(first)
        if at > end or not name.startswith(first) or not name.endswith(last):
            return False
        if not first and name.startswith("."):
            return False
        for part in middle:
            at = name.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    return matches


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
    # The segments between those that stand for any number of folders, which are found as `_segment_matcher`
    # finds what is between wildcards.
    runs: list[list[Callable[[str], bool]]] = [[]]
    for segment in pattern.split("/"):
        if segment == "**":
            runs.append([])
        else:
            runs[-1].append(_segment_matcher(segment))
    return lambda path: _path_matches(runs, path.split("/"))


def _path_matches(runs: Sequence[Sequence[Callable[[str], bool]]], names: Sequence[str]) -> bool:
    first, *others = runs
    if not others:
        return len(first) == len(names) and _run_matches(first, names, 0)
    *middle, last = others
    at, end = len(first), len(names) - len(last)
    if at > end or not _run_matches(first, names, 0) or not _run_matches(last, names, end):
        return False
    for run in middle:
        while not _run_matches(run, names, at):
            at += 1
            if at + len(run) > end:
                return False
        at += len(run)
    return at <= end


def _run_matches(run: Sequence[Callable[[str], bool]], names: Sequence[str], at: int) -> bool:
    """Tell whether the names from `at` on match the segments of a run, one by one."""
    return at + len(run) <= len(names) and all(
        matches(name) for matches, name in zip(run, names[at : at + len(run)], strict=True)
    )

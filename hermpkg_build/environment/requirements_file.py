"""Reads a ``requirements.txt``, and what it includes: versions with hashes, files and commits with URLs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qs

from hermpkg_build.dataclass import replace
from hermpkg_build.environment.lock_entry import LockEntry
from hermpkg_build.environment.locked import (
    LockedDistribution,
    LockedFile,
    Repository,
    of_repository,
    strong_hashes,
)
from hermpkg_build.environment.pylock import last_part
from hermpkg_build.environment.toml_fields import Fields, LockFormError

_WORD = r"(\"[^\"]*\"|'[^']*'|\S+)"
_HASH = re.compile(r"(?:--hash[= ]\s*[\"']?|[#&](?=sha\d+=))(sha\d+[:=]\w+)")
_OPTION = re.compile(rf"\s--(?:hash|config-settings?|global-option)[= ]\s*{_WORD}")
_INCLUDED = re.compile(rf"(?:-[rc]|--(?:requirement|constraint)(?=[\s=]))\s*=?\s*{_WORD}")
_LONGEST = 2_000
_NAME = r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*"
_PINNED = re.compile(rf"{_NAME}={{2,3}}\s*([^\s;,*=]+)\s*(?:;(.*))?")
_DIRECT = re.compile(rf"(?:{_NAME}@\s*)?([^\s;]+)(?:\s+;(.*))?")
_COMMIT = re.compile(r"(git|hg|svn|bzr)\+(.+)@([0-9a-f]{40}|[0-9a-f]{64})(?:#(.*))?")


def has_hashes(data: bytes) -> bool:
    """Tell whether a file of requirements locks anything."""
    return b"--hash" in data


def with_included(name: str, read: Callable[[str], bytes]) -> Mapping[str, bytes]:
    """Return the file `name` and all that it includes by ``-r`` and ``-c``, by the names that `read` takes.

    Raises LockFormError for what is included and is no file, and what `read` raises.
    """
    found: dict[str, bytes] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found[each] = read(each)
            waiting += reversed([*_included(each, found[each])])
    return found


def _included(name: str, data: bytes) -> Iterator[str]:
    for number, line in _lines(data):
        match = _INCLUDED.match(line)
        if match is None:
            continue
        stated = match[1].strip("\"'")
        if ":" in stated or "${" in stated or stated.startswith("/"):
            raise LockFormError(f"{name}, line {number}: {stated} is no path from this file to another one")
        yield posixpath.normpath(posixpath.join(posixpath.dirname(name), stated))


def read_entries(files: Mapping[str, bytes]) -> Iterator[LockEntry]:
    """Give the entries of `files`, the first of which includes the others; what nothing proves is none.

    Raises LockFormError where there are none at all.
    """
    first = next(iter(files))
    found: dict[LockEntry, None] = {}
    for name, data in files.items():
        for number, line in _lines(data):
            each = _distribution(line, f"line {number}" if name == first else f"{name}, line {number}")
            if each is not None:
                found[LockEntry(distribution=each)] = None
    if not found:
        raise LockFormError("no requirement of it has a version and hashes: write it with hashes")
    yield from found


def _distribution(line: str, place: str) -> LockedDistribution | None:
    hashes = strong_hashes(each.replace("=", ":") for each in _HASH.findall(line))
    text = _OPTION.sub("", line).strip()
    short = text[: _LONGEST + 1]
    pinned, direct = _PINNED.fullmatch(short), _DIRECT.fullmatch(short)
    if text.startswith("-") or not (hashes or (direct and _COMMIT.fullmatch(direct[2]))):
        return None
    found, marker = None, ""
    if pinned and len(text) <= _LONGEST:
        fields = Fields({"name": pinned[1], "version": pinned[2]}, place)
        found = LockedDistribution(name=fields.name(), version=fields.version(), hashes=hashes)
        marker = pinned[3]
    elif direct and len(text) <= _LONGEST:
        found = _from_url(direct[1] or "", direct[2], hashes, place)
        marker = direct[3]
    if found is None:
        raise LockFormError(f"{place}: expected NAME==VERSION with hashes, found {text[:80]!r}")
    return replace(found, marker=Fields({"marker": (marker or "").strip()}, place).marker())


def _from_url(name: str, url: str, hashes: tuple[str, ...], place: str) -> LockedDistribution | None:
    """Read a URL, or the path of a file; None where that is neither a commit nor a distribution."""
    if match := _COMMIT.fullmatch(url):
        return _from_commit(name, match, place)
    from packaging.utils import parse_sdist_filename, parse_wheel_filename

    file = last_part(url.partition("#")[0])
    try:
        read = parse_wheel_filename(file) if file.endswith(".whl") else parse_sdist_filename(file)
    except ValueError:
        return None
    fields = Fields({"name": name or read[0], "version": str(read[1]), "file": file, "url": url}, place)
    locked = LockedFile(
        name=fields.file_name("file"), hashes=hashes, url=fields.public_url() if "://" in url else ""
    )
    plain = LockedDistribution(name=fields.name(), version=fields.version())
    return replace(plain, archive=locked) if locked.url else replace(plain, files=(locked,))


def _from_commit(name: str, match: re.Match[str], place: str) -> LockedDistribution | None:
    kind, url, commit, fragment = match.groups()
    stated = {key: values[0] for key, values in parse_qs(fragment or "").items()}
    fields = Fields({"egg": "", **stated, "url": url}, place)
    repository = Repository(
        kind=kind,
        url=fields.public_url() or url,
        commit=commit,
        subdirectory=fields.word("subdirectory") if "subdirectory" in stated else "",
    )
    named = Fields({"name": name or fields.text("egg").partition("[")[0]}, place)
    return of_repository(LockedDistribution(name=named.name(), version=""), repository)


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Give the logical lines, without comments, each with the number of its first line.

    Raises LockFormError for what is no text in UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LockFormError(f"not a text in UTF-8: {error}") from None
    start, parts = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        plain = _without_comment(line)
        start = start or number
        parts.append(plain.removesuffix("\\"))
        if not plain.endswith("\\"):
            yield start, " ".join(parts).strip()
            start, parts = 0, []
    if parts:
        yield start, " ".join(parts).strip()


def _without_comment(line: str) -> str:
    """Return a line without its comment, which begins it, or comes after a blank."""
    if line.startswith("#"):
        return ""
    for mark in (" #", "\t#"):
        line = line.partition(mark)[0]
    return line.rstrip()

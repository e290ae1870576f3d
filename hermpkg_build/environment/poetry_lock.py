"""Reads ``poetry.lock``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hermpkg_build.environment.lock_entry import LockEntry, requirement_text
from hermpkg_build.environment.locked import (
    LockedDistribution,
    LockedFile,
    Repository,
    of_repository,
    ordered_files,
    strong_hashes,
)
from hermpkg_build.environment.pylock import last_part, parsed_lock
from hermpkg_build.environment.toml_fields import Fields

_LIKE_SCP = re.compile(r"((?:[\w.-]+@)?[\w.-]+):(?!//)([^\s]+)")
_PLAIN = ("", "legacy")
"""The kinds of sources that are indexes; without one it is the usual index."""


def read_entries(data: bytes) -> Iterator[LockEntry]:
    """Give the entries. Raises LockFormError."""
    document = Fields(parsed_lock(data))
    metadata = document.table("metadata")
    if metadata is None:
        raise document.wrong("metadata", "a table")
    # Before Poetry 1.5, the files of all stood in one table.
    apart = metadata.table("files") or Fields({})
    for table in document.tables("package"):
        files = (
            table if "files" in table.values else Fields({"files": apart.values.get(table.text("name"), [])})
        )
        distribution = _distribution(table, [_file(each) for each in files.tables("files")])
        yield LockEntry(distribution=distribution, requirements=tuple(_requirements(table)))


def _distribution(table: Fields, files: Sequence[LockedFile]) -> LockedDistribution:
    source = table.table("source") or Fields({})
    kind = source.text("type")
    archive = None
    if kind == "url" and files:
        name = last_part(source.text("url")) or files[0].name
        archive = LockedFile(name=name, hashes=files[0].hashes, url=source.public_url())
    found = LockedDistribution(
        name=table.name(),
        version=table.version(),
        marker=_fork(table),
        files=ordered_files(files) if kind in (*_PLAIN, "file") else (),
        archive=archive,
        is_local=kind == "directory",
    )
    return of_repository(found, _repository(source) if kind == "git" else None)


def _repository(source: Fields) -> Repository:
    url = source.text("url")
    if match := _LIKE_SCP.fullmatch(url):
        url = f"ssh://{match[1]}/{match[2]}"
    return Repository(
        kind="git",
        url=Fields({"url": url}, source.at).public_url() if "://" in url else url,
        commit=source.word("resolved_reference"),
        subdirectory=source.word("subdirectory") if source.text("subdirectory") else "",
    )


def _file(table: Fields) -> LockedFile:
    return LockedFile(name=table.file_name("file"), hashes=strong_hashes([table.text("hash")]))


def _fork(table: Fields) -> str:
    """Return where this version is the one; since Poetry 2, ``markers`` are a text, or one for each group."""
    stated = table.values.get("markers")
    if isinstance(stated, Mapping):
        texts = [text for text in stated.values() if isinstance(text, str)]
        stated = " or ".join(f"({text})" for text in texts) if len(texts) == len(stated) else ""
    return Fields({"marker": stated or ""}, table.at).marker()


def _requirements(table: Fields) -> Iterator[str]:
    needed = table.table("dependencies") or Fields({})
    extras: dict[str, list[str]] = {}
    stated = table.table("extras") or Fields({})
    for extra in stated.values:
        for text in stated.texts(extra):
            extras.setdefault(Fields({"name": _name_in(text)}, stated.at).name(), []).append(extra)
    for key, value in needed.values.items():
        name = Fields({"name": key}, needed.at).name()
        for each in value if isinstance(value, list) else [value]:
            one = Fields(each if isinstance(each, Mapping) else {}, f"{needed.at}.{key}")
            for extra in extras.get(name, []) if one.values.get("optional") else [""]:
                yield requirement_text(name, one.texts("extras"), _plain(one.marker("markers")), extra)


def _name_in(requirement: str) -> str:
    """Return the name in ``socks (>=1.5.6)``, ``name[extra]`` and the like."""
    for end in (" ", "[", "(", ";", "=", "<", ">", "!", "~"):
        requirement = requirement.partition(end)[0]
    return requirement


def _plain(marker: str) -> str:
    """Return a marker without the condition on an extra, which is stated beside it too."""
    return "" if "extra" in marker else marker

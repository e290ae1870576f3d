"""Reads ``uv.lock``."""

from __future__ import annotations

from collections.abc import Iterator

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

_FOLDERS = ("editable", "directory", "virtual")


def read_entries(data: bytes) -> Iterator[LockEntry]:
    """Give the entries. Raises LockFormError."""
    document = Fields(parsed_lock(data))
    if document.values.get("version") != 1:
        raise document.wrong("version", "1")
    for table in document.tables("package"):
        yield LockEntry(distribution=_distribution(table), requirements=tuple(_requirements(table)))


def _distribution(table: Fields) -> LockedDistribution:
    source = table.table("source") or Fields({})
    files = [*table.tables("wheels"), *filter(None, [table.table("sdist")])]
    archive = None
    if "url" in source.values and files:
        archive = _file(Fields({**files[0].values, "url": source.text("url")}, files[0].at))
    found = LockedDistribution(
        name=table.name(),
        version=table.version(),
        marker=_fork(table),
        files=() if archive else ordered_files(_file(each) for each in files if _is_named(each)),
        archive=archive,
        is_local=any(kind in source.values for kind in _FOLDERS),
    )
    return of_repository(found, _repository(source) if "git" in source.values else None)


def _is_named(table: Fields) -> bool:
    return bool(_name(table))


def _name(table: Fields) -> str:
    return table.text("filename") or last_part(table.text("url")) or last_part(table.text("path"))


def _file(table: Fields) -> LockedFile:
    return LockedFile(
        name=Fields({"name": _name(table)}, table.at).file_name("name"),
        hashes=strong_hashes([table.text("hash")]),
        size=table.size(),
        url=table.public_url(),
    )


def _repository(source: Fields) -> Repository:
    """Read ``{ git = "https://host/x?subdirectory=y&rev=main#COMMIT" }``."""
    from urllib.parse import parse_qs, urlsplit

    try:
        parts = urlsplit(source.url("git"))
        query = parse_qs(parts.query)
    except ValueError:
        raise source.wrong("git", "a URL") from None
    if not parts.fragment:
        raise source.wrong("git", "a URL that ends in #COMMIT")
    return Repository(
        kind="git",
        url=source.public_url("git") or parts.geturl(),
        commit=parts.fragment,
        subdirectory=Fields({"path": query["subdirectory"][0]}).word("path")
        if "subdirectory" in query
        else "",
    )


def _fork(table: Fields) -> str:
    """Return where this version is the one, among several of the same distribution."""
    markers = table.texts("resolution-markers")
    if not markers:
        return ""
    text = " or ".join(f"({marker})" for marker in markers) if len(markers) > 1 else markers[0]
    return Fields({"marker": text}, table.at).marker()


def _requirements(table: Fields) -> Iterator[str]:
    for each in table.tables("dependencies"):
        yield _requirement(each)
    optional = table.table("optional-dependencies")
    for extra in optional.values if optional is not None else ():
        assert optional is not None
        for each in optional.tables(extra):
            yield _requirement(each, extra)


def _requirement(table: Fields, extra: str = "") -> str:
    # A version is stated where the lock has several: which of them holds, their own markers say.
    return requirement_text(table.name(), table.texts("extra"), table.marker(), extra)

"""The file ``pylock.toml`` (PEP 751): printed and read, as inverses of each other.

What that form has no place for, a distribution of which the names of files are not known, stands in its table
``tool.hermpkg``. A file of which no URL is told lies, as the form wants it, beside the lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.environment.locked import (
    LockedDistribution,
    LockedEnvironment,
    LockedFile,
    Repository,
    locked_environment,
    of_repository,
    ordered_files,
    strong_hashes,
)
from hermpkg_build.environment.toml_fields import Fields, LockFormError

_HEADER = 'lock-version = "1.0"\ncreated-by = "hermpkg"\n'


def pylock_text(environment: LockedEnvironment) -> str:
    """Print an environment: equal environments, equal texts. The inverse is `parse_pylock`."""
    stated = [each for each in environment.distributions if _has_place(each)]
    others = [each for each in environment.distributions if not _has_place(each)]
    parts = [_HEADER if stated else f"{_HEADER}packages = []\n"]
    parts += ["\n".join(["", "[[packages]]", *_lines(each), ""]) for each in stated]
    parts += ["\n".join(["", "[[tool.hermpkg.packages]]", *_lines(each), ""]) for each in others]
    return "".join(parts)


def parse_pylock(data: bytes) -> LockedEnvironment:
    """Read the text of an environment. Raises LockFormError for one that is not well formed."""
    document = Fields(parsed_lock(data))
    return locked_environment(
        each for tables in _places(document) for each in map(locked_distribution, tables)
    )


def parsed_lock(data: bytes) -> dict[str, Any]:
    """Parse the TOML of a lock. Raises LockFormError."""
    try:
        return parse_toml(data)
    except ValueError as error:
        raise LockFormError(f"not a TOML file: {error}") from None


def package_tables(document: Fields) -> Iterator[Fields]:
    """Give the tables of the distributions of a ``pylock.toml``. Raises LockFormError for another version."""
    if document.text("lock-version").partition(".")[0] != "1":
        raise document.wrong("lock-version", "1.0")
    return document.tables("packages")


def locked_distribution(table: Fields) -> LockedDistribution:
    """Read one distribution. Raises LockFormError."""
    archive, repository = table.table("archive"), table.table("vcs")
    source = table.table("sdist")
    files = [*table.tables("wheels"), *([source] if source is not None else [])]
    found = LockedDistribution(
        name=table.name(),
        version=table.version(),
        marker=table.marker(),
        requires_python=table.text("requires-python"),
        files=ordered_files(map(locked_file, files)),
        hashes=strong_hashes(table.texts("hashes")),
        archive=locked_file(archive) if archive is not None else None,
        is_local=table.table("directory") is not None or table.values.get("local") is True,
    )
    return of_repository(found, _repository(repository) if repository is not None else None)


def locked_file(table: Fields) -> LockedFile:
    """Read one file. Its name is stated, or else the last part of its path or URL. Raises LockFormError."""
    name = table.text("name") or last_part(table.text("path")) or last_part(table.text("url"))
    hashes = table.table("hashes") or Fields({})
    return LockedFile(
        name=Fields({"name": name}, table.at).file_name("name"),
        hashes=strong_hashes(f"{kind}:{value}" for kind, value in hashes.values.items()),
        size=table.size(),
        url=table.public_url(),
    )


def last_part(path: str) -> str:
    """Return the name of the file at a path or a URL.

    >>> last_part("https://host/a%2Bb-1.tar.gz#egg=x"), last_part("wheels/a-1.whl")
    ('a+b-1.tar.gz', 'a-1.whl')
    """
    if "://" not in path:
        return path.replace("\\", "/").rpartition("/")[2]
    from urllib.parse import unquote, urlsplit

    try:
        return unquote(urlsplit(path).path.rpartition("/")[2])
    except ValueError:
        return ""


def _repository(table: Fields) -> Repository:
    return Repository(
        kind=table.word("type"),
        url=table.public_url() or table.url("url") or table.word("path"),
        commit=table.word("commit-id"),
        subdirectory=table.word("subdirectory") if table.text("subdirectory") else "",
    )


def _places(document: Fields) -> Iterator[Iterable[Fields]]:
    yield package_tables(document)
    tool = document.table("tool")
    own = tool.table("hermpkg") if tool is not None else None
    if own is not None:
        yield own.tables("packages")


def _has_place(each: LockedDistribution) -> bool:
    """Whether the form has a place for a distribution: one source, and no more."""
    return bool(each.files or each.archive or each.repository) and not (each.is_local or each.hashes)


def _lines(each: LockedDistribution) -> Iterator[str]:
    yield f"name = {_quoted(each.name)}"
    for key, value in (
        ("version", each.version),
        ("marker", each.marker),
        ("requires-python", each.requires_python),
    ):
        if value:
            yield f"{key} = {_quoted(value)}"
    if each.hashes:
        yield from _array("hashes", [_quoted(value) for value in each.hashes])
    if each.is_local:
        yield "local = true"
    if each.repository is not None:
        yield f"vcs = {_repository_text(each.repository)}"
    if each.archive is not None:
        yield f"archive = {_file_text(each.archive, named=False)}"
    wheels = [file for file in each.files if file.is_wheel]
    if wheels:
        yield from _array("wheels", [_file_text(file) for file in wheels])
    for source in each.files:
        if not source.is_wheel:
            yield f"sdist = {_file_text(source)}"
            break


def _array(key: str, values: Iterable[str]) -> Iterator[str]:
    yield f"{key} = ["
    yield from (f"    {value}," for value in values)
    yield "]"


def _file_text(file: LockedFile, *, named: bool = True) -> str:
    where = ("url", file.url) if file.url else ("path", file.name)
    fields = [("name", _quoted(file.name))] if named and last_part(where[1]) != file.name else []
    fields.append((where[0], _quoted(where[1])))
    if file.size:
        fields.append(("size", str(file.size)))
    hashes = ", ".join(
        f"{kind} = {_quoted(value)}" for kind, _, value in (h.partition(":") for h in file.hashes)
    )
    return _inline([*fields, ("hashes", f"{{ {hashes} }}")])


def _repository_text(repository: Repository) -> str:
    fields = [("type", _quoted(repository.kind)), ("url", _quoted(repository.url))]
    fields.append(("commit-id", _quoted(repository.commit)))
    if repository.subdirectory:
        fields.append(("subdirectory", _quoted(repository.subdirectory)))
    return _inline(fields)


def _inline(fields: Iterable[tuple[str, str]]) -> str:
    return f"{{ {', '.join(f'{key} = {value}' for key, value in fields)} }}"


def _quoted(text: str) -> str:
    """Return a text as TOML writes it; all control characters have escapes there."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

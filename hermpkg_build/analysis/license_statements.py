"""Reads what packed distributions say of their licences, and finds the files that carry the texts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from hermpkg_build.analysis.distributions import Distribution, Distributions
from hermpkg_build.archive.layout import license_record_name, problem_with_name
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.manifest import ManifestLicense
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.source_tree import SourceTree

_FOLDERS = ("licenses", "license_files")
"""The folders of metadata that hold nothing else: that of PEP 639, and that of older wheels."""

_NAME = re.compile(r"(?:un)?licen[cs]es?|copying|notices?|copyrights?", re.IGNORECASE)
_CODE = re.compile(r"\.(?:py|pyc|pyi|pyx|pxd|c|cc|cpp|h|hpp|so|pyd|dylib|dll|js|json|ya?ml|toml|xml|csv|pkl)")
_WORD = re.compile(rb"licen[cs]e|copying|notice|copyright", re.IGNORECASE)
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseStatements:
    """What distributions say of their licences, by normalised name.

    `files` are the licence files: record -> absolute path. `unpacked` are those whose names no record can
    have.
    """

    statements: Mapping[str, ManifestLicense] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    unpacked: tuple[str, ...] = ()


def license_statements(
    graph: ModuleGraph, distributions: Distributions, tree: SourceTree
) -> LicenseStatements:
    """Read the statements of the distributions that have interned modules in `graph`."""
    names = {node.distribution for node in graph.with_policy(Policy.INTERN) if node.path} - {""}
    statements: dict[str, ManifestLicense] = {}
    files: dict[str, str] = {}
    unpacked: list[str] = []
    for name in sorted(names):
        distribution = distributions.named(name)
        if distribution is None:
            continue
        own = {}
        for file in _license_files(distribution, distributions, tree):
            record = license_record_name(name, file)
            path = os.path.normpath(os.path.join(os.path.dirname(distribution.metadata), file))
            if problem_with_name(record):
                unpacked.append(path)
            else:
                own[record] = path
        statements[name] = _statement(distribution, distributions, tuple(sorted(own)))
        files.update(own)
    return LicenseStatements(
        statements=statements, files=dict(sorted(files.items())), unpacked=tuple(unpacked)
    )


def _statement(
    distribution: Distribution, distributions: Distributions, files: tuple[str, ...]
) -> ManifestLicense:
    fields = header_fields(distributions.header_of(distribution))
    classifiers = [each for each in fields.get("classifier", ()) if each.startswith("License ::")]
    return ManifestLicense(
        expression=_first(fields.get("license-expression", ())),
        text=_first(fields.get("license", ())),
        classifiers=tuple(sorted(set(classifiers))),
        files=files,
        source=_source(distributions.metadata_file(distribution, "direct_url.json")),
    )


def header_fields(header: bytes) -> dict[str, list[str]]:
    r"""Return the fields of core metadata by lower-case name, each with its values; indented lines go on.

    >>> header_fields(b"License: MIT\n        It is granted\nClassifier: A\nClassifier: B\n")
    {'license': ['MIT\nIt is granted'], 'classifier': ['A', 'B']}
    """
    found: dict[str, list[str]] = {}
    values: list[str] | None = None
    for line in header.decode("utf-8", "replace").split("\n"):
        if line[:1] in (" ", "\t", "|"):
            if values is not None:
                values[-1] += f"\n{line.strip().removeprefix('|').strip()}"
            continue
        name, colon, value = line.partition(":")
        values = found.setdefault(name.strip().lower(), []) if colon else None
        if values is not None:
            values.append(value.strip())
    return found


def _first(values: list[str] | tuple[str, ...]) -> str:
    """Return the first line of the first value that says something; a long one is cut."""
    lines = [line.strip() for value in values for line in value.split("\n")]
    line = next((line for line in lines if line and line.upper() != "UNKNOWN"), "")
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 3]}..."


def _license_files(
    distribution: Distribution, distributions: Distributions, tree: SourceTree
) -> Iterator[str]:
    """Give the licence files of a distribution, relative to the folder that its metadata lie in, in order."""
    folder = os.path.basename(distribution.metadata)
    found = set(_beside_metadata(distribution, distributions, tree))
    for file in _listed_files(distribution, distributions):
        inside = file.removeprefix("../").removeprefix("../").removeprefix("../")
        is_outside = inside != file and not inside.startswith("share/")
        if is_license_file(os.path.basename(file)) and not is_outside and ".." not in inside.split("/"):
            found.add(file)
    if "\n" in "".join(header_fields(distributions.header_of(distribution)).get("license", ())):
        # The whole text of the licence can stand there and nowhere else.
        found.update(f"{folder}/{file}" for file in ("METADATA", "PKG-INFO"))
    around = os.path.dirname(distribution.metadata)
    return (file for file in sorted(found) if tree.is_file(os.path.normpath(os.path.join(around, file))))


def _listed_files(distribution: Distribution, distributions: Distributions) -> Iterator[str]:
    """Give those files of a distribution's record that are called about as licence files are."""
    import csv

    data = distributions.metadata_file(distribution, "RECORD")
    if data is None:
        data = distributions.metadata_file(distribution, "SOURCES.txt") or b""
    # Records can have thousands of lines, of which few are of interest.
    data += b"\n"
    ends = {data.index(b"\n", match.end()): match.start() for match in _WORD.finditer(data)}
    lines = [data[data.rfind(b"\n", 0, start) + 1 : end] for end, start in ends.items()]
    with suppress(csv.Error):  # A damaged record lists the files before the damage.
        yield from (row[0] for row in csv.reader(line.decode("utf-8", "replace") for line in lines) if row)


def _beside_metadata(
    distribution: Distribution, distributions: Distributions, tree: SourceTree
) -> Iterator[str]:
    """Give the files in the folder of the metadata that are called licences, or that these name as such."""
    folder = os.path.basename(distribution.metadata)
    stated = header_fields(distributions.header_of(distribution)).get("license-file", ())
    yield from (f"{folder}/{file}" for file in stated if ".." not in file.split("/"))
    for name, is_folder in (tree.entries(distribution.metadata) or {}).items():
        if not is_folder:
            if is_license_file(name) or name.upper().startswith("AUTHORS"):
                yield f"{folder}/{name}"
        elif name in _FOLDERS:
            yield from _all_below(f"{folder}/{name}", os.path.join(distribution.metadata, name), tree)


def _all_below(name: str, path: str, tree: SourceTree) -> Iterator[str]:
    for entry, is_folder in (tree.entries(path) or {}).items():
        if not is_folder:
            yield f"{name}/{entry}"
        elif not os.path.islink(os.path.join(path, entry)):
            yield from _all_below(f"{name}/{entry}", os.path.join(path, entry), tree)


def is_license_file(name: str) -> bool:
    """Tell whether a file is called as licence files are: a usual word, alone or with something after it.

    >>> [is_license_file(name) for name in ("LICENSE", "COPYING.LESSER", "licence_bsd.txt", "NOTICE")]
    [True, True, True, True]
    >>> [is_license_file(name) for name in ("licenses.py", "licensed.txt", "README", "noticeable")]
    [False, False, False, False]
    """
    match = _NAME.match(name)
    if match is None or _CODE.fullmatch(os.path.splitext(name)[1].lower()):
        return False
    return name[match.end() : match.end() + 1] in ("", ".", "-", "_", " ")


def _source(direct_url: bytes | None) -> str:
    """Say where a distribution was installed from (PEP 610): a repository with the commit, or an archive.

    Folders of the machine are not told of, and names and passwords in URLs are left out.
    """
    import json

    try:
        stated = json.loads(direct_url or b"")
        url = public_url(stated["url"])
        repository = stated.get("vcs_info")
        if url and repository:
            return f"{repository['vcs']}+{url}@{repository['commit_id']}"
        return url if "archive_info" in stated else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def public_url(url: str) -> str:
    """Return a URL without credentials, query and fragment; "" for one of this machine.

    >>> public_url("https://ada:secret@h.example/x.whl?token=1#sha256=0")
    'https://h.example/x.whl'
    >>> public_url("ssh://git:secret@h.example/x"), public_url("file:///home/ada/x.whl")
    ('ssh://git@h.example/x', '')
    """
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ssh", "git"):
        return ""
    user, at, host = parts.netloc.rpartition("@")
    # By SSH the user is a part of the address, as in git@; elsewhere it may be a token.
    place = f"{user.partition(':')[0]}{at}{host}" if parts.scheme == "ssh" else host
    return urlunsplit((parts.scheme, place, parts.path, "", ""))

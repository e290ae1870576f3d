"""Distributions with their exact versions and the hashes of their files: what an environment is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.json_codec import OMITTED, to_json
from hermpkg_build.dataclass import dataclass, field, replace

STRONG_HASHES = ("sha256", "sha384", "sha512")
"""The hashes that installers accept as proof of what a file holds."""

_HASH = re.compile(rf"(?:{'|'.join(STRONG_HASHES)}):[0-9a-f]{{64,128}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """A wheel or a source archive: its name, its hashes (``sha256:…``, sorted), and its size, 0 if unknown.

    `url` is where it can be had, "" where that is not told.
    """

    name: str
    hashes: tuple[str, ...]
    size: int = field(default=0, metadata=OMITTED)
    url: str = field(default="", metadata=OMITTED)

    @property
    def is_wheel(self) -> bool:
        """Whether it is installed as it is, without running code of its own."""
        return self.name.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A commit that a distribution is built from; `kind` is that of the repository, such as ``git``."""

    kind: str
    url: str
    commit: str
    subdirectory: str = field(default="", metadata=OMITTED)


def is_public(repository: Repository) -> bool:
    """Whether other machines can have a repository; all others are folders of where it was noted."""
    kinds, schemes = ("git", "hg", "svn", "bzr"), ("https://", "http://", "ssh://", "git://")
    return repository.kind in kinds and repository.url.startswith(schemes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedDistribution:
    """One distribution by its normalised name and exact version, which is "" where nothing states it.

    `marker` says where it is needed (PEP 508), "" for everywhere. It is installed from one of `files`, from
    the file with one of `hashes` where names of files are not known, from an `archive` with a URL of its own,
    from a `repository`, or from `is_local`, a folder of the machine that the lock was made on. Where it has
    nothing of all that, its version alone is known.
    """

    name: str
    version: str
    marker: str = field(default="", metadata=OMITTED)
    requires_python: str = field(default="", metadata=OMITTED)
    files: tuple[LockedFile, ...] = field(default=(), metadata=OMITTED)
    hashes: tuple[str, ...] = field(default=(), metadata=OMITTED)
    archive: LockedFile | None = field(default=None, metadata=OMITTED)
    repository: Repository | None = field(default=None, metadata=OMITTED)
    is_local: bool = field(default=False, metadata=OMITTED)

    @property
    def all_hashes(self) -> tuple[str, ...]:
        """The hashes of all files that it may be installed from, sorted."""
        return tuple(sorted({*self.hashes, *(each for file in self.files for each in file.hashes)}))

    @property
    def is_proven(self) -> bool:
        """Whether it is known which bytes are installed, not only which version."""
        return bool(self.all_hashes or self.archive or self.repository)


def of_repository(each: LockedDistribution, repository: Repository | None) -> LockedDistribution:
    """Return a distribution that is built from a commit of `repository`, where there is one.

    Other machines cannot have one that is not public: it is local.
    """
    if repository is None:
        return each
    public = is_public(repository)
    return replace(each, files=(), repository=repository if public else None, is_local=not public)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedEnvironment:
    """All distributions that are needed, by name, version and marker in this order."""

    distributions: tuple[LockedDistribution, ...]

    def unproven(self) -> Iterator[LockedDistribution]:
        """Give the distributions of which only the version is known."""
        return (each for each in self.distributions if not each.is_proven)


def locked_environment(distributions: Iterable[LockedDistribution]) -> LockedEnvironment:
    """Make the environment of `distributions`, in any order; twins become one."""
    # The whole of each comes last: two can be for the same place, and come from different sources.
    ordered = sorted(
        dict.fromkeys(distributions), key=lambda d: (d.name, d.version, d.marker, dumps(to_json(d)))
    )
    return LockedEnvironment(distributions=tuple(ordered))


def ordered_files(files: Iterable[LockedFile]) -> tuple[LockedFile, ...]:
    """Return the files that are proven by a hash: wheels by name, then one source archive."""
    proven = sorted((file for file in files if file.hashes), key=lambda file: (not file.is_wheel, file.name))
    wheels = [file for file in proven if file.is_wheel]
    return tuple(proven[: len(wheels) + 1])


def strong_hashes(hashes: Iterable[str]) -> tuple[str, ...]:
    """Return those of `hashes` that prove something, sorted.

    >>> strong_hashes(["md5:00", "sha256:" + 64 * "a"]) == ("sha256:" + 64 * "a",)
    True
    """
    return tuple(sorted({each.lower() for each in hashes if _HASH.fullmatch(each.lower())}))

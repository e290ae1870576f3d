"""What an installed distribution says of where it comes from, and of what it needs."""

from __future__ import annotations

from typing import Any

from hermpkg_build.analysis.distributions import Distribution, Distributions
from hermpkg_build.analysis.license_statements import header_fields, public_url
from hermpkg_build.core.canonical_json import loads
from hermpkg_build.environment.locked import LockedDistribution, LockedFile, Repository, strong_hashes
from hermpkg_build.environment.pylock import last_part
from hermpkg_build.environment.toml_fields import Fields, LockFormError


def requirements_of(distribution: Distribution, distributions: Distributions) -> tuple[str, ...]:
    """List what the distribution requires, as its metadata have it (PEP 508)."""
    return tuple(header_fields(distributions.header_of(distribution)).get("requires-dist", ()))


def installed_distribution(distribution: Distribution, distributions: Distributions) -> LockedDistribution:
    """Say what is installed, as far as the installation tells: pip and uv note a file with a path or URL.

    Folders of this machine are not told of, nor are names and passwords in URLs.
    """
    stated = _direct_url(distributions.metadata_file(distribution, "direct_url.json"))
    url = stated.get("url")
    plain = LockedDistribution(name=distribution.name, version=distribution.version)
    if not isinstance(url, str):
        return plain
    try:
        return _from_url(plain, url, stated)
    except (LockFormError, AttributeError, TypeError):
        return plain


def _from_url(plain: LockedDistribution, url: str, stated: dict[str, Any]) -> LockedDistribution:
    name, version = plain.name, plain.version
    public = public_url(url)
    repository = stated.get("vcs_info")
    if repository is not None and public:
        fields = Fields({**repository, "url": public})
        return LockedDistribution(
            name=name,
            version=version,
            repository=Repository(
                kind=fields.word("vcs"),
                url=fields.url("url"),
                commit=fields.word("commit_id"),
                subdirectory=Fields(stated).word("subdirectory") if stated.get("subdirectory") else "",
            ),
        )
    if "dir_info" in stated or repository is not None:
        return LockedDistribution(name=name, version=version, is_local=True)
    hashes = _hashes(stated.get("archive_info") or {})
    if not hashes:
        return plain
    file = Fields({"name": last_part(url), "url": public})
    archive = LockedFile(
        name=file.file_name("name"), hashes=hashes, url=file.url("url") if public.startswith("http") else ""
    )
    if archive.url:
        return LockedDistribution(name=name, version=version, archive=archive)
    return LockedDistribution(name=name, version=version, files=(archive,))


def _hashes(archive: dict[str, Any]) -> tuple[str, ...]:
    old = str(archive.get("hash", "")).replace("=", ":", 1)
    return strong_hashes([old, *(f"{kind}:{value}" for kind, value in archive.get("hashes", {}).items())])


def _direct_url(data: bytes | None) -> dict[str, Any]:
    if data is None:
        return {}
    try:
        stated = loads(data)
    except (ValueError, RecursionError):
        return {}
    return stated if isinstance(stated, dict) else {}

"""Writes an environment as plain requirements, which pip and uv install."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hermpkg_build.environment.locked import LockedDistribution


def requirements_lines(distributions: Iterable[LockedDistribution], *, hashes: bool) -> Iterator[str]:
    """Give the lines, with `hashes` or without: installers take a file only if all in it have some, or none.

    What comes from a folder of another machine stands in a comment.
    """
    for each in distributions:
        line = _requirement(each)
        if each.marker:
            line += f" ; {each.marker}"
        if each.is_local:
            yield f"# {line}  # it was installed from a folder"
        elif hashes and has_hash(each):
            found = each.archive.hashes if each.archive is not None else each.all_hashes
            yield " \\\n".join([line, *(f"    --hash={value}" for value in found)])
        else:
            yield line


def has_hash(each: LockedDistribution) -> bool:
    """Whether an installer can prove by a hash that it has the right file."""
    return bool(each.archive.hashes if each.archive is not None else each.all_hashes)


def _requirement(each: LockedDistribution) -> str:
    if each.repository is not None:
        repository = each.repository
        inside = f"#subdirectory={repository.subdirectory}" if repository.subdirectory else ""
        return f"{each.name} @ {repository.kind}+{repository.url}@{repository.commit}{inside}"
    if each.archive is not None and each.archive.url:
        return f"{each.name} @ {each.archive.url}"
    return f"{each.name}=={each.version}" if each.version else each.name

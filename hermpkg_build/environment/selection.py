"""Chooses what of an environment is for the Python that runs, and says what cannot be installed for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cache

from hermpkg_build.dataclass import dataclass
from hermpkg_build.environment.locked import LockedDistribution, LockedEnvironment, LockedFile
from hermpkg_build.errors import ArchiveError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A distribution that is to be installed, and the file that fits, None where no names are known."""

    distribution: LockedDistribution
    file: LockedFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is to be installed, by name, and why some of it cannot be: (distribution, reason)."""

    wanted: tuple[Wanted, ...]
    problems: tuple[tuple[str, str], ...] = ()


def needed_here(environment: LockedEnvironment) -> Iterator[LockedDistribution]:
    """Give the distributions that are needed on this platform, by this Python."""
    return filter(is_needed_here, environment.distributions)


def is_needed_here(each: LockedDistribution) -> bool:
    """Whether the marker of a distribution holds on this platform, for this Python."""
    return not each.marker or _holds(each.marker)


def select(environment: LockedEnvironment, *, folder: str = "") -> Selection:
    """Choose what is to be installed here; with `folder`, from the files in it alone."""
    files = _listed(folder) if folder else None
    wanted, problems = [], []
    for each in needed_here(environment):
        file = _fitting(each.files)
        problem = _problem(each, file, files)
        if problem:
            problems.append((f"{each.name} {each.version}".rstrip(), problem))
        wanted.append(Wanted(distribution=each, file=file))
    return Selection(wanted=tuple(wanted), problems=tuple(problems))


def _holds(marker: str) -> bool:
    from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
    from packaging.version import InvalidVersion

    none: frozenset[str] = frozenset()
    try:
        try:
            return Marker(marker).evaluate(
                {"extra": "", "extras": none, "dependency_groups": none}, "lock_file"
            )
        except TypeError:  # An older library, in which no marker can ask for extras of a lock.
            return Marker(marker).evaluate({"extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion) as error:
        raise ArchiveError(
            "it cannot be judged whether a distribution of the environment is needed here",
            facts=[("marker", marker), ("reason", str(error))],
        ) from None


def python_and_platform() -> str:
    """Say for what is installed: ``CPython 3.11 on linux-x86_64``."""
    import platform
    import sysconfig

    python = f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}"
    return f"{python} on {sysconfig.get_platform()}"


def _problem(each: LockedDistribution, file: LockedFile | None, files: Sequence[str] | None) -> str:
    """Say why a distribution cannot be installed; "" where it can, as far as can be known before."""
    if files is not None:
        return "" if _is_among(each, file, files) else f"not in the folder{_fit_text(each, file)}"
    if each.is_local:
        return "it was installed from a folder of the machine that it was built on"
    if not each.version and not each.is_proven:
        return "its version is not known"
    if each.files and file is None:
        return f"no file of it is for {python_and_platform()}: there are {_tags_text(each.files)}"
    return ""


def _fit_text(each: LockedDistribution, file: LockedFile | None) -> str:
    if file is not None:
        return f": {file.name}"
    return f", nor is there one for {python_and_platform()}" if each.files else ""


def _fitting(files: Sequence[LockedFile]) -> LockedFile | None:
    """Return the wheel that fits best, else the source archive, else None."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    ranks = _ranks()
    best: tuple[int, LockedFile] | None = None
    for file in files:
        if not file.is_wheel:
            continue
        try:
            tags = parse_wheel_filename(file.name)[3]
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in map(str, tags) if tag in ranks), default=None)
        if rank is not None and (best is None or rank < best[0]):
            best = rank, file
    if best is not None:
        return best[1]
    return next((file for file in files if not file.is_wheel), None)


@cache
def _ranks() -> dict[str, int]:
    from packaging.tags import sys_tags

    return {str(tag): rank for rank, tag in reversed([*enumerate(sys_tags())])}


def _tags_text(files: Sequence[LockedFile]) -> str:
    """Say for what there are files: ``cp312-win_amd64, cp313-win_amd64``."""
    tags = sorted(
        {"-".join(file.name.removesuffix(".whl").split("-")[-3::2]) for file in files if file.is_wheel}
    )
    return ", ".join(tags[:6]) + (f" and {len(tags) - 6} more" if len(tags) > 6 else "")


def _listed(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_file())


def _is_among(each: LockedDistribution, file: LockedFile | None, files: Sequence[str]) -> bool:
    """Whether a folder has a file of this version that can be installed here; its hash is compared later."""
    if file is not None and file.name in files:
        return True
    from packaging.utils import canonicalize_version

    version = canonicalize_version(each.version)
    usable = [name for name in files if _name_and_version(name) == (each.name, version)]
    return any(not name.endswith(".whl") or _fitting([LockedFile(name=name, hashes=())]) for name in usable)


def _name_and_version(file: str) -> tuple[str, str] | None:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        canonicalize_version,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        if file.endswith(".whl"):
            name, version, *_ = parse_wheel_filename(file)
        else:
            name, version = parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return name, canonicalize_version(version)

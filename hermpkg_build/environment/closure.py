"""Works out the environment of an artifact: the distributions it needs, and all that these need.

What is installed decides, for the model was built with it. The project's lock adds the files with their
hashes, and what other platforms need. Where both disagree, what is installed is recorded, and that is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.environment.conditions import OPEN, Way, marker_of, with_way
from hermpkg_build.environment.installed import installed_distribution, requirements_of
from hermpkg_build.environment.locked import LockedDistribution, LockedEnvironment, locked_environment
from hermpkg_build.environment.needs import needs_of
from hermpkg_build.environment.selection import is_needed_here

if TYPE_CHECKING:
    from hermpkg_build.analysis.distributions import Distributions
    from hermpkg_build.environment.lock_entry import LockEntry
    from hermpkg_build.environment.project_lock import ProjectLock


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A distribution of which the lock does not say what is installed; `locked` is "" where it has none."""

    name: str
    installed: str
    locked: str

    def __str__(self) -> str:
        return f"{self.name}: {self.installed} is installed, the lock has {self.locked or 'none'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """The environment, and where the project's lock disagrees with what is installed."""

    environment: LockedEnvironment
    disagreements: tuple[Disagreement, ...]


def environment_of(
    roots: Collection[str], installed: Distributions, lock: ProjectLock | None, *, urls: bool = False
) -> Closure:
    """Return the environment in which the distributions `roots`, by normalised names, have all they need.

    `urls` says whether it is recorded from where files can be had.
    """
    entries = lock.by_name() if lock is not None else {}
    ways = _Walk(installed, entries).ways_from(roots)
    found: list[LockedDistribution] = []
    disagreements = []
    for name in sorted(ways):
        here = installed.named(name)
        known = entries.get(name, [])
        if here is None:
            found += (_needed(entry.distribution, ways[name], fork=len(known) > 1) for entry in known)
            continue
        present = installed_distribution(here, installed)
        same = next((entry.distribution for entry in known if _agree(entry.distribution, present)), None)
        if same is None:
            if lock is not None:
                versions = ", ".join(sorted(_told(entry.distribution) for entry in known))
                disagreements.append(Disagreement(name=name, installed=_told(present), locked=versions))
            found.append(_needed(present, ways[name], fork=False))
        else:
            # Of those that are for this machine, only the one that is here, whatever its marker says.
            apart = [entry.distribution for entry in known if not is_needed_here(entry.distribution)]
            others = [each for each in apart if each is not same]
            found.append(_needed(same, ways[name], fork=bool(others) and same not in apart))
            found += (_needed(each, ways[name], fork=True) for each in others)
    environment = locked_environment(each if urls else _without_urls(each) for each in found)
    return Closure(environment=environment, disagreements=tuple(disagreements))


class _Walk:
    """Follows requirements, those of the installed distributions, and the lock's for all others."""

    def __init__(self, installed: Distributions, entries: Mapping[str, Sequence[LockEntry]]) -> None:
        self._installed = installed
        self._entries = entries
        self._requirements: dict[str, tuple[str, ...]] = {}

    def ways_from(self, roots: Collection[str]) -> dict[str, frozenset[Way]]:
        """Return the ways to each distribution that is reached and known, by its name."""
        found: dict[tuple[str, str], frozenset[Way]] = {}
        queue: list[tuple[str, str, Way]] = [(name, "", OPEN) for name in sorted(roots)]
        while queue:
            name, extra, way = queue.pop()
            if not self._is_known(name):
                continue
            ways = with_way(found.get((name, extra), ()), way)
            if ways is None or ways == found.get((name, extra)):
                continue
            found[name, extra] = ways
            new = way if way in ways else next(iter(ways))
            for need in needs_of(self._requirements_of(name), extra):
                onward = new | {need.marker} if need.marker else new
                queue += ((need.name, each, onward) for each in ("", *need.extras))
        return {name: ways for (name, extra), ways in found.items() if not extra}

    def _is_known(self, name: str) -> bool:
        return name in self._entries or self._installed.named(name) is not None

    def _requirements_of(self, name: str) -> tuple[str, ...]:
        if name not in self._requirements:
            here = self._installed.named(name)
            stated = requirements_of(here, self._installed) if here is not None else ()
            others = [text for entry in self._entries.get(name, ()) for text in entry.requirements]
            self._requirements[name] = stated or tuple(dict.fromkeys(others))
        return self._requirements[name]


def _needed(each: LockedDistribution, ways: frozenset[Way], *, fork: bool) -> LockedDistribution:
    """Return a distribution with the marker of where it is needed; a `fork` has one of its own besides."""
    return replace(each, marker=marker_of(ways, each.marker if fork else ""))


def _agree(locked: LockedDistribution, present: LockedDistribution) -> bool:
    """Whether what a lock says can be what is installed."""
    if locked.is_local or present.is_local:
        return locked.is_local and present.is_local
    if locked.version and locked.version != present.version and not _same_version(locked, present):
        return False
    if locked.repository is not None or present.repository is not None:
        return locked.repository is not None and (
            present.repository is None or locked.repository.commit == present.repository.commit
        )
    noted = {*present.all_hashes, *(present.archive.hashes if present.archive else ())}
    known = {*locked.all_hashes, *(locked.archive.hashes if locked.archive else ())}
    return not noted or not known or not noted.isdisjoint(known)


def _same_version(one: LockedDistribution, other: LockedDistribution) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one.version) == Version(other.version)
    except InvalidVersion:
        return False


def _told(each: LockedDistribution) -> str:
    if each.is_local:
        return f"{each.version} from a folder".lstrip()
    if each.repository is not None:
        return f"{each.version} from commit {each.repository.commit[:12]}".lstrip()
    return each.version or "some version"


def _without_urls(each: LockedDistribution) -> LockedDistribution:
    """Leave out where files can be had, but for an archive whose URL is all there is to say of it."""
    return replace(each, files=tuple(replace(file, url="") for file in each.files))


def unproven_names(environment: LockedEnvironment) -> Iterator[str]:
    """Give what only a version is known of: ``numpy 2.4.6``."""
    return (f"{each.name} {each.version}".rstrip() for each in environment.unproven())

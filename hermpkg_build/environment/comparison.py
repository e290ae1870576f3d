"""Compares an environment with what is installed for the Python that runs."""

from __future__ import annotations

from collections.abc import Mapping

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.dataclass import dataclass
from hermpkg_build.environment.locked import LockedEnvironment
from hermpkg_build.environment.selection import needed_here


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A distribution that is not installed as it was when the artifact was built.

    `installed` is "" where it is missing; `is_allowed` says that the artifact accepts this version.
    """

    name: str
    locked: str
    installed: str
    is_allowed: bool


def differences(
    environment: LockedEnvironment, installed: Distributions, requires: Mapping[str, str]
) -> list[Difference]:
    """List what differs; `requires` are the versions (PEP 440) that the artifact accepts, by name."""
    found = []
    for each in needed_here(environment):
        here = installed.named(each.name)
        version = here.version if here is not None else ""
        if here is not None and _is_same(each.version, version):
            continue
        found.append(
            Difference(
                name=each.name,
                locked=each.version,
                installed=version,
                is_allowed=here is not None and _allows(requires.get(each.name, ""), version),
            )
        )
    return found


def _is_same(locked: str, installed: str) -> bool:
    from packaging.version import InvalidVersion, Version

    if not locked or locked == installed:
        return True
    try:
        return Version(locked) == Version(installed)
    except InvalidVersion:
        return False


def _allows(specifier: str, version: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return bool(specifier) and SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False

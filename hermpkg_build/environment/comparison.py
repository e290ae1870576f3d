"""Compares an environment with what is installed for the Python that runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleDifference:
    """An extern module that is not where it was: at `found` ("" where it is missing), of `installed`.

    `locked` is the distribution that it was of, `installed` the one that it is of, "" for none.
    """

    name: str
    locked: str
    found: str
    installed: str
    is_optional: bool


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


def module_differences(
    manifest: Manifest, finder: ModuleFinder, missing: Collection[str]
) -> Iterator[ModuleDifference]:
    """Give the extern modules that `finder` does not find, or in a file of another distribution.

    Those of distributions that are `missing` are not named. Of what had no file when the artifact was built,
    such as a module that code puts into ``sys.modules``, nothing can be said.
    """
    for name, module in manifest.modules.items():
        if (
            module.policy is not Policy.EXTERN
            or module.origin not in (Origin.ENVIRONMENT, Origin.STDLIB)
            or module.kind in (ModuleKind.BUILTIN, ModuleKind.MISSING)
            or module.distribution in missing
            or (module.origin is Origin.ENVIRONMENT and not module.distribution)
        ):
            continue
        here = finder.find(name)
        moved = here is not None and here.distribution != module.distribution
        if here is None or (moved and here.kind is not ModuleKind.NAMESPACE):
            yield ModuleDifference(
                name=name,
                locked=module.distribution,
                found=here.path if here else "",
                installed=here.distribution if here else "",
                is_optional=module.optional and here is None,
            )


def is_same_python(built_with: str, here: str) -> bool:
    """Whether two versions of Python have the same language and library: the first two numbers decide.

    >>> is_same_python("3.11.7", "3.11.2"), is_same_python("3.11.7", "3.12.1")
    (True, False)
    """
    return built_with.split(".")[:2] == here.split(".")[:2]


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

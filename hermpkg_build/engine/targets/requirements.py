"""Checks what a `model_package` requires of environments, before anything is built for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from hermpkg_build.core.texts import counted
from hermpkg_build.errors import GroupedError, LoadingError

if TYPE_CHECKING:
    from hermpkg_build.analysis.distributions import Distributions
    from hermpkg_build.core.target import ModelPackage
    from hermpkg_build.engine.context import TargetContext


def check_requirements(context: TargetContext, target: ModelPackage, warn: Callable[[str], None]) -> None:
    """Compare the `requires` of `target` with what is installed here, which the artifact is built for.

    `warn` is told of names that no distribution here has. Raises LoadingError, or GroupedError with all,
    where a version that is installed here is not allowed: the artifact could not be loaded where it is built.
    """
    if not target.requires:
        return
    from hermpkg_build.analysis.distributions import Distributions

    installed = Distributions(context.environment.search_path, context.tree)
    for name, text in installed.unknown_requirements(target.requires).items():
        told = context.error_in(target, text, attribute="requires", path=(name,), next_step="")
        warn(f"{told.location}: {text}" if told.location else f"{target.label}: {text}")
    errors = list(_refused(context, target, installed))
    if errors:
        what = counted(len(errors), "requirement")
        raise errors[0] if len(errors) == 1 else GroupedError(f"{what} of {target.label} cannot hold", errors)


def _refused(
    context: TargetContext, target: ModelPackage, installed: Distributions
) -> Iterator[LoadingError]:
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    for name, specifier in sorted(target.requires.items()):
        found = installed.named(name)
        if found is None:
            continue
        try:
            allowed = SpecifierSet(specifier).contains(found.version, prereleases=True)
        except InvalidVersion:  # Metadata without a version, or with one that is older than PEP 440.
            continue
        if not allowed:
            yield context.error_in(
                target,
                f"{target.label} requires {name} {specifier}, and {found.version} is installed here",
                attribute="requires",
                path=(name,),
                next_step=f"install a version that is allowed, or change requires[{name!r}]",
            )

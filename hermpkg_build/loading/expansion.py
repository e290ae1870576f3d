"""Expands target patterns to labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hermpkg_build.core.label import Label, TargetPattern
from hermpkg_build.errors import HermpkgError, LabelError
from hermpkg_build.loading.collected_errors import raise_all
from hermpkg_build.loading.loader import Loader

MANUAL = "manual"
"""The tag that keeps a target out of wildcard patterns."""


def expand(loader: Loader, patterns: Sequence[str], *, package: str = "") -> tuple[Label, ...]:
    """Return the labels that target patterns stand for, in their order and without duplicates.

    Relative patterns count from the folder `package`. ``:all`` and ``...`` stand for rule targets without
    the tag `manual`; a pattern with a leading ``-`` takes away. Raises LabelError, what `Loader.build_file`
    raises, or GroupedError with all that is wrong.
    """
    chosen: dict[Label, None] = {}
    errors: list[HermpkgError] = []
    for pattern in [TargetPattern.parse(text, package=package) for text in patterns]:
        try:
            labels = list(_labels(pattern, loader, errors))
        except HermpkgError as error:
            errors.append(error)
            continue
        for label in labels:
            if pattern.negative:
                chosen.pop(label, None)
            else:
                chosen.setdefault(label)
    raise_all(errors, "in what the target patterns name")
    return tuple(chosen)


def _labels(pattern: TargetPattern, loader: Loader, errors: list[HermpkgError]) -> Iterable[Label]:
    if pattern.repository:
        raise LabelError(f"{pattern} is in another repository: only this workspace has targets")
    if pattern.recursive:
        return _below(pattern, loader, errors)
    if pattern.target is None:
        # As for Bazel, a target that has the name of a wildcard is what that names.
        own = loader.build_file(pattern.package).targets.get(pattern.text.rpartition(":")[2])
        if own is not None:
            return [own.label]
        return _all_of(pattern.package, loader, with_manual=pattern.negative)
    return [loader.target(_label(pattern, pattern.target, loader)).label]


def _label(pattern: TargetPattern, name: str, loader: Loader) -> Label:
    """Return the one label that a pattern without wildcards names.

    A relative word without a colon is a package's path, or else a target's in the innermost package.
    """
    text = pattern.text.removeprefix("-")
    if ":" not in text and not text.startswith("//") and loader.packages.build_file(pattern.package) is None:
        outer = loader.packages.package_of(pattern.package)
        if outer is not None:
            return Label(outer, pattern.package[len(outer) :].lstrip("/"))
    return Label(pattern.package, name)


def _all_of(package: str, loader: Loader, *, with_manual: bool) -> list[Label]:
    targets = loader.build_file(package).targets.values()
    return [target.label for target in targets if with_manual or MANUAL not in target.tags]


def _below(pattern: TargetPattern, loader: Loader, errors: list[HermpkgError]) -> list[Label]:
    """List the targets at or below a folder; an error in one BUILD file does not hide those of others."""
    labels: list[Label] = []
    packages = list(loader.packages.below(pattern.package))
    if not packages:
        raise LabelError(f"no packages at or below //{pattern.package}", facts=[("pattern", str(pattern))])
    for package in packages:
        try:
            labels += _all_of(package, loader, with_manual=pattern.negative)
        except HermpkgError as error:  # noqa: PERF203 - one package's error hides no other's
            errors.append(error)
    return labels

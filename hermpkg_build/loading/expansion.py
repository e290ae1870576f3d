"""Expands target patterns to labels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from hermpkg_build.core.label import Label, TargetPattern
from hermpkg_build.dataclass import replace
from hermpkg_build.errors import HermpkgError, LabelError
from hermpkg_build.loading.collected_errors import raise_all
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.packages import Packages

MANUAL = "manual"
"""The tag that keeps a target out of wildcard patterns."""


def expand(loader: Loader, patterns: Sequence[str], *, package: str = "") -> tuple[Label, ...]:
    """Return the labels that target patterns stand for, in their order and without duplicates.

    Relative patterns count from the folder `package`, and a path can be absolute. ``:all`` and ``...`` stand
    for rule targets without the tag `manual`; a pattern with a leading ``-`` takes away. Raises LabelError,
    what `Loader.build_file` raises, or GroupedError with all that is wrong.
    """
    chosen: dict[Label, None] = {}
    errors: list[HermpkgError] = []
    for pattern in [parse_pattern(text, package, loader.workspace.root) for text in patterns]:
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


def parse_pattern(text: str, package: str, root: str) -> TargetPattern:
    """Read a pattern, whose path may be an absolute one that lies in the workspace `root`."""
    path = text.removeprefix("-")
    if not path.startswith("/") or path.startswith("//"):
        return TargetPattern.parse(text, package=package)
    folder = path
    inside = _path_inside(root, folder)
    if inside is None:
        folder = path.rpartition(":")[0]
        inside = _path_inside(root, folder)
    if inside is None:
        raise LabelError(f"{text!r} lies outside of the workspace", facts=[("workspace", root)])
    return replace(TargetPattern.parse(f"{text[: -len(path)]}./{inside}{path[len(folder) :]}"), text=text)


def _path_inside(root: str, path: str) -> str | None:
    """Return an absolute `path` relative to `root`, which it may name through links; None if outside."""
    names = path.split("/")
    for number in range(1, len(names) + 1):
        folder = "/".join(names[:number]) or "/"
        if os.path.exists(folder) and os.path.samefile(folder, root):
            return "/".join(names[number:])
    return None


def _labels(pattern: TargetPattern, loader: Loader, errors: list[HermpkgError]) -> Iterable[Label]:
    if pattern.repository:
        raise LabelError(f"{pattern} is in another repository: only this workspace has targets")
    if pattern.recursive:
        return _below(pattern, loader, errors)
    if pattern.target is None:
        _check_package(pattern.package, loader)
        # As for Bazel, a target that has the name of a wildcard is what that names.
        own = loader.build_file(pattern.package).targets.get(pattern.text.rpartition(":")[2])
        if own is not None:
            return [own.label]
        return _all_of(pattern.package, loader, with_manual=pattern.negative)
    if pattern.is_path:
        return _at_path(pattern, pattern.target, loader)
    return [loader.target(Label(pattern.package, pattern.target)).label]


def _at_path(pattern: TargetPattern, name: str, loader: Loader) -> list[Label]:
    """List what a word without a colon stands for: a target or a file by its path, or a package.

    A package stands for its target of the same name, as for Bazel, or else for all of its targets.
    """
    label = label_at_path(pattern, name, loader.packages)
    if (
        label.package == pattern.package
        and loader.packages.build_file(label.package) is not None
        and name not in loader.build_file(pattern.package).targets
        and not loader.has_file(label)
    ):
        labels = _all_of(pattern.package, loader, with_manual=pattern.negative)
        if labels:
            return labels
    return [loader.target(label).label]


def label_at_path(pattern: TargetPattern, name: str, packages: Packages) -> Label:
    """Return the label at a path: of a package's target of the same name, or of a file in a package."""
    if packages.build_file(pattern.package) is None:
        outer = packages.package_of(pattern.package)
        if outer is not None:
            return Label(outer, pattern.package[len(outer) :].lstrip("/"))
    return Label(pattern.package, name)


def _check_package(package: str, loader: Loader) -> None:
    """Raise LabelError for a folder that is no package; it names the packages below, where there are some."""
    packages = loader.packages
    if packages.build_file(package) is not None:
        return
    error = packages.no_such_package(Label(package, "all"))
    if packages.is_ignored(package) or next(packages.below(package), None) is None:
        raise error
    below = f"//{package}/..." if package else "//..."
    raise LabelError(error.summary, facts=error.facts, next_step=f"for all targets below it: {below}")


def _all_of(package: str, loader: Loader, *, with_manual: bool) -> list[Label]:
    targets = loader.build_file(package).targets.values()
    return [target.label for target in targets if with_manual or MANUAL not in target.tags]


def _below(pattern: TargetPattern, loader: Loader, errors: list[HermpkgError]) -> list[Label]:
    """List the targets at or below a folder; an error in one BUILD file does not hide those of others."""
    labels: list[Label] = []
    if loader.packages.is_output(pattern.package):
        raise loader.packages.no_such_package(Label(pattern.package, "all"))
    packages = list(loader.packages.below(pattern.package))
    if not packages:
        raise LabelError(f"no packages at or below //{pattern.package}", facts=[("pattern", str(pattern))])
    for package in packages:
        try:
            labels += _all_of(package, loader, with_manual=pattern.negative)
        except HermpkgError as error:  # noqa: PERF203 - one package's error hides no other's
            errors.append(error)
    return labels

"""Tells of code of one's own that an artifact leaves outside: it lands without what it was made of."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from hermpkg_build.analysis.decisions import OWN_TOOLS
from hermpkg_build.analysis.distributions import Distribution
from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.graph import ModuleGraph, ModuleNode
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.source_roots import advice_on_root
from hermpkg_build.core.texts import listed

_SHOWN = 4


def is_linked(distribution: Distribution, source: ModuleSource) -> bool:
    """Whether a distribution is installed as a link to its project: its modules lie elsewhere."""
    site = os.path.dirname(distribution.metadata)
    return bool(source.path) and not source.path.startswith(os.path.join(site, ""))


def own_code_outside(
    graph: ModuleGraph, finder: ModuleFinder, factories: Collection[str], project: str
) -> Iterator[str]:
    """A text, with the next step, where modules of one's own are extern.

    That are files of the workspace, and the code of `factories` (their modules) where it is installed as a
    link to its project, or is that of `project`, the distribution that the workspace is the source of.
    """
    tops = {top_of(module) for module in factories}
    outside: dict[str, str] = {}
    for node in graph.with_policy(Policy.EXTERN):
        file = "" if node.origin is Origin.STDLIB else _own_file(node, finder, tops, project)
        if file:
            outside[node.name] = file
    if not outside:
        return
    packages = sorted({top_of(name) for name in outside})
    rule = PolicyRule(policy=Policy.INTERN, include=tuple(f"{top}.**" for top in packages))
    names = listed([f"{name} ({file})" for name, file in sorted(outside.items())], _SHOWN)
    steps = [f"to pack it, begin the policy with {rule}"]
    if any(finder.find(name) is None for name in outside):
        missing = next((root for root in finder.missing_roots if _is_below(outside, root)), None)
        if missing is not None:
            steps.append(advice_on_root(missing, finder.source_roots))
        steps.append("list the files in a python_modules target among the deps")
    yield (
        f"code of your own stays outside of the artifact, which fails where that is not installed: {names}\n"
        + "\n".join(f"  -> {step}" for step in steps)
    )


def _is_below(outside: dict[str, str], root: str) -> bool:
    return any(file.startswith(f"{root}/") for file in outside.values())


def _own_file(node: ModuleNode, finder: ModuleFinder, tops: Collection[str], project: str) -> str:
    """The file of a module that is one's own and could be packed; "" for any other."""
    source = finder.find(node.name)
    if source is None:
        return finder.undeclared_file(node.name) or ""
    if source.kind not in (ModuleKind.SOURCE, ModuleKind.PACKAGE):
        return ""
    if source.origin is Origin.WORKSPACE:
        return source.shown
    if top_of(node.name) not in tops or not source.distribution or source.distribution in OWN_TOOLS:
        return ""
    distribution = finder.distributions.named(source.distribution)
    is_own = source.distribution == normalised(project) if project else False
    is_own = is_own or (distribution is not None and is_linked(distribution, source))
    return source.path if is_own else ""

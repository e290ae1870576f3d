"""Makes the smallest rule that accepts one artifact, for a person to review."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.module_names import top_of
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.trust.need import Need, NeedKind
from hermpkg_build.trust.needs import Needs
from hermpkg_build.trust.policy import ANY_VERSION, TrustRule

_KEYS = {
    NeedKind.GLOBAL: "globals",
    NeedKind.MODULE: "modules",
    NeedKind.CAPABILITY: "capabilities",
    NeedKind.EXTERN: "externs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallestRule:
    """A rule, and what is to be said behind its entries.

    `doubts` are what no rule but one with ``allow-all`` accepts; with any, `rule` accepts the rest.
    """

    rule: TrustRule
    comments: Mapping[tuple[str, str], str] = field(default_factory=dict)
    doubts: tuple[Need, ...] = ()


def smallest_rule(
    needs: Needs, *, artifact: str, sha256: str, requires: Mapping[str, str] = {}
) -> SmallestRule:
    """Make the rule for a file named `artifact` with these `needs`, and the digest `sha256`, "" for any.

    `requires` are versions of distributions, by normalised names, that the artifact asks for itself. They are
    taken over where this machine has them.
    """
    doubts = [*needs.of(NeedKind.DOUBT), *_unwritable(needs)]
    comments: dict[tuple[str, str], str] = {}
    lists: dict[NeedKind, list[str]] = {}
    for kind in (NeedKind.GLOBAL, NeedKind.MODULE, NeedKind.CAPABILITY, NeedKind.EXTERN):
        entries = _entries([need for need in needs.of(kind) if need not in doubts])
        lists[kind] = list(entries)
        for entry, covered in entries.items():
            comments[_KEYS[kind], entry] = _said(covered)
    rule = TrustRule(
        artifacts=re.sub(r"\*+", "*", artifact) or "**",
        sha256=sha256 or (),
        globals=lists[NeedKind.GLOBAL],
        modules=lists[NeedKind.MODULE],
        capabilities=lists[NeedKind.CAPABILITY],
        externs={name: _versions(name, requires) for name in lists[NeedKind.EXTERN]},
    )
    return SmallestRule(rule=rule, comments=comments, doubts=tuple(doubts))


def _entries(needs: Sequence[Need]) -> dict[str, list[Need]]:
    """The entries that cover needs: modules by their top-level packages, all else by name."""
    if not needs or needs[0].kind not in (NeedKind.MODULE, NeedKind.EXTERN):
        return {need.full_name: [need] for need in needs}
    by_top: dict[str, list[Need]] = {}
    for need in needs:
        by_top.setdefault(top_of(need.name), []).append(need)
    return {covered[0].name if len(covered) == 1 else f"{top}.**": covered for top, covered in by_top.items()}


def _said(covered: Sequence[Need]) -> str:
    first = covered[0]
    if len(covered) > 1:
        return f"{len(covered)} modules"
    more = first.count - 1
    return (first.places[0] if first.places else "") + (f", and {more} more" if more > 0 else "")


def _unwritable(needs: Needs) -> Iterable[Need]:
    """Needs whose names no entry of a policy can be: they have wildcards in them, or are no text."""
    for need in needs.all:
        if "*" in need.full_name or any(0xD800 <= ord(letter) < 0xE000 for letter in need.full_name):
            yield need


def _versions(pattern: str, requires: Mapping[str, str]) -> str:
    """What an artifact requires of whatever provides an extern, where that is what is installed here."""
    from hermpkg_build.trust.decision import providers_of, wrong_version

    module = pattern.removesuffix(".**")
    wanted = {requires[name] for name in map(normalised, providers_of(module)) if name in requires}
    versions = wanted.pop() if len(wanted) == 1 else ANY_VERSION
    try:
        fits = not wrong_version(module, versions)
    except ValueError:  # The artifact's own words, which need not be a specifier.
        fits = False
    return versions if fits else ANY_VERSION
